/*
 * The store: what must survive. Every call is asynchronous: it copies its input, returns at once,
 * and its callback runs later on the loop, exactly once, never before the call returned. Requests
 * of one caller are carried out in order; requests that wait together are committed together. A
 * database behind this face is one table of functions (`struct store_ops`).
 *
 * A session is (robot, conversation, sender). Its context is read from its exchanges, never kept
 * twice.
 */
#ifndef DB_STORE_STORE_H
#define DB_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"
#include "util/clock.h"
#include "util/status.h"

struct store;

/* Who is talking where. Borrowed strings, none NULL. */
struct store_session_key {
    const char *robot;
    const char *conversation;
    const char *sender;
};

enum store_mode { STORE_MODE_DEFAULT = 0, STORE_MODE_SINGLE = 1, STORE_MODE_CHAIN = 2 };

/* One earlier question and its answer, oldest first in arrays. */
struct store_exchange {
    int64_t id;
    const char *question; /* as it was sent to the model */
    const char *answer;
    int64_t started_ms; /* wall clock, from the exchange's record */
    int64_t ended_ms;
};

/* What a turn has to know about its session. Borrowed for the callback. */
struct store_session {
    enum store_mode mode;   /* STORE_MODE_DEFAULT when never chosen or forgotten */
    int64_t last_active_ms; /* wall clock of the last mode choice or chained exchange; 0 = never */
    const char *model;      /* chosen for the session; NULL or "": none */
    const struct store_exchange *context;
    size_t n_context;
};

/* A message to be accepted. */
struct store_arrival {
    struct store_session_key key;
    const char *msg_id;
    const char *payload;       /* the turn's own JSON, handed back by store_load_unfinished */
    int64_t now_ms;            /* wall clock */
    bool is_charged;           /* a question or an image: counts against the daily limit */
    const char *user;          /* who is charged; independent of the conversation */
    const char *day;           /* local day, CLOCK_DAY_SIZE */
    int64_t daily_limit;       /* 0 = none */
    size_t context_max;        /* at most that many newest exchanges are read; 0 = none wanted */
    int64_t context_max_bytes; /* and at most that many bytes of them */
};

struct store_accepted {
    enum status status; /* ST_OK; ST_CONFLICT: (robot, msg_id) known, nothing was changed; ST_STORE:
                           nothing was stored */
    int64_t inbox_id;
    bool is_over_limit; /* the daily limit was used up already: not counted; remembered with the
                           message */
    struct store_session session;
};
typedef void (*store_accepted_fn)(const struct store_accepted *accepted, void *arg);
/* Inserts into the inbox, counts, and reads the session, in one transaction that is on disk when fn
 * runs. */
void store_accept(struct store *store, const struct store_arrival *arrival, store_accepted_fn fn,
                  void *arg);

/* Reads a session again: for a turn that waited behind another of its session. */
struct store_session_result {
    enum status status;
    struct store_session session;
};
typedef void (*store_session_fn)(const struct store_session_result *result, void *arg);
void store_read_session(struct store *store, const struct store_session_key *key,
                        size_t context_max, int64_t context_max_bytes, store_session_fn fn,
                        void *arg);

/* An answer that goes out in several parts: what has been delivered so far, so that a restart goes
 * on from there. `answer` is stored with the first call (later NULL keeps it). */
typedef void (*store_done_fn)(enum status status, void *arg);
void store_note_progress(struct store *store, int64_t inbox_id, const char *answer, int parts_sent,
                         store_done_fn fn, void *arg);

enum store_session_change {
    STORE_SESSION_KEEP = 0,
    STORE_SESSION_SET_MODE,  /* mode and now_ms are stored; the context stays */
    STORE_SESSION_SET_MODEL, /* model is stored; all else stays */
    STORE_SESSION_TOUCH,     /* last_active_ms = now_ms */
    STORE_SESSION_FORGET,    /* mode default, context before now forgotten; the model stays */
};

struct store_exchange_record {
    const char *kind; /* "question", "template", "image" */
    const char *user; /* staff id, or the opaque sender id */
    const char *nick;
    const char *conversation_title;
    const char *question; /* as sent to the model; as typed when refused */
    const char *answer;   /* "" when none came */
    const char *provider;
    const char *model;
    const char *outcome;       /* "answered", "failed", "cut", "undelivered", "refused" */
    const char *reference;     /* the log's reference of the turn */
    bool in_context;           /* may be read back as context of a later question */
    int64_t prompt_tokens;     /* -1 unknown */
    int64_t completion_tokens; /* -1 unknown */
    int64_t started_ms;        /* wall clock */
    int64_t ended_ms;
};

