#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/mem.h"
#include "webhook_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void repeat(struct buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_puts(out, text);
}

static void sends_one_message_as_dingtalk_wants_it(void **state)
{
    struct fixture *f = fixture_new(NULL, 0, NULL);
    struct message message = fixture_message(f);
    struct reply reply = {.markdown = STR_LIT("# Result\n\nall *good*")};
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_int_equal(f->outcome.status, ST_OK);
    assert_int_equal(f->outcome.parts_sent, 1);
    assert_int_equal(f->outcome.parts_total, 1);
    assert_int_equal(fixture_n_bodies(), 1);
    const json_t *body = fixture_body(0);
    assert_true(str_eq(json_str(body, "msgtype"), STR_LIT("markdown")));
    assert_true(str_eq(json_str(json_object_get(body, "markdown"), "title"), STR_LIT("Result")));
    assert_string_equal(fixture_text(0), "@0258369\n\n# Result\n\nall *good*");
    assert_string_equal(fixture_mentioned(0), "0258369");
    fixture_free(f);
}

static void takes_the_title_it_is_given(void **state)
{
    struct fixture *f = fixture_new(NULL, 0, NULL);
    struct message message = fixture_message(f);
    message.is_group = false;
    struct reply reply = {.markdown = STR_LIT("# Result"), .title = "周报"};
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_true(
        str_eq(json_str(json_object_get(fixture_body(0), "markdown"), "title"), STR_LIT("周报")));
    assert_string_equal(fixture_text(0), "# Result");
    assert_string_equal(fixture_mentioned(0), "");
    fixture_free(f);
}

static void mentions_by_nick_for_outgoing_robots(void **state)
{
    struct fixture *f = fixture_new(NULL, 0, NULL);
    struct message message = fixture_message(f);
    message.is_outgoing_robot = true;
    message.sender_staff_id = "";
    struct reply reply = {.markdown = STR_LIT("hello")};
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_string_equal(fixture_text(0), "@Li Lei\n\nhello");
    assert_string_equal(fixture_mentioned(0), "");
    fixture_free(f);
}

/* Every answer, how often the message is sent then, and how it ends. */
static void acts_on_every_answer(void **state)
{
    static const struct {
        struct answer answers[5];
        size_t n_answers;
        size_t n_bodies;
        enum status status;
        int code;
    } cases[] = {
        {{{0, "\"0\""}}, 1, 1, ST_OK, 0},
        {{{200, NULL}}, 1, 1, ST_OK, 0},
        {{{0, "-1"}}, 1, 2, ST_OK, 0},
        {{{0, "\"-1\""}, {0, "-1"}}, 2, 3, ST_OK, 0},
        {{{0, "-1"}, {0, "-1"}, {0, "-1"}}, 3, 3, ST_UPSTREAM, -1},
        {{{502, NULL}}, 1, 2, ST_OK, 0},
        {{{500, NULL}, {503, NULL}, {504, NULL}}, 3, 3, ST_UPSTREAM, 504},
        {{{CUT, NULL}}, 1, 2, ST_OK, 0},
        {{{CUT, NULL}, {CUT, NULL}}, 2, 2, ST_NET, 52},
        {{{0, "-1"}, {0, "-1"}, {CUT, NULL}}, 3, 4, ST_OK, 0},
        {{{0, "130101"}}, 1, 2, ST_OK, 0},
        {{{0, "410100"}, {0, "\"130101\""}, {429, NULL}}, 3, 4, ST_OK, 0},
        {{{0, "130101"}, {0, "130101"}, {0, "130101"}, {0, "130101"}}, 4, 4, ST_LIMITED, 130101},
        {{{0, "300001"}}, 1, 1, ST_NOT_FOUND, 300001},
        {{{0, "300005"}}, 1, 1, ST_NOT_FOUND, 300005},
        {{{0, "\"session.expired\""}}, 1, 1, ST_NOT_FOUND, 0},
        {{{0, "430101"}}, 1, 2, ST_UPSTREAM, 430101},
        {{{0, "430104"}, {0, "430104"}}, 2, 2, ST_UPSTREAM, 430104},
        {{{0, "430103"}, {0, "-1"}}, 2, 2, ST_UPSTREAM, 430103},
        {{{0, "310000"}}, 1, 1, ST_UPSTREAM, 310000},
        {{{0, "40035"}}, 1, 1, ST_UPSTREAM, 40035},
        {{{0, "460101"}}, 1, 1, ST_UPSTREAM, 460101}, /* nothing to make smaller of it */
        {{{302, NULL}}, 1, 1, ST_UPSTREAM, 302},
        {{{404, NULL}}, 1, 1, ST_UPSTREAM, 404},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture *f = fixture_new(cases[i].answers, cases[i].n_answers, NULL);
        struct message message = fixture_message(f);
        struct reply reply = {.markdown = STR_LIT("hello")};
        fixture_start(f, &message, &reply);
        fixture_run(f);
        if (f->outcome.status != cases[i].status || fixture_n_bodies() != cases[i].n_bodies)
            fail_msg("case %zu: %s after %zu messages: %s", i, status_name(f->outcome.status),
                     fixture_n_bodies(), f->outcome.error.text);
        assert_int_equal(f->outcome.error.code, cases[i].code);
        assert_int_equal(f->outcome.parts_sent, cases[i].status == ST_OK);
        assert_int_equal(f->outcome.parts_total, 1);
        fixture_free(f);
    }
}

