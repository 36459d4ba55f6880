/* The inside of struct chat, shared by chat.c and the turns. Private to src/chat. */
#ifndef DB_CHAT_CHAT_STATE_H
#define DB_CHAT_CHAT_STATE_H

#include "chat/access.h"
#include "chat/chat.h"
#include "chat/settings.h"
#include "util/list.h"
#include "util/map.h"

struct chat {
    struct receiver receiver; /* first: platforms know the chat by this face */
    struct loop *loop;
    struct store *store;
    struct llm *llm;
    struct platform *platform;
    struct image_store *images;
    struct tools *tools;
    struct meter *meter;                   /* NULL: nothing is metered */
    const struct history_key *history_key; /* NULL: no links */
    struct settings *kept;
    struct chat_settings settings; /* what `kept` holds */
    struct access *access;

    struct map *lanes;      /* session key → struct lane */
    struct map *by_inbox;   /* inbox id → its open turn */
    struct list turns;      /* every turn there is */
    struct list want_place; /* turns waiting for an LLM place, in order */
    struct chat_stats stats;

    int64_t resume_after_id; /* how far the inbox has been read at start */
    bool is_resuming;
    bool is_resume_paused; /* enough turns in memory: goes on when some have ended */
    int resume_tries;
    struct timer *resume_timer;
    struct timer *prune_timer;

    bool is_draining;
    bool is_stopped;
    loop_fn drained;
    void *drained_arg;
    struct timer *drain_timer;
};

/* A turn gives its LLM place back: the next one waiting may go. */
void chat_release_place(struct chat *chat);
/* A turn has ended: goes on with resuming and draining. */
void chat_turn_ended(struct chat *chat);

#endif
