#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask_fixture.h"
#include "util/mem.h"

struct examination {
    uint64_t id;
    bool has_started;
    int n_done;
    struct llm_check check;
};

static void on_checked(uint64_t id, const struct llm_check *check, void *arg)
{
    struct examination *examination = arg;
    assert_true(examination->has_started);
    assert_int_equal(id, examination->id);
    examination->n_done++;
    examination->check = *check;
}

static void examination_start(struct examination *examination, struct ask_fixture *fixture)
{
    examination->id = llm_check(fixture->llm, on_checked, examination);
    examination->has_started = true;
}

static bool is_checked(void *arg)
{
    return ((struct examination *)arg)->n_done > 0;
}

static void examine(struct examination *examination, const struct reply *replies, const char *model)
{
    struct ask_fixture fixture;
    ask_fixture_begin(&fixture, replies);
    fixture.settings.model = model;
    ask_fixture_open(&fixture);
    fixture.endpoint->get_timeout_ms = 200;
    examination_start(examination, &fixture);
    run_until(&fixture, is_checked, examination);
    DB_CLEANUP(free_charp) char *log = scripted_server_log(fixture.server);
    assert_non_null(strstr(log, "GET /v1/models HTTP/1.1\r\n"));
    assert_non_null(strstr(log, "Authorization: Bearer sk-test-0123456789\r\n"));
    assert_int_equal(examination->n_done, 1);
    assert_int_equal(examination->check.outcome.tries, ask_fixture_requests());
    assert_int_equal(map_count(fixture.endpoint->exchanges), 0);
    ask_fixture_end(&fixture);
}

static void lists_are_read(void **state)
{
    static const struct {
        const char *list;
        const char *model;
        bool has_list, is_known;
        const char *shutdown_date, *nearest;
    } lists[] = {
        {"{\"data\":[{\"id\":\"a\"},{\"id\":\"gpt-9\",\"shutdown_date\":null}]}", "gpt-9", true,
         true, "", ""},
        {"{\"data\":[{\"id\":\"gpt-8\"},{\"id\":\"gpt-9\",\"shutdown_date\":\"2027-01-14\"}]}",
         "gpt-9", true, true, "2027-01-14", ""},
        {"{\"data\":[{\"id\":\"gpt-9\",\"shutdown_date\":\"\\u001b[31mred\"}]}", "gpt-9", true,
         true, "", ""},
        {"{\"data\":[{\"id\":\"gpt-9\",\"shutdown_date\":\"a date that is far too long\"}]}",
         "gpt-9", true, true, "", ""},
        {"{\"data\":[{\"id\":\"models/gemini-9\"}]}", "gemini-9", true, true, "", ""},
        {"{\"data\":[{\"id\":\"models/gemini-9\"}]}", "models/gemini-9", true, true, "", ""},
        {"[{\"id\":\"gpt-9\"}]", "gpt-9", true, true, "", ""},
        {"{\"data\":[{\"id\":\"deepseek-flash\"},{\"id\":\"deepseek-chat\"}]}", "deepseek-flsh",
         true, false, "", "deepseek-flash"},
        {"{\"data\":[{\"id\":\"gpt-9x\\u001b[0m\"},{\"id\":\"gpt-9 x\"}]}", "gpt-9x", true, false,
         "", ""},
        {"{\"data\":[{\"id\":\"quite-another\"}]}", "gpt-9", true, false, "", ""},
        {"{\"data\":[7,null,{\"id\":7},{}]}", "gpt-9", true, false, "", ""},
        {"{\"data\":[]}", "gpt-9", true, false, "", ""},
        {"{\"data\":null}", "gpt-9", false, false, "", ""},
        {"{}", "gpt-9", false, false, "", ""},
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        DB_CLEANUP(free_charp) char *text = xasprintf("%s%s", HEAD_JSON, lists[i].list);
        const struct reply replies[] = {{text}, {0}};
        struct examination examination = {0};
        print_message("%s\n", lists[i].list);
        examine(&examination, replies, lists[i].model);
        const struct llm_check *check = &examination.check;
        assert_int_equal(check->outcome.failure, LLM_OK);
        assert_int_equal(check->has_model_list, lists[i].has_list);
        assert_int_equal(check->is_model_known, lists[i].is_known);
        assert_string_equal(check->shutdown_date, lists[i].shutdown_date);
        assert_string_equal(check->nearest, lists[i].nearest);
    }
}

