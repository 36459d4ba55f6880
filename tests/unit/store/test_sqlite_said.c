#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "store/sqlite_db.h"
#include "store/sqlite_schema.h"
#include "store_fixture.h"
#include "util/buf.h"

struct told {
    bool is_here;
    enum status status;
    bool has_more;
    int64_t last_ms, last_id;
    int64_t n_forgotten;
    struct buf text;
};

#define TOLD() ((struct told){.text = BUF_INIT(1 << 16)})

static bool is_here(void *arg)
{
    return ((const struct told *)arg)->is_here;
}

static void wait_told(const struct fixture *fixture, struct told *told)
{
    assert_true(loop_run_until(fixture->loop, is_here, told, FIXTURE_WAIT_MS));
}

static void on_said(const struct store_said_result *result, void *arg)
{
    struct told *told = arg;
    told->is_here = true;
    told->status = result->status;
    told->has_more = result->has_more;
    for (size_t i = 0; i < result->n_items; i++) {
        buf_printf(&told->text, "%s%s", i ? " " : "", result->items[i].question);
        told->last_ms = result->items[i].started_ms;
        told->last_id = result->items[i].id;
    }
}

static struct store_said_query any(void)
{
    return (struct store_said_query){.user = "",
                                     .nick = "",
                                     .conversation = "",
                                     .conversation_title = "",
                                     .max_items = 100,
                                     .max_bytes = 1 << 20};
}

static void expect_said(const struct fixture *fixture, struct store_said_query query,
                        const char *questions)
{
    struct told told = TOLD();
    store_read_said(fixture->store, &query, on_said, &told);
    wait_told(fixture, &told);
    assert_int_equal(told.status, ST_OK);
    assert_string_equal(buf_cstr(&told.text), questions);
    buf_done(&told.text);
}

/* Somebody says something somewhere at a time. */
static void say(struct fixture *fixture, const char *user, const char *nick, const char *title,
                int64_t at_ms, const char *question)
{
    struct store_session_key key = {"robot", *title ? title : user, user};
    struct store_arrival arrival = arrival_of(question);
    arrival.key = key;
    int64_t inbox_id = accept_now(fixture, arrival).inbox_id;
    struct store_exchange_record record = record_of(question, "answer");
    record.user = user;
    record.nick = nick;
    record.conversation_title = title;
    record.started_ms = at_ms;
    record.model = "model-1";
    record.prompt_tokens = 10;
    record.completion_tokens = 5;
    struct store_settlement settlement = {.inbox_id = inbox_id,
                                          .key = key,
                                          .now_ms = at_ms,
                                          .exchange = &record,
                                          .day = "2026-11-23"};
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
}

/* Two people of one nick, two groups and a private chat; d was settled before c. */
static void fill(struct fixture *fixture)
{
    say(fixture, "u1", "张三", "甲群", 100, "a");
    say(fixture, "u2", "张三", "甲群", 200, "b");
    say(fixture, "u1", "张三", "", 400, "d");
    say(fixture, "u3", "李四", "乙群", 300, "c");
    say(fixture, "u1", "张三丰", "乙群", 500, "e");
}

static void finds_by_every_condition_and_all_of_them_together(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    struct store_said_query query = any();
    expect_said(fixture, query, "a b c d e");
    query.nick = "张三";
    expect_said(fixture, query, "a b d");
    query.user = "u2";
    expect_said(fixture, query, "b");
    query = any();
    query.user = "u1";
    expect_said(fixture, query, "a d e");
    query.conversation_title = "乙群";
    expect_said(fixture, query, "e");
    query = any();
    query.conversation_title = "甲群";
    expect_said(fixture, query, "a b");
    query = any();
    query.conversation = "乙群";
    expect_said(fixture, query, "c e");
    query = any();
    query.from_ms = 200;
    query.to_ms = 400;
    expect_said(fixture, query, "b c");
    query.nick = "张";
    expect_said(fixture, query, "");
}

