#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "llm/pool.h"
#include "util/buf.h"

#define PATIENCE_MS 20000
#define MEMBERS_MAX 4

/* An llm that ends every exchange as it was told, and writes down that it was asked. */
struct member {
    struct llm llm; /* first */
    struct loop *loop;
    const char *letter;
    struct buf *journal;
    enum llm_failure failure;
    bool has_text;  /* says something before it fails */
    bool is_silent; /* does not end */
    struct timer *timer;
    uint64_t id;
    int n_cancelled;
    const struct llm_ask_handlers *handlers;
    llm_image_fn on_image;
    llm_balance_fn on_balance;
    llm_check_fn on_check;
    void *arg;
};

static struct member *member_of(struct llm *llm)
{
    return (struct member *)(void *)llm;
}

static void end_ask(void *arg)
{
    struct member *member = arg;
    member->timer = NULL;
    bool says = member->has_text || member->failure == LLM_OK;
    if (says)
        member->handlers->on_text(member->id, str_of(member->letter), member->arg);
    if (member->n_cancelled > 0)
        return;
    const struct llm_answer answer = {
        .outcome = {.failure = member->failure, .peer_request_id = "", .tries = 1},
        .is_partial = says && member->failure != LLM_OK,
        .model = member->letter,
        .provider = "fake"};
    member->handlers->on_done(member->id, &answer, member->arg);
}

static void end_draw(void *arg)
{
    struct member *member = arg;
    member->timer = NULL;
    const struct llm_image image = {
        .outcome = {.failure = member->failure, .peer_request_id = "", .tries = 1},
        .model = member->letter,
        .provider = "fake"};
    member->on_image(member->id, &image, member->arg);
}

static void end_balance(void *arg)
{
    struct member *member = arg;
    member->timer = NULL;
    const struct llm_balance balance = {
        .outcome = {.failure = member->failure, .peer_request_id = "", .tries = 1},
        .provider = member->letter};
    member->on_balance(member->id, &balance, member->arg);
}

static void end_check(void *arg)
{
    struct member *member = arg;
    member->timer = NULL;
    const struct llm_check check = {
        .outcome = {.failure = member->failure, .peer_request_id = "", .tries = 1}};
    member->on_check(member->id, &check, member->arg);
}

static uint64_t begin(struct member *member, loop_fn end, void *arg)
{
    (void)buf_puts(member->journal, member->letter);
    member->arg = arg;
    if (!member->is_silent)
        member->timer = timer_start(member->loop, 0, "member", end, member);
    return ++member->id;
}

static uint64_t ask(struct llm *llm, const char *model, const struct llm_message *messages,
                    size_t n_messages, const struct llm_ask_handlers *handlers, void *arg)
{
    struct member *member = member_of(llm);
    assert_int_equal(n_messages, 2);
    assert_string_equal(messages[0].text, "before");
    assert_string_equal(messages[1].text, "hello");
    member->handlers = handlers;
    return begin(member, end_ask, arg);
}

static uint64_t draw(struct llm *llm, const char *prompt, llm_image_fn fn, void *arg)
{
    assert_string_equal(prompt, "a panda");
    member_of(llm)->on_image = fn;
    return begin(member_of(llm), end_draw, arg);
}

static uint64_t balance(struct llm *llm, llm_balance_fn fn, void *arg)
{
    member_of(llm)->on_balance = fn;
    return begin(member_of(llm), end_balance, arg);
}

static uint64_t check(struct llm *llm, llm_check_fn fn, void *arg)
{
    member_of(llm)->on_check = fn;
    return begin(member_of(llm), end_check, arg);
}

static void cancel(struct llm *llm, uint64_t id)
{
    struct member *member = member_of(llm);
    timer_cancel(&member->timer);
    member->n_cancelled += id == member->id;
}

static void member_free(struct llm *llm)
{
}

static const struct llm_ops member_ops = {.ask = ask,
                                          .draw = draw,
                                          .balance = balance,
                                          .check = check,
                                          .cancel = cancel,
                                          .free = member_free};

