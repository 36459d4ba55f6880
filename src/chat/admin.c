#include "chat/admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "chat/commands.h"
#include "chat/turn.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

#define IDS_MAX 100   /* of one command */
#define SHOWN_MAX 200 /* items of one list */
#define AUDIT_SHOWN 10
#define QUOTA_MAX 1000000000 /* as of max_request */
#define WHAT_BYTES_MAX (16 * 1024)

static const enum word list_words[ACCESS_N_LISTS] = {
    [ACCESS_GROUPS] = WORD_LIST_GROUPS,
    [ACCESS_OUTGOING_GROUPS] = WORD_LIST_OUTGOING_GROUPS,
    [ACCESS_ALLOWED_USERS] = WORD_LIST_ALLOWED_USERS,
    [ACCESS_DENIED_USERS] = WORD_LIST_DENIED_USERS,
    [ACCESS_VIP_USERS] = WORD_LIST_VIP_USERS,
    [ACCESS_QUOTAS] = WORD_LIST_QUOTAS,
    [ACCESS_WORDS] = WORD_LIST_WORDS,
};

/* What the argument of a command names. */
struct named {
    char *ids[IDS_MAX + 1];
    size_t n;
    bool is_bad; /* something in it is no id */
};

static void named_done(struct named *named)
{
    for (size_t i = 0; i < named->n; i++)
        free(named->ids[i]);
}

static bool is_groups(enum access_list list)
{
    return list == ACCESS_GROUPS || list == ACCESS_OUTGOING_GROUPS;
}

/* A list that lets only those in who are on it, once somebody is. */
static bool is_gate(enum access_list list)
{
    return is_groups(list) || list == ACCESS_ALLOWED_USERS;
}

static const char *list_name(const struct turn *turn, enum access_list list)
{
    return words_get(turn->chat->settings.language, list_words[list]);
}

/* ---- reading the argument ---- */

static bool is_separator(uint32_t cp)
{
    return cp <= ' ' || cp == ',' || cp == ';' || cp == 0x3000 || cp == 0xFF0C || cp == 0xFF1B ||
           cp == 0x3001;
}

static struct str next_token(struct str *rest)
{
    size_t at = 0, begin = 0, len;
    uint32_t cp;
    while ((len = utf8_decode(str_sub(*rest, at, rest->n), &cp)) > 0 && is_separator(cp))
        at += len;
    begin = at;
    while ((len = utf8_decode(str_sub(*rest, at, rest->n), &cp)) > 0 && !is_separator(cp))
        at += len;
    struct str token = str_sub(*rest, begin, at - begin);
    *rest = str_sub(*rest, at, rest->n);
    return token;
}

/* An id is shown between backquotes. People like to write a name with an @ instead. */
static bool is_id(struct str token)
{
    return token.n <= ACCESS_ITEM_BYTES_MAX && token.p[0] != '@' &&
           str_find(token, STR_LIT("`")) < 0;
}

static void read_ids(struct str argument, struct named *named)
{
    for (struct str token; (token = next_token(&argument)).n > 0;) {
        if (!is_id(token) || named->n == IDS_MAX) {
            named->is_bad = true;
            return;
        }
        named->ids[named->n++] = xstrndup(token.p, token.n);
    }
}

/* The number at the end; -1 when there is none. */
static int64_t take_number(struct named *named)
{
    int64_t number;
    if (named->n < 2 || parse_i64(str_of(named->ids[named->n - 1]), 0, QUOTA_MAX, &number) != ST_OK)
        return -1;
    free(named->ids[--named->n]);
    return number;
}

/* ---- showing ---- */

struct showing {
    struct turn *turn;
    size_t n;
};

static void show_item(const char *item, const char *value, bool is_configured, void *arg)
{
    struct showing *showing = arg;
    if (showing->n++ >= SHOWN_MAX)
        return;
    struct buf *out = &showing->turn->shown;
    buf_printf(out, "- `%s`", item);
    if (*value)
        buf_printf(out, "：%s", value);
    if (is_configured)
        turn_put(showing->turn, WORD_LIST_FROM_FILE, NULL);
    buf_putc(out, '\n');
}

