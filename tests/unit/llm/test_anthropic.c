#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ask_fixture.h"
#include "llm/answer_stream.h"
#include "llm/anthropic.h"
#include "util/mem.h"

#define EVENT(type, members) "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"
#define START                                                                                  \
    EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":"     \
                           "\"assistant\",\"content\":[],\"stop_reason\":null,\"usage\":{"     \
                           "\"input_tokens\":9,\"cache_read_input_tokens\":20,"                \
                           "\"cache_creation_input_tokens\":100,\"output_tokens\":1}}")        \
    EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":" \
                                 "\"\"}")
#define PING EVENT("ping", "")
#define DELTA(members) EVENT("content_block_delta", ",\"index\":0,\"delta\":{" members "}")
#define TEXT(text) DELTA("\"type\":\"text_delta\",\"text\":\"" text "\"")
#define STOP(reason)                                               \
    EVENT("content_block_stop", ",\"index\":0")                    \
    EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"" reason \
                           "\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":3}")
#define END EVENT("message_stop", "")
#define WHOLE(content, reason)                                                           \
    "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":" content \
    ",\"stop_reason\":\"" reason "\",\"usage\":{\"input_tokens\":9,\"output_tokens\":3}}"
#define ERROR(type, message) \
    "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"" message "\"}}"

static const struct {
    const char *name;
    const char *body;
    const char *text;
    enum llm_failure failure;
} bodies[] = {
    {"streamed", START PING TEXT("Hel") TEXT("lo") STOP("end_turn") END, "Hello", LLM_OK},
    {"no message_stop", START TEXT("Hello") STOP("end_turn"), "Hello", LLM_OK},
    {"cut", START TEXT("Hello"), "Hello", LLM_FAIL_CUT},
    {"thinking is not shown",
     START DELTA("\"type\":\"thinking_delta\",\"thinking\":\"hidden\"") DELTA(
         "\"type\":\"signature_delta\",\"signature\":\"x\"") TEXT("shown") STOP("end_turn") END,
     "shown", LLM_OK},
    {"unknown events and deltas",
     START EVENT("news", ",\"text\":\"no\"") DELTA("\"type\":\"citations_delta\",\"citation\":{}")
         TEXT("x") STOP("stop_sequence") END,
     "x", LLM_OK},
    {"a limit", START TEXT("x") STOP("max_tokens") END, "x", LLM_OK},
    {"a limit without text", START STOP("max_tokens") END, "", LLM_FAIL_THOUGHT_OUT},
    {"a full context", START STOP("model_context_window_exceeded") END, "", LLM_FAIL_TOO_LONG},
    {"refused", START STOP("refusal") END, "", LLM_FAIL_REFUSED},
    {"refused in the middle", START TEXT("x") STOP("refusal") END, "x", LLM_FAIL_REFUSED},
    {"overloaded in the middle",
     START TEXT("x") "event: error\ndata: " ERROR("overloaded_error", "Overloaded") "\n\n", "x",
     LLM_FAIL_BUSY},
    {"an error of the server's", "event: error\ndata: " ERROR("api_error", "oops") "\n\n", "",
     LLM_FAIL_BUSY},
    {"not streamed",
     WHOLE("[{\"type\":\"thinking\",\"thinking\":\"hidden\"},{\"type\":\"text\",\"text\":\"Hel\"},"
           "{\"type\":\"text\",\"text\":\"lo\"}]",
           "end_turn"),
     "Hello", LLM_OK},
    {"not streamed and empty", WHOLE("[]", "end_turn"), "", LLM_FAIL_EMPTY},
    {"no message", "{\"hello\":1}", "", LLM_FAIL_GARBLED},
};

static void what_is_streamed_reads_the_same_cut_anywhere(void **state)
{
    const struct dialect *dialect = anthropic_provider.dialect_of("m", 0);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct str body = str_of(bodies[i].body);
        for (size_t cut = 0; cut < body.n; cut++) {
            struct answer_stream stream;
            struct problem problem;
            const struct problem ended = {0};
            answer_stream_init(&stream, dialect, 1000);
            if (answer_stream_feed(&stream, str_sub(body, 0, cut)))
                (void)answer_stream_feed(&stream, str_sub(body, cut, body.n));
            answer_stream_finish(&stream);
            answer_stream_judge(&stream, &ended, &problem);
            if (problem.failure != bodies[i].failure ||
                strcmp(buf_cstr(&stream.text), bodies[i].text) != 0)
                fail_msg("%s cut at %zu: %s \"%s\"", bodies[i].name, cut,
                         llm_failure_name(problem.failure), buf_cstr(&stream.text));
            answer_stream_done(&stream);
        }
    }
}

