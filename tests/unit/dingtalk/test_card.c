#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"
#include "dingtalk/card.h"
#include "util/mem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT_SIZE 4096
#define STEPS 6

/* ---- DingTalk ---- */

static const struct {
    const char *name;
    struct api_said said;
} failures[] = {
    {"throttled", {403, "{\"code\":\"Forbidden.AccessDenied.QpsLimitForAppkeyAndApi\"}"}},
    {"busy", {500, "{\"code\":\"system.busy\"}"}},
    {"cut", {CUT, ""}},
    {"html", {200, "<html>"}},
    {"quota", {403, "{\"code\":\"Forbidden.AccessDenied.ApiCountLimitForOrg\"}"}},
    {"unauthorized", {403, "{\"code\":\"Forbidden.AccessDenied.X\"}"}},
    {"refused", {400, "{\"code\":\"param.stream.content\"}"}},
    {"no success", {200, "{\"success\":false}"}},
};

/* The card as people see it; changed by the server's threads under the fixture's lock. */
static struct {
    size_t fail_at;  /* this card call, from 0 */
    size_t n_failed; /* so many in a row; the rest of the script */
    struct api_said failure;
    size_t n_calls;
    bool is_there, is_final, is_flow_over, has_shrunk, was_changed_after_its_end;
    char text[TEXT_SIZE];
} ding;

static void show(const json_t *body)
{
    const char *text = json_string_value(json_object_get(body, "content"));
    if (!text)
        abort();
    if (ding.is_final)
        ding.was_changed_after_its_end = true;
    if (strncmp(text, ding.text, strlen(ding.text)) != 0)
        ding.has_shrunk = true;
    (void)snprintf(ding.text, sizeof(ding.text), "%s", text);
    ding.is_final = json_is_true(json_object_get(body, "isFinalize"));
}

static struct api_said be_dingtalk(size_t n, const struct api_heard *heard)
{
    (void)n;
    if (strcmp(heard->line, API_TOKEN_PATH) == 0)
        return api_say_token();
    size_t i = ding.n_calls++;
    if (i >= ding.fail_at && i < ding.fail_at + ding.n_failed)
        return ding.failure;
    if (strstr(heard->line, "createAndDeliver")) {
        if (ding.is_there)
            return (struct api_said){400, "{\"code\":\"param.cardAlreadyExist\"}"};
        ding.is_there = true;
    } else if (strstr(heard->line, "streaming")) {
        show(heard->body);
    } else {
        const json_t *values =
            json_object_get(json_object_get(heard->body, "cardData"), "cardParamMap");
        const char *flow = json_string_value(json_object_get(values, "flowStatus"));
        ding.is_flow_over = flow && strcmp(flow, "3") == 0;
    }
    return (struct api_said){200, "{\"success\":true,\"result\":true}"};
}

/* ---- the inner platform ---- */

struct inner {
    struct platform platform; /* first */
    struct loop *loop;
    int n_parts; /* of every reply */
    int n_open;
    int n_replies;
    int parts_skipped;
    enum reply_kind kind;
    bool is_failure;
    char text[TEXT_SIZE];
};

struct inner_sink {
    struct sink sink; /* first */
    struct inner *inner;
    int part;
    bool is_paused;
    struct timer *timer;
};

static void inner_move(void *arg)
{
    struct inner_sink *sink = arg;
    sink->timer = NULL;
    if (++sink->part < sink->inner->n_parts) {
        sink->is_paused = true;
        sink->sink.handlers->on_part(&sink->sink, sink->part, sink->sink.arg);
        return;
    }
    const struct sink_outcome outcome = {.parts_sent = sink->part,
                                         .parts_total = sink->inner->n_parts};
    sink->sink.handlers->on_done(&sink->sink, &outcome, sink->sink.arg);
}

static void inner_say(struct sink *base, const struct reply *reply, bool is_failure)
{
    struct inner_sink *sink = (struct inner_sink *)(void *)base;
    struct inner *inner = sink->inner;
    inner->n_replies++;
    inner->kind = reply->kind;
    inner->is_failure = is_failure;
    inner->parts_skipped = reply->parts_done;
    (void)snprintf(inner->text, sizeof(inner->text), "%.*s", (int)reply->markdown.n,
                   reply->markdown.p);
    sink->part = reply->parts_done;
    sink->timer = timer_start(inner->loop, 0, "inner", inner_move, sink);
}

