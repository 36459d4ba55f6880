/*
 * DingTalk's robot message (the body of a callback; later the inner data of a stream frame): JSON →
 * struct message. Fields: reference "Robot message body" of DingTalk's documentation, KB-0699,
 * KB-0718.
 */
#ifndef DB_DINGTALK_MESSAGE_H
#define DB_DINGTALK_MESSAGE_H

#include "chat/platform.h"
#include "util/status.h"
#include "util/str.h"

struct dingtalk_message;

/* ST_INVAL or ST_TOO_LARGE with a reason that holds none of the text. Unknown fields are ignored,
 * null is absent, numbers may be strings. Required: msgId, conversationId, a sender id, and (unless
 * it is a quota frame) msgtype and sessionWebhook. */
enum status dingtalk_message_parse(struct str json, struct dingtalk_message **ret_message,
                                   struct error *ret_err) DB_MUST_CHECK;
void dingtalk_message_free(struct dingtalk_message *message); /* NULL is fine */
/* Borrowed, as long as the message lives. */
const struct message *dingtalk_message_view(const struct dingtalk_message *message);
/* errorCode/errorMessage of a quota frame; 0 and "" otherwise. */
int64_t dingtalk_message_error_code(const struct dingtalk_message *message);
const char *dingtalk_message_error_text(const struct dingtalk_message *message);

#endif