static void all_input_counts_as_input(void **state)
{
    struct answer_stream stream;
    answer_stream_init(&stream, anthropic_provider.dialect_of("m", 0), 1000);
    assert_true(answer_stream_feed(&stream, STR_LIT(START TEXT("x") STOP("end_turn") END)));
    assert_int_equal(stream.usage.prompt_tokens, 129);
    assert_int_equal(stream.usage.completion_tokens, 3);
    answer_stream_done(&stream);
}

static void bodies_are_as_the_interface_wants_them(void **state)
{
    static char model[] = "claude-x", prompt[] = "Be brief.", nothing[] = "";
    static const struct llm_message talk[] = {
        {LLM_ASSISTANT, "not first"}, {LLM_USER, "一"},    {LLM_USER, "two"},
        {LLM_ASSISTANT, "three"},     {LLM_SYSTEM, "now"}, {LLM_ASSISTANT, " \n"},
        {LLM_ASSISTANT, "four"},      {LLM_USER, "five"}};
    static const struct {
        struct endpoint endpoint;
        unsigned repairs;
        size_t n_messages;
        const char *body;
    } cases[] = {
        {{.system_prompt = prompt},
         0,
         8,
         "{\"model\":\"claude-x\",\"system\":\"Be brief.\\n\\nnow\",\"messages\":["
         "{\"role\":\"user\",\"content\":\"一\\n\\ntwo\"},"
         "{\"role\":\"assistant\",\"content\":\"three\\n\\nfour\"},"
         "{\"role\":\"user\",\"content\":\"five\"}],\"max_tokens\":8192,\"stream\":true}"},
        {{.system_prompt = nothing,
          .max_answer_tokens = 100,
          .has_temperature = true,
          .temperature = 0.5},
         0,
         2,
         "{\"model\":\"claude-x\",\"messages\":[{\"role\":\"user\",\"content\":\"一\"}],"
         "\"max_tokens\":100,\"stream\":true,\"temperature\":0.5}"},
        {{.system_prompt = nothing, .max_answer_tokens = 90000, .has_temperature = true},
         REPAIR_NO_TEMPERATURE | REPAIR_OTHER_TOKEN_LIMIT | REPAIR_NO_STREAM,
         2,
         "{\"model\":\"claude-x\",\"messages\":[{\"role\":\"user\",\"content\":\"一\"}],"
         "\"max_tokens\":4096}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct endpoint endpoint = cases[i].endpoint;
        struct buf body = BUF_INIT(10000);
        endpoint.model = model;
        assert_int_equal(dialect_write_body(anthropic_provider.dialect_of(model, 0), &endpoint,
                                            cases[i].repairs, talk, cases[i].n_messages, &body),
                         ST_OK);
        assert_string_equal(buf_cstr(&body), cases[i].body);
        buf_done(&body);
    }
}

static const struct {
    const char *name;
    struct reply reply;
    enum llm_failure failure;
    int tries;
} failures[] = {
    {"wrong key",
     {REFUSAL("401 Unauthorized", "", ERROR("authentication_error", "invalid x-api-key"))},
     LLM_FAIL_AUTH,
     1},
    {"no money",
     {REFUSAL("402 Payment Required", "", ERROR("billing_error", "m"))},
     LLM_FAIL_QUOTA,
     1},
    {"no credit",
     {REFUSAL("400 Bad Request", "",
              ERROR("invalid_request_error", "Your credit balance is too low to access"))},
     LLM_FAIL_QUOTA,
     1},
    {"no such model",
     {REFUSAL("404 Not Found", "", ERROR("not_found_error", "model: x"))},
     LLM_FAIL_MODEL,
     1},
    {"too long",
     {REFUSAL("400 Bad Request", "",
              ERROR("invalid_request_error", "prompt is too long: 3 tokens > 2 maximum"))},
     LLM_FAIL_TOO_LONG,
     1},
    {"too large",
     {REFUSAL("413 Too Large", "", ERROR("request_too_large", "m"))},
     LLM_FAIL_TOO_LONG,
     1},
    {"rate", {REFUSAL("429 Too Many", "", ERROR("rate_limit_error", "m"))}, LLM_FAIL_RATE, 3},
    {"overloaded",
     {REFUSAL("529 Overloaded", "", ERROR("overloaded_error", "m"))},
     LLM_FAIL_BUSY,
     3},
};

static void every_failure_is_told(void **state)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        const struct reply replies[] = {failures[i].reply, {0}};
        struct ask_fixture fixture;
        struct question question = {0};
        ask_fixture_begin(&fixture, replies);
        fixture.provider = &anthropic_provider;
        ask_fixture_open(&fixture);
        question_run(&question, &fixture);
        if (question.failure != failures[i].failure || question.tries != failures[i].tries)
            fail_msg("%s: %s after %d", failures[i].name, llm_failure_name(question.failure),
                     question.tries);
        question_done(&question);
        ask_fixture_end(&fixture);
    }
}

