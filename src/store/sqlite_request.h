/*
 * What can be asked of a SQLite database, each as an object of its own: made on the loop with a
 * copy of its input, carried out on the writer thread, and handed back on the loop. Private to
 * src/store.
 */
#ifndef DB_STORE_SQLITE_REQUEST_H
#define DB_STORE_SQLITE_REQUEST_H

#include "store/sqlite_db.h"
#include "store/store.h"
#include "util/list.h"

struct request;

struct request_kind {
    const char *name;
    bool is_reading; /* writes nothing: has nothing to undo */
    /* On the writer thread, inside a transaction. With another result than ST_OK what it wrote is
     * undone. */
    enum status (*run)(struct sqlite_db *db, struct request *request);
    void (*deliver)(struct request *request); /* on the loop: calls the caller's function */
};

struct request {
    struct list node;
    const struct request_kind *kind;
    /* Other than ST_OK from the start: the input was refused, and it is not run. */
    enum status status;
    bool has_more;     /* run did a part and wants to be run again, after what waits */
    struct kept *kept; /* copied texts, freed with the request */
    void *rows;        /* the result's array, if any */
    size_t input_bytes;
};

struct request *request_accept(const struct store_arrival *arrival, store_accepted_fn fn,
                               void *arg);
struct request *request_read_session(const struct store_session_key *key, size_t context_max,
                                     int64_t context_max_bytes, store_session_fn fn, void *arg);
struct request *request_note_progress(int64_t inbox_id, const char *answer, int parts_sent,
                                      store_done_fn fn, void *arg);
struct request *request_settle(const struct store_settlement *settlement, store_done_fn fn,
                               void *arg);
struct request *request_load_unfinished(int64_t after_id, size_t max_items, store_unfinished_fn fn,
                                        void *arg);
struct request *request_read_used(const char *user, const char *day, store_used_fn fn, void *arg);
struct request *request_read_last(const struct store_session_key *key, store_last_fn fn, void *arg);
struct request *request_count_calls(const char *month, const struct store_calls *calls,
                                    store_done_fn fn, void *arg);
struct request *request_read_calls(const char *month, store_calls_fn fn, void *arg);
struct request *request_change_settings(const struct store_setting_change *change, store_done_fn fn,
                                        void *arg);
struct request *request_read_settings(store_settings_fn fn, void *arg);
struct request *request_read_audit(size_t max_items, store_audit_fn fn, void *arg);
struct request *request_read_said(const struct store_said_query *query, store_said_fn fn,
                                  void *arg);
struct request *request_forget(const struct store_forget *what, store_forgotten_fn fn, void *arg);
struct request *request_read_usage(const struct store_usage_query *query, store_usage_fn fn,
                                   void *arg);
struct request *request_prune(int64_t before_ms, store_done_fn fn, void *arg);

void request_free(struct request *request);

#endif
