#include "chat/meter.h"

#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/list.h"
#include "util/log.h"
#include "util/mem.h"

#define FLUSH_MS 1000
#define RELOAD_MS 5000
/* Applications times kinds; what comes beyond is not counted, and said so once. */
#define COUNTERS_MAX 1024
#define MONTH_SIZE 8 /* "2026-11" and NUL */
/* The row that remembers that the admins were told; no call. */
#define TOLD_KIND "told"

struct counter {
    struct list node;
    char *app;
    char *kind;
    int64_t stored;   /* as the store had it, or has been told */
    int64_t unstored; /* since then */
};

struct meter {
    struct call_meter face; /* first */
    struct loop *loop;
    struct store *store;
    struct meter_settings settings;
    struct list counters;
    size_t n_counters;
    char month[MONTH_SIZE];
    char loading_month[MONTH_SIZE]; /* "" when nothing is being read */
    int64_t total;
    bool is_loaded;
    bool is_told;
    bool is_overflow_told;
    struct timer *timer;
};

static void load(struct meter *meter);
static void on_timer(void *arg);

static struct meter *meter_of(struct call_meter *face)
{
    return (struct meter *)(void *)face;
}

static bool is_call(const char *kind)
{
    return strcmp(kind, TOLD_KIND) != 0;
}

static struct counter *counter_of(struct meter *meter, const char *app, const char *kind)
{
    LIST_FOREACH(node, next, &meter->counters)
    {
        struct counter *counter = LIST_ENTRY(node, struct counter, node);
        if (strcmp(counter->app, app) == 0 && strcmp(counter->kind, kind) == 0)
            return counter;
    }
    if (meter->n_counters == COUNTERS_MAX) {
        if (!meter->is_overflow_told)
            log_event(LOG_WARN, "meter", "too_many_counters", LOG_S("app", app));
        meter->is_overflow_told = true;
        return NULL;
    }
    struct counter *counter = xcalloc(1, sizeof(*counter));
    counter->app = xstrdup(app);
    counter->kind = xstrdup(kind);
    list_push_back(&meter->counters, &counter->node);
    meter->n_counters++;
    return counter;
}

static void drop_counters(struct meter *meter)
{
    for (struct list *node; (node = list_pop_front(&meter->counters));) {
        struct counter *counter = LIST_ENTRY(node, struct counter, node);
        free(counter->app);
        free(counter->kind);
        free(counter);
    }
    meter->n_counters = 0;
    meter->total = 0;
}

static void wake_later(struct meter *meter, int64_t delay_ms)
{
    if (!meter->timer)
        meter->timer = timer_start(meter->loop, delay_ms, "meter", on_timer, meter);
}

/* ---- the store ---- */

/* Calls that are on their way to the store. */
struct writing {
    struct meter *meter;
    char month[MONTH_SIZE];
    char *app;
    char *kind;
    int64_t calls;
};

/* What could not be written is written with what comes next, unless its month is over. */
static void on_counted(enum status status, void *arg)
{
    struct writing *writing = arg;
    struct meter *meter = writing->meter;
    if (status != ST_OK) {
        log_event(LOG_WARN, "meter", "not_stored", LOG_S("reason", status_name(status)));
        struct counter *counter = strcmp(writing->month, meter->month) == 0
                                      ? counter_of(meter, writing->app, writing->kind)
                                      : NULL;
        if (counter) {
            counter->stored -= writing->calls;
            counter->unstored += writing->calls;
            wake_later(meter, RELOAD_MS);
        }
    }
    free(writing->app);
    free(writing->kind);
    free(writing);
}

static void write_calls(struct meter *meter, struct counter *counter)
{
    const struct store_calls calls = {counter->app, counter->kind, counter->unstored};
    counter->stored += calls.calls;
    counter->unstored = 0;
    struct writing *writing = xcalloc(1, sizeof(*writing));
    writing->meter = meter;
    memcpy(writing->month, meter->month, MONTH_SIZE);
    writing->app = xstrdup(counter->app);
    writing->kind = xstrdup(counter->kind);
    writing->calls = calls.calls;
    store_count_calls(meter->store, meter->month, &calls, on_counted, writing);
}

void meter_flush(struct meter *meter)
{
    LIST_FOREACH(node, next, &meter->counters)
    {
        struct counter *counter = LIST_ENTRY(node, struct counter, node);
        if (counter->unstored > 0)
            write_calls(meter, counter);
    }
}

