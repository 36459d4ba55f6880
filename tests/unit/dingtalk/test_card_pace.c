#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "dingtalk/card_pace.h"

static void allows_a_seconds_worth_at_once_and_no_more_than_its_rate(void **state)
{
    struct card_pace pace;
    card_pace_init(&pace, 15, 1000);
    int n_now = 0;
    while (card_pace_take(&pace, 1000) == 0)
        n_now++;
    assert_int_equal(n_now, 15);
    int n_later = 0;
    for (int64_t now_ms = 1000; now_ms < 11000; now_ms++)
        n_later += card_pace_take(&pace, now_ms) == 0;
    assert_in_range(n_later, 149, 150);
}

static void says_how_long_to_wait_and_keeps_its_word(void **state)
{
    struct card_pace pace;
    card_pace_init(&pace, 3, 0);
    int64_t now_ms = 0;
    for (int i = 0; i < 100; i++) {
        int64_t wait_ms = card_pace_take(&pace, now_ms);
        assert_in_range(wait_ms, 0, 334);
        if (wait_ms > 0)
            assert_int_equal(card_pace_take(&pace, now_ms + wait_ms), 0);
        now_ms += wait_ms;
    }
}

static void an_idle_time_saves_no_more_than_a_second(void **state)
{
    struct card_pace pace;
    card_pace_init(&pace, 5, 0);
    int n = 0;
    while (card_pace_take(&pace, 1000000) == 0)
        n++;
    assert_int_equal(n, 5);
}

static void rests_for_everybody_and_an_earlier_rest_does_not_shorten_it(void **state)
{
    struct card_pace pace;
    card_pace_init(&pace, 5, 0);
    card_pace_rest(&pace, 2000);
    card_pace_rest(&pace, 1000);
    assert_int_equal(card_pace_take(&pace, 500), 1500);
    assert_int_equal(card_pace_take(&pace, 1999), 1);
    assert_int_equal(card_pace_take(&pace, 2000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allows_a_seconds_worth_at_once_and_no_more_than_its_rate),
        cmocka_unit_test(says_how_long_to_wait_and_keeps_its_word),
        cmocka_unit_test(an_idle_time_saves_no_more_than_a_second),
        cmocka_unit_test(rests_for_everybody_and_an_earlier_rest_does_not_shorten_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
