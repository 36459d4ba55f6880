#include "store/sqlite_request.h"

#include <stdlib.h>
#include <string.h>

#include "store/sqlite_request_kit.h"

/* Far above what the rooms before this one let through; a request beyond it is ST_TOO_LARGE. */
#define INPUT_BYTES_MAX (64 * 1024 * 1024)
/* Rows that one transaction prunes: messages that arrive meanwhile wait no longer than that. */
#define PRUNE_ROWS 2000

struct kept {
    struct kept *next;
    char text[];
};

static const char *keep(struct request *request, const char *text, size_t len)
{
    struct kept *kept = xmalloc(sizeof(*kept) + len + 1);
    if (len > 0)
        memcpy(kept->text, text, len);
    kept->text[len] = '\0';
    kept->next = request->kept;
    request->kept = kept;
    return kept->text;
}

const char *request_keep_input(struct request *request, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (len > INPUT_BYTES_MAX - request->input_bytes) {
        request->status = ST_TOO_LARGE;
        return "";
    }
    request->input_bytes += len;
    return keep(request, text, len);
}

struct store_session_key request_keep_key(struct request *request,
                                          const struct store_session_key *key)
{
    return (struct store_session_key){.robot = request_keep_input(request, key->robot),
                                      .conversation =
                                          request_keep_input(request, key->conversation),
                                      .sender = request_keep_input(request, key->sender)};
}

const char *request_keep_column(struct request *request, sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text ? keep(request, text, (size_t)sqlite3_column_bytes(row, column)) : NULL;
}

void request_free(struct request *request)
{
    for (struct kept *kept = request->kept; kept;) {
        struct kept *next = kept->next;
        free(kept);
        kept = next;
    }
    free(request->rows);
    free(request); /* every kind has it at its beginning */
}

void *request_init(void *memory, const struct request_kind *kind)
{
    struct request *request = memory;
    list_init(&request->node);
    request->kind = kind;
    return memory;
}

int64_t request_row_limit(size_t max)
{
    return max > INT32_MAX ? INT32_MAX : (int64_t)max;
}

void *request_add_row(struct request *request, size_t *n_rows, size_t *capacity, size_t size)
{
    if (*n_rows == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 16;
        request->rows = xreallocarray(request->rows, *capacity, size);
    }
    char *row = (char *)request->rows + (*n_rows)++ * size;
    memset(row, 0, size);
    return row;
}

void request_deliver_done(struct request *base)
{
    struct done_request *request = REQUEST_OF(base, struct done_request);
    request->fn(base->status, request->arg);
}

/* ---- the session and its context ---- */

struct session_query {
    const struct store_session_key *key;
    size_t context_max;
    int64_t context_max_bytes;
    /* while it runs */
    struct request *request;
    int64_t forgotten_id;
    size_t n_rows;
    size_t capacity;
    struct store_session *session;
};

static bool on_session_row(sqlite3_stmt *row, void *arg)
{
    struct session_query *query = arg;
    query->session->mode = (enum store_mode)sqlite3_column_int(row, 0);
    query->session->last_active_ms = sqlite3_column_int64(row, 1);
    query->forgotten_id = sqlite3_column_int64(row, 2);
    query->session->model = request_keep_column(query->request, row, 3);
    return true;
}

static bool on_context_row(sqlite3_stmt *row, void *arg)
{
    struct session_query *query = arg;
    int64_t bytes = (int64_t)sqlite3_column_bytes(row, 0) + sqlite3_column_bytes(row, 1);
    if (bytes > query->context_max_bytes)
        return false;
    query->context_max_bytes -= bytes;
    struct store_exchange *exchange =
        request_add_row(query->request, &query->n_rows, &query->capacity, sizeof(*exchange));
    *exchange = (struct store_exchange){
        .id = sqlite3_column_int64(row, 4),
        .question = request_keep_column(query->request, row, 0),
        .answer = request_keep_column(query->request, row, 1),
        .started_ms = sqlite3_column_int64(row, 2),
        .ended_ms = sqlite3_column_int64(row, 3),
    };
    return true;
}

static void reverse(struct store_exchange *exchanges, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct store_exchange exchange = exchanges[i];
        exchanges[i] = exchanges[n - 1 - i];
        exchanges[n - 1 - i] = exchange;
    }
}

