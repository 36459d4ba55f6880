#include "chat/history.h"

#include <stdio.h>

#include "chat/history_link.h"
#include "chat/turn.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

#define TEXT_BYTES_MAX (16 * 1024)

static void say(struct turn *turn, enum word word, const char *const *args)
{
    turn_put(turn, word, args);
    turn_say(turn);
}

static void note(struct turn *turn, const char *what, store_done_fn fn)
{
    const struct message *message = &turn->message;
    const struct store_audit audit = {.at_ms = clock_wall_ms(),
                                      .who = *message->sender_staff_id ? message->sender_staff_id
                                                                       : message->sender,
                                      .nick = message->sender_nick,
                                      .place = message->conversation,
                                      .what = what};
    const struct store_setting_change change = {.audit = &audit};
    store_change_settings(turn->chat->store, &change, fn, turn);
}

/* ---- links ---- */

void history_explain(struct turn *turn, struct str argument)
{
    say(turn, WORD_HISTORY_HELP, NULL);
}

/* The wish between backquotes, which it may not end. */
static void write_wish(const struct history_wish *wish, struct buf *out)
{
    history_wish_write(wish, out);
    for (size_t i = 0; i < out->len; i++) {
        if (out->data[i] == '`' || out->data[i] == '\n')
            out->data[i] = ' ';
    }
}

/* It was understood when the turn began. */
static struct history_wish wish_of(const struct turn *turn)
{
    struct history_wish wish = {0};
    struct str bad;
    if (history_wish_parse(turn->route.argument, &wish, &bad) != ST_OK)
        wish = (struct history_wish){0};
    return wish;
}

static enum status write_link(const struct turn *turn, const struct history_grant *grant,
                              struct buf *out)
{
    struct str base = str_of(turn->chat->settings.service_url);
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    buf_add_str(out, base);
    buf_puts(out, "/history/");
    return history_token_write(turn->chat->history_key, grant, out);
}

/* In a group everybody could open it: the administrator gets it alone, where there is a way. */
static void hand_over(struct turn *turn, struct str text)
{
    struct platform *platform = turn->chat->platform;
    const struct message *message = &turn->message;
    if (message->is_group && platform->ops->notify &&
        platform->ops->notify(platform, message->app, message->sender_staff_id, text)) {
        say(turn, WORD_HISTORY_SENT, NULL);
        return;
    }
    buf_add_str(&turn->shown, text);
    if (message->is_group)
        turn_put(turn, WORD_HISTORY_CARE, NULL);
    turn_say(turn);
}

static void on_found(const struct store_said_result *result, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    struct history_grant grant = {.wish = wish_of(turn),
                                  .expires_ms = clock_wall_ms() + HISTORY_LINK_LIFE_MS};
    (void)snprintf(grant.by, sizeof(grant.by), "%s", turn->message.sender_staff_id);
    struct buf what = BUF_INIT(TEXT_BYTES_MAX);
    struct buf link = BUF_INIT(TEXT_BYTES_MAX);
    struct buf text = BUF_INIT(4 * TEXT_BYTES_MAX);
    char until[CLOCK_HM_SIZE];
    write_wish(&grant.wish, &what);
    clock_local_minute(grant.expires_ms, until);
    if (result->status == ST_OK && result->n_items == 0) {
        say(turn, WORD_HISTORY_NONE, (const char *const[]){buf_cstr(&what), NULL});
    } else if (result->status != ST_OK || write_link(turn, &grant, &link) != ST_OK) {
        say(turn, WORD_HISTORY_FAILED, (const char *const[]){turn->reference, NULL});
    } else {
        words_put(&text, turn->chat->settings.language, WORD_HISTORY_LINK,
                  (const char *const[]){buf_cstr(&link), until, buf_cstr(&what), NULL});
        hand_over(turn, buf_str(&text));
    }
    buf_done(&what);
    buf_done(&link);
    buf_done(&text);
}

/* It is in the audit: now whether there is anything to read. */
static void on_noted(enum status status, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    if (status != ST_OK) {
        say(turn, WORD_HISTORY_FAILED, (const char *const[]){turn->reference, NULL});
        return;
    }
    struct history_wish wish = wish_of(turn);
    struct store_said_query query = history_wish_query(&wish);
    query.max_items = 1;
    store_read_said(turn->chat->store, &query, on_found, turn);
}

void history_give_link(struct turn *turn, struct str argument)
{
    struct history_wish wish;
    struct str bad;
    if (argument.n == 0) {
        history_explain(turn, argument);
        return;
    }
    if (history_wish_parse(argument, &wish, &bad) != ST_OK) {
        bad.n = utf8_cut(bad, 200);
        DB_CLEANUP(free_charp) char *part = xstrndup(bad.p, bad.n);
        turn_put(turn, WORD_HISTORY_BAD, (const char *const[]){part, NULL});
        history_explain(turn, argument);
        return;
    }
    if (!*turn->chat->settings.service_url || !turn->chat->history_key) {
        say(turn, WORD_HISTORY_NO_URL, NULL);
        return;
    }
    log_event(LOG_INFO, "audit", "history_link", LOG_S("ref", turn->reference),
              LOG_S("by", turn->message.sender_staff_id),
              LOG_S("place", turn->message.conversation));
    turn_set_state(turn, TURN_MANAGING);
    struct buf what = BUF_INIT(TEXT_BYTES_MAX);
    buf_puts(&what, "#查对话");
    history_wish_write(&wish, &what);
    note(turn, buf_cstr(&what), on_noted);
    buf_done(&what);
}

/* ---- forgetting ---- */

/* Whoever could name himself as he likes could make others be forgotten. */
static bool refuse_stranger(struct turn *turn)
{
    if (turn->message.is_vouched)
        return false;
    say(turn, WORD_FORGET_UNKNOWN, NULL);
    return true;
}

void history_ask_to_forget(struct turn *turn, struct str argument)
{
    if (!refuse_stranger(turn))
        say(turn, WORD_FORGET_ASK, NULL);
}

static void on_forget_noted(enum status status, void *arg)
{
    struct turn *turn = arg;
    if (!turn->chat->is_stopped)
        turn_say(turn);
}

static void on_forgotten(enum status status, int64_t n_exchanges, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    if (status != ST_OK) {
        say(turn, WORD_FORGET_FAILED, (const char *const[]){turn->reference, NULL});
        return;
    }
    char count[24];
    (void)snprintf(count, sizeof(count), "%lld", (long long)n_exchanges);
    turn_put(turn, WORD_FORGOTTEN, (const char *const[]){count, NULL});
    turn->change = STORE_SESSION_FORGET;
    log_event(LOG_INFO, "audit", "forgotten", LOG_S("ref", turn->reference),
              LOG_S("user", turn->message.sender), LOG_I("exchanges", n_exchanges));
    note(turn, "#遗忘我 确认", on_forget_noted);
}

void history_forget(struct turn *turn, struct str argument)
{
    if (refuse_stranger(turn))
        return;
    turn_set_state(turn, TURN_MANAGING);
    const struct store_forget what = {.user = turn->message.sender};
    store_forget(turn->chat->store, &what, on_forgotten, turn);
}
