/*
 * A chat between doubles: a store, an LLM and a platform that do nothing by themselves. Store and
 * platform answer at the end of the loop's turn unless they are told to hold their answer back; the
 * LLM says what the test lets it say.
 */
#ifndef DB_TESTS_CHAT_FIXTURE_H
#define DB_TESTS_CHAT_FIXTURE_H

#include "chat/chat.h"
#include "llm/llm.h"
#include "store/store_ops.h"
#include "util/buf.h"
#include "util/list.h"

#define FIXTURE_WAIT_MS 20000

enum store_call {
    CALL_ACCEPT,
    CALL_READ_SESSION,
    CALL_NOTE_PROGRESS,
    CALL_SETTLE,
    CALL_LOAD_UNFINISHED,
    CALL_READ_LAST,
    CALL_CHANGE_SETTINGS,
    CALL_READ_SETTINGS,
    CALL_READ_AUDIT,
    CALL_COUNT
};

struct fake_store {
    struct store store; /* first */
    int calls[CALL_COUNT];
    int failures[CALL_COUNT]; /* so many next calls answer ST_STORE */
    bool is_held[CALL_COUNT]; /* answers wait for fixture_release_store */
    struct list held;

    bool is_known;      /* accept answers ST_CONFLICT */
    bool is_over_limit; /* accept says so */
    struct store_session session;
    const char *last_question; /* NULL: there is none */
    char *unfinished_payload;  /* of every unfinished row */
    int64_t n_unfinished;
    char *unfinished_answer; /* NULL, or the answer that was under way */
    int unfinished_parts;

    const struct store_setting *settings; /* what an earlier run changed */
    size_t n_settings;
    struct store_audit audit; /* the newest entry, when it has a `who` */
    struct buf changed;       /* the last change: "list/item=value " for each, '-' for none */
    struct buf audited;       /* and its record */

    int64_t next_inbox_id;
    int64_t n_inbox;              /* accepted and not settled */
    struct store_arrival arrival; /* the last one; its strings are gone */
    /* The last settlement. */
    char kind[16]; /* "" when nothing was asked */
    char outcome[16];
    struct buf question;
    struct buf answer;
    bool in_context;
    enum store_session_change change;
    enum store_mode mode;
};

struct fake_llm {
    struct llm llm; /* first */
    uint64_t next_id;
    uint64_t id; /* of the exchange that runs; 0 */
    const struct llm_ask_handlers *handlers;
    llm_image_fn image;
    llm_balance_fn balance;
    void *arg;
    int asked, drawn, looked, cancelled, running, most_running;
    size_t n_messages; /* of the last question */
    struct buf question;
};

struct fake_platform {
    struct platform platform; /* first */
    bool is_held;             /* sinks do not end by themselves */
    int n_parts;              /* of every reply; 0 counts as 1 */
    enum status status;       /* of every delivery */
    int opened, begun, finished, failed, freed, parts_skipped;
    struct sink *sink; /* the newest */
    struct buf shown;  /* the newest reply */
    struct buf grown;
    enum reply_kind reply_kind;
};

struct fixture {
    char dir[64];
    struct loop *loop;
    struct work *work;
    struct image_store *images;
    struct fake_store store;
    struct fake_llm llm;
    struct fake_platform platform;
    struct chat_settings settings;
    struct chat *chat;
    int n_stored, n_known, n_not_stored;
    int next_msg;
};

/* For cmocka; *state is the fixture. Its chat is made by fixture_start, after the settings. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_start(struct fixture *f);
/* As at the end of the program; fixture_teardown does it where the test has not. */
void fixture_stop(struct fixture *f);

/* Hands in a message of this sender and returns at once. */
void fixture_type(struct fixture *f, const char *sender, const char *text);
/* Runs the loop until nothing is left to do but to wait. */
void fixture_settle(struct fixture *f);
/* Runs the loop until the condition holds; fails the test when it does not come. */
void fixture_wait(struct fixture *f, bool (*is_done)(void *arg));
bool fixture_has_no_turn(void *arg);

void fixture_release_store(struct fixture *f);
void fixture_release_sink(struct fixture *f);
void fixture_say(struct fixture *f, const char *text);
void fixture_end_answer(struct fixture *f, enum llm_failure failure);
void fixture_end_image(struct fixture *f, enum llm_failure failure);
void fixture_end_balance(struct fixture *f, const struct llm_balance *balance);

#endif
