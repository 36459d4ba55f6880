#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "llm/problem.h"
#include "util/json.h"
#include "util/log.h"
#include "util/mem.h"

#define ERROR(members) "{\"error\":{" members "}}"

static const struct {
    int http_status;
    const char *body;
    enum llm_failure failure;
    bool is_retryable;
    const char *reason; /* the whole of it; NULL: not looked at */
} refusals[] = {
    {401, ERROR("\"message\":\"Incorrect API key provided\",\"code\":\"invalid_api_key\""),
     LLM_FAIL_AUTH, false, "HTTP 401 invalid_api_key: Incorrect API key provided"},
    {401, "{}", LLM_FAIL_AUTH, false, "HTTP 401"},
    {401, "{\"error\":\"Unauthorized\"}", LLM_FAIL_AUTH, false, "HTTP 401: Unauthorized"},
    {402, ERROR("\"message\":\"Insufficient Balance\""), LLM_FAIL_QUOTA, false, NULL},
    {403, ERROR("\"message\":\"country not supported\""), LLM_FAIL_AUTH, false, NULL},
    {403, ERROR("\"code\":\"insufficient_user_quota\""), LLM_FAIL_QUOTA, false, NULL},
    {403, ERROR("\"type\":\"server_error\""), LLM_FAIL_BUSY, false, NULL},
    {400, ERROR("\"code\":\"Arrearage\""), LLM_FAIL_QUOTA, false, NULL},
    {400, ERROR("\"message\":\"API key not valid. Please pass\",\"code\":400"), LLM_FAIL_AUTH,
     false, NULL},
    {429, ERROR("\"type\":\"insufficient_quota\",\"code\":null"), LLM_FAIL_QUOTA, false, NULL},
    {429, ERROR("\"code\":\"credit_balance_exhausted\""), LLM_FAIL_QUOTA, false, NULL},
    {429,
     ERROR("\"type\":\"rate_limit_error\",\"details\":{\"error_code\":"
           "\"enforced_spend_limit_reached\"}"),
     LLM_FAIL_QUOTA, false, NULL},
    {429, ERROR("\"code\":\"rate_limit_exceeded\",\"type\":\"requests\""), LLM_FAIL_RATE, true,
     NULL},
    {429, ERROR("\"code\":\"429\",\"type\":null"), LLM_FAIL_RATE, true, NULL},
    {429, "Too many", LLM_FAIL_RATE, true, "HTTP 429"},
    {404, ERROR("\"code\":\"model_not_found\",\"message\":\"no such model\""), LLM_FAIL_MODEL,
     false, "HTTP 404 model_not_found: no such model"},
    {404, "<html>", LLM_FAIL_MODEL, false, "HTTP 404"},
    {405, "", LLM_FAIL_MODEL, false, NULL},
    {301, "", LLM_FAIL_MODEL, false, "HTTP 301: redirected, which base_url must not be"},
    {400, ERROR("\"code\":\"context_length_exceeded\",\"param\":\"messages\""), LLM_FAIL_TOO_LONG,
     false, NULL},
    {400, ERROR("\"message\":\"This model's Maximum Context Length is 8192\""), LLM_FAIL_TOO_LONG,
     false, NULL},
    {422, "{\"message\":\"Range of input length should be [1, 30720]\"}", LLM_FAIL_TOO_LONG, false,
     NULL},
    {413, "", LLM_FAIL_TOO_LONG, false, NULL},
    {400, ERROR("\"code\":\"content_filter\",\"message\":\"'the words' were filtered\""),
     LLM_FAIL_REFUSED, false, "HTTP 400 content_filter"},
    {400, ERROR("\"type\":\"invalid_request_error\",\"message\":\"bad\""), LLM_FAIL_REQUEST, false,
     "HTTP 400 invalid_request_error: bad"},
    {422,
     "{\"detail\":[{\"loc\":[\"body\",\"temperature\"],\"msg\":\"too hot\",\"input\":\"secret "
     "words\"}]}",
     LLM_FAIL_REQUEST, false, "HTTP 422: too hot"},
    {418, "", LLM_FAIL_REQUEST, false, NULL},
    {408, "", LLM_FAIL_TIMEOUT, true, NULL},
    {409, "", LLM_FAIL_BUSY, true, NULL},
    {500, ERROR("\"message\":\"m\",\"type\":\"server_error\""), LLM_FAIL_BUSY, true,
     "HTTP 500 server_error: m"},
    {502, "<html><h1>502 Bad Gateway", LLM_FAIL_BUSY, true, "HTTP 502"},
    {503, "{\"error\":{\"code\":503,\"message\":\"Loading model\"}}", LLM_FAIL_BUSY, true,
     "HTTP 503: Loading model"},
    {529, ERROR("\"type\":\"overloaded_error\""), LLM_FAIL_BUSY, true, NULL},
    {500, ERROR("\"code\":\"invalid_api_key\""), LLM_FAIL_AUTH, false, NULL},
    {502, ERROR("\"message\":\"Provider returned error\",\"metadata\":{\"raw\":\"it broke\"}"),
     LLM_FAIL_BUSY, true, "HTTP 502: it broke"},
};