static void put_state(struct turn *turn, enum access_list list, size_t n)
{
    if (is_gate(list))
        turn_put(turn, n == 0 ? WORD_LIST_OPEN : WORD_LIST_CLOSED, NULL);
}

/* In a group nobody reads the ids of others. */
static void put_list(struct turn *turn, enum access_list list)
{
    const struct access *access = turn->chat->access;
    size_t n = access_count(access, list);
    bool is_group = turn->message.is_group;
    buf_printf(&turn->shown, is_group ? "- %s：%zu\n" : "**%s：%zu**\n\n", list_name(turn, list),
               n);
    if (is_group)
        return;
    struct showing showing = {.turn = turn};
    access_each(access, list, show_item, &showing);
    if (n > SHOWN_MAX)
        turn_put(turn, WORD_LIST_MORE, NULL);
    buf_putc(&turn->shown, '\n');
    put_state(turn, list, n);
}

static void put_usage(struct turn *turn)
{
    turn_put(turn, WORD_USAGE, (const char *const[]){turn->route.command->usage, NULL});
}

static void show_list(struct turn *turn, enum access_list list)
{
    put_list(turn, list);
    if (turn->message.is_group)
        turn_put(turn, WORD_ASK_PRIVATELY, NULL);
    put_usage(turn);
    turn_say(turn);
}

void admin_show_words(struct turn *turn, struct str argument)
{
    put_list(turn, ACCESS_WORDS);
    if (turn->message.is_group)
        turn_put(turn, WORD_ASK_PRIVATELY, NULL);
    turn_put(turn, WORD_USAGE, (const char *const[]){"#敏感词 增加 词，#敏感词 删除 词", NULL});
    turn_say(turn);
}

static void put_commands(struct turn *turn)
{
    size_t n;
    const struct command *table = commands_table(&n);
    turn_put(turn, WORD_RIGHTS_COMMANDS, NULL);
    for (size_t i = 0; i < n; i++) {
        if (table[i].order)
            buf_printf(&turn->shown, "- `%s`：%s\n", table[i].usage,
                       turn->chat->settings.language == LANGUAGE_EN ? table[i].help_en
                                                                    : table[i].help_zh);
    }
}

static void on_audit(const struct store_audit_result *result, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    if (result->n_items > 0)
        turn_put(turn, WORD_RIGHTS_CHANGES, NULL);
    for (size_t i = 0; i < result->n_items; i++) {
        const struct store_audit *item = &result->items[i];
        char at[CLOCK_HM_SIZE];
        clock_local_minute(item->at_ms, at);
        buf_printf(&turn->shown, "- %s %s（`%s`）：%s\n", at, item->nick, item->who, item->what);
    }
    put_commands(turn);
    turn_say(turn);
}

void admin_show(struct turn *turn, struct str argument)
{
    static const enum word types[] = {[POLICY_ALL_CHATS] = WORD_CHATS_ALL,
                                      [POLICY_PRIVATE_CHATS] = WORD_CHATS_PRIVATE,
                                      [POLICY_GROUP_CHATS] = WORD_CHATS_GROUPS};
    const struct chat_settings *settings = &turn->chat->settings;
    const char *type = words_get(settings->language, types[settings->chat_type]);
    turn_put(turn, WORD_RIGHTS_HEAD, (const char *const[]){type, NULL});
    for (size_t i = 0; i < ACCESS_WORDS; i++)
        put_list(turn, (enum access_list)i);
    buf_printf(&turn->shown, "%s%s：%zu\n", turn->message.is_group ? "- " : "",
               list_name(turn, ACCESS_WORDS), access_count(turn->chat->access, ACCESS_WORDS));
    if (turn->message.is_group) {
        turn_put(turn, WORD_ASK_PRIVATELY, NULL);
        put_commands(turn);
        turn_say(turn);
        return;
    }
    turn_set_state(turn, TURN_MANAGING);
    store_read_audit(turn->chat->store, AUDIT_SHOWN, on_audit, turn);
}