struct pool_fixture {
    struct loop *loop;
    struct llm *pool;
    struct buf journal; /* the letters of those who were asked */
    struct member members[MEMBERS_MAX];
};

/* `names`: of the models, a letter each; the same again is another key of it. */
static void fixture_begin(struct pool_fixture *fixture, const char *names, int64_t rest_ms)
{
    static const char *const letters[] = {"a", "b", "c", "d"};
    *fixture = (struct pool_fixture){.journal = BUF_INIT(1000)};
    assert_int_equal(loop_new(&fixture->loop), ST_OK);
    const struct breaker_rules rules = {
        .failures_max = 3, .first_rest_ms = rest_ms, .max_rest_ms = 4 * rest_ms};
    fixture->pool = pool_new(fixture->loop, &rules);
    for (size_t i = 0; names[i]; i++) {
        struct member *member = &fixture->members[i];
        const char name[] = {names[i], '\0'};
        *member = (struct member){.llm = {.ops = &member_ops,
                                          .provider = "fake",
                                          .model = letters[i],
                                          .token_ratio = 1.5},
                                  .loop = fixture->loop,
                                  .letter = letters[i],
                                  .journal = &fixture->journal};
        pool_add_take(fixture->pool, name, &member->llm);
    }
}

static void fixture_end(struct pool_fixture *fixture)
{
    llm_free(fixture->pool);
    loop_free(fixture->loop);
    buf_done(&fixture->journal);
}

struct asked {
    uint64_t id;
    int n_done;
    enum llm_failure failure;
    int tries;
    char text[16];
    char model[16];
    struct llm *cancel_at_text; /* the pool; NULL: does not */
};

static void on_text(uint64_t id, struct str text, void *arg)
{
    struct asked *asked = arg;
    (void)snprintf(asked->text, sizeof(asked->text), "%.*s", (int)text.n, text.p);
    if (asked->cancel_at_text)
        llm_cancel(asked->cancel_at_text, id);
}

static void on_done(uint64_t id, const struct llm_answer *answer, void *arg)
{
    struct asked *asked = arg;
    assert_int_equal(id, asked->id);
    asked->n_done++;
    asked->failure = answer->outcome.failure;
    asked->tries = answer->outcome.tries;
    (void)snprintf(asked->model, sizeof(asked->model), "%s", answer->model);
    assert_string_equal(answer->provider, "fake");
}

static void start(struct pool_fixture *fixture, const char *model, struct asked *asked)
{
    static const struct llm_ask_handlers handlers = {.on_text = on_text, .on_done = on_done};
    char before[] = "before", hello[] = "hello";
    const struct llm_message messages[] = {{LLM_ASSISTANT, before}, {LLM_USER, hello}};
    asked->id = llm_ask(fixture->pool, model, messages, 2, &handlers, asked);
    assert_int_equal(asked->n_done, 0);
    memset(hello, 'x', 5); /* it was copied */
}

static bool is_done(void *arg)
{
    return ((struct asked *)arg)->n_done > 0;
}

/* Until the first of the models may be asked again. */
static void wait_rest(struct pool_fixture *fixture)
{
    struct llm_choice choices[3];
    while (llm_choices(fixture->pool, choices, 3) && choices[0].rest_ms > 0)
        (void)loop_run_until(fixture->loop, is_done, &(struct asked){0}, choices[0].rest_ms);
}

static struct asked ask_pool(struct pool_fixture *fixture, const char *model)
{
    struct asked asked = {0};
    start(fixture, model, &asked);
    assert_true(loop_run_until(fixture->loop, is_done, &asked, PATIENCE_MS));
    return asked;
}

static void expect_asked(struct pool_fixture *fixture, const char *letters)
{
    assert_string_equal(buf_cstr(&fixture->journal), letters);
    buf_clear(&fixture->journal);
}

