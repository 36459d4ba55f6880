#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "dingtalk/proactive.h"
#include "util/json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct proactive_target group = {"ding1", "cidAbC==", "0258369"};
static const struct proactive_target person = {"ding1", "", "0258369"};
static const struct proactive_target nobody = {"ding1", "", ""};

static void writes_requests_as_documented(void **state)
{
    static const char *const wanted[] = {
        "{\"robotCode\":\"ding1\",\"openConversationId\":\"cidAbC==\",\"msgKey\":"
        "\"sampleMarkdown\",\"msgParam\":\"{\\\"title\\\":\\\"Hi\\\",\\\"text\\\":\\\"**done** "
        "\\\\\\\"q\\\\\\\"\\\"}\"}",
        "{\"robotCode\":\"ding1\",\"userIds\":[\"0258369\"],\"msgKey\":\"sampleMarkdown\","
        "\"msgParam\":\"{\\\"title\\\":\\\"Hi\\\",\\\"text\\\":\\\"**done** "
        "\\\\\\\"q\\\\\\\"\\\"}\"}",
    };
    const struct proactive_target *targets[] = {&group, &person};
    for (size_t i = 0; i < COUNT(wanted); i++) {
        struct buf out = BUF_INIT(65536);
        assert_true(proactive_is_possible(targets[i]));
        assert_int_equal(proactive_body(targets[i], "Hi", STR_LIT("**done** \"q\""), &out), ST_OK);
        json_t *got = json_loads(buf_cstr(&out), 0, NULL);
        json_t *want = json_loads(wanted[i], 0, NULL);
        assert_true(json_equal(got, want));
        json_decref(got);
        json_decref(want);
        buf_done(&out);
    }
    assert_string_equal(proactive_path(&group), "/v1.0/robot/groupMessages/send");
    assert_string_equal(proactive_path(&person), "/v1.0/robot/oToMessages/batchSend");
    assert_false(proactive_is_possible(&nobody));
    struct buf out = BUF_INIT(65536);
    assert_int_equal(proactive_body(&person, "Hi", STR_LIT("\xff"), &out), ST_INVAL);
    buf_done(&out);
}

static void reads_every_answer(void **state)
{
    static const struct {
        enum api_result result;
        const char *code;
        const char *value;
        enum webhook_answer answer;
    } cases[] = {
        {API_OK, "", "{\"processQueryKey\":\"p\"}", WEBHOOK_DELIVERED},
        {API_OK, "", "{\"invalidStaffIdList\":[],\"flowControlledStaffIdList\":[]}",
         WEBHOOK_DELIVERED},
        {API_OK, "", "{\"invalidStaffIdList\":[\"0258369\"]}", WEBHOOK_FAILED},
        {API_OK, "", "{\"flowControlledStaffIdList\":[\"0258369\"]}", WEBHOOK_THROTTLED},
        {API_THROTTLED, "send.too.fast", NULL, WEBHOOK_THROTTLED},
        {API_BUSY, "system.error", NULL, WEBHOOK_BUSY},
        {API_UNCERTAIN, "", NULL, WEBHOOK_UNCERTAIN},
        {API_QUOTA, "", NULL, WEBHOOK_FAILED},
        {API_UNAUTHORIZED, "", NULL, WEBHOOK_FAILED},
        {API_REFUSED, "invalidParameter.msgParam.tooLong", NULL, WEBHOOK_TOO_LONG},
        {API_REFUSED, "contain.unsafe.url", NULL, WEBHOOK_REFUSED},
        {API_REFUSED, "group.disbanded", NULL, WEBHOOK_FAILED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *value = cases[i].value ? json_loads(cases[i].value, 0, NULL) : NULL;
        struct api_answer answer = {
            .result = cases[i].result, .code = str_of(cases[i].code), .value = value};
        if (answer.result != API_OK)
            (void)error_set(&answer.error, ST_UPSTREAM, 1, "why");
        struct error error;
        assert_int_equal(proactive_answer_read(&answer, &error), cases[i].answer);
        assert_int_equal(error.status == ST_OK, cases[i].answer == WEBHOOK_DELIVERED);
        json_decref(value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_requests_as_documented),
        cmocka_unit_test(reads_every_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
