/*
 * A turn: the life of one message from its acceptance to the end of its inbox row. Private to
 * src/chat; commands move a turn on with exactly one of turn_say, turn_ask, turn_ask_again,
 * turn_draw, turn_look_up_balance.
 *
 *   ACCEPTING → WAITING → READING ┐
 *        │         └──────────────┴→ (route) → QUEUED → ASKING ──┐
 *        │                              ├────→ DRAWING ──────────┤
 *        │                              ├────→ LOOKING ──────────┤
 *        │                              ├────→ MANAGING ─────────┤
 *        │                              ├────→ RECALLING → QUEUED │
 *        │                              └────────────────────────┴→ DELIVERING → SETTLING →
 * FINISHED └→ FINISHED (known already, or not stored)
 */
#ifndef DB_CHAT_TURN_H
#define DB_CHAT_TURN_H

#include "chat/chat_state.h"
#include "chat/context.h"
#include "chat/filter.h"
#include "chat/lane.h"
#include "chat/message_record.h"
#include "chat/route.h"
#include "tools/target.h"
#include "util/buf.h"
#include "util/json.h"

enum turn_state {
    TURN_ACCEPTING, /* the store is writing it down */
    TURN_WAITING,   /* behind another turn of its session */
    TURN_READING,   /* its session is read again, because it had to wait */
    TURN_QUEUED,    /* for an LLM place */
    TURN_ASKING,
    TURN_DRAWING,
    TURN_LOOKING,   /* for the balance, a domain, a certificate */
    TURN_MANAGING,  /* what an administrator changes or reads */
    TURN_RECALLING, /* the last question is read */
    TURN_DELIVERING,
    TURN_SETTLING,
    TURN_FINISHED,
};

/* Whether a turn may go on. */
enum admission {
    TURN_ADMITTED,
    TURN_NOT_ALLOWED, /* by the lists */
    TURN_NOT_ADMIN,
    TURN_NO_TOOLS, /* they are off */
    TURN_TOO_LONG,
    TURN_SENSITIVE, /* a word that is not to be said */
};

#define TURN_REFERENCE_SIZE 11 /* ten hex digits and NUL */

struct turn {
    struct list node; /* chat->turns */
    struct list lane_node;
    struct list place_node; /* chat->want_place */
    struct chat *chat;
    struct lane *lane;     /* NULL before it is accepted and after its end */
    struct settings *kept; /* the route's template is of these */
    enum turn_state state;
    char reference[TURN_REFERENCE_SIZE]; /* what people are told and the log shows */
    int64_t arrived_ms;                  /* wall clock; of a resumed turn, in the earlier run */
    int64_t started_ms;                  /* wall clock, when its work began */

    json_t *record; /* owns the strings of message */
    struct message message;
    struct route route; /* borrows from message */

    bool is_held; /* not handed to the store before the lists have been asked for */
    receipt_fn receipt;
    void *receipt_arg;
    int64_t inbox_id;
    bool is_over_limit;
    enum admission admission;
    struct policy_judgement judgement;
    int64_t question_tokens;
    bool is_session_known;
    enum store_mode mode;        /* that holds for this turn */
    enum store_mode stored_mode; /* as chosen earlier; DEFAULT when that has expired */
    bool had_mode;               /* a chosen mode is stored, expired or not */
    struct context context;

    struct sink *sink;
    uint64_t llm_id;    /* 0: no exchange runs */
    uint64_t lookup_id; /* of a tool; 0: none runs */
    char looked_up[TARGET_HOST_SIZE];
    bool has_place;
    bool did_stop;       /* its arrival ended a running answer */
    int64_t replaces_id; /* the exchange whose question is asked again; 0 */
    struct buf picture;  /* as it was drawn, until it is shown */
    const char *picture_type;
    char *picture_name; /* in the image store; NULL when it could not be kept */
    int n_cuts;         /* how often the context was cut because the model found it too long */
    struct timer *retry_timer;
    int retries;

    const char *kind;      /* of the exchange; NULL: nothing was asked */
    struct buf question;   /* as sent to the model */
    struct buf answer;     /* as it came, masked */
    struct masker *masker; /* of the answer under way; NULL: no word is masked */
    struct buf shown;      /* what the person gets */
    enum reply_kind reply_kind;
    bool is_failure; /* the sink is told to fail, not to finish */
    int parts_done;
    bool is_answer_kept; /* the store has the whole text of the parts */
    const char *outcome;
    const char *model;    /* borrowed from the LLM */
    const char *provider; /* the same */
    enum llm_failure failure;
    struct llm_usage usage;
    char *wanted_model;    /* chosen for the session; NULL: none */
    const char *new_model; /* of the change; borrowed from the LLM, or "" */
    enum store_session_change change;
    enum store_mode new_mode;
};

/* A message from a platform. `receipt` is called when it is known whether it can be acknowledged.
 */
void turn_receive(struct chat *chat, const struct message *message, receipt_fn receipt,
                  void *receipt_arg);
/* The lists have been asked for: hands a turn that was held to the store. */
void turn_release(struct turn *turn);
/* A message of an earlier run. False when its record cannot be read. */
bool turn_resume(struct chat *chat, const struct store_unfinished *unfinished);
/* Something that the turn waited for has changed: its lane, or a place. */
void turn_step(struct turn *turn);
/* Asks now; chat calls it when a place is free. */
void turn_take_place(struct turn *turn);
/* Ends a running answer; what was said so far is kept and delivered. False when none runs. */
bool turn_cancel_answer(struct turn *turn);
/* At the very end: frees without delivering or settling. */
void turn_abandon(struct turn *turn);

/* For commands. `turn->shown` holds the words. */
void turn_say(struct turn *turn);
/* Ends the turn without a word. */
void turn_end_silently(struct turn *turn);
/* Appends a sentence to turn->shown. */
void turn_put(struct turn *turn, enum word word, const char *const *args);
void turn_ask(struct turn *turn, const char *kind); /* turn->question holds the question */
void turn_ask_again(struct turn *turn);             /* the session's last question */
void turn_draw(struct turn *turn, struct str prompt);
void turn_look_up_balance(struct turn *turn);

/* Between turn.c and turn_answer.c. */
extern const struct sink_handlers turn_sink_handlers;
void turn_set_state(struct turn *turn, enum turn_state state);
void turn_deliver(struct turn *turn);
void turn_stop_exchange(struct turn *turn);
/* The store did not do what it was asked: the turn is stepped again after a while, for as long as
 * the process lives. */
void turn_retry_later(struct turn *turn);
struct store_session_key turn_session_key(const struct turn *turn);

#endif
