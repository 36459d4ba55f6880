/*
 * What of a session goes to the model: the newest unbroken run of its exchanges, as much as fits
 * the window. Pure.
 */
#ifndef DB_CHAT_CONTEXT_H
#define DB_CHAT_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "llm/llm.h"
#include "store/store.h"
#include "util/str.h"

struct context_limits {
    int64_t now_ms;        /* wall clock */
    int64_t timeout_ms;    /* a longer silence than this ends the run */
    int64_t budget_tokens; /* for everything but the answer */
    double token_ratio;    /* of the LLM's calibration */
};

/* An owned copy of the chosen exchanges, oldest first: question, answer, question, answer, … */
struct context {
    struct llm_message *messages;
    size_t n;
    int64_t newest_id;   /* of the newest chosen exchange; 0 when none was */
    int64_t room_tokens; /* estimate of what still fits the budget */
};

/* The oldest exchanges are left out until system prompt, context and question fit the budget. */
void context_select(const struct store_session *session, const struct context_limits *limits,
                    const char *system_prompt, struct str question, struct context *ret_context);
/* Drops the newest exchange. */
void context_drop_newest(struct context *context);
/* Drops the oldest exchanges until another text of that estimate fits the budget. */
void context_make_room(struct context *context, int64_t tokens);
/* Drops the older half. */
void context_halve(struct context *context);
void context_done(struct context *context);

/* The mode that holds now: a chosen one until timeout_ms after the last activity, then the default.
 */
enum store_mode context_mode(const struct store_session *session, enum store_mode fallback,
                             int64_t now_ms, int64_t timeout_ms);

#endif
