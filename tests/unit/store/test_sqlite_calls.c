#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "store_fixture.h"
#include "util/buf.h"

struct told {
    bool is_here;
    enum status status;
    int64_t exchange_id;
    char text[256];
};

static bool is_here(void *arg)
{
    return ((const struct told *)arg)->is_here;
}

static void on_last(const struct store_last *last, void *arg)
{
    struct told *told = arg;
    *told = (struct told){true, last->status, last->exchange_id, ""};
    (void)snprintf(told->text, sizeof(told->text), "%s", last->question ? last->question : "");
}

static void on_done(enum status status, void *arg)
{
    struct told *told = arg;
    told->is_here = true;
    told->status = status;
}

static void on_calls(const struct store_calls_result *result, void *arg)
{
    struct told *told = arg;
    *told = (struct told){true, result->status, 0, ""};
    for (size_t i = 0; i < result->n_items; i++) {
        size_t n = strlen(told->text);
        (void)snprintf(told->text + n, sizeof(told->text) - n, "%s/%s=%lld ", result->items[i].app,
                       result->items[i].kind, (long long)result->items[i].calls);
    }
}

static struct told read_last(struct fixture *fixture, struct store_session_key key)
{
    struct told told = {0};
    store_read_last(fixture->store, &key, on_last, &told);
    assert_true(loop_run_until(fixture->loop, is_here, &told, FIXTURE_WAIT_MS));
    return told;
}

static void count(struct fixture *fixture, const char *month, const char *app, const char *kind,
                  int64_t calls)
{
    struct told told = {0};
    const struct store_calls counted = {app, kind, calls};
    store_count_calls(fixture->store, month, &counted, on_done, &told);
    assert_true(loop_run_until(fixture->loop, is_here, &told, FIXTURE_WAIT_MS));
    assert_int_equal(told.status, ST_OK);
}

static struct told read_calls(struct fixture *fixture, const char *month)
{
    struct told told = {0};
    store_read_calls(fixture->store, month, on_calls, &told);
    assert_true(loop_run_until(fixture->loop, is_here, &told, FIXTURE_WAIT_MS));
    assert_int_equal(told.status, ST_OK);
    return told;
}

static void adds_calls_by_month_application_and_kind_also_over_a_restart(void **state)
{
    struct fixture *fixture = *state;
    assert_string_equal(read_calls(fixture, "2026-11").text, "");
    count(fixture, "2026-11", "ding2", "card_update", 5);
    count(fixture, "2026-11", "ding1", "card_update", 2);
    count(fixture, "2026-11", "ding1", "card_create", 1);
    count(fixture, "2026-11", "ding1", "card_update", 40);
    count(fixture, "2026-12", "ding1", "card_update", 9);
    fixture_close_store(fixture);
    fixture_open_store(fixture);
    assert_string_equal(read_calls(fixture, "2026-11").text,
                        "ding1/card_create=1 ding1/card_update=42 ding2/card_update=5 ");
    assert_string_equal(read_calls(fixture, "2026-12").text, "ding1/card_update=9 ");
}

static enum status settle(struct fixture *fixture, const char *msg_id, const char *kind,
                          const char *question, int64_t replaces_id,
                          enum store_session_change change)
{
    struct answer accepted = accept_id(fixture, msg_id);
    struct store_exchange_record record = record_of(question, "answer");
    record.kind = kind;
    return settle_now(fixture, (struct store_settlement){
                                   .inbox_id = accepted.inbox_id,
                                   .key = fixture_key,
                                   .now_ms = 1,
                                   .exchange = kind ? &record : NULL,
                                   .replaces_id = replaces_id,
                                   .change = change,
                                   .day = "2026-11-24",
                               });
}

static void the_last_question_is_the_sessions_newest_that_was_one(void **state)
{
    struct fixture *fixture = *state;
    struct store_session_key other = fixture_key;
    other.sender = "somebody else";
    assert_int_equal(read_last(fixture, fixture_key).status, ST_NOT_FOUND);
    assert_int_equal(settle(fixture, "m1", "question", "first", 0, STORE_SESSION_KEEP), ST_OK);
    assert_int_equal(settle(fixture, "m2", "template", "second", 0, STORE_SESSION_KEEP), ST_OK);
    assert_int_equal(settle(fixture, "m3", "image", "a cat", 0, STORE_SESSION_KEEP), ST_OK);
    exchange_now(fixture, other, "not his", "answer");
    struct told told = read_last(fixture, fixture_key);
    assert_string_equal(told.text, "second");
    assert_string_equal(read_last(fixture, other).text, "not his");
    assert_int_equal(settle(fixture, "m4", NULL, "", 0, STORE_SESSION_FORGET), ST_OK);
    assert_int_equal(read_last(fixture, fixture_key).status, ST_NOT_FOUND);
    assert_int_equal(settle(fixture, "m5", "question", "third", 0, STORE_SESSION_KEEP), ST_OK);
    assert_string_equal(read_last(fixture, fixture_key).text, "third");
}

static void what_is_replaced_leaves_the_context_and_stays_on_record(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(settle(fixture, "m1", "question", "first", 0, STORE_SESSION_KEEP), ST_OK);
    assert_int_equal(settle(fixture, "m2", "question", "second", 0, STORE_SESSION_KEEP), ST_OK);
    struct told told = read_last(fixture, fixture_key);
    assert_int_equal(
        settle(fixture, "m3", "question", "again", told.exchange_id, STORE_SESSION_KEEP), ST_OK);
    struct answer session = read_session_now(fixture, fixture_key);
    assert_int_equal(session.n_context, 2);
    assert_non_null(strstr(session.context, "first"));
    assert_non_null(strstr(session.context, "again"));
    assert_null(strstr(session.context, "second"));
    assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM exchange"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            adds_calls_by_month_application_and_kind_also_over_a_restart, fixture_setup,
            fixture_teardown),
        cmocka_unit_test_setup_teardown(the_last_question_is_the_sessions_newest_that_was_one,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_replaced_leaves_the_context_and_stays_on_record,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
