#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "dingtalk/message.h"
#include "util/buf.h"
#include "util/json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The seed example of the project's issue 2. */
static const char seed[] =
    "{\"conversationId\":\"xxx\",\"atUsers\":[{\"dingtalkId\":\"xxx\",\"staffId\":\"xxx\"}],"
    "\"chatbotCorpId\":\"dinge8a565xxxx\",\"chatbotUserId\":\"$:LWCP_v1:$Cxxxxx\","
    "\"msgId\":\"msg0xxxxx\",\"senderNick\":\"eryajf\",\"isAdmin\":true,"
    "\"senderStaffId\":\"user123\",\"sessionWebhookExpiredTime\":1613635652738,"
    "\"createAt\":1613630252678,\"senderCorpId\":\"dinge8a565xxxx\",\"conversationType\":\"2\","
    "\"senderId\":\"$:LWCP_v1:$Ff09GIxxxxx\",\"conversationTitle\":\"机器人测试-TEST\","
    "\"isInAtList\":true,"
    "\"sessionWebhook\":\"https://oapi.dingtalk.com/robot/sendBySession?session=xxxxx\","
    "\"text\":{\"content\":\" 你好\"},\"msgtype\":\"text\"}";

static struct dingtalk_message *parsed(const char *json)
{
    struct dingtalk_message *message;
    struct error error = {0};
    if (dingtalk_message_parse(str_of(json), &message, &error) != ST_OK)
        fail_msg("%s: %s", json, error.text);
    return message;
}

/* The seed with members replaced or added by a JSON object. */
static struct dingtalk_message *parsed_with(const char *changes, enum status *ret_status,
                                            struct error *ret_err)
{
    DB_CLEANUP(json_unref) json_t *body = NULL;
    DB_CLEANUP(json_unref) json_t *extra = NULL;
    assert_int_equal(json_parse(str_of(seed), &body, NULL), ST_OK);
    assert_int_equal(json_parse(str_of(changes), &extra, NULL), ST_OK);
    assert_int_equal(json_object_update(body, extra), 0);
    struct buf text = BUF_INIT(1 << 20);
    assert_int_equal(json_write(body, &text), ST_OK);
    struct dingtalk_message *message = NULL;
    *ret_status = dingtalk_message_parse(buf_str(&text), &message, ret_err);
    buf_done(&text);
    return message;
}

static struct dingtalk_message *good_with(const char *changes)
{
    enum status status;
    struct error error = {0};
    struct dingtalk_message *message = parsed_with(changes, &status, &error);
    if (status != ST_OK)
        fail_msg("%s: %s", changes, error.text);
    return message;
}

static void reads_the_seed_example(void **state)
{
    struct dingtalk_message *message = parsed(seed);
    const struct message *view = dingtalk_message_view(message);
    assert_string_equal(view->platform, "dingtalk");
    assert_string_equal(view->robot, "dinge8a565xxxx/$:LWCP_v1:$Cxxxxx");
    assert_string_equal(view->msg_id, "msg0xxxxx");
    assert_string_equal(view->conversation, "xxx");
    assert_string_equal(view->conversation_title, "机器人测试-TEST");
    assert_true(view->is_group);
    assert_string_equal(view->sender, "user123");
    assert_string_equal(view->sender_staff_id, "user123");
    assert_string_equal(view->sender_nick, "eryajf");
    assert_false(view->is_outgoing_robot);
    assert_string_equal(view->kind, "text");
    assert_string_equal(view->text, " 你好");
    assert_false(view->is_text_missing);
    assert_string_equal(view->reply_to,
                        "https://oapi.dingtalk.com/robot/sendBySession?session=xxxxx");
    assert_true(view->reply_until_ms == 1613635652738);
    assert_true(view->created_ms == 1613630252678);
    assert_int_equal(dingtalk_message_error_code(message), 0);
    assert_string_equal(dingtalk_message_error_text(message), "");
    dingtalk_message_free(message);
    dingtalk_message_free(NULL);
}

