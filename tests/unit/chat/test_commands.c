#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "chat/commands.h"
#include "chat/words.h"
#include "chat_fixture.h"
#include "util/clock.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_shown(const struct fixture *f, const char *part)
{
    if (!strstr(buf_cstr(&f->platform.shown), part))
        fail_msg("\"%s\" is not in \"%s\"", part, buf_cstr(&f->platform.shown));
}

static void type_and_end(struct fixture *f, const char *text)
{
    int delivered = f->platform.finished + f->platform.failed;
    fixture_type(f, "staff", text);
    fixture_settle(f);
    assert_int_equal(f->platform.finished + f->platform.failed, delivered + 1);
    assert_true(fixture_has_no_turn(f));
    assert_int_equal(f->store.n_inbox, 0);
}

static void every_row_is_complete_and_no_name_stands_twice(void **state)
{
    size_t n;
    const struct command *table = commands_table(&n);
    const char *seen[64];
    size_t n_seen = 0;
    for (size_t i = 0; i < n; i++) {
        assert_non_null(table[i].run);
        assert_non_null(table[i].names[0]);
        assert_true(!table[i].usage || (*table[i].help_zh && *table[i].help_en));
        for (const char *const *name = table[i].names; *name; name++) {
            assert_true(utf8_is_valid(str_of(*name)));
            assert_true(str_eq(str_trim(str_of(*name)), str_of(*name)));
            for (size_t k = 0; k < n_seen; k++)
                assert_string_not_equal(seen[k], *name);
            seen[n_seen++] = *name;
        }
    }
}

static void what_people_have_always_typed_is_there(void **state)
{
    static const struct {
        const char *name;
        bool takes_text, is_charged;
    } rows[] = {{"", false, false},     {"帮助", false, false}, {"单聊", false, false},
                {"串聊", false, false}, {"重置", false, false}, {"退出", false, false},
                {"结束", false, false}, {"模板", false, false}, {"图片", false, false},
                {"余额", false, false}, {"#图片", true, true}};
    size_t n;
    const struct command *table = commands_table(&n);
    for (size_t r = 0; r < COUNT(rows); r++) {
        const struct command *found = NULL;
        for (size_t i = 0; i < n; i++) {
            for (const char *const *name = table[i].names; *name; name++)
                found = strcmp(*name, rows[r].name) == 0 ? &table[i] : found;
        }
        assert_non_null(found);
        assert_int_equal(found->takes_text, rows[r].takes_text);
        assert_int_equal(found->is_charged, rows[r].is_charged);
        assert_false(found->is_asking);
    }
}

static void commands_that_only_speak_say_it_in_both_languages(void **state)
{
    static const struct {
        const char *typed, *zh, *en;
        enum store_session_change change;
        enum store_mode mode;
    } rows[] = {
        {"", "我能做什么", "What I can do", STORE_SESSION_KEEP, 0},
        {" 帮助 ", "我能做什么", "What I can do", STORE_SESSION_KEEP, 0},
        {"单聊", "已进入**单聊**模式", "**单聊** mode", STORE_SESSION_SET_MODE, STORE_MODE_SINGLE},
        {"串聊", "已进入**串聊**模式", "**串聊** mode", STORE_SESSION_SET_MODE, STORE_MODE_CHAIN},
        {"重置", "已重置", "Reset:", STORE_SESSION_FORGET, 0},
        {"退出", "已重置", "Reset:", STORE_SESSION_FORGET, 0},
        {"结束", "已重置", "Reset:", STORE_SESSION_FORGET, 0},
        {"模板", "- `#周报`\n", "- `#周报`\n", STORE_SESSION_KEEP, 0},
        {"图片", "#图片 描述", "#图片 description", STORE_SESSION_KEEP, 0},
        {"#图片", "#图片 描述", "#图片 description", STORE_SESSION_KEEP, 0},
        {"#图片 \u3000", "#图片 描述", "#图片 description", STORE_SESSION_KEEP, 0},
        {"停止", "没有正在进行的回答", "No answer is running", STORE_SESSION_KEEP, 0},
        {"重新生成", "还没有可以重新回答的问题", "no question to ask again", STORE_SESSION_KEEP, 0},
        {"#周报", "写周报：", "写周报：", STORE_SESSION_KEEP, 0},
    };
    for (int english = 0; english < 2; english++) {
        void *mine = NULL;
        assert_int_equal(fixture_setup(&mine), 0);
        struct fixture *f = mine;
        f->settings.language = english ? LANGUAGE_EN : LANGUAGE_ZH;
        fixture_start(f);
        for (size_t i = 0; i < COUNT(rows); i++) {
            type_and_end(f, rows[i].typed);
            assert_shown(f, english ? rows[i].en : rows[i].zh);
            assert_int_equal(f->platform.reply_kind, REPLY_NOTICE);
            assert_int_equal(f->store.change, rows[i].change);
            if (rows[i].change == STORE_SESSION_SET_MODE)
                assert_int_equal(f->store.mode, rows[i].mode);
            assert_string_equal(f->store.kind, "");
            if (strcmp(rows[i].typed, "重新生成") != 0)
                assert_false(f->store.arrival.is_charged);
        }
        assert_int_equal(f->llm.asked + f->llm.drawn + f->llm.looked, 0);
        assert_int_equal(f->platform.begun, 0);
        assert_int_equal(fixture_teardown(&mine), 0);
    }
}

