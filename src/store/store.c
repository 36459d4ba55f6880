#include "store/store.h"

#include "store/store_ops.h"

void store_accept(struct store *store, const struct store_arrival *arrival, store_accepted_fn fn,
                  void *arg)
{
    store->ops->accept(store, arrival, fn, arg);
}

void store_read_session(struct store *store, const struct store_session_key *key,
                        size_t context_max, int64_t context_max_bytes, store_session_fn fn,
                        void *arg)
{
    store->ops->read_session(store, key, context_max, context_max_bytes, fn, arg);
}

void store_note_progress(struct store *store, int64_t inbox_id, const char *answer, int parts_sent,
                         store_done_fn fn, void *arg)
{
    store->ops->note_progress(store, inbox_id, answer, parts_sent, fn, arg);
}

void store_settle(struct store *store, const struct store_settlement *settlement, store_done_fn fn,
                  void *arg)
{
    store->ops->settle(store, settlement, fn, arg);
}

void store_load_unfinished(struct store *store, int64_t after_id, size_t max_items,
                           store_unfinished_fn fn, void *arg)
{
    store->ops->load_unfinished(store, after_id, max_items, fn, arg);
}

void store_read_used(struct store *store, const char *user, const char *day, store_used_fn fn,
                     void *arg)
{
    store->ops->read_used(store, user, day, fn, arg);
}

void store_read_last(struct store *store, const struct store_session_key *key, store_last_fn fn,
                     void *arg)
{
    store->ops->read_last(store, key, fn, arg);
}

void store_count_calls(struct store *store, const char *month, const struct store_calls *calls,
                       store_done_fn fn, void *arg)
{
    store->ops->count_calls(store, month, calls, fn, arg);
}

void store_read_calls(struct store *store, const char *month, store_calls_fn fn, void *arg)
{
    store->ops->read_calls(store, month, fn, arg);
}

void store_change_settings(struct store *store, const struct store_setting_change *change,
                           store_done_fn fn, void *arg)
{
    store->ops->change_settings(store, change, fn, arg);
}

void store_read_settings(struct store *store, store_settings_fn fn, void *arg)
{
    store->ops->read_settings(store, fn, arg);
}

void store_read_audit(struct store *store, size_t max_items, store_audit_fn fn, void *arg)
{
    store->ops->read_audit(store, max_items, fn, arg);
}

void store_read_said(struct store *store, const struct store_said_query *query, store_said_fn fn,
                     void *arg)
{
    store->ops->read_said(store, query, fn, arg);
}

void store_forget(struct store *store, const struct store_forget *what, store_forgotten_fn fn,
                  void *arg)
{
    store->ops->forget(store, what, fn, arg);
}

void store_read_usage(struct store *store, const struct store_usage_query *query, store_usage_fn fn,
                      void *arg)
{
    store->ops->read_usage(store, query, fn, arg);
}

void store_prune(struct store *store, int64_t before_ms, store_done_fn fn, void *arg)
{
    store->ops->prune(store, before_ms, fn, arg);
}

void store_get_stats(struct store *store, struct store_stats *ret_stats)
{
    store->ops->get_stats(store, ret_stats);
}

void store_close(struct store *store)
{
    if (store)
        store->ops->close(store);
}
