/*
 * What DingTalk's answer to a session webhook's message means. Failures come with HTTP 200 and an
 * errcode, a number or one in quotes (DingTalk documentation KB-0717). Pure.
 */
#ifndef DB_DINGTALK_WEBHOOK_ANSWER_H
#define DB_DINGTALK_WEBHOOK_ANSWER_H

#include "net/http_client.h"
#include "util/status.h"

enum webhook_answer {
    WEBHOOK_DELIVERED,
    WEBHOOK_BUSY,      /* not taken: again after a short while */
    WEBHOOK_UNCERTAIN, /* sent and not heard of: once again, since a loss is worse than a repeat */
    WEBHOOK_THROTTLED, /* again after a long while; every attempt counts against the rate */
    WEBHOOK_TOO_LONG,
    WEBHOOK_EXPIRED,
    WEBHOOK_REFUSED, /* the content did not pass DingTalk's check */
    WEBHOOK_FAILED,
};

/* `ret_err` is filled for everything but WEBHOOK_DELIVERED: the status the reply ends with when
 * nothing helps, and DingTalk's code. */
enum webhook_answer webhook_answer_read(const struct http_response *response,
                                        struct error *ret_err);

#endif