static void inner_finish(struct sink *base, const struct reply *reply)
{
    inner_say(base, reply, false);
}

static void inner_fail(struct sink *base, const struct reply *reply)
{
    inner_say(base, reply, true);
}

static void inner_go_on(struct sink *base)
{
    struct inner_sink *sink = (struct inner_sink *)(void *)base;
    assert_true(sink->is_paused);
    sink->is_paused = false;
    sink->timer = timer_start(sink->inner->loop, 0, "inner", inner_move, sink);
}

static void inner_free(struct sink *base)
{
    struct inner_sink *sink = (struct inner_sink *)(void *)base;
    timer_cancel(&sink->timer);
    sink->inner->n_open--;
    free(sink);
}

static struct sink *inner_open(struct platform *platform, const struct message *message,
                               const struct sink_handlers *handlers, void *arg)
{
    static const struct sink_ops ops = {
        .finish = inner_finish, .fail = inner_fail, .go_on = inner_go_on, .free = inner_free};
    struct inner_sink *sink = xcalloc(1, sizeof(*sink));
    (void)message;
    sink->sink = (struct sink){&ops, handlers, arg};
    sink->inner = (struct inner *)(void *)platform;
    sink->inner->n_open++;
    return &sink->sink;
}

static void inner_platform_free(struct platform *platform)
{
    assert_int_equal(((struct inner *)(void *)platform)->n_open, 0);
}

/* ---- one answer ---- */

struct meter {
    struct call_meter face; /* first */
    enum call_level level;
};

static void meter_count(struct call_meter *face, const char *app, const char *kind)
{
    (void)face;
    (void)app;
    assert_true(strncmp(kind, "card_", 5) == 0);
}

static enum call_level meter_level(struct call_meter *face)
{
    return ((struct meter *)(void *)face)->level;
}

struct trip {
    struct api_fixture f;
    struct meter meter;
    struct inner inner;
    struct platform *platform;
    struct sink *sink;
    int n_done;
    struct sink_outcome outcome;
    int parts[16];
    int n_parts;
    bool is_held; /* on_part does not go on by itself */
};

static void on_part(struct sink *sink, int parts_sent, void *arg)
{
    struct trip *trip = arg;
    assert_true(trip->n_parts < (int)COUNT(trip->parts));
    trip->parts[trip->n_parts++] = parts_sent;
    if (!trip->is_held)
        sink->ops->go_on(sink);
}

static void on_done(struct sink *sink, const struct sink_outcome *outcome, void *arg)
{
    struct trip *trip = arg;
    (void)sink;
    trip->n_done++;
    trip->outcome = *outcome;
}

static const struct sink_handlers handlers = {.on_part = on_part, .on_done = on_done};

static const struct message message = {
    .platform = "dingtalk",
    .robot = "ding1",
    .app = "ding1",
    .msg_id = "msg1",
    .conversation = "cid1",
    .is_group = true,
    .sender = "0258369",
    .sender_staff_id = "0258369",
    .sender_nick = "Li Lei",
    .kind = "text",
    .reply_to = "",
};

static void trip_begin(struct trip *trip, bool has_flow, size_t max_bytes)
{
    static const struct platform_ops ops = {.open_sink = inner_open, .free = inner_platform_free};
    *trip = (struct trip){0};
    memset(&ding, 0, sizeof(ding));
    ding.fail_at = SIZE_MAX / 2;
    trip->meter.face = (struct call_meter){.count = meter_count, .level = meter_level};
    api_fixture_begin(&trip->f, be_dingtalk, &trip->meter.face);
    trip->inner.platform.ops = &ops;
    trip->inner.loop = trip->f.loop;
    trip->inner.n_parts = 1;
    struct card_settings settings = CARD_SETTINGS_DEFAULT;
    settings.card = card_template_auto;
    settings.card.has_flow_status = has_flow;
    settings.update_interval_ms = settings.retry_ms = settings.throttle_rest_ms = 1;
    settings.calls_per_s = 1000;
    settings.max_bytes = max_bytes;
    trip->platform = card_platform_new(trip->f.loop, trip->f.api, &trip->inner.platform, &settings);
    trip->sink = trip->platform->ops->open_sink(trip->platform, &message, &handlers, trip);
}

