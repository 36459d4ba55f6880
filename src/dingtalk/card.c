/*
 * One answer:
 *
 *     IDLE ─begin→ CREATING ─created→ OPEN ─reply→ CLOSING ─finalised─→ DONE
 *      │               │               │              │         └ cut → CONTINUING → DONE
 *      │               └── refused ────┴── broken ────┴→ PLAIN ─reply→ CONTINUING → DONE
 *      └─reply (nothing had begun)─────────────────────────────────────→ CONTINUING → DONE
 *
 * In CONTINUING the inner sink speaks: what is behind the cut, or all of it.
 *
 * One call of a card is under way at a time; what grew meanwhile is the next one's text. The text
 * shown never shrinks: what is too long stays as it is shown, and goes on behind that.
 *
 * Progress is told to the owner as (bytes of the text in the card << PART_BITS) + parts of the
 * inner sink, so that after a restart the rest begins where the card ended.
 */
#include "dingtalk/card.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dingtalk/card_call.h"
#include "dingtalk/card_farewell.h"
#include "dingtalk/card_pace.h"
#include "dingtalk/split.h"
#include "util/buf.h"
#include "util/json.h"
#include "util/log.h"
#include "util/map.h"
#include "util/mem.h"

#define BODY_BYTES_MAX ((size_t)256 * 1024)
#define PART_BITS 12
#define PARTS_MAX ((1 << PART_BITS) - 1)
#define TEXT_BYTES_MAX ((size_t)64 * 1024 * 1024) /* the owner keeps a narrower limit */
/* Failures in a row that are borne. */
#define CREATE_FAILURES_MAX 2
#define UPDATE_FAILURES_MAX 5
#define CLOSE_FAILURES_MAX 5
#define FENCE_BYTES_MAX 256

enum card_state {
    CARD_IDLE,
    CARD_CREATING,
    CARD_OPEN,
    CARD_CLOSING,
    CARD_PLAIN,
    CARD_CONTINUING,
    CARD_DONE,
};

struct cards {
    struct platform platform; /* first */
    struct platform *inner;
    struct loop *loop;
    struct api *api;
    struct card_settings settings;
    char *template_id;
    char *content_key;
    struct map *open; /* track id → struct card, while a card is there */
    struct card_pace pace;
    struct card_farewells farewells; /* to cards that are given up */
};

struct card {
    struct sink sink; /* first */
    struct cards *cards;
    struct sink *inner;
    enum card_state state;
    int app;
    char track_id[CARD_TRACK_ID_SIZE];
    struct buf create_body;
    char *robot;
    char *conversation;
    char *sender;

    struct buf text;    /* the newest whole text */
    size_t shown_bytes; /* of the text, as DingTalk has taken it */
    size_t sent_bytes;  /* of the text, in the newest call */
    size_t cut_bytes;   /* where the card ends for good; 0: the text fits so far */
    bool has_begun_flow;
    bool may_exist;      /* a creation was sent that was not heard of again */
    bool is_final_shown; /* the finalising call was taken */
    bool is_continued;   /* the inner sink has begun */

    uint64_t call; /* 0: none is under way */
    enum card_call call_kind;
    int64_t next_update_ms;
    int n_failures;      /* in a row */
    struct timer *timer; /* a call may not be made yet, or the end is on its way */

    bool has_reply;
    bool is_failure;
    enum reply_kind reply_kind;
    int inner_parts_done;
    struct sink_outcome outcome;
};

static void step(struct card *card);

static struct cards *cards_of(struct platform *platform)
{
    return (struct cards *)(void *)platform;
}

static struct card *card_of(struct sink *sink)
{
    return (struct card *)(void *)sink;
}