static void the_help_lists_every_command_or_is_the_operators_own(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    type_and_end(f, "帮助");
    size_t n;
    const struct command *table = commands_table(&n);
    for (size_t i = 0; i < n; i++) {
        if (!table[i].usage || table[i].is_for_admins)
            continue;
        assert_shown(f, table[i].usage);
        assert_shown(f, table[i].help_zh);
    }
    fixture_stop(f);

    void *mine = NULL;
    assert_int_equal(fixture_setup(&mine), 0);
    struct fixture *own = mine;
    own->settings.help = "问前台 {0} %s";
    fixture_start(own);
    type_and_end(own, "");
    assert_string_equal(buf_cstr(&own->platform.shown), "问前台 {0} %s");
    assert_int_equal(fixture_teardown(&mine), 0);
}

static void a_mode_is_confirmed_with_when_it_falls_back(void **state)
{
    static const struct {
        bool is_chain_default;
        int64_t timeout_s;
        const char *typed, *wants[3];
    } rows[] = {
        {false, 600, "串聊", {"10 分钟", "回到默认的单聊", "最早 20"}},
        {false, 90, "串聊", {"90 秒", "回到默认的单聊", "最早 20"}},
        {true, 600, "串聊", {"10 分钟", "这也是默认模式", "最早 20"}},
        {true, 600, "单聊", {"10 分钟", "回到默认的串聊", "最早 20"}},
        {false, 600, "单聊", {"这也是默认模式", "每个问题单独回答", "单聊"}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        void *mine = NULL;
        assert_int_equal(fixture_setup(&mine), 0);
        struct fixture *f = mine;
        f->settings.is_chain_default = rows[i].is_chain_default;
        f->settings.session_timeout_s = rows[i].timeout_s;
        fixture_start(f);
        type_and_end(f, rows[i].typed);
        for (size_t k = 0; k < 3; k++)
            assert_shown(f, rows[i].wants[k]);
        assert_int_equal(fixture_teardown(&mine), 0);
    }
}

static void a_drawing_is_charged_saved_and_shown_by_its_address(void **state)
{
    struct fixture *f = *state;
    f->settings.service_url = "https://bridge.example//";
    fixture_start(f);
    fixture_type(f, "staff", "#图片 雪后的故宫");
    fixture_settle(f);
    assert_true(f->store.arrival.is_charged);
    assert_int_equal(f->llm.drawn, 1);
    assert_string_equal(buf_cstr(&f->llm.question), "雪后的故宫");
    fixture_end_image(f, LLM_OK);
    fixture_wait(f, fixture_has_no_turn);
    assert_shown(f, "![图片](https://bridge.example/images/");
    assert_shown(f, ".gif)");
    assert_shown(f, "雪后的故宫");
    assert_string_equal(f->store.kind, "image");
    assert_string_equal(f->store.outcome, "answered");
    assert_false(f->store.in_context);
}

static void a_drawing_without_an_address_or_a_disk_says_so(void **state)
{
    struct fixture *f = *state;
    f->settings.service_url = "";
    fixture_start(f);
    fixture_type(f, "staff", "#图片 x");
    fixture_settle(f);
    fixture_end_image(f, LLM_OK);
    fixture_wait(f, fixture_has_no_turn);
    assert_shown(f, "service_url");

    image_store_free(f->images);
    f->images = image_store_new(f->work, "/nowhere", 100);
    fixture_stop(f);

    void *mine = NULL;
    assert_int_equal(fixture_setup(&mine), 0);
    struct fixture *own = mine;
    image_store_free(own->images);
    own->images = image_store_new(own->work, "/nowhere", 100);
    fixture_start(own);
    fixture_type(own, "staff", "#图片 x");
    fixture_settle(own);
    fixture_end_image(own, LLM_OK);
    fixture_wait(own, fixture_has_no_turn);
    assert_shown(own, "没能保存");
    assert_string_equal(own->store.outcome, "failed");
    assert_int_equal(fixture_teardown(&mine), 0);
}

static void a_balance_is_told_line_by_line_whatever_a_provider_calls_a_date(void **state)
{
    static const struct {
        struct llm_balance_line line;
        const char *wants[3]; /* "" for any */
        const char *never;
    } rows[] = {
        {{.money = LLM_MONEY_CNY, .has_left = true, .left = 12.345, .expires_s = -1},
         {"剩余：¥12.3", "", ""},
         "总额"},
        {{.money = LLM_MONEY_USD,
          .has_total = true,
          .has_used = true,
          .has_left = true,
          .total = 20,
          .used = 5,
          .left = 15,
          .expires_s = 1767196800},
         {"总额：$20.00", "已用：$5.00", "2026-01-01 00:00"},
         "¥"},
        {{.is_unlimited = true, .has_used = true, .used = 1, .expires_s = 0},
         {"已用：1.00", "", ""},
         "剩余：0"},
        {{.has_left = true, .left = 1, .expires_s = INT64_MAX}, {"剩余：1.00", "", ""}, "¥"},
        {{.has_left = true, .left = 1, .expires_s = INT64_MIN}, {"剩余：1.00", "", ""}, "¥"},
        {{.has_left = true, .left = 1e300, .expires_s = -1}, {"剩余：", "", ""}, "¥"},
    };
    struct fixture *f = *state;
    fixture_start(f);
    assert_int_equal(clock_set_timezone("Asia/Shanghai"), ST_OK);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct llm_balance balance = {
            .provider = "api.example", .lines = {rows[i].line}, .n_lines = 1};
        fixture_type(f, "staff", "余额");
        fixture_settle(f);
        assert_int_equal(f->llm.looked, i + 1);
        fixture_end_balance(f, &balance);
        assert_true(fixture_has_no_turn(f));
        assert_shown(f, "余额（api.example）");
        for (size_t k = 0; k < 3; k++)
            assert_shown(f, rows[i].wants[k]);
        assert_null(strstr(buf_cstr(&f->platform.shown), rows[i].never));
        assert_false(f->store.arrival.is_charged);
    }
}

