#include "store/sqlite_db.h"

/* What was said: ?1 user, ?2 nick, ?3 conversation, ?4 its title ("" for any), ?5 … ?6 the time, ?7
 * and ?8 the exchange to go on behind, ?9 how many. Each by the index whose first column is given,
 * which has the rows in order: none is sorted, and none before the beginning is looked at. */
#define SAID_BY(index, given, beyond, order)                                                   \
    "SELECT id, robot, conversation, conversation_title, user, nick, kind, question, answer,"  \
    " provider, model, outcome, reference, prompt_tokens, completion_tokens, started_ms,"      \
    " ended_ms FROM exchange INDEXED BY " index " WHERE " given                                \
    " started_ms >= ?5 AND started_ms < ?6 AND (?1 = '' OR user = ?1) AND (?2 = '' OR nick = " \
    "?2) AND (?3 = '' OR conversation = ?3) AND (?4 = '' OR conversation_title = ?4)"          \
    " AND (started_ms, id) " beyond " (?7, ?8)"                                                \
    " ORDER BY started_ms " order ", id " order " LIMIT ?9"
#define SAID(at, beyond, order)                                                                \
    [SQL_READ_SAID +                                                                           \
        (at)] = SAID_BY("exchange_started", "", beyond, order),                                \
        [SQL_READ_SAID + (at) + 1] = SAID_BY("exchange_user", "user = ?1 AND", beyond, order), \
        [SQL_READ_SAID + (at) + 2] = SAID_BY("exchange_nick", "nick = ?2 AND", beyond, order), \
        [SQL_READ_SAID + (at) + 3] =                                                           \
            SAID_BY("exchange_conversation", "conversation = ?3 AND", beyond, order),          \
        [SQL_READ_SAID + (at) + 4] =                                                           \
            SAID_BY("exchange_title", "conversation_title = ?4 AND", beyond, order)

/* Requests and tokens of whatever `from` selects. */
#define SUMS(from)                                                        \
    "SELECT coalesce(sum(requests), 0), coalesce(sum(prompt_tokens), 0)," \
    " coalesce(sum(completion_tokens), 0), count(DISTINCT user) FROM usage " from

