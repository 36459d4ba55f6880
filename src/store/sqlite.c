/*
 * Group commit. Requests wait in one queue; the writer thread takes all that wait, carries them out
 * inside one transaction, commits once, and only then hands them back: many requests cost one
 * fsync, and no answer is seen that is not on the disk. When the commit fails, nothing of the batch
 * is stored and all of it is answered with ST_STORE, also what was read or refused, since that may
 * rest on what was undone.
 *
 *     loop: submit ─→ waiting ─→ writer: run … run, COMMIT ─→ finished ─→ loop: deliver
 *
 * The loop is woken through an event descriptor of our own and not through loop_post: closing has
 * to deliver what is finished wherever it is called from, and a post could not be taken back.
 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/sqlite_db.h"
#include "store/sqlite_request.h"
#include "store/store_ops.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

/* Bounds how long the first of a batch waits for the last. */
#define BATCH_MAX 256
#define TELL_EVERY_MS 10000

struct sqlite_store {
    struct store base;
    struct sqlite_db *db; /* the writer's alone while it runs */
    struct watch *watch;
    int wake_fd; /* the writer says that something is finished */
    pthread_t writer;
    bool is_delivering;

    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t wake;
    struct list waiting;
    struct list finished;
    struct store_stats stats;
    bool is_closing;

    /* the writer's own: what it told the operator */
    bool is_failure_told;
    int64_t told_ms;
    int64_t n_suppressed;
};

static struct sqlite_store *sqlite_store_of(struct store *store)
{
    return (struct sqlite_store *)(void *)store;
}

/* ---- the writer ---- */

/* At most one line in a while, however often it fails, and one when it works again after that. */
static void tell_failure(struct sqlite_store *store)
{
    const struct error *error = sqlite_db_error(store->db);
    int64_t now_ms = clock_mono_ms();
    if (store->told_ms && now_ms - store->told_ms < TELL_EVERY_MS) {
        store->n_suppressed++;
        return;
    }
    log_event(LOG_ERROR, "store", "failing", LOG_S("reason", error->text),
              LOG_I("code", error->code), LOG_I("suppressed", store->n_suppressed));
    store->is_failure_told = true;
    store->told_ms = now_ms;
    store->n_suppressed = 0;
}

static void tell_success(struct sqlite_store *store)
{
    if (store->is_failure_told)
        log_event(LOG_INFO, "store", "recovered", LOG_I("suppressed", store->n_suppressed));
    store->is_failure_told = false;
    store->n_suppressed = 0;
}

static enum status run_plain(struct sqlite_store *store, enum sql sql)
{
    return sqlite_db_run(store->db, sql, SQL_NO_VALUES);
}

/* ST_STORE when the whole transaction is lost; the request's own failure is only its own. */
static enum status run_one(struct sqlite_store *store, struct request *request)
{
    if (request->status != ST_OK)
        return ST_OK;
    bool is_reading = request->kind->is_reading;
    if (!is_reading && run_plain(store, SQL_SAVE) != ST_OK)
        return ST_STORE;
    request->status = request->kind->run(store->db, request);
    /* A full disk or a failing one makes SQLite end the transaction by itself. */
    if (!sqlite_db_is_in_transaction(store->db))
        return ST_STORE;
    if (request->status == ST_STORE)
        tell_failure(store);
    if (is_reading)
        return ST_OK;
    if (request->status != ST_OK && run_plain(store, SQL_UNDO) != ST_OK)
        return ST_STORE;
    return run_plain(store, SQL_RELEASE);
}

static bool run_batch(struct sqlite_store *store, struct list *batch)
{
    enum status status = run_plain(store, SQL_BEGIN);
    LIST_FOREACH(node, next, batch)
    {
        if (status == ST_OK)
            status = run_one(store, LIST_ENTRY(node, struct request, node));
    }
    if (status == ST_OK)
        status = run_plain(store, SQL_COMMIT);
    if (status == ST_OK)
        return true;
    tell_failure(store);
    if (sqlite_db_is_in_transaction(store->db))
        (void)run_plain(store, SQL_ROLLBACK);
    return false;
}

/* False when there is nothing left and nothing will come. */
static bool take_batch(struct sqlite_store *store, struct list *batch)
{
    pthread_mutex_lock(&store->lock);
    while (list_is_empty(&store->waiting) && !store->is_closing)
        pthread_cond_wait(&store->wake, &store->lock);
    for (size_t n = 0; n < BATCH_MAX && !list_is_empty(&store->waiting); n++)
        list_push_back(batch, list_pop_front(&store->waiting));
    pthread_mutex_unlock(&store->lock);
    return !list_is_empty(batch);
}

