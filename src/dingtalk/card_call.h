/* The calls that a card is made of: what goes where, and under which name it is counted. */
#ifndef DB_DINGTALK_CARD_CALL_H
#define DB_DINGTALK_CARD_CALL_H

#include "dingtalk/api.h"
#include "dingtalk/card_body.h"

enum card_call { CALL_NONE, CALL_CREATE, CALL_BEGIN_FLOW, CALL_UPDATE, CALL_CLOSE, CALL_END_FLOW };

/* For meter and log. */
const char *card_call_name(enum card_call kind);

/* True when the same call may do better a little later. */
bool card_call_is_worth_repeating(enum api_result result);

/* Makes the call; 0 when its body could not be written (a text that is not UTF-8). `text` is what
 * the card is to show; of CALL_CREATE the whole body; CALL_BEGIN_FLOW shows nothing. */
uint64_t card_call_send(struct api *api, int app, const struct card_template *card,
                        const char *track_id, enum card_call kind, struct str text, api_fn fn,
                        void *arg);

#endif
