#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <wchar.h>

#include "util/status.h"
#include "util/str.h"

static void every_status_has_a_word_of_its_own(void **state)
{
    for (int i = ST_OK; i <= ST_INTERNAL; i++) {
        const char *name = status_name((enum status)i);
        assert_true(name && *name);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        assert_string_not_equal(name, "unknown");
        for (int k = ST_OK; k < i; k++)
            assert_string_not_equal(name, status_name((enum status)k));
    }
    assert_string_equal(status_name((enum status)(ST_INTERNAL + 1)), "unknown");
    assert_string_equal(status_name((enum status)1000000), "unknown");
}

static void setting_an_error_gives_back_its_status(void **state)
{
    struct error error;
    assert_int_equal(error_set(&error, ST_NET, -7, "%s: %d", "name", 3), ST_NET);
    assert_int_equal(error.status, ST_NET);
    assert_int_equal(error.code, -7);
    assert_string_equal(error.text, "name: 3");
    assert_int_equal(error_set(NULL, ST_TLS, 0, "x"), ST_TLS);
}

static void an_error_can_be_wrapped_into_itself(void **state)
{
    struct error error;
    (void)error_set(&error, ST_STORE, 1, "disk full");
    assert_int_equal(error_set(&error, ST_INTERNAL, 2, "cannot settle: %s", error.text),
                     ST_INTERNAL);
    assert_string_equal(error.text, "cannot settle: disk full");
}

static void a_long_text_is_cut_between_characters(void **state)
{
    char text[400];
    struct error error;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 4 < sizeof(text); i += 4)
            memcpy(text + i, "😀", 5);
        (void)error_set(&error, ST_INVAL, 0, "%s", text);
        size_t len = strlen(error.text);
        assert_in_range(len, sizeof(error.text) - 4, sizeof(error.text) - 1);
        assert_true(utf8_is_valid((struct str){error.text, len}));
    }
}

static void bytes_that_are_no_text_are_kept_within_the_array(void **state)
{
    char text[400];
    struct error error;
    memset(text, 0x80, sizeof(text));
    text[sizeof(text) - 1] = '\0';
    (void)error_set(&error, ST_INVAL, 0, "%s", text);
    assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
    (void)error_set(&error, ST_INVAL, 0, "%lc", (wint_t)0x5468);
    assert_int_equal(error.status, ST_INVAL);
    assert_string_equal(error.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_word_of_its_own),
        cmocka_unit_test(setting_an_error_gives_back_its_status),
        cmocka_unit_test(an_error_can_be_wrapped_into_itself),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(bytes_that_are_no_text_are_kept_within_the_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