static void hand_back(struct sqlite_store *store, struct list *batch, bool is_committed)
{
    bool is_any_written = false;
    pthread_mutex_lock(&store->lock);
    store->stats.commits += is_committed;
    for (struct list *node; (node = list_pop_front(batch));) {
        struct request *request = LIST_ENTRY(node, struct request, node);
        if (!is_committed)
            request->status = ST_STORE;
        bool goes_on = request->has_more && is_committed && !store->is_closing;
        request->has_more = false;
        if (goes_on) {
            list_push_back(&store->waiting, node);
            continue;
        }
        is_any_written |= request->status == ST_OK && !request->kind->is_reading;
        store->stats.requests++;
        store->stats.failures += request->status == ST_STORE;
        list_push_back(&store->finished, node);
    }
    pthread_mutex_unlock(&store->lock);
    if (is_any_written)
        tell_success(store);
    /* It can only fail because the counter is full, and then the loop is awake anyway. */
    (void)eventfd_write(store->wake_fd, 1);
}

static void *writer_main(void *arg)
{
    struct sqlite_store *store = arg;
    struct list batch;
    list_init(&batch);
    while (take_batch(store, &batch))
        hand_back(store, &batch, run_batch(store, &batch));
    return NULL;
}

/* ---- the loop's side ---- */

static void submit(struct store *base, struct request *request)
{
    struct sqlite_store *store = sqlite_store_of(base);
    pthread_mutex_lock(&store->lock);
    if (store->is_closing) {
        request->status = ST_CANCELLED;
        list_push_back(&store->finished, &request->node);
    } else {
        list_push_back(&store->waiting, &request->node);
        pthread_cond_signal(&store->wake);
    }
    pthread_mutex_unlock(&store->lock);
}

/* Only what is finished by now: what follows waits for the next wake, so that sockets get their
 * share. False when there was nothing. */
static bool deliver_finished(struct sqlite_store *store)
{
    struct list finished;
    list_init(&finished);
    pthread_mutex_lock(&store->lock);
    for (struct list *node; (node = list_pop_front(&store->finished));)
        list_push_back(&finished, node);
    pthread_mutex_unlock(&store->lock);
    bool is_any = !list_is_empty(&finished);
    store->is_delivering = true;
    for (struct list *node; (node = list_pop_front(&finished));) {
        struct request *request = LIST_ENTRY(node, struct request, node);
        request->kind->deliver(request);
        request_free(request);
    }
    store->is_delivering = false;
    return is_any;
}

static void on_wake(int fd, bool is_readable, bool is_writable, void *arg)
{
    eventfd_t count;
    (void)eventfd_read(fd, &count);
    (void)deliver_finished(arg);
}

static void sqlite_accept(struct store *store, const struct store_arrival *arrival,
                          store_accepted_fn fn, void *arg)
{
    submit(store, request_accept(arrival, fn, arg));
}

static void sqlite_read_session(struct store *store, const struct store_session_key *key,
                                size_t context_max, int64_t context_max_bytes, store_session_fn fn,
                                void *arg)
{
    submit(store, request_read_session(key, context_max, context_max_bytes, fn, arg));
}

static void sqlite_note_progress(struct store *store, int64_t inbox_id, const char *answer,
                                 int parts_sent, store_done_fn fn, void *arg)
{
    submit(store, request_note_progress(inbox_id, answer, parts_sent, fn, arg));
}

static void sqlite_settle(struct store *store, const struct store_settlement *settlement,
                          store_done_fn fn, void *arg)
{
    submit(store, request_settle(settlement, fn, arg));
}

static void sqlite_load_unfinished(struct store *store, int64_t after_id, size_t max_items,
                                   store_unfinished_fn fn, void *arg)
{
    submit(store, request_load_unfinished(after_id, max_items, fn, arg));
}

static void sqlite_read_used(struct store *store, const char *user, const char *day,
                             store_used_fn fn, void *arg)
{
    submit(store, request_read_used(user, day, fn, arg));
}

static void sqlite_read_last(struct store *store, const struct store_session_key *key,
                             store_last_fn fn, void *arg)
{
    submit(store, request_read_last(key, fn, arg));
}