static void set_state(struct card *card, enum card_state state)
{
    static const char *const names[] = {"idle",  "creating",   "open", "closing",
                                        "plain", "continuing", "done"};
    if (log_is_on(LOG_DEBUG))
        log_event(LOG_DEBUG, "card", "state", LOG_S("card", card->track_id),
                  LOG_S("from", names[card->state]), LOG_S("to", names[state]));
    card->state = state;
    card->n_failures = 0;
    timer_cancel(&card->timer);
}

/* ---- the end ---- */

static void on_end(void *arg)
{
    struct card *card = arg;
    card->timer = NULL;
    card->sink.handlers->on_done(&card->sink, &card->outcome, card->sink.arg);
}

static int encode_parts(const struct card *card, int inner_parts)
{
    return (int)(card->cut_bytes << PART_BITS) +
           (inner_parts < PARTS_MAX ? inner_parts : PARTS_MAX);
}

static void on_inner_part(struct sink *inner, int parts_sent, void *arg)
{
    struct card *card = arg;
    (void)inner;
    card->sink.handlers->on_part(&card->sink, encode_parts(card, parts_sent), card->sink.arg);
}

static void on_inner_done(struct sink *inner, const struct sink_outcome *outcome, void *arg)
{
    struct card *card = arg;
    int of_card = card->cut_bytes > 0;
    (void)inner;
    card->outcome = *outcome;
    card->outcome.parts_sent += of_card;
    card->outcome.parts_total += of_card;
    card->state = CARD_DONE;
    card->sink.handlers->on_done(&card->sink, &card->outcome, card->sink.arg);
}

static const struct sink_handlers inner_handlers = {.on_part = on_inner_part,
                                                    .on_done = on_inner_done};

/* The text from `from` on goes out through the inner sink; a fence open there is opened again. */
static void say_inside(struct card *card, size_t from)
{
    struct str text = buf_str(&card->text);
    struct buf rest = BUF_INIT(text.n + FENCE_BYTES_MAX);
    struct buf close = BUF_INIT(FENCE_BYTES_MAX);
    split_open_fence(str_sub(text, 0, from), &close, &rest);
    buf_done(&close);
    buf_add_str(&rest, str_sub(text, from, text.n));
    const struct reply reply = {
        .kind = card->reply_kind, .markdown = buf_str(&rest), .parts_done = card->inner_parts_done};
    set_state(card, CARD_CONTINUING);
    card->is_continued = true;
    if (card->is_failure)
        card->inner->ops->fail(card->inner, &reply);
    else
        card->inner->ops->finish(card->inner, &reply);
    buf_done(&rest);
}

/* ---- what a card shows ---- */

/* Where a text that is too long is cut: behind what is shown already, at a line's end if there is
 * one. */
static size_t find_cut(const struct card *card)
{
    struct str text = buf_str(&card->text);
    size_t end = utf8_cut(text, card->cards->settings.max_bytes);
    size_t least = card->sent_bytes > card->shown_bytes ? card->sent_bytes : card->shown_bytes;
    for (size_t at = end; at > least && at > end / 2; at--) {
        if (text.p[at - 1] == '\n')
            return at;
    }
    return end > least ? end : least;
}

/* Line ends at the very end are nothing that has to be said. */
static bool is_blank_from(const struct card *card, size_t from)
{
    return str_trim(str_sub(buf_str(&card->text), from, card->text.len)).n == 0;
}

/* How much of the text belongs into the card by now. */
static size_t wanted_bytes(struct card *card)
{
    size_t max_bytes = card->cards->settings.max_bytes;
    if (card->cut_bytes > 0)
        return card->cut_bytes;
    if (card->text.len <= max_bytes)
        return card->text.len;
    if (is_blank_from(card, max_bytes)) /* may stay so, or not */
        return utf8_cut(buf_str(&card->text), max_bytes);
    return card->cut_bytes = find_cut(card);
}

/* ---- calls ---- */

/* The card cannot be used, or not any more: messages say it all, as soon as there is something to
 * say. A card that is there shows what it has, and that nothing follows. */
