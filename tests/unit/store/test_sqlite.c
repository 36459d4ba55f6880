/* What each call of the store's face means. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_fixture.h"
#include "util/buf.h"
#include "util/mem.h"

static void keeps_a_message_and_gives_it_an_id(void **state)
{
    struct fixture *fixture = *state;
    struct answer first = accept_id(fixture, "m1");
    struct answer second = accept_id(fixture, "m2");
    assert_int_equal(first.status, ST_OK);
    assert_true(first.inbox_id > 0 && second.inbox_id > first.inbox_id);
    assert_false(first.is_over_limit);
    assert_int_equal(first.mode, STORE_MODE_DEFAULT);
    assert_int_equal(first.last_active_ms, 0);
    assert_int_equal(first.n_context, 0);
}

static void knows_a_message_again_before_and_after_its_end(void **state)
{
    struct fixture *fixture = *state;
    struct answer first = accept_id(fixture, "m1");
    assert_int_equal(accept_id(fixture, "m1").status, ST_CONFLICT);
    assert_int_equal(settle_now(fixture, (struct store_settlement){.inbox_id = first.inbox_id}),
                     ST_OK);
    struct answer again = accept_id(fixture, "m1");
    assert_int_equal(again.status, ST_CONFLICT);
    assert_int_equal(again.inbox_id, 0);
    struct store_arrival other = arrival_of("m1");
    other.key.robot = "another robot";
    assert_int_equal(accept_now(fixture, other).status, ST_OK);
}

static void counts_what_is_charged_up_to_the_limit(void **state)
{
    struct fixture *fixture = *state;
    struct store_arrival arrival = arrival_of("free");
    arrival.daily_limit = 2;
    assert_int_equal(accept_now(fixture, arrival).status, ST_OK);
    assert_int_equal(used_now(fixture, "user", "2026-11-23"), 0);
    static const struct {
        const char *msg_id;
        enum status status;
        bool is_over_limit;
        int64_t used;
    } rows[] = {
        {"q1", ST_OK, false, 1},       {"q1", ST_CONFLICT, false, 1}, {"q2", ST_OK, false, 2},
        {"q2", ST_CONFLICT, false, 2}, {"q3", ST_OK, true, 2},        {"q4", ST_OK, true, 2},
        {"q3", ST_CONFLICT, false, 2},
    };
    arrival.is_charged = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        arrival.msg_id = rows[i].msg_id;
        struct answer answer = accept_now(fixture, arrival);
        assert_int_equal(answer.status, rows[i].status);
        assert_int_equal(answer.is_over_limit, rows[i].is_over_limit);
        assert_int_equal(used_now(fixture, "user", "2026-11-23"), rows[i].used);
    }
    arrival.day = "2026-11-24";
    arrival.msg_id = "tomorrow";
    assert_false(accept_now(fixture, arrival).is_over_limit);
    arrival.day = "2026-11-23";
    arrival.user = "another";
    arrival.msg_id = "of another";
    assert_false(accept_now(fixture, arrival).is_over_limit);
}

static void counts_without_a_limit_too(void **state)
{
    struct fixture *fixture = *state;
    struct store_arrival arrival = arrival_of("q1");
    arrival.is_charged = true;
    assert_false(accept_now(fixture, arrival).is_over_limit);
    arrival.msg_id = "q2";
    assert_false(accept_now(fixture, arrival).is_over_limit);
    assert_int_equal(used_now(fixture, "user", "2026-11-23"), 2);
    assert_int_equal(used_now(fixture, "nobody", "2026-11-23"), 0);
}

static void reads_the_context_oldest_first_and_only_of_this_session(void **state)
{
    struct fixture *fixture = *state;
    exchange_now(fixture, fixture_key, "q1", "a1");
    exchange_now(fixture, (struct store_session_key){"other", "conversation", "sender"}, "x", "x");
    exchange_now(fixture, (struct store_session_key){"robot", "other", "sender"}, "x", "x");
    exchange_now(fixture, (struct store_session_key){"robot", "conversation", "other"}, "x", "x");
    exchange_now(fixture, fixture_key, "q2", "a2");
    assert_string_equal(accept_id(fixture, "m").context, "q1=a1 q2=a2");
    assert_string_equal(read_session_now(fixture, fixture_key).context, "q1=a1 q2=a2");
}

static void leaves_out_what_is_not_for_the_context(void **state)
{
    struct fixture *fixture = *state;
    struct store_exchange_record record = record_of("alone", "x");
    record.in_context = false;
    struct store_settlement settlement = {.inbox_id = accept_id(fixture, "m1").inbox_id,
                                          .exchange = &record};
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
    assert_int_equal(accept_id(fixture, "m2").n_context, 0);
    assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM exchange"), 1);
}

static void limits_the_context_in_number_and_bytes(void **state)
{
    struct fixture *fixture = *state;
    exchange_now(fixture, fixture_key, "q1", "a1");
    exchange_now(fixture, fixture_key, "长问题", "a2"); /* 9 + 2 bytes */
    exchange_now(fixture, fixture_key, "q3", "a3");
    static const struct {
        size_t max;
        int64_t max_bytes;
        const char *context;
    } rows[] = {
        {100, 19, "q1=a1 长问题=a2 q3=a3"},
        {100, 18, "长问题=a2 q3=a3"},
        {100, 15, "长问题=a2 q3=a3"},
        {100, 14, "q3=a3"},
        {100, 3, ""},
        {100, 0, ""},
        {2, 100, "长问题=a2 q3=a3"},
        {1, 100, "q3=a3"},
        {0, 100, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer = {0};
        store_read_session(fixture->store, &fixture_key, rows[i].max, rows[i].max_bytes, on_session,
                           &answer);
        fixture_wait(fixture, &answer);
        assert_string_equal(answer.context, rows[i].context);
    }
}

