/* The request for sums and top lists. */
#include "store/sqlite_request_kit.h"

struct usage_request {
    struct request base;
    bool is_one_user;
    const char *user;
    const char *day;
    size_t max_items;
    store_usage_fn fn;
    void *arg;
    size_t n_rows;
    size_t capacity;
    struct store_usage_result result;
};

struct sums {
    struct store_usage *usage;
    int64_t n_users;
};

static bool on_sums_row(sqlite3_stmt *row, void *arg)
{
    struct sums *sums = arg;
    *sums->usage = (struct store_usage){.id = "",
                                        .name = "",
                                        .requests = sqlite3_column_int64(row, 0),
                                        .prompt_tokens = sqlite3_column_int64(row, 1),
                                        .completion_tokens = sqlite3_column_int64(row, 2)};
    sums->n_users = sqlite3_column_int64(row, 3);
    return true;
}

static bool on_top_row(sqlite3_stmt *row, void *arg)
{
    struct usage_request *request = arg;
    struct store_usage *item =
        request_add_row(&request->base, &request->n_rows, &request->capacity, sizeof(*item));
    *item = (struct store_usage){.id = request_keep_column(&request->base, row, 0),
                                 .name = request_keep_column(&request->base, row, 1),
                                 .requests = sqlite3_column_int64(row, 2),
                                 .prompt_tokens = sqlite3_column_int64(row, 3),
                                 .completion_tokens = sqlite3_column_int64(row, 4)};
    return true;
}

static enum status read_sums(struct sqlite_db *db, struct usage_request *request)
{
    const struct sql_value user = SQL_TEXT(request->user);
    const struct sql_value day = SQL_TEXT(request->day);
    struct sums of_day = {.usage = &request->result.day};
    struct sums of_month = {.usage = &request->result.month};
    enum status status =
        request->is_one_user
            ? sqlite_db_query(db, SQL_SUM_USER_DAY, SQL_VALUES(user, day), on_sums_row, &of_day)
            : sqlite_db_query(db, SQL_SUM_DAY, SQL_VALUES(day), on_sums_row, &of_day);
    if (status == ST_OK)
        status = request->is_one_user
                     ? sqlite_db_query(db, SQL_SUM_USER_MONTH, SQL_VALUES(user, day), on_sums_row,
                                       &of_month)
                     : sqlite_db_query(db, SQL_SUM_MONTH, SQL_VALUES(day), on_sums_row, &of_month);
    request->result.n_users = of_month.n_users;
    return status;
}

static enum status read_tallies(struct sqlite_db *db, struct usage_request *request,
                                const char *what)
{
    return sqlite_db_query(db, SQL_TOP_TALLIES,
                           SQL_VALUES(SQL_TEXT(request->day), SQL_TEXT(what),
                                      SQL_INT(request_row_limit(request->max_items))),
                           on_top_row, request);
}

static enum status run_read_usage(struct sqlite_db *db, struct request *base)
{
    struct usage_request *request = REQUEST_OF(base, struct usage_request);
    struct store_usage_result *result = &request->result;
    enum status status = read_sums(db, request);
    if (status != ST_OK || request->is_one_user)
        return status;
    status = sqlite_db_query(
        db, SQL_TOP_USERS,
        SQL_VALUES(SQL_TEXT(request->day), SQL_INT(request_row_limit(request->max_items))),
        on_top_row, request);
    result->n_users_listed = request->n_rows;
    if (status == ST_OK)
        status = read_tallies(db, request, "group");
    result->n_groups = request->n_rows - result->n_users_listed;
    if (status == ST_OK)
        status = read_tallies(db, request, "model");
    result->n_models = request->n_rows - result->n_users_listed - result->n_groups;
    /* Only now: the array has moved while it grew. */
    if (base->rows) {
        result->users = base->rows;
        result->groups = result->users + result->n_users_listed;
        result->models = result->groups + result->n_groups;
    }
    return status;
}

static void deliver_usage(struct request *base)
{
    struct usage_request *request = REQUEST_OF(base, struct usage_request);
    if (base->status != ST_OK)
        request->result = (struct store_usage_result){0};
    request->result.status = base->status;
    request->fn(&request->result, request->arg);
}

static const struct request_kind read_usage_kind = {
    .name = "read_usage", .is_reading = true, .run = run_read_usage, .deliver = deliver_usage};

struct request *request_read_usage(const struct store_usage_query *query, store_usage_fn fn,
                                   void *arg)
{
    struct usage_request *request = REQUEST_NEW(struct usage_request, read_usage_kind);
    request->is_one_user = query->user != NULL;
    request->user = request_keep_input(&request->base, query->user);
    request->day = request_keep_input(&request->base, query->day);
    request->max_items = query->max_items;
    request->fn = fn;
    request->arg = arg;
    return &request->base;
}
