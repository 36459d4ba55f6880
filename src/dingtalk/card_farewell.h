/*
 * Ends cards whose answers go another way: nobody waits for it, and no card shall seem to type for
 * ever. A card is finalised with what it shows; where its layout follows flowStatus, that is set as
 * well. What DingTalk is too busy for is tried again some times, in the pace of all cards.
 */
#ifndef DB_DINGTALK_CARD_FAREWELL_H
#define DB_DINGTALK_CARD_FAREWELL_H

#include "dingtalk/api.h"
#include "dingtalk/card_body.h"
#include "dingtalk/card_pace.h"
#include "net/loop.h"
#include "util/list.h"

struct card_farewells {
    struct loop *loop;
    struct api *api;
    const struct card_template *card;
    struct card_pace *pace;
    int64_t throttle_rest_ms;
    int64_t retry_ms;
    struct list open; /* struct farewell */
};

/* Fill in the rest first; everything is borrowed. */
void card_farewells_init(struct card_farewells *farewells);
void card_farewells_done(struct card_farewells *farewells); /* drops what is under way, silently */
/* Copies both. */
void card_farewells_say(struct card_farewells *farewells, int app, const char *track_id,
                        struct str shown);

#endif