static enum status read_session(struct sqlite_db *db, struct session_query query)
{
    const struct store_session_key *key = query.key;
    enum status status = sqlite_db_query(
        db, SQL_READ_SESSION,
        SQL_VALUES(SQL_TEXT(key->robot), SQL_TEXT(key->conversation), SQL_TEXT(key->sender)),
        on_session_row, &query);
    if (status != ST_OK || query.context_max == 0)
        return status;
    status = sqlite_db_query(db, SQL_READ_CONTEXT,
                             SQL_VALUES(SQL_TEXT(key->robot), SQL_TEXT(key->conversation),
                                        SQL_TEXT(key->sender), SQL_INT(query.forgotten_id),
                                        SQL_INT(request_row_limit(query.context_max))),
                             on_context_row, &query);
    reverse(query.request->rows, query.n_rows);
    query.session->context = query.request->rows;
    query.session->n_context = query.n_rows;
    return status;
}

struct session_request {
    struct request base;
    struct store_session_key key;
    size_t context_max;
    int64_t context_max_bytes;
    store_session_fn fn;
    void *arg;
    struct store_session session;
};

static enum status run_read_session(struct sqlite_db *db, struct request *base)
{
    struct session_request *request = REQUEST_OF(base, struct session_request);
    return read_session(db, (struct session_query){.key = &request->key,
                                                   .context_max = request->context_max,
                                                   .context_max_bytes = request->context_max_bytes,
                                                   .request = base,
                                                   .session = &request->session});
}

static void deliver_session(struct request *base)
{
    struct session_request *request = REQUEST_OF(base, struct session_request);
    struct store_session_result result = {.status = base->status};
    if (base->status == ST_OK)
        result.session = request->session;
    request->fn(&result, request->arg);
}

static const struct request_kind read_session_kind = {.name = "read_session",
                                                      .is_reading = true,
                                                      .run = run_read_session,
                                                      .deliver = deliver_session};

struct request *request_read_session(const struct store_session_key *key, size_t context_max,
                                     int64_t context_max_bytes, store_session_fn fn, void *arg)
{
    struct session_request *request = REQUEST_NEW(struct session_request, read_session_kind);
    request->key = request_keep_key(&request->base, key);
    request->context_max = context_max;
    request->context_max_bytes = context_max_bytes;
    request->fn = fn;
    request->arg = arg;
    return &request->base;
}

/* ---- a message arrives ---- */

struct accept_request {
    struct request base;
    struct store_arrival arrival;
    store_accepted_fn fn;
    void *arg;
    struct store_accepted accepted;
};

static enum status run_accept(struct sqlite_db *db, struct request *base)
{
    struct accept_request *request = REQUEST_OF(base, struct accept_request);
    const struct store_arrival *arrival = &request->arrival;
    struct store_accepted *accepted = &request->accepted;
    enum status status = ST_OK;
    /* Counted before it is known whether the message is new: when it is not, the count is undone
     * with everything else. */
    if (arrival->is_charged) {
        status = sqlite_db_run(db, SQL_COUNT_REQUEST,
                               SQL_VALUES(SQL_TEXT(arrival->day), SQL_TEXT(arrival->user),
                                          SQL_INT(arrival->daily_limit)));
        accepted->is_over_limit = status == ST_OK && sqlite_db_changes(db) == 0;
    }
    if (status == ST_OK)
        status = sqlite_db_run(db, SQL_ADD_MESSAGE,
                               SQL_VALUES(SQL_TEXT(arrival->key.robot),
                                          SQL_TEXT(arrival->key.conversation),
                                          SQL_TEXT(arrival->key.sender), SQL_TEXT(arrival->msg_id),
                                          SQL_TEXT(arrival->payload), SQL_INT(arrival->now_ms),
                                          SQL_INT(accepted->is_over_limit)));
    if (status != ST_OK)
        return status;
    if (sqlite_db_changes(db) == 0)
        return ST_CONFLICT;
    accepted->inbox_id = sqlite_db_last_id(db);
    return read_session(db, (struct session_query){.key = &arrival->key,
                                                   .context_max = arrival->context_max,
                                                   .context_max_bytes = arrival->context_max_bytes,
                                                   .request = base,
                                                   .session = &accepted->session});
}

static void deliver_accepted(struct request *base)
{
    struct accept_request *request = REQUEST_OF(base, struct accept_request);
    if (base->status != ST_OK)
        request->accepted = (struct store_accepted){0};
    request->accepted.status = base->status;
    request->fn(&request->accepted, request->arg);
}

static const struct request_kind accept_kind = {
    .name = "accept", .run = run_accept, .deliver = deliver_accepted};

