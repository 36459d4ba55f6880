/*
 * What somebody did with a card: the callback's JSON (DingTalk documentation KB-CARD07), which
 * comes in several shapes. Pure.
 */
#ifndef DB_DINGTALK_CARD_ACTION_H
#define DB_DINGTALK_CARD_ACTION_H

#include <stdbool.h>

#include "util/json.h"
#include "util/status.h"
#include "util/str.h"

struct card_action {
    json_t *root; /* owns the strings */
    json_t *content;
    const char *track_id; /* the card, by the id that we gave it */
    const char *user;     /* who did it: userid */
    bool is_stop;         /* the stop button, by the names that templates give it */
};

/* ST_INVAL for what is no card callback. */
enum status card_action_parse(struct str json, struct card_action *ret_action,
                              struct error *ret_err) DB_MUST_CHECK;
void card_action_done(struct card_action *action);

#endif