static void go_plain(struct card *card, const char *why, const struct error *error)
{
    log_event(LOG_WARN, "card", why, LOG_S("card", card->track_id), LOG_I("code", error->code),
              LOG_S("detail", error->text), LOG_I("shown_bytes", card->shown_bytes));
    if (card->state != CARD_CREATING || card->may_exist)
        card_farewells_say(&card->cards->farewells, card->app, card->track_id,
                           str_sub(buf_str(&card->text), 0, card->shown_bytes));
    (void)map_take(card->cards->open, str_of(card->track_id));
    card->cut_bytes = 0;
    set_state(card, CARD_PLAIN);
    if (card->has_reply)
        say_inside(card, 0);
}

/* The card holds its part for good: noted first, when there is more to say. */
static void on_closed(struct card *card)
{
    (void)map_take(card->cards->open, str_of(card->track_id));
    if (card->cut_bytes > 0 && !is_blank_from(card, card->cut_bytes)) {
        set_state(card, CARD_CONTINUING);
        card->sink.handlers->on_part(&card->sink, encode_parts(card, 0), card->sink.arg);
        return;
    }
    set_state(card, CARD_DONE);
    card->outcome = (struct sink_outcome){.status = ST_OK, .parts_sent = 1, .parts_total = 1};
    card->timer = timer_start(card->cards->loop, 0, "card end", on_end, card);
}

static void on_time(void *arg)
{
    struct card *card = arg;
    card->timer = NULL;
    step(card);
}

static void wait_for(struct card *card, int64_t delay_ms)
{
    timer_cancel(&card->timer);
    card->timer = timer_start(card->cards->loop, delay_ms, "card wait", on_time, card);
}

/* True when the call will be made again. */
static bool repeat(struct card *card, const struct api_answer *answer, int max_failures)
{
    struct cards *cards = card->cards;
    bool is_throttled = answer->result == API_THROTTLED;
    if (!card_call_is_worth_repeating(answer->result) || ++card->n_failures > max_failures)
        return false;
    log_event(LOG_INFO, "card", "call_again", LOG_S("card", card->track_id),
              LOG_S("call", card_call_name(card->call_kind)),
              LOG_S("reason", api_result_name(answer->result)), LOG_I("failure", card->n_failures));
    wait_for(card, is_throttled ? 0 : cards->settings.retry_ms * card->n_failures);
    return true;
}

static bool is_delivered(const json_t *value)
{
    const json_t *results = json_object_get(json_object_get(value, "result"), "deliverResults");
    size_t i;
    const json_t *result;
    json_array_foreach(results, i, result)
    {
        if (!json_bool(result, "success", true))
            return false;
    }
    return json_bool(value, "success", true);
}

static void on_created(struct card *card, const struct api_answer *answer)
{
    /* It was made before a restart, or by a call that we did not hear of. */
    bool is_there = str_eq(answer->code, STR_LIT("param.cardAlreadyExist"));
    struct error error = answer->error;
    card->may_exist = card->may_exist || answer->result == API_UNCERTAIN;
    if (answer->result == API_OK && !is_delivered(answer->value)) {
        (void)error_set(&error, ST_UPSTREAM, 0, "created, and not delivered");
    } else if (answer->result == API_OK || is_there) {
        set_state(card, CARD_OPEN);
        step(card);
        return;
    } else if (repeat(card, answer, CREATE_FAILURES_MAX)) {
        return;
    }
    go_plain(card, "not_created", &error);
}

static void on_updated(struct card *card, const struct api_answer *answer)
{
    struct cards *cards = card->cards;
    if (answer->result == API_OK) {
        bool is_sparing = api_level(cards->api) == CALLS_SPARING;
        card->shown_bytes = card->sent_bytes;
        card->n_failures = 0;
        card->next_update_ms =
            loop_now_ms(cards->loop) +
            (is_sparing ? cards->settings.sparing_interval_ms : cards->settings.update_interval_ms);
        step(card);
    } else if (!repeat(card, answer, UPDATE_FAILURES_MAX)) {
        go_plain(card, "not_updated", &answer->error);
    }
}

