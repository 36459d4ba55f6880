/* Questions and what comes of them: answers, failures, repairs, repetitions. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ask_fixture.h"
#include "util/json.h"
#include "util/mem.h"

/* --- answers ---------------------------------------------------------------------------------- */

static void a_question_is_answered(void **state)
{
    static const struct reply replies[] = {{ANSWER}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    question_run(&question, &fixture);
    assert_int_equal(question.failure, LLM_OK);
    assert_string_equal(buf_cstr(&question.text), "Hello");
    assert_string_equal(question.model, "test-model");
    assert_int_equal(question.usage.prompt_tokens, 9);
    assert_int_equal(question.usage.completion_tokens, 2);
    assert_int_equal(question.tries, 1);
    assert_false(question.is_length_cut);

    DB_CLEANUP(free_charp) char *log = scripted_server_log(fixture.server);
    assert_non_null(strstr(log, "POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_non_null(strstr(log, "Authorization: Bearer sk-test-0123456789\r\n"));
    assert_non_null(strstr(log, "Content-Type: application/json\r\n"));
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void no_key_sends_no_authorization(void **state)
{
    static const struct reply replies[] = {{ANSWER}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    fixture.settings.api_key = "";
    ask_fixture_open(&fixture);
    question_run(&question, &fixture);
    assert_int_equal(question.failure, LLM_OK);
    DB_CLEANUP(free_charp) char *log = scripted_server_log(fixture.server);
    assert_null(strstr(log, "Authorization"));
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void a_length_cut_is_told(void **state)
{
    static const struct reply replies[] = {{HEAD_EVENTS PIECE("Hello") FINISH("length") DONE}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    question_run(&question, &fixture);
    assert_int_equal(question.failure, LLM_OK);
    assert_true(question.is_length_cut);
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void usage_calibrates_the_estimate(void **state)
{
    static const struct reply replies[] = {
        {HEAD_EVENTS PIECE("x")
             FINISH("stop") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100000}}\n\n"},
        {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    DB_CLEANUP(free_charp) char *prompt = xcalloc(1, 4001);
    memset(prompt, 'a', 4000);
    for (size_t i = 0; i < 4000; i += 5)
        prompt[i] = ' ';
    ask_fixture_begin(&fixture, replies);
    fixture.settings.system_prompt = prompt;
    ask_fixture_open(&fixture);
    assert_true(fixture.llm->token_ratio == 1.0);
    question_run(&question, &fixture);
    assert_true(fixture.llm->token_ratio > 1.0);
    question_done(&question);
    ask_fixture_end(&fixture);
}

/* --- failures --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    struct reply reply;
    enum llm_failure failure;
    const char *text; /* handed out before */
    int tries;
} failures[] = {
    {"auth",
     {REFUSAL("401 Unauthorized", "", "{\"error\":{\"code\":\"invalid_api_key\"}}")},
     LLM_FAIL_AUTH,
     "",
     1},
    {"forbidden", {REFUSAL("403 Forbidden", "", "{}")}, LLM_FAIL_AUTH, "", 1},
    {"payment",
     {REFUSAL("402 Payment Required", "Retry-After: 1\r\n", "{}")},
     LLM_FAIL_QUOTA,
     "",
     1},
    {"auth, whatever the peer says",
     {REFUSAL("401 Unauthorized", "x-should-retry: true\r\n", "{}")},
     LLM_FAIL_AUTH,
     "",
     1},
    {"quota",
     {REFUSAL("429 Too Many Requests", "Retry-After: 0.001\r\nx-should-retry: true\r\n",
              "{\"error\":{\"type\":\"insufficient_quota\"}}")},
     LLM_FAIL_QUOTA,
     "",
     1},
    {"rate", {REFUSAL("429 Too Many Requests", "", "{}")}, LLM_FAIL_RATE, "", 3},
    {"rate, far too long",
     {REFUSAL("429 Too Many Requests", "Retry-After: 61\r\n", "{}")},
     LLM_FAIL_RATE,
     "",
     1},
    {"rate, told not to",
     {REFUSAL("429 Too Many Requests", "x-should-retry: false\r\n", "{}")},
     LLM_FAIL_RATE,
     "",
     1},
    {"model",
     {REFUSAL("404 Not Found", "", "{\"error\":{\"code\":\"model_not_found\"}}")},
     LLM_FAIL_MODEL,
     "",
     1},
    {"redirect",
     {REFUSAL("302 Found", "Location: https://elsewhere/\r\n", "")},
     LLM_FAIL_MODEL,
     "",
     1},
    {"too long",
     {REFUSAL("400 Bad Request", "", "{\"error\":{\"code\":\"context_length_exceeded\"}}")},
     LLM_FAIL_TOO_LONG,
     "",
     1},
    {"refused",
     {REFUSAL("400 Bad Request", "", "{\"error\":{\"code\":\"content_filter\"}}")},
     LLM_FAIL_REFUSED,
     "",
     1},
    {"request",
     {REFUSAL("400 Bad Request", "", "{\"error\":{\"message\":\"no\"}}")},
     LLM_FAIL_REQUEST,
     "",
     1},
    {"request, told to retry",
     {REFUSAL("400 Bad Request", "x-should-retry: true\r\n", "{\"error\":{\"message\":\"no\"}}")},
     LLM_FAIL_REQUEST,
     "",
     3},
    {"timeout of the peer's", {REFUSAL("408 Request Timeout", "", "")}, LLM_FAIL_TIMEOUT, "", 3},
    {"conflict", {REFUSAL("409 Conflict", "", "")}, LLM_FAIL_BUSY, "", 3},
    {"busy", {REFUSAL("503 Service Unavailable", "", "<html>")}, LLM_FAIL_BUSY, "", 3},
    {"gone", {""}, LLM_FAIL_CONNECT, "", 3},
    {"reset", {"", 0, REPLY_RESET}, LLM_FAIL_CONNECT, "", 3},
    {"no HTTP", {"SSH-2.0-OpenSSH_9.2\r\n"}, LLM_FAIL_GARBLED, "", 1},
    {"cut before the text", {HEAD_EVENTS}, LLM_FAIL_CUT, "", 3},
    {"cut in the reasoning", {HEAD_EVENTS THOUGHT("hidden")}, LLM_FAIL_CUT, "", 3},
    {"cut in the text", {HEAD_EVENTS PIECE("Hel")}, LLM_FAIL_CUT, "Hel", 1},
    {"cut by a reset", {HEAD_EVENTS PIECE("Hel") "data: {", 0, REPLY_RESET}, LLM_FAIL_CUT, NULL, 0},
    {"cut in a chunk",
     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" PIECE("Hel")},
     LLM_FAIL_CUT,
     "Hel",
     1},
    {"web page", {HEAD_JSON "<html>"}, LLM_FAIL_GARBLED, "", 1},
    {"no answer", {HEAD_JSON "{\"hello\":1}"}, LLM_FAIL_GARBLED, "", 1},
    {"empty", {HEAD_EVENTS FINISH("stop") DONE}, LLM_FAIL_EMPTY, "", 1},
    {"thought out", {HEAD_EVENTS THOUGHT("x") FINISH("length") DONE}, LLM_FAIL_THOUGHT_OUT, "", 1},
    {"filtered", {HEAD_EVENTS FINISH("content_filter") DONE}, LLM_FAIL_REFUSED, "", 1},
    {"error in the stream, early",
     {HEAD_EVENTS "data: {\"error\":{\"type\":\"server_error\"}}\n\n", 0, REPLY_HANG},
     LLM_FAIL_BUSY,
     "",
     3},
    {"error in the stream, late",
     {HEAD_EVENTS PIECE("Hel") "data: {\"error\":{\"type\":\"server_error\"}}\n\n", 0, REPLY_HANG},
     LLM_FAIL_BUSY,
     "Hel",
     1},
    {"error in the stream, final",
     {HEAD_EVENTS "data: {\"error\":{\"code\":\"insufficient_quota\"}}\n\n"},
     LLM_FAIL_QUOTA,
     "",
     1},
};

static void every_failure_is_told(void **state)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        const struct reply replies[] = {failures[i].reply, {0}};
        struct ask_fixture fixture;
        struct question question = {0};
        ask_fixture_begin(&fixture, replies);
        ask_fixture_open(&fixture);
        question_run(&question, &fixture);
        bool is_text_right =
            !failures[i].text || strcmp(buf_cstr(&question.text), failures[i].text) == 0;
        bool are_tries_right = !failures[i].tries || question.tries == failures[i].tries;
        if (question.failure != failures[i].failure || !is_text_right || !are_tries_right)
            fail_msg("%s: %s \"%s\" \"%s\" after %d", failures[i].name,
                     llm_failure_name(question.failure), question.error.text,
                     buf_cstr(&question.text), question.tries);
        assert_true(question.error.text[0] != '\0');
        assert_true(strlen(question.error.text) <= 200);
        assert_int_not_equal(question.error.status, ST_OK);
        assert_int_equal(question.tries, ask_fixture_requests());
        question_done(&question);
        ask_fixture_end(&fixture);
    }
}

static void nobody_listening_is_a_failure_to_connect(void **state)
{
    static const struct reply replies[] = {{ANSWER}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    fixture.settings.root = "http://127.0.0.1:1/v1";
    ask_fixture_open(&fixture);
    question_run(&question, &fixture);
    assert_int_equal(question.failure, LLM_FAIL_CONNECT);
    assert_int_equal(question.tries, 3);
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void a_long_answer_is_cut_at_its_limit(void **state)
{
    static const struct reply replies[] = {
        {HEAD_EVENTS PIECE("0123456789") PIECE("0123456789"), 0, REPLY_HANG}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    fixture.settings.max_answer_bytes = 15;
    ask_fixture_open(&fixture);
    question_run(&question, &fixture);
    assert_int_equal(question.failure, LLM_FAIL_TOO_LARGE);
    assert_true(question.is_partial);
    assert_string_equal(buf_cstr(&question.text), "012345678901234");
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void a_question_that_is_not_utf8_is_refused(void **state)
{
    static const struct reply replies[] = {{ANSWER}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    fixture.settings.system_prompt = "\xFF";
    ask_fixture_open(&fixture);
    question_run(&question, &fixture);
    assert_int_equal(question.failure, LLM_FAIL_REQUEST);
    assert_int_equal(ask_fixture_requests(), 0);
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void the_peers_request_id_is_told(void **state)
{
    static const struct reply replies[] = {
        {REFUSAL("401 Unauthorized", "x-request-id: req-7\r\n", "{}")}, {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    question_run(&question, &fixture);
    assert_string_equal(question.request_id, "req-7");
    question_done(&question);
    ask_fixture_end(&fixture);
}

/* --- repetitions ------------------------------------------------------------------------------ */

static void a_second_try_may_succeed(void **state)
{
    static const struct reply first[] = {
        {REFUSAL("500 Oops", "", "{}")},       {"", 0, REPLY_RESET},
        {HEAD_EVENTS THOUGHT("hidden")},       {HEAD_EVENTS "data: {\"error\":{\"code\":503}}\n\n"},
        {HEAD_EVENTS FINISH("network_error")},
    };
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        const struct reply replies[] = {first[i], {ANSWER}, {0}};
        struct ask_fixture fixture;
        struct question question = {0};
        ask_fixture_begin(&fixture, replies);
        ask_fixture_open(&fixture);
        question_run(&question, &fixture);
        assert_int_equal(question.failure, LLM_OK);
        assert_string_equal(buf_cstr(&question.text), "Hello");
        assert_int_equal(question.tries, 2);
        question_done(&question);
        ask_fixture_end(&fixture);
    }
}

static int64_t waited_for_answer(const struct reply *replies, enum llm_failure *ret_failure)
{
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    int64_t start_ms = loop_now_ms(fixture.loop);
    question_run(&question, &fixture);
    int64_t waited_ms = loop_now_ms(fixture.loop) - start_ms;
    *ret_failure = question.failure;
    question_done(&question);
    ask_fixture_end(&fixture);
    return waited_ms;
}

static void retry_after_is_waited_for(void **state)
{
    static const struct reply in_ms[] = {
        {REFUSAL("429 Slow", "retry-after-ms: 300\r\n", "{}")}, {ANSWER}, {0}};
    static const struct reply in_s[] = {
        {REFUSAL("503 Slow", "Retry-After: 0.3\r\n", "{}")}, {ANSWER}, {0}};
    enum llm_failure failure;
    assert_true(waited_for_answer(in_ms, &failure) >= 290);
    assert_int_equal(failure, LLM_OK);
    assert_true(waited_for_answer(in_s, &failure) >= 290);
    assert_int_equal(failure, LLM_OK);
}

static void all_waiting_together_has_a_limit(void **state)
{
    const struct endpoint endpoint = {.retry = {.max_retries = 9,
                                                .backoff = {.first_ms = 500, .cap_ms = 8000},
                                                .max_retry_after_ms = 60000,
                                                .max_total_ms = 60000}};
    const struct problem rate = {.failure = LLM_FAIL_RATE, .is_retryable = true};
    struct http_response response = {.retry_after_s = 40, .should_retry = -1};
    assert_int_equal(endpoint_retry_delay_ms(&endpoint, &rate, &response, 0, 0), 40000);
    assert_int_equal(endpoint_retry_delay_ms(&endpoint, &rate, &response, 1, 40000), -1);
    response.retry_after_s = -1;
    assert_int_equal(endpoint_retry_delay_ms(&endpoint, &rate, &response, 0, 0), 500);
    assert_int_equal(endpoint_retry_delay_ms(&endpoint, &rate, &response, 1, 500), 1000);
    assert_int_equal(endpoint_retry_delay_ms(&endpoint, &rate, NULL, 8, 0), 8000);
    assert_int_equal(endpoint_retry_delay_ms(&endpoint, &rate, NULL, 9, 0), -1);
    response.retry_after_s = 0;
    assert_int_equal(endpoint_retry_delay_ms(&endpoint, &rate, &response, 0, 0), 500);
}

/* --- repairs ---------------------------------------------------------------------------------- */

#define BAD_PARAM(name)                                                        \
    {                                                                          \
        REFUSAL("400 Bad Request", "", "{\"error\":{\"param\":\"" name "\"}}") \
    }

static const struct {
    struct reply refusal;
    const char *gone, *come; /* members of the body; NULL: none */
    const char *model;
} repairs[] = {
    {BAD_PARAM("max_tokens"), "max_tokens", "max_completion_tokens", "m"},
    {BAD_PARAM("max_completion_tokens"), "max_completion_tokens", "max_tokens", "gpt-5.4"},
    {BAD_PARAM("temperature"), "temperature", NULL, "m"},
    {BAD_PARAM("stream_options"), "stream_options", NULL, "m"},
    {BAD_PARAM("stream"), "stream", NULL, "m"},
    {BAD_PARAM("stop"), "stop", NULL, "davinci-002"},
    {{REFUSAL("404 Not Found", "",
              "{\"error\":{\"message\":\"not a chat model, use v1/completions\"}}")},
     "messages",
     "prompt",
     "m"},
    {{REFUSAL("404 Not Found", "", "{}")}, "prompt", "messages", "qwen-72b-instruct"},
    {{REFUSAL("422 Unprocessable", "",
              "{\"detail\":[{\"loc\":[\"body\",\"temperature\"],\"msg\":\"no\"}]}")},
     "temperature",
     NULL,
     "m"},
    {{HEAD_JSON "{\"error\":{\"code\":\"unsupported_parameter\",\"param\":\"temperature\"}}"},
     "temperature",
     NULL,
     "m"},
};

static void open_with_everything(struct ask_fixture *fixture, const struct reply *replies,
                                 const char *model)
{
    ask_fixture_begin(fixture, replies);
    fixture->settings.model = model;
    fixture->settings.has_temperature = true;
    fixture->settings.temperature = 0.5;
    fixture->settings.max_answer_tokens = 99;
    fixture->settings.system_prompt = "Be brief.";
    ask_fixture_open(fixture);
}

static void refused_parameters_are_repaired_once_and_remembered(void **state)
{
    /* In both dialects. */
    static const struct reply answer = {
        HEAD_JSON "{\"choices\":[{\"text\":\"Hello\",\"message\":{\"content\":\"Hello\"}}]}"};
    for (size_t i = 0; i < sizeof(repairs) / sizeof(repairs[0]); i++) {
        const struct reply replies[] = {repairs[i].refusal, answer, {0}};
        struct ask_fixture fixture;
        open_with_everything(&fixture, replies, repairs[i].model);
        for (int asked = 0; asked < 2; asked++) {
            struct question question = {0};
            question_run(&question, &fixture);
            assert_int_equal(question.failure, LLM_OK);
            assert_string_equal(buf_cstr(&question.text), "Hello");
            assert_int_equal(question.tries, asked == 0 ? 2 : 1);
            question_done(&question);
        }
        for (int number = 1; number <= 3; number++) {
            DB_CLEANUP(json_unref) json_t *body = ask_fixture_body(&fixture, number);
            assert_int_equal(json_object_get(body, repairs[i].gone) != NULL, number == 1);
            if (repairs[i].come)
                assert_int_equal(json_object_get(body, repairs[i].come) != NULL, number > 1);
        }
        ask_fixture_end(&fixture);
    }
}

static void a_system_prompt_can_become_the_persons(void **state)
{
    static const struct reply replies[] = {
        {REFUSAL("400 Bad Request", "", "{\"error\":{\"message\":\"System role not supported\"}}")},
        {ANSWER},
        {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    open_with_everything(&fixture, replies, "m");
    question_run(&question, &fixture);
    assert_int_equal(question.failure, LLM_OK);
    DB_CLEANUP(json_unref) json_t *body = ask_fixture_body(&fixture, 2);
    const json_t *messages = json_object_get(body, "messages");
    assert_int_equal(json_array_size(messages), 1);
    assert_string_equal(json_str(json_array_get(messages, 0), "content").p, "Be brief.\n\nhello");
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void at_most_three_repairs_are_tried(void **state)
{
    static const struct reply replies[] = {BAD_PARAM("max_tokens"),
                                           BAD_PARAM("max_tokens"),
                                           BAD_PARAM("temperature"),
                                           BAD_PARAM("stream_options"),
                                           {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    open_with_everything(&fixture, replies, "m");
    question_run(&question, &fixture);
    assert_int_equal(question.failure, LLM_FAIL_REQUEST);
    assert_int_equal(question.tries, 4);
    assert_int_equal(fixture.endpoint->repairs, 0); /* what did not help is not remembered */
    question_done(&question);
    ask_fixture_end(&fixture);
}

static void a_repair_that_changes_nothing_is_not_sent(void **state)
{
    static const struct reply replies[] = {BAD_PARAM("temperature"), {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    question_run(&question, &fixture);
    assert_int_equal(question.failure, LLM_FAIL_REQUEST);
    assert_int_equal(question.tries, 1);
    question_done(&question);
    ask_fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_answered),
        cmocka_unit_test(no_key_sends_no_authorization),
        cmocka_unit_test(a_length_cut_is_told),
        cmocka_unit_test(usage_calibrates_the_estimate),
        cmocka_unit_test(every_failure_is_told),
        cmocka_unit_test(nobody_listening_is_a_failure_to_connect),
        cmocka_unit_test(a_long_answer_is_cut_at_its_limit),
        cmocka_unit_test(a_question_that_is_not_utf8_is_refused),
        cmocka_unit_test(the_peers_request_id_is_told),
        cmocka_unit_test(a_second_try_may_succeed),
        cmocka_unit_test(retry_after_is_waited_for),
        cmocka_unit_test(all_waiting_together_has_a_limit),
        cmocka_unit_test(refused_parameters_are_repaired_once_and_remembered),
        cmocka_unit_test(a_system_prompt_can_become_the_persons),
        cmocka_unit_test(at_most_three_repairs_are_tried),
        cmocka_unit_test(a_repair_that_changes_nothing_is_not_sent),
    };
    return cmocka_run_group_tests_name("ask", tests, NULL, NULL);
}
