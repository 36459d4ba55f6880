#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "chat/templates.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct template *builtin(const char *title)
{
    size_t n;
    const struct template *items = templates_builtin(&n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(items[i].title, title) == 0)
            return &items[i];
    }
    fail_msg("%s is missing", title);
    return NULL;
}

static void every_title_that_users_know_is_built_in(void **state)
{
    static const char *const titles[] = {
        "#周报",         "#前端",         "#架构师",       "#产品经理", "#网络安全",   "#正则",
        "#招聘",         "#知乎",         "#翻译",         "#小红书",   "#解梦",       "#linux命令",
        "#英语学术润色", "#中文学术润色", "#查找语法错误", "#中译英",   "#学术中译英", "#英译中",
        "#解释代码",     "#生成域名",     "#生成sql",      "#编程问题", "#画图",
    };
    size_t n;
    (void)templates_builtin(&n);
    assert_int_equal(n, COUNT(titles));
    for (size_t i = 0; i < COUNT(titles); i++)
        assert_non_null(builtin(titles[i]));
}

static void every_built_in_text_is_an_instruction_in_utf8(void **state)
{
    size_t n;
    const struct template *items = templates_builtin(&n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(items[i].title[0], '#');
        assert_true(utf8_is_valid(str_of(items[i].title)));
        assert_true(utf8_is_valid(str_of(items[i].prefix)));
        assert_true(utf8_is_valid(str_of(items[i].suffix)));
        assert_true(strlen(items[i].prefix) > 30);
        /* The text that follows begins on a line of its own. */
        assert_true(str_ends(str_of(items[i].prefix), STR_LIT("\n")));
    }
}

static void the_weekly_report_asks_for_markdown_in_points(void **state)
{
    const char *prefix = builtin("#周报")->prefix;
    assert_non_null(strstr(prefix, "Markdown"));
    assert_non_null(strstr(prefix, "分点"));
}

static void code_to_be_explained_is_wrapped_in_a_fence(void **state)
{
    const struct template *template = builtin("#解释代码");
    assert_true(str_ends(str_of(template->prefix), STR_LIT("\n```\n")));
    assert_string_equal(template->suffix, "\n```");
}

static void the_longest_title_wins_in_either_case(void **state)
{
    static const struct template items[] = {
        {"#翻", "", ""},  {"#翻译成英文", "", ""}, {"#翻译", "", ""},
        {"#Sql", "", ""}, {"#SQL", "", ""},
    };
    static const struct {
        struct str text;
        int index; /* -1: none */
        const char *rest;
    } rows[] = {
        {STR_LIT("#翻译成英文 你好"), 1, "你好"},
        {STR_LIT("#翻译成 英文"), 2, "成 英文"},
        {STR_LIT("#翻译"), 2, ""},
        {STR_LIT("#翻译\u3000\n x \u2005"), 2, "x"},
        {STR_LIT("#翻"), 0, ""},
        {STR_LIT("#sQL select"), 3, "select"},
        {STR_LIT("#"), -1, NULL},
        {STR_LIT("翻译 x"), -1, NULL},
        {STR_LIT(""), -1, NULL},
        {{NULL, 0}, -1, NULL},
        {STR_LIT("#\0翻译"), -1, NULL},
        {STR_LIT("#\xE7\xBF"), -1, NULL},
        {STR_LIT("#翻\xE8\xAF"), 0, "\xE8\xAF"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str rest = STR_LIT("untouched");
        const struct template *found = templates_find(items, COUNT(items), rows[i].text, &rest);
        assert_ptr_equal(found, rows[i].index < 0 ? NULL : &items[rows[i].index]);
        assert_true(str_eq(rest, str_of(rows[i].index < 0 ? "untouched" : rows[i].rest)));
    }
    struct str rest;
    assert_null(templates_find(NULL, 0, STR_LIT("#翻译"), &rest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_title_that_users_know_is_built_in),
        cmocka_unit_test(every_built_in_text_is_an_instruction_in_utf8),
        cmocka_unit_test(the_weekly_report_asks_for_markdown_in_points),
        cmocka_unit_test(code_to_be_explained_is_wrapped_in_a_fence),
        cmocka_unit_test(the_longest_title_wins_in_either_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
