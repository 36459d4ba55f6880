/*
 * Where answers come from, whoever the provider is. A provider is a table of functions (`struct
 * llm_ops`): those that are asked over HTTP (endpoint.h), the built-in stand-in for trying things
 * out (demo.h), and a list of others (pool.h). A question, an image, a balance and a check are
 * exchanges: started with handlers, named by an id, ended by exactly one callback.
 */
#ifndef DB_LLM_LLM_H
#define DB_LLM_LLM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/status.h"
#include "util/str.h"

struct llm;

enum llm_role { LLM_SYSTEM, LLM_USER, LLM_ASSISTANT };

struct llm_message {
    enum llm_role role;
    const char *text; /* UTF-8 */
};

/* Why an exchange gave no (whole) answer: what a person can be told, and whether anybody can help
 * it. */
enum llm_failure {
    LLM_OK = 0,
    LLM_FAIL_AUTH,        /* key missing, wrong or without permission */
    LLM_FAIL_QUOTA,       /* balance or quota used up */
    LLM_FAIL_RATE,        /* too many requests, after the retries */
    LLM_FAIL_MODEL,       /* model or path not found */
    LLM_FAIL_TOO_LONG,    /* context too long for the model */
    LLM_FAIL_REFUSED,     /* content filter */
    LLM_FAIL_REQUEST,     /* another 4xx */
    LLM_FAIL_BUSY,        /* 5xx, overloaded */
    LLM_FAIL_CONNECT,     /* name, connection, proxy, TLS */
    LLM_FAIL_TIMEOUT,     /* no first byte, or silence in the middle */
    LLM_FAIL_CUT,         /* the stream ended in the middle */
    LLM_FAIL_GARBLED,     /* HTML, or anything else that is no answer */
    LLM_FAIL_EMPTY,       /* an answer without text */
    LLM_FAIL_THOUGHT_OUT, /* the answer budget went into reasoning: finish_reason length, no text */
    LLM_FAIL_TOO_LARGE,   /* the answer passed our own limit */
    LLM_FAIL_UNSUPPORTED, /* the provider has no such function (balance) */
    LLM_FAIL_CANCELLED,
    LLM_FAIL_INTERNAL,
};
/* Short English word for log lines ("auth", "quota", …). */
const char *llm_failure_name(enum llm_failure failure);

struct llm_usage {
    int64_t prompt_tokens;     /* -1 unknown */
    int64_t completion_tokens; /* -1 unknown */
};

/* The end of any exchange: failure LLM_OK, or why not with the operator's reason in `error`
 * (masked, no message texts). */
struct llm_outcome {
    enum llm_failure failure;
    struct error error;
    const char *peer_request_id; /* "" when the peer named none */
    int tries;                   /* requests made, repairs included */
};

struct llm_answer {
    struct llm_outcome outcome;
    bool is_partial;    /* text was handed out before the failure */
    bool is_length_cut; /* finish_reason length: the model's limit ended the text */
    struct llm_usage usage;
    const char *model;    /* the model that was asked; lives as long as the llm */
    const char *provider; /* the same */
};

struct llm_ask_handlers {
    /* A piece of the answer, UTF-8 text in whole characters. Reasoning never comes here. */
    void (*on_text)(uint64_t id, struct str text, void *arg);
    /* Optional: what was handed out so far was reasoning that nothing had announced. The answer
     * begins with the next piece. At most once. */
    void (*on_retract)(uint64_t id, void *arg);
    /* Exactly once, never before llm_ask returned, not after llm_cancel. */
    void (*on_done)(uint64_t id, const struct llm_answer *answer, void *arg);
};

struct llm_image {
    struct llm_outcome outcome;
    struct str bytes;         /* borrowed; recognised by its content */
    const char *content_type; /* "image/png", "image/jpeg", "image/gif", "image/webp" */
    const char *extension;    /* "png", "jpg", "gif", "webp" */
    const char *model;
    const char *provider;
};
typedef void (*llm_image_fn)(uint64_t id, const struct llm_image *image, void *arg);

