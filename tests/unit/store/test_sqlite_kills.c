/* Killed at every single write, sync, cut and removal that SQLite does to its files. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.h"
#include "util/mem.h"

#define STATE_SIZE 512
#define CALLS_MAX 2000
/* The plain build dies at every call. Under AddressSanitizer a fork takes ten times as long, and
 * every seventh is enough to look at the memory. */
#ifdef __SANITIZE_ADDRESS__
#define CALLS_STEP 7
#else
#define CALLS_STEP 1
#endif

/* The calls on their way to the system: these stand before the C library's. Zero: nobody dies. */
static atomic_int calls_to_live;
static bool is_torn; /* half of the last write arrives */

static bool is_last_call(void)
{
    return atomic_load(&calls_to_live) > 0 && atomic_fetch_sub(&calls_to_live, 1) == 1;
}

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, int64_t at);
int ftruncate64(int fd, int64_t size);

ssize_t pwrite64(int fd, const void *bytes, size_t n, int64_t at)
{
    if (is_last_call()) {
        if (is_torn)
            (void)syscall(SYS_pwrite64, fd, bytes, n / 2, at);
        die();
    }
    return syscall(SYS_pwrite64, fd, bytes, n, at);
}

int ftruncate64(int fd, int64_t size)
{
    if (is_last_call())
        die();
    return (int)syscall(SYS_ftruncate, fd, size);
}

int fdatasync(int fd)
{
    if (is_last_call())
        die();
    return 0; /* what was written outlives a process without it, and the test is ten times as fast
               */
}

int unlink(const char *path)
{
    if (is_last_call())
        die();
    return (int)syscall(SYS_unlink, path);
}

/* ---- what the one that dies does ---- */

static int64_t ids[3];

static enum status accept_step(struct fixture *fixture, int i)
{
    static const char *const names[] = {"a", "b", "c"};
    struct store_arrival arrival = arrival_of(names[i]);
    arrival.is_charged = true;
    struct answer answer = accept_now(fixture, arrival);
    ids[i] = answer.inbox_id;
    return answer.status;
}

static enum status settle_step(struct fixture *fixture, int i, enum store_session_change change)
{
    struct store_exchange_record record = record_of("question", "answer");
    record.prompt_tokens = 3;
    struct store_settlement settlement = {.inbox_id = ids[i],
                                          .now_ms = 5000,
                                          .exchange = &record,
                                          .change = change,
                                          .mode = STORE_MODE_CHAIN};
    return settle_now(fixture, settlement);
}

enum { N_STEPS = 9 };

static enum status take_step(struct fixture *fixture, int step)
{
    switch (step) {
    case 0:
        return accept_step(fixture, 0);
    case 1:
        return accept_step(fixture, 1);
    case 2:
        return note_progress_now(fixture, ids[0], "a long answer", 1);
    case 3:
        return note_progress_now(fixture, ids[0], NULL, 2);
    case 4:
        return settle_step(fixture, 0, STORE_SESSION_SET_MODE);
    case 5:
        return accept_step(fixture, 2);
    case 6:
        return settle_step(fixture, 1, STORE_SESSION_TOUCH);
    case 7:
        return prune_now(fixture, 6000);
    default:
        return settle_step(fixture, 2, STORE_SESSION_FORGET);
    }
}

static void live(struct fixture *fixture, int report_fd)
{
    if (loop_new(&fixture->loop) != ST_OK) /* the inherited one is the parent's */
        _exit(4);
    fixture_open_store(fixture);
    for (int step = 0; step < N_STEPS; step++) {
        if (take_step(fixture, step) != ST_OK || write(report_fd, "x", 1) != 1)
            _exit(5);
    }
    fixture_close_store(fixture);
    _exit(0);
}

/* ---- what is left ---- */

/* All that the tables say, as one text. */
static void read_state(const struct fixture *fixture, char ret_state[STATE_SIZE])
{
    static const char sql[] =
        "SELECT (SELECT coalesce(group_concat(msg_id || parts_sent || coalesce(answer, '') ||"
        "  iif(done_ms IS NULL, ' open', ' done') || (payload IS NULL), ', '), '') FROM inbox)"
        " || '; exchanges ' || (SELECT count(*) FROM exchange)"
        " || '; usage ' || (SELECT coalesce(sum(requests), 0) || ' ' ||"
        "  coalesce(sum(prompt_tokens), 0) FROM usage)"
        " || '; session ' || (SELECT coalesce(group_concat(mode || ' ' || last_active_ms || ' ' ||"
        "  (forgotten_id > 0)), '') FROM session)";
    sqlite3 *raw = open_raw(fixture->path);
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(raw, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    (void)snprintf(ret_state, STATE_SIZE, "%s", (const char *)sqlite3_column_text(statement, 0));
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(raw);
}

static void remove_files(const struct fixture *fixture)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        DB_CLEANUP(free_charp) char *path = xasprintf("%s%s", fixture->path, ends[i]);
        (void)unlink(path);
    }
}

/* One life that ends at the n-th call. Returns how many steps were answered; -1 when it outlived
 * all of them. */
static int live_until_call(struct fixture *fixture, int n)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        atomic_store(&calls_to_live, n);
        live(fixture, ends[1]);
    }
    (void)close(ends[1]);
    int n_answered = 0, result;
    for (char byte; read(ends[0], &byte, 1) == 1;)
        n_answered++;
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &result, 0), child);
    if (WIFEXITED(result) && WEXITSTATUS(result) == 0)
        return -1;
    assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL);
    return n_answered;
}

static void die_at_every_call(struct fixture *fixture)
{
    char states[N_STEPS + 1][STATE_SIZE], left[STATE_SIZE];
    read_state(fixture, states[0]);
    for (int step = 0; step < N_STEPS; step++) {
        assert_int_equal(take_step(fixture, step), ST_OK);
        read_state(fixture, states[step + 1]);
        assert_string_not_equal(states[step], states[step + 1]);
    }
    int n = 1;
    for (; n < CALLS_MAX; n += CALLS_STEP) {
        fixture_close_store(fixture);
        remove_files(fixture);
        int n_answered = live_until_call(fixture, n);
        fixture_open_store(fixture); /* makes whole again what is there */
        if (n_answered < 0)
            break;
        read_state(fixture, left);
        bool is_before = strcmp(left, states[n_answered]) == 0;
        bool is_behind = n_answered < N_STEPS && strcmp(left, states[n_answered + 1]) == 0;
        if (!is_before && !is_behind)
            fail_msg("call %d, after %d answers: %s", n, n_answered, left);
    }
    assert_in_range(n, 50, CALLS_MAX - 1); /* it ended because a life outlived the calls */
}

static void each_step_is_there_whole_or_not_at_all_whichever_write_was_the_last(void **state)
{
    is_torn = false;
    die_at_every_call(*state);
}

static void a_write_torn_in_two_spoils_nothing_either(void **state)
{
    is_torn = true;
    die_at_every_call(*state);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(each_step_is_there_whole_or_not_at_all_whichever_write_was_the_last),
        WITH_STORE(a_write_torn_in_two_spoils_nothing_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
