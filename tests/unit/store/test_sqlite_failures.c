/* Batches, and what is left when something breaks in the middle of one. */
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
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.h"
#include "util/clock.h"
#include "util/crypto.h"
#include "util/mem.h"

/* SQLite's syncs, counted on their way: these stand before the C library's. */
static atomic_int n_syncs;

int fdatasync(int fd)
{
    atomic_fetch_add(&n_syncs, 1);
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    atomic_fetch_add(&n_syncs, 1);
    return (int)syscall(SYS_fsync, fd);
}

static void accept_numbered(struct fixture *fixture, int number, struct answer *answer)
{
    char msg_id[16];
    (void)snprintf(msg_id, sizeof(msg_id), "m%d", number);
    struct store_arrival arrival = arrival_of(msg_id);
    arrival.is_charged = true;
    arrival.daily_limit = 3;
    store_accept(fixture->store, &arrival, on_accepted, answer);
}

static bool is_stored(struct fixture *fixture, const char *msg_id)
{
    DB_CLEANUP(free_charp)
    char *sql = xasprintf("SELECT count(*) FROM inbox WHERE msg_id = '%s'", msg_id);
    return fixture_number(fixture, sql) == 1;
}

/* While another connection writes, the writer waits with what it took first; all that comes
 * meanwhile is one batch. */
static sqlite3 *hold_writer(struct fixture *fixture)
{
    sqlite3 *raw = open_raw(fixture->path);
    run_raw(raw, "BEGIN IMMEDIATE");
    return raw;
}

static void let_writer_go(sqlite3 *raw)
{
    run_raw(raw, "COMMIT");
    (void)sqlite3_close(raw);
}

static void commits_together_what_waits_together(void **state)
{
    struct fixture *fixture = *state;
    struct answer answers[200] = {0};
    struct store_stats before, after;
    sqlite3 *raw = hold_writer(fixture);
    store_get_stats(fixture->store, &before);
    for (int i = 0; i < 200; i++)
        accept_numbered(fixture, i, &answers[i]);
    let_writer_go(raw);
    fixture_wait(fixture, &answers[199]);
    store_get_stats(fixture->store, &after);
    assert_int_equal(after.requests - before.requests, 200);
    assert_in_range(after.commits - before.commits, 1, 2);
    assert_int_equal(after.failures, 0);
    /* The limit of three holds inside a batch as well. */
    for (int i = 0; i < 200; i++)
        assert_int_equal(answers[i].is_over_limit, i >= 3);
    assert_int_equal(used_now(fixture, "user", "2026-11-23"), 3);
}

static void is_on_the_disk_before_it_is_answered(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 5; i++) {
        struct answer answer = {0};
        int before = atomic_load(&n_syncs);
        accept_numbered(fixture, i, &answer);
        fixture_wait(fixture, &answer);
        assert_true(atomic_load(&n_syncs) > before);
    }
    int before = atomic_load(&n_syncs);
    assert_int_equal(read_session_now(fixture, fixture_key).status, ST_OK);
    assert_int_equal(atomic_load(&n_syncs), before);
}

static void one_that_fails_does_not_spoil_its_batch(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *raw = open_raw(fixture->path);
    run_raw(raw, "CREATE TRIGGER t BEFORE INSERT ON inbox WHEN new.msg_id = 'm1'"
                 " BEGIN SELECT raise(ABORT, 'broken'); END");
    (void)sqlite3_close(raw);
    raw = hold_writer(fixture);
    struct answer answers[3] = {0};
    for (int i = 0; i < 3; i++)
        accept_numbered(fixture, i, &answers[i]);
    let_writer_go(raw);
    fixture_wait(fixture, &answers[2]);
    assert_int_equal(answers[0].status, ST_OK);
    assert_int_equal(answers[1].status, ST_STORE);
    assert_int_equal(answers[1].inbox_id, 0);
    assert_int_equal(answers[2].status, ST_OK);
    assert_false(is_stored(fixture, "m1"));
    assert_int_equal(used_now(fixture, "user", "2026-11-23"), 2);
    struct store_stats stats;
    store_get_stats(fixture->store, &stats);
    assert_int_equal(stats.failures, 1);
}