static void remembers_the_mode_and_when_it_was_used(void **state)
{
    struct fixture *fixture = *state;
    struct store_settlement settlement = {.inbox_id = accept_id(fixture, "m1").inbox_id,
                                          .now_ms = 5000,
                                          .change = STORE_SESSION_SET_MODE,
                                          .mode = STORE_MODE_CHAIN};
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
    struct answer session = read_session_now(fixture, fixture_key);
    assert_int_equal(session.mode, STORE_MODE_CHAIN);
    assert_int_equal(session.last_active_ms, 5000);

    settlement.inbox_id = accept_id(fixture, "m2").inbox_id;
    settlement.now_ms = 6000;
    settlement.change = STORE_SESSION_TOUCH;
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
    settlement.inbox_id = accept_id(fixture, "m3").inbox_id;
    settlement.now_ms = 7000;
    settlement.change = STORE_SESSION_KEEP;
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
    session = accept_id(fixture, "m4");
    assert_int_equal(session.mode, STORE_MODE_CHAIN);
    assert_int_equal(session.last_active_ms, 6000);
}

static void remembers_the_model_beside_the_mode(void **state)
{
    struct fixture *fixture = *state;
    struct store_settlement settlement = {.inbox_id = accept_id(fixture, "m1").inbox_id,
                                          .now_ms = 5000,
                                          .change = STORE_SESSION_SET_MODEL,
                                          .model = "智能"};
    assert_string_equal(read_session_now(fixture, fixture_key).model, "");
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
    struct answer session = read_session_now(fixture, fixture_key);
    assert_string_equal(session.model, "智能");
    assert_int_equal(session.mode, STORE_MODE_DEFAULT);
    assert_int_equal(session.last_active_ms, 0);
    const enum store_session_change changes[] = {STORE_SESSION_SET_MODE, STORE_SESSION_TOUCH,
                                                 STORE_SESSION_FORGET};
    for (size_t i = 0; i < 3; i++) {
        const char id[] = {'n', (char)('0' + i), '\0'};
        settlement = (struct store_settlement){.inbox_id = accept_id(fixture, id).inbox_id,
                                               .change = changes[i],
                                               .mode = STORE_MODE_CHAIN};
        assert_int_equal(settle_now(fixture, settlement), ST_OK);
        assert_string_equal(read_session_now(fixture, fixture_key).model, "智能");
    }
    settlement = (struct store_settlement){.inbox_id = accept_id(fixture, "m5").inbox_id,
                                           .change = STORE_SESSION_SET_MODEL,
                                           .model = ""};
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
    assert_string_equal(accept_id(fixture, "m6").model, "");
}

