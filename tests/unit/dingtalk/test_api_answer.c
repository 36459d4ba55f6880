#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "dingtalk/api_answer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct api_reading read_answer(int http_status, const char *body, bool is_oapi)
{
    struct http_response response = {
        .http_status = http_status, .body = str_of(body), .bytes_received = strlen(body)};
    struct api_reading reading;
    api_answer_read(&response, is_oapi, &reading);
    return reading;
}

/* Every code that DingTalk's pages on errors and limits name for the calls we make. */
static const struct {
    int http_status;
    const char *code;
    enum api_result result;
    bool is_token_invalid;
} words[] = {
    {400, "invalidClientIdOrSecret", API_UNAUTHORIZED, false},
    {401, "authFailed", API_UNAUTHORIZED, false},
    {401, "invalid.client", API_UNAUTHORIZED, false},
    {400, "InvalidAuthentication", API_UNAUTHORIZED, true},
    {401, "InvalidAuthentication", API_UNAUTHORIZED, true},
    {403, "Forbidden.AccessDenied.AccessTokenPermissionDenied", API_UNAUTHORIZED, false},
    {403, "Forbidden.AccessDenied.IpNotInWhiteList", API_UNAUTHORIZED, false},
    {403, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", API_THROTTLED, false},
    {403, "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi", API_THROTTLED, false},
    {403, "Forbidden.AccessDenied.QpsLimitForApi", API_THROTTLED, false},
    {403, "Forbidden.AccessDenied.ApiCountLimitForOrg", API_QUOTA, false},
    {429, "TooManyRequests", API_THROTTLED, false},
    {500, "system.error", API_BUSY, false},
    {500, "system.busy", API_BUSY, false},
    {400, "system.busy", API_BUSY, false},
    {500, "unknownError", API_BUSY, false},
    {503, "ServiceUnavailable", API_BUSY, false},
    {504, "gateway", API_BUSY, false},
    /* messages */
    {400, "invalidParameter.robotCode.empty", API_REFUSED, false},
    {400, "invalidParameter.robotCode.auth", API_REFUSED, false},
    {400, "invalidParameter.robotCode.notExsit", API_REFUSED, false},
    {400, "invalidParameter.userIds.overMax", API_REFUSED, false},
    {400, "invalidParameter.msgKey.invalid", API_REFUSED, false},
    {400, "invalidParameter.msgParam.tooLong", API_REFUSED, false},
    {400, "invalidParameter.token.invalid", API_UNAUTHORIZED, true},
    {400, "invalid.openConversationId", API_REFUSED, false},
    {400, "group.disbanded", API_REFUSED, false},
    {400, "bot.stopped", API_REFUSED, false},
    {400, "robot.oto.notExist", API_REFUSED, false},
    {400, "staffId.notExisted", API_REFUSED, false},
    {400, "send.too.fast", API_THROTTLED, false},
    {400, "send.byToken.tooFast", API_THROTTLED, false},
    {400, "send.forbidden", API_REFUSED, false},
    {400, "contain.unsafe.url", API_REFUSED, false},
    /* cards */
    {400, "param.cardAlreadyExist", API_REFUSED, false},
    {400, "param.templateNotExist", API_REFUSED, false},
    {400, "param.contentUnsafe", API_REFUSED, false},
    {400, "param.stream.content", API_REFUSED, false},
    {418, "whatever", API_REFUSED, false},
};

static void reads_the_words_of_the_newer_family(void **state)
{
    for (size_t i = 0; i < COUNT(words); i++) {
        char body[256];
        (void)snprintf(body, sizeof(body),
                       "{\"code\":\"%s\",\"message\":\"words\",\"requestid\":\"ABC-1\"}",
                       words[i].code);
        struct api_reading reading = read_answer(words[i].http_status, body, false);
        if (reading.result != words[i].result)
            fail_msg("%s is %s", words[i].code, api_result_name(reading.result));
        assert_int_equal(reading.is_token_invalid, words[i].is_token_invalid);
        assert_string_equal(reading.code, words[i].code);
        assert_non_null(strstr(reading.error.text, "request=ABC-1"));
        api_reading_done(&reading);
    }
}

static void reads_the_numbers_of_the_older_family(void **state)
{
    static const struct {
        const char *errcode;
        enum api_result result;
        bool is_token_invalid;
    } cases[] = {
        {"0", API_OK, false},
        {"\"0\"", API_OK, false},
        {"-1", API_BUSY, false},
        {"15", API_BUSY, false},
        {"40014", API_UNAUTHORIZED, true},
        {"\"42001\"", API_UNAUTHORIZED, true},
        {"42001", API_UNAUTHORIZED, true},
        {"40001", API_UNAUTHORIZED, true},
        {"41001", API_UNAUTHORIZED, false},
        {"40089", API_UNAUTHORIZED, false},
        {"60011", API_UNAUTHORIZED, false},
        {"60020", API_UNAUTHORIZED, false},
        {"88,\"sub_code\":\"40014\"", API_UNAUTHORIZED, true},
        {"88,\"sub_code\":42001", API_UNAUTHORIZED, true},
        {"88,\"sub_code\":\"60011\"", API_UNAUTHORIZED, false},
        {"88,\"sub_code\":\"\"", API_BUSY, false}, /* authentication took too long */
        {"88", API_BUSY, false},
        {"90018", API_THROTTLED, false},
        {"90002", API_THROTTLED, false},
        {"130101", API_THROTTLED, false},
        {"410100", API_THROTTLED, false},
        {"90020", API_QUOTA, false},
        {"40004", API_REFUSED, false},
        {"40005", API_REFUSED, false},
        {"40006", API_REFUSED, false},
        {"43008", API_REFUSED, false},
        {"44001", API_REFUSED, false},
        {"99999999999", API_REFUSED, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[256];
        (void)snprintf(body, sizeof(body),
                       "{\"errcode\":%s,\"errmsg\":\"words\",\"request_id\":\"r1\"}",
                       cases[i].errcode);
        struct api_reading reading = read_answer(200, body, true);
        if (reading.result != cases[i].result)
            fail_msg("%s is %s", cases[i].errcode, api_result_name(reading.result));
        assert_int_equal(reading.is_token_invalid, cases[i].is_token_invalid);
        api_reading_done(&reading);
    }
}

static void believes_no_success_that_does_not_look_like_one(void **state)
{
    static const struct {
        int http_status;
        const char *body;
        bool is_oapi;
        enum api_result result;
    } cases[] = {
        {200, "{\"success\":true,\"result\":true}", false, API_OK},
        {200, "{\"processQueryKey\":\"p\"}", false, API_OK},
        {200, "{\"success\":false,\"code\":\"x\",\"message\":\"y\"}", false, API_REFUSED},
        {200, "<html>busy</html>", false, API_BUSY},
        {200, "", false, API_BUSY},
        {200, "[]", false, API_BUSY},
        {200, "{\"media_id\":\"@x\"}", true, API_BUSY},
        {200, "{\"errcode\":\"session.expired\"}", true, API_BUSY},
        {200, "{\"status\":1111,\"wait\":5,\"source\":\"x5\",\"punish\":\"deny\",\"uuid\":\"u\"}",
         false, API_THROTTLED},
        {200, "{\"status\":1111,\"wait\":5,\"source\":\"x5\",\"punish\":\"deny\",\"uuid\":\"u\"}",
         true, API_THROTTLED},
        {302, "", false, API_REFUSED},
        {400, "<html>", false, API_REFUSED},
        {401, "", false, API_UNAUTHORIZED},
        {403, "[1]", false, API_UNAUTHORIZED},
        {429, "", true, API_THROTTLED},
        {502, "<html>", true, API_BUSY},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct api_reading reading =
            read_answer(cases[i].http_status, cases[i].body, cases[i].is_oapi);
        if (reading.result != cases[i].result)
            fail_msg("%s is %s", cases[i].body, api_result_name(reading.result));
        api_reading_done(&reading);
    }
}

static void a_call_that_was_sent_and_not_heard_of_is_uncertain(void **state)
{
    static const struct {
        enum status status;
        int code;
        size_t bytes;
        enum api_result result;
    } cases[] = {
        {ST_NET, 7, 0, API_BUSY},  /* refused: nothing was sent */
        {ST_NET, 6, 0, API_BUSY},  /* no such host */
        {ST_TLS, 60, 0, API_BUSY}, /* no trust */
        {ST_NET, 52, 0, API_UNCERTAIN},     {ST_NET, 55, 0, API_UNCERTAIN},
        {ST_NET, 56, 0, API_UNCERTAIN},     {ST_NET, 18, 10, API_UNCERTAIN},
        {ST_TIMEOUT, 28, 0, API_UNCERTAIN}, {ST_PROTOCOL, 0, 0, API_UNCERTAIN},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http_response response = {.bytes_received = cases[i].bytes};
        struct api_reading reading;
        (void)error_set(&response.error, cases[i].status, cases[i].code, "failed");
        api_answer_read(&response, i % 2 == 0, &reading);
        assert_int_equal(reading.result, cases[i].result);
        assert_string_equal(reading.error.text, "failed");
        api_reading_done(&reading);
    }
}

static void long_words_are_cut_between_characters(void **state)
{
    struct buf body = BUF_INIT(1 << 16);
    buf_puts(&body, "{\"code\":\"");
    for (int i = 0; i < 400; i++)
        buf_puts(&body, "码");
    buf_puts(&body, "\",\"message\":\"");
    for (int i = 0; i < 400; i++)
        buf_puts(&body, "话");
    buf_puts(&body, "\"}");
    struct api_reading reading = read_answer(400, buf_cstr(&body), false);
    assert_true(utf8_is_valid(str_of(reading.code)) && utf8_is_valid(str_of(reading.error.text)));
    assert_true(strlen(reading.code) > 100);
    api_reading_done(&reading);
    buf_done(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_words_of_the_newer_family),
        cmocka_unit_test(reads_the_numbers_of_the_older_family),
        cmocka_unit_test(believes_no_success_that_does_not_look_like_one),
        cmocka_unit_test(a_call_that_was_sent_and_not_heard_of_is_uncertain),
        cmocka_unit_test(long_words_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
