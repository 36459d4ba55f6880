#include "store/sqlite_schema.h"

#include <stdint.h>

#include "util/log.h"
#include "util/mem.h"

/* "DBrg", in the header of the file: tells it from every other program's. */
#define APPLICATION_ID 1145205351

/* Ids are AUTOINCREMENT because they are remembered elsewhere (a turn's inbox id, the mark of what
 * is forgotten): none may ever come back for another row. */
static const char step_1[] =
    "CREATE TABLE inbox ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  robot TEXT NOT NULL,"
    "  msg_id TEXT NOT NULL,"
    "  conversation TEXT NOT NULL,"
    "  sender TEXT NOT NULL,"
    "  payload TEXT," /* NULL once the message is done: only its name is needed then */
    "  arrived_ms INTEGER NOT NULL,"
    "  is_over_limit INTEGER NOT NULL,"
    "  answer TEXT," /* from the first part that was delivered until the message is done */
    "  parts_sent INTEGER NOT NULL DEFAULT 0,"
    "  done_ms INTEGER,"
    "  UNIQUE (robot, msg_id)"
    ") STRICT;"
    "CREATE INDEX inbox_unfinished ON inbox (id) WHERE done_ms IS NULL;"
    "CREATE INDEX inbox_done ON inbox (done_ms) WHERE done_ms IS NOT NULL;"

    "CREATE TABLE session ("
    "  robot TEXT NOT NULL,"
    "  conversation TEXT NOT NULL,"
    "  sender TEXT NOT NULL,"
    "  mode INTEGER NOT NULL DEFAULT 0,"
    "  last_active_ms INTEGER NOT NULL DEFAULT 0,"
    "  forgotten_id INTEGER NOT NULL DEFAULT 0," /* exchanges up to this one are out of context */
    "  PRIMARY KEY (robot, conversation, sender)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE exchange ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  robot TEXT NOT NULL,"
    "  conversation TEXT NOT NULL,"
    "  sender TEXT NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  user TEXT NOT NULL,"
    "  nick TEXT NOT NULL,"
    "  conversation_title TEXT NOT NULL,"
    "  question TEXT NOT NULL,"
    "  answer TEXT NOT NULL,"
    "  provider TEXT NOT NULL,"
    "  model TEXT NOT NULL,"
    "  outcome TEXT NOT NULL,"
    "  reference TEXT NOT NULL,"
    "  in_context INTEGER NOT NULL,"
    "  prompt_tokens INTEGER," /* NULL: unknown */
    "  completion_tokens INTEGER,"
    "  started_ms INTEGER NOT NULL,"
    "  ended_ms INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX exchange_context ON exchange (robot, conversation, sender, id)"
    "  WHERE in_context = 1;"
    "CREATE INDEX exchange_user ON exchange (user, started_ms);"

    "CREATE TABLE usage ("
    "  day TEXT NOT NULL,"
    "  user TEXT NOT NULL,"
    "  requests INTEGER NOT NULL DEFAULT 0,"
    "  prompt_tokens INTEGER NOT NULL DEFAULT 0,"
    "  completion_tokens INTEGER NOT NULL DEFAULT 0,"
    "  PRIMARY KEY (day, user)"
    ") STRICT, WITHOUT ROWID;";

/* Calls of the platform's metered API, and the way to a session's last exchange of any kind. */
static const char step_2[] = "CREATE TABLE call ("
                             "  month TEXT NOT NULL," /* 2026-11 */
                             "  app TEXT NOT NULL,"
                             "  kind TEXT NOT NULL,"
                             "  calls INTEGER NOT NULL DEFAULT 0,"
                             "  PRIMARY KEY (month, app, kind)"
                             ") STRICT, WITHOUT ROWID;"
                             "CREATE INDEX exchange_session ON exchange"
                             "  (robot, conversation, sender, id);";

/* What people change while the program runs, and who did what. */
static const char step_3[] = "CREATE TABLE setting ("
                             "  list TEXT NOT NULL,"
                             "  item TEXT NOT NULL,"
                             "  value TEXT NOT NULL,"
                             "  PRIMARY KEY (list, item)"
                             ") STRICT, WITHOUT ROWID;"
                             "CREATE TABLE audit ("
                             "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
                             "  at_ms INTEGER NOT NULL,"
                             "  who TEXT NOT NULL," /* staff id */
                             "  nick TEXT NOT NULL,"
                             "  place TEXT NOT NULL," /* conversation id */
                             "  what TEXT NOT NULL"
                             ") STRICT;";

/* The ways to what was said, and the month's counts by group and model, which outlive the exchanges
 * that they were made of. */
