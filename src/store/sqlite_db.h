/*
 * One SQLite file: opening it safely, its statements prepared once, and running them. Nothing here
 * knows of threads: a database is used by one at a time. Private to src/store.
 *
 * Failures of SQLite are ST_STORE; the reason is kept until the next one.
 */
#ifndef DB_STORE_SQLITE_DB_H
#define DB_STORE_SQLITE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/status.h"

enum sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SAVE,    /* from here on ... */
    SQL_UNDO,    /* ... everything is undone; SQL_RELEASE follows */
    SQL_RELEASE, /* ... everything is part of the transaction */
    SQL_COUNT_REQUEST,
    SQL_ADD_MESSAGE,
    SQL_NOTE_PROGRESS,
    SQL_END_MESSAGE,
    SQL_FIND_MESSAGE,
    SQL_READ_UNFINISHED,
    SQL_PRUNE,
    SQL_ADD_EXCHANGE,
    SQL_READ_CONTEXT,
    SQL_REPLACE_EXCHANGE,
    SQL_READ_LAST,
    SQL_COUNT_CALLS,
    SQL_READ_CALLS,
    SQL_SET_SETTING,
    SQL_DROP_SETTING,
    SQL_READ_SETTINGS,
    SQL_ADD_AUDIT,
    SQL_READ_AUDIT,
    SQL_ADD_TOKENS,
    SQL_READ_USED,
    SQL_ADD_TALLY,
    SQL_READ_SAID, /* ten of them: newest last and newest first, each by the index that fits */
    SQL_READ_SAID_END = SQL_READ_SAID + 9,
    SQL_FORGET_USER,
    SQL_FORGET_OLD,
    SQL_SUM_USER_DAY,
    SQL_SUM_USER_MONTH,
    SQL_SUM_DAY,
    SQL_SUM_MONTH,
    SQL_TOP_USERS,
    SQL_TOP_TALLIES,
    SQL_READ_SESSION,
    SQL_SET_MODE,
    SQL_SET_MODEL,
    SQL_TOUCH_SESSION,
    SQL_FORGET_SESSION,
    SQL_N_STATEMENTS
};

/* The text of each statement. */
extern const char *const sqlite_statements[SQL_N_STATEMENTS];

/* Something to bind. The text is borrowed for the call. */
struct sql_value {
    const char *text;
    int64_t number;
    bool is_number;
    bool is_null;
};

#define SQL_TEXT(t) ((struct sql_value){.text = (t), .is_null = (t) == NULL})
#define SQL_INT(n) ((struct sql_value){.number = (int64_t)(n), .is_number = true})
/* NULL for a negative number: not known. */
#define SQL_COUNT(n) \
    ((struct sql_value){.number = (int64_t)(n), .is_number = true, .is_null = (n) < 0})

/* The array and its length, as the functions below take them. */
#define SQL_VALUES(...)                      \
    (const struct sql_value[]){__VA_ARGS__}, \
        sizeof((const struct sql_value[]){__VA_ARGS__}) / sizeof(struct sql_value)
#define SQL_NO_VALUES NULL, 0

struct sqlite_db;

/* Opens or creates (mode 0600), takes the lock that keeps other processes out (`PATH.lock`), brings
 * the tables up to date. ST_STORE with a reason for people; a file that is refused stays as it is.
 */
enum status sqlite_db_open(const char *path, struct sqlite_db **ret_db,
                           struct error *ret_err) DB_MUST_CHECK;
void sqlite_db_close(struct sqlite_db *db); /* NULL is fine */

/* Runs a statement that gives no rows. */
enum status sqlite_db_run(struct sqlite_db *db, enum sql sql, const struct sql_value *values,
                          size_t n_values) DB_MUST_CHECK;
/* Hands every row to fn, until there is none or fn returns false. */
typedef bool (*sqlite_row_fn)(sqlite3_stmt *row, void *arg);
enum status sqlite_db_query(struct sqlite_db *db, enum sql sql, const struct sql_value *values,
                            size_t n_values, sqlite_row_fn fn, void *arg) DB_MUST_CHECK;

/* Rows that the last writing statement changed; the id that it gave. */
int64_t sqlite_db_changes(const struct sqlite_db *db);
int64_t sqlite_db_last_id(const struct sqlite_db *db);
/* False also when SQLite itself ended the transaction, as it does on some failures. */
bool sqlite_db_is_in_transaction(const struct sqlite_db *db);

/* The last failure, for the log. */
const struct error *sqlite_db_error(const struct sqlite_db *db);

#endif