struct request *request_accept(const struct store_arrival *arrival, store_accepted_fn fn, void *arg)
{
    struct accept_request *request = REQUEST_NEW(struct accept_request, accept_kind);
    request->arrival = *arrival;
    request->arrival.key = request_keep_key(&request->base, &arrival->key);
    request->arrival.msg_id = request_keep_input(&request->base, arrival->msg_id);
    request->arrival.payload = request_keep_input(&request->base, arrival->payload);
    request->arrival.user = request_keep_input(&request->base, arrival->user);
    request->arrival.day = request_keep_input(&request->base, arrival->day);
    request->fn = fn;
    request->arg = arg;
    return &request->base;
}

/* ---- a message makes progress and ends ---- */

struct message_request {
    struct done_request done; /* first */
    union {
        struct {
            int64_t inbox_id;
            const char *answer;
            int parts_sent;
        } progress;
        struct {
            struct store_settlement settlement;
            struct store_exchange_record exchange;
        } settle;
        int64_t prune_before_ms;
    };
};

#define MESSAGE_REQUEST_OF(base) LIST_ENTRY(base, struct message_request, done.base)

static struct message_request *message_request_new(const struct request_kind *kind,
                                                   store_done_fn fn, void *arg)
{
    struct message_request *request = REQUEST_NEW(struct message_request, *kind);
    request->done.fn = fn;
    request->done.arg = arg;
    return request;
}

static bool on_found(sqlite3_stmt *row, void *arg)
{
    *(bool *)arg = true;
    return false;
}

/* ST_OK when the statement before this changed a message; else whether it is over or never was. */
static enum status check_open(struct sqlite_db *db, int64_t inbox_id)
{
    if (sqlite_db_changes(db) > 0)
        return ST_OK;
    bool is_found = false;
    enum status status =
        sqlite_db_query(db, SQL_FIND_MESSAGE, SQL_VALUES(SQL_INT(inbox_id)), on_found, &is_found);
    if (status != ST_OK)
        return status;
    return is_found ? ST_CONFLICT : ST_NOT_FOUND;
}

static enum status run_note_progress(struct sqlite_db *db, struct request *base)
{
    const struct message_request *request = MESSAGE_REQUEST_OF(base);
    enum status status = sqlite_db_run(db, SQL_NOTE_PROGRESS,
                                       SQL_VALUES(SQL_INT(request->progress.inbox_id),
                                                  SQL_TEXT(request->progress.answer),
                                                  SQL_INT(request->progress.parts_sent)));
    return status == ST_OK ? check_open(db, request->progress.inbox_id) : status;
}

static const struct request_kind note_progress_kind = {
    .name = "note_progress", .run = run_note_progress, .deliver = request_deliver_done};

struct request *request_note_progress(int64_t inbox_id, const char *answer, int parts_sent,
                                      store_done_fn fn, void *arg)
{
    struct message_request *request = message_request_new(&note_progress_kind, fn, arg);
    request->progress.inbox_id = inbox_id;
    request->progress.answer = answer ? request_keep_input(&request->done.base, answer) : NULL;
    request->progress.parts_sent = parts_sent;
    return &request->done.base;
}

static int64_t known_tokens(int64_t tokens)
{
    return tokens > 0 ? tokens : 0;
}

/* One more of a group's, or of a model's; nothing for "". */
static enum status add_tally(struct sqlite_db *db, const struct store_settlement *settlement,
                             const char *what, const char *item, const char *name)
{
    const struct store_exchange_record *exchange = settlement->exchange;
    if (!*item)
        return ST_OK;
    return sqlite_db_run(db, SQL_ADD_TALLY,
                         SQL_VALUES(SQL_TEXT(settlement->day), SQL_TEXT(what), SQL_TEXT(item),
                                    SQL_TEXT(name), SQL_INT(known_tokens(exchange->prompt_tokens)),
                                    SQL_INT(known_tokens(exchange->completion_tokens))));
}

static enum status count_exchange(struct sqlite_db *db, const struct store_settlement *settlement)
{
    const struct store_exchange_record *exchange = settlement->exchange;
    int64_t prompt_tokens = known_tokens(exchange->prompt_tokens);
    int64_t completion_tokens = known_tokens(exchange->completion_tokens);
    enum status status = ST_OK;
    if (prompt_tokens + completion_tokens > 0)
        status = sqlite_db_run(db, SQL_ADD_TOKENS,
                               SQL_VALUES(SQL_TEXT(settlement->day), SQL_TEXT(exchange->user),
                                          SQL_INT(prompt_tokens), SQL_INT(completion_tokens)));
    const char *title = exchange->conversation_title;
    if (status == ST_OK)
        status =
            add_tally(db, settlement, "group", *title ? settlement->key.conversation : "", title);
    return status == ST_OK ? add_tally(db, settlement, "model", exchange->model, "") : status;
}