struct store_settlement {
    int64_t inbox_id;
    struct store_session_key key;
    int64_t now_ms;
    const struct store_exchange_record *exchange; /* NULL: nothing was asked */
    int64_t replaces_id; /* an exchange that leaves the context because this one stands for it; 0 */
    enum store_session_change change;
    enum store_mode mode; /* with STORE_SESSION_SET_MODE */
    const char *model;    /* with STORE_SESSION_SET_MODEL; "" or NULL: none any more */
    const char *day;      /* of the usage row */
};
/* Exchange, usage, session and the end of the inbox row in one transaction. */
void store_settle(struct store *store, const struct store_settlement *settlement, store_done_fn fn,
                  void *arg);

/* An acknowledged message without an end, in order of arrival. Borrowed for the callback. */
struct store_unfinished {
    int64_t inbox_id;
    const char *payload;
    bool is_over_limit;
    const char *answer; /* NULL, or the answer whose delivery had begun */
    int parts_sent;
};
struct store_unfinished_result {
    enum status status;
    const struct store_unfinished *items;
    size_t n_items; /* fewer than asked for: the end */
};
typedef void (*store_unfinished_fn)(const struct store_unfinished_result *result, void *arg);
/* Rows with id > after_id, at most max_items: called again with the last id until the end. */
void store_load_unfinished(struct store *store, int64_t after_id, size_t max_items,
                           store_unfinished_fn fn, void *arg);

/* How much a user used on a day: questions and images. */
struct store_used_result {
    enum status status;
    int64_t used;
};
typedef void (*store_used_fn)(const struct store_used_result *result, void *arg);
void store_read_used(struct store *store, const char *user, const char *day, store_used_fn fn,
                     void *arg);

/* The last question that a session asked and has not been made to forget, whatever its mode. */
struct store_last {
    enum status status; /* ST_NOT_FOUND: there is none */
    int64_t exchange_id;
    const char *question; /* as it was sent to the model; borrowed for the callback */
};
typedef void (*store_last_fn)(const struct store_last *last, void *arg);
void store_read_last(struct store *store, const struct store_session_key *key, store_last_fn fn,
                     void *arg);

/* Calls of the platform's metered API. Months are local, "2026-11". */
struct store_calls {
    const char *app;
    const char *kind;
    int64_t calls;
};
void store_count_calls(struct store *store, const char *month, const struct store_calls *calls,
                       store_done_fn fn, void *arg);
struct store_calls_result {
    enum status status;
    const struct store_calls *items; /* every app and kind of the month; borrowed */
    size_t n_items;
};
typedef void (*store_calls_fn)(const struct store_calls_result *result, void *arg);
void store_read_calls(struct store *store, const char *month, store_calls_fn fn, void *arg);

/* What people change while the program runs: lists of items, each with a value. */
struct store_setting {
    const char *list;
    const char *item;
    const char *value; /* in a change, NULL: the item leaves the list */
};
/* Who did what, for those who are responsible. */
struct store_audit {
    int64_t at_ms;   /* wall clock */
    const char *who; /* staff id */
    const char *nick;
    const char *place; /* conversation id */
    const char *what;
};
struct store_setting_change {
    const struct store_setting *items;
    size_t n_items;                  /* 0: only the record is written */
    const struct store_audit *audit; /* NULL: none */
};
/* The items and the record of the change in one transaction. */
void store_change_settings(struct store *store, const struct store_setting_change *change,
                           store_done_fn fn, void *arg);
struct store_settings_result {
    enum status status;
    const struct store_setting *items; /* all there are, by list and item; borrowed */
    size_t n_items;
};
typedef void (*store_settings_fn)(const struct store_settings_result *result, void *arg);
void store_read_settings(struct store *store, store_settings_fn fn, void *arg);
struct store_audit_result {
    enum status status;
    const struct store_audit *items; /* newest first; borrowed */
    size_t n_items;
};
typedef void (*store_audit_fn)(const struct store_audit_result *result, void *arg);
void store_read_audit(struct store *store, size_t max_items, store_audit_fn fn, void *arg);