static void every_refusal_has_its_failure(void **state)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct http_response response = {.http_status = refusals[i].http_status};
        struct problem problem;
        problem_classify(&response, str_of(refusals[i].body), &problem);
        if (problem.failure != refusals[i].failure ||
            problem.is_retryable != refusals[i].is_retryable ||
            (refusals[i].reason && strcmp(problem.error.text, refusals[i].reason) != 0))
            fail_msg("%d %s: %s, retry %d, \"%s\"", refusals[i].http_status, refusals[i].body,
                     llm_failure_name(problem.failure), problem.is_retryable, problem.error.text);
        assert_int_equal(problem.error.code, refusals[i].http_status);
        assert_int_not_equal(problem.error.status, ST_OK);
    }
}

static const struct {
    enum status status;
    int code;
    int http_status;
    enum llm_failure failure;
    bool is_retryable;
} transfers[] = {
    {ST_NET, 7, 0, LLM_FAIL_CONNECT, true},
    {ST_NET, 407, 0, LLM_FAIL_CONNECT, false},
    {ST_NET, 407, 407, LLM_FAIL_CONNECT, false},
    {ST_TLS, 60, 0, LLM_FAIL_CONNECT, true},
    {ST_NET, 56, 200, LLM_FAIL_CUT, true},
    {ST_PROTOCOL, 18, 200, LLM_FAIL_CUT, true},
    {ST_PROTOCOL, 8, 0, LLM_FAIL_GARBLED, false},
    {ST_TIMEOUT, 28, 0, LLM_FAIL_TIMEOUT, true},
    {ST_TIMEOUT, 28, 200, LLM_FAIL_TIMEOUT, true},
    {ST_TOO_LARGE, 0, 200, LLM_FAIL_TOO_LARGE, false},
    {ST_INVAL, 0, 0, LLM_FAIL_REQUEST, false},
    {ST_INTERNAL, 0, 0, LLM_FAIL_INTERNAL, false},
    {ST_NET, 56, 503, LLM_FAIL_BUSY, true},
    {ST_NET, 56, 401, LLM_FAIL_AUTH, false},
};

static void every_broken_transfer_has_its_failure(void **state)
{
    for (size_t i = 0; i < sizeof(transfers) / sizeof(transfers[0]); i++) {
        struct http_response response = {.http_status = transfers[i].http_status};
        (void)error_set(&response.error, transfers[i].status, transfers[i].code, "why");
        struct problem problem;
        problem_classify(&response, STR_LIT(""), &problem);
        assert_int_equal(problem.failure, transfers[i].failure);
        assert_int_equal(problem.is_retryable, transfers[i].is_retryable);
    }
}

