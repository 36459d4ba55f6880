#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "chat_fixture.h"
#include "util/mem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct store_session_key key = {"robot", "conversation", "staff"};

static void assert_shown(const struct fixture *f, const char *part)
{
    if (!strstr(buf_cstr(&f->platform.shown), part))
        fail_msg("\"%s\" is not in \"%s\"", part, buf_cstr(&f->platform.shown));
}

static struct chat_stats stats_of(const struct fixture *f)
{
    struct chat_stats stats;
    chat_get_stats(f->chat, &stats);
    return stats;
}

/* Ends whatever exchange runs, as a provider would. */
static void end_exchange(struct fixture *f)
{
    static const struct llm_balance balance = {.provider = "p"};
    if (f->llm.id == 0)
        return;
    if (f->llm.looked > 0)
        fixture_end_balance(f, &balance);
    else if (f->llm.drawn > 0)
        fixture_end_image(f, LLM_OK);
    else {
        fixture_say(f, "x");
        fixture_end_answer(f, LLM_OK);
    }
    fixture_settle(f);
}

static bool is_asked(void *arg)
{
    return ((const struct fixture *)arg)->llm.id != 0;
}

static bool has_said_two(void *arg)
{
    return ((const struct fixture *)arg)->platform.finished >= 2;
}

static void assert_all_ended_once(struct fixture *f, int n_messages)
{
    fixture_wait(f, fixture_has_no_turn);
    assert_int_equal(f->platform.finished + f->platform.failed, n_messages);
    assert_int_equal(f->platform.opened, n_messages);
    assert_int_equal(f->store.n_inbox, 0);
    assert_int_equal(f->llm.running, 0);
    assert_int_equal(stats_of(f).asking, 0);
}

static void a_question_is_acknowledged_asked_delivered_and_settled_once(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    fixture_type(f, "staff", " 你好 ");
    fixture_settle(f);
    assert_int_equal(f->n_stored, 1);
    assert_string_equal(buf_cstr(&f->llm.question), "你好");
    assert_int_equal(f->platform.begun, 1);
    fixture_say(f, "您");
    fixture_say(f, "好");
    assert_string_equal(buf_cstr(&f->platform.grown), "您好");
    fixture_end_answer(f, LLM_OK);
    assert_string_equal(buf_cstr(&f->platform.shown), "您好");
    assert_int_equal(f->platform.reply_kind, REPLY_ANSWER);
    assert_string_equal(buf_cstr(&f->store.question), "你好");
    assert_string_equal(buf_cstr(&f->store.answer), "您好");
    assert_string_equal(f->store.outcome, "answered");
    assert_all_ended_once(f, 1);
    assert_int_equal(stats_of(f).answered, 1);
}

static void a_known_message_is_acknowledged_and_nothing_more(void **state)
{
    struct fixture *f = *state;
    f->store.is_known = true;
    fixture_start(f);
    fixture_type(f, "staff", "你好");
    fixture_settle(f);
    assert_int_equal(f->n_known, 1);
    assert_all_ended_once(f, 0);
    assert_int_equal(f->llm.asked, 0);
}

static void a_message_over_the_limit_asks_nobody(void **state)
{
    struct fixture *f = *state;
    f->store.is_over_limit = true;
    f->settings.max_request = 3;
    fixture_start(f);
    fixture_type(f, "staff", "你好");
    fixture_settle(f);
    assert_int_equal(f->store.arrival.daily_limit, 3);
    assert_shown(f, "上限");
    assert_int_equal(f->llm.asked, 0);
    assert_all_ended_once(f, 1);
}

static void what_the_store_could_not_write_is_not_acknowledged(void **state)
{
    struct fixture *f = *state;
    f->store.failures[CALL_ACCEPT] = 1;
    fixture_start(f);
    fixture_type(f, "staff", "你好");
    fixture_settle(f);
    assert_int_equal(f->n_not_stored, 1);
    assert_int_equal(f->n_stored, 0);
    assert_all_ended_once(f, 0);
    assert_int_equal(f->llm.asked, 0);
}

