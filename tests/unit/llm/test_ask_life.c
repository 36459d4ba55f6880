/* How questions end: deadlines, cuts at every byte, cancelling in every state. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "ask_fixture.h"

static void silence_ends_an_answer(void **state)
{
    static const struct {
        struct reply reply;
        const char *text;
        enum llm_failure failure;
        int tries;
    } cases[] = {
        {{"", 0, REPLY_HANG}, "", LLM_FAIL_TIMEOUT, 3},
        {{HEAD_EVENTS, 0, REPLY_HANG}, "", LLM_FAIL_TIMEOUT, 3},
        {{HEAD_EVENTS, 0, REPLY_DRIP}, "", LLM_FAIL_TIMEOUT, 3},
        {{HEAD_EVENTS PIECE("Hel"), 0, REPLY_HANG}, "Hel", LLM_FAIL_TIMEOUT, 1},
        {{HEAD_EVENTS PIECE("Hel"), 0, REPLY_DRIP}, "Hel", LLM_FAIL_TIMEOUT, 1},
        {{HEAD_JSON, 0, REPLY_HANG}, "", LLM_FAIL_TIMEOUT, 3},
        {{"HTTP/1.1 401 No\r\n\r\n{}", 0, REPLY_HANG}, "", LLM_FAIL_AUTH, 1},
        {{"HTTP/1.1 401 No\r\n\r\n{}", 0, REPLY_DRIP}, "", LLM_FAIL_AUTH, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct reply replies[] = {cases[i].reply, {0}};
        struct ask_fixture fixture;
        struct question question = {0};
        ask_fixture_begin(&fixture, replies);
        fixture.settings.timeout_ms = 200;
        ask_fixture_open(&fixture);
        question_run(&question, &fixture);
        if (question.failure != cases[i].failure || question.tries != cases[i].tries ||
            strcmp(buf_cstr(&question.text), cases[i].text) != 0)
            fail_msg("%zu: %s after %d, \"%s\"", i, llm_failure_name(question.failure),
                     question.tries, buf_cstr(&question.text));
        question_done(&question);
        ask_fixture_end(&fixture);
    }
}

/* Progress keeps the silence away, but there is an end to all of it. */
static void endless_thinking_ends_at_the_deadline_over_all_tries(void **state)
{
    static const struct {
        struct reply replies[2];
        const char *text;
    } models[] = {
        {{{HEAD_EVENTS, 0, REPLY_THINK}}, ""},
        {{{HEAD_EVENTS PIECE("well"), 0, REPLY_THINK}}, "well"},
    };
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        struct ask_fixture fixture;
        struct question question = {0};
        ask_fixture_begin(&fixture, models[i].replies);
        ask_fixture_open(&fixture);
        fixture.endpoint->max_ask_ms = 300;
        question_run(&question, &fixture);
        assert_int_equal(question.failure, LLM_FAIL_TIMEOUT);
        assert_string_equal(buf_cstr(&question.text), models[i].text);
        assert_int_equal(question.tries, 1);
        question_done(&question);
        ask_fixture_end(&fixture);
    }
}

