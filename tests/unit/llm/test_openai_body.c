#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "llm/endpoint.h"
#include "llm/openai_body.h"

static const struct llm_message talk[] = {
    {LLM_USER, "一"},
    {LLM_ASSISTANT, "two"},
    {LLM_USER, "three"},
};

static char chat_model[] = "gpt-4o";
static char new_model[] = "gpt-5.4-mini";
static char old_model[] = "davinci-002";
static char prompt[] = "Be brief.";
static char nothing[] = "";

static void write_body(const struct endpoint *endpoint, unsigned repairs, struct buf *out)
{
    *out = BUF_INIT(10000);
    assert_int_equal(dialect_write_body(openai_dialect_of((endpoint)->model, repairs), endpoint,
                                        repairs, talk, 3, out),
                     ST_OK);
}

static const struct {
    const char *name;
    char *model;
    char *system_prompt;
    bool has_temperature;
    int64_t max_answer_tokens;
    unsigned repairs;
    const char *body;
} bodies[] = {
    {"as little as possible", chat_model, nothing, false, 0, 0,
     "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"一\"},"
     "{\"role\":\"assistant\",\"content\":\"two\"},{\"role\":\"user\",\"content\":\"three\"}],"
     "\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
    {"all that is configured", chat_model, prompt, true, 77, 0,
     "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
     "{\"role\":\"user\",\"content\":\"一\"},"
     "{\"role\":\"assistant\",\"content\":\"two\"},{\"role\":\"user\",\"content\":\"three\"}],"
     "\"max_tokens\":77,\"stream\":true,\"stream_options\":{\"include_usage\":true},"
     "\"temperature\":0.5}"},
    {"repaired all over", chat_model, prompt, true, 77,
     REPAIR_NO_TEMPERATURE | REPAIR_NO_STREAM | REPAIR_NO_TOKEN_LIMIT | REPAIR_SYSTEM_AS_USER,
     "{\"model\":\"gpt-4o\",\"messages\":["
     "{\"role\":\"user\",\"content\":\"Be brief.\\n\\n一\"},"
     "{\"role\":\"assistant\",\"content\":\"two\"},{\"role\":\"user\",\"content\":\"three\"}]}"},
    {"old completions", old_model, prompt, false, 0, 0,
     "{\"model\":\"davinci-002\",\"prompt\":\"Be brief.\\n\\nHuman: 一\\nAI: two\\nHuman: "
     "three\\nAI:\",\"stop\":[\"\\nHuman: \"],\"max_tokens\":1024,"
     "\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
    {"old completions, repaired", old_model, nothing, false, 5,
     REPAIR_NO_STOP | REPAIR_NO_STREAM_OPTIONS,
     "{\"model\":\"davinci-002\",\"prompt\":\"Human: 一\\nAI: two\\nHuman: three\\nAI:\","
     "\"max_tokens\":5,\"stream\":true}"},
};

static void bodies_hold_what_is_configured_and_no_more(void **state)
{
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        const struct endpoint endpoint = {.model = bodies[i].model,
                                          .system_prompt = bodies[i].system_prompt,
                                          .has_temperature = bodies[i].has_temperature,
                                          .temperature = 0.5,
                                          .max_answer_tokens = bodies[i].max_answer_tokens};
        struct buf body;
        write_body(&endpoint, bodies[i].repairs, &body);
        assert_string_equal(buf_cstr(&body), bodies[i].body);
        buf_done(&body);
    }
}

static void the_answers_limit_has_the_name_that_the_model_knows(void **state)
{
    struct endpoint endpoint = {
        .model = new_model, .system_prompt = nothing, .max_answer_tokens = 9};
    static const struct {
        unsigned repairs;
        bool has_new, has_old;
    } cases[] = {{0, true, false},
                 {REPAIR_OTHER_TOKEN_LIMIT, false, true},
                 {REPAIR_OTHER_TOKEN_LIMIT | REPAIR_NO_TOKEN_LIMIT, false, false}};
    for (size_t i = 0; i < 3; i++) {
        struct buf body;
        write_body(&endpoint, cases[i].repairs, &body);
        assert_int_equal(strstr(buf_cstr(&body), "\"max_completion_tokens\":9") != NULL,
                         cases[i].has_new);
        assert_int_equal(strstr(buf_cstr(&body), "\"max_tokens\":9") != NULL, cases[i].has_old);
        buf_done(&body);
    }
}

static void texts_that_are_not_utf8_are_refused(void **state)
{
    const struct endpoint endpoint = {.model = chat_model, .system_prompt = nothing};
    const struct llm_message broken = {LLM_USER, "a\xFF"};
    struct buf body = BUF_INIT(1000);
    assert_int_equal(dialect_write_body(openai_dialect_of((&endpoint)->model, 0), &endpoint, 0,
                                        &broken, 1, &body),
                     ST_INVAL);
    buf_done(&body);
}

static void models_find_their_dialect(void **state)
{
    static const char *const old[] = {"text-davinci-003",
                                      "davinci",
                                      "davinci-002",
                                      "curie",
                                      "babbage-002",
                                      "ada",
                                      "ada:ft-x",
                                      "gpt-3.5-turbo-instruct",
                                      "gpt-3.5-turbo-instruct-0914"};
    static const char *const chat[] = {"gpt-4o",         "deepseek-flash",
                                       "qwen-max",       "Llama-3-8B-Instruct",
                                       "text-embedding", "my-davinci"};
    for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
        assert_string_equal(openai_dialect_of(old[i], 0)->path, "/completions");
        assert_string_equal(openai_dialect_of(old[i], REPAIR_OTHER_DIALECT)->path,
                            "/chat/completions");
    }
    for (size_t i = 0; i < sizeof(chat) / sizeof(chat[0]); i++) {
        assert_string_equal(openai_dialect_of(chat[i], 0)->path, "/chat/completions");
        assert_string_equal(openai_dialect_of(chat[i], REPAIR_OTHER_DIALECT)->path, "/completions");
    }
}