static void does_not_read_an_endless_answer(void **state)
{
    const struct answer answer = {HUGE_ANSWER, NULL};
    struct fixture *f = fixture_new(&answer, 1, NULL);
    struct message message = fixture_message(f);
    struct reply reply = {.markdown = STR_LIT("hello")};
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_int_equal(f->outcome.status, ST_TOO_LARGE);
    assert_int_equal(fixture_n_bodies(), 1);
    fixture_free(f);
}

static void says_plainly_that_the_content_was_refused(void **state)
{
    const struct answer answer = {0, "430102"};
    struct fixture *f = fixture_new(&answer, 1, NULL);
    struct message message = fixture_message(f);
    struct reply reply = {.markdown = STR_LIT("something bad")};
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_int_equal(fixture_n_bodies(), 2);
    assert_non_null(strstr(fixture_text(1), "回答未能通过钉钉的内容安全检查。"));
    assert_non_null(strstr(fixture_text(1), "did not pass DingTalk's content check"));
    assert_null(strstr(
        json_string_value(json_object_get(json_object_get(fixture_body(1), "markdown"), "title")),
        "bad"));
    fixture_free(f);
}

static void waits_as_long_as_the_throttle_asks(void **state)
{
    const struct answer answers[] = {{0, "130101"}, {0, "130101"}};
    struct webhook_settings settings = WEBHOOK_SETTINGS_DEFAULT;
    settings.throttle_delay_ms = 50;
    struct fixture *f = fixture_new(answers, 2, &settings);
    struct message message = fixture_message(f);
    struct reply reply = {.markdown = STR_LIT("hello")};
    int64_t start_ms = clock_mono_ms();
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_int_equal(f->outcome.status, ST_OK);
    assert_true(clock_mono_ms() - start_ms >= 50 + 150);
    fixture_free(f);
}

static void sends_the_parts_of_a_long_text_in_order(void **state)
{
    struct fixture *f = fixture_new(NULL, 0, NULL);
    struct message message = fixture_message(f);
    struct buf text = BUF_INIT(1 << 20);
    for (int i = 0; i < 2000; i++)
        buf_printf(&text, "paragraph %d with \"words\" 和中文\n\n", i);
    struct reply reply = {.markdown = buf_str(&text)};
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_int_equal(f->outcome.status, ST_OK);
    size_t n = fixture_n_bodies();
    assert_true(n >= 4);
    assert_int_equal(f->outcome.parts_sent, n);
    assert_int_equal(f->outcome.parts_total, n);
    assert_int_equal(f->n_parts, n - 1);
    int next = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(fixture_body_bytes(i) <= 20000);
        assert_string_equal(fixture_mentioned(i), i == 0 ? "0258369" : "");
        assert_int_equal(strstr(fixture_text(i), "@0258369") != NULL, i == 0);
        for (const char *at = strstr(fixture_text(i), "paragraph "); at;
             at = strstr(at + 1, "paragraph "))
            assert_int_equal(strtol(at + strlen("paragraph "), NULL, 10), next++);
    }
    assert_int_equal(next, 2000);
    buf_done(&text);
    fixture_free(f);
}

static void stays_below_20000_bytes_whatever_the_text_is(void **state)
{
    static const char *const units[] = {
        "\"", "\\", "\x01", "\n", "中", "\xF0\x9F\x98\x80", "```\n\"\\\n", "\xFF", "a\tb\r\n",
    };
    for (size_t i = 0; i < COUNT(units); i++) {
        struct fixture *f = fixture_new(NULL, 0, NULL);
        struct message message = fixture_message(f);
        struct buf text = BUF_INIT(1 << 20);
        buf_puts(&text, "begin ");
        repeat(&text, units[i], 45000 / strlen(units[i]));
        buf_puts(&text, " end");
        struct reply reply = {.markdown = buf_str(&text)};
        fixture_start(f, &message, &reply);
        fixture_run(f);
        assert_int_equal(f->outcome.status, ST_OK);
        for (size_t j = 0; j < fixture_n_bodies(); j++)
            assert_true(fixture_body_bytes(j) <= 19500);
        buf_done(&text);
        fixture_free(f);
    }
}