static void touching_makes_a_session_without_a_mode(void **state)
{
    struct fixture *fixture = *state;
    struct store_settlement settlement = {.inbox_id = accept_id(fixture, "m1").inbox_id,
                                          .now_ms = 6000,
                                          .change = STORE_SESSION_TOUCH};
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
    struct answer session = read_session_now(fixture, fixture_key);
    assert_int_equal(session.mode, STORE_MODE_DEFAULT);
    assert_int_equal(session.last_active_ms, 6000);
}

static void forgets_mode_and_context_but_not_what_comes_after(void **state)
{
    struct fixture *fixture = *state;
    const struct store_session_key other = {"robot", "conversation", "other"};
    exchange_now(fixture, fixture_key, "q1", "a1");
    exchange_now(fixture, other, "o1", "b1");
    struct store_settlement settlement = {.inbox_id = accept_id(fixture, "m1").inbox_id,
                                          .now_ms = 5000,
                                          .change = STORE_SESSION_SET_MODE,
                                          .mode = STORE_MODE_CHAIN};
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
    settlement.inbox_id = accept_id(fixture, "m2").inbox_id;
    settlement.change = STORE_SESSION_FORGET;
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
    struct answer session = read_session_now(fixture, fixture_key);
    assert_int_equal(session.mode, STORE_MODE_DEFAULT);
    assert_int_equal(session.last_active_ms, 0);
    assert_int_equal(session.n_context, 0);
    exchange_now(fixture, fixture_key, "q2", "a2");
    assert_string_equal(read_session_now(fixture, fixture_key).context, "q2=a2");
    assert_string_equal(read_session_now(fixture, other).context, "o1=b1");
    /* A mode chosen afterwards brings nothing back. */
    settlement.inbox_id = accept_id(fixture, "m3").inbox_id;
    settlement.change = STORE_SESSION_SET_MODE;
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
    assert_string_equal(read_session_now(fixture, fixture_key).context, "q2=a2");
}

static void settles_once_and_only_what_it_knows(void **state)
{
    struct fixture *fixture = *state;
    struct store_exchange_record record = record_of("q", "a");
    record.prompt_tokens = 10;
    record.completion_tokens = 20;
    struct store_settlement settlement = {
        .inbox_id = 4711, .exchange = &record, .change = STORE_SESSION_TOUCH, .now_ms = 9000};
    assert_int_equal(settle_now(fixture, settlement), ST_NOT_FOUND);
    assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM exchange"), 0);
    assert_int_equal(read_session_now(fixture, fixture_key).last_active_ms, 0);
    settlement.inbox_id = accept_id(fixture, "m1").inbox_id;
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
    settlement.now_ms = 9999;
    assert_int_equal(settle_now(fixture, settlement), ST_CONFLICT);
    assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM exchange"), 1);
    assert_int_equal(fixture_number(fixture, "SELECT prompt_tokens FROM usage"), 10);
    assert_int_equal(fixture_number(fixture, "SELECT done_ms FROM inbox"), 9000);
    assert_int_equal(read_session_now(fixture, fixture_key).last_active_ms, 9000);
}

static void adds_up_the_tokens_that_are_known(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int64_t prompt;
        int64_t completion;
    } rows[] = {{10, 20}, {-1, -1}, {5, -1}, {-1, 7}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char msg_id[16];
        (void)snprintf(msg_id, sizeof(msg_id), "m%zu", i);
        struct store_exchange_record record = record_of("q", "a");
        record.prompt_tokens = rows[i].prompt;
        record.completion_tokens = rows[i].completion;
        struct store_settlement settlement = {.inbox_id = accept_id(fixture, msg_id).inbox_id,
                                              .exchange = &record};
        assert_int_equal(settle_now(fixture, settlement), ST_OK);
    }
    assert_int_equal(fixture_number(fixture, "SELECT prompt_tokens FROM usage"), 15);
    assert_int_equal(fixture_number(fixture, "SELECT completion_tokens FROM usage"), 27);
    assert_int_equal(fixture_number(fixture, "SELECT requests FROM usage"), 0);
    assert_int_equal(
        fixture_number(fixture, "SELECT count(*) FROM exchange WHERE prompt_tokens IS NULL"), 2);
    assert_int_equal(used_now(fixture, "user", "2026-11-23"), 0);
}

