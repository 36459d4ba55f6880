#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "util/json.h"

struct row {
    struct str text;
    enum status want;
};

static void parse_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_t *value = NULL;
        struct error error = {0};
        enum status status = json_parse(rows[i].text, &value, &error);
        if (status != rows[i].want)
            fail_msg("row %zu: %s", i, status_name(status));
        if (status == ST_OK) {
            assert_non_null(value);
            json_unref(&value);
        } else {
            assert_int_equal(error.status, status);
            assert_true(error.text[0] != '\0');
        }
        assert_null(value);
    }
}

static void one_value_that_fills_the_text_is_json(void **state)
{
    static const struct row rows[] = {
        {STR_LIT("{}"), ST_OK},
        {STR_LIT("[]"), ST_OK},
        {STR_LIT("null"), ST_OK},
        {STR_LIT(" \"x\" \r\n\t"), ST_OK},
        {STR_LIT("-0.5e-3"), ST_OK},
        {STR_LIT("9223372036854775807"), ST_OK},
        {STR_LIT("\"\\ud83d\\ude00 \xF0\x9F\x98\x80\""), ST_OK},
        {STR_LIT("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"}"), ST_OK},
        {{0}, ST_INVAL},
        {STR_LIT(""), ST_INVAL},
        {STR_LIT(" "), ST_INVAL},
        {STR_LIT("{} {}"), ST_INVAL},
        {STR_LIT("{},"), ST_INVAL},
        {STR_LIT("{\"a\":1,}"), ST_INVAL},
        {STR_LIT("{a:1}"), ST_INVAL},
        {STR_LIT("'x'"), ST_INVAL},
        {STR_LIT("// x\n{}"), ST_INVAL},
        {STR_LIT("NaN"), ST_INVAL},
        {STR_LIT("<html>"), ST_INVAL},
        {STR_LIT("\xEF\xBB\xBF{}"), ST_INVAL},
        {STR_LIT("{\"a\":"), ST_INVAL},
        {STR_LIT("\"\\"), ST_INVAL},
        {STR_LIT("]]]]{"), ST_INVAL},
        {STR_LIT("9223372036854775808"), ST_INVAL},
        {STR_LIT("1e999"), ST_INVAL},
    };
    parse_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void nuls_lone_surrogates_and_broken_utf8_are_refused_everywhere(void **state)
{
    static const struct row rows[] = {
        {STR_LIT("{}\0"), ST_INVAL},
        {STR_LIT("\"a\0b\""), ST_INVAL},
        {STR_LIT("\"\\u0000\""), ST_INVAL},
        {STR_LIT("{\"a\\u0000\":1}"), ST_INVAL},
        {STR_LIT("\"\\ud800\""), ST_INVAL},
        {STR_LIT("\"\\udc00\""), ST_INVAL},
        {STR_LIT("\"\\ud800\\u0041\""), ST_INVAL},
        {STR_LIT("\"\\udc00\\ud800\""), ST_INVAL},
        {STR_LIT("\"\xff\""), ST_INVAL},
        {STR_LIT("\"\xC0\x80\""), ST_INVAL},
        {STR_LIT("\"\xED\xA0\x80\""), ST_INVAL},
        {STR_LIT("\"\xF4\x90\x80\x80\""), ST_INVAL},
        {STR_LIT("\"\xE5\x91\""), ST_INVAL},
        {STR_LIT("{\"\xE5\x91\":1}"), ST_INVAL},
    };
    parse_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void write_nested(char *text, size_t depth)
{
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
}

static void nesting_ends_at_the_maximum_however_deep_it_is(void **state)
{
    static char text[400000];
    static const size_t depths[] = {1, JSON_DEPTH_MAX, JSON_DEPTH_MAX + 1, 100, 200000};
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        json_t *value = NULL;
        struct error error;
        write_nested(text, depths[i]);
        enum status want = depths[i] > JSON_DEPTH_MAX ? ST_TOO_LARGE : ST_OK;
        assert_int_equal(json_parse((struct str){text, 2 * depths[i]}, &value, &error), want);
        json_unref(&value);
        assert_int_equal(json_parse_lenient((struct str){text, 2 * depths[i]}, &value, &error),
                         want);
        json_unref(&value);
        /* Never closed: the same answer, and not by recursion. */
        (void)!json_parse((struct str){text, depths[i]}, &value, &error);
    }
}

static void what_a_reason_says_never_quotes_the_text(void **state)
{
    json_t *value = NULL;
    struct error error;
    assert_int_equal(json_parse(STR_LIT("{\"k\":geheim}"), &value, &error), ST_INVAL);
    assert_null(strstr(error.text, "geheim"));
}

static void the_later_of_two_equal_keys_wins(void **state)
{
    DB_CLEANUP(json_unref) json_t *value = NULL;
    assert_int_equal(json_parse(STR_LIT("{\"a\":1,\"b\":2,\"a\":3}"), &value, NULL), ST_OK);
    assert_int_equal(json_i64(value, "a", 0), 3);
}

static void the_lenient_reader_replaces_what_the_strict_one_refuses(void **state)
{
    static const struct {
        struct str text;
        const char *want; /* NULL: refused all the same */
    } rows[] = {
        {STR_LIT("{\"s\":\"ok\"}"), "ok"},
        {STR_LIT("{\"s\":\"a\\u0000b\"}"), "a\uFFFDb"},
        {STR_LIT("{\"s\":\"a\0b\"}"), "a\uFFFDb"},
        {STR_LIT("{\"s\":\"\\ud800x\"}"), "\uFFFDx"},
        {STR_LIT("{\"s\":\"\\uDC00x\"}"), "\uFFFDx"},
        {STR_LIT("{\"s\":\"\\ud800\\ud83d\\ude00\"}"), "\uFFFD😀"},
        {STR_LIT("{\"s\":\"\\ud83d\\ude00\\ud83d\"}"), "😀\uFFFD"},
        {STR_LIT("{\"s\":\"\xE5\x91\"}"), "\uFFFD\uFFFD"},
        {STR_LIT("{\"s\":\"\xff\xED\xA0\x80\"}"), "\uFFFD\uFFFD\uFFFD\uFFFD"},
        {STR_LIT("{\"s\":\"\\\\u0000\xff\"}"), "\\u0000\uFFFD"},
        {STR_LIT("{\"s\":\"\uFFFD\\ud800\"}"), "\uFFFD\uFFFD"},
        {STR_LIT("{\"s\":\"\\u12\"}"), NULL},
        {STR_LIT("{\"s\":\"\\\xE5\x91\x98\"}"), NULL},
        {STR_LIT("{\"s\":\"\\"), NULL},
        {STR_LIT("{\"s\":\"\\u"), NULL},
        {STR_LIT("{\"s\":\"\\ud800\\u"), NULL},
        {STR_LIT("\0"), NULL},
        {{0}, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        DB_CLEANUP(json_unref) json_t *value = NULL;
        struct error error = {0};
        enum status status = json_parse_lenient(rows[i].text, &value, &error);
        if (rows[i].want) {
            assert_int_equal(status, ST_OK);
            assert_true(str_eq(json_str(value, "s"), str_of(rows[i].want)));
        } else {
            assert_int_equal(status, ST_INVAL);
            assert_int_equal(error.status, ST_INVAL);
        }
    }
}

static void a_text_of_nothing_but_bad_bytes_grows_threefold_and_still_fits(void **state)
{
    static char text[3002];
    memset(text, 0xff, sizeof(text));
    text[0] = '"';
    text[sizeof(text) - 1] = '"';
    DB_CLEANUP(json_unref) json_t *value = NULL;
    assert_int_equal(json_parse_lenient((struct str){text, sizeof(text)}, &value, NULL), ST_OK);
    assert_int_equal(json_string_length(value), 9000);
}

static void getters_say_when_there_is_nothing_of_their_kind(void **state)
{
    static const char text[] =
        "{\"s\":\"x\",\"n\":null,\"i\":-7,\"is\":\"42\",\"big\":\"9223372036854775808\","
        "\"min\":\"-9223372036854775808\",\"r\":1.5,\"rs\":\"2.5e1\",\"bad\":\"1x\",\"t\":true,"
        "\"f\":false,\"a\":[1],\"o\":{},\"e\":\"\",\"huge\":\"1e301\"}";
    DB_CLEANUP(json_unref) json_t *v = NULL;
    assert_int_equal(json_parse(str_of(text), &v, NULL), ST_OK);

    static const char *const no_strings[] = {"n", "i", "r", "t", "a", "o", "none", "e"};
    for (size_t i = 0; i < sizeof(no_strings) / sizeof(no_strings[0]); i++)
        assert_int_equal(json_str(v, no_strings[i]).n, 0);
    assert_true(str_eq(json_str(v, "s"), STR_LIT("x")));

    static const struct {
        const char *key;
        int64_t want;
    } integers[] = {{"i", -7}, {"is", 42}, {"min", INT64_MIN}, {"big", 99},
                    {"n", 99}, {"r", 99},  {"rs", 99},         {"bad", 99},
                    {"t", 99}, {"a", 99},  {"e", 99},          {"none", 99}};
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++)
        assert_int_equal(json_i64(v, integers[i].key, 99), integers[i].want);

    static const struct {
        const char *key;
        double want; /* 0: none */
    } numbers[] = {{"i", -7}, {"is", 42}, {"r", 1.5}, {"rs", 25},  {"n", 0},   {"bad", 0},
                   {"t", 0},  {"e", 0},   {"a", 0},   {"huge", 0}, {"none", 0}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        double number = 0;
        bool is_there = numbers[i].want < 0 || numbers[i].want > 0;
        assert_int_equal(json_number(v, numbers[i].key, &number), is_there);
        assert_true(number >= numbers[i].want && number <= numbers[i].want);
    }

    assert_true(json_bool(v, "t", false));
    assert_false(json_bool(v, "f", true));
    static const char *const no_bools[] = {"n", "i", "s", "a", "none"};
    for (size_t i = 0; i < sizeof(no_bools) / sizeof(no_bools[0]); i++) {
        assert_true(json_bool(v, no_bools[i], true));
        assert_false(json_bool(v, no_bools[i], false));
    }
}

static void getters_take_what_is_no_object(void **state)
{
    double number;
    DB_CLEANUP(json_unref) json_t *array = json_array();
    const json_t *const values[] = {NULL, array};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(json_str(values[i], "a").n, 0);
        assert_int_equal(json_i64(values[i], "a", 5), 5);
        assert_false(json_number(values[i], "a", &number));
        assert_true(json_bool(values[i], "a", true));
    }
}

static void values_are_written_compactly_within_the_maximum(void **state)
{
    DB_CLEANUP(json_unref) json_t *value = NULL;
    assert_int_equal(json_parse(STR_LIT("{ \"a\" : [ 1 , \"周\\n\" ] }"), &value, NULL), ST_OK);
    struct buf out = BUF_INIT(17);
    assert_int_equal(json_write(value, &out), ST_OK);
    assert_string_equal(buf_cstr(&out), "{\"a\":[1,\"周\\n\"]}");
    assert_int_equal(json_write(value, &out), ST_TOO_LARGE);
    buf_done(&out);

    struct buf small = BUF_INIT(16);
    assert_int_equal(json_write(value, &small), ST_TOO_LARGE);
    buf_clear(&small);
    assert_int_equal(json_write(NULL, &small), ST_INVAL);
    buf_done(&small);
}

static void halves_of_characters_are_kept_apart(void **state)
{
    json_t *value;
    struct error error;
    assert_int_equal(
        json_parse_halves(STR_LIT("\"a\\ud83c\\u0000\\udf89\\ud83c\\udf89\""), &value, &error),
        ST_OK);
    assert_string_equal(json_string_value(value),
                        "a\xF4\x8D\xA0\xBC\xEF\xBF\xBD\xF4\x8D\xBE\x89\xF0\x9F\x8E\x89");
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_value_that_fills_the_text_is_json),
        cmocka_unit_test(nuls_lone_surrogates_and_broken_utf8_are_refused_everywhere),
        cmocka_unit_test(nesting_ends_at_the_maximum_however_deep_it_is),
        cmocka_unit_test(what_a_reason_says_never_quotes_the_text),
        cmocka_unit_test(the_later_of_two_equal_keys_wins),
        cmocka_unit_test(halves_of_characters_are_kept_apart),
        cmocka_unit_test(the_lenient_reader_replaces_what_the_strict_one_refuses),
        cmocka_unit_test(a_text_of_nothing_but_bad_bytes_grows_threefold_and_still_fits),
        cmocka_unit_test(getters_say_when_there_is_nothing_of_their_kind),
        cmocka_unit_test(getters_take_what_is_no_object),
        cmocka_unit_test(values_are_written_compactly_within_the_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
