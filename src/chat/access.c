#include "chat/access.h"

#include <stdlib.h>
#include <string.h>

#include "chat/settings.h"
#include "net/backoff.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/list.h"
#include "util/log.h"
#include "util/map.h"
#include "util/mem.h"

#define TELL_AGAIN_MS (60 * 1000)
#define TOLD_MAX 4096
#define KEY_BYTES_MAX (64 * 1024)

static const struct backoff read_retry = {.first_ms = 200, .cap_ms = 10 * 1000, .jitter = 0.25};

/* Their names in the store, which are the keys' where there is one. */
static const char *const list_names[ACCESS_N_LISTS] = {
    [ACCESS_GROUPS] = "allow_groups",       [ACCESS_OUTGOING_GROUPS] = "allow_outgoing_groups",
    [ACCESS_ALLOWED_USERS] = "allow_users", [ACCESS_DENIED_USERS] = "deny_users",
    [ACCESS_VIP_USERS] = "vip_users",       [ACCESS_QUOTAS] = "quota",
    [ACCESS_WORDS] = "sensitive_words",
};

/* The policy's list behind each; POLICY_N_LISTS: none. */
static const enum policy_list policy_lists[ACCESS_N_LISTS] = {
    [ACCESS_GROUPS] = POLICY_GROUPS,
    [ACCESS_OUTGOING_GROUPS] = POLICY_OUTGOING_GROUPS,
    [ACCESS_ALLOWED_USERS] = POLICY_ALLOWED_USERS,
    [ACCESS_DENIED_USERS] = POLICY_DENIED_USERS,
    [ACCESS_VIP_USERS] = POLICY_VIP_USERS,
    [ACCESS_QUOTAS] = POLICY_N_LISTS,
    [ACCESS_WORDS] = POLICY_N_LISTS,
};

/* An item of an operator's list that an administrator took out has this value. */
#define OUT "0"
#define IN "1"

/* What administrators changed, in the order in which they did. */
struct override {
    struct list node;
    char *item;
    char *value;
};

/* A refusal that was told. */
struct told {
    struct list node;
    char *key;
    int64_t at_ms;
};

struct access {
    struct loop *loop;
    struct store *store;
    loop_fn loaded;
    void *loaded_arg;
    int tries;
    struct timer *retry_timer;
    struct settings *configured;
    struct policy *policy;
    struct filter *filter;
    struct list overrides[ACCESS_N_LISTS];
    struct map *by_item[ACCESS_N_LISTS];
    size_t n_overrides;
    bool is_loaded;
    struct list told; /* oldest first */
    struct map *told_by_key;
};

/* ---- what holds now ---- */

static const struct override *find(const struct access *access, enum access_list list,
                                   struct str item)
{
    return map_get(access->by_item[list], item);
}

static void set_override(struct access *access, enum access_list list, const char *item,
                         const char *value)
{
    struct override *override = map_take(access->by_item[list], str_of(item));
    if (override) {
        access->n_overrides--;
        list_remove(&override->node);
        free(override->item);
        free(override->value);
        free(override);
    }
    if (!value || access->n_overrides >= ACCESS_ITEMS_MAX)
        return;
    override = xcalloc(1, sizeof(*override));
    override->item = xstrdup(item);
    override->value = xstrdup(value);
    list_push_back(&access->overrides[list], &override->node);
    (void)map_put(access->by_item[list], str_of(item), override);
    access->n_overrides++;
}

static const struct chat_list *configured_list(const struct access *access, enum access_list list)
{
    static const struct chat_list none;
    if (list == ACCESS_WORDS)
        return &access->configured->values.words;
    enum policy_list policy_list = policy_lists[list];
    return policy_list == POLICY_N_LISTS ? &none : &access->configured->values.lists[policy_list];
}

static bool is_configured(const struct access *access, enum access_list list, struct str item)
{
    const struct chat_list *configured = configured_list(access, list);
    for (size_t i = 0; i < configured->n; i++) {
        if (str_eq(str_trim(str_of(configured->items[i])), item))
            return true;
    }
    return false;
}