static void clears_the_texts_of_a_finished_message(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = accept_id(fixture, "m1").inbox_id;
    assert_int_equal(note_progress_now(fixture, id, "secret", 1), ST_OK);
    assert_int_equal(settle_now(fixture, (struct store_settlement){.inbox_id = id}), ST_OK);
    assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM inbox"
                                             " WHERE payload IS NULL AND answer IS NULL"),
                     1);
}

/* A page of what is unfinished, as "msg:over:answer:parts" for each. */
struct page {
    bool is_here;
    size_t n;
    int64_t last_id;
    char text[512];
};

static void on_page(const struct store_unfinished_result *result, void *arg)
{
    struct page *page = arg;
    assert_int_equal(result->status, ST_OK);
    struct buf text = BUF_INIT(sizeof(page->text) - 1);
    for (size_t i = 0; i < result->n_items; i++) {
        const struct store_unfinished *item = &result->items[i];
        assert_true(item->inbox_id > page->last_id);
        page->last_id = item->inbox_id;
        buf_printf(&text, "%s%s:%d:%s:%d", i ? " " : "", item->payload, item->is_over_limit,
                   item->answer ? item->answer : "-", item->parts_sent);
    }
    (void)snprintf(page->text, sizeof(page->text), "%s", buf_cstr(&text));
    buf_done(&text);
    page->n = result->n_items;
    page->is_here = true;
}

static bool is_page_here(void *arg)
{
    const struct page *page = arg;
    return page->is_here;
}

static void next_page(struct fixture *fixture, size_t max_items, struct page *page)
{
    page->is_here = false;
    store_load_unfinished(fixture->store, page->last_id, max_items, on_page, page);
    assert_true(loop_run_until(fixture->loop, is_page_here, page, FIXTURE_WAIT_MS));
}

static void gives_back_what_is_unfinished_in_order_and_in_pages(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"p1", "p2", "p3", "p4"};
    int64_t ids[4];
    for (size_t i = 0; i < 4; i++) {
        struct store_arrival arrival = arrival_of(names[i]);
        arrival.payload = names[i];
        arrival.is_charged = true;
        arrival.daily_limit = 3;
        ids[i] = accept_now(fixture, arrival).inbox_id;
    }
    assert_int_equal(note_progress_now(fixture, ids[2], "whole answer", 1), ST_OK);
    assert_int_equal(note_progress_now(fixture, ids[2], NULL, 2), ST_OK);
    assert_int_equal(settle_now(fixture, (struct store_settlement){.inbox_id = ids[1]}), ST_OK);
    fixture_close_store(fixture);
    fixture_open_store(fixture);
    struct page page = {0};
    next_page(fixture, 2, &page);
    assert_string_equal(page.text, "p1:0:-:0 p3:0:whole answer:2");
    next_page(fixture, 2, &page);
    assert_string_equal(page.text, "p4:1:-:0");
    next_page(fixture, 2, &page);
    assert_int_equal(page.n, 0);
}

static void notes_progress_of_an_open_message_only(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(note_progress_now(fixture, 4711, "a", 1), ST_NOT_FOUND);
    int64_t id = accept_id(fixture, "m1").inbox_id;
    assert_int_equal(settle_now(fixture, (struct store_settlement){.inbox_id = id}), ST_OK);
    assert_int_equal(note_progress_now(fixture, id, "a", 1), ST_CONFLICT);
    assert_int_equal(fixture_number(fixture, "SELECT parts_sent FROM inbox"), 0);
}

static void prunes_finished_messages_that_are_old_enough(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *raw = open_raw(fixture->path);
    run_raw(raw, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
                 " INSERT INTO inbox (robot, msg_id, conversation, sender, arrived_ms,"
                 " is_over_limit, done_ms) SELECT 'robot', 'old' || i, 'c', 's', 1, 0, i FROM n");
    (void)sqlite3_close(raw);
    assert_int_equal(accept_id(fixture, "open").status, ST_OK);
    assert_int_equal(prune_now(fixture, 4990), ST_OK);
    assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM inbox"), 12);
    assert_int_equal(accept_id(fixture, "old4990").status, ST_CONFLICT);
    assert_int_equal(accept_id(fixture, "old4989").status, ST_OK);
}