static void sqlite_count_calls(struct store *store, const char *month,
                               const struct store_calls *calls, store_done_fn fn, void *arg)
{
    submit(store, request_count_calls(month, calls, fn, arg));
}

static void sqlite_read_calls(struct store *store, const char *month, store_calls_fn fn, void *arg)
{
    submit(store, request_read_calls(month, fn, arg));
}

static void sqlite_change_settings(struct store *store, const struct store_setting_change *change,
                                   store_done_fn fn, void *arg)
{
    submit(store, request_change_settings(change, fn, arg));
}

static void sqlite_read_settings(struct store *store, store_settings_fn fn, void *arg)
{
    submit(store, request_read_settings(fn, arg));
}

static void sqlite_read_audit(struct store *store, size_t max_items, store_audit_fn fn, void *arg)
{
    submit(store, request_read_audit(max_items, fn, arg));
}

static void sqlite_read_said(struct store *store, const struct store_said_query *query,
                             store_said_fn fn, void *arg)
{
    submit(store, request_read_said(query, fn, arg));
}

static void sqlite_forget(struct store *store, const struct store_forget *what,
                          store_forgotten_fn fn, void *arg)
{
    submit(store, request_forget(what, fn, arg));
}

static void sqlite_read_usage(struct store *store, const struct store_usage_query *query,
                              store_usage_fn fn, void *arg)
{
    submit(store, request_read_usage(query, fn, arg));
}

static void sqlite_prune(struct store *store, int64_t before_ms, store_done_fn fn, void *arg)
{
    submit(store, request_prune(before_ms, fn, arg));
}

static void sqlite_get_stats(struct store *base, struct store_stats *ret_stats)
{
    struct sqlite_store *store = sqlite_store_of(base);
    pthread_mutex_lock(&store->lock);
    *ret_stats = store->stats;
    pthread_mutex_unlock(&store->lock);
}

static void free_store(struct sqlite_store *store)
{
    watch_free(store->watch);
    if (store->wake_fd >= 0)
        (void)close(store->wake_fd);
    sqlite_db_close(store->db);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static void sqlite_close(struct store *base)
{
    struct sqlite_store *store = sqlite_store_of(base);
    assert(!store->is_delivering);
    pthread_mutex_lock(&store->lock);
    store->is_closing = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    (void)pthread_join(store->writer, NULL);
    while (deliver_finished(store))
        ;
    free_store(store);
}

static const struct store_ops sqlite_ops = {
    .name = "sqlite",
    .accept = sqlite_accept,
    .read_session = sqlite_read_session,
    .note_progress = sqlite_note_progress,
    .settle = sqlite_settle,
    .load_unfinished = sqlite_load_unfinished,
    .read_used = sqlite_read_used,
    .read_last = sqlite_read_last,
    .count_calls = sqlite_count_calls,
    .read_calls = sqlite_read_calls,
    .change_settings = sqlite_change_settings,
    .read_settings = sqlite_read_settings,
    .read_audit = sqlite_read_audit,
    .read_said = sqlite_read_said,
    .forget = sqlite_forget,
    .read_usage = sqlite_read_usage,
    .prune = sqlite_prune,
    .get_stats = sqlite_get_stats,
    .close = sqlite_close,
};

static struct sqlite_store *new_store(void)
{
    struct sqlite_store *store = xcalloc(1, sizeof(*store));
    store->base.ops = &sqlite_ops;
    store->wake_fd = -1;
    list_init(&store->waiting);
    list_init(&store->finished);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->wake, NULL);
    return store;
}

enum status store_open_sqlite(struct loop *loop, const char *path, struct store **ret_store,
                              struct error *ret_err)
{
    struct sqlite_store *store = new_store();
    if (sqlite_db_open(path, &store->db, ret_err) != ST_OK) {
        free_store(store);
        return ST_STORE;
    }
    store->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int problem = store->wake_fd < 0 ? errno : 0;
    if (!problem)
        problem = pthread_create(&store->writer, NULL, writer_main, store);
    if (problem) {
        free_store(store);
        return error_set(ret_err, ST_STORE, problem, "the store's thread cannot be started: %s",
                         strerror(problem));
    }
    store->watch = watch_new(loop, store->wake_fd, "store", on_wake, store);
    watch_set(store->watch, true, false);
    *ret_store = &store->base;
    return ST_OK;
}