static void reasoning_models_are_known_by_their_names(void **state)
{
    static const char *const yes[] = {"o1",           "o3-mini", "o4-mini-2025-04-16", "gpt-5",
                                      "gpt-5-mini",   "gpt-5.1", "gpt-5.4-mini",       "gpt-6-sol",
                                      "gpt-5.2-chat", "gpt-12",  "openai/gpt-5"};
    static const char *const no[] = {
        "gpt-4o", "gpt-4.1", "gpt-3.5-turbo", "gpt-5-chat-latest", "gpt-oss-120b",
        "o",      "o1x",     "omni",          "deepseek-v4",       "gpt-",
        "",       "gpt-5x"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        if (!openai_is_reasoning_model(yes[i]))
            fail_msg("%s is one", yes[i]);
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        if (openai_is_reasoning_model(no[i]))
            fail_msg("%s is none", no[i]);
}

static const struct {
    enum llm_failure failure;
    const char *param, *message;
    unsigned done;
    enum repair repair;
} refusals[] = {
    {LLM_FAIL_REQUEST, "max_tokens", "", 0, REPAIR_OTHER_TOKEN_LIMIT},
    {LLM_FAIL_REQUEST, "max_completion_tokens", "", 0, REPAIR_OTHER_TOKEN_LIMIT},
    {LLM_FAIL_REQUEST, "",
     "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
     "'max_completion_tokens' instead.",
     0, REPAIR_OTHER_TOKEN_LIMIT},
    {LLM_FAIL_REQUEST, "max_tokens", "", REPAIR_OTHER_TOKEN_LIMIT, REPAIR_NO_TOKEN_LIMIT},
    {LLM_FAIL_REQUEST, "max_tokens", "", REPAIR_OTHER_TOKEN_LIMIT | REPAIR_NO_TOKEN_LIMIT,
     REPAIR_NONE},
    {LLM_FAIL_REQUEST, "", "invalid temperature: only 1 is allowed for this model", 0,
     REPAIR_NO_TEMPERATURE},
    {LLM_FAIL_REQUEST, "temperature", "", REPAIR_NO_TEMPERATURE, REPAIR_NONE},
    {LLM_FAIL_REQUEST, "stream_options", "", 0, REPAIR_NO_STREAM_OPTIONS},
    {LLM_FAIL_REQUEST, "", "Unrecognized request argument supplied: stream_options", 0,
     REPAIR_NO_STREAM_OPTIONS},
    {LLM_FAIL_REQUEST, "stream", "must be verified to stream", 0, REPAIR_NO_STREAM},
    {LLM_FAIL_REQUEST, "stop", "", 0, REPAIR_NO_STOP},
    {LLM_FAIL_REQUEST, "response_format", "", 0, REPAIR_NO_RESPONSE_FORMAT},
    {LLM_FAIL_REQUEST, "messages[0].role", "'messages[0].role' does not support 'system'", 0,
     REPAIR_SYSTEM_AS_USER},
    {LLM_FAIL_REQUEST, "", "System role not supported", 0, REPAIR_SYSTEM_AS_USER},
    {LLM_FAIL_REQUEST, "", "internal system problem", 0, REPAIR_NONE},
    {LLM_FAIL_REQUEST, "", "something else", 0, REPAIR_NONE},
    {LLM_FAIL_MODEL, "",
     "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you "
     "mean to use v1/completions?",
     0, REPAIR_OTHER_DIALECT},
    {LLM_FAIL_MODEL, "", "v1/completions", REPAIR_OTHER_DIALECT, REPAIR_NONE},
    {LLM_FAIL_MODEL, "", "no such model", 0, REPAIR_NONE},
    {LLM_FAIL_TOO_LONG, "max_tokens", "", 0, REPAIR_NONE},
    {LLM_FAIL_AUTH, "max_tokens", "", 0, REPAIR_NONE},
};

static void refusals_find_their_repair(void **state)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct problem problem = {.failure = refusals[i].failure};
        (void)snprintf(problem.param, sizeof(problem.param), "%s", refusals[i].param);
        (void)snprintf(problem.message, sizeof(problem.message), "%s", refusals[i].message);
        if (repair_for(&problem, refusals[i].done) != refusals[i].repair)
            fail_msg("%s / %s: %d", refusals[i].param, refusals[i].message,
                     repair_for(&problem, refusals[i].done));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_hold_what_is_configured_and_no_more),
        cmocka_unit_test(the_answers_limit_has_the_name_that_the_model_knows),
        cmocka_unit_test(texts_that_are_not_utf8_are_refused),
        cmocka_unit_test(models_find_their_dialect),
        cmocka_unit_test(reasoning_models_are_known_by_their_names),
        cmocka_unit_test(refusals_find_their_repair),
    };
    return cmocka_run_group_tests_name("openai_body", tests, NULL, NULL);
}
