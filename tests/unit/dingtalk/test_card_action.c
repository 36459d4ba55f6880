#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "dingtalk/card_action.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD "{\"type\":\"actionCallback\",\"outTrackId\":\"db1\",\"userId\":\"0258369\","

static void reads_every_shape_in_use(void **state)
{
    static const struct {
        const char *text;
        bool is_stop;
    } cases[] = {
        {HEAD "\"content\":\"{\\\"cardPrivateData\\\":{\\\"actionIds\\\":[\\\"btn_stop\\\"],"
              "\\\"params\\\":{}}}\"}",
         true},
        {HEAD "\"content\":{\"cardPrivateData\":{\"actionIds\":[\"x\"],\"params\":{\"action\":"
              "\"stop\"}}}}",
         true},
        {HEAD "\"value\":\"{\\\"cardPrivateData\\\":{\\\"actionIds\\\":[\\\"x\\\",\\\"STOP\\\"]}}"
              "\"}",
         true},
        {HEAD "\"value\":\"{\\\"params\\\":{\\\"actionId\\\":\\\"停止\\\"}}\"}", true},
        {HEAD "\"cardPrivateData\":{\"actionIds\":[\"stop_action\"]}}", true},
        {HEAD "\"content\":\"{\\\"cardPrivateData\\\":{\\\"actionIds\\\":[\\\"feedback_up\\\"]}}"
              "\"}",
         false},
        {HEAD "\"content\":\"{\\\"cardPrivateData\\\":{\\\"actionIds\\\":\\\"stop\\\"}}\"}", false},
        {HEAD "\"content\":\"not json\"}", false},
        {HEAD "\"content\":12}", false},
        {HEAD "\"content\":null}", false},
        {HEAD "\"content\":\"[1]\"}", false},
        {"{\"outTrackId\":\"db1\",\"userId\":\"0258369\"}", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct card_action action;
        struct error error;
        assert_int_equal(card_action_parse(str_of(cases[i].text), &action, &error), ST_OK);
        assert_string_equal(action.track_id, "db1");
        assert_string_equal(action.user, "0258369");
        assert_int_equal(action.is_stop, cases[i].is_stop);
        card_action_done(&action);
        card_action_done(&action); /* harmless */
    }
}

static void refuses_what_names_no_card(void **state)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "{}",
                                        "12",
                                        "null",
                                        "{\"outTrackId\":7,\"userId\":\"u\"}",
                                        "{\"outTrackId\":\"\"}"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct card_action action;
        struct error error;
        assert_int_not_equal(card_action_parse(str_of(texts[i]), &action, &error), ST_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_shape_in_use),
        cmocka_unit_test(refuses_what_names_no_card),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