static void answers_in_the_order_of_asking(void **state)
{
    struct fixture *fixture = *state;
    struct answer answers[300] = {0};
    int sequence = 0;
    for (int i = 0; i < 300; i++) {
        char msg_id[16];
        (void)snprintf(msg_id, sizeof(msg_id), "m%d", i);
        struct store_arrival arrival = arrival_of(msg_id);
        answers[i].sequence = &sequence;
        if (i % 3 == 0)
            store_read_session(fixture->store, &fixture_key, 0, 0, on_session, &answers[i]);
        else
            store_accept(fixture->store, &arrival, on_accepted, &answers[i]);
    }
    fixture_wait(fixture, &answers[299]);
    int64_t last_id = 0;
    for (int i = 0; i < 300; i++) {
        assert_int_equal(answers[i].place, i);
        assert_int_equal(answers[i].status, ST_OK);
        if (i % 3 != 0)
            assert_true(answers[i].inbox_id > last_id);
        last_id = i % 3 ? answers[i].inbox_id : last_id;
    }
}

static void keeps_any_text_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    static const char question[] = "'); DROP TABLE inbox; -- \n\t\"🎉\"";
    exchange_now(fixture, fixture_key, question, "");
    char want[64];
    (void)snprintf(want, sizeof(want), "%s=", question);
    assert_string_equal(read_session_now(fixture, fixture_key).context, want);
}

static void refuses_an_input_beyond_all_measure(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 65 * 1024 * 1024;
    DB_CLEANUP(free_charp) char *payload = xmalloc(size + 1);
    memset(payload, 'x', size);
    payload[size] = '\0';
    struct store_arrival arrival = arrival_of("huge");
    arrival.payload = payload;
    assert_int_equal(accept_now(fixture, arrival).status, ST_TOO_LARGE);
    assert_int_equal(accept_id(fixture, "huge").status, ST_OK);
}

static void remembers_everything_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    exchange_now(fixture, fixture_key, "q1", "a1");
    struct store_arrival arrival = arrival_of("m1");
    arrival.is_charged = true;
    struct store_settlement settlement = {.inbox_id = accept_now(fixture, arrival).inbox_id,
                                          .now_ms = 5000,
                                          .change = STORE_SESSION_SET_MODE,
                                          .mode = STORE_MODE_SINGLE};
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
    fixture_close_store(fixture);
    fixture_open_store(fixture);
    struct answer session = read_session_now(fixture, fixture_key);
    assert_string_equal(session.context, "q1=a1");
    assert_int_equal(session.mode, STORE_MODE_SINGLE);
    assert_int_equal(session.last_active_ms, 5000);
    assert_int_equal(used_now(fixture, "user", "2026-11-23"), 1);
    assert_int_equal(accept_id(fixture, "m1").status, ST_CONFLICT);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(keeps_a_message_and_gives_it_an_id),
        WITH_STORE(knows_a_message_again_before_and_after_its_end),
        WITH_STORE(counts_what_is_charged_up_to_the_limit),
        WITH_STORE(counts_without_a_limit_too),
        WITH_STORE(reads_the_context_oldest_first_and_only_of_this_session),
        WITH_STORE(leaves_out_what_is_not_for_the_context),
        WITH_STORE(limits_the_context_in_number_and_bytes),
        WITH_STORE(remembers_the_mode_and_when_it_was_used),
        WITH_STORE(remembers_the_model_beside_the_mode),
        WITH_STORE(touching_makes_a_session_without_a_mode),
        WITH_STORE(forgets_mode_and_context_but_not_what_comes_after),
        WITH_STORE(settles_once_and_only_what_it_knows),
        WITH_STORE(adds_up_the_tokens_that_are_known),
        WITH_STORE(clears_the_texts_of_a_finished_message),
        WITH_STORE(gives_back_what_is_unfinished_in_order_and_in_pages),
        WITH_STORE(notes_progress_of_an_open_message_only),
        WITH_STORE(prunes_finished_messages_that_are_old_enough),
        WITH_STORE(answers_in_the_order_of_asking),
        WITH_STORE(keeps_any_text_as_it_is),
        WITH_STORE(refuses_an_input_beyond_all_measure),
        WITH_STORE(remembers_everything_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
