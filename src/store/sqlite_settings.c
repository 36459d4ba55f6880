/* Requests about what people change while the program runs, and the record of who did what. */
#include "store/sqlite_request_kit.h"

/* ---- changing ---- */

struct change_request {
    struct done_request done; /* first */
    struct store_setting *items;
    size_t n_items;
    bool has_audit;
    struct store_audit audit;
};

static struct store_audit keep_audit(struct request *request, const struct store_audit *audit)
{
    return (struct store_audit){
        .at_ms = audit->at_ms,
        .who = request_keep_input(request, audit->who),
        .nick = request_keep_input(request, audit->nick),
        .place = request_keep_input(request, audit->place),
        .what = request_keep_input(request, audit->what),
    };
}

static enum status add_audit(struct sqlite_db *db, const struct store_audit *audit)
{
    return sqlite_db_run(db, SQL_ADD_AUDIT,
                         SQL_VALUES(SQL_INT(audit->at_ms), SQL_TEXT(audit->who),
                                    SQL_TEXT(audit->nick), SQL_TEXT(audit->place),
                                    SQL_TEXT(audit->what)));
}

static enum status run_change(struct sqlite_db *db, struct request *base)
{
    const struct change_request *request = LIST_ENTRY(base, struct change_request, done.base);
    enum status status = ST_OK;
    for (size_t i = 0; i < request->n_items && status == ST_OK; i++) {
        const struct store_setting *item = &request->items[i];
        status = item->value
                     ? sqlite_db_run(db, SQL_SET_SETTING,
                                     SQL_VALUES(SQL_TEXT(item->list), SQL_TEXT(item->item),
                                                SQL_TEXT(item->value)))
                     : sqlite_db_run(db, SQL_DROP_SETTING,
                                     SQL_VALUES(SQL_TEXT(item->list), SQL_TEXT(item->item)));
    }
    return status == ST_OK && request->has_audit ? add_audit(db, &request->audit) : status;
}

static const struct request_kind change_kind = {
    .name = "change_settings", .run = run_change, .deliver = request_deliver_done};

struct request *request_change_settings(const struct store_setting_change *change, store_done_fn fn,
                                        void *arg)
{
    struct change_request *request = REQUEST_NEW(struct change_request, change_kind);
    struct request *base = &request->done.base;
    request->done.fn = fn;
    request->done.arg = arg;
    for (size_t i = 0, capacity = 0; i < change->n_items; i++) {
        struct store_setting *item =
            request_add_row(base, &request->n_items, &capacity, sizeof(*item));
        *item = (struct store_setting){
            .list = request_keep_input(base, change->items[i].list),
            .item = request_keep_input(base, change->items[i].item),
            .value =
                change->items[i].value ? request_keep_input(base, change->items[i].value) : NULL,
        };
    }
    request->items = base->rows;
    request->has_audit = change->audit != NULL;
    if (change->audit)
        request->audit = keep_audit(base, change->audit);
    return base;
}

/* ---- reading ---- */

struct settings_request {
    struct request base;
    store_settings_fn fn;
    void *arg;
    size_t n_items;
    size_t capacity;
};

static bool on_setting_row(sqlite3_stmt *row, void *arg)
{
    struct settings_request *request = arg;
    struct store_setting *item =
        request_add_row(&request->base, &request->n_items, &request->capacity, sizeof(*item));
    *item = (struct store_setting){.list = request_keep_column(&request->base, row, 0),
                                   .item = request_keep_column(&request->base, row, 1),
                                   .value = request_keep_column(&request->base, row, 2)};
    return true;
}

static enum status run_read_settings(struct sqlite_db *db, struct request *base)
{
    return sqlite_db_query(db, SQL_READ_SETTINGS, SQL_NO_VALUES, on_setting_row,
                           REQUEST_OF(base, struct settings_request));
}

static void deliver_settings(struct request *base)
{
    const struct settings_request *request = REQUEST_OF(base, struct settings_request);
    struct store_settings_result result = {.status = base->status};
    if (base->status == ST_OK) {
        result.items = base->rows;
        result.n_items = request->n_items;
    }
    request->fn(&result, request->arg);
}

static const struct request_kind read_settings_kind = {.name = "read_settings",
                                                       .is_reading = true,
                                                       .run = run_read_settings,
                                                       .deliver = deliver_settings};

struct request *request_read_settings(store_settings_fn fn, void *arg)
{
    struct settings_request *request = REQUEST_NEW(struct settings_request, read_settings_kind);
    request->fn = fn;
    request->arg = arg;
    return &request->base;
}

/* ---- the record ---- */

struct audit_request {
    struct request base;
    size_t max_items;
    store_audit_fn fn;
    void *arg;
    size_t n_items;
    size_t capacity;
};

static bool on_audit_row(sqlite3_stmt *row, void *arg)
{
    struct audit_request *request = arg;
    struct store_audit *item =
        request_add_row(&request->base, &request->n_items, &request->capacity, sizeof(*item));
    *item = (struct store_audit){.at_ms = sqlite3_column_int64(row, 0),
                                 .who = request_keep_column(&request->base, row, 1),
                                 .nick = request_keep_column(&request->base, row, 2),
                                 .place = request_keep_column(&request->base, row, 3),
                                 .what = request_keep_column(&request->base, row, 4)};
    return true;
}

static enum status run_read_audit(struct sqlite_db *db, struct request *base)
{
    struct audit_request *request = REQUEST_OF(base, struct audit_request);
    return sqlite_db_query(db, SQL_READ_AUDIT,
                           SQL_VALUES(SQL_INT(request_row_limit(request->max_items))), on_audit_row,
                           request);
}

static void deliver_audit(struct request *base)
{
    const struct audit_request *request = REQUEST_OF(base, struct audit_request);
    struct store_audit_result result = {.status = base->status};
    if (base->status == ST_OK) {
        result.items = base->rows;
        result.n_items = request->n_items;
    }
    request->fn(&result, request->arg);
}

static const struct request_kind read_audit_kind = {
    .name = "read_audit", .is_reading = true, .run = run_read_audit, .deliver = deliver_audit};

struct request *request_read_audit(size_t max_items, store_audit_fn fn, void *arg)
{
    struct audit_request *request = REQUEST_NEW(struct audit_request, read_audit_kind);
    request->max_items = max_items;
    request->fn = fn;
    request->arg = arg;
    return &request->base;
}