static enum status add_exchange(struct sqlite_db *db, const struct store_settlement *settlement)
{
    const struct store_session_key *key = &settlement->key;
    const struct store_exchange_record *exchange = settlement->exchange;
    enum status status = sqlite_db_run(
        db, SQL_ADD_EXCHANGE,
        SQL_VALUES(SQL_TEXT(key->robot), SQL_TEXT(key->conversation), SQL_TEXT(key->sender),
                   SQL_TEXT(exchange->kind), SQL_TEXT(exchange->user), SQL_TEXT(exchange->nick),
                   SQL_TEXT(exchange->conversation_title), SQL_TEXT(exchange->question),
                   SQL_TEXT(exchange->answer), SQL_TEXT(exchange->provider),
                   SQL_TEXT(exchange->model), SQL_TEXT(exchange->outcome),
                   SQL_TEXT(exchange->reference), SQL_INT(exchange->in_context),
                   SQL_COUNT(exchange->prompt_tokens), SQL_COUNT(exchange->completion_tokens),
                   SQL_INT(exchange->started_ms), SQL_INT(exchange->ended_ms)));
    return status == ST_OK ? count_exchange(db, settlement) : status;
}

static enum status change_session(struct sqlite_db *db, const struct store_settlement *settlement)
{
    const struct sql_value robot = SQL_TEXT(settlement->key.robot);
    const struct sql_value conversation = SQL_TEXT(settlement->key.conversation);
    const struct sql_value sender = SQL_TEXT(settlement->key.sender);
    const struct sql_value now = SQL_INT(settlement->now_ms);
    switch (settlement->change) {
    case STORE_SESSION_KEEP:
        return ST_OK;
    case STORE_SESSION_SET_MODE:
        return sqlite_db_run(
            db, SQL_SET_MODE,
            SQL_VALUES(robot, conversation, sender, now, SQL_INT(settlement->mode)));
    case STORE_SESSION_SET_MODEL:
        return sqlite_db_run(db, SQL_SET_MODEL,
                             SQL_VALUES(robot, conversation, sender, SQL_TEXT(settlement->model)));
    case STORE_SESSION_TOUCH:
        return sqlite_db_run(db, SQL_TOUCH_SESSION, SQL_VALUES(robot, conversation, sender, now));
    case STORE_SESSION_FORGET:
        return sqlite_db_run(db, SQL_FORGET_SESSION, SQL_VALUES(robot, conversation, sender));
    }
    return ST_INTERNAL;
}

static enum status run_settle(struct sqlite_db *db, struct request *base)
{
    const struct message_request *request = MESSAGE_REQUEST_OF(base);
    const struct store_settlement *settlement = &request->settle.settlement;
    enum status status =
        sqlite_db_run(db, SQL_END_MESSAGE,
                      SQL_VALUES(SQL_INT(settlement->inbox_id), SQL_INT(settlement->now_ms)));
    if (status == ST_OK)
        status = check_open(db, settlement->inbox_id);
    if (status == ST_OK && settlement->exchange)
        status = add_exchange(db, settlement);
    if (status == ST_OK && settlement->replaces_id)
        status =
            sqlite_db_run(db, SQL_REPLACE_EXCHANGE, SQL_VALUES(SQL_INT(settlement->replaces_id)));
    return status == ST_OK ? change_session(db, settlement) : status;
}

static const struct request_kind settle_kind = {
    .name = "settle", .run = run_settle, .deliver = request_deliver_done};

static void keep_exchange(struct request *request, const struct store_exchange_record *from,
                          struct store_exchange_record *to)
{
    *to = *from;
    to->kind = request_keep_input(request, from->kind);
    to->user = request_keep_input(request, from->user);
    to->nick = request_keep_input(request, from->nick);
    to->conversation_title = request_keep_input(request, from->conversation_title);
    to->question = request_keep_input(request, from->question);
    to->answer = request_keep_input(request, from->answer);
    to->provider = request_keep_input(request, from->provider);
    to->model = request_keep_input(request, from->model);
    to->outcome = request_keep_input(request, from->outcome);
    to->reference = request_keep_input(request, from->reference);
}

struct request *request_settle(const struct store_settlement *settlement, store_done_fn fn,
                               void *arg)
{
    struct message_request *request = message_request_new(&settle_kind, fn, arg);
    struct store_settlement *copy = &request->settle.settlement;
    *copy = *settlement;
    copy->key = request_keep_key(&request->done.base, &settlement->key);
    copy->day = request_keep_input(&request->done.base, settlement->day);
    copy->model = request_keep_input(&request->done.base, settlement->model);
    if (settlement->exchange) {
        keep_exchange(&request->done.base, settlement->exchange, &request->settle.exchange);
        copy->exchange = &request->settle.exchange;
    }
    return &request->done.base;
}

