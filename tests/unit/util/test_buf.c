#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "util/buf.h"

static void a_new_buffer_reads_as_the_empty_text(void **state)
{
    struct buf b = BUF_INIT(8);
    assert_string_equal(buf_cstr(&b), "");
    assert_int_equal(buf_str(&b).n, 0);
    assert_non_null(buf_str(&b).p);
    assert_int_equal(buf_status(&b), ST_OK);
    buf_truncate(&b, 0);
    buf_consume(&b, 3);
    buf_clear(&b);
    buf_done(&b);
    assert_int_equal(b.max, 8);
}

static void every_way_of_appending_ends_in_a_nul(void **state)
{
    struct buf b = BUF_INIT(100);
    assert_int_equal(buf_puts(&b, "ab"), ST_OK);
    assert_int_equal(buf_putc(&b, 'c'), ST_OK);
    assert_int_equal(buf_add(&b, "d\0e", 3), ST_OK);
    assert_int_equal(buf_add_str(&b, STR_LIT("f")), ST_OK);
    assert_int_equal(buf_add(&b, NULL, 0), ST_OK);
    assert_int_equal(buf_printf(&b, "%d-%s", -7, "g"), ST_OK);
    assert_int_equal(b.len, 11);
    assert_memory_equal(b.data, "abcd\0ef-7-g", 12);
    buf_done(&b);
}

static void the_maximum_itself_fits_and_one_byte_more_does_not(void **state)
{
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4096};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf b = BUF_INIT(sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(buf_putc(&b, 'x'), ST_OK);
        assert_int_equal(b.len, sizes[i]);
        assert_int_equal(buf_putc(&b, 'y'), ST_TOO_LARGE);
        assert_int_equal(b.len, sizes[i]);
        assert_int_equal(strlen(buf_cstr(&b)), sizes[i]);
        buf_done(&b);
    }
}

static void after_a_failure_everything_fails_until_it_is_cleared(void **state)
{
    struct buf b = BUF_INIT(4);
    assert_int_equal(buf_puts(&b, "abc"), ST_OK);
    assert_int_equal(buf_puts(&b, "de"), ST_TOO_LARGE);
    assert_int_equal(buf_putc(&b, 'd'), ST_TOO_LARGE);
    assert_int_equal(buf_printf(&b, "%s", ""), ST_TOO_LARGE);
    assert_int_equal(buf_status(&b), ST_TOO_LARGE);
    assert_string_equal(buf_cstr(&b), "abc");
    buf_clear(&b);
    assert_string_equal(buf_cstr(&b), "");
    assert_int_equal(buf_puts(&b, "abcd"), ST_OK);
    buf_done(&b);
}

static void lengths_near_size_max_are_refused_and_not_wrapped_around(void **state)
{
    volatile size_t huge = SIZE_MAX;
    struct buf b = BUF_INIT(SIZE_MAX);
    assert_int_equal(buf_puts(&b, "abcde"), ST_OK);
    for (size_t less = 0; less < 6; less++) {
        assert_int_equal(buf_add(&b, "x", huge - less), ST_TOO_LARGE);
        assert_string_equal(buf_cstr(&b), "abcde");
        b.is_failed = false;
    }
    buf_done(&b);
}

static void a_text_that_cannot_be_formatted_is_remembered_as_a_failure(void **state)
{
    struct buf b = BUF_INIT(64);
    /* The C locale has no such character. */
    assert_int_equal(buf_printf(&b, "%lc", (wint_t)0x5468), ST_TOO_LARGE);
    assert_int_equal(buf_status(&b), ST_TOO_LARGE);
    assert_string_equal(buf_cstr(&b), "");
    buf_done(&b);
}

static void formatting_fits_exactly_or_not_at_all(void **state)
{
    struct buf b = BUF_INIT(5);
    assert_int_equal(buf_printf(&b, "%05d", 42), ST_OK);
    assert_string_equal(buf_cstr(&b), "00042");
    buf_clear(&b);
    assert_int_equal(buf_printf(&b, "%06d", 42), ST_TOO_LARGE);
    assert_string_equal(buf_cstr(&b), "");
    buf_done(&b);
}

static void consuming_and_truncating_keep_the_rest(void **state)
{
    static const struct {
        size_t consume, truncate;
        const char *want;
    } rows[] = {
        {0, 6, "abcdef"}, {2, 6, "cdef"}, {0, 2, "ab"},         {2, 1, "c"},
        {6, 0, ""},       {7, 9, ""},     {SIZE_MAX, 0, ""},    {0, SIZE_MAX, "abcdef"},
        {5, 1, "f"},      {0, 0, ""},     {3, SIZE_MAX, "def"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b = BUF_INIT(16);
        buf_puts(&b, "abcdef");
        buf_consume(&b, rows[i].consume);
        buf_truncate(&b, rows[i].truncate);
        assert_string_equal(buf_cstr(&b), rows[i].want);
        assert_int_equal(b.len, strlen(rows[i].want));
        buf_done(&b);
    }
}

static void stealing_hands_out_a_text_and_leaves_a_usable_buffer(void **state)
{
    struct buf b = BUF_INIT(3);
    char *nothing = buf_steal(&b);
    assert_string_equal(nothing, "");
    free(nothing);
    buf_puts(&b, "abc");
    buf_putc(&b, '!');
    char *text = buf_steal(&b);
    assert_string_equal(text, "abc");
    free(text);
    assert_int_equal(buf_puts(&b, "xyz"), ST_OK);
    assert_int_equal(buf_putc(&b, '!'), ST_TOO_LARGE);
    buf_done(&b);
    assert_string_equal(buf_cstr(&b), "");
    assert_int_equal(buf_puts(&b, "abc"), ST_OK);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_buffer_reads_as_the_empty_text),
        cmocka_unit_test(every_way_of_appending_ends_in_a_nul),
        cmocka_unit_test(the_maximum_itself_fits_and_one_byte_more_does_not),
        cmocka_unit_test(after_a_failure_everything_fails_until_it_is_cleared),
        cmocka_unit_test(lengths_near_size_max_are_refused_and_not_wrapped_around),
        cmocka_unit_test(a_text_that_cannot_be_formatted_is_remembered_as_a_failure),
        cmocka_unit_test(formatting_fits_exactly_or_not_at_all),
        cmocka_unit_test(consuming_and_truncating_keep_the_rest),
        cmocka_unit_test(stealing_hands_out_a_text_and_leaves_a_usable_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
