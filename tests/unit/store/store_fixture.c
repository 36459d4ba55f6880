#include "store_fixture.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/mem.h"

const struct store_session_key fixture_key = {"robot", "conversation", "sender"};

int fixture_setup(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    (void)snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/store-test-XXXXXX");
    if (!mkdtemp(fixture->dir) || loop_new(&fixture->loop) != ST_OK)
        return -1;
    (void)snprintf(fixture->path, sizeof(fixture->path), "%s/test.db", fixture->dir);
    fixture_open_store(fixture);
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    fixture_close_store(fixture);
    loop_free(fixture->loop);
    DIR *dir = opendir(fixture->dir);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        DB_CLEANUP(free_charp) char *name = xasprintf("%s/%s", fixture->dir, entry->d_name);
        (void)unlink(name);
    }
    (void)closedir(dir);
    int result = rmdir(fixture->dir);
    free(fixture);
    return result;
}

void fixture_open_store(struct fixture *fixture)
{
    struct error error = {0};
    if (store_open_sqlite(fixture->loop, fixture->path, &fixture->store, &error) != ST_OK)
        fail_msg("%s", error.text);
}

void fixture_close_store(struct fixture *fixture)
{
    store_close(fixture->store);
    fixture->store = NULL;
}

static void take_session(const struct store_session *session, struct answer *answer)
{
    struct buf text = BUF_INIT(sizeof(answer->context) - 1);
    for (size_t i = 0; i < session->n_context; i++)
        buf_printf(&text, "%s%s=%s", i ? " " : "", session->context[i].question,
                   session->context[i].answer);
    (void)snprintf(answer->context, sizeof(answer->context), "%s", buf_cstr(&text));
    buf_done(&text);
    answer->mode = session->mode;
    answer->last_active_ms = session->last_active_ms;
    (void)snprintf(answer->model, sizeof(answer->model), "%s",
                   session->model ? session->model : "");
    answer->n_context = session->n_context;
}

static void arrive(struct answer *answer, enum status status)
{
    assert_false(answer->is_here);
    answer->is_here = true;
    answer->status = status;
    if (answer->sequence)
        answer->place = (*answer->sequence)++;
}

void on_accepted(const struct store_accepted *accepted, void *arg)
{
    struct answer *answer = arg;
    arrive(answer, accepted->status);
    answer->inbox_id = accepted->inbox_id;
    answer->is_over_limit = accepted->is_over_limit;
    take_session(&accepted->session, answer);
}

void on_session(const struct store_session_result *result, void *arg)
{
    arrive(arg, result->status);
    take_session(&result->session, arg);
}

static bool is_here(void *arg)
{
    const struct answer *answer = arg;
    return answer->is_here;
}

void fixture_wait(struct fixture *fixture, const struct answer *answer)
{
    void *arg = (void *)(uintptr_t)answer; /* only read by is_here */
    assert_true(loop_run_until(fixture->loop, is_here, arg, FIXTURE_WAIT_MS));
}

struct store_arrival arrival_of(const char *msg_id)
{
    return (struct store_arrival){.key = fixture_key,
                                  .msg_id = msg_id,
                                  .payload = "{\"text\":\"你好\"}",
                                  .now_ms = 1000,
                                  .user = "user",
                                  .day = "2026-11-23",
                                  .context_max = 100,
                                  .context_max_bytes = 100000};
}

struct answer accept_now(struct fixture *fixture, struct store_arrival arrival)
{
    struct answer answer = {0};
    store_accept(fixture->store, &arrival, on_accepted, &answer);
    assert_false(answer.is_here);
    fixture_wait(fixture, &answer);
    return answer;
}

struct answer accept_id(struct fixture *fixture, const char *msg_id)
{
    return accept_now(fixture, arrival_of(msg_id));
}

struct answer read_session_now(struct fixture *fixture, struct store_session_key key)
{
    struct answer answer = {0};
    store_read_session(fixture->store, &key, 100, 100000, on_session, &answer);
    fixture_wait(fixture, &answer);
    return answer;
}

struct store_exchange_record record_of(const char *question, const char *answer)
{
    return (struct store_exchange_record){.kind = "question",
                                          .user = "user",
                                          .nick = "小明",
                                          .conversation_title = "测试",
                                          .question = question,
                                          .answer = answer,
                                          .provider = "demo",
                                          .model = "model",
                                          .outcome = "answered",
                                          .reference = "7f3a9c",
                                          .in_context = true,
                                          .prompt_tokens = -1,
                                          .completion_tokens = -1,
                                          .started_ms = 2000,
                                          .ended_ms = 3000};
}

static void on_done(enum status status, void *arg)
{
    arrive(arg, status);
}

enum status settle_now(struct fixture *fixture, struct store_settlement settlement)
{
    struct answer answer = {0};
    if (!settlement.key.robot)
        settlement.key = fixture_key;
    settlement.day = "2026-11-23";
    store_settle(fixture->store, &settlement, on_done, &answer);
    assert_false(answer.is_here);
    fixture_wait(fixture, &answer);
    return answer.status;
}

void exchange_now(struct fixture *fixture, struct store_session_key key, const char *question,
                  const char *answer)
{
    static int last;
    char msg_id[32];
    (void)snprintf(msg_id, sizeof(msg_id), "exchange-%d", ++last);
    struct store_arrival arrival = arrival_of(msg_id);
    arrival.key = key;
    struct store_exchange_record record = record_of(question, answer);
    struct store_settlement settlement = {
        .inbox_id = accept_now(fixture, arrival).inbox_id, .key = key, .exchange = &record};
    assert_int_equal(settle_now(fixture, settlement), ST_OK);
}

enum status note_progress_now(struct fixture *fixture, int64_t inbox_id, const char *answer,
                              int parts_sent)
{
    struct answer done = {0};
    store_note_progress(fixture->store, inbox_id, answer, parts_sent, on_done, &done);
    fixture_wait(fixture, &done);
    return done.status;
}

enum status prune_now(struct fixture *fixture, int64_t before_ms)
{
    struct answer done = {0};
    store_prune(fixture->store, before_ms, on_done, &done);
    fixture_wait(fixture, &done);
    return done.status;
}

static void on_used(const struct store_used_result *result, void *arg)
{
    struct answer *answer = arg;
    arrive(answer, result->status);
    answer->inbox_id = result->used;
}

int64_t used_now(struct fixture *fixture, const char *user, const char *day)
{
    struct answer answer = {0};
    store_read_used(fixture->store, user, day, on_used, &answer);
    fixture_wait(fixture, &answer);
    assert_int_equal(answer.status, ST_OK);
    return answer.inbox_id;
}

sqlite3 *open_raw(const char *path)
{
    sqlite3 *raw = NULL;
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    (void)sqlite3_busy_timeout(raw, FIXTURE_WAIT_MS);
    return raw;
}

void run_raw(sqlite3 *raw, const char *sql)
{
    if (sqlite3_exec(raw, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(raw));
}

int64_t number_raw(sqlite3 *raw, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(raw, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return number;
}

int64_t fixture_number(const struct fixture *fixture, const char *sql)
{
    sqlite3 *raw = open_raw(fixture->path);
    int64_t number = number_raw(raw, sql);
    (void)sqlite3_close(raw);
    return number;
}
