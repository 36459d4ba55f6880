#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "llm/breaker.h"

static const struct breaker_rules rules = {
    .failures_max = 3, .first_rest_ms = 30, .max_rest_ms = 100};

static bool try_and_fail(struct breaker *breaker, int64_t now_ms)
{
    bool is_probe = breaker_begin(breaker, now_ms);
    return breaker_fail(breaker, &rules, is_probe, false, now_ms);
}

static void opens_after_failures_in_a_row(void **state)
{
    struct breaker breaker = {0};
    assert_false(try_and_fail(&breaker, 0));
    assert_false(try_and_fail(&breaker, 0));
    assert_false(breaker_succeed(&breaker));
    assert_false(try_and_fail(&breaker, 0));
    assert_false(try_and_fail(&breaker, 0));
    assert_true(breaker_lets(&breaker, 0));
    assert_true(try_and_fail(&breaker, 5));
    assert_false(breaker_lets(&breaker, 5));
    assert_int_equal(breaker_left_ms(&breaker, 6), 29);
    assert_false(breaker_lets(&breaker, 34));
    assert_true(breaker_lets(&breaker, 35));
    assert_int_equal(breaker_left_ms(&breaker, 35), 0);
}

static void a_fatal_failure_opens_at_once(void **state)
{
    struct breaker breaker = {0};
    assert_true(breaker_fail(&breaker, &rules, false, true, 0));
    assert_false(breaker_lets(&breaker, 29));
}

static void one_probes_at_a_time_and_rests_grow_up_to_a_limit(void **state)
{
    struct breaker breaker = {0};
    int64_t now_ms = 0;
    static const int64_t rests[] = {60, 100, 100};
    assert_true(breaker_fail(&breaker, &rules, false, true, now_ms));
    now_ms += 30;
    for (size_t i = 0; i < 3; i++) {
        assert_true(breaker_begin(&breaker, now_ms));
        assert_false(breaker_lets(&breaker, now_ms));
        assert_false(breaker_begin(&breaker, now_ms));
        assert_true(breaker_fail(&breaker, &rules, true, false, now_ms));
        assert_int_equal(breaker_left_ms(&breaker, now_ms), rests[i]);
        now_ms += rests[i];
    }
    assert_true(breaker_begin(&breaker, now_ms));
    assert_true(breaker_succeed(&breaker));
    assert_true(breaker_lets(&breaker, now_ms));
    assert_false(try_and_fail(&breaker, now_ms));
}

static void what_was_on_its_way_does_not_lengthen_the_rest(void **state)
{
    struct breaker breaker = {0};
    assert_true(breaker_fail(&breaker, &rules, false, true, 0));
    assert_false(breaker_fail(&breaker, &rules, false, false, 20));
    assert_false(breaker_fail(&breaker, &rules, false, true, 20));
    assert_int_equal(breaker_left_ms(&breaker, 20), 10);
}

static void a_cancelled_probe_leaves_room_for_the_next(void **state)
{
    struct breaker breaker = {0};
    assert_true(breaker_fail(&breaker, &rules, false, true, 0));
    assert_true(breaker_begin(&breaker, 30));
    breaker_forget(&breaker, false);
    assert_false(breaker_lets(&breaker, 30));
    breaker_forget(&breaker, true);
    assert_true(breaker_lets(&breaker, 30));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_after_failures_in_a_row),
        cmocka_unit_test(a_fatal_failure_opens_at_once),
        cmocka_unit_test(one_probes_at_a_time_and_rests_grow_up_to_a_limit),
        cmocka_unit_test(what_was_on_its_way_does_not_lengthen_the_rest),
        cmocka_unit_test(a_cancelled_probe_leaves_room_for_the_next),
    };
    return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