static bool is_out(enum access_list list, const struct override *override)
{
    return override && list != ACCESS_QUOTAS && strcmp(override->value, OUT) == 0;
}

void access_each(const struct access *access, enum access_list list, access_item_fn fn, void *arg)
{
    const struct chat_list *configured = configured_list(access, list);
    for (size_t i = 0; i < configured->n; i++) {
        struct str item = str_trim(str_of(configured->items[i]));
        if (item.n > 0 && !find(access, list, item)) /* those come below */
            fn(configured->items[i], "", true, arg);
    }
    LIST_FOREACH(node, next, &access->overrides[list])
    {
        const struct override *override = LIST_ENTRY(node, struct override, node);
        if (!is_out(list, override))
            fn(override->item, list == ACCESS_QUOTAS ? override->value : "", false, arg);
    }
}

bool access_has(const struct access *access, enum access_list list, struct str item)
{
    const struct override *override = find(access, list, item);
    return override ? !is_out(list, override) : is_configured(access, list, item);
}

static void count_item(const char *item, const char *value, bool is_configured, void *arg)
{
    ++*(size_t *)arg;
}

size_t access_count(const struct access *access, enum access_list list)
{
    size_t n = 0;
    access_each(access, list, count_item, &n);
    return n;
}

size_t access_room(const struct access *access)
{
    return ACCESS_ITEMS_MAX - access->n_overrides;
}

/* ---- the policy ---- */

struct adding {
    struct policy *policy;
    enum policy_list list;
};

static void add_item(const char *item, const char *value, bool is_configured, void *arg)
{
    const struct adding *adding = arg;
    int64_t limit;
    if (adding->list != POLICY_N_LISTS)
        policy_add(adding->policy, adding->list, str_of(item));
    else if (parse_i64(str_of(value), 0, INT64_MAX, &limit) == ST_OK)
        policy_set_quota(adding->policy, str_of(item), limit);
}

static void make_policy(struct access *access)
{
    const struct chat_settings *settings = &access->configured->values;
    policy_free(access->policy);
    access->policy = policy_new(settings->chat_type, settings->max_request);
    const struct chat_list *admins = &settings->lists[POLICY_ADMIN_USERS];
    for (size_t i = 0; i < admins->n; i++)
        policy_add(access->policy, POLICY_ADMIN_USERS, str_of(admins->items[i]));
    for (size_t i = 0; i < ACCESS_N_LISTS; i++) {
        struct adding adding = {access->policy, policy_lists[i]};
        if (i != ACCESS_WORDS)
            access_each(access, (enum access_list)i, add_item, &adding);
    }
}

const struct policy *access_policy(const struct access *access)
{
    return access->policy;
}

struct collecting {
    const char **words;
    size_t n;
};

static void collect_word(const char *item, const char *value, bool is_configured, void *arg)
{
    struct collecting *collecting = arg;
    collecting->words[collecting->n++] = item;
}

static void make_filter(struct access *access)
{
    size_t n = access_count(access, ACCESS_WORDS);
    struct collecting collecting = {.words = xcalloc(n + 1, sizeof(*collecting.words))};
    access_each(access, ACCESS_WORDS, collect_word, &collecting);
    filter_unref(access->filter);
    access->filter = filter_new(collecting.words, collecting.n);
    free((void *)collecting.words);
}

struct filter *access_filter(const struct access *access)
{
    return access->filter;
}

/* ---- from the store ---- */

static void on_cleared(enum status status, void *arg)
{
    if (status != ST_OK)
        log_event(LOG_WARN, "access", "not_cleared", LOG_S("reason", status_name(status)));
}

/* What was taken out of an operator's list and is not there any more need not be remembered: who
 * puts it back in means it. */
