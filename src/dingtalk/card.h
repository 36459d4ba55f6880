/*
 * Answers that grow as they are written: a platform around another one, whose sinks show answers of
 * the model in interactive cards and leave everything else, and what does not work, to the inner
 * one. A card is created when the answer begins, updated with its whole text in an even pace, and
 * finalised whatever happens; what is too long for it goes on as messages of the inner platform.
 *
 * Cards are named after their message, so that an answer taken up after a restart goes on in the
 * card it had. Nothing is said twice: a reply is in the card, or in messages, or in both with each
 * its own part.
 */
#ifndef DB_DINGTALK_CARD_H
#define DB_DINGTALK_CARD_H

#include "chat/platform.h"
#include "dingtalk/api.h"
#include "dingtalk/card_action.h"
#include "dingtalk/card_body.h"
#include "net/loop.h"

struct card_settings {
    struct card_template card;   /* strings are copied */
    int64_t update_interval_ms;  /* between two updates of one card */
    int64_t sparing_interval_ms; /* the same while calls are sparing */
    int64_t throttle_rest_ms;    /* all cards pause after DingTalk throttled one; default 2 s */
    int64_t retry_ms;            /* before a call that failed is made again; default 1 s */
    double calls_per_s;          /* of all cards together; default 15 of DingTalk's 20 */
    size_t max_bytes;            /* of a card's text; longer ones render blank on some clients */
};
#define CARD_SETTINGS_DEFAULT        \
    ((struct card_settings){         \
        .update_interval_ms = 500,   \
        .sparing_interval_ms = 3000, \
        .throttle_rest_ms = 2000,    \
        .retry_ms = 1000,            \
        .calls_per_s = 15,           \
        .max_bytes = 7500,           \
    })

/* Takes the inner platform over. Borrows loop and api. */
struct platform *card_platform_new(struct loop *loop, struct api *api, struct platform *inner,
                                   const struct card_settings *settings);
/* Somebody used a card: the one who asked may stop his answer. */
void card_platform_on_action(struct platform *platform, struct receiver *receiver,
                             const struct card_action *action);

#endif
