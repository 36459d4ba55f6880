#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "llm/tokens.h"

static void weighs_each_class_as_the_table_says(void **state)
{
    static const struct {
        const char *text;
        int64_t tokens;
    } rows[] = {
        {"", 1},
        {"hello", 1},
        {"hello hello", 2},
        {"HTTPServer", 2},
        {"internationalization", 5},
        {"你好世界", 4},
        {"123456789", 5},
        {"12", 2},
        {"\n\n\n", 1},
        {"a      b", 3},
        {"🎉", 3},
        {"{}();", 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(tokens_estimate(str_of(rows[i].text)), rows[i].tokens);
}

static void counts_overheads_of_messages(void **state)
{
    const struct llm_message messages[] = {{LLM_USER, "hello"}, {LLM_ASSISTANT, "hello"}};
    assert_int_equal(tokens_estimate_messages(messages, 2), 3 + 2 * (1 + 4));
}

static void calibrates_within_bounds(void **state)
{
    assert_true(tokens_calibrate(1.0, 1000, 100) == 1.0);
    assert_true(tokens_calibrate(1.0, 1000, 2000) > 1.19 &&
                tokens_calibrate(1.0, 1000, 2000) < 1.21);
    assert_true(tokens_calibrate(2.0, 100, 100000) == 2.0);
    assert_in_range(tokens_budgeted(100, 1.0), 115, 116);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weighs_each_class_as_the_table_says),
        cmocka_unit_test(counts_overheads_of_messages),
        cmocka_unit_test(calibrates_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