static void clear_stale(struct access *access)
{
    for (size_t i = 0; i < ACCESS_N_LISTS; i++) {
        LIST_FOREACH(node, next, &access->overrides[i])
        {
            const struct override *override = LIST_ENTRY(node, struct override, node);
            if (!is_out((enum access_list)i, override) ||
                is_configured(access, (enum access_list)i, str_of(override->item)))
                continue;
            const struct store_setting item = {list_names[i], override->item, NULL};
            store_change_settings(access->store,
                                  &(struct store_setting_change){.items = &item, .n_items = 1},
                                  on_cleared, access);
            set_override(access, (enum access_list)i, override->item, NULL);
        }
    }
}

static void read_settings(void *arg);

static void on_settings(const struct store_settings_result *result, void *arg)
{
    struct access *access = arg;
    if (result->status != ST_OK) {
        log_event(LOG_ERROR, "access", "not_read", LOG_S("reason", status_name(result->status)));
        access->tries++;
        access->retry_timer = timer_start(access->loop, backoff_ms(&read_retry, access->tries),
                                          "access_read", read_settings, access);
        if (access->tries == 1)
            access->loaded(access->loaded_arg);
        return;
    }
    for (size_t i = 0; i < result->n_items; i++) {
        const struct store_setting *item = &result->items[i];
        for (size_t list = 0; list < ACCESS_N_LISTS; list++) {
            if (strcmp(item->list, list_names[list]) == 0)
                set_override(access, (enum access_list)list, item->item, item->value);
        }
    }
    access->is_loaded = true;
    clear_stale(access);
    make_policy(access);
    make_filter(access);
    access->loaded(access->loaded_arg);
}

static void read_settings(void *arg)
{
    struct access *access = arg;
    access->retry_timer = NULL;
    store_read_settings(access->store, on_settings, access);
}

struct access *access_new(struct loop *loop, struct store *store,
                          const struct chat_settings *settings, loop_fn loaded, void *arg)
{
    struct access *access = xcalloc(1, sizeof(*access));
    access->loop = loop;
    access->store = store;
    access->loaded = loaded;
    access->loaded_arg = arg;
    for (size_t i = 0; i < ACCESS_N_LISTS; i++) {
        list_init(&access->overrides[i]);
        access->by_item[i] = map_new();
    }
    list_init(&access->told);
    access->told_by_key = map_new();
    access->configured = settings_new(settings);
    make_policy(access);
    make_filter(access);
    read_settings(access);
    return access;
}

bool access_is_loaded(const struct access *access)
{
    return access->is_loaded;
}

bool access_is_tried(const struct access *access)
{
    return access->is_loaded || access->tries > 0;
}

void access_configure(struct access *access, const struct chat_settings *settings)
{
    struct settings *configured = settings_new(settings);
    settings_unref(access->configured);
    access->configured = configured;
    if (access->is_loaded)
        clear_stale(access);
    make_policy(access);
    make_filter(access);
}

static void drop_told(struct access *access, struct told *told)
{
    (void)map_take(access->told_by_key, str_of(told->key));
    list_remove(&told->node);
    free(told->key);
    free(told);
}

void access_free(struct access *access)
{
    if (!access)
        return;
    timer_cancel(&access->retry_timer);
    for (size_t i = 0; i < ACCESS_N_LISTS; i++) {
        for (struct override *override; (override = map_any(access->by_item[i]));)
            set_override(access, (enum access_list)i, override->item, NULL);
        map_free(access->by_item[i]);
    }
    LIST_FOREACH(node, next, &access->told)
    drop_told(access, LIST_ENTRY(node, struct told, node));
    map_free(access->told_by_key);
    policy_free(access->policy);
    filter_unref(access->filter);
    settings_unref(access->configured);
    free(access);
}

/* ---- changing ---- */

struct changing {
    struct access *access;
    enum access_list list;
    char **items;
    const char **values; /* of each; NULL: no override is left */
    char *value;
    size_t n_items;
    access_changed_fn fn;
    void *arg;
};

