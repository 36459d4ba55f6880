#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

static const char secret[] = "s3cret-of-the-operator";

/* What was written to standard error since capture_begin. */
static struct {
    int file;
    int saved;
    char text[64 * 1024];
} capture;

static void capture_begin(void)
{
    capture.file = memfd_create("log", MFD_CLOEXEC);
    assert_true(capture.file >= 0);
    capture.saved = dup(STDERR_FILENO);
    assert_true(dup2(capture.file, STDERR_FILENO) >= 0);
}

static const char *capture_end(void)
{
    assert_true(dup2(capture.saved, STDERR_FILENO) >= 0);
    (void)close(capture.saved);
    ssize_t n = pread(capture.file, capture.text, sizeof(capture.text) - 1, 0);
    assert_true(n >= 0);
    capture.text[n] = '\0';
    (void)close(capture.file);
    return capture.text;
}

/* The value of the one field that a line was written with. */
static const char *logged_value(struct str value)
{
    capture_begin();
    log_event(LOG_INFO, "m", "e", LOG_STR("k", value));
    char *line = (char *)(uintptr_t)capture_end();
    char *at = strstr(line, " info m e k=");
    assert_non_null(at);
    size_t len = strlen(at);
    assert_int_equal(at[len - 1], '\n');
    at[len - 1] = '\0';
    assert_null(strchr(at, '\n'));
    return at + strlen(" info m e k=");
}

static void an_event_is_one_line_of_stamp_level_module_event_and_fields(void **state)
{
    capture_begin();
    log_event(LOG_WARN, "turn", "answered", LOG_S("ref", "7f3a9c"), LOG_I("age_ms", -812),
              LOG_I("max", INT64_MIN), LOG_S("none", NULL));
    const char *line = capture_end();
    assert_int_equal(strspn(line, "0123456789-T:.+"), 29);
    assert_string_equal(
        line + 29,
        " warn turn answered ref=7f3a9c age_ms=-812 max=-9223372036854775808 none=\"\"\n");
}

static void what_is_above_the_level_is_not_written(void **state)
{
    static const enum log_level levels[] = {LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG};
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (size_t set = 0; set < 4; set++) {
        log_set_level(levels[set]);
        for (size_t i = 0; i < 4; i++) {
            capture_begin();
            log_event(levels[i], "m", "e", LOG_I("k", 1));
            const char *line = capture_end();
            assert_int_equal(log_is_on(levels[i]), i <= set);
            if (i <= set)
                assert_non_null(strstr(line, names[i]));
            else
                assert_string_equal(line, "");
        }
    }
    log_set_level(LOG_INFO);
}

