#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "chat/commands.h"
#include "chat/route.h"
#include "chat/templates.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct template own[] = {
    {"#图", "", ""}, {"#图片处理", "", ""},  {"#图片", "", ""},
    {"#a", "", ""},  {"#Linux命令", "", ""}, {"#A", "", ""},
};

static void what_was_typed_is_trimmed_and_loses_a_leading_mention(void **state)
{
    static const struct {
        bool is_group, is_only_robot;
        const char *nick, *text, *want;
    } rows[] = {
        {true, true, "", " 你好", "你好"},
        {true, true, "", "", ""},
        {true, true, "", "\u3000\u200B\r\n", ""},
        {true, true, "", "@机器人 帮助", "帮助"},
        {true, true, "", "@机器人\u2005帮助", "帮助"},
        {true, true, "", "@机器人\u3000帮助 ", "帮助"},
        {true, true, "", "@机器人\n帮助", "帮助"},
        {true, true, "", "@机器人", ""},
        {true, true, "", "@", ""},
        {true, true, "", "@ 帮助", "帮助"},
        {true, true, "", "@a @b 帮助", "@b 帮助"},
        {true, true, "", "你好 @机器人", "你好 @机器人"},
        {true, true, "", "@\xff\xE5 x", "x"},
        {true, false, "", "@小王 你好", "@小王 你好"},
        {false, true, "", "@小王 你好", "@小王 你好"},
        {false, false, "小助手", "@小助手 帮助", "帮助"},
        {false, false, "小助手", "@小助手\u2005帮助", "帮助"},
        {false, false, "小助手", "@小助手", ""},
        {false, false, "小助", "@小助手 帮助", "@小助手 帮助"}, /* somebody else's name */
        {true, true, "", " @Override 是什么", "@Override 是什么"},
        {true, true, "", "\u2005@Override 是什么", "@Override 是什么"},
        {true, true, "", " @机器人 帮助", "帮助"},
        {true, true, "", " @机器人 #随便 x", "#随便 x"},
        {true, true, "", " @机器人", ""},
        {false, false, "小助手", "@小助手2号 你好", "@小助手2号 你好"},
        {true, true, "小助手", "@小助手2号 你好", "你好"},
        {true, true, "", " @Override 是什么", "@Override 是什么"},
        {true, true, "", " @机器人 帮助", "帮助"},
        {true, true, "", " @机器人 ＃周报 x", "＃周报 x"},
        {false, false, "my bot", "@my bot 帮助", "帮助"},
        {false, false, "小助手", "小助手 帮助", "小助手 帮助"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct message message = {.robot_nick = rows[i].nick,
                                  .text = rows[i].text,
                                  .is_group = rows[i].is_group,
                                  .is_only_robot_mentioned = rows[i].is_only_robot};
        struct str typed = route_typed(&message);
        if (!str_eq(typed, str_of(rows[i].want)))
            fail_msg("\"%s\" became \"%.*s\"", rows[i].text, (int)typed.n, typed.p);
    }
}

static void a_text_means_a_command_a_template_or_a_question(void **state)
{
    static const struct {
        struct str typed;
        const char *command; /* NULL: none */
        const char *template;
        const char *argument;
        bool is_charged;
    } rows[] = {
        {STR_LIT(""), "", NULL, "", false},
        {STR_LIT("帮助"), "帮助", NULL, "", false},
        {STR_LIT("帮助我"), NULL, NULL, "帮助我", true},
        {STR_LIT("单聊"), "单聊", NULL, "", false},
        {STR_LIT("退出"), "退出", NULL, "", false},
        {STR_LIT("退出 x"), NULL, NULL, "退出 x", true},
        {STR_LIT("图片"), "图片", NULL, "", false},
        {STR_LIT("模型"), "模型", NULL, "", false},
        {STR_LIT("模型 快的"), "模型", NULL, "快的", false},
        {STR_LIT("模型\u3000快的"), "模型", NULL, "快的", false},
        {STR_LIT("模型训练"), NULL, NULL, "模型训练", true},
        {STR_LIT("#图片"), "#图片", NULL, "", false},
        {STR_LIT("#图片 猫"), "#图片", NULL, "猫", true},
        {STR_LIT("#图片猫"), "#图片", NULL, "猫", true},
        {STR_LIT("#图片\n猫 "), "#图片", NULL, "猫", true},
        {STR_LIT("#图片处理 猫"), NULL, "#图片处理", "猫", true},
        {STR_LIT("#图表"), NULL, "#图", "表", true},
        {STR_LIT("#图"), NULL, "#图", "", false},
        {STR_LIT("#LINUX命令 ls"), NULL, "#Linux命令", "ls", true},
        {STR_LIT("＃图片 猫"), "#图片", NULL, "猫", true},
        {STR_LIT("＃图片处理 猫"), NULL, "#图片处理", "猫", true},
        {STR_LIT("＃图"), NULL, "#图", "", false},
        {STR_LIT("＃图片"), "#图片", NULL, "", false},
        {STR_LIT("##图片 猫"), NULL, NULL, "##图片 猫", true},
        {STR_LIT("图片 猫"), NULL, NULL, "图片 猫", true},
        {STR_LIT("#linux"), NULL, NULL, "#linux", true},
        {STR_LIT("#A b"), NULL, "#a", "b", true},
        {STR_LIT("＃图片 猫"), "#图片", NULL, "猫", true},
        {STR_LIT("＃图片处理 猫"), NULL, "#图片处理", "猫", true},
        {STR_LIT("＃linux命令 ls"), NULL, "#Linux命令", "ls", true},
        {STR_LIT("＃"), NULL, NULL, "＃", true},
        {STR_LIT("x #图片 猫"), NULL, NULL, "x #图片 猫", true},
        {STR_LIT("帮助\0"), NULL, NULL, "帮助\0", true},
        {STR_LIT("\xff\xfe"), NULL, NULL, "\xff\xfe", true},
        {STR_LIT("#图片 \xff"), "#图片", NULL, "\xff", true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct route route = route_find(rows[i].typed, own, COUNT(own));
        assert_int_equal(route.command != NULL, rows[i].command != NULL);
        bool has_name = false;
        for (size_t k = 0; route.command && route.command->names[k]; k++)
            has_name |= strcmp(route.command->names[k], rows[i].command) == 0;
        assert_int_equal(has_name, rows[i].command != NULL);
        assert_int_equal(route.template != NULL, rows[i].template != NULL);
        if (rows[i].template)
            assert_string_equal(route.template->title, rows[i].template);
        struct str want = str_of(rows[i].argument);
        if (rows[i].typed.n > want.n && !rows[i].command && !rows[i].template)
            want = rows[i].typed;
        assert_true(str_eq(route.argument, want));
        assert_int_equal(route_is_charged(&route), rows[i].is_charged);
    }
}

static void without_templates_a_hash_is_a_question(void **state)
{
    struct route route = route_find(STR_LIT("#周报 x"), NULL, 0);
    assert_null(route.command);
    assert_null(route.template);
    assert_true(str_eq(route.argument, STR_LIT("#周报 x")));
    route = route_find((struct str){0}, NULL, 0);
    assert_non_null(route.command);
    assert_false(route_is_charged(&route));
}

static void every_built_in_title_is_reached_by_typing_it(void **state)
{
    size_t n;
    const struct template *items = templates_builtin(&n);
    for (size_t i = 0; i < n; i++) {
        struct route bare = route_find(str_of(items[i].title), items, n);
        assert_ptr_equal(bare.template, &items[i]);
        assert_false(route_is_charged(&bare));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_typed_is_trimmed_and_loses_a_leading_mention),
        cmocka_unit_test(a_text_means_a_command_a_template_or_a_question),
        cmocka_unit_test(without_templates_a_hash_is_a_question),
        cmocka_unit_test(every_built_in_title_is_reached_by_typing_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
