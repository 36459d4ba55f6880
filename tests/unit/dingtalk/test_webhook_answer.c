#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "dingtalk/webhook_answer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void reads_codes_and_statuses(void **state)
{
    static const struct {
        int http_status;
        const char *body;
        enum webhook_answer answer;
        enum status status;
        int code;
    } cases[] = {
        {200, "{\"errcode\":0,\"errmsg\":\"ok\"}", WEBHOOK_DELIVERED, ST_OK, 0},
        {200, "{\"errcode\":\"0\"}", WEBHOOK_DELIVERED, ST_OK, 0},
        {200, "{}", WEBHOOK_DELIVERED, ST_OK, 0},
        {200, "", WEBHOOK_DELIVERED, ST_OK, 0},
        {200, "{\"errcode\":-1,\"errmsg\":\"busy\"}", WEBHOOK_BUSY, ST_UPSTREAM, -1},
        {200, "{\"errcode\":\"-1\"}", WEBHOOK_BUSY, ST_UPSTREAM, -1},
        {200, "{\"errcode\":460101}", WEBHOOK_TOO_LONG, ST_UPSTREAM, 460101},
        {200, "{\"errcode\":\"460101\"}", WEBHOOK_TOO_LONG, ST_UPSTREAM, 460101},
        {200, "{\"errcode\":101002}", WEBHOOK_TOO_LONG, ST_UPSTREAM, 101002},
        {200, "{\"errcode\":130101}", WEBHOOK_THROTTLED, ST_LIMITED, 130101},
        {200, "{\"errcode\":\"410100\"}", WEBHOOK_THROTTLED, ST_LIMITED, 410100},
        {429, "", WEBHOOK_THROTTLED, ST_LIMITED, 429},
        {200, "{\"errcode\":300001}", WEBHOOK_EXPIRED, ST_NOT_FOUND, 300001},
        {200, "{\"errcode\":300005}", WEBHOOK_EXPIRED, ST_NOT_FOUND, 300005},
        {200, "{\"errcode\":\"session.expired\"}", WEBHOOK_EXPIRED, ST_NOT_FOUND, 0},
        {400, "{\"code\":\"session.notExisted\"}", WEBHOOK_EXPIRED, ST_NOT_FOUND, 0},
        {400, "{\"code\":\"other\"}", WEBHOOK_FAILED, ST_UPSTREAM, 0},
        {200, "{\"errcode\":430102}", WEBHOOK_REFUSED, ST_UPSTREAM, 430102},
        {200, "{\"errcode\":430104}", WEBHOOK_REFUSED, ST_UPSTREAM, 430104},
        {200, "{\"errcode\":310000}", WEBHOOK_FAILED, ST_UPSTREAM, 310000},
        {200, "{\"errcode\":99999999999}", WEBHOOK_FAILED, ST_UPSTREAM, 0},
        {200, "<html>", WEBHOOK_FAILED, ST_PROTOCOL, 200},
        {200, "[]", WEBHOOK_FAILED, ST_PROTOCOL, 200},
        {302, "", WEBHOOK_FAILED, ST_UPSTREAM, 302},
        {404, "", WEBHOOK_FAILED, ST_UPSTREAM, 404},
        {500, "<html>", WEBHOOK_BUSY, ST_UPSTREAM, 500},
        {503, "", WEBHOOK_BUSY, ST_UPSTREAM, 503},
        {503, "{}", WEBHOOK_BUSY, ST_UPSTREAM, 503},
        {503, "{\"code\":\"ServiceUnavailable\",\"message\":\"later\"}", WEBHOOK_BUSY, ST_UPSTREAM,
         503},
        {500, "{\"errcode\":88,\"errmsg\":\"unknown\"}", WEBHOOK_BUSY, ST_UPSTREAM, 500},
        {429, "{\"code\":\"Throttling\"}", WEBHOOK_THROTTLED, ST_LIMITED, 429},
        {503, "{\"code\":\"session.expired\"}", WEBHOOK_EXPIRED, ST_NOT_FOUND, 0},
        {500, "{\"errcode\":300001}", WEBHOOK_EXPIRED, ST_NOT_FOUND, 300001},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http_response response = {.http_status = cases[i].http_status,
                                         .body = str_of(cases[i].body)};
        struct error error = {0};
        if (webhook_answer_read(&response, &error) != cases[i].answer)
            fail_msg("%d %s", cases[i].http_status, cases[i].body);
        assert_int_equal(error.status, cases[i].status);
        assert_int_equal(error.code, cases[i].code);
    }
}

static void reads_broken_transfers(void **state)
{
    static const struct {
        enum status status;
        int code;
        enum webhook_answer answer;
    } cases[] = {
        {ST_NET, 7, WEBHOOK_BUSY},           {ST_NET, 6, WEBHOOK_BUSY},
        {ST_NET, 52, WEBHOOK_UNCERTAIN},     {ST_NET, 56, WEBHOOK_UNCERTAIN},
        {ST_TLS, 35, WEBHOOK_BUSY},          {ST_TIMEOUT, 28, WEBHOOK_UNCERTAIN},
        {ST_PROTOCOL, 8, WEBHOOK_UNCERTAIN}, {ST_TOO_LARGE, 0, WEBHOOK_FAILED},
        {ST_INVAL, 3, WEBHOOK_FAILED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http_response response = {0};
        (void)error_set(&response.error, cases[i].status, cases[i].code, "x");
        struct error error = {0};
        assert_int_equal(webhook_answer_read(&response, &error), cases[i].answer);
        assert_int_equal(error.status, cases[i].status);
        assert_int_equal(error.code, cases[i].code);
    }
}

static void shows_dingtalks_reason_but_no_refused_text(void **state)
{
    struct http_response response = {
        .http_status = 200, .body = STR_LIT("{\"errcode\":310000,\"errmsg\":\"sign not match\"}")};
    struct error error = {0};
    assert_int_equal(webhook_answer_read(&response, &error), WEBHOOK_FAILED);
    assert_non_null(strstr(error.text, "sign not match"));
    response.body = STR_LIT("{\"errcode\":430101,\"errmsg\":\"text: private words\"}");
    assert_int_equal(webhook_answer_read(&response, &error), WEBHOOK_REFUSED);
    assert_null(strstr(error.text, "private"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_codes_and_statuses),
        cmocka_unit_test(reads_broken_transfers),
        cmocka_unit_test(shows_dingtalks_reason_but_no_refused_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
