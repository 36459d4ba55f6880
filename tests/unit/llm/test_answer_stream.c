#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "ask_fixture.h"
#include "llm/answer_stream.h"
#include "llm/openai_body.h"

struct reading {
    struct answer_stream stream;
    struct problem problem;
};

/* Feeds `body` in two pieces, or one when cut is 0, and judges a transfer that ended well. */
static void read_in_two(struct reading *reading, const char *model, struct str body, size_t cut)
{
    answer_stream_init(&reading->stream, openai_dialect_of(model, 0), 1000);
    if (answer_stream_feed(&reading->stream, str_sub(body, 0, cut)))
        (void)answer_stream_feed(&reading->stream, str_sub(body, cut, body.n));
    answer_stream_finish(&reading->stream);
    const struct problem ended = {0};
    answer_stream_judge(&reading->stream, &ended, &reading->problem);
}

static const char *text_of(const struct reading *reading)
{
    return buf_cstr(&reading->stream.text);
}

static const struct {
    const char *name;
    const char *body;
    const char *text;
    enum llm_failure failure;
    const char *model; /* NULL: a chat model */
} bodies[] = {
    {"plain", PIECE("Hel") PIECE("lo") FINISH("stop") USAGE DONE, "Hello", LLM_OK},
    {"no finish_reason but done", PIECE("Hello") DONE, "Hello", LLM_OK},
    {"finish_reason and then the end", PIECE("Hello") FINISH("stop"), "Hello", LLM_OK},
    {"neither of them", PIECE("Hello"), "Hello", LLM_FAIL_CUT},
    {"last line not ended", PIECE("Hello") "data: [DONE]", "Hello", LLM_OK},
    {"last event cut", PIECE("Hello") "data: {\"choices\":[{\"del", "Hello", LLM_FAIL_CUT},
    {"mark and line ends",
     "\xEF\xBB\xBF"
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\n"
     "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\r\r"
     ": comment\r\ndata: [DONE]\r\n\r\n",
     "ab", LLM_OK},
    {"empty data", "data:\n\n" PIECE("x") DONE, "x", LLM_OK},
    {"no choices in the middle",
     "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n" PIECE("x") DONE, "x", LLM_OK},
    {"no delta, null delta, null content",
     "data: {\"choices\":[{\"index\":0}]}\n\ndata: {\"choices\":[{\"delta\":null}]}\n\n"
     "data: {\"choices\":[{\"delta\":{\"content\":null}}]}\n\n" PIECE("x") DONE,
     "x", LLM_OK},
    {"other choices",
     "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"no\"}}]}\n\n" PIECE("x") DONE, "x",
     LLM_OK},
    {"error null", "data: {\"error\":null,\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n" DONE,
     "x", LLM_OK},
    {"empty finish_reason in every piece",
     "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"\"}]}\n\n", "x",
     LLM_FAIL_CUT},
    {"refusal is text", "data: {\"choices\":[{\"delta\":{\"refusal\":\"I will not\"}}]}\n\n" DONE,
     "I will not", LLM_OK},
    {"parts",
     "data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":\"no\"},"
     "{\"type\":\"text\",\"text\":\"yes\"}]}}]}\n\n" DONE,
     "yes", LLM_OK},
    {"broken escapes and bytes",
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\\ud83db\\u0000\xC3\"}}]}\n\n" DONE,
     "a\xEF\xBF\xBD"
     "b\xEF\xBF\xBD\xEF\xBF\xBD",
     LLM_OK},
    {"a character cut in two", PIECE("a\\ud83c") PIECE("\\udf89b") DONE,
     "a\xF0\x9F\x8E\x89"
     "b",
     LLM_OK},
    {"cut again and again", PIECE("\\ud83c") PIECE("\\udf89\\ud83d") PIECE("\\ude00") DONE,
     "\xF0\x9F\x8E\x89\xF0\x9F\x98\x80", LLM_OK},
    {"the second half is missing", PIECE("a\\ud83c") PIECE("b") DONE,
     "a\xEF\xBF\xBD"
     "b",
     LLM_OK},
    {"the first half is missing", PIECE("a") PIECE("\\udf89b") DONE,
     "a\xEF\xBF\xBD"
     "b",
     LLM_OK},
    {"two first halves", PIECE("\\ud83c\\ud83c") PIECE("\\udf89") DONE,
     "\xEF\xBF\xBD\xF0\x9F\x8E\x89", LLM_OK},
    {"halves in one piece the wrong way round", PIECE("\\udf89\\ud83cx") DONE,
     "\xEF\xBF\xBD\xEF\xBF\xBDx", LLM_OK},
    {"the end is half a character", PIECE("a\\ud83c") DONE, "a", LLM_OK},
    {"reasoning_content", THOUGHT("hidden") PIECE("shown") DONE, "shown", LLM_OK},
    {"reasoning",
     "data: {\"choices\":[{\"delta\":{\"content\":\"\",\"reasoning\":\"hidden\"}}]}\n\n" PIECE(
         "shown") DONE,
     "shown", LLM_OK},
    {"think in one piece", PIECE("<think>hidden</think>\\n\\nshown") DONE, "shown", LLM_OK},
    {"think in many pieces",
     PIECE("\\n<th") PIECE("ink>hid") PIECE("den</t") PIECE("hink>") PIECE("\\n") PIECE("\\nsh")
         PIECE("own <think>x</think>") DONE,
     "shown <think>x</think>", LLM_OK},
    {"almost think", PIECE("<thi") PIECE("s is it") DONE, "<this is it", LLM_OK},
    {"ends like think", PIECE("<thin") DONE, "<thin", LLM_OK},
    {"think that never ends", PIECE("<think>hidden") FINISH("stop") DONE, "", LLM_FAIL_EMPTY},
    {"thought out", PIECE("<think>hidden") FINISH("length") DONE, "", LLM_FAIL_THOUGHT_OUT},
    {"thought out in a field", THOUGHT("hidden") FINISH("length"), "", LLM_FAIL_THOUGHT_OUT},
    {"length with text", PIECE("x") FINISH("length"), "x", LLM_OK},
    {"filter without text", FINISH("content_filter") DONE, "", LLM_FAIL_REFUSED},
    {"filter with text", PIECE("x") FINISH("sensitive") DONE, "x", LLM_FAIL_REFUSED},
    {"gave up at once", FINISH("network_error") DONE, "", LLM_FAIL_BUSY},
    {"gave up later", PIECE("x") FINISH("insufficient_system_resource"), "x", LLM_FAIL_CUT},
    {"empty", FINISH("stop") DONE, "", LLM_FAIL_EMPTY},
    {"only white space", PIECE(" \\n ") FINISH("stop") DONE, "", LLM_FAIL_EMPTY},
    {"only done", DONE, "", LLM_FAIL_EMPTY},
    {"nothing", "", "", LLM_FAIL_CUT},
    {"comments only", ": keep-alive\n\n", "", LLM_FAIL_GARBLED},
    {"no JSON in an event", PIECE("x") "data: oops\n\n" DONE, "x", LLM_FAIL_GARBLED},
    {"a web page", "\n<!DOCTYPE html><html>nginx</html>", "", LLM_FAIL_GARBLED},
    {"a sentence", "Bad Gateway", "", LLM_FAIL_GARBLED},
    {"error object",
     PIECE("x") "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}\n\n" DONE, "x",
     LLM_FAIL_BUSY},
    {"error beside choices",
     "data: {\"error\":{\"code\":429,\"message\":\"m\"},\"choices\":[{\"delta\":{\"content\":\"\"},"
     "\"finish_reason\":\"error\"}]}\n\n",
     "", LLM_FAIL_RATE},
    {"error event", "event: error\ndata: {\"message\":\"m\",\"code\":\"insufficient_quota\"}\n\n",
     "", LLM_FAIL_QUOTA},
    {"old vLLM error", "data: {\"object\":\"error\",\"message\":\"m\",\"code\":503}\n\n", "",
     LLM_FAIL_BUSY},
    {"whole JSON",
     "\n\n{\"choices\":[{\"message\":{\"content\":\"Hello\",\"reasoning_content\":\"no\"},"
     "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n",
     "Hello", LLM_OK},
    {"JSON with a mark", "\xEF\xBB\xBF{\"choices\":[{\"message\":{\"content\":\"Hello\"}}]}",
     "Hello", LLM_OK},
    {"JSON that is cut", "{\"choices\":[{\"message\":{\"content\":\"Hel", "", LLM_FAIL_GARBLED},
    {"JSON without choices", "{\"id\":\"x\"}", "", LLM_FAIL_GARBLED},
    {"JSON error", "{\"error\":{\"message\":\"m\",\"code\":\"invalid_api_key\"}}", "",
     LLM_FAIL_AUTH},
    {"gateway error", "{\"code\":401,\"msg\":\"no\"}", "", LLM_FAIL_AUTH},
    {"Gemini error", "[{\"error\":{\"code\":404,\"message\":\"m\"}}]", "", LLM_FAIL_MODEL},
    {"old completion",
     "data: {\"choices\":[{\"text\":\"\\n\\nHel\",\"index\":0}]}\n\n"
     "data: {\"choices\":[{\"text\":\"lo\",\"finish_reason\":\"stop\"}]}\n\n" DONE,
     "Hello", LLM_OK, "davinci-002"},
    {"old completion in one",
     "{\"object\":\"text_completion\",\"choices\":[{\"text\":\"Hello\",\"finish_reason\":\"stop\"}]"
     "}",
     "Hello", LLM_OK, "davinci-002"},
};