static void on_close_answer(struct card *card, const struct api_answer *answer)
{
    if (answer->result == API_OK) {
        card->shown_bytes = card->sent_bytes;
        card->n_failures = 0;
        card->is_final_shown = true;
        step(card);
    } else if (repeat(card, answer, CLOSE_FAILURES_MAX)) {
        return;
    } else if (card->shown_bytes == wanted_bytes(card)) {
        /* Everything is to be read there, if perhaps under a sign that more is to come. */
        log_event(LOG_WARN, "card", "not_finalised", LOG_S("card", card->track_id),
                  LOG_I("code", answer->error.code), LOG_S("detail", answer->error.text));
        on_closed(card);
    } else {
        go_plain(card, "not_finished", &answer->error);
    }
}

/* The flow changes the look and not what is said: its failures are borne. */
static void on_flow(struct card *card, const struct api_answer *answer)
{
    if (card->call_kind == CALL_BEGIN_FLOW) {
        card->has_begun_flow = true;
        step(card);
    } else if (answer->result == API_OK || !repeat(card, answer, CLOSE_FAILURES_MAX)) {
        on_closed(card);
    }
}

static void on_answer(uint64_t id, const struct api_answer *answer, void *arg)
{
    struct card *card = arg;
    (void)id;
    card->call = 0;
    if (answer->result == API_THROTTLED)
        card_pace_rest(&card->cards->pace,
                       loop_now_ms(card->cards->loop) + card->cards->settings.throttle_rest_ms);
    switch (card->call_kind) {
    case CALL_CREATE:
        on_created(card, answer);
        return;
    case CALL_UPDATE:
        on_updated(card, answer);
        return;
    case CALL_CLOSE:
        on_close_answer(card, answer);
        return;
    case CALL_BEGIN_FLOW:
    case CALL_END_FLOW:
        on_flow(card, answer);
        return;
    case CALL_NONE:
        return;
    }
}

/* ---- the step ---- */

static enum card_call next_call(struct card *card)
{
    bool has_flow = card->cards->settings.card.has_flow_status;
    switch (card->state) {
    case CARD_CREATING:
        return CALL_CREATE;
    case CARD_OPEN:
        if (api_level(card->cards->api) == CALLS_EXHAUSTED)
            return CALL_NONE; /* the end is still shown */
        if (has_flow && !card->has_begun_flow)
            return CALL_BEGIN_FLOW;
        return wanted_bytes(card) > card->shown_bytes ? CALL_UPDATE : CALL_NONE;
    case CARD_CLOSING:
        return card->is_final_shown ? CALL_END_FLOW : CALL_CLOSE;
    case CARD_IDLE:
    case CARD_PLAIN:
    case CARD_CONTINUING:
    case CARD_DONE:
        return CALL_NONE;
    }
    return CALL_NONE;
}

static void step(struct card *card)
{
    struct cards *cards = card->cards;
    int64_t now_ms = loop_now_ms(cards->loop);
    if (card->call || card->timer)
        return;
    if (card->state == CARD_OPEN && card->has_reply)
        set_state(card, CARD_CLOSING);
    if (card->state == CARD_CLOSING && card->is_final_shown &&
        !cards->settings.card.has_flow_status) {
        on_closed(card);
        return;
    }
    enum card_call kind = next_call(card);
    if (kind == CALL_NONE)
        return;
    int64_t delay_ms = kind == CALL_UPDATE ? card->next_update_ms - now_ms : 0;
    if (delay_ms <= 0)
        delay_ms = card_pace_take(&cards->pace, now_ms);
    if (delay_ms > 0) {
        wait_for(card, delay_ms);
        return;
    }
    card->call_kind = kind;
    card->sent_bytes = wanted_bytes(card);
    struct str text = kind == CALL_CREATE ? buf_str(&card->create_body)
                                          : str_sub(buf_str(&card->text), 0, card->sent_bytes);
    card->call = card_call_send(cards->api, card->app, &cards->settings.card, card->track_id, kind,
                                text, on_answer, card);
    if (!card->call) {
        struct error error;
        (void)error_set(&error, ST_INTERNAL, 0, "the card's request could not be written");
        go_plain(card, "not_written", &error);
    }
}

