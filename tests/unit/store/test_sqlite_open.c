/* Which files are opened, which are refused, and in what shape they are left. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/sqlite_db.h"
#include "store/sqlite_schema.h"
#include "store_fixture.h"
#include "util/buf.h"
#include "util/crypto.h"
#include "util/mem.h"

static void expect_refused(struct fixture *fixture, const char *path, const char *reason)
{
    struct store *store = NULL;
    struct error error = {0};
    assert_int_equal(store_open_sqlite(fixture->loop, path, &store, &error), ST_STORE);
    assert_null(store);
    if (!strstr(error.text, reason))
        fail_msg("\"%s\" does not say \"%s\"", error.text, reason);
}

/* The file's SHA-256, to see that nobody touched it. */
static void hash_file(const char *path, uint8_t ret_hash[SHA256_SIZE])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct buf bytes = BUF_INIT(16 * 1024 * 1024);
    char chunk[4096];
    for (ssize_t n; (n = read(fd, chunk, sizeof(chunk))) > 0;)
        buf_add(&bytes, chunk, (size_t)n);
    (void)close(fd);
    assert_int_equal(buf_status(&bytes), ST_OK);
    assert_int_equal(crypto_sha256(buf_str(&bytes), ret_hash), ST_OK);
    buf_done(&bytes);
}

static void expect_refused_untouched(struct fixture *fixture, const char *reason)
{
    uint8_t before[SHA256_SIZE], after[SHA256_SIZE];
    hash_file(fixture->path, before);
    expect_refused(fixture, fixture->path, reason);
    hash_file(fixture->path, after);
    assert_memory_equal(before, after, SHA256_SIZE);
}

static void write_over(const char *path, off_t from, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, text, len, from), len);
    (void)close(fd);
}

static void makes_files_that_only_the_owner_can_read(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(accept_id(fixture, "m").status, ST_OK);
    static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < 4; i++) {
        DB_CLEANUP(free_charp) char *path = xasprintf("%s%s", fixture->path, endings[i]);
        struct stat now;
        assert_int_equal(stat(path, &now), 0);
        assert_int_equal(now.st_mode & 0777, 0600);
    }
}

static void leaves_one_whole_file_when_closed(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(accept_id(fixture, "m").status, ST_OK);
    fixture_close_store(fixture);
    assert_int_equal(access(fixture->path, F_OK), 0);
    DB_CLEANUP(free_charp) char *wal = xasprintf("%s-wal", fixture->path);
    assert_int_equal(access(wal, F_OK), -1);
    sqlite3 *raw = open_raw(fixture->path);
    assert_int_equal(number_raw(raw, "PRAGMA user_version"), n_sqlite_schema_steps);
    assert_int_equal(number_raw(raw, "SELECT count(*) FROM inbox"), 1);
    assert_int_equal(number_raw(raw, "SELECT (SELECT journal_mode FROM pragma_journal_mode)"
                                     " = 'wal'"),
                     1);
    (void)sqlite3_close(raw);
    fixture_open_store(fixture);
}

static void refuses_a_second_opener(void **state)
{
    struct fixture *fixture = *state;
    expect_refused(fixture, fixture->path, "another process is using it");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct loop *loop = NULL;
        struct store *store = NULL;
        struct error error = {0};
        bool is_refused = loop_new(&loop) == ST_OK &&
                          store_open_sqlite(loop, fixture->path, &store, &error) == ST_STORE;
        _exit(is_refused && strstr(error.text, "another process is using it") ? 0 : 1);
    }
    int result = -1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    assert_int_equal(accept_id(fixture, "m").status, ST_OK);
    fixture_close_store(fixture);
    fixture_open_store(fixture);
}

static void refuses_a_directory_that_is_not_there(void **state)
{
    struct fixture *fixture = *state;
    expect_refused(fixture, "/tmp/store-test-nowhere/test.db", "No such file or directory");
    expect_refused(fixture, fixture->dir, "Is a directory");
    DB_CLEANUP(free_charp) char *lock = xasprintf("%s.lock", fixture->dir);
    (void)unlink(lock);
}

static void refuses_a_newer_schema(void **state)
{
    struct fixture *fixture = *state;
    fixture_close_store(fixture);
    sqlite3 *raw = open_raw(fixture->path);
    run_raw(raw, "PRAGMA user_version = 99");
    (void)sqlite3_close(raw);
    expect_refused_untouched(fixture, "newer version");
}

static void refuses_the_database_of_another_program(void **state)
{
    struct fixture *fixture = *state;
    fixture_close_store(fixture);
    assert_int_equal(unlink(fixture->path), 0);
    sqlite3 *raw = open_raw(fixture->path);
    run_raw(raw, "CREATE TABLE bookmarks (url TEXT)");
    (void)sqlite3_close(raw);
    expect_refused_untouched(fixture, "another program");
}

static void refuses_a_file_that_is_no_database(void **state)
{
    struct fixture *fixture = *state;
    fixture_close_store(fixture);
    assert_int_equal(unlink(fixture->path), 0);
    static const char text[] = "This is a letter to somebody and certainly not a database file.";
    write_over(fixture->path, 0, text, sizeof(text));
    expect_refused_untouched(fixture, "not a database");
}

static void refuses_a_damaged_file(void **state)
{
    struct fixture *fixture = *state;
    exchange_now(fixture, fixture_key, "q", "a");
    fixture_close_store(fixture);
    char garbage[8192];
    memset(garbage, 0xa5, sizeof(garbage));
    write_over(fixture->path, 4096, garbage, sizeof(garbage));
    expect_refused_untouched(fixture, "cannot be used");
}

