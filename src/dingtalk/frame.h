/*
 * Frames of stream mode: one JSON object each way, whose `data` is JSON once more, inside a string
 * (DingTalk's stream protocol, "downstream frame" and "ack"). Pure.
 */
#ifndef DB_DINGTALK_FRAME_H
#define DB_DINGTALK_FRAME_H

#include "util/buf.h"
#include "util/status.h"
#include "util/str.h"

#define FRAME_TOPIC_MESSAGE "/v1.0/im/bot/messages/get"
#define FRAME_TOPIC_CARD "/v1.0/card/instances/callback"

enum frame_kind {
    FRAME_PING,
    FRAME_DISCONNECT, /* nothing more comes on this connection, which will be closed soon */
    FRAME_MESSAGE,
    FRAME_CARD,
    FRAME_EVENT,
    FRAME_SILENT, /* system frames that nobody answers */
    FRAME_UNKNOWN,
};

struct frame;

/* ST_INVAL or ST_TOO_LARGE, with a reason that holds nothing of the frame, for what is no frame. */
enum status frame_parse(struct str text, struct frame **ret_frame,
                        struct error *ret_err) DB_MUST_CHECK;
void frame_free(struct frame *frame); /* NULL is fine */

/* Borrowed, as long as the frame lives. */
enum frame_kind frame_kind_of(const struct frame *frame);
const char *frame_topic(const struct frame *frame);
const char *frame_message_id(const struct frame *frame); /* "" when the frame has none */
struct str frame_data(const struct frame *frame);        /* the inner JSON; "" when there is none */

/* The answer to a frame: `data` is JSON and goes out as a string. Appended to `out`. */
enum status frame_ack(const char *message_id, int code, const char *message, struct str data,
                      struct buf *out) DB_MUST_CHECK;

#endif