const char *const sqlite_statements[SQL_N_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SAVE] = "SAVEPOINT request",
    [SQL_UNDO] = "ROLLBACK TO request",
    [SQL_RELEASE] = "RELEASE request",

    /* Changes no row when the limit is reached. */
    [SQL_COUNT_REQUEST] = "INSERT INTO usage (day, user, requests) VALUES (?1, ?2, 1)"
                          " ON CONFLICT (day, user) DO UPDATE SET requests = requests + 1"
                          " WHERE ?3 = 0 OR requests < ?3",

    /* Changes no row when the message is known. */
    [SQL_ADD_MESSAGE] =
        "INSERT INTO inbox (robot, conversation, sender, msg_id, payload, arrived_ms,"
        " is_over_limit) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        " ON CONFLICT (robot, msg_id) DO NOTHING",
    [SQL_NOTE_PROGRESS] = "UPDATE inbox SET answer = coalesce(?2, answer), parts_sent = ?3"
                          " WHERE id = ?1 AND done_ms IS NULL",
    [SQL_END_MESSAGE] = "UPDATE inbox SET done_ms = ?2, payload = NULL, answer = NULL"
                        " WHERE id = ?1 AND done_ms IS NULL",
    [SQL_FIND_MESSAGE] = "SELECT 1 FROM inbox WHERE id = ?1",
    /* The other way, by id, walks over all the finished rows; the planner shall have no choice. */
    [SQL_READ_UNFINISHED] = "SELECT id, payload, is_over_limit, answer, parts_sent"
                            " FROM inbox INDEXED BY inbox_unfinished"
                            " WHERE done_ms IS NULL AND id > ?1 ORDER BY id LIMIT ?2",
    [SQL_PRUNE] = "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox"
                  " WHERE done_ms IS NOT NULL AND done_ms < ?1 ORDER BY done_ms LIMIT ?2)",

    [SQL_ADD_EXCHANGE] =
        "INSERT INTO exchange (robot, conversation, sender, kind, user, nick, conversation_title,"
        " question, answer, provider, model, outcome, reference, in_context, prompt_tokens,"
        " completion_tokens, started_ms, ended_ms)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,"
        " ?18)",
    [SQL_READ_CONTEXT] =
        "SELECT question, answer, started_ms, ended_ms, id FROM exchange"
        " WHERE robot = ?1 AND conversation = ?2 AND sender = ?3 AND in_context = 1 AND id > ?4"
        " ORDER BY id DESC LIMIT ?5",

    /* It was said in other words since. */
    [SQL_REPLACE_EXCHANGE] = "UPDATE exchange SET in_context = 0 WHERE id = ?1",
    [SQL_READ_LAST] =
        "SELECT id, question FROM exchange"
        " WHERE robot = ?1 AND conversation = ?2 AND sender = ?3 AND id > ?4"
        " AND kind IN ('question', 'template') AND outcome <> 'refused' ORDER BY id DESC LIMIT 1",

    [SQL_COUNT_CALLS] = "INSERT INTO call (month, app, kind, calls) VALUES (?1, ?2, ?3, ?4)"
                        " ON CONFLICT DO UPDATE SET calls = calls + ?4",
    [SQL_READ_CALLS] = "SELECT app, kind, calls FROM call WHERE month = ?1 ORDER BY app, kind",

    [SQL_SET_SETTING] = "INSERT INTO setting (list, item, value) VALUES (?1, ?2, ?3)"
                        " ON CONFLICT DO UPDATE SET value = ?3",
    [SQL_DROP_SETTING] = "DELETE FROM setting WHERE list = ?1 AND item = ?2",
    [SQL_READ_SETTINGS] = "SELECT list, item, value FROM setting ORDER BY list, item",
    [SQL_ADD_AUDIT] = "INSERT INTO audit (at_ms, who, nick, place, what)"
                      " VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_READ_AUDIT] = "SELECT at_ms, who, nick, place, what FROM audit ORDER BY id DESC LIMIT ?1",

    [SQL_ADD_TOKENS] =
        "INSERT INTO usage (day, user, prompt_tokens, completion_tokens) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (day, user) DO UPDATE SET prompt_tokens = prompt_tokens + ?3,"
        " completion_tokens = completion_tokens + ?4",
    [SQL_READ_USED] = "SELECT requests FROM usage WHERE day = ?1 AND user = ?2",

    /* ?1 is a day; its month counts. */
    [SQL_ADD_TALLY] =
        "INSERT INTO tally (month, what, item, name, requests, prompt_tokens, completion_tokens)"
        " VALUES (substr(?1, 1, 7), ?2, ?3, ?4, 1, ?5, ?6)"
        " ON CONFLICT DO UPDATE SET name = ?4, requests = requests + 1,"
        " prompt_tokens = prompt_tokens + ?5, completion_tokens = completion_tokens + ?6",
    SAID(0, ">", "ASC"),
    SAID(5, "<", "DESC"),
    [SQL_FORGET_USER] = "DELETE FROM exchange WHERE id IN (SELECT id FROM exchange"
                        " INDEXED BY exchange_user WHERE user = ?1 AND started_ms < ?2 LIMIT ?3)",
    [SQL_FORGET_OLD] =
        "DELETE FROM exchange WHERE id IN (SELECT id FROM exchange"
        " INDEXED BY exchange_started WHERE started_ms < ?1 ORDER BY started_ms LIMIT ?2)",
    [SQL_SUM_USER_DAY] = SUMS("WHERE day = ?2 AND user = ?1"),
    /* A look-up a day instead of a walk over everybody's month. */
    [SQL_SUM_USER_MONTH] =
        "WITH RECURSIVE days (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM days WHERE i < 31) " SUMS(
            "WHERE user = ?1 AND day IN (SELECT substr(?2, 1, 8) || printf('%02d', i) FROM days)"),
    [SQL_SUM_DAY] = SUMS("WHERE day = ?1"),
    [SQL_SUM_MONTH] =
        SUMS("WHERE day BETWEEN substr(?1, 1, 8) || '01' AND substr(?1, 1, 8) || '31'"),
    [SQL_TOP_USERS] =
        "SELECT user, coalesce((SELECT nick FROM exchange INDEXED BY exchange_user"
        " WHERE exchange.user = top.user ORDER BY started_ms DESC LIMIT 1), ''),"
        " requests, prompt_tokens, completion_tokens FROM"
        " (SELECT user, sum(requests) AS requests, sum(prompt_tokens) AS prompt_tokens,"
        " sum(completion_tokens) AS completion_tokens FROM usage"
        " WHERE day BETWEEN substr(?1, 1, 8) || '01' AND substr(?1, 1, 8) || '31'"
        " GROUP BY user ORDER BY sum(requests) DESC, sum(prompt_tokens) + sum(completion_tokens) "
        "DESC,"
        " user LIMIT ?2) AS top"
        " ORDER BY requests DESC, prompt_tokens + completion_tokens DESC, user",
    [SQL_TOP_TALLIES] =
        "SELECT item, name, requests, prompt_tokens, completion_tokens FROM tally"
        " WHERE month = substr(?1, 1, 7) AND what = ?2"
        " ORDER BY requests DESC, prompt_tokens + completion_tokens DESC, item LIMIT ?3",

    [SQL_READ_SESSION] = "SELECT mode, last_active_ms, forgotten_id, model FROM session"
                         " WHERE robot = ?1 AND conversation = ?2 AND sender = ?3",
    [SQL_SET_MODE] = "INSERT INTO session (robot, conversation, sender, last_active_ms, mode)"
                     " VALUES (?1, ?2, ?3, ?4, ?5)"
                     " ON CONFLICT DO UPDATE SET last_active_ms = ?4, mode = ?5",
    [SQL_SET_MODEL] = "INSERT INTO session (robot, conversation, sender, model)"
                      " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET model = ?4",
    [SQL_TOUCH_SESSION] = "INSERT INTO session (robot, conversation, sender, last_active_ms)"
                          " VALUES (?1, ?2, ?3, ?4)"
                          " ON CONFLICT DO UPDATE SET last_active_ms = ?4",
    [SQL_FORGET_SESSION] = "INSERT INTO session (robot, conversation, sender, forgotten_id)"
                           " VALUES (?1, ?2, ?3, (SELECT coalesce(max(id), 0) FROM exchange))"
                           " ON CONFLICT DO UPDATE SET mode = 0, last_active_ms = 0,"
                           " forgotten_id = excluded.forgotten_id",
};