static void refuses_a_file_cut_short(void **state)
{
    struct fixture *fixture = *state;
    exchange_now(fixture, fixture_key, "q", "a");
    fixture_close_store(fixture);
    assert_int_equal(truncate(fixture->path, 2 * 4096), 0);
    expect_refused_untouched(fixture, "malformed");
}

static void takes_an_empty_file_for_a_new_one(void **state)
{
    struct fixture *fixture = *state;
    fixture_close_store(fixture);
    assert_int_equal(truncate(fixture->path, 0), 0);
    fixture_open_store(fixture);
    assert_int_equal(accept_id(fixture, "m").status, ST_OK);
}

static void migrates_step_by_step_and_keeps_the_data(void **state)
{
    struct fixture *fixture = *state;
    fixture_close_store(fixture);
    assert_int_equal(truncate(fixture->path, 0), 0);
    const char *const steps[] = {sqlite_schema_steps[0],
                                 "ALTER TABLE inbox ADD COLUMN note TEXT;"
                                 "UPDATE inbox SET note = 'two';",
                                 "UPDATE inbox SET note = note || ' three';"};
    sqlite3 *raw = open_raw(fixture->path);
    assert_int_equal(sqlite_schema_migrate(raw, steps, 1, NULL), ST_OK);
    assert_int_equal(number_raw(raw, "PRAGMA user_version"), 1);
    run_raw(raw, "INSERT INTO inbox (robot, msg_id, conversation, sender, arrived_ms,"
                 " is_over_limit) VALUES ('r', 'm', 'c', 's', 1, 0)");
    assert_int_equal(sqlite_schema_migrate(raw, steps, 3, NULL), ST_OK);
    assert_int_equal(number_raw(raw, "PRAGMA user_version"), 3);
    assert_int_equal(number_raw(raw, "SELECT count(*) FROM inbox WHERE note = 'two three'"), 1);
    assert_int_equal(sqlite_schema_migrate(raw, steps, 2, NULL), ST_STORE);
    (void)sqlite3_close(raw);
}

static void a_step_that_fails_leaves_the_version_before(void **state)
{
    struct fixture *fixture = *state;
    fixture_close_store(fixture);
    assert_int_equal(truncate(fixture->path, 0), 0);
    const char *const steps[] = {sqlite_schema_steps[0],
                                 "CREATE TABLE half (a INTEGER); SELECT nonsense FROM nowhere;"};
    sqlite3 *raw = open_raw(fixture->path);
    struct error error = {0};
    assert_int_equal(sqlite_schema_migrate(raw, steps, 2, &error), ST_STORE);
    assert_non_null(strstr(error.text, "nowhere"));
    assert_int_equal(number_raw(raw, "PRAGMA user_version"), 1);
    assert_int_equal(number_raw(raw, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
    assert_int_equal(sqlite3_get_autocommit(raw), 1);
    (void)sqlite3_close(raw);
    fixture_open_store(fixture); /* goes on from the version before */
}

/* Tables grow for years: what looks a row up has to find it by an index. */
static void no_statement_reads_a_whole_table(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *raw = open_raw(fixture->path);
    for (int i = SQL_COUNT_REQUEST; i < SQL_N_STATEMENTS; i++) {
        /* These want every row, or the newest ones in the order of the table. */
        if (i == SQL_READ_SETTINGS || i == SQL_READ_AUDIT)
            continue;
        DB_CLEANUP(free_charp)
        char *sql = xasprintf("EXPLAIN QUERY PLAN %s", sqlite_statements[i]);
        sqlite3_stmt *plan = NULL;
        assert_int_equal(sqlite3_prepare_v2(raw, sql, -1, &plan, NULL), SQLITE_OK);
        while (sqlite3_step(plan) == SQLITE_ROW) {
            const char *detail = (const char *)sqlite3_column_text(plan, 3);
            bool walks_by_id = i == SQL_READ_UNFINISHED && !strstr(detail, "inbox_unfinished");
            /* Reports sort what they have summed of one month. */
            bool is_report = i >= SQL_SUM_USER_DAY && i <= SQL_TOP_TALLIES;
            bool is_walk = is_report
                               ? strstr(detail, "SCAN usage") || strstr(detail, "SCAN tally") ||
                                     strstr(detail, "SCAN exchange")
                               : strstr(detail, "SCAN") || strstr(detail, "TEMP B-TREE");
            if (walks_by_id || is_walk)
                fail_msg("%s: %s", sqlite_statements[i], detail);
        }
        (void)sqlite3_finalize(plan);
    }
    (void)sqlite3_close(raw);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(makes_files_that_only_the_owner_can_read),
        WITH_STORE(leaves_one_whole_file_when_closed),
        WITH_STORE(refuses_a_second_opener),
        WITH_STORE(refuses_a_directory_that_is_not_there),
        WITH_STORE(refuses_a_newer_schema),
        WITH_STORE(refuses_the_database_of_another_program),
        WITH_STORE(refuses_a_file_that_is_no_database),
        WITH_STORE(refuses_a_damaged_file),
        WITH_STORE(refuses_a_file_cut_short),
        WITH_STORE(takes_an_empty_file_for_a_new_one),
        WITH_STORE(migrates_step_by_step_and_keeps_the_data),
        WITH_STORE(a_step_that_fails_leaves_the_version_before),
        WITH_STORE(no_statement_reads_a_whole_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
