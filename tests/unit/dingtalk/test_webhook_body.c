#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "dingtalk/webhook_body.h"
#include "util/json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void makes_a_title_of_the_first_line_that_says_something(void **state)
{
    static const struct {
        const char *markdown;
        const char *title;
    } cases[] = {
        {"", "回复"},
        {" \n\n\t", "回复"},
        {"你好，世界", "你好，世界"},
        {"# Weekly report\n\ntext", "Weekly report"},
        {"\n\n> **Note**: `x` is *new*", "Note: x is new"},
        {"- [ ] task", "[ ] task"},
        {"1. first\n2. second", "first"},
        {"3.14 is pi", "3.14 is pi"},
        {"---\n***\n### 总结 ###", "总结 ###"},
        {"```c\nint main(void)\n```", "int main(void)"},
        {"see [the docs](https://example.com/a) now", "see the docs now"},
        {"![chart](https://example.com/a.png)", "chart"},
        {"[微笑] hello", "[微笑] hello"},
        {"a\tb", "a b"},
        {"一二三四五六七八九十一二三四五六七八九十一二三",
         "一二三四五六七八九十一二三四五六七八九十"},
        {"| a | b |\n|---|---|", "a | b |"},
        {"abcdefghijklmnopqrs tuvw", "abcdefghijklmnopqrs"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf title = BUF_INIT(1024);
        webhook_title(str_of(cases[i].markdown), &title);
        assert_string_equal(buf_cstr(&title), cases[i].title);
        buf_done(&title);
    }
}

static void mentions_whom_it_can(void **state)
{
    static const struct {
        bool is_group, is_outgoing;
        const char *staff_id, *nick;
        const char *text;
        bool has_id;
    } cases[] = {
        {true, false, "0258369", "Li Lei", "@0258369\n\n", true},
        {true, true, "0258369", "Li Lei", "@0258369\n\n", true},
        {true, true, "", "Li Lei", "@Li Lei\n\n", false},
        {true, false, "", "Li Lei", "", false},
        {true, true, "", " ", "", false},
        {true, true, "", "", "", false},
        {false, false, "0258369", "Li Lei", "", false},
        {false, true, "", "Li Lei", "", false},
        {true, false, "a b", "n", "", false},
        {true, false, "a\nb", "n", "", false},
        {true, true, "", "a\n# b\x01", "@a \\# b \n\n", false},
        {true, true, "", "[x](http://evil)", "@\\[x\\]\\(http://evil\\)\n\n", false},
        {true, true, "", "李<b>*雷*", "@李\\<b\\>\\*雷\\*\n\n", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct message message = {
            .is_group = cases[i].is_group,
            .is_outgoing_robot = cases[i].is_outgoing,
            .sender_staff_id = cases[i].staff_id,
            .sender_nick = cases[i].nick,
        };
        struct buf text = BUF_INIT(1024);
        assert_int_equal(webhook_mention(&message, &text), cases[i].has_id);
        assert_string_equal(buf_cstr(&text), cases[i].text);
        buf_done(&text);
    }
}

static void writes_what_dingtalk_documents(void **state)
{
    struct buf body = BUF_INIT(4096);
    assert_int_equal(webhook_body("t", STR_LIT("a \"b\"\n"), "7", &body), ST_OK);
    assert_string_equal(buf_cstr(&body),
                        "{\"msgtype\":\"markdown\",\"markdown\":{\"title\":\"t\",\"text\":\"a "
                        "\\\"b\\\"\\n\"},\"at\":{\"atUserIds\":[\"7\"],\"isAtAll\":false}}");
    buf_clear(&body);
    assert_int_equal(webhook_body("t", STR_LIT("x"), NULL, &body), ST_OK);
    assert_non_null(strstr(buf_cstr(&body), "\"atUserIds\":[]"));
    buf_clear(&body);
    assert_int_equal(webhook_body("t", STR_LIT("\xFF"), "7", &body), ST_INVAL);
    buf_done(&body);
}

static void knows_what_each_byte_costs(void **state)
{
    struct buf empty = BUF_INIT(4096);
    assert_int_equal(webhook_body("t", STR_LIT(""), NULL, &empty), ST_OK);
    for (int c = 1; c < 0x80; c++) {
        char text[2] = {(char)c, '\0'};
        struct buf body = BUF_INIT(4096);
        assert_int_equal(webhook_body("t", str_of(text), NULL, &body), ST_OK);
        assert_int_equal(body.len - empty.len, webhook_text_cost(str_of(text)));
        buf_done(&body);
    }
    assert_int_equal(webhook_text_cost(STR_LIT("中\xF0\x9F\x98\x80")), 7);
    buf_done(&empty);
}

static void cleans_what_json_cannot_hold(void **state)
{
    struct buf text = BUF_INIT(4096);
    webhook_clean(STR_LIT("a\0b\xFF中\xE4\xB8"), &text);
    assert_string_equal(buf_cstr(&text), "a\xEF\xBF\xBD"
                                         "b\xEF\xBF\xBD中\xEF\xBF\xBD\xEF\xBF\xBD");
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_title_of_the_first_line_that_says_something),
        cmocka_unit_test(mentions_whom_it_can),
        cmocka_unit_test(writes_what_dingtalk_documents),
        cmocka_unit_test(knows_what_each_byte_costs),
        cmocka_unit_test(cleans_what_json_cannot_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