static void a_store_that_fails_at_any_call_delays_and_loses_nothing(void **state)
{
    static const enum store_call calls[] = {CALL_READ_SESSION, CALL_NOTE_PROGRESS, CALL_SETTLE,
                                            CALL_READ_LAST};
    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        void *mine = NULL;
        assert_int_equal(fixture_setup(&mine), 0);
        struct fixture *f = mine;
        f->store.failures[calls[i]] = 1;
        f->store.last_question = "上一个";
        f->platform.n_parts = 3;
        fixture_start(f);
        /* The second waits in the lane of the first, so that its session is read again. */
        fixture_type(f, "staff", "重新生成");
        fixture_type(f, "staff", "第二个");
        for (int answered = 0; answered < 2; answered++) {
            fixture_wait(f, is_asked);
            fixture_say(f, answered == 0 ? "一" : "二");
            fixture_end_answer(f, LLM_OK);
        }
        assert_all_ended_once(f, 2);
        assert_string_equal(buf_cstr(&f->store.answer), "二");
        assert_int_equal(f->store.failures[calls[i]], 0);
        assert_int_equal(stats_of(f).answered, 2);
        assert_int_equal(fixture_teardown(&mine), 0);
    }
}

static void the_inbox_is_read_again_when_it_could_not_be_read(void **state)
{
    struct fixture *f = *state;
    f->store.failures[CALL_LOAD_UNFINISHED] = 1;
    fixture_start(f);
    fixture_type(f, "staff", "帮助");
    fixture_settle(f);
    f->store.n_unfinished = 1;
    f->store.n_inbox = 1;
    chat_resume(f->chat);
    fixture_wait(f, has_said_two);
    assert_all_ended_once(f, 2);
}

/* Where a turn stands when it is cancelled, and what is to be seen then. */
struct stand {
    const char *name;
    const char *typed;
    enum store_call held; /* CALL_COUNT: none */
    bool is_sink_held;
    bool is_behind;    /* another session has the only LLM place */
    const char *said;  /* by the LLM before */
    bool is_cancelled; /* there is an answer to cancel */
    const char *shown; /* NULL: not looked at */
};

static const struct stand stands[] = {
    {"accepting", "问题", CALL_ACCEPT, false, false, NULL, false, NULL},
    {"queued", "问题", CALL_COUNT, false, true, NULL, true, "已停止"},
    {"queued to draw", "#图片 x", CALL_COUNT, false, true, NULL, true, "已停止"},
    {"asking", "问题", CALL_COUNT, false, false, NULL, true, "已停止"},
    {"answering", "问题", CALL_COUNT, false, false, "一半", true, "一半"},
    {"drawing", "#图片 x", CALL_COUNT, false, false, NULL, true, "已停止"},
    {"recalling", "重新生成", CALL_READ_LAST, false, false, NULL, false, NULL},
    {"delivering", "帮助", CALL_COUNT, true, false, NULL, false, "我能做什么"},
    {"settling", "帮助", CALL_SETTLE, false, false, NULL, false, "我能做什么"},
};

static struct fixture *reach(const struct stand *stand)
{
    void *mine = NULL;
    assert_int_equal(fixture_setup(&mine), 0);
    struct fixture *f = mine;
    f->settings.llm_parallel = 1;
    fixture_start(f);
    if (stand->is_behind) {
        fixture_type(f, "somebody", "else");
        fixture_settle(f);
    }
    if (stand->held != CALL_COUNT)
        f->store.is_held[stand->held] = true;
    f->platform.is_held = stand->is_sink_held;
    fixture_type(f, "staff", stand->typed);
    fixture_settle(f);
    if (stand->said)
        fixture_say(f, stand->said);
    assert_false(fixture_has_no_turn(f));
    return f;
}

static void let_everything_end(struct fixture *f, const struct stand *stand)
{
    fixture_release_store(f);
    if (stand->is_sink_held)
        fixture_release_sink(f);
    end_exchange(f);
    fixture_settle(f);
    end_exchange(f);
}