/* Reads page by page and joins them. */
static void expect_pages(const struct fixture *fixture, struct store_said_query query,
                         const char *pages)
{
    struct buf all = BUF_INIT(1024);
    for (bool has_more = true; has_more;) {
        struct told told = TOLD();
        store_read_said(fixture->store, &query, on_said, &told);
        wait_told(fixture, &told);
        assert_int_equal(told.status, ST_OK);
        buf_printf(&all, "%s|", buf_cstr(&told.text));
        has_more = told.has_more;
        query.after_ms = told.last_ms;
        query.after_id = told.last_id;
        buf_done(&told.text);
    }
    assert_string_equal(buf_cstr(&all), pages);
    buf_done(&all);
}

static void pages_join_without_a_gap_in_both_directions(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    say(fixture, "u9", "王五", "丙群", 500, "f"); /* in the same millisecond as e */
    struct store_said_query query = any();
    query.max_items = 2;
    expect_pages(fixture, query, "a b|c d|e f|");
    query.is_newest_first = true;
    expect_pages(fixture, query, "f e|d c|b a|");
    query.max_items = 5;
    expect_pages(fixture, query, "f e d c b|a|");
    query.user = "u1";
    query.max_items = 0;
    expect_pages(fixture, query, "e|d|a|");
    query = any();
    query.max_bytes = 14; /* two questions of a byte, two answers of six */
    expect_pages(fixture, query, "a b|c d|e f|");
    query.max_bytes = 1;
    expect_pages(fixture, query, "a|b|c|d|e|f|");
}

static void on_forgotten(enum status status, int64_t n_exchanges, void *arg)
{
    struct told *told = arg;
    told->is_here = true;
    told->status = status;
    told->n_forgotten = n_exchanges;
}

static void expect_forgotten(const struct fixture *fixture, const char *user, int64_t before_ms,
                             int64_t n)
{
    struct told told = TOLD();
    const struct store_forget what = {.user = user, .before_ms = before_ms};
    store_forget(fixture->store, &what, on_forgotten, &told);
    wait_told(fixture, &told);
    assert_int_equal(told.status, ST_OK);
    assert_int_equal(told.n_forgotten, n);
}

static void forgets_one_user_or_what_is_old_and_keeps_the_counts(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    expect_forgotten(fixture, "", 0, 0); /* nobody is called so, and that is not everybody */
    expect_forgotten(fixture, "u1", 0, 3);
    expect_said(fixture, any(), "b c");
    expect_forgotten(fixture, NULL, 300, 1);
    expect_said(fixture, any(), "c");
    assert_int_equal(fixture_number(fixture, "SELECT prompt_tokens FROM usage WHERE user = 'u1'"),
                     30);
    assert_int_equal(fixture_number(fixture,
                                    "SELECT requests FROM tally WHERE what = 'model' AND month = "
                                    "'2026-11' AND item = 'model-1'"),
                     5);
}

static void forgets_more_than_one_transaction_takes(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *raw = open_raw(fixture->path);
    run_raw(raw, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1234)"
                 " INSERT INTO exchange (robot, conversation, sender, kind, user, nick,"
                 " conversation_title, question, answer, provider, model, outcome, reference,"
                 " in_context, started_ms, ended_ms)"
                 " SELECT 'r', 'c', 'u', 'question', 'u', '', '', '', '', '', '', '', '', 0, i, i"
                 " FROM n");
    (void)sqlite3_close(raw);
    expect_forgotten(fixture, NULL, 1001, 1000);
    expect_forgotten(fixture, "u", 0, 234);
}

static void put_usage(struct buf *out, const char *name, const struct store_usage *usage, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s %s/%s %lld+%lld+%lld;", name, usage[i].id, usage[i].name,
                   (long long)usage[i].requests, (long long)usage[i].prompt_tokens,
                   (long long)usage[i].completion_tokens);
}

static void on_usage(const struct store_usage_result *result, void *arg)
{
    struct told *told = arg;
    told->is_here = true;
    told->status = result->status;
    put_usage(&told->text, "day", &result->day, 1);
    put_usage(&told->text, "month", &result->month, 1);
    buf_printf(&told->text, "people %lld;", (long long)result->n_users);
    put_usage(&told->text, "user", result->users, result->n_users_listed);
    put_usage(&told->text, "group", result->groups, result->n_groups);
    put_usage(&told->text, "model", result->models, result->n_models);
}