/* ---- the sink ---- */

static void sink_begin(struct sink *base)
{
    struct card *card = card_of(base);
    if (card->state != CARD_IDLE)
        return;
    (void)map_put(card->cards->open, str_of(card->track_id), card);
    set_state(card, CARD_CREATING);
    step(card);
}

static void sink_grow(struct sink *base, struct str text)
{
    struct card *card = card_of(base);
    if (card->state != CARD_CREATING && card->state != CARD_OPEN)
        return;
    if (text.n < card->text.len) {
        buf_clear(&card->text);
        card->shown_bytes = card->sent_bytes = card->cut_bytes = 0;
    }
    buf_add_str(&card->text, str_sub(text, card->text.len, text.n));
    step(card);
}

static void take_reply(struct card *card, const struct reply *reply, bool is_failure)
{
    assert(!card->has_reply);
    card->has_reply = true;
    card->is_failure = is_failure;
    card->reply_kind = reply->kind;
    buf_clear(&card->text);
    buf_add_str(&card->text, reply->markdown);
    card->inner_parts_done = reply->parts_done & PARTS_MAX;
    size_t done_bytes = (size_t)reply->parts_done >> PART_BITS;
    if (done_bytes > 0) {
        card->cut_bytes = utf8_cut(reply->markdown, done_bytes);
        say_inside(card, card->cut_bytes);
    } else if (reply->parts_done > 0 || card->state == CARD_IDLE || card->state == CARD_PLAIN) {
        say_inside(card, 0);
    } else {
        timer_cancel(&card->timer); /* a wait for the next update is over */
        step(card);
    }
}

static void sink_finish(struct sink *base, const struct reply *reply)
{
    take_reply(card_of(base), reply, false);
}

static void sink_fail(struct sink *base, const struct reply *reply)
{
    take_reply(card_of(base), reply, true);
}

/* Either the card's own part has been noted, or one of the inner sink's. */
static void sink_go_on(struct sink *base)
{
    struct card *card = card_of(base);
    if (card->is_continued)
        card->inner->ops->go_on(card->inner);
    else if (card->state == CARD_CONTINUING)
        say_inside(card, card->cut_bytes);
}

static void sink_free(struct sink *base)
{
    struct card *card = card_of(base);
    api_cancel(card->cards->api, card->call);
    timer_cancel(&card->timer);
    if (map_get(card->cards->open, str_of(card->track_id)) == card)
        (void)map_take(card->cards->open, str_of(card->track_id));
    card->inner->ops->free(card->inner);
    buf_done(&card->create_body);
    buf_done(&card->text);
    free(card->robot);
    free(card->conversation);
    free(card->sender);
    free(card);
}

static const struct sink_ops sink_ops = {
    .begin = sink_begin,
    .grow = sink_grow,
    .finish = sink_finish,
    .fail = sink_fail,
    .go_on = sink_go_on,
    .free = sink_free,
};

/* ---- the platform ---- */

static struct card *card_new(struct cards *cards, const struct message *message, int app)
{
    struct card *card = xcalloc(1, sizeof(*card));
    card->cards = cards;
    card->app = app;
    card->robot = xstrdup(message->robot);
    card->conversation = xstrdup(message->conversation);
    card->sender = xstrdup(message->sender);
    card_track_id(message, card->track_id);
    buf_init(&card->text, TEXT_BYTES_MAX);
    buf_init(&card->create_body, BODY_BYTES_MAX);
    return card;
}