static void free_changing(struct changing *changing)
{
    for (size_t i = 0; i < changing->n_items; i++)
        free(changing->items[i]);
    free(changing->items);
    free((void *)(uintptr_t)changing->values);
    free(changing->value);
    free(changing);
}

static void on_changed(enum status status, void *arg)
{
    struct changing *changing = arg;
    struct access *access = changing->access;
    for (size_t i = 0; status == ST_OK && i < changing->n_items; i++)
        set_override(access, changing->list, changing->items[i], changing->values[i]);
    if (status == ST_OK && changing->list == ACCESS_WORDS)
        make_filter(access);
    else if (status == ST_OK)
        make_policy(access);
    changing->fn(status, status == ST_OK ? changing->n_items : 0, changing->arg);
    free_changing(changing);
}

/* Whether the item's entry has to change, and into what. */
static bool needs_change(const struct access *access, const struct access_change *change,
                         struct str item, const char **ret_value)
{
    const struct override *override = find(access, change->list, item);
    bool is_there = is_configured(access, change->list, item);
    if (change->list == ACCESS_QUOTAS) {
        *ret_value = change->value;
        return change->value ? !override || strcmp(override->value, change->value) != 0
                             : override != NULL;
    }
    *ret_value = change->value ? (is_there ? NULL : IN) : (is_there ? OUT : NULL);
    return access_has(access, change->list, item) != (change->value != NULL);
}

void access_change(struct access *access, const struct access_change *change, access_changed_fn fn,
                   void *arg)
{
    struct changing *changing = xcalloc(1, sizeof(*changing));
    changing->access = access;
    changing->list = change->list;
    changing->items = xcalloc(change->n_items + 1, sizeof(*changing->items));
    changing->values = xcalloc(change->n_items + 1, sizeof(*changing->values));
    changing->value = xstrdup(change->value);
    changing->fn = fn;
    changing->arg = arg;
    struct store_setting *items = xcalloc(change->n_items + 1, sizeof(*items));
    for (size_t i = 0; i < change->n_items; i++) {
        const char *value;
        if (!needs_change(access, change, str_of(change->items[i]), &value))
            continue;
        size_t n = changing->n_items++;
        changing->items[n] = xstrdup(change->items[i]);
        changing->values[n] = value == change->value && value ? changing->value : value;
        items[n] = (struct store_setting){list_names[change->list], changing->items[n],
                                          changing->values[n]};
    }
    const struct store_audit audit = {
        .at_ms = clock_wall_ms(),
        .who = change->by->sender_staff_id,
        .nick = change->by->sender_nick,
        .place = change->by->conversation,
        .what = change->what,
    };
    const struct store_setting_change whole = {.items = items,
                                               .n_items = changing->n_items,
                                               .audit = changing->n_items > 0 ? &audit : NULL};
    store_change_settings(access->store, &whole, on_changed, changing);
    free(items);
}

/* ---- refusals ---- */

bool access_may_tell(struct access *access, const struct message *message,
                     enum policy_verdict verdict, int64_t now_ms)
{
    LIST_FOREACH(node, next, &access->told)
    {
        struct told *told = LIST_ENTRY(node, struct told, node);
        if (now_ms - told->at_ms < TELL_AGAIN_MS && map_count(access->told_by_key) < TOLD_MAX)
            break;
        drop_told(access, told);
    }
    struct buf key = BUF_INIT(KEY_BYTES_MAX);
    buf_printf(&key, "%d\n%s\n%s\n%s", (int)verdict, message->robot, message->conversation,
               message->sender);
    bool is_new = buf_status(&key) == ST_OK && !map_get(access->told_by_key, buf_str(&key));
    if (is_new) {
        struct told *told = xcalloc(1, sizeof(*told));
        told->key = xstrdup(buf_cstr(&key));
        told->at_ms = now_ms;
        list_push_back(&access->told, &told->node);
        (void)map_put(access->told_by_key, buf_str(&key), told);
    }
    buf_done(&key);
    return is_new;
}