static void an_answer_can_be_cancelled_in_every_state_and_ends_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(stands); i++) {
        const struct stand *stand = &stands[i];
        struct fixture *f = reach(stand);
        bool is_cancelled = chat_cancel_answer(f->chat, &key);
        if (is_cancelled != stand->is_cancelled)
            fail_msg("%s: cancelled %d", stand->name, is_cancelled);
        assert_false(chat_cancel_answer(f->chat, &key));
        fixture_settle(f);
        if (stand->shown)
            assert_shown(f, stand->shown);
        if (is_cancelled && !stand->is_behind)
            assert_int_equal(f->llm.cancelled, 1);
        let_everything_end(f, stand);
        assert_all_ended_once(f, stand->is_behind ? 2 : 1);
        void *mine = f;
        assert_int_equal(fixture_teardown(&mine), 0);
    }
}

static void a_chat_can_be_stopped_in_every_state_and_keeps_the_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(stands); i++) {
        const struct stand *stand = &stands[i];
        struct fixture *f = reach(stand);
        int delivered = f->platform.finished + f->platform.failed;
        fixture_stop(f);
        assert_int_equal(f->llm.running, 0);
        assert_int_equal(f->platform.opened, f->platform.freed);
        assert_int_equal(f->platform.finished + f->platform.failed, delivered);
        /* Only what had been handed to the store is off the inbox. */
        int64_t left = (stand->is_behind ? 2 : 1) - (stand->held == CALL_SETTLE ? 1 : 0);
        assert_int_equal(f->store.n_inbox, left);
        void *mine = f;
        assert_int_equal(fixture_teardown(&mine), 0);
    }
}

static void nobody_is_cancelled_where_nobody_talks(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    assert_false(chat_cancel_answer(f->chat, &key));
    fixture_type(f, "somebody", "else");
    fixture_settle(f);
    assert_false(chat_cancel_answer(f->chat, &key));
    end_exchange(f);
    assert_all_ended_once(f, 1);
}

static void no_more_exchanges_run_than_there_are_places(void **state)
{
    struct fixture *f = *state;
    f->settings.llm_parallel = 1;
    fixture_start(f);
    static const char *const senders[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++)
        fixture_type(f, senders[i], senders[i]);
    fixture_settle(f);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f->llm.asked, i + 1);
        assert_string_equal(buf_cstr(&f->llm.question), senders[i]);
        assert_int_equal(stats_of(f).asking, 1);
        fixture_say(f, "x");
        fixture_end_answer(f, i == 1 ? LLM_FAIL_CUT : LLM_OK);
    }
    assert_int_equal(f->llm.most_running, 1);
    assert_all_ended_once(f, 3);
}

static void a_session_is_answered_in_order_and_one_at_a_time(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    fixture_type(f, "staff", "1");
    fixture_type(f, "staff", "2");
    fixture_settle(f);
    assert_int_equal(f->n_stored, 2);
    /* One that came before leaves the lane from behind and moves nobody on. */
    f->store.is_known = true;
    fixture_type(f, "staff", "1");
    fixture_settle(f);
    assert_int_equal(f->n_known, 1);
    assert_int_equal(f->llm.asked, 1);
    assert_string_equal(buf_cstr(&f->llm.question), "1");
    end_exchange(f);
    assert_int_equal(f->llm.asked, 2);
    assert_string_equal(buf_cstr(&f->llm.question), "2");
    end_exchange(f);
    assert_int_equal(f->llm.most_running, 1);
    assert_all_ended_once(f, 2);
}

static void more_messages_than_the_memory_holds_are_not_acknowledged(void **state)
{
    struct fixture *f = *state;
    f->settings.max_pending = 2;
    fixture_start(f);
    fixture_type(f, "a", "1");
    fixture_type(f, "b", "2");
    fixture_type(f, "c", "3");
    fixture_settle(f);
    assert_int_equal(f->n_stored, 2);
    assert_int_equal(f->n_not_stored, 1);
    assert_int_equal(f->store.calls[CALL_ACCEPT], 2);
}