static void nobody_can_forge_a_line_or_steer_a_terminal(void **state)
{
    static const struct {
        struct str value;
        const char *want;
    } rows[] = {
        {STR_LIT("plain-7.x:/_@"), "plain-7.x:/_@"},
        {STR_LIT(""), "\"\""},
        {STR_LIT("two words"), "\"two words\""},
        {STR_LIT("a=b"), "\"a=b\""},
        {STR_LIT("say \"hi\""), "\"say \\\"hi\\\"\""},
        {STR_LIT("back\\slash"), "\"back\\\\slash\""},
        {STR_LIT("x\n2026-01-01T00:00:00.000+00:00 error forged"),
         "\"x\\n2026-01-01T00:00:00.000+00:00 error forged\""},
        {STR_LIT("a\r\tb"), "\"a\\u000d\\u0009b\""},
        {STR_LIT("\x1b[31mred"), "\"\\u001b[31mred\""},
        {STR_LIT("\x7f\xC2\x9B"), "\"\\u007f\\u009b\""},
        {STR_LIT("\u202Eright\u2066\u200B\uFEFF"), "\"\\u202eright\\u2066\\u200b\\ufeff\""},
        {STR_LIT("\u2028\u2029"), "\"\\u2028\\u2029\""},
        {STR_LIT("周报"), "\"周报\""},
        {STR_LIT("\uFFFD"), "\"\uFFFD\""},
        {STR_LIT("bad\xff\xC3"), "\"bad\\xff\\xc3\""},
        {STR_LIT("a\0b"), "\"a\\u0000b\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(logged_value(rows[i].value), rows[i].want);
}

static void long_values_are_cut_at_whole_characters(void **state)
{
    char value[3000];
    memset(value, 'x', sizeof(value));
    assert_int_equal(strlen(logged_value((struct str){value, 512})), 512);
    assert_int_equal(strlen(logged_value((struct str){value, 513})), 512);
    for (size_t i = 0; i < sizeof(value); i += 3)
        memcpy(value + i, "周", 3);
    const char *shown = logged_value((struct str){value, sizeof(value)});
    assert_int_equal(strlen(shown), 2 + 510);
    assert_true(utf8_is_valid(str_of(shown)));
}

static void a_line_of_many_hostile_values_ends_in_a_newline_within_its_maximum(void **state)
{
    char value[512];
    memset(value, 1, sizeof(value));
    struct str v = {value, sizeof(value)};
    capture_begin();
    log_event(LOG_INFO, "m", "e", LOG_STR("a", v), LOG_STR("b", v), LOG_STR("c", v),
              LOG_STR("d", v), LOG_STR("e", v), LOG_STR("f", v), LOG_STR("g", v));
    const char *line = capture_end();
    size_t len = strlen(line);
    assert_in_range(len, 15 * 1024, 16 * 1024);
    assert_ptr_equal(strchr(line, '\n'), line + len - 1);
}

static void masked_texts_keep_what_helps_and_lose_what_opens_doors(void **state)
{
    static const struct {
        struct str text;
        const char *want;
    } rows[] = {
        {STR_LIT(""), ""},
        {STR_LIT("nothing to hide"), "nothing to hide"},
        {STR_LIT("key sk-abcDEF_123-4.x is wrong"), "key *** is wrong"},
        {STR_LIT("\"sk-proj-abcdef\""), "\"***\""},
        {STR_LIT("SK-ABCDEFG"), "***"},
        {STR_LIT("sk-short"), "sk-short"},
        {STR_LIT("task-force-blue"), "task-force-blue"},
        {STR_LIT("Authorization: Bearer abcdef123456"), "Authorization: ***"},
        {STR_LIT("bearer QWxhZGRpbg+/jZWVwc2Vz=="), "***"},
        {STR_LIT("bearer of news"), "bearer of news"},
        {STR_LIT("https://h.example/a/b"), "https://h.example/a/b"},
        {STR_LIT("at https://h.example/a?token=x&y=z now"), "at https://h.example/a?*** now"},
        {STR_LIT("https://u:p@h.example:8443/a"), "https://***@h.example:8443/a"},
        {STR_LIT("HTTP://u:p@ss@h.example"), "HTTP://***@h.example"},
        {STR_LIT("socks5h://me:pw@proxy:1080"), "socks5h://***@proxy:1080"},
        {STR_LIT("(https://h/?a) (http://i/?b)"), "(https://h/?***) (http://i/?***)"},
        {STR_LIT("https://?"), "https://?***"},
        {STR_LIT("http://@"), "http://***@"},
        {STR_LIT("https://"), "https://"},
        {STR_LIT("https://h/s3cret-of-the-operator/x"), "https://h/***/x"},
        {STR_LIT("x=s3cret-of-the-operators3cret-of-the-operator."), "x=******."},
        {STR_LIT("S3CRET-of-the-operator"), "S3CRET-of-the-operator"},
        {STR_LIT("s3cret-of-the-operato"), "s3cret-of-the-operato"},
        {STR_LIT("longer s3cret-of-the-operator-2 wins"), "longer *** wins"},
        {STR_LIT("https://h/?q=two words here"), "https://h/?***"},
        {STR_LIT("abcde"), "abcde"},
    };
    log_add_secret(NULL);
    log_add_secret("");
    log_add_secret("abcde");
    log_add_secret(secret);
    log_add_secret(secret);
    log_add_secret("s3cret-of-the-operator-2");
    log_add_secret("two words here");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        DB_CLEANUP(free_charp) char *masked = log_masked(rows[i].text);
        assert_string_equal(masked, rows[i].want);
    }
}

static void hostile_bytes_are_masked_without_harm(void **state)
{
    static const struct str texts[] = {
        {NULL, 0},
        STR_LIT("\0\0https://a\0b@c?d\0sk-aaaaaaaa\0"),
        STR_LIT("\xff\xfehttps://\xff@\xff?\xff"),
        STR_LIT("http://http://http://?@?@"),
        STR_LIT("sk-sk-sk-sk-"),
        STR_LIT("Bearer Bearer Bearer "),
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        DB_CLEANUP(free_charp) char *masked = log_masked(texts[i]);
        assert_non_null(masked);
        (void)logged_value(texts[i]);
    }
}

static void a_secret_is_masked_wherever_the_cut_falls(void **state)
{
    log_add_secret(secret);
    for (size_t before = 480; before <= 520; before++) {
        char value[1200];
        memset(value, 'x', sizeof(value));
        memcpy(value + before, secret, sizeof(secret) - 1);
        assert_null(strstr(logged_value((struct str){value, sizeof(value)}), "s3c"));
    }
    struct buf many = BUF_INIT(1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_puts(&many, secret);
    assert_null(strstr(logged_value(buf_str(&many)), "s3c"));
    buf_done(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_one_line_of_stamp_level_module_event_and_fields),
        cmocka_unit_test(what_is_above_the_level_is_not_written),
        cmocka_unit_test(nobody_can_forge_a_line_or_steer_a_terminal),
        cmocka_unit_test(long_values_are_cut_at_whole_characters),
        cmocka_unit_test(a_line_of_many_hostile_values_ends_in_a_newline_within_its_maximum),
        cmocka_unit_test(masked_texts_keep_what_helps_and_lose_what_opens_doors),
        cmocka_unit_test(hostile_bytes_are_masked_without_harm),
        cmocka_unit_test(a_secret_is_masked_wherever_the_cut_falls),
    };
    (void)!clock_set_timezone("Asia/Shanghai");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
