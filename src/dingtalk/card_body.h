/* The requests that make and change an interactive card, as JSON (DingTalk documentation KB-0777 …
 * KB-0791). Pure. */
#ifndef DB_DINGTALK_CARD_BODY_H
#define DB_DINGTALK_CARD_BODY_H

#include "chat/platform.h"
#include "util/buf.h"
#include "util/status.h"

struct card_template {
    const char *id;
    const char *content_key; /* the variable that streams */
    bool has_flow_status;    /* its layout follows the variable flowStatus */
};

/* The public card that DingTalk's own connector uses. */
extern const struct card_template card_template_auto;

#define CARD_TRACK_ID_SIZE 43

/* The card's id, always the same for the same message: so a restart finds the card it had made. */
void card_track_id(const struct message *message, char ret_id[CARD_TRACK_ID_SIZE]);
/* False for messages that no card can answer: private ones of people without a userid. */
bool card_is_possible(const struct message *message);

enum card_flow { CARD_FLOW_PROCESSING = 1, CARD_FLOW_INPUTTING = 2, CARD_FLOW_FINISHED = 3 };

/* Appended to `out`; ST_INVAL for texts that are not UTF-8. An empty text for card_flow_body leaves
 * what the card shows. */
enum status card_create_body(const struct card_template *card, const struct message *message,
                             const char *track_id, struct buf *out) DB_MUST_CHECK;
enum status card_stream_body(const struct card_template *card, const char *track_id,
                             struct str content, bool is_last, struct buf *out) DB_MUST_CHECK;
enum status card_flow_body(const struct card_template *card, const char *track_id,
                           enum card_flow flow, struct str content, struct buf *out) DB_MUST_CHECK;

#endif