static struct sink *open_sink(struct platform *platform, const struct message *message,
                              const struct sink_handlers *handlers, void *arg)
{
    struct cards *cards = cards_of(platform);
    struct platform *inner = cards->inner;
    int app = api_find_app(cards->api, message);
    if (app == API_NO_APP || !card_is_possible(message))
        return inner->ops->open_sink(inner, message, handlers, arg);
    /* Also without a card of its own a reply may be the rest of one that an earlier run showed. */
    struct card *card = card_new(cards, message, app);
    if (api_level(cards->api) == CALLS_EXHAUSTED ||
        card_create_body(&cards->settings.card, message, card->track_id, &card->create_body) !=
            ST_OK)
        card->state = CARD_PLAIN;
    card->sink = (struct sink){&sink_ops, handlers, arg};
    card->inner = inner->ops->open_sink(inner, message, &inner_handlers, card);
    return &card->sink;
}

static bool publish_picture(struct platform *platform, const struct message *message,
                            struct str bytes, const char *content_type, picture_published_fn fn,
                            void *arg)
{
    struct platform *inner = cards_of(platform)->inner;
    return inner->ops->publish_picture &&
           inner->ops->publish_picture(inner, message, bytes, content_type, fn, arg);
}

static bool notify(struct platform *platform, const char *app, const char *staff_id,
                   struct str markdown)
{
    struct platform *inner = cards_of(platform)->inner;
    return inner->ops->notify && inner->ops->notify(inner, app, staff_id, markdown);
}

static void platform_free(struct platform *platform)
{
    struct cards *cards = cards_of(platform);
    card_farewells_done(&cards->farewells);
    cards->inner->ops->free(cards->inner);
    map_free(cards->open);
    free(cards->template_id);
    free(cards->content_key);
    free(cards);
}

struct platform *card_platform_new(struct loop *loop, struct api *api, struct platform *inner,
                                   const struct card_settings *settings)
{
    static const struct platform_ops ops = {
        .name = "dingtalk",
        .open_sink = open_sink,
        .publish_picture = publish_picture,
        .notify = notify,
        .free = platform_free,
    };
    struct cards *cards = xcalloc(1, sizeof(*cards));
    cards->platform.ops = &ops;
    cards->inner = inner;
    cards->loop = loop;
    cards->api = api;
    cards->settings = *settings;
    cards->template_id = xstrdup(settings->card.id);
    cards->content_key = xstrdup(settings->card.content_key);
    cards->settings.card.id = cards->template_id;
    cards->settings.card.content_key = cards->content_key;
    cards->open = map_new();
    card_pace_init(&cards->pace, settings->calls_per_s, loop_now_ms(loop));
    cards->farewells = (struct card_farewells){.loop = loop,
                                               .api = api,
                                               .card = &cards->settings.card,
                                               .pace = &cards->pace,
                                               .throttle_rest_ms = settings->throttle_rest_ms,
                                               .retry_ms = settings->retry_ms};
    card_farewells_init(&cards->farewells);
    return &cards->platform;
}

void card_platform_on_action(struct platform *platform, struct receiver *receiver,
                             const struct card_action *action)
{
    struct card *card = map_get(cards_of(platform)->open, str_of(action->track_id));
    bool is_asker = card && strcmp(card->sender, action->user) == 0;
    log_event(LOG_INFO, "card", "action", LOG_S("card", action->track_id),
              LOG_S("user", action->user), LOG_S("is_stop", action->is_stop ? "yes" : "no"),
              LOG_S("meaning", !card       ? "no such answer runs"
                               : !is_asker ? "not the asker"
                                           : "the asker"));
    if (is_asker && action->is_stop)
        (void)receiver->stop(receiver, card->robot, card->conversation, card->sender);
}