static void a_lost_transaction_fails_all_of_its_batch(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *raw = open_raw(fixture->path);
    run_raw(raw, "CREATE TRIGGER t BEFORE INSERT ON inbox WHEN new.msg_id = 'm10'"
                 " BEGIN SELECT raise(ROLLBACK, 'broken'); END");
    (void)sqlite3_close(raw);
    raw = hold_writer(fixture);
    struct answer answers[20] = {0};
    for (int i = 0; i < 20; i++)
        accept_numbered(fixture, i, &answers[i]);
    let_writer_go(raw);
    fixture_wait(fixture, &answers[19]);
    assert_int_equal(answers[10].status, ST_STORE);
    for (int i = 0; i < 20; i++) {
        char msg_id[16];
        (void)snprintf(msg_id, sizeof(msg_id), "m%d", i);
        assert_int_equal(is_stored(fixture, msg_id), answers[i].status == ST_OK);
        assert_true(answers[i].status == ST_OK || answers[i].inbox_id == 0);
    }
    raw = open_raw(fixture->path);
    run_raw(raw, "DROP TRIGGER t");
    (void)sqlite3_close(raw);
    assert_int_equal(accept_id(fixture, "m10").status, ST_OK);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void refuses_when_the_disk_is_full_and_recovers(void **state)
{
    struct fixture *fixture = *state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(accept_id(fixture, "before").status, ST_OK);
    enum { SIZE = 512 * 1024 };
    DB_CLEANUP(free_charp) char *payload = xmalloc(SIZE);
    memset(payload, 'x', SIZE - 1);
    payload[SIZE - 1] = '\0';
    struct store_arrival arrival = arrival_of("big");
    arrival.payload = payload;
    arrival.is_charged = true;

    limit_file_size((rlim_t)256 * 1024);
    struct answer big = accept_now(fixture, arrival);
    struct answer again = accept_now(fixture, arrival);
    /* Filling what room is left, in steps smaller and smaller, until nothing fits. */
    payload[2000] = '\0';
    int n_fit = 0;
    enum status last = ST_OK;
    while (last == ST_OK && n_fit < 1000) {
        char msg_id[24];
        (void)snprintf(msg_id, sizeof(msg_id), "small%d", n_fit);
        arrival.msg_id = msg_id;
        last = accept_now(fixture, arrival).status;
        n_fit += last == ST_OK;
    }
    struct answer read = read_session_now(fixture, fixture_key);
    limit_file_size(RLIM_INFINITY);

    assert_int_equal(big.status, ST_STORE);
    assert_int_equal(again.status, ST_STORE);
    assert_int_equal(last, ST_STORE);
    assert_int_equal(read.status, ST_OK);
    assert_int_equal(used_now(fixture, "user", "2026-11-23"), n_fit);
    arrival.msg_id = "big";
    assert_int_equal(accept_now(fixture, arrival).status, ST_OK);
    fixture_close_store(fixture);
    fixture_open_store(fixture);
    assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM inbox"), n_fit + 2);
    struct store_stats stats;
    store_get_stats(fixture->store, &stats);
    assert_int_equal(stats.failures, 0);
}

static void closing_finishes_what_was_handed_in(void **state)
{
    struct fixture *fixture = *state;
    struct answer answers[600] = {0};
    for (int i = 0; i < 600; i++)
        accept_numbered(fixture, i, &answers[i]);
    for (int i = 0; i < 600; i++)
        assert_false(answers[i].is_here);
    fixture_close_store(fixture);
    for (int i = 0; i < 600; i++)
        assert_true(answers[i].is_here && answers[i].status == ST_OK);
    fixture_open_store(fixture);
    assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM inbox"), 600);
}

struct chained {
    struct fixture *fixture;
    struct answer answer;
};

static void ask_another(const struct store_accepted *accepted, void *arg)
{
    struct chained *chained = arg;
    store_read_session(chained->fixture->store, &fixture_key, 0, 0, on_session, &chained->answer);
}

static void closing_turns_away_what_its_callbacks_ask(void **state)
{
    struct fixture *fixture = *state;
    struct chained chained = {.fixture = fixture};
    struct store_arrival arrival = arrival_of("m");
    store_accept(fixture->store, &arrival, ask_another, &chained);
    fixture_close_store(fixture);
    assert_true(chained.answer.is_here);
    assert_int_equal(chained.answer.status, ST_CANCELLED);
}

static void a_callback_may_ask_again(void **state)
{
    struct fixture *fixture = *state;
    struct chained chained = {.fixture = fixture};
    struct store_arrival arrival = arrival_of("m");
    store_accept(fixture->store, &arrival, ask_another, &chained);
    fixture_wait(fixture, &chained.answer);
    assert_int_equal(chained.answer.status, ST_OK);
}

/* ---- killed ---- */

#define CHILD_MESSAGES 4000

struct child {
    struct fixture *fixture;
    int report_fd;
    int next;
    int open;
};

struct acknowledged {
    struct child *child;
    int number;
};

static void hand_in(struct child *child);

static void report(const struct store_accepted *accepted, void *arg)
{
    struct acknowledged *acknowledged = arg;
    struct child *child = acknowledged->child;
    if (accepted->status != ST_OK ||
        write(child->report_fd, &acknowledged->number, sizeof(int)) != sizeof(int))
        _exit(2);
    free(acknowledged);
    child->open--;
    if (child->open < 20)
        hand_in(child);
}

/* Small and large batches by turns. */
static void hand_in(struct child *child)
{
    while (child->open < 60 && child->next < CHILD_MESSAGES) {
        struct acknowledged *acknowledged = xmalloc(sizeof(*acknowledged));
        *acknowledged = (struct acknowledged){child, child->next++};
        char msg_id[16];
        (void)snprintf(msg_id, sizeof(msg_id), "%d", acknowledged->number);
        struct store_arrival arrival = arrival_of(msg_id);
        store_accept(child->fixture->store, &arrival, report, acknowledged);
        child->open++;
    }
}

static void live_until_killed(struct fixture *fixture, int report_fd)
{
    struct child child = {.fixture = fixture, .report_fd = report_fd};
    fixture_open_store(fixture);
    hand_in(&child);
    loop_run(fixture->loop);
    _exit(3);
}

/* Reads what the child says it has stored; kills it after `n_before_kill` of that. */
static int watch_child(pid_t child, int report_fd, int n_before_kill, bool *ret_is_known)
{
    int n = 0, number, result;
    while (read(report_fd, &number, sizeof(number)) == sizeof(number)) {
        assert_in_range(number, 0, CHILD_MESSAGES - 1);
        ret_is_known[number] = true;
        if (++n == n_before_kill)
            assert_int_equal(kill(child, SIGKILL), 0);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL);
    return n;
}

static void keeps_every_acknowledged_message_when_killed(void **state)
{
    struct fixture *fixture = *state;
    int n_lives = 8;
    for (int life = 0; life < n_lives; life++) {
        fixture_close_store(fixture);
        (void)unlink(fixture->path);
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        (void)fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void)close(ends[0]);
            /* The inherited loop is the parent's, down to its epoll instance. */
            if (loop_new(&fixture->loop) != ST_OK)
                _exit(4);
            live_until_killed(fixture, ends[1]);
        }
        (void)close(ends[1]);
        bool is_known[CHILD_MESSAGES] = {false};
        int moment = 1 + (int)(crypto_random_u64() % 1500);
        int n = watch_child(child, ends[0], moment, is_known);
        (void)close(ends[0]);
        assert_true(n >= moment);
        fixture_open_store(fixture);
        sqlite3 *raw = open_raw(fixture->path);
        assert_true(number_raw(raw, "SELECT count(*) FROM inbox WHERE payload IS NOT NULL") >= n);
        for (int i = 0; i < CHILD_MESSAGES; i++) {
            DB_CLEANUP(free_charp)
            char *sql = xasprintf("SELECT count(*) FROM inbox WHERE msg_id = '%d'", i);
            if (is_known[i])
                assert_int_equal(number_raw(raw, sql), 1);
        }
        (void)sqlite3_close(raw);
    }
}

