#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "dingtalk/card_body.h"
#include "util/json.h"

static const struct message in_group = {
    .robot = "dingabc123def456",
    .msg_id = "msgX==",
    .conversation = "cidAbCdEf012345678901==",
    .is_group = true,
    .sender_staff_id = "0258369",
    .sender_nick = "Li Lei",
};

static void check_json(struct buf *got_text, const char *want_text)
{
    json_t *got = json_loads(buf_cstr(got_text), 0, NULL);
    json_t *want = json_loads(want_text, 0, NULL);
    assert_non_null(want);
    if (!json_equal(got, want))
        fail_msg("%s\nis not\n%s", buf_cstr(got_text), want_text);
    json_decref(got);
    json_decref(want);
    buf_clear(got_text);
}

static void creates_cards_as_documented(void **state)
{
    struct buf out = BUF_INIT(65536);
    struct message message = in_group;
    assert_int_equal(card_create_body(&card_template_auto, &message, "db1", &out), ST_OK);
    check_json(&out,
               "{\"cardTemplateId\":\"02fcf2f4-5e02-4a85-b672-46d1f715543e.schema\","
               "\"outTrackId\":\"db1\",\"callbackType\":\"STREAM\",\"cardData\":{\"cardParamMap\":"
               "{\"msgContent\":\"\",\"flowStatus\":\"1\",\"staticMsgContent\":\"\",\"config\":"
               "\"{\\\"autoLayout\\\":true}\",\"sys_full_json_obj\":\"{\\\"order\\\":"
               "[\\\"msgContent\\\"]}\"}},\"openSpaceId\":"
               "\"dtv1.card//IM_GROUP.cidAbCdEf012345678901==\",\"userIdType\":1,"
               "\"imGroupOpenSpaceModel\":{\"supportForward\":true},\"imGroupOpenDeliverModel\":"
               "{\"robotCode\":\"dingabc123def456\",\"atUserIds\":{\"0258369\":\"Li Lei\"},"
               "\"extension\":{\"dynamicSummary\":\"true\"}}}");

    const struct card_template own = {.id = "own.schema", .content_key = "content"};
    message.is_group = false;
    assert_int_equal(card_create_body(&own, &message, "db1", &out), ST_OK);
    check_json(&out, "{\"cardTemplateId\":\"own.schema\",\"outTrackId\":\"db1\",\"callbackType\":"
                     "\"STREAM\",\"cardData\":{\"cardParamMap\":{\"content\":\"\"}},"
                     "\"openSpaceId\":\"dtv1.card//IM_ROBOT.0258369\",\"userIdType\":1,"
                     "\"imRobotOpenSpaceModel\":{\"supportForward\":true},"
                     "\"imRobotOpenDeliverModel\":{\"spaceType\":\"IM_ROBOT\",\"robotCode\":"
                     "\"dingabc123def456\",\"extension\":{\"dynamicSummary\":\"true\"}}}");

    message = in_group;
    message.sender_staff_id = "";
    assert_int_equal(card_create_body(&own, &message, "db1", &out), ST_OK);
    assert_null(strstr(buf_cstr(&out), "atUserIds"));
    buf_done(&out);
}

static void streams_whole_texts_under_a_new_guid_each_time(void **state)
{
    char guids[2][64];
    for (int i = 0; i < 2; i++) {
        struct buf out = BUF_INIT(65536);
        assert_int_equal(
            card_stream_body(&card_template_auto, "db1", STR_LIT("字 \"quoted\"\n"), i == 1, &out),
            ST_OK);
        json_t *body = json_loads(buf_cstr(&out), 0, NULL);
        const char *guid = json_string_value(json_object_get(body, "guid"));
        assert_int_equal(strlen(guid), 32);
        memcpy(guids[i], guid, 33);
        json_object_del(body, "guid");
        buf_clear(&out);
        assert_int_equal(json_write(body, &out), ST_OK);
        check_json(&out, i == 0 ? "{\"outTrackId\":\"db1\",\"key\":\"msgContent\",\"content\":\"字 "
                                  "\\\"quoted\\\"\\n\",\"isFull\":true,\"isFinalize\":false,"
                                  "\"isError\":false}"
                                : "{\"outTrackId\":\"db1\",\"key\":\"msgContent\",\"content\":\"字 "
                                  "\\\"quoted\\\"\\n\",\"isFull\":true,\"isFinalize\":true,"
                                  "\"isError\":false}");
        json_decref(body);
        buf_done(&out);
    }
    assert_string_not_equal(guids[0], guids[1]);
}

static void changes_the_flow_by_key(void **state)
{
    struct buf out = BUF_INIT(65536);
    assert_int_equal(
        card_flow_body(&card_template_auto, "db1", CARD_FLOW_FINISHED, STR_LIT("end"), &out),
        ST_OK);
    check_json(&out, "{\"outTrackId\":\"db1\",\"cardData\":{\"cardParamMap\":{\"msgContent\":"
                     "\"end\",\"flowStatus\":\"3\"}},\"cardUpdateOptions\":"
                     "{\"updateCardDataByKey\":true},\"userIdType\":1}");
    assert_int_equal(card_flow_body(&card_template_auto, "db1", CARD_FLOW_INPUTTING,
                                    (struct str){NULL, 0}, &out),
                     ST_OK);
    check_json(&out, "{\"outTrackId\":\"db1\",\"cardData\":{\"cardParamMap\":{\"flowStatus\":"
                     "\"2\"}},\"cardUpdateOptions\":{\"updateCardDataByKey\":true},"
                     "\"userIdType\":1}");
    buf_done(&out);
}

static void refuses_texts_that_are_not_utf8(void **state)
{
    struct buf out = BUF_INIT(65536);
    assert_int_equal(card_stream_body(&card_template_auto, "db1", STR_LIT("\xff"), true, &out),
                     ST_INVAL);
    assert_int_equal(
        card_flow_body(&card_template_auto, "db1", CARD_FLOW_FINISHED, STR_LIT("\xff"), &out),
        ST_INVAL);
    buf_done(&out);
}

static void names_a_card_after_its_message(void **state)
{
    char first[CARD_TRACK_ID_SIZE], again[CARD_TRACK_ID_SIZE], other[CARD_TRACK_ID_SIZE];
    struct message message = in_group;
    card_track_id(&message, first);
    card_track_id(&message, again);
    assert_string_equal(first, again);
    assert_int_equal(strlen(first), CARD_TRACK_ID_SIZE - 1);
    assert_int_equal(strspn(first, "0123456789abcdef"), CARD_TRACK_ID_SIZE - 1);
    message.robot = "dingabc123def45";
    message.msg_id = "6\nmsgX==";
    card_track_id(&message, other);
    assert_string_not_equal(first, other);
}

static void knows_whom_no_card_reaches(void **state)
{
    struct message message = in_group;
    assert_true(card_is_possible(&message));
    message.sender_staff_id = "";
    assert_true(card_is_possible(&message));
    message.is_group = false;
    assert_false(card_is_possible(&message));
    message.sender_staff_id = "0258369";
    assert_true(card_is_possible(&message));
    message.is_outgoing_robot = true;
    assert_false(card_is_possible(&message));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creates_cards_as_documented),
        cmocka_unit_test(streams_whole_texts_under_a_new_guid_each_time),
        cmocka_unit_test(changes_the_flow_by_key),
        cmocka_unit_test(refuses_texts_that_are_not_utf8),
        cmocka_unit_test(names_a_card_after_its_message),
        cmocka_unit_test(knows_whom_no_card_reaches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
