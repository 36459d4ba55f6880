#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "util/str.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
static const struct str none = {0};

static void assert_str(struct str got, struct str want)
{
    assert_int_equal(got.n, want.n);
    assert_true(str_eq(got, want));
}

static void slices_are_clamped_to_their_text(void **state)
{
    static const struct {
        size_t from, len;
        const char *want;
    } rows[] = {{0, 6, "abcdef"},  {2, 2, "cd"},         {4, 9, "ef"},
                {6, 1, ""},        {7, 1, ""},           {0, 0, ""},
                {SIZE_MAX, 1, ""}, {3, SIZE_MAX, "def"}, {SIZE_MAX, SIZE_MAX, ""}};
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_str(str_sub(STR_LIT("abcdef"), rows[i].from, rows[i].len), str_of(rows[i].want));
    assert_int_equal(str_sub(none, 3, SIZE_MAX).n, 0);
    assert_str(str_of(NULL), STR_LIT(""));
    assert_non_null(str_of(NULL).p);
}

static void texts_compare_by_bytes_and_fold_ascii_letters_only(void **state)
{
    static const struct {
        struct str a, b;
        bool is_equal, is_equal_nocase;
    } rows[] = {
        {{"", 0}, {NULL, 0}, true, true},         {{"a", 1}, {"A", 1}, false, true},
        {{"aZ", 2}, {"Az", 2}, false, true},      {{"@", 1}, {"`", 1}, false, false},
        {{"[", 1}, {"{", 1}, false, false},       {{"ä", 2}, {"Ä", 2}, false, false},
        {{"a\0b", 3}, {"a\0c", 3}, false, false}, {{"a\0b", 3}, {"A\0B", 3}, false, true},
        {{"ab", 2}, {"abc", 3}, false, false},    {{"\xff", 1}, {"\xdf", 1}, false, false},
        {{"周报", 6}, {"周报", 6}, true, true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(str_eq(rows[i].a, rows[i].b), rows[i].is_equal);
        assert_int_equal(str_eq_nocase(rows[i].a, rows[i].b), rows[i].is_equal_nocase);
        assert_int_equal(str_eq_nocase(rows[i].b, rows[i].a), rows[i].is_equal_nocase);
    }
}

static void beginnings_and_ends_are_found(void **state)
{
    assert_true(str_starts(STR_LIT("abc"), STR_LIT("ab")));
    assert_true(str_starts(STR_LIT("abc"), none));
    assert_true(str_starts(none, none));
    assert_false(str_starts(STR_LIT("ab"), STR_LIT("abc")));
    assert_false(str_starts(STR_LIT("abc"), STR_LIT("AB")));
    assert_true(str_starts_nocase(STR_LIT("#Linux命令 x"), STR_LIT("#LINUX命令")));
    assert_false(str_starts_nocase(STR_LIT("#L"), STR_LIT("#LINUX命令")));
    assert_true(str_ends(STR_LIT("abc"), STR_LIT("bc")));
    assert_true(str_ends(STR_LIT("abc"), none));
    assert_true(str_ends(none, none));
    assert_false(str_ends(STR_LIT("bc"), STR_LIT("abc")));
    assert_false(str_ends(STR_LIT("abc"), STR_LIT("b")));
}

static void a_needle_is_found_at_its_first_place(void **state)
{
    assert_int_equal(str_find(STR_LIT("abcabc"), STR_LIT("bc")), 1);
    assert_int_equal(str_find(STR_LIT("abc"), STR_LIT("abc")), 0);
    assert_int_equal(str_find(STR_LIT("abc"), STR_LIT("abcd")), -1);
    assert_int_equal(str_find(STR_LIT("abc"), STR_LIT("x")), -1);
    assert_int_equal(str_find(STR_LIT("a\0bc"), STR_LIT("\0b")), 1);
    assert_int_equal(str_find(STR_LIT("abc"), none), 0);
    assert_int_equal(str_find(none, none), 0);
    assert_int_equal(str_find(none, STR_LIT("x")), -1);
}

static void white_space_of_every_kind_is_trimmed_and_nothing_else(void **state)
{
    static const struct {
        struct str text;
        struct str want;
    } rows[] = {
        {{NULL, 0}, STR_LIT("")},
        {STR_LIT(" \t\r\n\v\f"), STR_LIT("")},
        {STR_LIT(" a b "), STR_LIT("a b")},
        {STR_LIT("\u00A0\u2000\u2005\u200B\u2028\u2029\u202F\u3000\uFEFFx\uFEFF\u3000\u202F"),
         STR_LIT("x")},
        {STR_LIT("\u3000\u3000"), STR_LIT("")},
        {STR_LIT("\u2060x\u200C"), STR_LIT("\u2060x\u200C")},
        {STR_LIT("\0 x \0"), STR_LIT("\0 x \0")},
        {STR_LIT(" \xff "), STR_LIT("\xff")},
        {STR_LIT("\x80\x80\x80\x80\x80 "), STR_LIT("\x80\x80\x80\x80\x80")},
        {STR_LIT("\xE3\x80"), STR_LIT("\xE3\x80")},
        {STR_LIT("x\xE3\x80\x80\x80"), STR_LIT("x\xE3\x80\x80\x80")},
        {STR_LIT("\xC0\xA0x\xC0\xA0"), STR_LIT("\xC0\xA0x\xC0\xA0")},
        {STR_LIT("\xA0"), STR_LIT("\xA0")},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_str(str_trim(rows[i].text), rows[i].want);
}

static void cutting_gives_the_parts_one_after_another(void **state)
{
    struct str rest = STR_LIT("a,,b\0c,");
    assert_str(str_cut(&rest, ','), STR_LIT("a"));
    assert_str(str_cut(&rest, ','), STR_LIT(""));
    assert_str(str_cut(&rest, '\0'), STR_LIT("b"));
    assert_str(str_cut(&rest, ','), STR_LIT("c"));
    assert_int_equal(rest.n, 0);
    assert_str(str_cut(&rest, ','), STR_LIT(""));
    rest = STR_LIT("whole");
    assert_str(str_cut(&rest, ','), STR_LIT("whole"));
    assert_int_equal(rest.n, 0);
    rest = none;
    assert_int_equal(str_cut(&rest, ',').n, 0);
}

static void distance_counts_edits_up_to_its_maximum(void **state)
{
    static const struct {
        const char *a, *b;
        size_t want;
    } rows[] = {{"", "", 0},           {"", "abc", 3},      {"kitten", "sitting", 3},
                {"model", "modle", 2}, {"port", "prot", 2}, {"api_key", "api_key", 0},
                {"a", "b", 1},         {"abc", "cba", 2}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(str_distance(str_of(rows[i].a), str_of(rows[i].b)), rows[i].want);
        assert_int_equal(str_distance(str_of(rows[i].b), str_of(rows[i].a)), rows[i].want);
    }
    char text[STR_DISTANCE_BYTES_MAX + 1];
    memset(text, 'x', sizeof(text));
    struct str longest = {text, STR_DISTANCE_BYTES_MAX};
    assert_int_equal(str_distance(longest, none), STR_DISTANCE_BYTES_MAX);
    assert_int_equal(str_distance(none, longest), STR_DISTANCE_BYTES_MAX);
    assert_int_equal(str_distance(longest, longest), 0);
    longest.n++;
    assert_int_equal(str_distance(longest, none), SIZE_MAX);
    assert_int_equal(str_distance(none, longest), SIZE_MAX);
}

static void integers_are_read_whole_or_not_at_all(void **state)
{
    static const struct {
        struct str text;
        int64_t min, max;
        enum status want;
        int64_t value;
    } rows[] = {
        {STR_LIT("0"), -9, 9, ST_OK, 0},
        {STR_LIT("+7"), -9, 9, ST_OK, 7},
        {STR_LIT("-9"), -9, 9, ST_OK, -9},
        {STR_LIT("007"), -9, 9, ST_OK, 7},
        {STR_LIT("10"), -9, 9, ST_TOO_LARGE, 0},
        {STR_LIT("-10"), -9, 9, ST_TOO_LARGE, 0},
        {STR_LIT("9223372036854775807"), INT64_MIN, INT64_MAX, ST_OK, INT64_MAX},
        {STR_LIT("-9223372036854775808"), INT64_MIN, INT64_MAX, ST_OK, INT64_MIN},
        {STR_LIT("9223372036854775808"), INT64_MIN, INT64_MAX, ST_TOO_LARGE, 0},
        {STR_LIT("-9223372036854775809"), INT64_MIN, INT64_MAX, ST_TOO_LARGE, 0},
        {STR_LIT("18446744073709551616"), INT64_MIN, INT64_MAX, ST_TOO_LARGE, 0},
        {STR_LIT("99999999999999999999999999999999999999"), INT64_MIN, INT64_MAX, ST_TOO_LARGE, 0},
        {STR_LIT("99999999999999999999x"), INT64_MIN, INT64_MAX, ST_INVAL, 0},
        {STR_LIT("000000000000000000000000000001"), -9, 9, ST_OK, 1},
        {{NULL, 0}, -9, 9, ST_INVAL, 0},
        {STR_LIT("-"), -9, 9, ST_INVAL, 0},
        {STR_LIT("+-1"), -9, 9, ST_INVAL, 0},
        {STR_LIT(" 1"), -9, 9, ST_INVAL, 0},
        {STR_LIT("1 "), -9, 9, ST_INVAL, 0},
        {STR_LIT("1\0"), -9, 9, ST_INVAL, 0},
        {STR_LIT("0x1"), -9, 9, ST_INVAL, 0},
        {STR_LIT("1.0"), -9, 9, ST_INVAL, 0},
        {STR_LIT("１"), -9, 9, ST_INVAL, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t value = 4711;
        assert_int_equal(parse_i64(rows[i].text, rows[i].min, rows[i].max, &value), rows[i].want);
        assert_int_equal(value, rows[i].want == ST_OK ? rows[i].value : 4711);
    }
}

static void decimals_are_read_whole_or_not_at_all(void **state)
{
    static const struct {
        struct str text;
        enum status want;
        double value;
    } rows[] = {
        {STR_LIT("0.5"), ST_OK, 0.5},
        {STR_LIT("-2"), ST_OK, -2},
        {STR_LIT("+.25"), ST_OK, 0.25},
        {STR_LIT("1.5E1"), ST_OK, 15},
        {STR_LIT("100"), ST_OK, 100},
        {STR_LIT("100.1"), ST_TOO_LARGE, 0},
        {STR_LIT("-101"), ST_TOO_LARGE, 0},
        {STR_LIT("1e999"), ST_TOO_LARGE, 0},
        {STR_LIT("-1e999"), ST_TOO_LARGE, 0},
        {{NULL, 0}, ST_INVAL, 0},
        {STR_LIT("."), ST_INVAL, 0},
        {STR_LIT("e5"), ST_INVAL, 0},
        {STR_LIT("1,5"), ST_INVAL, 0},
        {STR_LIT("inf"), ST_INVAL, 0},
        {STR_LIT("nan"), ST_INVAL, 0},
        {STR_LIT("0x10"), ST_INVAL, 0},
        {STR_LIT(" 1"), ST_INVAL, 0},
        {STR_LIT("1-1"), ST_INVAL, 0},
        {STR_LIT("1\0"), ST_INVAL, 0},
        {STR_LIT("1.2.3"), ST_INVAL, 0},
        {STR_LIT("0000000000000000000000000000000000000000000000000000000000000000001"), ST_INVAL,
         0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        double value = 4711;
        assert_int_equal(parse_double(rows[i].text, -100, 100, &value), rows[i].want);
        assert_true(fabs(value - (rows[i].want == ST_OK ? rows[i].value : 4711)) < 1e-9);
    }
}

static void durations_have_a_unit_or_mean_seconds(void **state)
{
    static const struct {
        struct str text;
        enum status want;
        int64_t seconds;
    } rows[] = {
        {STR_LIT("600"), ST_OK, 600},
        {STR_LIT("600s"), ST_OK, 600},
        {STR_LIT("10m"), ST_OK, 600},
        {STR_LIT("10M"), ST_OK, 600},
        {STR_LIT("2h"), ST_OK, 7200},
        {STR_LIT("1d"), ST_OK, 86400},
        {STR_LIT("0"), ST_TOO_LARGE, 0},
        {STR_LIT("2d"), ST_TOO_LARGE, 0},
        {STR_LIT("-1m"), ST_TOO_LARGE, 0},
        {STR_LIT("106751991167301d"), ST_TOO_LARGE, 0},
        {STR_LIT("9223372036854775807d"), ST_TOO_LARGE, 0},
        {STR_LIT("9223372036854775808"), ST_TOO_LARGE, 0},
        {{NULL, 0}, ST_INVAL, 0},
        {STR_LIT("m"), ST_INVAL, 0},
        {STR_LIT("10mm"), ST_INVAL, 0},
        {STR_LIT("10 m"), ST_INVAL, 0},
        {STR_LIT("1.5h"), ST_INVAL, 0},
        {STR_LIT("10w"), ST_INVAL, 0},
        {STR_LIT("1h30m"), ST_INVAL, 0},
        {STR_LIT("10\0m"), ST_INVAL, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t seconds = 4711;
        assert_int_equal(parse_duration_s(rows[i].text, 1, 86400, &seconds), rows[i].want);
        assert_int_equal(seconds, rows[i].want == ST_OK ? rows[i].seconds : 4711);
    }
}

static const struct {
    struct str text;
    uint32_t cp;
    size_t len; /* 1 with U+FFFD: malformed */
} characters[] = {
    {STR_LIT("\0"), 0, 1},
    {STR_LIT("\x7f"), 0x7F, 1},
    {STR_LIT("\xC2\x80"), 0x80, 2},
    {STR_LIT("\xDF\xBF"), 0x7FF, 2},
    {STR_LIT("\xE0\xA0\x80"), 0x800, 3},
    {STR_LIT("\xED\x9F\xBF"), 0xD7FF, 3},
    {STR_LIT("\xEE\x80\x80"), 0xE000, 3},
    {STR_LIT("\xEF\xBF\xBD"), 0xFFFD, 3},
    {STR_LIT("\xEF\xBF\xBF"), 0xFFFF, 3},
    {STR_LIT("\xF0\x90\x80\x80"), 0x10000, 4},
    {STR_LIT("\xF4\x8F\xBF\xBF"), 0x10FFFF, 4},
    {STR_LIT("\x80"), 0xFFFD, 1},
    {STR_LIT("\xBF"), 0xFFFD, 1},
    {STR_LIT("\xC0\x80"), 0xFFFD, 1},
    {STR_LIT("\xC1\xBF"), 0xFFFD, 1},
    {STR_LIT("\xE0\x9F\xBF"), 0xFFFD, 1},
    {STR_LIT("\xED\xA0\x80"), 0xFFFD, 1},
    {STR_LIT("\xED\xBF\xBF"), 0xFFFD, 1},
    {STR_LIT("\xF0\x8F\xBF\xBF"), 0xFFFD, 1},
    {STR_LIT("\xF4\x90\x80\x80"), 0xFFFD, 1},
    {STR_LIT("\xF5\x80\x80\x80"), 0xFFFD, 1},
    {STR_LIT("\xFE"), 0xFFFD, 1},
    {STR_LIT("\xFF"), 0xFFFD, 1},
    {STR_LIT("\xC2"), 0xFFFD, 1},
    {STR_LIT("\xE5\x91"), 0xFFFD, 1},
    {STR_LIT("\xF0\x9F\x98"), 0xFFFD, 1},
    {STR_LIT("\xC2\x41"), 0xFFFD, 1},
    {STR_LIT("\xE5\x91\x41"), 0xFFFD, 1},
    {STR_LIT("\xE5\xC2\x80"), 0xFFFD, 1},
};

static void characters_decode_as_unicode_defines_them(void **state)
{
    for (size_t i = 0; i < COUNT(characters); i++) {
        uint32_t cp;
        assert_int_equal(utf8_decode(characters[i].text, &cp), characters[i].len);
        assert_int_equal(cp, characters[i].cp);
        bool is_whole = characters[i].len == characters[i].text.n &&
                        (characters[i].cp != 0xFFFD || characters[i].len == 3);
        assert_int_equal(utf8_is_valid(characters[i].text), is_whole);
    }
    uint32_t cp = 1;
    assert_int_equal(utf8_decode(none, &cp), 0);
    assert_int_equal(cp, 0);
    assert_true(utf8_is_valid(none));
    assert_true(utf8_is_valid(STR_LIT("a\0周😀")));
    assert_false(utf8_is_valid(STR_LIT("周报\xE5")));
}

static void counting_counts_characters_and_broken_bytes(void **state)
{
    assert_int_equal(utf8_count(none), 0);
    assert_int_equal(utf8_count(STR_LIT("a\0周😀")), 4);
    assert_int_equal(utf8_count(STR_LIT("\xff\xE5\x91")), 3);
}

/* The definition itself: the largest length at which a character ends. */
static size_t slow_cut(struct str s, size_t max_bytes)
{
    size_t at = 0;
    while (at < s.n) {
        uint32_t cp;
        size_t len = utf8_decode(str_sub(s, at, s.n), &cp);
        if (at + len > max_bytes)
            break;
        at += len;
    }
    return at;
}

static void a_cut_never_parts_a_character_nor_loses_one(void **state)
{
    static const struct str texts[] = {
        {NULL, 0},
        STR_LIT("abc"),
        STR_LIT("a周b😀c\xC2\xA0"),
        STR_LIT("a\x80\x80\x80\x80\x80"),
        STR_LIT("\x80\x80\x80\x80\x80\x80"),
        STR_LIT("\xE5\x91\x98\x98\x98"),
        STR_LIT("\xC2\xC2\xC2"),
        STR_LIT("\xF0\x9F\x98"),
        STR_LIT("\xE5\x91\xF0\x9F\x98\x80\xff"),
        STR_LIT("\0\0\0"),
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        for (size_t max = 0; max <= texts[i].n + 2; max++)
            assert_int_equal(utf8_cut(texts[i], max), slow_cut(texts[i], max));
        assert_int_equal(utf8_cut(texts[i], SIZE_MAX), texts[i].n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_clamped_to_their_text),
        cmocka_unit_test(texts_compare_by_bytes_and_fold_ascii_letters_only),
        cmocka_unit_test(beginnings_and_ends_are_found),
        cmocka_unit_test(a_needle_is_found_at_its_first_place),
        cmocka_unit_test(white_space_of_every_kind_is_trimmed_and_nothing_else),
        cmocka_unit_test(cutting_gives_the_parts_one_after_another),
        cmocka_unit_test(distance_counts_edits_up_to_its_maximum),
        cmocka_unit_test(integers_are_read_whole_or_not_at_all),
        cmocka_unit_test(decimals_are_read_whole_or_not_at_all),
        cmocka_unit_test(durations_have_a_unit_or_mean_seconds),
        cmocka_unit_test(characters_decode_as_unicode_defines_them),
        cmocka_unit_test(counting_counts_characters_and_broken_bytes),
        cmocka_unit_test(a_cut_never_parts_a_character_nor_loses_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
