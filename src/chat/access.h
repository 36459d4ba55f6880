/*
 * Who may ask and which words are not said, as it holds now: the operator's lists and what
 * administrators changed in chat, which the store keeps. A change counts as soon as it is on disk.
 * Private to src/chat.
 */
#ifndef DB_CHAT_ACCESS_H
#define DB_CHAT_ACCESS_H

#include "chat/chat.h"
#include "chat/filter.h"
#include "chat/policy.h"
#include "net/loop.h"
#include "store/store.h"

/* What can be changed in chat. */
enum access_list {
    ACCESS_GROUPS,
    ACCESS_OUTGOING_GROUPS,
    ACCESS_ALLOWED_USERS,
    ACCESS_DENIED_USERS,
    ACCESS_VIP_USERS,
    ACCESS_QUOTAS, /* a user, and his daily limit */
    ACCESS_WORDS,  /* that are not to be said */
    ACCESS_N_LISTS
};

/* Items that somebody may add to all lists together, and the bytes of one. */
#define ACCESS_ITEMS_MAX 20000
#define ACCESS_ITEM_BYTES_MAX 128

struct access;

/* Reads what the store keeps, again and again until it can. `loaded` is called then, and once
 * before where the first try failed; never before access_new returned. Until then the settings
 * alone count. Borrows loop and store. */
struct access *access_new(struct loop *loop, struct store *store,
                          const struct chat_settings *settings, loop_fn loaded, void *arg);
void access_free(struct access *access); /* after store_close; NULL is fine */
bool access_is_loaded(const struct access *access);
bool access_is_tried(const struct access *access); /* loaded, or failed at least once */
/* Copied. */
void access_configure(struct access *access, const struct chat_settings *settings);

/* Borrowed until the loop's next turn. */
const struct policy *access_policy(const struct access *access);

/* The words that are not to be said; borrowed as well: who needs it longer takes a reference. */
struct filter *access_filter(const struct access *access);

/* Whether the item is in the list now; of the operator's lists, whether it is there. */
bool access_has(const struct access *access, enum access_list list, struct str item);
/* What the lists hold now; `value` is the daily limit of a quota, else "". */
typedef void (*access_item_fn)(const char *item, const char *value, bool is_configured, void *arg);
void access_each(const struct access *access, enum access_list list, access_item_fn fn, void *arg);
size_t access_count(const struct access *access, enum access_list list);

/* How many more items there may be. */
size_t access_room(const struct access *access);

/* One change: items that enter a list (value: "1", or a quota's limit) or leave it (value NULL). */
struct access_change {
    enum access_list list;
    const char *const *items;
    size_t n_items;
    const char *value;
    const struct message *by;
    const char *what; /* for the record */
};
/* ST_STORE: nothing was changed. `n_changed`: items that were not so before. Never before
 * access_change returned. */
typedef void (*access_changed_fn)(enum status status, size_t n_changed, void *arg);
void access_change(struct access *access, const struct access_change *change, access_changed_fn fn,
                   void *arg);

/* Whether a refusal is told now: the same one once a minute to one person in one place. */
bool access_may_tell(struct access *access, const struct message *message,
                     enum policy_verdict verdict, int64_t now_ms);

#endif