static void refused_parameters_are_repaired(void **state)
{
    const struct reply replies[] = {
        {REFUSAL("400 Bad Request", "",
                 ERROR("invalid_request_error", "`temperature` is not supported for this model"))},
        {REFUSAL("400 Bad Request", "",
                 ERROR("invalid_request_error",
                       "max_tokens: 8192 > 4096, which is the maximum allowed number of output "
                       "tokens"))},
        {HEAD_EVENTS START TEXT("Hello") STOP("end_turn") END},
        {0}};
    struct ask_fixture fixture;
    struct question question = {0};
    ask_fixture_begin(&fixture, replies);
    fixture.provider = &anthropic_provider;
    fixture.settings.has_temperature = true;
    ask_fixture_open(&fixture);
    question_run(&question, &fixture);
    assert_int_equal(question.failure, LLM_OK);
    assert_string_equal(buf_cstr(&question.text), "Hello");
    DB_CLEANUP(json_unref) json_t *body = ask_fixture_body(&fixture, 3);
    assert_null(json_object_get(body, "temperature"));
    assert_int_equal(json_i64(body, "max_tokens", 0), 4096);
    DB_CLEANUP(free_charp) char *log = scripted_server_log(fixture.server);
    assert_non_null(strstr(log, "POST /v1/messages HTTP/1.1"));
    assert_non_null(strstr(log, "x-api-key: sk-test-0123456789\r\n"));
    assert_non_null(strstr(log, "anthropic-version: 2023-06-01\r\n"));
    question_done(&question);
    ask_fixture_end(&fixture);
}

struct outcomes {
    int n;
    enum llm_failure image, balance;
};

static void on_image(uint64_t id, const struct llm_image *image, void *arg)
{
    struct outcomes *outcomes = arg;
    outcomes->n++;
    outcomes->image = image->outcome.failure;
}

static void on_balance(uint64_t id, const struct llm_balance *balance, void *arg)
{
    struct outcomes *outcomes = arg;
    outcomes->n++;
    outcomes->balance = balance->outcome.failure;
}

static bool are_both_there(void *arg)
{
    return ((struct outcomes *)arg)->n == 2;
}

static void images_and_balances_are_not_asked_for(void **state)
{
    const struct reply replies[] = {{ANSWER}, {0}};
    struct ask_fixture fixture;
    struct outcomes outcomes = {0};
    ask_fixture_begin(&fixture, replies);
    fixture.provider = &anthropic_provider;
    ask_fixture_open(&fixture);
    (void)llm_draw(fixture.llm, "a panda", on_image, &outcomes);
    (void)llm_balance(fixture.llm, on_balance, &outcomes);
    run_until(&fixture, are_both_there, &outcomes);
    assert_int_equal(outcomes.image, LLM_FAIL_UNSUPPORTED);
    assert_int_equal(outcomes.balance, LLM_FAIL_UNSUPPORTED);
    assert_int_equal(ask_fixture_requests(), 0);
    ask_fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_streamed_reads_the_same_cut_anywhere),
        cmocka_unit_test(all_input_counts_as_input),
        cmocka_unit_test(bodies_are_as_the_interface_wants_them),
        cmocka_unit_test(every_failure_is_told),
        cmocka_unit_test(refused_parameters_are_repaired),
        cmocka_unit_test(images_and_balances_are_not_asked_for),
    };
    return cmocka_run_group_tests_name("anthropic", tests, NULL, NULL);
}
