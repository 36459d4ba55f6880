#include "chat/usage.h"

#include <stdio.h>

#include "chat/meter.h"
#include "chat/turn.h"
#include "util/clock.h"

#define TOP_MAX 10
#define CELL_BYTES_MAX 4096

static void say_failed(struct turn *turn)
{
    turn_put(turn, WORD_USAGE_FAILED, (const char *const[]){turn->reference, NULL});
    turn_say(turn);
}

/* Names are others' words: what could end a cell or be a link is shown in its wide form. */
static void put_name(struct buf *out, const char *name)
{
    static const struct {
        char c;
        const char *wide;
    } marks[] = {{'|', "｜"}, {'[', "［"}, {']', "］"}, {'<', "＜"}, {'>', "＞"},
                 {'*', "＊"}, {'_', "＿"}, {'`', "｀"}, {'#', "＃"}, {'\\', "＼"}};
    for (const char *p = name; *p; p++) {
        const char *wide = NULL;
        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
            if (marks[i].c == *p)
                wide = marks[i].wide;
        }
        if (wide)
            buf_puts(out, wide);
        else
            buf_putc(out, (unsigned char)*p < ' ' ? ' ' : *p);
    }
}

static void put_counts(struct turn *turn, const struct store_usage *usage)
{
    buf_printf(&turn->shown, " | %lld | %lld | %lld |\n", (long long)usage->requests,
               (long long)usage->prompt_tokens, (long long)usage->completion_tokens);
}

static void put_sum(struct turn *turn, enum word word, const struct store_usage *usage)
{
    buf_puts(&turn->shown, "| ");
    turn_put(turn, word, NULL);
    put_counts(turn, usage);
}

static void put_sums(struct turn *turn, const struct store_usage_result *result)
{
    const char *when = words_get(turn->chat->settings.language, WORD_USAGE_WHEN);
    turn_put(turn, WORD_USAGE_COLUMNS, (const char *const[]){when, NULL});
    put_sum(turn, WORD_USAGE_TODAY, &result->day);
    put_sum(turn, WORD_USAGE_MONTH, &result->month);
}

static void read_usage(struct turn *turn, const char *user, store_usage_fn fn)
{
    char day[CLOCK_DAY_SIZE];
    clock_local_day(clock_wall_ms(), day);
    turn_set_state(turn, TURN_MANAGING);
    const struct store_usage_query query = {.user = user, .day = day, .max_items = TOP_MAX};
    store_read_usage(turn->chat->store, &query, fn, turn);
}

/* ---- one's own ---- */

static void on_own(const struct store_usage_result *result, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    if (result->status != ST_OK) {
        say_failed(turn);
        return;
    }
    turn_put(turn, WORD_USAGE_OWN, NULL);
    put_sums(turn, result);
    int64_t limit = policy_daily_limit(access_policy(turn->chat->access), &turn->message);
    int64_t left = limit > result->day.requests ? limit - result->day.requests : 0;
    char left_text[24], limit_text[24];
    (void)snprintf(left_text, sizeof(left_text), "%lld", (long long)left);
    (void)snprintf(limit_text, sizeof(limit_text), "%lld", (long long)limit);
    if (limit > 0)
        turn_put(turn, WORD_USAGE_LEFT, (const char *const[]){left_text, limit_text, NULL});
    else
        turn_put(turn, WORD_USAGE_NO_LIMIT, NULL);
    turn_say(turn);
}

void usage_show_own(struct turn *turn, struct str argument)
{
    read_usage(turn, turn->message.sender, on_own);
}

/* ---- everybody's ---- */

static void put_top(struct turn *turn, enum word head, enum word column,
                    const struct store_usage *items, size_t n, bool has_ids)
{
    const char *name = words_get(turn->chat->settings.language, column);
    if (n == 0)
        return;
    turn_put(turn, head, NULL);
    turn_put(turn, WORD_USAGE_COLUMNS, (const char *const[]){name, NULL});
    for (size_t i = 0; i < n; i++) {
        const char *shown = *items[i].name ? items[i].name : NULL;
        buf_puts(&turn->shown, "| ");
        if (shown)
            put_name(&turn->shown, shown);
        if (has_ids && shown)
            buf_puts(&turn->shown, "（");
        if (has_ids)
            put_name(&turn->shown, items[i].id);
        if (has_ids && shown)
            buf_puts(&turn->shown, "）");
        if (!has_ids && !shown)
            turn_put(turn, WORD_USAGE_NAMELESS, NULL);
        put_counts(turn, &items[i]);
    }
}

static void put_calls(const struct store_calls *calls, void *arg)
{
    struct turn *turn = arg;
    buf_puts(&turn->shown, "| ");
    put_name(&turn->shown, calls->app);
    buf_puts(&turn->shown, " | ");
    put_name(&turn->shown, calls->kind);
    buf_printf(&turn->shown, " | %lld |\n", (long long)calls->calls);
}

static void put_meter(struct turn *turn)
{
    struct meter *meter = turn->chat->meter;
    int64_t total = meter ? meter_total(meter) : 0;
    int64_t budget = meter ? meter_budget(meter) : 0;
    if (total == 0 && budget == 0)
        return;
    char total_text[24], budget_text[24];
    (void)snprintf(total_text, sizeof(total_text), "%lld", (long long)total);
    (void)snprintf(budget_text, sizeof(budget_text), "%lld", (long long)budget);
    turn_put(turn, budget > 0 ? WORD_USAGE_METER_OF : WORD_USAGE_METER,
             (const char *const[]){total_text, budget_text, NULL});
    if (total > 0) {
        turn_put(turn, WORD_USAGE_METER_COLUMNS, NULL);
        meter_each(meter, put_calls, turn);
    }
}

static void on_all(const struct store_usage_result *result, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    if (result->status != ST_OK) {
        say_failed(turn);
        return;
    }
    bool is_group = turn->message.is_group;
    char people[24];
    (void)snprintf(people, sizeof(people), "%lld", (long long)result->n_users);
    turn_put(turn, WORD_USAGE_ALL, (const char *const[]){people, NULL});
    put_sums(turn, result);
    put_top(turn, WORD_USAGE_USERS, WORD_USAGE_USER, result->users, result->n_users_listed,
            !is_group);
    put_top(turn, WORD_USAGE_GROUPS, WORD_USAGE_GROUP, result->groups, result->n_groups, false);
    put_top(turn, WORD_USAGE_MODELS, WORD_USAGE_MODEL, result->models, result->n_models, true);
    put_meter(turn);
    if (is_group)
        turn_put(turn, WORD_ASK_PRIVATELY, NULL);
    turn_say(turn);
}

void usage_show_all(struct turn *turn, struct str argument)
{
    read_usage(turn, NULL, on_all);
}
