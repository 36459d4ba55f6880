/*
 * Messages that need no session webhook: robot/oToMessages/batchSend and robot/groupMessages/send
 * (DingTalk documentation KB-0714, KB-0716). Metered, and without mentions. Pure.
 */
#ifndef DB_DINGTALK_PROACTIVE_H
#define DB_DINGTALK_PROACTIVE_H

#include "dingtalk/api.h"
#include "dingtalk/webhook_answer.h"
#include "util/buf.h"

/* Bytes of msgParam that DingTalk takes, with room for what escaping adds to the limit's own count.
 */
#define PROACTIVE_PARAM_BYTES_MAX 14500

struct proactive_target {
    const char *robot;
    const char *conversation; /* of a group; "" sends to the person */
    const char *staff_id;
};
/* False when there is nobody to send to. */
bool proactive_is_possible(const struct proactive_target *target);
const char *proactive_path(const struct proactive_target *target);
/* Appends the request's JSON. ST_INVAL for text that is not UTF-8. */
enum status proactive_body(const struct proactive_target *target, const char *title,
                           struct str markdown, struct buf *out) DB_MUST_CHECK;
/* The same words as for the webhook: what the sender is to do next. */
enum webhook_answer proactive_answer_read(const struct api_answer *answer, struct error *ret_err);

#endif
