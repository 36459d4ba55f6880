/* What is sent to a session webhook: title, mention and the JSON around a part. Pure. */
#ifndef DB_DINGTALK_WEBHOOK_BODY_H
#define DB_DINGTALK_WEBHOOK_BODY_H

#include "chat/platform.h"
#include "util/buf.h"
#include "util/status.h"

#define TITLE_CHARS_MAX 20

/* The first line of the markdown that says something, without its markup, of at most
 * TITLE_CHARS_MAX characters; "回复" when there is none. Appended to `out`. */
void webhook_title(struct str markdown, struct buf *out);

/*
 * The words that mention the asker, in front of a text: "@staffId\n\n" in groups, for people
 * without a staff id "@nick\n\n" by outgoing robots, and nothing at all in private chats and for
 * other people from outside. Appended to `out`. True when the id belongs into at.atUserIds as well.
 */
bool webhook_mention(const struct message *message, struct buf *out);

/* Appends the text with what DingTalk's JSON cannot hold (bytes that are not UTF-8, NULs) as
 * U+FFFD.
 */
void webhook_clean(struct str text, struct buf *out);

/* The message as JSON; `staff_id` NULL mentions nobody. ST_INVAL for text that is not UTF-8. */
enum status webhook_body(const char *title, struct str text, const char *staff_id,
                         struct buf *out) DB_MUST_CHECK;

/* How many bytes a text takes inside the JSON, as split_markdown wants to know it. */
size_t webhook_text_cost(struct str text);

#endif