static void splits_further_what_is_too_long_all_the_same(void **state)
{
    const struct answer answers[] = {{0, "460101"}, {0, "0"}, {0, "101002"}};
    struct webhook_settings settings = WEBHOOK_SETTINGS_DEFAULT;
    settings.max_message_bytes = 8000;
    struct fixture *f = fixture_new(answers, COUNT(answers), &settings);
    struct message message = fixture_message(f);
    struct buf text = BUF_INIT(1 << 20);
    for (int i = 0; i < 500; i++)
        buf_printf(&text, "line number %d\n\n", i);
    struct reply reply = {.markdown = buf_str(&text)};
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_int_equal(f->outcome.status, ST_OK);
    assert_int_equal(f->outcome.parts_total, 2);
    assert_int_equal(f->outcome.parts_sent, 2);
    assert_int_equal(f->n_parts, 1);
    assert_true(fixture_body_bytes(1) <= fixture_body_bytes(0) / 2 + 400);
    int next = 0;
    for (size_t i = 0; i < fixture_n_bodies(); i++) {
        if (i == 0 || i == 2)
            continue; /* these were refused */
        for (const char *at = strstr(fixture_text(i), "number "); at;
             at = strstr(at + 1, "number "))
            assert_int_equal(strtol(at + strlen("number "), NULL, 10), next++);
    }
    assert_int_equal(next, 500);
    buf_done(&text);
    fixture_free(f);
}

static void goes_on_where_an_earlier_run_stopped(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    repeat(&text, "a paragraph of some words\n\n", 2500);
    struct fixture *f = fixture_new(NULL, 0, NULL);
    struct message message = fixture_message(f);
    struct reply reply = {.markdown = buf_str(&text)};
    fixture_start(f, &message, &reply);
    fixture_run(f);
    size_t n = fixture_n_bodies();
    assert_true(n > 2);
    char *third = xstrdup(fixture_text(2));
    fixture_free(f);

    f = fixture_new(NULL, 0, NULL);
    message = fixture_message(f);
    reply.parts_done = 2;
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_int_equal(fixture_n_bodies(), n - 2);
    assert_string_equal(fixture_text(0), third);
    assert_string_equal(fixture_mentioned(0), "");
    assert_int_equal(f->outcome.parts_sent, n);
    fixture_free(f);

    f = fixture_new(NULL, 0, NULL);
    message = fixture_message(f);
    reply.parts_done = (int)n + 3;
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_int_equal(f->outcome.status, ST_OK);
    assert_int_equal(f->outcome.parts_sent, n);
    assert_int_equal(fixture_n_bodies(), n); /* another count than ours: rather twice than not */
    fixture_free(f);

    f = fixture_new(NULL, 0, NULL);
    message = fixture_message(f);
    reply.parts_done = (int)n;
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_int_equal(f->outcome.parts_sent, n);
    assert_int_equal(fixture_n_bodies(), 0);
    fixture_free(f);
    free(third);
    buf_done(&text);
}

static void never_sends_a_blank_message(void **state)
{
    struct fixture *f = fixture_new(NULL, 0, NULL);
    struct message message = fixture_message(f);
    struct reply reply = {.markdown = STR_LIT(" \n ")};
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_int_equal(f->outcome.status, ST_OK);
    assert_non_null(strstr(fixture_text(0), "回复"));
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_one_message_as_dingtalk_wants_it),
        cmocka_unit_test(takes_the_title_it_is_given),
        cmocka_unit_test(mentions_by_nick_for_outgoing_robots),
        cmocka_unit_test(acts_on_every_answer),
        cmocka_unit_test(does_not_read_an_endless_answer),
        cmocka_unit_test(says_plainly_that_the_content_was_refused),
        cmocka_unit_test(waits_as_long_as_the_throttle_asks),
        cmocka_unit_test(sends_the_parts_of_a_long_text_in_order),
        cmocka_unit_test(stays_below_20000_bytes_whatever_the_text_is),
        cmocka_unit_test(splits_further_what_is_too_long_all_the_same),
        cmocka_unit_test(goes_on_where_an_earlier_run_stopped),
        cmocka_unit_test(never_sends_a_blank_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