static void the_first_answers_unless_another_is_wanted(void **state)
{
    struct pool_fixture fixture;
    fixture_begin(&fixture, "xyz", 60000);
    struct asked asked = ask_pool(&fixture, NULL);
    assert_string_equal(asked.text, "a");
    assert_string_equal(asked.model, "a");
    assert_string_equal(ask_pool(&fixture, "z").model, "c");
    assert_string_equal(ask_pool(&fixture, "no such name").model, "a");
    assert_string_equal(ask_pool(&fixture, "").model, "a");
    assert_true(fixture.pool->token_ratio > 1.4);
    expect_asked(&fixture, "acaa");
    fixture_end(&fixture);
}

static const struct {
    enum llm_failure failure;
    bool is_passed_on;
} failures[] = {
    {LLM_FAIL_AUTH, true},      {LLM_FAIL_QUOTA, true},        {LLM_FAIL_RATE, true},
    {LLM_FAIL_MODEL, true},     {LLM_FAIL_BUSY, true},         {LLM_FAIL_CONNECT, true},
    {LLM_FAIL_TIMEOUT, true},   {LLM_FAIL_CUT, true},          {LLM_FAIL_GARBLED, true},
    {LLM_FAIL_TOO_LONG, false}, {LLM_FAIL_REFUSED, false},     {LLM_FAIL_REQUEST, false},
    {LLM_FAIL_EMPTY, false},    {LLM_FAIL_THOUGHT_OUT, false}, {LLM_FAIL_TOO_LARGE, false},
};

static void only_faults_of_the_model_lead_to_the_next(void **state)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct pool_fixture fixture;
        fixture_begin(&fixture, "xyz", 60000);
        fixture.members[0].failure = failures[i].failure;
        fixture.members[1].failure = failures[i].failure;
        struct asked asked = ask_pool(&fixture, NULL);
        assert_int_equal(asked.failure, failures[i].is_passed_on ? LLM_OK : failures[i].failure);
        assert_int_equal(asked.tries, failures[i].is_passed_on ? 3 : 1);
        expect_asked(&fixture, failures[i].is_passed_on ? "abc" : "a");
        struct llm_stats stats;
        llm_get_stats(fixture.pool, &stats);
        assert_int_equal(stats.fallbacks, failures[i].is_passed_on ? 2 : 0);
        fixture_end(&fixture);
    }
}

static void nothing_is_asked_again_after_the_first_word(void **state)
{
    struct pool_fixture fixture;
    fixture_begin(&fixture, "xy", 60000);
    fixture.members[0].failure = LLM_FAIL_CUT;
    fixture.members[0].has_text = true;
    struct asked asked = ask_pool(&fixture, NULL);
    assert_int_equal(asked.failure, LLM_FAIL_CUT);
    assert_string_equal(asked.text, "a");
    expect_asked(&fixture, "a");
    fixture_end(&fixture);
}

static void when_all_fail_the_last_ones_reason_is_told(void **state)
{
    struct pool_fixture fixture;
    fixture_begin(&fixture, "xy", 60000);
    fixture.members[0].failure = LLM_FAIL_TIMEOUT;
    fixture.members[1].failure = LLM_FAIL_BUSY;
    assert_int_equal(ask_pool(&fixture, NULL).failure, LLM_FAIL_BUSY);
    fixture_end(&fixture);
}

static void a_model_that_keeps_failing_rests_and_comes_back(void **state)
{
    struct pool_fixture fixture;
    struct llm_choice choices[3];
    struct llm_stats stats;
    fixture_begin(&fixture, "xy", 200);
    fixture.members[0].failure = LLM_FAIL_BUSY;
    for (int i = 0; i < 3; i++)
        assert_string_equal(ask_pool(&fixture, NULL).model, "b");
    assert_string_equal(ask_pool(&fixture, "x").model, "b");
    expect_asked(&fixture, "abababb");
    assert_int_equal(llm_choices(fixture.pool, choices, 3), 2);
    assert_string_equal(choices[0].name, "x");
    assert_true(choices[0].rest_ms > 0 && choices[1].rest_ms == 0);
    llm_get_stats(fixture.pool, &stats);
    assert_int_equal(stats.resting, 1);
    assert_int_equal(stats.rests, 1);

    fixture.members[0].failure = LLM_OK;
    wait_rest(&fixture);
    assert_string_equal(ask_pool(&fixture, NULL).model, "a");
    expect_asked(&fixture, "a");
    fixture_end(&fixture);
}