static void on_loaded(const struct store_calls_result *result, void *arg)
{
    struct meter *meter = arg;
    bool is_this_month = strcmp(meter->loading_month, meter->month) == 0;
    meter->loading_month[0] = '\0';
    if (result->status != ST_OK || !is_this_month) {
        wake_later(meter, is_this_month ? RELOAD_MS : 0);
        return;
    }
    for (size_t i = 0; i < result->n_items; i++) {
        const struct store_calls *item = &result->items[i];
        struct counter *counter = counter_of(meter, item->app, item->kind);
        if (!counter)
            continue;
        counter->stored += item->calls;
        if (is_call(item->kind))
            meter->total += item->calls;
        else
            meter->is_told = true;
    }
    meter->is_loaded = true;
    wake_later(meter, FLUSH_MS);
}

/* What was counted before stays in memory until the store's part is known, so that nothing is read
 * back that was just written. */
static void load(struct meter *meter)
{
    if (meter->loading_month[0])
        return;
    memcpy(meter->loading_month, meter->month, MONTH_SIZE);
    store_read_calls(meter->store, meter->month, on_loaded, meter);
}

static void on_timer(void *arg)
{
    struct meter *meter = arg;
    meter->timer = NULL;
    if (meter->is_loaded)
        meter_flush(meter);
    else
        load(meter);
}

/* ---- counting ---- */

/* A new month begins with what the store has of it, which is nothing unless the clock was set. */
static void turn_month(struct meter *meter)
{
    char day[CLOCK_DAY_SIZE];
    clock_local_day(clock_wall_ms(), day);
    if (strncmp(day, meter->month, MONTH_SIZE - 1) == 0)
        return;
    meter_flush(meter);
    drop_counters(meter);
    memcpy(meter->month, day, MONTH_SIZE - 1);
    meter->month[MONTH_SIZE - 1] = '\0';
    meter->is_loaded = meter->is_told = false;
    load(meter);
}

static enum call_level level_of(const struct meter *meter)
{
    int64_t budget = meter->settings.monthly_budget;
    if (budget == 0 || !meter->is_loaded)
        return CALLS_FREE;
    if (meter->total >= budget)
        return CALLS_EXHAUSTED;
    return meter->total * 100 >= budget * METER_SPARING_PERCENT ? CALLS_SPARING : CALLS_FREE;
}

static void tell(struct meter *meter, const char *app)
{
    struct counter *told = counter_of(meter, "", TOLD_KIND);
    meter->is_told = true;
    if (told)
        told->unstored++;
    log_event(LOG_WARN, "meter", "budget_nearly_used", LOG_S("month", meter->month),
              LOG_I("calls", meter->total), LOG_I("budget", meter->settings.monthly_budget));
    if (meter->settings.on_sparing)
        meter->settings.on_sparing(app, meter->month, meter->total, meter->settings.arg);
}

static void count(struct call_meter *face, const char *app, const char *kind)
{
    struct meter *meter = meter_of(face);
    turn_month(meter);
    struct counter *counter = counter_of(meter, app, kind);
    if (!counter)
        return;
    counter->unstored++;
    meter->total++;
    wake_later(meter, FLUSH_MS);
    if (!meter->is_told && level_of(meter) != CALLS_FREE)
        tell(meter, app);
}

static enum call_level level(struct call_meter *face)
{
    struct meter *meter = meter_of(face);
    turn_month(meter);
    return level_of(meter);
}

/* ---- life and reading ---- */

struct meter *meter_new(struct loop *loop, struct store *store,
                        const struct meter_settings *settings)
{
    struct meter *meter = xcalloc(1, sizeof(*meter));
    meter->face = (struct call_meter){.count = count, .level = level};
    meter->loop = loop;
    meter->store = store;
    meter->settings = *settings;
    list_init(&meter->counters);
    turn_month(meter);
    return meter;
}

void meter_free(struct meter *meter)
{
    if (!meter)
        return;
    timer_cancel(&meter->timer);
    drop_counters(meter);
    free(meter);
}

struct call_meter *meter_face(struct meter *meter)
{
    return &meter->face;
}

void meter_each(struct meter *meter, void (*fn)(const struct store_calls *calls, void *arg),
                void *arg)
{
    turn_month(meter);
    LIST_FOREACH(node, next, &meter->counters)
    {
        const struct counter *counter = LIST_ENTRY(node, struct counter, node);
        struct store_calls calls = {counter->app, counter->kind,
                                    counter->stored + counter->unstored};
        if (is_call(counter->kind))
            fn(&calls, arg);
    }
}

int64_t meter_total(struct meter *meter)
{
    turn_month(meter);
    return meter->total;
}

int64_t meter_budget(const struct meter *meter)
{
    return meter->settings.monthly_budget;
}
