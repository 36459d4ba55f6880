#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "chat/message_record.h"

/* Every member differs from every other and from what is there when it is missing. */
static struct message full_message(void)
{
    return (struct message){
        .platform = "dingtalk",
        .robot = "robot",
        .app = "app",
        .msg_id = "msg+/=",
        .conversation = "cid",
        .conversation_title = "标题 \"quoted\" \\ \n\t",
        .is_group = true,
        .sender = "sender",
        .sender_staff_id = "staff",
        .sender_nick = "昵称😀",
        .robot_nick = "小助手",
        .is_only_robot_mentioned = true,
        .is_outgoing_robot = true,
        .is_vouched = true,
        .kind = "text",
        .text = "#周报 \x01\x1f\x7f \u202E \uFFFD",
        .is_text_missing = true,
        .reply_to = "https://oapi.dingtalk.com/robot/sendBySession?session=x&y=%20",
        .reply_until_ms = 1613635652738,
        .created_ms = INT64_MAX,
    };
}

static void assert_same(const struct message *a, const struct message *b)
{
    const char *const a_texts[] = {a->platform,     a->robot,
                                   a->app,          a->msg_id,
                                   a->conversation, a->conversation_title,
                                   a->sender,       a->sender_staff_id,
                                   a->sender_nick,  a->robot_nick,
                                   a->kind,         a->text,
                                   a->reply_to};
    const char *const b_texts[] = {b->platform,     b->robot,
                                   b->app,          b->msg_id,
                                   b->conversation, b->conversation_title,
                                   b->sender,       b->sender_staff_id,
                                   b->sender_nick,  b->robot_nick,
                                   b->kind,         b->text,
                                   b->reply_to};
    for (size_t i = 0; i < sizeof(a_texts) / sizeof(a_texts[0]); i++)
        assert_string_equal(a_texts[i], b_texts[i]);
    assert_int_equal(a->is_group, b->is_group);
    assert_int_equal(a->is_only_robot_mentioned, b->is_only_robot_mentioned);
    assert_int_equal(a->is_outgoing_robot, b->is_outgoing_robot);
    assert_int_equal(a->is_vouched, b->is_vouched);
    assert_int_equal(a->is_text_missing, b->is_text_missing);
    assert_int_equal(a->reply_until_ms, b->reply_until_ms);
    assert_int_equal(a->created_ms, b->created_ms);
}

static void a_message_comes_back_from_its_record_as_it_was(void **state)
{
    struct message message = full_message();
    DB_CLEANUP(json_unref) json_t *record = message_record_new(&message);
    struct buf text = BUF_INIT(1 << 20);
    assert_int_equal(json_write(record, &text), ST_OK);

    DB_CLEANUP(json_unref) json_t *again = NULL;
    assert_int_equal(json_parse(buf_str(&text), &again, NULL), ST_OK);
    struct message view;
    message_record_view(again, &view);
    assert_same(&view, &message);
    buf_done(&text);
}

/* So that a new member of struct message cannot be forgotten: no byte of the view stays zero. */
static void every_member_is_in_the_record(void **state)
{
    struct message message = full_message();
    DB_CLEANUP(json_unref) json_t *record = message_record_new(&message);
    struct message view;
    message_record_view(record, &view);
    const char *const *first = &view.platform;
    assert_ptr_equal(first, (const void *)&view);
    size_t n_texts = 13;
    size_t n_flags = 5;
    size_t n_numbers = 2;
    assert_int_equal(json_object_size(record), n_texts + n_flags + n_numbers);
    size_t members =
        n_texts * sizeof(char *) + n_flags * sizeof(bool) + n_numbers * sizeof(int64_t);
    /* The rest of the struct is padding. */
    assert_in_range(sizeof(struct message), members, members + 4 * sizeof(void *));
}

static void an_old_or_foreign_record_gives_empty_members(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "null",
        "7",
        "\"x\"",
        ("{\"text\":null,\"kind\":7,\"is_group\":\"yes\",\"created_ms\":true,\"sender\":{},"
         "\"reply_until_ms\":1.5,\"unknown\":1}"),
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        DB_CLEANUP(json_unref) json_t *record = NULL;
        assert_int_equal(json_parse(str_of(texts[i]), &record, NULL), ST_OK);
        struct message view;
        memset(&view, 0x55, sizeof(view));
        message_record_view(record, &view);
        const struct message empty = {"", "", "", "", "",         "",         false,
                                      "", "", "", "", .kind = "", .text = "", .reply_to = ""};
        assert_same(&view, &empty);
    }
}

static void what_is_no_text_is_left_out_and_not_a_crash(void **state)
{
    struct message message = full_message();
    message.text = "\xff\xfe";
    message.sender_nick = "\xED\xA0\x80";
    DB_CLEANUP(json_unref) json_t *record = message_record_new(&message);
    struct message view;
    message_record_view(record, &view);
    assert_string_equal(view.text, "");
    assert_string_equal(view.sender_nick, "");
    assert_string_equal(view.msg_id, message.msg_id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_comes_back_from_its_record_as_it_was),
        cmocka_unit_test(every_member_is_in_the_record),
        cmocka_unit_test(an_old_or_foreign_record_gives_empty_members),
        cmocka_unit_test(what_is_no_text_is_left_out_and_not_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