/* ---- what an earlier run left ---- */

struct unfinished_request {
    struct request base;
    int64_t after_id;
    size_t max_items;
    store_unfinished_fn fn;
    void *arg;
    size_t n_items;
    size_t capacity;
};

static bool on_unfinished_row(sqlite3_stmt *row, void *arg)
{
    struct unfinished_request *request = arg;
    struct store_unfinished *item =
        request_add_row(&request->base, &request->n_items, &request->capacity, sizeof(*item));
    *item = (struct store_unfinished){
        .inbox_id = sqlite3_column_int64(row, 0),
        .payload = request_keep_column(&request->base, row, 1),
        .is_over_limit = sqlite3_column_int(row, 2) != 0,
        .answer = request_keep_column(&request->base, row, 3),
        .parts_sent = sqlite3_column_int(row, 4),
    };
    return true;
}

static enum status run_load_unfinished(struct sqlite_db *db, struct request *base)
{
    struct unfinished_request *request = REQUEST_OF(base, struct unfinished_request);
    return sqlite_db_query(
        db, SQL_READ_UNFINISHED,
        SQL_VALUES(SQL_INT(request->after_id), SQL_INT(request_row_limit(request->max_items))),
        on_unfinished_row, request);
}

static void deliver_unfinished(struct request *base)
{
    struct unfinished_request *request = REQUEST_OF(base, struct unfinished_request);
    struct store_unfinished_result result = {.status = base->status};
    if (base->status == ST_OK) {
        result.items = base->rows;
        result.n_items = request->n_items;
    }
    request->fn(&result, request->arg);
}

static const struct request_kind load_unfinished_kind = {.name = "load_unfinished",
                                                         .is_reading = true,
                                                         .run = run_load_unfinished,
                                                         .deliver = deliver_unfinished};

struct request *request_load_unfinished(int64_t after_id, size_t max_items, store_unfinished_fn fn,
                                        void *arg)
{
    struct unfinished_request *request =
        REQUEST_NEW(struct unfinished_request, load_unfinished_kind);
    request->after_id = after_id;
    request->max_items = max_items;
    request->fn = fn;
    request->arg = arg;
    return &request->base;
}

/* ---- how much was used ---- */

struct used_request {
    struct request base;
    const char *user;
    const char *day;
    store_used_fn fn;
    void *arg;
    int64_t used;
};

static bool on_used_row(sqlite3_stmt *row, void *arg)
{
    struct used_request *request = arg;
    request->used = sqlite3_column_int64(row, 0);
    return true;
}

static enum status run_read_used(struct sqlite_db *db, struct request *base)
{
    struct used_request *request = REQUEST_OF(base, struct used_request);
    return sqlite_db_query(db, SQL_READ_USED,
                           SQL_VALUES(SQL_TEXT(request->day), SQL_TEXT(request->user)), on_used_row,
                           request);
}

static void deliver_used(struct request *base)
{
    const struct used_request *request = REQUEST_OF(base, struct used_request);
    const struct store_used_result result = {.status = base->status,
                                             .used = base->status == ST_OK ? request->used : 0};
    request->fn(&result, request->arg);
}

static const struct request_kind read_used_kind = {
    .name = "read_used", .is_reading = true, .run = run_read_used, .deliver = deliver_used};

struct request *request_read_used(const char *user, const char *day, store_used_fn fn, void *arg)
{
    struct used_request *request = REQUEST_NEW(struct used_request, read_used_kind);
    request->user = request_keep_input(&request->base, user);
    request->day = request_keep_input(&request->base, day);
    request->fn = fn;
    request->arg = arg;
    return &request->base;
}

/* ---- clearing away ---- */

static enum status run_prune(struct sqlite_db *db, struct request *base)
{
    const struct message_request *request = MESSAGE_REQUEST_OF(base);
    enum status status = sqlite_db_run(
        db, SQL_PRUNE, SQL_VALUES(SQL_INT(request->prune_before_ms), SQL_INT(PRUNE_ROWS)));
    base->has_more = status == ST_OK && sqlite_db_changes(db) == PRUNE_ROWS;
    return status;
}

static const struct request_kind prune_kind = {
    .name = "prune", .run = run_prune, .deliver = request_deliver_done};

struct request *request_prune(int64_t before_ms, store_done_fn fn, void *arg)
{
    struct message_request *request = message_request_new(&prune_kind, fn, arg);
    request->prune_before_ms = before_ms;
    return &request->done.base;
}
