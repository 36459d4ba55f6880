#include "store/sqlite_db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite_schema.h"
#include "util/mem.h"
#include "util/str.h"

/* Another program may look into the file (a backup, the sqlite3 shell); it is waited for. */
#define BUSY_TIMEOUT_MS 5000
/* A file up to this size is read through at every start, which takes a fraction of a second. */
#define CHECK_BYTES_MAX (64LL * 1024 * 1024)

struct sqlite_db {
    sqlite3 *handle;
    int lock_fd;
    sqlite3_stmt *statements[SQL_N_STATEMENTS];
    struct error error;
};

static enum status note_failure(struct sqlite_db *db)
{
    return error_set(&db->error, ST_STORE, sqlite3_extended_errcode(db->handle), "%s",
                     sqlite3_errmsg(db->handle));
}

/* SQLite's own locks are held for the length of a transaction: two bridges would both run, and
 * answer every unfinished message twice. */
static enum status take_lock(struct sqlite_db *db, const char *path)
{
    DB_CLEANUP(free_charp) char *lock_path = xasprintf("%s.lock", path);
    db->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (db->lock_fd < 0)
        return error_set(&db->error, ST_STORE, errno, "its lock file cannot be opened: %s",
                         strerror(errno));
    if (flock(db->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return ST_OK;
    if (errno == EWOULDBLOCK)
        return error_set(&db->error, ST_STORE, errno,
                         "another process is using it; one database serves one bridge");
    return error_set(&db->error, ST_STORE, errno, "it cannot be locked: %s", strerror(errno));
}

/* SQLite would create it readable for others; its side files take over the mode. */
static enum status create_file(struct sqlite_db *db, const char *path, int64_t *ret_size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat stat_now;
    bool is_there = fd >= 0 && fstat(fd, &stat_now) == 0;
    int problem = errno;
    if (fd >= 0)
        (void)close(fd);
    if (!is_there)
        return error_set(&db->error, ST_STORE, problem, "it cannot be opened: %s",
                         strerror(problem));
    *ret_size = stat_now.st_size;
    return ST_OK;
}

static enum status run_script(struct sqlite_db *db, const char *script)
{
    if (sqlite3_exec(db->handle, script, NULL, NULL, NULL) != SQLITE_OK)
        return note_failure(db);
    return ST_OK;
}

/* Runs a pragma that answers with a word, and compares it. */
static enum status expect_word(struct sqlite_db *db, const char *pragma, const char *want)
{
    sqlite3_stmt *statement = NULL;
    enum status status = ST_OK;
    if (sqlite3_prepare_v2(db->handle, pragma, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        status = note_failure(db);
    } else {
        const char *got = (const char *)sqlite3_column_text(statement, 0);
        if (!str_eq(str_of(got), str_of(want)))
            status = error_set(&db->error, ST_STORE, 0, "%s gives: %s", pragma, got ? got : "");
    }
    (void)sqlite3_finalize(statement);
    return status;
}

static enum status prepare_all(struct sqlite_db *db)
{
    for (size_t i = 0; i < SQL_N_STATEMENTS; i++)
        if (sqlite3_prepare_v3(db->handle, sqlite_statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &db->statements[i], NULL) != SQLITE_OK)
            return note_failure(db);
    return ST_OK;
}

static enum status open_file(struct sqlite_db *db, const char *path)
{
    int64_t size = 0;
    enum status status = take_lock(db, path);
    if (status == ST_OK)
        status = create_file(db, path, &size);
    if (status != ST_OK)
        return status;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &db->handle, flags, NULL) != SQLITE_OK)
        return note_failure(db);
    (void)sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    if (size <= CHECK_BYTES_MAX)
        status = expect_word(db, "PRAGMA quick_check(1)", "ok");
    /* Before anything that would write into a file that is not ours. */
    if (status == ST_OK)
        status = sqlite_schema_migrate(db->handle, sqlite_schema_steps, n_sqlite_schema_steps,
                                       &db->error);
    if (status == ST_OK)
        status = expect_word(db, "PRAGMA journal_mode = WAL", "wal");
    /* FULL: a commit is on the disk when it returns. secure_delete: what is forgotten is
     * overwritten. A WAL that a burst has blown up shrinks back. */
    if (status == ST_OK)
        status = run_script(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                                "PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON;"
                                "PRAGMA journal_size_limit = 67108864");
    return status == ST_OK ? prepare_all(db) : status;
}

enum status sqlite_db_open(const char *path, struct sqlite_db **ret_db, struct error *ret_err)
{
    struct sqlite_db *db = xcalloc(1, sizeof(*db));
    db->lock_fd = -1;
    if (open_file(db, path) != ST_OK) {
        (void)error_set(ret_err, ST_STORE, db->error.code, "the database %s cannot be used: %s",
                        path, db->error.text);
        sqlite_db_close(db);
        return ST_STORE;
    }
    *ret_db = db;
    return ST_OK;
}

void sqlite_db_close(struct sqlite_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < SQL_N_STATEMENTS; i++)
        (void)sqlite3_finalize(db->statements[i]);
    /* The last one to close writes the WAL back and removes it. */
    int result = sqlite3_close(db->handle);
    assert(result == SQLITE_OK);
    (void)result;
    if (db->lock_fd >= 0)
        (void)close(db->lock_fd);
    free(db);
}

static bool bind_value(sqlite3_stmt *statement, int index, const struct sql_value *value)
{
    if (value->is_null)
        return sqlite3_bind_null(statement, index) == SQLITE_OK;
    if (value->is_number)
        return sqlite3_bind_int64(statement, index, value->number) == SQLITE_OK;
    return sqlite3_bind_text64(statement, index, value->text, strlen(value->text), SQLITE_STATIC,
                               SQLITE_UTF8) == SQLITE_OK;
}

enum status sqlite_db_query(struct sqlite_db *db, enum sql sql, const struct sql_value *values,
                            size_t n_values, sqlite_row_fn fn, void *arg)
{
    sqlite3_stmt *statement = db->statements[sql];
    assert((int)n_values == sqlite3_bind_parameter_count(statement));
    bool is_bound = true;
    for (size_t i = 0; i < n_values; i++)
        is_bound = is_bound && bind_value(statement, (int)i + 1, &values[i]);
    enum status status = ST_OK;
    int result = is_bound ? SQLITE_ROW : SQLITE_ERROR;
    while (result == SQLITE_ROW) {
        result = sqlite3_step(statement);
        if (result == SQLITE_ROW && !(fn && fn(statement, arg)))
            break;
    }
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        status = note_failure(db);
    /* A read that stays open would hold the transaction; texts were only borrowed. */
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return status;
}

enum status sqlite_db_run(struct sqlite_db *db, enum sql sql, const struct sql_value *values,
                          size_t n_values)
{
    return sqlite_db_query(db, sql, values, n_values, NULL, NULL);
}

int64_t sqlite_db_changes(const struct sqlite_db *db)
{
    return sqlite3_changes64(db->handle);
}

int64_t sqlite_db_last_id(const struct sqlite_db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

bool sqlite_db_is_in_transaction(const struct sqlite_db *db)
{
    return !sqlite3_get_autocommit(db->handle);
}

const struct error *sqlite_db_error(const struct sqlite_db *db)
{
    return &db->error;
}