static void others_do_not_wait_for_a_probe(void **state)
{
    struct pool_fixture fixture;
    struct asked probe = {0};
    fixture_begin(&fixture, "xy", 50);
    fixture.members[0].failure = LLM_FAIL_TIMEOUT;
    for (int i = 0; i < 3; i++)
        (void)ask_pool(&fixture, NULL);
    wait_rest(&fixture);
    buf_clear(&fixture.journal);
    fixture.members[0].is_silent = true;
    start(&fixture, NULL, &probe);
    assert_string_equal(ask_pool(&fixture, NULL).model, "b");
    expect_asked(&fixture, "ab");
    llm_cancel(fixture.pool, probe.id);
    assert_int_equal(fixture.members[0].n_cancelled, 1);
    start(&fixture, NULL, &probe);
    expect_asked(&fixture, "a");
    fixture_end(&fixture); /* cancels it */
    assert_int_equal(probe.n_done, 0);
}

static void when_all_rest_one_is_asked_all_the_same(void **state)
{
    struct pool_fixture fixture;
    fixture_begin(&fixture, "xy", 60000);
    fixture.members[0].failure = fixture.members[1].failure = LLM_FAIL_CONNECT;
    for (int i = 0; i < 3; i++)
        (void)ask_pool(&fixture, NULL);
    expect_asked(&fixture, "ababab");
    assert_int_equal(ask_pool(&fixture, NULL).failure, LLM_FAIL_CONNECT);
    expect_asked(&fixture, "a");
    fixture.members[0].failure = LLM_OK;
    assert_int_equal(ask_pool(&fixture, NULL).failure, LLM_OK);
    assert_int_equal(ask_pool(&fixture, NULL).failure, LLM_OK);
    expect_asked(&fixture, "aa");
    fixture_end(&fixture);
}

static void keys_take_turns_and_a_refused_one_rests(void **state)
{
    struct pool_fixture fixture;
    fixture_begin(&fixture, "xxxy", 60000);
    for (int i = 0; i < 4; i++)
        (void)ask_pool(&fixture, NULL);
    expect_asked(&fixture, "abca");
    fixture.members[1].failure = LLM_FAIL_AUTH;
    fixture.members[2].failure = LLM_FAIL_QUOTA;
    assert_string_equal(ask_pool(&fixture, NULL).model, "a");
    expect_asked(&fixture, "bca");
    assert_string_equal(ask_pool(&fixture, NULL).model, "a");
    expect_asked(&fixture, "a");
    fixture.members[0].failure = LLM_FAIL_AUTH;
    assert_string_equal(ask_pool(&fixture, NULL).model, "d");
    expect_asked(&fixture, "ad");
    assert_string_equal(ask_pool(&fixture, NULL).model, "d");
    expect_asked(&fixture, "d");
    fixture_end(&fixture);
}

static void a_server_that_fails_is_not_asked_with_every_key(void **state)
{
    struct pool_fixture fixture;
    fixture_begin(&fixture, "xxy", 60000);
    fixture.members[0].failure = fixture.members[1].failure = LLM_FAIL_BUSY;
    (void)ask_pool(&fixture, NULL);
    expect_asked(&fixture, "ac");
    fixture_end(&fixture);
}

static void who_hears_a_text_may_cancel(void **state)
{
    struct pool_fixture fixture;
    fixture_begin(&fixture, "x", 60000);
    struct asked asked = {.cancel_at_text = fixture.pool};
    start(&fixture, NULL, &asked);
    (void)loop_run_until(fixture.loop, is_done, &asked, 20);
    assert_int_equal(asked.n_done, 0);
    assert_int_equal(fixture.members[0].n_cancelled, 1);
    fixture_end(&fixture);
}

