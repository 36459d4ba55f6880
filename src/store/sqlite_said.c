/* Requests about what was said: reading it, and making it go. */
#include "store/sqlite_request_kit.h"

/* Exchanges that one transaction removes: messages that arrive meanwhile wait no longer than that.
 */
#define FORGET_ROWS 500

/* ---- reading ---- */

struct said_request {
    struct request base;
    struct store_said_query query;
    store_said_fn fn;
    void *arg;
    size_t n_items;
    size_t capacity;
    int64_t n_bytes;
    bool has_more;
};

static int64_t count_or_unknown(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, column);
}

static bool on_said_row(sqlite3_stmt *row, void *arg)
{
    struct said_request *request = arg;
    struct request *base = &request->base;
    int64_t bytes = (int64_t)sqlite3_column_bytes(row, 7) + sqlite3_column_bytes(row, 8);
    bool is_full = request->n_items == request->query.max_items ||
                   request->n_bytes + bytes > request->query.max_bytes;
    if (request->n_items > 0 && is_full) {
        request->has_more = true;
        return false;
    }
    request->n_bytes += bytes;
    struct store_said *item =
        request_add_row(base, &request->n_items, &request->capacity, sizeof(*item));
    *item = (struct store_said){
        .id = sqlite3_column_int64(row, 0),
        .robot = request_keep_column(base, row, 1),
        .conversation = request_keep_column(base, row, 2),
        .conversation_title = request_keep_column(base, row, 3),
        .user = request_keep_column(base, row, 4),
        .nick = request_keep_column(base, row, 5),
        .kind = request_keep_column(base, row, 6),
        .question = request_keep_column(base, row, 7),
        .answer = request_keep_column(base, row, 8),
        .provider = request_keep_column(base, row, 9),
        .model = request_keep_column(base, row, 10),
        .outcome = request_keep_column(base, row, 11),
        .reference = request_keep_column(base, row, 12),
        .prompt_tokens = count_or_unknown(row, 13),
        .completion_tokens = count_or_unknown(row, 14),
        .started_ms = sqlite3_column_int64(row, 15),
        .ended_ms = sqlite3_column_int64(row, 16),
    };
    return true;
}

/* The narrowest index that the query has a first column for. */
static enum sql said_statement(const struct store_said_query *query)
{
    int which = 0;
    if (*query->user)
        which = 1;
    else if (*query->nick)
        which = 2;
    else if (*query->conversation)
        which = 3;
    else if (*query->conversation_title)
        which = 4;
    return (enum sql)(SQL_READ_SAID + which + (query->is_newest_first ? 5 : 0));
}

static enum status run_read_said(struct sqlite_db *db, struct request *base)
{
    struct said_request *request = REQUEST_OF(base, struct said_request);
    const struct store_said_query *query = &request->query;
    int64_t from_ms = query->from_ms;
    int64_t to_ms = query->to_ms ? query->to_ms : INT64_MAX;
    int64_t after_ms = query->after_ms, after_id = query->after_id;
    if (!after_id)
        after_ms = after_id = query->is_newest_first ? INT64_MAX : INT64_MIN;
    else if (query->is_newest_first && after_ms < to_ms)
        to_ms = after_ms + 1; /* what lies behind the mark is not walked over */
    else if (!query->is_newest_first && after_ms > from_ms)
        from_ms = after_ms;
    return sqlite_db_query(db, said_statement(query),
                           SQL_VALUES(SQL_TEXT(query->user), SQL_TEXT(query->nick),
                                      SQL_TEXT(query->conversation),
                                      SQL_TEXT(query->conversation_title), SQL_INT(from_ms),
                                      SQL_INT(to_ms), SQL_INT(after_ms), SQL_INT(after_id),
                                      SQL_INT(request_row_limit(query->max_items) + 1)),
                           on_said_row, request);
}

static void deliver_said(struct request *base)
{
    const struct said_request *request = REQUEST_OF(base, struct said_request);
    struct store_said_result result = {.status = base->status};
    if (base->status == ST_OK) {
        result.items = base->rows;
        result.n_items = request->n_items;
        result.has_more = request->has_more;
    }
    request->fn(&result, request->arg);
}

static const struct request_kind read_said_kind = {
    .name = "read_said", .is_reading = true, .run = run_read_said, .deliver = deliver_said};

struct request *request_read_said(const struct store_said_query *query, store_said_fn fn, void *arg)
{
    struct said_request *request = REQUEST_NEW(struct said_request, read_said_kind);
    struct request *base = &request->base;
    request->query = *query;
    request->query.user = request_keep_input(base, query->user);
    request->query.nick = request_keep_input(base, query->nick);
    request->query.conversation = request_keep_input(base, query->conversation);
    request->query.conversation_title = request_keep_input(base, query->conversation_title);
    if (query->max_items == 0)
        request->query.max_items = 1;
    request->fn = fn;
    request->arg = arg;
    return base;
}

/* ---- forgetting ---- */

struct forget_request {
    struct request base;
    bool is_one_user;
    const char *user;
    int64_t before_ms;
    store_forgotten_fn fn;
    void *arg;
    int64_t n_exchanges;
};

static enum status run_forget(struct sqlite_db *db, struct request *base)
{
    struct forget_request *request = REQUEST_OF(base, struct forget_request);
    const struct sql_value before = SQL_INT(request->before_ms ? request->before_ms : INT64_MAX);
    const struct sql_value rows = SQL_INT(FORGET_ROWS);
    enum status status =
        request->is_one_user
            ? sqlite_db_run(db, SQL_FORGET_USER, SQL_VALUES(SQL_TEXT(request->user), before, rows))
            : sqlite_db_run(db, SQL_FORGET_OLD, SQL_VALUES(before, rows));
    int64_t n = status == ST_OK ? sqlite_db_changes(db) : 0;
    request->n_exchanges += n;
    base->has_more = n == FORGET_ROWS;
    return status;
}

static void deliver_forgotten(struct request *base)
{
    const struct forget_request *request = REQUEST_OF(base, struct forget_request);
    request->fn(base->status, base->status == ST_OK ? request->n_exchanges : 0, request->arg);
}

static const struct request_kind forget_kind = {
    .name = "forget", .run = run_forget, .deliver = deliver_forgotten};

struct request *request_forget(const struct store_forget *what, store_forgotten_fn fn, void *arg)
{
    struct forget_request *request = REQUEST_NEW(struct forget_request, forget_kind);
    request->is_one_user = what->user != NULL;
    request->user = request_keep_input(&request->base, what->user);
    request->before_ms = what->before_ms;
    request->fn = fn;
    request->arg = arg;
    return &request->base;
}
