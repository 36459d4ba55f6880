/* What a database implements to stand behind store.h: one function a call of the face, same
 * contracts. Private to src/store. */
#ifndef DB_STORE_STORE_OPS_H
#define DB_STORE_STORE_OPS_H

#include "store/store.h"

struct store_ops {
    const char *name;
    void (*accept)(struct store *, const struct store_arrival *, store_accepted_fn, void *);
    void (*read_session)(struct store *, const struct store_session_key *, size_t context_max,
                         int64_t context_max_bytes, store_session_fn, void *);
    void (*note_progress)(struct store *, int64_t inbox_id, const char *answer, int parts_sent,
                          store_done_fn, void *);
    void (*settle)(struct store *, const struct store_settlement *, store_done_fn, void *);
    void (*load_unfinished)(struct store *, int64_t after_id, size_t max_items, store_unfinished_fn,
                            void *);
    void (*read_used)(struct store *, const char *user, const char *day, store_used_fn, void *);
    void (*read_last)(struct store *, const struct store_session_key *, store_last_fn, void *);
    void (*count_calls)(struct store *, const char *month, const struct store_calls *,
                        store_done_fn, void *);
    void (*read_calls)(struct store *, const char *month, store_calls_fn, void *);
    void (*change_settings)(struct store *, const struct store_setting_change *, store_done_fn,
                            void *);
    void (*read_settings)(struct store *, store_settings_fn, void *);
    void (*read_audit)(struct store *, size_t max_items, store_audit_fn, void *);
    void (*read_said)(struct store *, const struct store_said_query *, store_said_fn, void *);
    void (*forget)(struct store *, const struct store_forget *, store_forgotten_fn, void *);
    void (*read_usage)(struct store *, const struct store_usage_query *, store_usage_fn, void *);
    void (*prune)(struct store *, int64_t before_ms, store_done_fn, void *);
    void (*get_stats)(struct store *, struct store_stats *ret_stats);
    void (*close)(struct store *);
};

/* Embedded first in each database's own struct. */
struct store {
    const struct store_ops *ops;
};

#endif
