#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "chat/context.h"
#include "llm/tokens.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW_MS 1000000LL
#define TIMEOUT_MS 600LL

/* Exchanges that each took 10 ms, the newest of which ended just now. */
static const struct store_exchange talk[] = {
    {1, "q1", "a1", NOW_MS - 40, NOW_MS - 30},
    {2, "q2", "a2", NOW_MS - 30, NOW_MS - 20},
    {3, "q3", "a3", NOW_MS - 20, NOW_MS - 10},
    {4, "q4", "a4", NOW_MS - 10, NOW_MS},
};

static struct context select_from(const struct store_exchange *exchanges, size_t n,
                                  int64_t budget_tokens, const char *system, const char *question)
{
    const struct store_session session = {.context = exchanges, .n_context = n};
    const struct context_limits limits = {.now_ms = NOW_MS,
                                          .timeout_ms = TIMEOUT_MS,
                                          .budget_tokens = budget_tokens,
                                          .token_ratio = 1};
    struct context context;
    context_select(&session, &limits, system, str_of(question), &context);
    return context;
}

/* The chosen exchanges' numbers, "34" for q3 a3 q4 a4. */
static void assert_chosen(const struct context *context, const char *want)
{
    assert_int_equal(context->n, 2 * strlen(want));
    for (size_t i = 0; want[i]; i++) {
        const struct llm_message *pair = &context->messages[2 * i];
        assert_int_equal(pair[0].role, LLM_USER);
        assert_int_equal(pair[1].role, LLM_ASSISTANT);
        assert_int_equal(pair[0].text[0], 'q');
        assert_int_equal(pair[1].text[0], 'a');
        assert_int_equal(pair[0].text[1], want[i]);
        assert_int_equal(pair[1].text[1], want[i]);
    }
}

static void all_of_an_unbroken_run_is_taken_in_order(void **state)
{
    struct context context = select_from(talk, COUNT(talk), 10000, "", "next");
    assert_chosen(&context, "1234");
    assert_int_equal(context.newest_id, 4);
    context_done(&context);
    assert_int_equal(context.n, 0);
    context_done(&context);
}

static void a_session_without_exchanges_has_no_context(void **state)
{
    struct context context = select_from(NULL, 0, 10000, "system", "next");
    assert_int_equal(context.n, 0);
    assert_int_equal(context.newest_id, 0);
    context_halve(&context);
    context_drop_newest(&context);
    context_make_room(&context, INT64_MAX);
    context_done(&context);
}