/* ---- changing ---- */

/* The list that the command means: in a custom robot's group, that robot's groups. */
static enum access_list list_of(const struct turn *turn)
{
    enum access_list list = turn->route.command->order->list;
    bool is_this_group = turn->route.argument.n == 0 && turn->message.is_group;
    return list == ACCESS_GROUPS && is_this_group && turn->message.is_outgoing_robot
               ? ACCESS_OUTGOING_GROUPS
               : list;
}

static void on_changed(enum status status, size_t n_changed, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    if (status != ST_OK) {
        turn_put(turn, WORD_CHANGE_FAILED, (const char *const[]){turn->reference, NULL});
        turn_say(turn);
        return;
    }
    enum access_list list = list_of(turn);
    size_t n = access_count(turn->chat->access, list);
    char changed[24], count[24];
    (void)snprintf(changed, sizeof(changed), "%zu", n_changed);
    (void)snprintf(count, sizeof(count), "%zu", n);
    const char *const args[] = {list_name(turn, list), changed, count, NULL};
    bool is_adding = turn->route.command->order->is_adding;
    if (n_changed == 0)
        turn_put(turn, WORD_LIST_SAME, args);
    else if (list == ACCESS_QUOTAS && is_adding)
        turn_put(turn, WORD_QUOTA_SET, args);
    else
        turn_put(turn, is_adding ? WORD_LIST_ADDED : WORD_LIST_TAKEN, args);
    put_state(turn, list, n);
    turn_say(turn);
}

static void change(struct turn *turn, const struct named *named, const char *value)
{
    struct buf what = BUF_INIT(WHAT_BYTES_MAX);
    buf_puts(&what, turn->route.command->names[0]);
    for (size_t i = 0; i < named->n; i++)
        buf_printf(&what, " %s", named->ids[i]);
    if (value && list_of(turn) == ACCESS_QUOTAS)
        buf_printf(&what, " %s", value);
    log_event(LOG_INFO, "audit", "lists", LOG_S("ref", turn->reference),
              LOG_S("by", turn->message.sender_staff_id),
              LOG_S("place", turn->message.conversation), LOG_S("what", buf_cstr(&what)));
    const struct access_change order = {
        .list = list_of(turn),
        .items = (const char *const *)named->ids,
        .n_items = named->n,
        .value = value,
        .by = &turn->message,
        .what = buf_cstr(&what),
    };
    turn_set_state(turn, TURN_MANAGING);
    access_change(turn->chat->access, &order, on_changed, turn);
    buf_done(&what);
}

static void say_usage(struct turn *turn, enum word reason)
{
    turn_put(turn, reason, NULL);
    put_usage(turn);
    turn_say(turn);
}

void admin_change(struct turn *turn, struct str argument)
{
    const struct admin_order *order = turn->route.command->order;
    struct named named = {0};
    char number[24] = "1";
    read_ids(argument, &named);
    bool is_quota = order->list == ACCESS_QUOTAS && order->is_adding;
    int64_t limit = is_quota ? take_number(&named) : 0;
    if (is_groups(order->list) && argument.n == 0 && turn->message.is_group)
        named.ids[named.n++] = xstrdup(turn->message.conversation);
    if (is_quota)
        (void)snprintf(number, sizeof(number), "%lld", (long long)limit);
    if (named.is_bad)
        say_usage(turn, order->list == ACCESS_WORDS ? WORD_NOT_WORDS : WORD_NOT_IDS);
    else if (named.n == 0)
        show_list(turn, order->list);
    else if (limit < 0)
        say_usage(turn, WORD_NOT_A_QUOTA);
    else if (order->is_adding && access_room(turn->chat->access) < named.n)
        say_usage(turn, WORD_LISTS_FULL);
    else
        change(turn, &named, order->is_adding ? number : NULL);
    named_done(&named);
}