enum llm_money { LLM_MONEY_UNKNOWN, LLM_MONEY_CNY, LLM_MONEY_USD };

/* One account line; providers with several currencies have several. */
struct llm_balance_line {
    enum llm_money money;
    bool has_total, has_used, has_left;
    bool is_unlimited;
    double total, used, left;
    int64_t expires_s; /* Unix seconds, 0 = never, -1 = unknown */
};
#define LLM_BALANCE_LINES_MAX 4
struct llm_balance {
    struct llm_outcome outcome; /* LLM_FAIL_UNSUPPORTED: this provider has no balance to ask for */
    const char *provider;       /* host asked, for the person */
    struct llm_balance_line lines[LLM_BALANCE_LINES_MAX];
    size_t n_lines;
};
typedef void (*llm_balance_fn)(uint64_t id, const struct llm_balance *balance, void *arg);

/* Does the endpoint answer, and does it know the model? */
struct llm_check {
    struct llm_outcome outcome;
    bool is_model_known; /* meaningful when has_model_list */
    bool has_model_list;
    char shutdown_date[16]; /* "" when not announced */
    char nearest[128];      /* a listed model of a similar name, or "" */
};
typedef void (*llm_check_fn)(uint64_t id, const struct llm_check *check, void *arg);

/* A model that can be chosen. */
struct llm_choice {
    const char *name;  /* what people call it */
    const char *model; /* what its provider calls it */
    int64_t rest_ms;   /* it keeps failing, and is left alone for so long; 0: it is not */
};

struct llm_stats {
    int64_t fallbacks; /* questions and images that went on to another model or key */
    int64_t rests;     /* how often a model or key was left alone */
    size_t resting;    /* models that are, now */
};

struct llm_ops {
    uint64_t (*ask)(struct llm *, const char *model, const struct llm_message *messages,
                    size_t n_messages, const struct llm_ask_handlers *, void *arg);
    uint64_t (*draw)(struct llm *, const char *prompt, llm_image_fn, void *arg);
    uint64_t (*balance)(struct llm *, llm_balance_fn, void *arg);
    uint64_t (*check)(struct llm *, llm_check_fn, void *arg);
    void (*cancel)(struct llm *, uint64_t id);
    /* Optional, of those that are several. */
    size_t (*choices)(const struct llm *, struct llm_choice *ret_choices, size_t max);
    void (*stats)(const struct llm *, struct llm_stats *ret_stats);
    void (*free)(struct llm *);
};

/* Embedded first in each provider's own struct. */
struct llm {
    const struct llm_ops *ops;
    const char *provider; /* "openai", "demo", … */
    const char *model;    /* asked for answers; borrowed from the provider's own copy */
    double token_ratio; /* llm_tokens calibration: real prompt tokens / estimate, 0.5…2.0, starts at
                           1 */
};

/* `messages` is copied; the handlers struct must live as long as the exchange. `model` is the name
 * of a choice that is asked first; NULL, or a name that is unknown: as configured. */
uint64_t llm_ask(struct llm *llm, const char *model, const struct llm_message *messages,
                 size_t n_messages, const struct llm_ask_handlers *handlers, void *arg);
uint64_t llm_draw(struct llm *llm, const char *prompt, llm_image_fn fn, void *arg);
uint64_t llm_balance(struct llm *llm, llm_balance_fn fn, void *arg);
uint64_t llm_check(struct llm *llm, llm_check_fn fn, void *arg);
/* What can be chosen from, the first one being asked where nothing is chosen; gives how many there
 * are of at most `max`. Borrowed from the llm. */
size_t llm_choices(const struct llm *llm, struct llm_choice *ret_choices, size_t max);
void llm_get_stats(const struct llm *llm, struct llm_stats *ret_stats);
/* Ends the exchange without a further callback; unknown ids are ignored. */
void llm_cancel(struct llm *llm, uint64_t id);
void llm_free(struct llm *llm); /* NULL is fine; cancels what runs */

#endif