static void trip_end(struct trip *trip)
{
    if (trip->sink)
        trip->sink->ops->free(trip->sink);
    trip->platform->ops->free(trip->platform);
    api_fixture_end(&trip->f);
}

static bool is_done(void *arg)
{
    const struct trip *trip = arg;
    return trip->n_done > 0;
}

static char whole[TEXT_SIZE];

static void make_text(int n_lines)
{
    whole[0] = '\0';
    for (int i = 0; i < n_lines; i++)
        (void)snprintf(whole + strlen(whole), sizeof(whole) - strlen(whole), "第 %d 行的字。\n", i);
    whole[strlen(whole) - 1] = '\0';
}

struct at_least {
    size_t n;
};

static bool has_heard(void *arg)
{
    const struct at_least *least = arg;
    return api_n_heard() >= least->n;
}

/* The answer grows step by step, each as soon as DingTalk has heard something new or a while is
 * over. */
static void grow(struct trip *trip)
{
    for (size_t i = 1; i < STEPS; i++) {
        struct str text = str_of(whole);
        size_t bytes = utf8_cut(text, text.n * i / STEPS);
        struct at_least least = {api_n_heard() + 1};
        trip->sink->ops->grow(trip->sink, str_sub(text, 0, bytes));
        for (int n = 0; n < 5 && !has_heard(&least); n++)
            (void)loop_run_until(trip->f.loop, has_heard, &least, 2);
    }
}

static void finish(struct trip *trip, int parts_done)
{
    const struct reply reply = {.markdown = str_of(whole), .parts_done = parts_done};
    trip->sink->ops->finish(trip->sink, &reply);
    assert_int_equal(trip->n_done, 0);
    api_run_until(&trip->f, is_done, trip);
    api_settle(&trip->f);
    assert_int_equal(trip->n_done, 1);
    assert_int_equal(trip->outcome.status, ST_OK);
}

static bool is_ended(void *arg)
{
    (void)arg;
    (void)api_n_heard(); /* under the lock */
    return ding.is_final && ding.is_flow_over;
}

static void check_end(struct trip *trip, const char *what, size_t n)
{
    bool is_in_card = trip->inner.n_replies == 0 && strcmp(ding.text, whole) == 0;
    bool is_message = trip->inner.n_replies == 1 && strcmp(trip->inner.text, whole) == 0;
    if (is_in_card == is_message)
        fail_msg("%s at call %zu: in the card \"%s\", %d messages \"%s\"", what, n, ding.text,
                 trip->inner.n_replies, trip->inner.text);
    if (ding.has_shrunk || ding.was_changed_after_its_end)
        fail_msg("%s at call %zu: the card %s", what, n,
                 ding.has_shrunk ? "shrank" : "was changed after its end");
}

/* The n-th call fails once, or from then on: the answer arrives, once and whole, and the card does
 * not type for ever. */
static void whatever_dingtalk_says_to_any_call_the_answer_arrives_once(void **state)
{
    make_text(12);
    for (size_t i = 0; i < COUNT(failures); i++) {
        for (size_t n = 0;; n++) {
            struct trip trip;
            trip_begin(&trip, true, 7500);
            ding.fail_at = n;
            ding.n_failed = 1;
            ding.failure = failures[i].said;
            trip.sink->ops->begin(trip.sink);
            grow(&trip);
            finish(&trip, 0);
            check_end(&trip, failures[i].name, n);
            size_t n_calls = ding.n_calls;
            if (ding.is_there && n + 1 < n_calls)
                api_run_until(&trip.f, is_ended, NULL);
            trip_end(&trip);
            if (n >= n_calls)
                break;
        }
    }
}

static void when_dingtalk_says_so_for_ever_the_answer_still_arrives(void **state)
{
    make_text(12);
    for (size_t i = 0; i < COUNT(failures); i++) {
        for (size_t n = 0; n < 6; n++) {
            struct trip trip;
            trip_begin(&trip, n % 2 == 0, 7500);
            ding.fail_at = n;
            ding.n_failed = SIZE_MAX / 4;
            ding.failure = failures[i].said;
            trip.sink->ops->begin(trip.sink);
            grow(&trip);
            finish(&trip, 0);
            check_end(&trip, failures[i].name, n);
            trip_end(&trip);
        }
    }
}