static void reads_what_servers_send(void **state)
{
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct reading reading;
        const char *model = bodies[i].model ? bodies[i].model : "m";
        read_in_two(&reading, model, str_of(bodies[i].body), 0);
        if (reading.problem.failure != bodies[i].failure ||
            strcmp(text_of(&reading), bodies[i].text) != 0)
            fail_msg("%s: %s, \"%s\"", bodies[i].name, llm_failure_name(reading.problem.failure),
                     text_of(&reading));
        answer_stream_done(&reading.stream);
    }
}

static void reads_the_same_cut_anywhere(void **state)
{
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct str body = str_of(bodies[i].body);
        for (size_t cut = 1; cut < body.n; cut++) {
            struct reading reading;
            read_in_two(&reading, bodies[i].model ? bodies[i].model : "m", body, cut);
            if (reading.problem.failure != bodies[i].failure ||
                strcmp(text_of(&reading), bodies[i].text) != 0)
                fail_msg("%s cut at %zu: %s, \"%s\"", bodies[i].name, cut,
                         llm_failure_name(reading.problem.failure), text_of(&reading));
            answer_stream_done(&reading.stream);
        }
    }
}

static void a_stream_that_ends_early_is_never_a_success(void **state)
{
    static const char recorded[] =
        THOUGHT("weigh it") PIECE("<think>") PIECE("more</think>") PIECE("好的，")
            PIECE("first\\n\\n") PIECE("second \\ud83d\\ude00") FINISH("stop") USAGE DONE;
    struct reading whole;
    read_in_two(&whole, "m", STR_LIT(recorded), 0);
    assert_int_equal(whole.problem.failure, LLM_OK);
    struct str text = buf_str(&whole.stream.text);
    size_t n_whole = 0;
    for (size_t n = 0; n < sizeof(recorded) - 1; n++) {
        struct reading reading;
        read_in_two(&reading, "m", str_sub(STR_LIT(recorded), 0, n), 0);
        struct str got = buf_str(&reading.stream.text);
        assert_true(str_starts(text, got));
        if (reading.problem.failure == LLM_OK) {
            assert_true(str_eq(text, got));
            n_whole++;
        }
        answer_stream_done(&reading.stream);
    }
    assert_true(n_whole > 0); /* those that end behind the finish_reason */
    answer_stream_done(&whole.stream);
}

