#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "dingtalk/frame.h"
#include "util/json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void knows_every_kind(void **state)
{
    static const struct {
        const char *text;
        enum frame_kind kind;
        const char *message_id;
        const char *data;
    } cases[] = {
        /* As in DingTalk's protocol page, with what is wrapped there and what is missing. */
        {"{\"specVersion\":\"1.0\",\"type\":\"CALLBACK\",\"headers\":{\"topic\":\"/v1.0/im/bot/"
         "messages/get\",\"messageId\":\"212b9d7c\",\"contentType\":\"application/json\",\"time\":"
         "1760000000456},\"data\":\"{\\\"msgId\\\":\\\"x\\\"}\"}",
         FRAME_MESSAGE, "212b9d7c", "{\"msgId\":\"x\"}"},
        {"{\"type\":\"CALLBACK\",\"headers\":{\"topic\":\"/v1.0/card/instances/callback\","
         "\"messageId\":\"c\"},\"data\":{\"a\":[1,2]}}",
         FRAME_CARD, "c", "{\"a\":[1,2]}"},
        {"{\"type\":\"SYSTEM\",\"headers\":{\"topic\":\"ping\",\"messageId\":\"p\"},\"data\":"
         "\"{\\\"opaque\\\":\\\"o\\\"}\"}",
         FRAME_PING, "p", "{\"opaque\":\"o\"}"},
        {"{\"type\":\"SYSTEM\",\"headers\":{\"topic\":\"disconnect\"},\"data\":null}",
         FRAME_DISCONNECT, "", ""},
        {"{\"type\":\"SYSTEM\",\"headers\":{\"topic\":\"KEEPALIVE\"}}", FRAME_SILENT, "", ""},
        {"{\"type\":\"EVENT\",\"headers\":{\"topic\":\"*\",\"messageId\":\"e\"},\"data\":\"{}\"}",
         FRAME_EVENT, "e", "{}"},
        /* One sample spells the container so. */
        {"{\"type\":\"EVENT\",\"header\":{\"topic\":\"*\",\"messageId\":\"e\"},\"data\":\"\"}",
         FRAME_EVENT, "e", ""},
        {"{\"type\":\"CALLBACK\",\"headers\":{\"topic\":\"/v1.0/graph/api/invoke\","
         "\"messageId\":\"g\"},\"data\":\"\"}",
         FRAME_UNKNOWN, "g", ""},
        {"{\"type\":\"callback\",\"headers\":{\"topic\":\"/v1.0/im/bot/messages/get\"}}",
         FRAME_UNKNOWN, "", ""},
        {"{\"headers\":{\"messageId\":7,\"topic\":[]},\"data\":12}", FRAME_UNKNOWN, "", "12"},
        {"{}", FRAME_UNKNOWN, "", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct frame *frame;
        struct error error;
        assert_int_equal(frame_parse(str_of(cases[i].text), &frame, &error), ST_OK);
        assert_int_equal(frame_kind_of(frame), cases[i].kind);
        assert_string_equal(frame_message_id(frame), cases[i].message_id);
        assert_true(str_eq(frame_data(frame), str_of(cases[i].data)));
        frame_free(frame);
    }
    frame_free(NULL);
}

static void refuses_what_is_no_frame_with_a_reason_that_repeats_nothing_of_it(void **state)
{
    static const char *const texts[] = {
        "",     "not json secret", "[]", "\"x\"", "{\"secret\":", "{\"type\":\"secret\xff\"}", "12",
        "null", "{} secret"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct frame *frame;
        struct error error;
        assert_int_not_equal(frame_parse(str_of(texts[i]), &frame, &error), ST_OK);
        assert_true(strlen(error.text) > 0);
        assert_null(strstr(error.text, "secret"));
    }
}

static void refuses_an_id_that_is_too_long_to_be_repeated(void **state)
{
    char text[1024];
    char id[300];
    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    (void)snprintf(text, sizeof(text), "{\"type\":\"EVENT\",\"headers\":{\"messageId\":\"%s\"}}",
                   id);
    struct frame *frame;
    struct error error;
    assert_int_equal(frame_parse(str_of(text), &frame, &error), ST_INVAL);
}

static void refuses_data_that_unfolds_beyond_a_megabyte(void **state)
{
    struct buf text = BUF_INIT(8 * 1024 * 1024);
    buf_puts(&text, "{\"type\":\"EVENT\",\"headers\":{},\"data\":[\"");
    for (int i = 0; i < 200000; i++)
        buf_puts(&text, "\\u0001");
    buf_puts(&text, "\"]}");
    struct frame *frame;
    struct error error;
    assert_int_equal(frame_parse(buf_str(&text), &frame, &error), ST_TOO_LARGE);
    buf_done(&text);
}

static void acknowledges_as_the_official_clients_do(void **state)
{
    static const char expected[] =
        "{\"code\":200,\"headers\":{\"contentType\":\"application/json\",\"messageId\":\"m-1\"},"
        "\"message\":\"OK\",\"data\":\"{\\\"response\\\":null}\"}";
    struct buf out = BUF_INIT(4096);
    assert_int_equal(frame_ack("m-1", 200, "OK", STR_LIT("{\"response\":null}"), &out), ST_OK);
    json_t *got = json_loads(buf_cstr(&out), 0, NULL);
    json_t *want = json_loads(expected, 0, NULL);
    assert_true(json_equal(got, want));
    json_decref(got);
    json_decref(want);
    buf_clear(&out);
    assert_int_equal(frame_ack("", 404, "unknown topic", (struct str){NULL, 0}, &out), ST_OK);
    assert_non_null(strstr(buf_cstr(&out), "\"data\":\"\""));
    buf_done(&out);
    struct buf small = BUF_INIT(16);
    assert_int_equal(frame_ack("m", 200, "OK", STR_LIT("{}"), &small), ST_TOO_LARGE);
    buf_done(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_every_kind),
        cmocka_unit_test(refuses_what_is_no_frame_with_a_reason_that_repeats_nothing_of_it),
        cmocka_unit_test(refuses_an_id_that_is_too_long_to_be_repeated),
        cmocka_unit_test(refuses_data_that_unfolds_beyond_a_megabyte),
        cmocka_unit_test(acknowledges_as_the_official_clients_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