static void a_card_that_was_made_and_not_delivered_is_no_card(void **state)
{
    make_text(12);
    struct trip trip;
    trip_begin(&trip, true, 7500);
    ding.fail_at = 0;
    ding.n_failed = 1;
    ding.failure = (struct api_said){
        200, "{\"success\":true,\"result\":{\"deliverResults\":[{\"success\":false}]}}"};
    trip.sink->ops->begin(trip.sink);
    grow(&trip);
    finish(&trip, 0);
    assert_string_equal(trip.inner.text, whole);
    assert_int_equal(ding.n_calls, 1);
    trip_end(&trip);
}

static void a_sink_is_freed_in_any_state_in_silence(void **state)
{
    make_text(12);
    for (size_t n = 0; n < 10; n++) {
        for (int has_reply = 0; has_reply < 2; has_reply++) {
            struct trip trip;
            trip_begin(&trip, true, 100);
            trip.is_held = true;
            trip.sink->ops->begin(trip.sink);
            trip.sink->ops->grow(trip.sink, str_sub(str_of(whole), 0, 18));
            if (has_reply)
                trip.sink->ops->finish(trip.sink, &(struct reply){.markdown = str_of(whole)});
            struct at_least least = {n};
            for (int i = 0; i < 20 && !has_heard(&least); i++)
                (void)loop_run_until(trip.f.loop, has_heard, &least, 2);
            trip.sink->ops->free(trip.sink);
            trip.sink = NULL;
            int n_done = trip.n_done;
            api_settle(&trip.f);
            assert_int_equal(trip.n_done, n_done);
            trip_end(&trip);
        }
    }
}

static void farewells_under_way_are_dropped_with_the_platform(void **state)
{
    make_text(12);
    struct trip trip;
    trip_begin(&trip, true, 7500);
    ding.fail_at = 2;
    ding.n_failed = SIZE_MAX / 4;
    ding.failure = (struct api_said){400, "{\"code\":\"param.stream.content\"}"};
    trip.sink->ops->begin(trip.sink);
    trip.sink->ops->grow(trip.sink, str_of(whole));
    trip.sink->ops->finish(trip.sink, &(struct reply){.markdown = str_of(whole)});
    for (int i = 0; i < 1000 && trip.n_done == 0; i++)
        (void)loop_run_until(trip.f.loop, is_done, &trip, 1);
    trip_end(&trip);
}

static void what_is_behind_the_limit_goes_on_inside_and_again_after_a_restart(void **state)
{
    int noted[16];
    int n_noted;
    char card[TEXT_SIZE];
    char rest[TEXT_SIZE];
    make_text(40);
    struct trip trip;
    trip_begin(&trip, false, 200);
    trip.inner.n_parts = 3;
    trip.sink->ops->begin(trip.sink);
    grow(&trip);
    finish(&trip, 0);
    assert_true(ding.is_final && strlen(ding.text) > 100 && strlen(ding.text) <= 200);
    n_noted = trip.n_parts;
    memcpy(noted, trip.parts, sizeof(noted));
    memcpy(card, ding.text, sizeof(card));
    memcpy(rest, trip.inner.text, sizeof(rest));
    char both[2 * TEXT_SIZE];
    (void)snprintf(both, sizeof(both), "%s\n%s", card, rest); /* cut at a line's end */
    assert_string_equal(both, whole);
    assert_int_equal(trip.outcome.parts_sent, 4);
    trip_end(&trip);

    assert_int_equal(n_noted, 3); /* the card's own part, and two of three inside */
    for (int i = 0; i < n_noted; i++) {
        trip_begin(&trip, false, 200);
        trip.meter.level = i % 2 == 0 ? CALLS_FREE : CALLS_EXHAUSTED;
        trip.sink->ops->free(trip.sink);
        trip.sink = trip.platform->ops->open_sink(trip.platform, &message, &handlers, &trip);
        trip.inner.n_parts = 3;
        finish(&trip, noted[i]);
        assert_string_equal(trip.inner.text, rest);
        assert_int_equal(trip.inner.parts_skipped, i);
        assert_int_equal(api_n_heard(), 0);
        trip_end(&trip);
    }
}