static const char step_4[] =
    "CREATE INDEX exchange_started ON exchange (started_ms);"
    "CREATE INDEX exchange_nick ON exchange (nick, started_ms);"
    "CREATE INDEX exchange_conversation ON exchange (conversation, started_ms);"
    "CREATE INDEX exchange_title ON exchange (conversation_title, started_ms);"
    "CREATE TABLE tally ("
    "  month TEXT NOT NULL," /* 2026-11 */
    "  what TEXT NOT NULL,"  /* group, model */
    "  item TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  requests INTEGER NOT NULL DEFAULT 0,"
    "  prompt_tokens INTEGER NOT NULL DEFAULT 0,"
    "  completion_tokens INTEGER NOT NULL DEFAULT 0,"
    "  PRIMARY KEY (month, what, item)"
    ") STRICT, WITHOUT ROWID;"
    "INSERT INTO tally SELECT strftime('%Y-%m', started_ms / 1000, 'unixepoch', 'localtime'),"
    "  'group', conversation, max(conversation_title), count(*),"
    "  sum(coalesce(prompt_tokens, 0)), sum(coalesce(completion_tokens, 0)) FROM exchange"
    "  WHERE conversation_title <> '' GROUP BY 1, 3;"
    "INSERT INTO tally SELECT strftime('%Y-%m', started_ms / 1000, 'unixepoch', 'localtime'),"
    "  'model', model, '', count(*),"
    "  sum(coalesce(prompt_tokens, 0)), sum(coalesce(completion_tokens, 0)) FROM exchange"
    "  WHERE model <> '' GROUP BY 1, 3;";

/* The model that somebody chose for a session; "": none. */
static const char step_5[] = "ALTER TABLE session ADD COLUMN model TEXT NOT NULL DEFAULT '';";

const char *const sqlite_schema_steps[] = {step_1, step_2, step_3, step_4, step_5};
const size_t n_sqlite_schema_steps = sizeof(sqlite_schema_steps) / sizeof(sqlite_schema_steps[0]);

static enum status fail(sqlite3 *handle, struct error *ret_err)
{
    return error_set(ret_err, ST_STORE, sqlite3_extended_errcode(handle), "%s",
                     sqlite3_errmsg(handle));
}

static enum status read_number(sqlite3 *handle, const char *sql, int64_t *ret_number,
                               struct error *ret_err)
{
    sqlite3_stmt *statement = NULL;
    bool is_row = sqlite3_prepare_v2(handle, sql, -1, &statement, NULL) == SQLITE_OK &&
                  sqlite3_step(statement) == SQLITE_ROW;
    enum status status = is_row ? ST_OK : fail(handle, ret_err);
    if (is_row)
        *ret_number = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return status;
}

static enum status take_step(sqlite3 *handle, const char *step, size_t version,
                             struct error *ret_err)
{
    DB_CLEANUP(free_charp)
    char *sql = xasprintf("BEGIN IMMEDIATE; %s PRAGMA application_id = %d;"
                          " PRAGMA user_version = %zu; COMMIT;",
                          step, APPLICATION_ID, version);
    if (sqlite3_exec(handle, sql, NULL, NULL, NULL) == SQLITE_OK)
        return ST_OK;
    enum status status = fail(handle, ret_err);
    if (!sqlite3_get_autocommit(handle))
        (void)sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

enum status sqlite_schema_migrate(sqlite3 *handle, const char *const *steps, size_t n_steps,
                                  struct error *ret_err)
{
    int64_t version = 0, owner = 0, n_tables = 0;
    enum status status = read_number(handle, "PRAGMA user_version", &version, ret_err);
    if (status == ST_OK)
        status = read_number(handle, "PRAGMA application_id", &owner, ret_err);
    if (status == ST_OK)
        status = read_number(handle, "SELECT count(*) FROM sqlite_schema", &n_tables, ret_err);
    if (status != ST_OK)
        return status;
    bool is_new = version == 0 && owner == 0 && n_tables == 0;
    if (!is_new && owner != APPLICATION_ID)
        return error_set(ret_err, ST_STORE, 0, "it is the database of another program");
    if (version < 0 || version > (int64_t)n_steps)
        return error_set(ret_err, ST_STORE, 0,
                         "a newer version of this program wrote it (schema %lld, known up to %zu)",
                         (long long)version, n_steps);
    for (size_t i = (size_t)version; i < n_steps; i++) {
        status = take_step(handle, steps[i], i + 1, ret_err);
        if (status != ST_OK)
            return status;
        log_event(LOG_INFO, "store", "migrated", LOG_I("schema", i + 1));
    }
    return ST_OK;
}