static void a_message_too_large_to_keep_is_refused_after_the_call_returned(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    size_t size = 9 * 1024 * 1024;
    char *text = xmalloc(size + 1);
    memset(text, 'x', size);
    text[size] = '\0';
    fixture_type(f, "staff", "帮助"); /* so that the fixture keeps a small payload */
    fixture_settle(f);
    fixture_type(f, "staff", text); /* asserts that no receipt comes in here */
    fixture_settle(f);
    assert_int_equal(f->n_not_stored, 1);
    assert_true(fixture_has_no_turn(f));
    fixture_type(f, "staff", text);
    fixture_stop(f); /* before the refusal was told */
    free(text);
}

/* The record of a finished help command, as the inbox would hand it back n times. */
static void leave_unfinished(struct fixture *f, int64_t n)
{
    fixture_type(f, "staff", "帮助");
    fixture_settle(f);
    f->store.n_unfinished = n;
    f->store.n_inbox = n;
    f->store.next_inbox_id = n;
}

static void a_long_inbox_is_taken_up_to_its_end_whatever_the_memory(void **state)
{
    static const size_t maxima[] = {1, 2, 3, 4, 50, 1000};
    (void)state;
    for (size_t i = 0; i < COUNT(maxima); i++) {
        void *mine = NULL;
        assert_int_equal(fixture_setup(&mine), 0);
        struct fixture *f = mine;
        f->settings.max_pending = maxima[i];
        fixture_start(f);
        leave_unfinished(f, 250);
        chat_resume(f->chat);
        fixture_settle(f);
        if (f->store.n_inbox != 0)
            fail_msg("max_pending %zu: %d left", maxima[i], (int)f->store.n_inbox);
        assert_all_ended_once(f, 251);
        assert_int_equal(fixture_teardown(&mine), 0);
    }
}

static void on_drained(void *arg)
{
    *(bool *)arg = true;
}

static void draining_ends_with_the_last_turn_and_takes_up_no_more(void **state)
{
    struct fixture *f = *state;
    f->settings.max_pending = 8;
    fixture_start(f);
    leave_unfinished(f, 250);
    f->platform.is_held = true;
    chat_resume(f->chat);
    fixture_settle(f);
    size_t open = stats_of(f).turns_open;
    assert_int_equal(open, 100);
    bool is_drained = false;
    chat_drain(f->chat, FIXTURE_WAIT_MS, on_drained, &is_drained);
    fixture_type(f, "staff", "帮助");
    fixture_settle(f);
    assert_int_equal(f->n_not_stored, 1);
    assert_false(is_drained);
    fixture_release_sink(f);
    fixture_wait(f, fixture_has_no_turn);
    assert_true(is_drained);
    assert_int_equal(f->store.n_inbox, 150);
}

static void draining_nothing_ends_at_once_but_not_within_the_call(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    bool is_drained = false;
    chat_drain(f->chat, FIXTURE_WAIT_MS, on_drained, &is_drained);
    assert_false(is_drained);
    fixture_settle(f);
    assert_true(is_drained);
}

static void an_answer_under_way_before_a_restart_goes_on_behind_its_last_part(void **state)
{
    struct fixture *f = *state;
    f->platform.n_parts = 4;
    fixture_start(f);
    fixture_type(f, "staff", "问题");
    fixture_settle(f);
    fixture_say(f, "x");
    fixture_end_answer(f, LLM_OK);
    f->store.unfinished_answer = xstrdup("一二三四");
    f->store.unfinished_parts = 2;
    f->store.n_unfinished = 1;
    f->store.n_inbox = 1;
    chat_resume(f->chat);
    fixture_settle(f);
    assert_int_equal(f->llm.asked, 1);
    assert_int_equal(f->platform.parts_skipped, 2);
    assert_string_equal(buf_cstr(&f->platform.shown), "一二三四");
    assert_string_equal(buf_cstr(&f->store.answer), "一二三四");
    assert_all_ended_once(f, 2);
}

static void a_command_under_way_before_a_restart_goes_on_and_asked_nothing(void **state)
{
    struct fixture *f = *state;
    f->platform.n_parts = 4;
    fixture_start(f);
    fixture_type(f, "staff", "帮助");
    fixture_settle(f);
    f->store.unfinished_answer = xstrdup("一二三四");
    f->store.unfinished_parts = 2;
    f->store.n_unfinished = 1;
    f->store.n_inbox = 1;
    chat_resume(f->chat);
    fixture_settle(f);
    assert_int_equal(f->platform.parts_skipped, 2);
    assert_string_equal(f->store.kind, ""); /* no exchange: nothing for later to remember */
    assert_all_ended_once(f, 2);
}

