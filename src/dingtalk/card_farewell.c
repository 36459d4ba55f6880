/*
 *     CALL_CLOSE ─→ CALL_END_FLOW (where the template has one) ─→ gone
 */
#include "dingtalk/card_farewell.h"

#include <stdlib.h>

#include "dingtalk/card_call.h"
#include "util/log.h"
#include "util/mem.h"

#define FAILURES_MAX 5

struct farewell {
    struct list node;
    struct card_farewells *all;
    int app;
    char *track_id;
    char *shown;
    size_t shown_bytes;
    enum card_call kind; /* the one under way, or next */
    int n_failures;
    uint64_t call;
    struct timer *timer;
};

static void step(struct farewell *farewell);

static void farewell_free(struct farewell *farewell)
{
    api_cancel(farewell->all->api, farewell->call);
    timer_cancel(&farewell->timer);
    list_remove(&farewell->node);
    free(farewell->track_id);
    free(farewell->shown);
    free(farewell);
}

void card_farewells_init(struct card_farewells *farewells)
{
    list_init(&farewells->open);
}

void card_farewells_done(struct card_farewells *farewells)
{
    LIST_FOREACH(node, next, &farewells->open)
    farewell_free(LIST_ENTRY(node, struct farewell, node));
}

static void on_time(void *arg)
{
    struct farewell *farewell = arg;
    farewell->timer = NULL;
    step(farewell);
}

static void wait_for(struct farewell *farewell, int64_t delay_ms)
{
    farewell->timer =
        timer_start(farewell->all->loop, delay_ms, "card farewell", on_time, farewell);
}

static void on_answer(uint64_t id, const struct api_answer *answer, void *arg)
{
    struct farewell *farewell = arg;
    struct card_farewells *all = farewell->all;
    (void)id;
    farewell->call = 0;
    if (answer->result == API_THROTTLED)
        card_pace_rest(all->pace, loop_now_ms(all->loop) + all->throttle_rest_ms);
    if (card_call_is_worth_repeating(answer->result) && ++farewell->n_failures <= FAILURES_MAX) {
        wait_for(farewell, all->retry_ms * farewell->n_failures);
        return;
    }
    if (answer->result != API_OK)
        log_event(LOG_WARN, "card", "not_finalised", LOG_S("card", farewell->track_id),
                  LOG_S("call", card_call_name(farewell->kind)), LOG_I("code", answer->error.code),
                  LOG_S("detail", answer->error.text));
    bool is_useless = answer->result == API_QUOTA || answer->result == API_UNAUTHORIZED;
    if (farewell->kind == CALL_CLOSE && all->card->has_flow_status && !is_useless) {
        farewell->kind = CALL_END_FLOW;
        farewell->n_failures = 0;
        step(farewell);
    } else {
        farewell_free(farewell);
    }
}

static void step(struct farewell *farewell)
{
    struct card_farewells *all = farewell->all;
    int64_t delay_ms = card_pace_take(all->pace, loop_now_ms(all->loop));
    if (delay_ms > 0) {
        wait_for(farewell, delay_ms);
        return;
    }
    struct str shown = {farewell->shown, farewell->shown_bytes};
    farewell->call = card_call_send(all->api, farewell->app, all->card, farewell->track_id,
                                    farewell->kind, shown, on_answer, farewell);
    if (!farewell->call)
        farewell_free(farewell);
}

void card_farewells_say(struct card_farewells *farewells, int app, const char *track_id,
                        struct str shown)
{
    struct farewell *farewell = xcalloc(1, sizeof(*farewell));
    farewell->all = farewells;
    farewell->app = app;
    farewell->track_id = xstrdup(track_id);
    farewell->shown = xstrndup(shown.p ? shown.p : "", shown.n);
    farewell->shown_bytes = shown.n;
    farewell->kind = CALL_CLOSE;
    list_push_back(&farewells->open, &farewell->node);
    step(farewell);
}