static void a_provider_without_a_balance_is_said_plainly_and_a_failure_too(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    static const struct {
        enum llm_failure failure;
        const char *want;
    } rows[] = {{LLM_FAIL_UNSUPPORTED, "api.example"}, {LLM_FAIL_TIMEOUT, "超时"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct llm_balance balance = {
            .outcome = {.failure = rows[i].failure, .peer_request_id = ""},
            .provider = "api.example"};
        fixture_type(f, "staff", "余额");
        fixture_settle(f);
        fixture_end_balance(f, &balance);
        assert_shown(f, rows[i].want);
        assert_int_equal(f->platform.reply_kind, REPLY_NOTICE);
    }
}

static void a_stopped_answer_keeps_what_was_said(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    fixture_type(f, "staff", "一个问题");
    fixture_settle(f);
    fixture_say(f, "说到一半");
    fixture_type(f, "staff", "停止");
    fixture_settle(f);
    assert_int_equal(f->llm.cancelled, 1);
    assert_int_equal(f->platform.opened, 2);
    assert_true(fixture_has_no_turn(f));
    assert_shown(f, "已停止");
    assert_int_equal(f->store.n_inbox, 0);
}

static void the_last_question_is_asked_again_with_its_charge(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    f->store.last_question = "上一个问题";
    fixture_type(f, "staff", "重新生成");
    fixture_settle(f);
    assert_true(f->store.arrival.is_charged);
    assert_string_equal(buf_cstr(&f->llm.question), "上一个问题");
    fixture_say(f, "新回答");
    fixture_end_answer(f, LLM_OK);
    assert_string_equal(buf_cstr(&f->platform.shown), "新回答");
    assert_string_equal(f->store.kind, "question");
    assert_true(fixture_has_no_turn(f));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete_and_no_name_stands_twice),
        cmocka_unit_test(what_people_have_always_typed_is_there),
        cmocka_unit_test(commands_that_only_speak_say_it_in_both_languages),
        TEST(the_help_lists_every_command_or_is_the_operators_own),
        cmocka_unit_test(a_mode_is_confirmed_with_when_it_falls_back),
        TEST(a_drawing_is_charged_saved_and_shown_by_its_address),
        TEST(a_drawing_without_an_address_or_a_disk_says_so),
        TEST(a_balance_is_told_line_by_line_whatever_a_provider_calls_a_date),
        TEST(a_provider_without_a_balance_is_said_plainly_and_a_failure_too),
        TEST(a_stopped_answer_keeps_what_was_said),
        TEST(the_last_question_is_asked_again_with_its_charge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
