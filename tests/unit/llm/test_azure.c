#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ask_fixture.h"

#include "llm/azure.h"
#include "util/mem.h"

#define RESOURCE "https://res.openai.azure.com"

static const struct {
    struct azure_place place;
    const char *root, *image_root, *models_root, *query;
} rows[] = {
    {{"res", "chat", "pic", "2024-10-21", ""},
     RESOURCE "/openai/deployments/chat",
     RESOURCE "/openai/deployments/pic",
     RESOURCE "/openai",
     "?api-version=2024-10-21"},
    {{"res", "chat", "pic", "", ""},
     RESOURCE "/openai/v1",
     RESOURCE "/openai/v1",
     RESOURCE "/openai/v1",
     ""},
    {{"res", "chat", "pic", "v1", ""},
     RESOURCE "/openai/v1",
     RESOURCE "/openai/v1",
     RESOURCE "/openai/v1",
     ""},
    {{"res", "chat", "pic", "preview", ""},
     RESOURCE "/openai/v1",
     RESOURCE "/openai/v1",
     RESOURCE "/openai/v1",
     "?api-version=preview"},
    {{"res", "my chat/对", "pic", "2024-10-21", ""},
     RESOURCE "/openai/deployments/my%20chat%2F%E5%AF%B9",
     RESOURCE "/openai/deployments/pic",
     RESOURCE "/openai",
     "?api-version=2024-10-21"},
    /* The address that OpenAI itself has says nothing about Azure. */
    {{"res", "chat", "pic", "", "https://api.openai.com"},
     RESOURCE "/openai/v1",
     RESOURCE "/openai/v1",
     RESOURCE "/openai/v1",
     ""},
    {{"", "chat", "pic", "2024-10-21", "https://private.example"},
     "https://private.example/openai/deployments/chat",
     "https://private.example/openai/deployments/pic",
     "https://private.example/openai",
     "?api-version=2024-10-21"},
    {{"ignored", "chat", "pic", "", "https://gate.example:8443/team/openai/deployments/other/"},
     "https://gate.example:8443/team/openai/v1",
     "https://gate.example:8443/team/openai/v1",
     "https://gate.example:8443/team/openai/v1",
     ""},
    {{"", "chat", "pic", "v1", "https://res.openai.azure.com/openai/v1/"},
     RESOURCE "/openai/v1",
     RESOURCE "/openai/v1",
     RESOURCE "/openai/v1",
     ""},
    {{"", "chat", "pic", "v1", "https://res.services.ai.azure.com/openai"},
     "https://res.services.ai.azure.com/openai/v1",
     "https://res.services.ai.azure.com/openai/v1",
     "https://res.services.ai.azure.com/openai/v1",
     ""},
    {{"", "chat", "pic", "v1", "http://127.0.0.1:9"},
     "http://127.0.0.1:9/openai/v1",
     "http://127.0.0.1:9/openai/v1",
     "http://127.0.0.1:9/openai/v1",
     ""},
};

static void finds_every_address(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct azure_roots roots;
        assert_int_equal(azure_find_roots(&rows[i].place, &roots, NULL), ST_OK);
        assert_string_equal(roots.root, rows[i].root);
        assert_string_equal(roots.image_root, rows[i].image_root);
        assert_string_equal(roots.models_root, rows[i].models_root);
        assert_string_equal(roots.query, rows[i].query);
    }
}

static void refuses_what_makes_no_address(void **state)
{
    char long_name[2000];
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    const struct azure_place places[] = {
        {"", "chat", "", "v1", ""},
        {"evil.example/", "chat", "", "v1", ""},
        {"res", "", "", "v1", ""},
        {"res", "chat", "", "2024-10-21&x=y", ""},
        {"res", "chat", "", "v1", "ftp://x"},
        {"res", long_name, "", "2024-10-21", ""},
        {"res", "chat", long_name, "2024-10-21", ""},
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct azure_roots roots;
        struct error error = {0};
        assert_int_not_equal(azure_find_roots(&places[i], &roots, &error), ST_OK);
        assert_true(error.text[0] != '\0');
    }
}

#define FILTER_RESULTS \
    "\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"}}"

static const struct {
    const char *name;
    struct reply reply;
    enum llm_failure failure;
    const char *text;
} answers[] = {
    {"the filter's chunk first, filter chunks without a delta",
     {HEAD_EVENTS
      "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\","
      "\"prompt_filter_results\":[{\"prompt_index\":0," FILTER_RESULTS "}]}\n\n"
      "data: "
      "{\"choices\":[{\"index\":0,\"finish_reason\":null,\"content_filter_offsets\":{}"
      "," FILTER_RESULTS "}]}\n\n" PIECE("Hello")
          FINISH("stop") "data: {\"choices\":[{\"index\":0,\"finish_reason\":null," FILTER_RESULTS
                         "}]}\n\n" DONE},
     LLM_OK,
     "Hello"},
    {"filtered in the middle",
     {HEAD_EVENTS PIECE("Hel") FINISH("content_filter") DONE},
     LLM_FAIL_REFUSED,
     "Hel"},
    {"the question filtered",
     {REFUSAL("400 Bad Request", "",
              "{\"error\":{\"message\":\"The response was filtered\",\"type\":null,\"param\":"
              "\"prompt\",\"code\":\"content_filter\",\"status\":400,\"innererror\":{\"code\":"
              "\"ResponsibleAIPolicyViolation\"}}}")},
     LLM_FAIL_REFUSED,
     ""},
    {"the question filtered, in other words",
     {REFUSAL("400 Bad Request", "",
              "{\"error\":{\"message\":\"no\",\"code\":null,\"innererror\":{\"code\":"
              "\"ResponsibleAIPolicyViolation\"}}}")},
     LLM_FAIL_REFUSED,
     ""},
    {"wrong key",
     {REFUSAL("401 Unauthorized", "",
              "{\"error\":{\"code\":\"401\",\"message\":\"invalid subscription key\"}}")},
     LLM_FAIL_AUTH,
     ""},
    {"no such deployment",
     {REFUSAL("404 Not Found", "", "{\"error\":{\"code\":\"DeploymentNotFound\"}}")},
     LLM_FAIL_MODEL,
     ""},
};

static void answers_with_azures_peculiarities_are_read(void **state)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const struct reply replies[] = {answers[i].reply, {0}};
        struct ask_fixture fixture;
        struct question question = {0};
        ask_fixture_begin(&fixture, replies);
        fixture.provider = &azure_provider;
        fixture.settings.query = "?api-version=2024-10-21";
        ask_fixture_open(&fixture);
        question_run(&question, &fixture);
        if (question.failure != answers[i].failure ||
            strcmp(buf_cstr(&question.text), answers[i].text) != 0)
            fail_msg("%s: %s \"%s\"", answers[i].name, llm_failure_name(question.failure),
                     question.error.text);
        DB_CLEANUP(free_charp) char *log = scripted_server_log(fixture.server);
        assert_non_null(strstr(log, "POST /v1/chat/completions?api-version=2024-10-21 HTTP/1.1"));
        assert_non_null(strstr(log, "api-key: sk-test-0123456789\r\n"));
        assert_null(strstr(log, "Authorization"));
        question_done(&question);
        ask_fixture_end(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_address),
        cmocka_unit_test(refuses_what_makes_no_address),
        cmocka_unit_test(answers_with_azures_peculiarities_are_read),
    };
    return cmocka_run_group_tests_name("azure", tests, NULL, NULL);
}