static void failures_are_told_and_a_missing_list_is_none(void **state)
{
    static const struct {
        struct reply replies[2];
        enum llm_failure failure;
        int tries;
    } answers[] = {
        {{{REFUSAL("404 No", "", "{}")}}, LLM_OK, 1},
        {{{REFUSAL("405 No", "", "{}")}}, LLM_OK, 1},
        {{{REFUSAL("501 No", "", "{}")}}, LLM_OK, 2},
        {{{REFUSAL("401 No", "", "{\"error\":{\"message\":\"bad key\"}}")}}, LLM_FAIL_AUTH, 1},
        {{{REFUSAL("429 No", "", "{\"error\":{\"code\":\"insufficient_quota\"}}")}},
         LLM_FAIL_QUOTA,
         1},
        {{{REFUSAL("302 Found", "Location: /x\r\n", "")}}, LLM_FAIL_MODEL, 1},
        {{{REFUSAL("503 Busy", "", "{}")}}, LLM_FAIL_BUSY, 2},
        {{{REFUSAL("429 Slow", "Retry-After: 30\r\n", "{}")}}, LLM_FAIL_RATE, 1},
        {{{HEAD_JSON "<html>"}}, LLM_FAIL_GARBLED, 1},
        {{{HEAD_JSON "{\"error\":{\"code\":\"invalid_api_key\"}}"}}, LLM_FAIL_AUTH, 1},
        {{{"", 0, REPLY_HANG}}, LLM_FAIL_TIMEOUT, 2},
        {{{HEAD_JSON, 0, REPLY_DRIP}}, LLM_FAIL_TIMEOUT, 2},
        {{{"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"}}, LLM_FAIL_CUT, 2},
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const struct reply replies[] = {answers[i].replies[0], {0}};
        struct examination examination = {0};
        examine(&examination, replies, "gpt-9");
        print_message("%d: %s\n", (int)i, examination.check.outcome.error.text);
        assert_int_equal(examination.check.outcome.failure, answers[i].failure);
        assert_int_equal(examination.check.outcome.tries, answers[i].tries);
        assert_false(examination.check.has_model_list);
    }
}

static void a_second_try_may_succeed(void **state)
{
    static const struct reply replies[] = {
        {REFUSAL("503 Busy", "", "{}")}, {HEAD_JSON "{\"data\":[{\"id\":\"gpt-9\"}]}"}, {0}};
    struct examination examination = {0};
    examine(&examination, replies, "gpt-9");
    assert_true(examination.check.is_model_known);
}

static void cancelling_is_silent_in_every_state(void **state)
{
    static const struct {
        struct reply replies[2];
        int n_requests;
    } states[] = {
        {{{"", 0, REPLY_HANG}}, 0},
        {{{"", 0, REPLY_HANG}}, 1},
        {{{HEAD_JSON "{", 0, REPLY_HANG}}, 1},
        {{{REFUSAL("503 Busy", "Retry-After: 5\r\n", "{}")}}, 1},
    };
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct ask_fixture fixture;
        struct examination examination = {0};
        ask_fixture_begin(&fixture, states[i].replies);
        ask_fixture_open(&fixture);
        examination_start(&examination, &fixture);
        if (states[i].n_requests > 0) {
            run_until_requests(&fixture, states[i].n_requests);
            run_for_ms(&fixture, 20);
        }
        llm_cancel(fixture.llm, examination.id);
        llm_cancel(fixture.llm, examination.id);
        run_for_ms(&fixture, 20);
        assert_int_equal(examination.n_done, 0);
        assert_int_equal(map_count(fixture.endpoint->exchanges), 0);
        ask_fixture_end(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(failures_are_told_and_a_missing_list_is_none),
        cmocka_unit_test(a_second_try_may_succeed),
        cmocka_unit_test(cancelling_is_silent_in_every_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
