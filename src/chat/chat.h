/*
 * The life of messages: takes them from a platform, keeps them in the store, gets answers from the
 * LLM, hands them to the platform's sinks. One turn a message, one turn a session at a time.
 */
#ifndef DB_CHAT_CHAT_H
#define DB_CHAT_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chat/image_store.h"
#include "chat/platform.h"
#include "chat/policy.h"
#include "chat/template.h"
#include "chat/words.h"
#include "llm/llm.h"
#include "net/loop.h"
#include "store/store.h"
#include "tools/tools.h"

struct chat;

/* Who may choose a model for their session. */
enum chat_model_choice { CHAT_CHOICE_NOBODY, CHAT_CHOICE_ADMINS, CHAT_CHOICE_USERS };

struct chat_list {
    const char *const *items;
    size_t n;
};

enum chat_tools_for { CHAT_TOOLS_FOR_ALL, CHAT_TOOLS_FOR_ADMINS, CHAT_TOOLS_FOR_NOBODY };

/* Copied by those who take it. */
struct chat_settings {
    enum language language;
    bool is_chain_default;
    int64_t session_timeout_s;
    int64_t max_request;         /* questions and images per person and local day; 0 = no limit */
    int64_t max_question_tokens; /* 0 = no limit */
    int64_t max_text_tokens; /* window: system prompt, context, question and the answer's share */
    int64_t answer_tokens;   /* the answer's share; 0: a quarter of the window */
    size_t max_answer_bytes;
    size_t max_image_bytes;
    size_t max_pending;        /* turns in memory; further messages are not acknowledged */
    size_t llm_parallel;       /* LLM exchanges at once; further turns wait */
    const char *system_prompt; /* for the window's arithmetic; the provider sends it */
    const char *help;          /* "" or the operator's own help text */
    const char *service_url;   /* "" or where people reach /images */
    const struct template *templates;
    size_t n_templates;
    int64_t retention_days; /* exchanges older than that go; 0 = none */
    enum chat_model_choice model_choice;
    enum policy_chat_type chat_type;
    struct chat_list lists[POLICY_N_LISTS]; /* the operator's */
    enum chat_tools_for tools_for;
    struct chat_list words; /* that are not to be said; the operator's */
};

struct chat *chat_new(struct loop *loop, struct store *store, struct llm *llm,
                      struct platform *platform, struct image_store *images, struct tools *tools,
                      const struct chat_settings *settings);
/* After store_close: the store's callbacks reach into the turns. Cancels what runs; unfinished
 * turns stay in the inbox. */
void chat_free(struct chat *chat);

/* For what administrators ask about: the platform's metered calls, and what signs links to what was
 * said. Borrowed; NULL: none. */
struct meter;
struct history_key;
void chat_set_reports(struct chat *chat, struct meter *meter, const struct history_key *key);

/* From now on these settings count; turns that have begun go on. What sizes memory
 * (max_answer_bytes, max_image_bytes) keeps its value in them. */
void chat_apply(struct chat *chat, const struct chat_settings *settings);

/* The way in for platforms. */
struct receiver *chat_receiver(struct chat *chat);
/* Takes up what an earlier run acknowledged and did not finish, and lets go what is too old to be
 * kept. Once, at start. */
void chat_resume(struct chat *chat);
/* Takes no new messages; `done` fires when no turn is left or timeout_ms passed, whichever is
 * first. */
void chat_drain(struct chat *chat, int64_t timeout_ms, loop_fn done, void *arg);
/* From now on nothing moves: callbacks of store, LLM and sinks are ignored. Before store_close. */
void chat_stop(struct chat *chat);
/* Ends the running answer of a session, keeping what was said so far. False when none runs. */
bool chat_cancel_answer(struct chat *chat, const struct store_session_key *key);

struct chat_stats {
    int64_t received; /* messages handed in */
    int64_t duplicates;
    int64_t not_stored;
    int64_t answered; /* turns that ended delivered */
    int64_t failed;   /* turns whose LLM exchange failed */
    int64_t undelivered;
    int64_t refused; /* by the lists, or because the question is too long or has a sensitive word */
    int64_t refused_by_limit;
    size_t turns_open;
    size_t asking; /* LLM exchanges that run */
    struct llm_stats llm;
};
void chat_get_stats(const struct chat *chat, struct chat_stats *ret_stats);

#endif