static void takes_thousands_of_messages(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 10000 };
    struct answer *answers = xcalloc(COUNT, sizeof(*answers));
    int64_t began_ms = clock_mono_ms();
    for (int i = 0; i < COUNT; i++)
        accept_numbered(fixture, i, &answers[i]);
    fixture_wait(fixture, &answers[COUNT - 1]);
    struct store_stats stats;
    store_get_stats(fixture->store, &stats);
    print_message("%d messages in %lld ms, %lld commits\n", COUNT,
                  (long long)(clock_mono_ms() - began_ms), (long long)stats.commits);
    for (int i = 0; i < COUNT; i++)
        assert_true(answers[i].is_here && answers[i].status == ST_OK);
    free(answers);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(commits_together_what_waits_together),
        WITH_STORE(is_on_the_disk_before_it_is_answered),
        WITH_STORE(one_that_fails_does_not_spoil_its_batch),
        WITH_STORE(a_lost_transaction_fails_all_of_its_batch),
        WITH_STORE(refuses_when_the_disk_is_full_and_recovers),
        WITH_STORE(closing_finishes_what_was_handed_in),
        WITH_STORE(closing_turns_away_what_its_callbacks_ask),
        WITH_STORE(a_callback_may_ask_again),
        WITH_STORE(keeps_every_acknowledged_message_when_killed),
        WITH_STORE(takes_thousands_of_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