static void a_silence_over_the_timeout_ends_the_run_there(void **state)
{
    static const struct {
        int64_t gap_ms;  /* before exchange 3 */
        int64_t rest_ms; /* since exchange 4 */
        const char *want;
    } rows[] = {
        {0, 0, "1234"},
        {TIMEOUT_MS, 0, "1234"},
        {TIMEOUT_MS + 1, 0, "34"},
        {0, TIMEOUT_MS, "1234"},
        {0, TIMEOUT_MS + 1, ""},
        {TIMEOUT_MS + 1, TIMEOUT_MS, "34"},
        /* The clock was set back: what ended later than now is still recent. */
        {0, -5000, "1234"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct store_exchange exchanges[COUNT(talk)];
        memcpy(exchanges, talk, sizeof(talk));
        for (size_t k = 0; k < COUNT(talk); k++) {
            int64_t earlier_ms = rows[i].rest_ms + (k < 2 ? rows[i].gap_ms : 0);
            exchanges[k].started_ms -= earlier_ms;
            exchanges[k].ended_ms -= earlier_ms;
        }
        struct context context = select_from(exchanges, COUNT(talk), 10000, "", "next");
        assert_chosen(&context, rows[i].want);
        context_done(&context);
    }
}

/* What question, system prompt and n of the exchanges cost: 4 for a message, 3 for the request. */
static int64_t cost_of(size_t n, const char *system, const char *question)
{
    int64_t estimate = tokens_estimate(str_of(question)) + 4 + 3;
    if (*system)
        estimate += tokens_estimate(str_of(system)) + 4;
    for (size_t i = COUNT(talk) - n; i < COUNT(talk); i++)
        estimate +=
            tokens_estimate(str_of(talk[i].question)) + tokens_estimate(str_of(talk[i].answer)) + 8;
    return tokens_budgeted(estimate, 1);
}

static void the_oldest_leave_when_the_window_is_full(void **state)
{
    static const char *const systems[] = {"", "You are a helpful assistant of this company."};
    static const char *const wants[] = {"", "4", "34", "234", "1234"};
    for (size_t s = 0; s < COUNT(systems); s++) {
        for (size_t n = 0; n <= COUNT(talk); n++) {
            int64_t budget = cost_of(n, systems[s], "next");
            struct context exact = select_from(talk, COUNT(talk), budget, systems[s], "next");
            assert_chosen(&exact, wants[n]);
            assert_int_equal(exact.room_tokens, 0);
            context_done(&exact);
            struct context less = select_from(talk, COUNT(talk), budget - 1, systems[s], "next");
            assert_chosen(&less, n > 0 ? wants[n - 1] : "");
            context_done(&less);
        }
    }
}

static void a_window_that_holds_not_even_the_question_has_no_context(void **state)
{
    static const int64_t budgets[] = {0, 1, -1, INT64_MIN / 2};
    for (size_t i = 0; i < COUNT(budgets); i++) {
        struct context context = select_from(talk, COUNT(talk), budgets[i], "", "next");
        assert_chosen(&context, "");
        context_make_room(&context, 100);
        context_done(&context);
    }
}

static void a_long_old_exchange_does_not_let_older_ones_pass_it(void **state)
{
    static char essay[4001];
    memset(essay, 'x', sizeof(essay) - 1);
    for (size_t i = 0; i + 6 < sizeof(essay); i += 6)
        memcpy(essay + i, "周报", 6);
    essay[0] = 'q';
    essay[1] = '3';
    struct store_exchange exchanges[COUNT(talk)];
    memcpy(exchanges, talk, sizeof(talk));
    exchanges[2].question = essay;
    struct context context = select_from(exchanges, COUNT(talk), 200, "", "next");
    assert_chosen(&context, "4");
    context_done(&context);
}

static void halving_drops_the_older_half_and_at_last_everything(void **state)
{
    static const struct {
        size_t n;
        const char *once, *twice, *thrice;
    } rows[] = {{4, "34", "4", ""}, {3, "4", "", ""}, {2, "4", "", ""}, {1, "", "", ""}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct context context =
            select_from(talk + COUNT(talk) - rows[i].n, rows[i].n, 10000, "", "next");
        context_halve(&context);
        assert_chosen(&context, rows[i].once);
        context_halve(&context);
        assert_chosen(&context, rows[i].twice);
        context_halve(&context);
        assert_chosen(&context, rows[i].thrice);
        context_done(&context);
    }
}

static void dropping_the_newest_gives_its_room_back(void **state)
{
    struct context context = select_from(talk, COUNT(talk), cost_of(4, "", "x"), "", "x");
    assert_int_equal(context.room_tokens, 0);
    context_drop_newest(&context);
    assert_chosen(&context, "123");
    assert_int_equal(context.newest_id, 0);
    assert_int_equal(context.room_tokens,
                     tokens_estimate(STR_LIT("q4")) + tokens_estimate(STR_LIT("a4")) + 8);
    context_done(&context);
}

static void room_is_made_from_the_oldest_and_no_more_than_needed(void **state)
{
    int64_t pair = tokens_estimate(STR_LIT("q1")) + tokens_estimate(STR_LIT("a1")) + 8;
    static const char *const wants[] = {"1234", "234", "34", "4", "", ""};
    for (size_t i = 0; i < COUNT(wants); i++) {
        struct context context = select_from(talk, COUNT(talk), cost_of(4, "", "x"), "", "x");
        context_make_room(&context, pair * (int64_t)i);
        assert_chosen(&context, wants[i]);
        context_done(&context);
    }
}

static void a_chosen_mode_holds_until_the_timeout_has_passed(void **state)
{
    static const struct {
        enum store_mode chosen, fallback;
        int64_t silence_ms;
        enum store_mode want;
    } rows[] = {
        {STORE_MODE_DEFAULT, STORE_MODE_SINGLE, 0, STORE_MODE_SINGLE},
        {STORE_MODE_DEFAULT, STORE_MODE_CHAIN, 0, STORE_MODE_CHAIN},
        {STORE_MODE_CHAIN, STORE_MODE_SINGLE, 0, STORE_MODE_CHAIN},
        {STORE_MODE_CHAIN, STORE_MODE_SINGLE, TIMEOUT_MS, STORE_MODE_CHAIN},
        {STORE_MODE_CHAIN, STORE_MODE_SINGLE, TIMEOUT_MS + 1, STORE_MODE_SINGLE},
        {STORE_MODE_SINGLE, STORE_MODE_CHAIN, TIMEOUT_MS, STORE_MODE_SINGLE},
        {STORE_MODE_SINGLE, STORE_MODE_CHAIN, TIMEOUT_MS + 1, STORE_MODE_CHAIN},
        {STORE_MODE_CHAIN, STORE_MODE_SINGLE, -99999, STORE_MODE_CHAIN},
        {STORE_MODE_CHAIN, STORE_MODE_DEFAULT, NOW_MS, STORE_MODE_DEFAULT},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct store_session session = {.mode = rows[i].chosen,
                                              .last_active_ms = NOW_MS - rows[i].silence_ms};
        assert_int_equal(context_mode(&session, rows[i].fallback, NOW_MS, TIMEOUT_MS),
                         rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_an_unbroken_run_is_taken_in_order),
        cmocka_unit_test(a_session_without_exchanges_has_no_context),
        cmocka_unit_test(a_silence_over_the_timeout_ends_the_run_there),
        cmocka_unit_test(the_oldest_leave_when_the_window_is_full),
        cmocka_unit_test(a_window_that_holds_not_even_the_question_has_no_context),
        cmocka_unit_test(a_long_old_exchange_does_not_let_older_ones_pass_it),
        cmocka_unit_test(halving_drops_the_older_half_and_at_last_everything),
        cmocka_unit_test(dropping_the_newest_gives_its_room_back),
        cmocka_unit_test(room_is_made_from_the_oldest_and_no_more_than_needed),
        cmocka_unit_test(a_chosen_mode_holds_until_the_timeout_has_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
