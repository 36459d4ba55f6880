/*
 * One WebSocket as a client sees it (RFC 6455), without any socket: bytes of the server go in,
 * messages come out, and bytes for the server are taken away. No clock, no I/O: net/websocket adds
 * these. wslay cuts and masks the frames; what they mean is decided here.
 *
 *     UPGRADING ──→ OPEN ──→ CLOSING ──→ ENDED
 *         │          │ └────→ FAILED ──────↑
 *         └──────────┴─────────────────────┘
 *
 * Fragments are joined, PINGs answered, and what breaks the rules is answered with the close code
 * that the RFC has for it: 1002, 1007 (text that is no UTF-8), 1009 (too long).
 */
#ifndef DB_NET_WEBSOCKET_PROTOCOL_H
#define DB_NET_WEBSOCKET_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/status.h"
#include "util/str.h"

#define WEBSOCKET_HEAD_BYTES_MAX 16384 /* of the answer to our upgrade */

#define WEBSOCKET_CLOSE_NORMAL 1000
#define WEBSOCKET_CLOSE_PROTOCOL 1002
#define WEBSOCKET_CLOSE_NO_CODE 1005  /* the close frame held none; never sent */
#define WEBSOCKET_CLOSE_ABNORMAL 1006 /* there was no close frame; never sent */
#define WEBSOCKET_CLOSE_BAD_TEXT 1007
#define WEBSOCKET_CLOSE_TOO_BIG 1009

struct websocket_protocol;

enum websocket_phase {
    WEBSOCKET_UPGRADING,
    WEBSOCKET_OPEN,
    WEBSOCKET_CLOSING, /* our close frame is queued or sent; messages before theirs still arrive */
    WEBSOCKET_FAILED,  /* the server broke the rules: a close frame is queued, its bytes are thrown
                          away, and it should be given a moment to read why */
    WEBSOCKET_ENDED,   /* nothing more will come; something may still wait to be given */
};

struct websocket_events {
    void (*on_open)(void *arg);
    /* `message` is borrowed for the call. */
    void (*on_message)(struct str message, bool is_text, void *arg);
};

/* `request` is sent first, `key` is the one it holds; both are copied. A message longer than
 * max_message_bytes ends the connection; no more than max_queued_bytes of frames wait to be given,
 * but for a few control frames. */
struct websocket_protocol *websocket_protocol_new(struct str request, const char *key,
                                                  size_t max_message_bytes, size_t max_queued_bytes,
                                                  const struct websocket_events *events, void *arg);
void websocket_protocol_free(struct websocket_protocol *protocol); /* not within an event */

/* Bytes of the server, cut anywhere. Events are called from within. */
void websocket_protocol_take(struct websocket_protocol *protocol, struct str bytes);
/* The server's bytes ended. */
void websocket_protocol_take_end(struct websocket_protocol *protocol);
/* Moves up to `size` bytes for the server into ret_bytes; returns how many. */
size_t websocket_protocol_give(struct websocket_protocol *protocol, char *ret_bytes, size_t size);
bool websocket_protocol_has_to_give(const struct websocket_protocol *protocol);

/* Queues a text message. ST_CONFLICT unless OPEN, ST_INVAL when it is not UTF-8, ST_TOO_LARGE when
 * it can never fit, ST_LIMITED when it does not fit now. */
enum status websocket_protocol_send(struct websocket_protocol *protocol,
                                    struct str text) DB_MUST_CHECK;
/* Both do nothing unless OPEN. */
void websocket_protocol_ping(struct websocket_protocol *protocol);
void websocket_protocol_close(struct websocket_protocol *protocol, int code);

enum websocket_phase websocket_protocol_phase(const struct websocket_protocol *protocol);
/* Once FAILED or ENDED. ST_OK: the server sent its close frame; the text is then its reason. */
const struct error *websocket_protocol_error(const struct websocket_protocol *protocol);
/* The code of the server's close frame, of ours when FAILED, else WEBSOCKET_CLOSE_ABNORMAL. */
int websocket_protocol_close_code(const struct websocket_protocol *protocol);

#endif
