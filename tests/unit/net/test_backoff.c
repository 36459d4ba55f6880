#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "net/backoff.h"

static void doubles_up_to_the_cap(void **state)
{
    static const struct backoff plain = {.first_ms = 500, .cap_ms = 8000, .jitter = 0};
    static const int64_t want[] = {500, 1000, 2000, 4000, 8000, 8000};
    for (int attempt = 1; attempt <= 6; attempt++)
        assert_int_equal(backoff_ms(&plain, attempt), want[attempt - 1]);
    assert_int_equal(backoff_ms(&plain, 0), 500);
    assert_int_equal(backoff_ms(&plain, -3), 500);
}

static void survives_any_attempt_number_and_any_cap(void **state)
{
    static const struct backoff huge = {.first_ms = 3, .cap_ms = INT64_MAX, .jitter = 0};
    assert_int_equal(backoff_ms(&huge, INT32_MAX), INT64_MAX);
    static const struct backoff odd = {.first_ms = 700, .cap_ms = 1000, .jitter = 0};
    assert_int_equal(backoff_ms(&odd, 2), 1000);
    static const struct backoff capped = {.first_ms = 9000, .cap_ms = 1000, .jitter = 0};
    assert_int_equal(backoff_ms(&capped, 1), 1000);
    static const struct backoff none = {.first_ms = 0, .cap_ms = 1000, .jitter = 0.5};
    assert_int_equal(backoff_ms(&none, 7), 0);
}

static void jitter_shortens_and_spreads(void **state)
{
    static const struct backoff backoff = {.first_ms = 1000, .cap_ms = 8000, .jitter = 0.25};
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (int i = 0; i < 2000; i++) {
        int64_t delay_ms = backoff_ms(&backoff, 2);
        assert_in_range(delay_ms, 1500, 2000);
        least = delay_ms < least ? delay_ms : least;
        most = delay_ms > most ? delay_ms : most;
    }
    /* 2000 draws that all miss a fifth of the range: less likely than 1 in 10^190. */
    assert_true(least < 1600);
    assert_true(most > 1900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_up_to_the_cap),
        cmocka_unit_test(survives_any_attempt_number_and_any_cap),
        cmocka_unit_test(jitter_shortens_and_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