static void an_answer_past_its_limit_is_cut_between_characters(void **state)
{
    struct reading reading;
    static const char body[] = PIECE("好好") DONE;
    answer_stream_init(&reading.stream, openai_dialect_of("m", 0), 4);
    assert_false(answer_stream_feed(&reading.stream, STR_LIT(body)));
    const struct problem ended = {0};
    answer_stream_judge(&reading.stream, &ended, &reading.problem);
    assert_int_equal(reading.problem.failure, LLM_FAIL_TOO_LARGE);
    assert_string_equal(text_of(&reading), "好");
    answer_stream_done(&reading.stream);
}

static void usage_is_read_wherever_it_stands(void **state)
{
    static const char *const places[] = {
        PIECE("x") USAGE DONE,
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\","
        "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}]}\n\n" DONE,
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":null}\n\n" USAGE DONE,
    };
    for (size_t i = 0; i < 3; i++) {
        struct reading reading;
        read_in_two(&reading, "m", str_of(places[i]), 0);
        assert_int_equal(reading.stream.usage.prompt_tokens, 9);
        assert_int_equal(reading.stream.usage.completion_tokens, 2);
        answer_stream_done(&reading.stream);
    }
}

static void the_transfers_failure_counts_only_while_the_answer_is_open(void **state)
{
    struct problem transfer;
    struct reading reading;
    problem_set(&transfer, LLM_FAIL_TIMEOUT, true, "silence");
    read_in_two(&reading, "m", str_of(PIECE("x")), 0);
    answer_stream_judge(&reading.stream, &transfer, &reading.problem);
    assert_int_equal(reading.problem.failure, LLM_FAIL_TIMEOUT);
    answer_stream_done(&reading.stream);
    read_in_two(&reading, "m", str_of(PIECE("x") DONE), 0);
    answer_stream_judge(&reading.stream, &transfer, &reading.problem);
    assert_int_equal(reading.problem.failure, LLM_OK);
    answer_stream_done(&reading.stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_servers_send),
        cmocka_unit_test(reads_the_same_cut_anywhere),
        cmocka_unit_test(a_stream_that_ends_early_is_never_a_success),
        cmocka_unit_test(an_answer_past_its_limit_is_cut_between_characters),
        cmocka_unit_test(usage_is_read_wherever_it_stands),
        cmocka_unit_test(the_transfers_failure_counts_only_while_the_answer_is_open),
    };
    return cmocka_run_group_tests_name("answer_stream", tests, NULL, NULL);
}
