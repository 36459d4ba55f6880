/* Requests beside the life of a message: a session's last question, the counts of API calls. */
#include "store/sqlite_request_kit.h"

/* ---- the last question ---- */

struct last_request {
    struct request base;
    struct store_session_key key;
    store_last_fn fn;
    void *arg;
    int64_t forgotten_id;
    struct store_last last;
};

static bool on_session_row(sqlite3_stmt *row, void *arg)
{
    struct last_request *request = arg;
    request->forgotten_id = sqlite3_column_int64(row, 2);
    return true;
}

static bool on_last_row(sqlite3_stmt *row, void *arg)
{
    struct last_request *request = arg;
    request->last.exchange_id = sqlite3_column_int64(row, 0);
    request->last.question = request_keep_column(&request->base, row, 1);
    return true;
}

static enum status run_read_last(struct sqlite_db *db, struct request *base)
{
    struct last_request *request = REQUEST_OF(base, struct last_request);
    const struct sql_value robot = SQL_TEXT(request->key.robot);
    const struct sql_value conversation = SQL_TEXT(request->key.conversation);
    const struct sql_value sender = SQL_TEXT(request->key.sender);
    enum status status = sqlite_db_query(
        db, SQL_READ_SESSION, SQL_VALUES(robot, conversation, sender), on_session_row, request);
    if (status == ST_OK)
        status =
            sqlite_db_query(db, SQL_READ_LAST,
                            SQL_VALUES(robot, conversation, sender, SQL_INT(request->forgotten_id)),
                            on_last_row, request);
    if (status == ST_OK && !request->last.question)
        return ST_NOT_FOUND;
    return status;
}

static void deliver_last(struct request *base)
{
    struct last_request *request = REQUEST_OF(base, struct last_request);
    if (base->status != ST_OK)
        request->last = (struct store_last){0};
    request->last.status = base->status;
    request->fn(&request->last, request->arg);
}

static const struct request_kind read_last_kind = {
    .name = "read_last", .is_reading = true, .run = run_read_last, .deliver = deliver_last};

struct request *request_read_last(const struct store_session_key *key, store_last_fn fn, void *arg)
{
    struct last_request *request = REQUEST_NEW(struct last_request, read_last_kind);
    request->key = request_keep_key(&request->base, key);
    request->fn = fn;
    request->arg = arg;
    return &request->base;
}

/* ---- API calls ---- */

struct count_request {
    struct done_request done; /* first */
    const char *month;
    struct store_calls calls;
};

static enum status run_count_calls(struct sqlite_db *db, struct request *base)
{
    const struct count_request *request = LIST_ENTRY(base, struct count_request, done.base);
    return sqlite_db_run(db, SQL_COUNT_CALLS,
                         SQL_VALUES(SQL_TEXT(request->month), SQL_TEXT(request->calls.app),
                                    SQL_TEXT(request->calls.kind), SQL_INT(request->calls.calls)));
}

static const struct request_kind count_calls_kind = {
    .name = "count_calls", .run = run_count_calls, .deliver = request_deliver_done};

struct request *request_count_calls(const char *month, const struct store_calls *calls,
                                    store_done_fn fn, void *arg)
{
    struct count_request *request = REQUEST_NEW(struct count_request, count_calls_kind);
    struct request *base = &request->done.base;
    request->done.fn = fn;
    request->done.arg = arg;
    request->month = request_keep_input(base, month);
    request->calls = (struct store_calls){.app = request_keep_input(base, calls->app),
                                          .kind = request_keep_input(base, calls->kind),
                                          .calls = calls->calls};
    return base;
}

struct calls_request {
    struct request base;
    const char *month;
    store_calls_fn fn;
    void *arg;
    size_t n_items;
    size_t capacity;
};

static bool on_calls_row(sqlite3_stmt *row, void *arg)
{
    struct calls_request *request = arg;
    struct store_calls *item =
        request_add_row(&request->base, &request->n_items, &request->capacity, sizeof(*item));
    *item = (struct store_calls){.app = request_keep_column(&request->base, row, 0),
                                 .kind = request_keep_column(&request->base, row, 1),
                                 .calls = sqlite3_column_int64(row, 2)};
    return true;
}

static enum status run_read_calls(struct sqlite_db *db, struct request *base)
{
    struct calls_request *request = REQUEST_OF(base, struct calls_request);
    return sqlite_db_query(db, SQL_READ_CALLS, SQL_VALUES(SQL_TEXT(request->month)), on_calls_row,
                           request);
}

static void deliver_calls(struct request *base)
{
    const struct calls_request *request = REQUEST_OF(base, struct calls_request);
    struct store_calls_result result = {.status = base->status};
    if (base->status == ST_OK) {
        result.items = base->rows;
        result.n_items = request->n_items;
    }
    request->fn(&result, request->arg);
}

static const struct request_kind read_calls_kind = {
    .name = "read_calls", .is_reading = true, .run = run_read_calls, .deliver = deliver_calls};

struct request *request_read_calls(const char *month, store_calls_fn fn, void *arg)
{
    struct calls_request *request = REQUEST_NEW(struct calls_request, read_calls_kind);
    request->month = request_keep_input(&request->base, month);
    request->fn = fn;
    request->arg = arg;
    return &request->base;
}