static void tells_enterprise_robots_from_outgoing_ones(void **state)
{
    static const struct {
        const char *changes;
        const char *robot;
        bool is_outgoing;
        const char *sender;
    } cases[] = {
        {"{\"robotCode\":\"ding1\"}", "ding1", false, "user123"},
        {"{\"robotCode\":\"ding1\",\"senderStaffId\":null}", "ding1", false,
         "$:LWCP_v1:$Ff09GIxxxxx"},
        {"{\"robotCode\":\"normal\",\"senderStaffId\":\"\"}", "dinge8a565xxxx/$:LWCP_v1:$Cxxxxx",
         true, "$:LWCP_v1:$Ff09GIxxxxx"},
        {"{\"robotCode\":\"normal\"}", "dinge8a565xxxx/$:LWCP_v1:$Cxxxxx", true, "user123"},
        {"{\"robotCode\":\"\",\"senderStaffId\":\"\"}", "dinge8a565xxxx/$:LWCP_v1:$Cxxxxx", true,
         "$:LWCP_v1:$Ff09GIxxxxx"},
        {"{\"chatbotCorpId\":null,\"chatbotUserId\":\"b\"}", "/b", false, "user123"},
        {"{\"senderId\":null}", "dinge8a565xxxx/$:LWCP_v1:$Cxxxxx", false, "user123"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dingtalk_message *message = good_with(cases[i].changes);
        const struct message *view = dingtalk_message_view(message);
        assert_string_equal(view->robot, cases[i].robot);
        assert_int_equal(view->is_outgoing_robot, cases[i].is_outgoing);
        assert_string_equal(view->sender, cases[i].sender);
        dingtalk_message_free(message);
    }
}

static void finds_the_text_wherever_it_is(void **state)
{
    static const struct {
        const char *changes;
        const char *kind;
        const char *text;
        bool is_missing;
    } cases[] = {
        {"{\"text\":{\"content\":\"a\"},\"content\":\"b\"}", "text", "a", false},
        {"{\"text\":null,\"content\":\"b\"}", "text", "b", false},
        {"{\"text\":{},\"content\":\"{\\\"x\\\":1}\"}", "text", "{\"x\":1}", false},
        {"{\"text\":null,\"content\":{\"content\":\"c\"}}", "text", "c", false},
        {"{\"text\":{\"content\":\"\"}}", "text", "", false},
        {"{\"text\":null}", "text", "", true},
        {"{\"text\":{\"content\":null}}", "text", "", true},
        {"{\"msgtype\":\"picture\",\"text\":null,\"content\":{\"downloadCode\":\"d\"}}", "picture",
         "", false},
        {"{\"msgtype\":\"audio\",\"text\":null,\"content\":\"{\\\"duration\\\":4000}\"}", "audio",
         "", false},
        {"{\"msgtype\":\"reply\",\"text\":[1]}", "reply", "", false},
        {"{\"text\":{\"content\":\"\\ud83d\\ude00\"}}", "text", "\xF0\x9F\x98\x80", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dingtalk_message *message = good_with(cases[i].changes);
        const struct message *view = dingtalk_message_view(message);
        assert_string_equal(view->kind, cases[i].kind);
        assert_string_equal(view->text, cases[i].text);
        assert_int_equal(view->is_text_missing, cases[i].is_missing);
        dingtalk_message_free(message);
    }
}

static void reads_times_in_every_spelling(void **state)
{
    static const struct {
        const char *changes;
        int64_t created_ms;
    } cases[] = {
        {"{\"createAt\":\"1613630252679\"}", 1613630252679},
        {"{\"createAt\":null,\"createA\":1613630252680}", 1613630252680},
        {"{\"createAt\":1613630252681.0}", 1613630252681},
        {"{\"createAt\":\"yesterday\"}", 0},
        {"{\"createAt\":null}", 0},
        {"{\"createAt\":-5}", 0},
        {"{\"createAt\":1e300}", 0},
        {"{\"createAt\":\"99999999999999999999999\"}", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dingtalk_message *message = good_with(cases[i].changes);
        assert_true(dingtalk_message_view(message)->created_ms == cases[i].created_ms);
        dingtalk_message_free(message);
    }
}

static void knows_whether_somebody_else_was_mentioned(void **state)
{
    static const struct {
        const char *changes;
        bool is_only_robot;
    } cases[] = {
        {"{\"atUsers\":null}", true},
        {"{\"atUsers\":[]}", true},
        {"{\"atUsers\":[{\"dingtalkId\":\"$:LWCP_v1:$Cxxxxx\"}]}", true},
        {"{\"atUsers\":[{\"dingtalkId\":\"someone\"}]}", true},
        {"{\"atUsers\":[{\"dingtalkId\":\"$:LWCP_v1:$Cxxxxx\"},{\"dingtalkId\":\"u\","
         "\"staffId\":\"7\"}]}",
         false},
        {"{\"atUsers\":[{\"dingtalkId\":\"$:LWCP_v1:$Cxxxxx\"},{\"dingtalkId\":null}]}", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dingtalk_message *message = good_with(cases[i].changes);
        assert_int_equal(dingtalk_message_view(message)->is_only_robot_mentioned,
                         cases[i].is_only_robot);
        dingtalk_message_free(message);
    }
}

static void knows_groups_from_private_chats(void **state)
{
    static const struct {
        const char *changes;
        bool is_group;
    } cases[] = {
        {"{\"conversationType\":\"1\"}", false},
        {"{\"conversationType\":\"2\",\"conversationTitle\":null}", true},
        {"{\"conversationType\":null}", true},
        {"{\"conversationType\":null,\"conversationTitle\":null}", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dingtalk_message *message = good_with(cases[i].changes);
        assert_int_equal(dingtalk_message_view(message)->is_group, cases[i].is_group);
        dingtalk_message_free(message);
    }
}

static void reads_quota_frames(void **state)
{
    static const struct {
        const char *json;
        int64_t code;
        const char *text;
    } cases[] = {
        {"{\"errorCode\":20001,\"errorMessage\":\"quota\"}", 20001, "quota"},
        {"{\"errCode\":\"20001\",\"errMsg\":\"quota\",\"msgtype\":\"text\",\"text\":null}", 20001,
         "quota"},
        {"{\"errorCode\":\"quota.exceeded\",\"msgId\":\"m\"}", -1, ""},
        {"{\"errorCode\":20001,\"msgtype\":\"picture\"}", 20001, ""},
        {"{\"errorCode\":20001,\"errorMessage\":7,\"text\":{}}", 20001, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dingtalk_message *message = parsed(cases[i].json);
        assert_true(dingtalk_message_error_code(message) == cases[i].code);
        assert_string_equal(dingtalk_message_error_text(message), cases[i].text);
        assert_string_equal(dingtalk_message_view(message)->msg_id, "");
        dingtalk_message_free(message);
    }
    /* With a body it is a message like any other, whatever else it says. */
    static const char *const messages[] = {"{\"errorCode\":20001}", "{\"errorCode\":0}",
                                           "{\"errorCode\":0,\"text\":null}",
                                           "{\"errorCode\":null,\"text\":null}"};
    for (size_t i = 0; i < COUNT(messages); i++) {
        struct dingtalk_message *message = good_with(messages[i]);
        assert_true(dingtalk_message_error_code(message) == 0);
        assert_string_equal(dingtalk_message_view(message)->msg_id, "msg0xxxxx");
        dingtalk_message_free(message);
    }
}

static void refuses_wrong_types_and_gaps(void **state)
{
    static const char *const cases[] = {
        "{\"conversationId\":7}",
        "{\"conversationId\":null}",
        "{\"msgId\":\"\"}",
        "{\"msgId\":[\"a\"]}",
        "{\"msgtype\":null}",
        "{\"msgtype\":{}}",
        "{\"sessionWebhook\":null}",
        "{\"sessionWebhook\":false}",
        "{\"senderId\":null,\"senderStaffId\":null}",
        "{\"senderId\":1}",
        "{\"senderStaffId\":1}",
        "{\"senderNick\":{}}",
        "{\"conversationTitle\":[]}",
        "{\"conversationType\":2}",
        "{\"robotCode\":1}",
        "{\"chatbotUserId\":1}",
        "{\"chatbotCorpId\":true}",
        "{\"text\":[]}",
        "{\"text\":\"hello\"}",
        "{\"text\":{\"content\":7}}",
        "{\"text\":{\"content\":[]}}",
        "{\"text\":null,\"content\":[]}",
        "{\"text\":null,\"content\":3}",
        "{\"atUsers\":{}}",
        "{\"atUsers\":[1]}",
        "{\"atUsers\":[null]}",
        "{\"atUsers\":[{\"dingtalkId\":1}]}",
        "{\"createAt\":[]}",
        "{\"createAt\":true}",
        "{\"sessionWebhookExpiredTime\":{}}",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum status status;
        struct error error = {0};
        dingtalk_message_free(parsed_with(cases[i], &status, &error));
        if (status != ST_INVAL)
            fail_msg("%s was taken", cases[i]);
        assert_int_equal(error.status, ST_INVAL);
        assert_non_null(error.text);
        assert_null(strstr(error.text, "hello"));
    }
}

static void refuses_what_is_no_good_json(void **state)
{
    static const struct {
        struct str json;
        enum status status;
    } cases[] = {
        {{"", 0}, ST_INVAL},
        {{NULL, 0}, ST_INVAL},
        {STR_LIT("{}"), ST_INVAL},
        {STR_LIT("[]"), ST_INVAL},
        {STR_LIT("7"), ST_INVAL},
        {STR_LIT("null"), ST_INVAL},
        {STR_LIT("\"text\""), ST_INVAL},
        {STR_LIT("{\"msgId\":\"a\""), ST_INVAL},
        {STR_LIT("{\"msgId\":\"a\"} x"), ST_INVAL},
        {STR_LIT("{'msgId':1}"), ST_INVAL},
        {STR_LIT("{\"msgId\":\"\xFF\"}"), ST_INVAL},
        {STR_LIT("{\"msgId\":\"\xC0\x80\"}"), ST_INVAL},
        {STR_LIT("{\"msgId\":\"\xED\xA0\x80\"}"), ST_INVAL},
        {STR_LIT("{\"msgId\":\"\\ud800\"}"), ST_INVAL},
        {STR_LIT("{\"msgId\":\"\\udc00\\ud800\"}"), ST_INVAL},
        {STR_LIT("{\"msgId\":\"a\\u0000b\"}"), ST_INVAL},
        {STR_LIT("{\"msgId\":\"a\0b\"}"), ST_INVAL},
        {STR_LIT("{\"msgId\0\":\"a\"}"), ST_INVAL},
        {STR_LIT("\0"), ST_INVAL},
        {STR_LIT("{\"createAt\":99999999999999999999999}"), ST_INVAL},
        {STR_LIT("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["), ST_TOO_LARGE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dingtalk_message *message = NULL;
        struct error error = {0};
        assert_int_equal(dingtalk_message_parse(cases[i].json, &message, &error), cases[i].status);
        assert_null(message);
        assert_true(error.text[0] != '\0');
    }
}

static void survives_very_deep_nesting(void **state)
{
    struct buf deep = BUF_INIT(1 << 20);
    for (size_t i = 0; i < 200000; i++)
        buf_puts(&deep, "{\"a\":");
    struct dingtalk_message *message = NULL;
    struct error error = {0};
    assert_int_equal(dingtalk_message_parse(buf_str(&deep), &message, &error), ST_TOO_LARGE);
    buf_done(&deep);
}

static void bounds_ids_and_cuts_names(void **state)
{
    static const struct {
        const char *key;
        size_t n_bytes;
        enum status status;
    } cases[] = {
        {"msgId", 256, ST_OK},
        {"msgId", 257, ST_TOO_LARGE},
        {"conversationId", 300, ST_TOO_LARGE},
        {"senderStaffId", 300, ST_TOO_LARGE},
        {"robotCode", 300, ST_TOO_LARGE},
        {"msgtype", 65, ST_TOO_LARGE},
        {"sessionWebhook", 4097, ST_TOO_LARGE},
        {"chatbotCorpId", 256, ST_OK},
        {"senderNick", 100000, ST_OK},
        {"conversationTitle", 100000, ST_OK},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf changes = BUF_INIT(1 << 20);
        buf_printf(&changes, "{\"%s\":\"", cases[i].key);
        for (size_t j = 0; j < cases[i].n_bytes; j++)
            buf_putc(&changes, 'a');
        buf_puts(&changes, "\"}");
        enum status status;
        struct error error = {0};
        dingtalk_message_free(parsed_with(buf_cstr(&changes), &status, &error));
        assert_int_equal(status, cases[i].status);
        buf_done(&changes);
    }
}

static void cuts_names_between_characters(void **state)
{
    struct buf changes = BUF_INIT(1 << 20);
    buf_puts(&changes, "{\"senderNick\":\"");
    for (size_t i = 0; i < 400; i++)
        buf_puts(&changes, "张");
    buf_puts(&changes, "\"}");
    struct dingtalk_message *message = good_with(buf_cstr(&changes));
    const struct message *view = dingtalk_message_view(message);
    assert_int_equal(strlen(view->sender_nick), 510);
    assert_true(utf8_is_valid(str_of(view->sender_nick)));
    dingtalk_message_free(message);
    buf_done(&changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_seed_example),
        cmocka_unit_test(tells_enterprise_robots_from_outgoing_ones),
        cmocka_unit_test(finds_the_text_wherever_it_is),
        cmocka_unit_test(reads_times_in_every_spelling),
        cmocka_unit_test(knows_whether_somebody_else_was_mentioned),
        cmocka_unit_test(knows_groups_from_private_chats),
        cmocka_unit_test(reads_quota_frames),
        cmocka_unit_test(refuses_wrong_types_and_gaps),
        cmocka_unit_test(refuses_what_is_no_good_json),
        cmocka_unit_test(survives_very_deep_nesting),
        cmocka_unit_test(bounds_ids_and_cuts_names),
        cmocka_unit_test(cuts_names_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