/* An exchange as it is kept, for those who may read what was said. Borrowed strings, none NULL. */
struct store_said {
    int64_t id;
    const char *robot;
    const char *conversation;
    const char *conversation_title; /* "" in a private chat */
    const char *user;               /* staff id, or the opaque sender id */
    const char *nick;               /* as it was then */
    const char *kind;
    const char *question;
    const char *answer;
    const char *provider;
    const char *model;
    const char *outcome;
    const char *reference;
    int64_t prompt_tokens; /* -1 unknown */
    int64_t completion_tokens;
    int64_t started_ms;
    int64_t ended_ms;
};
/* Which ones: all that is not "" or 0 has to hold. Texts are compared as they are. */
struct store_said_query {
    const char *user;
    const char *nick;
    const char *conversation;
    const char *conversation_title;
    int64_t from_ms; /* of the exchange's start */
    int64_t to_ms;   /* exclusive */
    bool is_newest_first;
    int64_t after_ms; /* goes on behind this exchange, in the same order; id 0: from the start */
    int64_t after_id;
    size_t max_items;  /* of one result; 0 is taken as 1 */
    int64_t max_bytes; /* of its questions and answers; at least one exchange comes in any case */
};
struct store_said_result {
    enum status status;
    const struct store_said *items; /* in the order of their start; borrowed */
    size_t n_items;
    bool has_more; /* there are further ones behind the last */
};
typedef void (*store_said_fn)(const struct store_said_result *result, void *arg);
void store_read_said(struct store *store, const struct store_said_query *query, store_said_fn fn,
                     void *arg);

/* Exchanges that go for good, a few in a transaction: those of a user (NULL: of everybody) that
 * began before before_ms (0: whenever). What was counted (days, months, models, groups) stays. */
struct store_forget {
    const char *user;
    int64_t before_ms;
};
typedef void (*store_forgotten_fn)(enum status status, int64_t n_exchanges, void *arg);
void store_forget(struct store *store, const struct store_forget *what, store_forgotten_fn fn,
                  void *arg);

/* Sums over a day or a month. */
struct store_usage {
    const char *id;   /* user, conversation or model; "" in sums over all */
    const char *name; /* the user's newest nick, the group's title; "" when unknown */
    int64_t requests;
    int64_t prompt_tokens;
    int64_t completion_tokens;
};
struct store_usage_query {
    const char *user; /* NULL: everybody, and the top lists */
    const char *day;  /* CLOCK_DAY_SIZE; its month is the month */
    size_t max_items; /* of each list */
};
struct store_usage_result {
    enum status status;
    struct store_usage day;
    struct store_usage month;
    int64_t n_users; /* who asked anything this month */
    /* Of the month, those with the most requests first; borrowed. */
    const struct store_usage *users;
    size_t n_users_listed;
    const struct store_usage *groups;
    size_t n_groups;
    const struct store_usage *models;
    size_t n_models;
};
typedef void (*store_usage_fn)(const struct store_usage_result *result, void *arg);
void store_read_usage(struct store *store, const struct store_usage_query *query, store_usage_fn fn,
                      void *arg);

/* Finished inbox rows older than before_ms are removed (they only serve de-duplication). */
void store_prune(struct store *store, int64_t before_ms, store_done_fn fn, void *arg);

/* Since the start, for the operator's graphs. May be read from any thread. */
struct store_stats {
    int64_t requests; /* answered, whatever the answer */
    int64_t commits;  /* one may have carried many requests */
    int64_t failures; /* requests answered with ST_STORE */
};
void store_get_stats(struct store *store, struct store_stats *ret_stats);

/* Finishes what was handed in, runs the callbacks that are still due, closes. Blocks until the
 * writer thread is through: for the very end only, and never from one of the store's callbacks.
 * What these hand in meanwhile is answered with ST_CANCELLED. NULL is fine. */
void store_close(struct store *store);

/* SQLite file at `path` (created with its tables; migrated). ST_STORE with a reason when it cannot
 * be used, e.g. because another process holds it or a newer program wrote it. */
enum status store_open_sqlite(struct loop *loop, const char *path, struct store **ret_store,
                              struct error *ret_err) DB_MUST_CHECK;

#endif