static void what_is_shown_already_stays_in_the_card_where_the_text_turns_out_too_long(void **state)
{
    struct trip trip;
    whole[0] = '\0';
    for (int i = 0; i < 150; i++)
        (void)snprintf(whole + strlen(whole), sizeof(whole) - strlen(whole), "字");
    trip_begin(&trip, false, 200);
    trip.sink->ops->begin(trip.sink);
    grow(&trip);
    finish(&trip, 0);
    assert_int_equal(strlen(ding.text), 198); /* between two characters */
    assert_int_equal(strlen(trip.inner.text), 450 - 198);
    assert_false(ding.has_shrunk);
    trip_end(&trip);
}

static void without_a_beginning_or_a_budget_there_is_no_card(void **state)
{
    make_text(3);
    struct trip trip;
    trip_begin(&trip, true, 7500);
    trip.sink->ops->finish(trip.sink,
                           &(struct reply){.kind = REPLY_NOTICE, .markdown = str_of(whole)});
    api_run_until(&trip.f, is_done, &trip);
    assert_int_equal(trip.inner.kind, REPLY_NOTICE);
    assert_int_equal(api_n_heard(), 0);
    trip_end(&trip);

    trip_begin(&trip, true, 7500);
    trip.sink->ops->free(trip.sink);
    trip.meter.level = CALLS_EXHAUSTED;
    trip.sink = trip.platform->ops->open_sink(trip.platform, &message, &handlers, &trip);
    trip.sink->ops->begin(trip.sink);
    trip.sink->ops->grow(trip.sink, str_sub(str_of(whole), 0, 9));
    finish(&trip, 0);
    assert_string_equal(trip.inner.text, whole);
    assert_int_equal(api_n_heard(), 0);
    trip_end(&trip);
}

/* ---- the stop button ---- */

struct stops {
    struct receiver receiver; /* first */
    int n;
};

static bool on_stop(struct receiver *receiver, const char *robot, const char *conversation,
                    const char *sender)
{
    struct stops *stops = (struct stops *)(void *)receiver;
    assert_string_equal(robot, "ding1");
    assert_string_equal(conversation, "cid1");
    assert_string_equal(sender, "0258369");
    stops->n++;
    return true;
}

static void only_the_asker_stops_and_only_while_his_card_is_open(void **state)
{
    struct stops stops = {.receiver = {.stop = on_stop}};
    char track_id[CARD_TRACK_ID_SIZE];
    card_track_id(&message, track_id);
    struct card_action stop = {.track_id = track_id, .user = "0258369", .is_stop = true};
    struct card_action other = {.track_id = track_id, .user = "0258369"};
    struct card_action stranger = {.track_id = track_id, .user = "stranger", .is_stop = true};
    struct card_action unknown = {.track_id = "db2", .user = "0258369", .is_stop = true};
    struct trip trip;
    make_text(3);
    trip_begin(&trip, true, 7500);
    card_platform_on_action(trip.platform, &stops.receiver, &stop);
    assert_int_equal(stops.n, 0);
    trip.sink->ops->begin(trip.sink);
    card_platform_on_action(trip.platform, &stops.receiver, &other);
    card_platform_on_action(trip.platform, &stops.receiver, &stranger);
    card_platform_on_action(trip.platform, &stops.receiver, &unknown);
    assert_int_equal(stops.n, 0);
    card_platform_on_action(trip.platform, &stops.receiver, &stop);
    assert_int_equal(stops.n, 1);
    finish(&trip, 0);
    card_platform_on_action(trip.platform, &stops.receiver, &stop);
    assert_int_equal(stops.n, 1);
    trip_end(&trip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_dingtalk_says_to_any_call_the_answer_arrives_once),
        cmocka_unit_test(when_dingtalk_says_so_for_ever_the_answer_still_arrives),
        cmocka_unit_test(a_card_that_was_made_and_not_delivered_is_no_card),
        cmocka_unit_test(a_sink_is_freed_in_any_state_in_silence),
        cmocka_unit_test(farewells_under_way_are_dropped_with_the_platform),
        cmocka_unit_test(what_is_behind_the_limit_goes_on_inside_and_again_after_a_restart),
        cmocka_unit_test(what_is_shown_already_stays_in_the_card_where_the_text_turns_out_too_long),
        cmocka_unit_test(without_a_beginning_or_a_budget_there_is_no_card),
        cmocka_unit_test(only_the_asker_stops_and_only_while_his_card_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