static void a_whole_2xx_is_no_problem(void **state)
{
    const struct http_response response = {.http_status = 201};
    struct problem problem;
    problem_classify(&response, STR_LIT("anything"), &problem);
    assert_int_equal(problem.failure, LLM_OK);
}

static void reasons_hold_no_secret_and_no_line_break_and_are_short(void **state)
{
    const struct http_response response = {.http_status = 401};
    struct problem problem;
    problem_classify(&response,
                     STR_LIT(ERROR("\"message\":\"bad key sk-abcdefghijklmnop at "
                                   "https://u:p@x/y?key=1\\nnext\"")),
                     &problem);
    assert_null(strstr(problem.error.text, "abcdefgh"));
    assert_null(strstr(problem.error.text, "u:p"));
    assert_null(strstr(problem.error.text, "key=1"));
    assert_null(strchr(problem.error.text, '\n'));

    struct buf body = BUF_INIT(100000);
    (void)buf_puts(&body, "{\"error\":{\"message\":\"");
    for (int i = 0; i < 1000; i++)
        (void)buf_puts(&body, "长");
    (void)buf_puts(&body, "\"}}");
    problem_classify(&response, buf_str(&body), &problem);
    assert_true(strlen(problem.error.text) <= 200);
    assert_true(utf8_is_valid(str_of(problem.error.text)));
    assert_true(utf8_is_valid(str_of(problem.message)));
    buf_done(&body);
}

static void the_refused_parameter_is_kept(void **state)
{
    const struct http_response response = {.http_status = 422};
    struct problem problem;
    problem_classify(&response,
                     STR_LIT("{\"detail\":[{\"loc\":[\"body\",\"temperature\"],\"msg\":\"no\"}]}"),
                     &problem);
    assert_string_equal(problem.param, "temperature");
    problem_classify(&response, STR_LIT(ERROR("\"param\":\"max_tokens\",\"message\":\"no\"")),
                     &problem);
    assert_string_equal(problem.param, "max_tokens");
}

static const struct {
    const char *body;
    enum llm_failure failure;
    bool is_retryable;
} values[] = {
    {"{\"data\":[]}", LLM_OK, false},
    {"{\"error\":null}", LLM_OK, false},
    {"{\"error\":\"\"}", LLM_OK, false},
    {"{\"code\":0,\"message\":\"OK\"}", LLM_OK, false},
    {"{\"code\":20000,\"message\":\"OK\",\"data\":{}}", LLM_OK, false},
    {"{\"code\":30001,\"message\":\"no\"}", LLM_FAIL_BUSY, true},
    {ERROR("\"code\":429"), LLM_FAIL_RATE, true},
    {ERROR("\"code\":402"), LLM_FAIL_QUOTA, false},
    {ERROR("\"code\":\"unsupported_parameter\""), LLM_FAIL_REQUEST, false},
    {ERROR("\"message\":\"exceeds the available context size\""), LLM_FAIL_TOO_LONG, false},
    {ERROR("\"message\":5"), LLM_FAIL_BUSY, true},
    {"7", LLM_OK, false},
};

static void errors_inside_a_200_are_found(void **state)
{
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        DB_CLEANUP(json_unref) json_t *value = NULL;
        assert_int_equal(json_parse(str_of(values[i].body), &value, NULL), ST_OK);
        struct problem problem;
        problem_classify_json(value, &problem);
        if (problem.failure != values[i].failure || problem.is_retryable != values[i].is_retryable)
            fail_msg("%s: %s, retry %d", values[i].body, llm_failure_name(problem.failure),
                     problem.is_retryable);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_has_its_failure),
        cmocka_unit_test(every_broken_transfer_has_its_failure),
        cmocka_unit_test(a_whole_2xx_is_no_problem),
        cmocka_unit_test(reasons_hold_no_secret_and_no_line_break_and_are_short),
        cmocka_unit_test(the_refused_parameter_is_kept),
        cmocka_unit_test(errors_inside_a_200_are_found),
    };
    return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