static void an_answer_that_cannot_be_delivered_is_kept_and_not_asked_again(void **state)
{
    struct fixture *f = *state;
    f->platform.status = ST_NOT_FOUND;
    fixture_start(f);
    fixture_type(f, "staff", "问题");
    fixture_settle(f);
    fixture_say(f, "回答");
    fixture_end_answer(f, LLM_OK);
    assert_string_equal(f->store.outcome, "undelivered");
    assert_string_equal(buf_cstr(&f->store.answer), "回答");
    assert_false(f->store.in_context);
    assert_int_equal(stats_of(f).undelivered, 1);
    assert_all_ended_once(f, 1);
}

static void a_record_that_cannot_be_read_is_left_alone(void **state)
{
    static const char *const payloads[] = {"", "{", "\xff", "[[[", "nul"};
    struct fixture *f = *state;
    fixture_start(f);
    for (size_t i = 0; i < COUNT(payloads); i++) {
        free(f->store.unfinished_payload);
        f->store.unfinished_payload = xstrdup(payloads[i]);
        f->store.n_unfinished = (int64_t)i + 1;
        chat_resume(f->chat);
        fixture_settle(f);
        assert_true(fixture_has_no_turn(f));
    }
    assert_int_equal(f->platform.opened, 0);
}

static void every_failure_of_the_llm_is_a_sentence_with_a_reference(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    for (int failure = LLM_FAIL_AUTH; failure <= LLM_FAIL_INTERNAL; failure++) {
        if (failure == LLM_FAIL_CANCELLED)
            continue; /* nobody fails with it: it is said by the one who cancels */
        for (int partial = 0; partial < 2; partial++) {
            fixture_type(f, "staff", "问题");
            fixture_settle(f);
            if (partial)
                fixture_say(f, "一半");
            fixture_end_answer(f, (enum llm_failure)failure);
            assert_true(fixture_has_no_turn(f));
            assert_shown(f, "编号");
            assert_int_equal(strncmp(buf_cstr(&f->platform.shown), "一半", 6) == 0, partial);
            assert_string_equal(f->store.outcome, partial ? "cut" : "failed");
        }
    }
    assert_int_equal(f->platform.finished, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_question_is_acknowledged_asked_delivered_and_settled_once),
        TEST(a_known_message_is_acknowledged_and_nothing_more),
        TEST(a_message_over_the_limit_asks_nobody),
        TEST(what_the_store_could_not_write_is_not_acknowledged),
        cmocka_unit_test(a_store_that_fails_at_any_call_delays_and_loses_nothing),
        TEST(the_inbox_is_read_again_when_it_could_not_be_read),
        cmocka_unit_test(an_answer_can_be_cancelled_in_every_state_and_ends_once),
        cmocka_unit_test(a_chat_can_be_stopped_in_every_state_and_keeps_the_message),
        TEST(nobody_is_cancelled_where_nobody_talks),
        TEST(no_more_exchanges_run_than_there_are_places),
        TEST(a_session_is_answered_in_order_and_one_at_a_time),
        TEST(more_messages_than_the_memory_holds_are_not_acknowledged),
        TEST(a_message_too_large_to_keep_is_refused_after_the_call_returned),
        cmocka_unit_test(a_long_inbox_is_taken_up_to_its_end_whatever_the_memory),
        TEST(draining_ends_with_the_last_turn_and_takes_up_no_more),
        TEST(draining_nothing_ends_at_once_but_not_within_the_call),
        TEST(an_answer_under_way_before_a_restart_goes_on_behind_its_last_part),
        TEST(a_command_under_way_before_a_restart_goes_on_and_asked_nothing),
        TEST(an_answer_that_cannot_be_delivered_is_kept_and_not_asked_again),
        TEST(a_record_that_cannot_be_read_is_left_alone),
        TEST(every_failure_of_the_llm_is_a_sentence_with_a_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