static void on_image(uint64_t id, const struct llm_image *image, void *arg)
{
    struct asked *asked = arg;
    asked->n_done++;
    asked->failure = image->outcome.failure;
    (void)snprintf(asked->model, sizeof(asked->model), "%s", image->model);
}

static void on_balance(uint64_t id, const struct llm_balance *balance_, void *arg)
{
    struct asked *asked = arg;
    asked->n_done++;
    asked->failure = balance_->outcome.failure;
}

static void images_and_balances_are_asked_where_there_are_any(void **state)
{
    struct pool_fixture fixture;
    struct asked image = {0}, account = {0};
    fixture_begin(&fixture, "xyz", 60000);
    fixture.members[0].failure = LLM_FAIL_UNSUPPORTED;
    fixture.members[1].failure = LLM_FAIL_BUSY;
    for (int i = 0; i < 5; i++) {
        image = (struct asked){0};
        (void)llm_draw(fixture.pool, "a panda", on_image, &image);
        assert_true(loop_run_until(fixture.loop, is_done, &image, PATIENCE_MS));
        assert_string_equal(image.model, "c");
    }
    expect_asked(&fixture, "abcabcabcabcabc"); /* what draws badly may answer well */
    (void)llm_balance(fixture.pool, on_balance, &account);
    assert_true(loop_run_until(fixture.loop, is_done, &account, PATIENCE_MS));
    assert_int_equal(account.failure, LLM_FAIL_BUSY);
    expect_asked(&fixture, "ab");
    fixture_end(&fixture);
}

static void an_image_is_no_probe(void **state)
{
    struct pool_fixture fixture;
    struct asked image = {0};
    fixture_begin(&fixture, "xy", 50);
    fixture.members[0].failure = LLM_FAIL_TIMEOUT;
    for (int i = 0; i < 3; i++)
        (void)ask_pool(&fixture, NULL);
    wait_rest(&fixture);
    fixture.members[0].failure = LLM_OK;
    (void)llm_draw(fixture.pool, "a panda", on_image, &image);
    assert_true(loop_run_until(fixture.loop, is_done, &image, PATIENCE_MS));
    assert_string_equal(image.model, "a");
    assert_string_equal(ask_pool(&fixture, NULL).model, "a");
    fixture_end(&fixture);
}

static void on_check(uint64_t id, const struct llm_check *check_, void *arg)
{
    ((struct asked *)arg)->n_done++;
}

static void every_member_can_be_checked(void **state)
{
    struct pool_fixture fixture;
    struct asked asked = {0};
    const char *name;
    fixture_begin(&fixture, "xxy", 60000);
    static const char *const names[] = {"x", "x", "y"};
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(pool_member(fixture.pool, i, &name), &fixture.members[i].llm);
        assert_string_equal(name, names[i]);
    }
    assert_null(pool_member(fixture.pool, 3, &name));
    (void)llm_check(fixture.pool, on_check, &asked);
    assert_true(loop_run_until(fixture.loop, is_done, &asked, PATIENCE_MS));
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_answers_unless_another_is_wanted),
        cmocka_unit_test(only_faults_of_the_model_lead_to_the_next),
        cmocka_unit_test(nothing_is_asked_again_after_the_first_word),
        cmocka_unit_test(when_all_fail_the_last_ones_reason_is_told),
        cmocka_unit_test(a_model_that_keeps_failing_rests_and_comes_back),
        cmocka_unit_test(others_do_not_wait_for_a_probe),
        cmocka_unit_test(when_all_rest_one_is_asked_all_the_same),
        cmocka_unit_test(keys_take_turns_and_a_refused_one_rests),
        cmocka_unit_test(a_server_that_fails_is_not_asked_with_every_key),
        cmocka_unit_test(who_hears_a_text_may_cancel),
        cmocka_unit_test(images_and_balances_are_asked_where_there_are_any),
        cmocka_unit_test(an_image_is_no_probe),
        cmocka_unit_test(every_member_can_be_checked),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