static void expect_usage(const struct fixture *fixture, const char *user, size_t max_items,
                         const char *want)
{
    struct told told = TOLD();
    const struct store_usage_query query = {
        .user = user, .day = "2026-11-23", .max_items = max_items};
    store_read_usage(fixture->store, &query, on_usage, &told);
    wait_told(fixture, &told);
    assert_int_equal(told.status, ST_OK);
    assert_string_equal(buf_cstr(&told.text), want);
    buf_done(&told.text);
}

static void charge(struct fixture *fixture, const char *user, const char *day, const char *msg_id)
{
    struct store_arrival arrival = arrival_of(msg_id);
    arrival.user = user;
    arrival.day = day;
    arrival.is_charged = true;
    assert_int_equal(accept_now(fixture, arrival).status, ST_OK);
}

static void sums_the_day_and_the_month_and_ranks(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    charge(fixture, "u1", "2026-11-23", "x1");
    charge(fixture, "u1", "2026-11-01", "x2");
    charge(fixture, "u1", "2026-10-31", "x3");
    charge(fixture, "u3", "2026-11-30", "x4");
    expect_usage(fixture, "u1", 10, "day / 1+30+15;month / 2+30+15;people 1;");
    expect_usage(fixture, "nobody", 10, "day / 0+0+0;month / 0+0+0;people 0;");
    expect_usage(fixture, NULL, 2,
                 "day / 1+50+25;month / 3+50+25;people 3;user u1/张三丰 2+30+15;user u3/李四 "
                 "1+10+5;group 乙群/乙群 2+20+10;group 甲群/甲群 2+20+10;model model-1/ 5+50+25;");
}

static void an_older_file_is_counted_when_it_is_migrated(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    sqlite3 *raw = open_raw(fixture->path);
    run_raw(raw, "ALTER TABLE session DROP COLUMN model;"
                 "DROP TABLE tally; DROP INDEX exchange_started; DROP INDEX exchange_nick;"
                 "DROP INDEX exchange_conversation; DROP INDEX exchange_title;"
                 "UPDATE exchange SET started_ms = started_ms + 1795500000000;"
                 "PRAGMA user_version = 3");
    fixture_close_store(fixture);
    (void)sqlite3_close(raw);
    fixture_open_store(fixture);
    expect_usage(fixture, NULL, 1,
                 "day / 0+50+25;month / 0+50+25;people 3;user u1/张三丰 0+30+15;"
                 "group 乙群/乙群 2+20+10;model model-1/ 5+50+25;");
}

/* The plan of each statement, which says whether rows are walked over or sorted. */
static void reading_walks_over_nothing_and_sorts_nothing(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *raw = open_raw(fixture->path);
    for (int i = SQL_READ_SAID; i <= SQL_READ_SAID_END; i++) {
        char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sqlite_statements[i]);
        sqlite3_stmt *statement = NULL;
        assert_int_equal(sqlite3_prepare_v2(raw, sql, -1, &statement, NULL), SQLITE_OK);
        int n = 0;
        for (; sqlite3_step(statement) == SQLITE_ROW; n++) {
            const char *plan = (const char *)sqlite3_column_text(statement, 3);
            assert_non_null(strstr(plan, "SEARCH exchange USING INDEX"));
            assert_non_null(strstr(plan, "started_ms>? AND started_ms<?"));
        }
        assert_int_equal(n, 1);
        (void)sqlite3_finalize(statement);
        sqlite3_free(sql);
    }
    (void)sqlite3_close(raw);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(finds_by_every_condition_and_all_of_them_together),
        WITH_STORE(pages_join_without_a_gap_in_both_directions),
        WITH_STORE(forgets_one_user_or_what_is_old_and_keeps_the_counts),
        WITH_STORE(forgets_more_than_one_transaction_takes),
        WITH_STORE(sums_the_day_and_the_month_and_ranks),
        WITH_STORE(an_older_file_is_counted_when_it_is_migrated),
        WITH_STORE(reading_walks_over_nothing_and_sorts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