static void a_whole_answer_need_not_be_closed(void **state)
{
    static const struct reply replies[] = {{ANSWER, 0, REPLY_HANG}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    int64_t start_ms = loop_now_ms(fixture.loop);
    question_run(&question, &fixture);
    assert_int_equal(question.failure, LLM_OK);
    assert_true(loop_now_ms(fixture.loop) - start_ms < 5000);
    assert_string_equal(buf_cstr(&question.text), "Hello");
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void a_connection_is_used_again(void **state)
{
    static const struct reply replies[] = {
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
         "58\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":"
         "\"stop\"}]}\n\ndata: [D\r\n6\r\nONE]\n\n\r\n0\r\n\r\n",
         0, REPLY_KEEP},
        {0}};
    struct ask_fixture fixture;
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    for (int i = 0; i < 3; i++) {
        struct question question = {0};
        question_run(&question, &fixture);
        assert_int_equal(question.failure, LLM_OK);
        assert_string_equal(buf_cstr(&question.text), "x");
        question_done(&question);
    }
    assert_int_equal(scripted_server_connections(fixture.server), 1);
    ask_fixture_end(&fixture);
}

/* --- cuts ------------------------------------------------------------------------------------- */

static const char recorded[] =
    HEAD_EVENTS THOUGHT("weigh it") PIECE("好的，") PIECE("\\ud83d\\ude00 yes") FINISH("stop") DONE;
static const char recorded_text[] = "好的，😀 yes";

static void sweep(enum reply_end end)
{
    struct reply replies[] = {{recorded, 0, end}, {0}};
    struct ask_fixture fixture;
    int n_whole = 0;
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    fixture.endpoint->retry.max_retries = 0;
    for (size_t n = 1; n < sizeof(recorded); n++) {
        struct question question = {0};
        replies[0].n = n;
        question_run(&question, &fixture);
        assert_memory_equal(buf_cstr(&question.text), recorded_text, question.text.len);
        if (question.failure == LLM_OK) {
            assert_string_equal(buf_cstr(&question.text), recorded_text);
            n_whole++;
        }
        question_done(&question);
    }
    if (end == REPLY_CLOSE)
        assert_true(n_whole > 0);
    ask_fixture_end(&fixture);
}

static void a_stream_cut_at_any_byte_is_never_a_false_success(void **state)
{
    sweep(REPLY_CLOSE);
}

static void a_stream_reset_at_any_byte_is_never_a_false_success(void **state)
{
    sweep(REPLY_RESET);
}

/* --- cancelling ------------------------------------------------------------------------------- */

static bool has_text(void *arg)
{
    return ((struct question *)arg)->text.len > 0;
}

static void expect_silence(struct ask_fixture *fixture, struct question *question)
{
    int n_texts = question->n_texts;
    int n_requests = ask_fixture_requests();
    llm_cancel(fixture->llm, question->id);
    llm_cancel(fixture->llm, question->id);
    run_for_ms(fixture, 30);
    assert_int_equal(question->n_done, 0);
    assert_int_equal(question->n_texts, n_texts);
    assert_int_equal(ask_fixture_requests(), n_requests);
    assert_int_equal(map_count(fixture->endpoint->exchanges), 0);
}

static void cancelling_is_silent_at_once(void **state)
{
    static const struct reply replies[] = {{ANSWER}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    question_start(&question, &fixture);
    llm_cancel(fixture.llm, question.id);
    run_for_ms(&fixture, 30);
    assert_int_equal(question.n_done + question.n_texts, 0);
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void cancelling_is_silent_while_sending(void **state)
{
    static const struct reply replies[] = {{"", 0, REPLY_HANG}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    question_start(&question, &fixture);
    run_until_requests(&fixture, 1);
    expect_silence(&fixture, &question);
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void cancelling_is_silent_while_streaming(void **state)
{
    static const struct reply replies[] = {{HEAD_EVENTS PIECE("Hel"), 0, REPLY_HANG}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    question_start(&question, &fixture);
    run_until(&fixture, has_text, &question);
    expect_silence(&fixture, &question);
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void cancelling_is_silent_while_waiting_for_the_next_try(void **state)
{
    static const struct reply replies[] = {{REFUSAL("500 Oops", "", "{}")}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    fixture.endpoint->retry.backoff = (struct backoff){.first_ms = 200, .cap_ms = 200};
    question_start(&question, &fixture);
    run_until_requests(&fixture, 1);
    run_for_ms(&fixture, 50);
    expect_silence(&fixture, &question);
    run_for_ms(&fixture, 200);
    assert_int_equal(ask_fixture_requests(), 1);
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void cancel_now(struct question *question)
{
    llm_cancel(question->fixture->llm, question->id);
}

/* Text is handed out when the exchange streams, when the last of it comes, and when it has failed.
 */
static void cancelling_is_silent_from_inside_the_text(void **state)
{
    static const struct reply answers[] = {
        {HEAD_EVENTS PIECE("Hel"), 0, REPLY_HANG},
        {ANSWER},
        {HEAD_JSON "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}"},
        {HEAD_EVENTS PIECE("x") "data: oops\n\n", 0, REPLY_HANG},
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const struct reply replies[] = {answers[i], {0}};
        struct ask_fixture fixture;
        struct question question = {.on_text = cancel_now};
        ask_fixture_begin(&fixture, replies);
        ask_fixture_open(&fixture);
        question_start(&question, &fixture);
        run_until(&fixture, has_text, &question);
        run_for_ms(&fixture, 20);
        assert_int_equal(question.n_texts, 1);
        assert_int_equal(question.n_done, 0);
        assert_int_equal(map_count(fixture.endpoint->exchanges), 0);
        question_done(&question);
        ask_fixture_end(&fixture);
    }
}

static void cancelling_is_silent_when_the_end_is_due(void **state)
{
    static const struct reply replies[] = {{ANSWER}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    fixture.settings.system_prompt = "\xFF"; /* refused before anything is sent */
    ask_fixture_open(&fixture);
    question_start(&question, &fixture);
    expect_silence(&fixture, &question);
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void freeing_the_provider_ends_what_runs(void **state)
{
    static const struct reply replies[] = {{HEAD_EVENTS PIECE("Hel"), 0, REPLY_HANG}, {0}};
    struct ask_fixture fixture;
    struct question questions[3] = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    for (int i = 0; i < 3; i++)
        question_start(&questions[i], &fixture);
    run_until(&fixture, has_text, &questions[2]);
    llm_free(fixture.llm);
    fixture.llm = NULL;
    run_for_ms(&fixture, 20);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(questions[i].n_done, 0);
        question_done(&questions[i]);
    }
    ask_fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_ends_an_answer),
        cmocka_unit_test(endless_thinking_ends_at_the_deadline_over_all_tries),
        cmocka_unit_test(a_whole_answer_need_not_be_closed),
        cmocka_unit_test(a_connection_is_used_again),
        cmocka_unit_test(a_stream_cut_at_any_byte_is_never_a_false_success),
        cmocka_unit_test(a_stream_reset_at_any_byte_is_never_a_false_success),
        cmocka_unit_test(cancelling_is_silent_at_once),
        cmocka_unit_test(cancelling_is_silent_while_sending),
        cmocka_unit_test(cancelling_is_silent_while_streaming),
        cmocka_unit_test(cancelling_is_silent_while_waiting_for_the_next_try),
        cmocka_unit_test(cancelling_is_silent_from_inside_the_text),
        cmocka_unit_test(cancelling_is_silent_when_the_end_is_due),
        cmocka_unit_test(freeing_the_provider_ends_what_runs),
    };
    return cmocka_run_group_tests_name("ask_life", tests, NULL, NULL);
}
