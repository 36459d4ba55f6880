/*
 * WebSocket connections as a client (RFC 6455): libcurl resolves, connects, talks to proxies and
 * does TLS (verified, HTTP/1.1), websocket_protocol speaks. A connection is named by an id that is
 * never used again; everything is asynchronous, and every deadline is kept here.
 *
 * Text goes out, text or binary comes in; no extensions and no sub-protocols. PINGs are answered.
 */
#ifndef DB_NET_WEBSOCKET_H
#define DB_NET_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"
#include "util/status.h"
#include "util/str.h"

struct websocket_client;

struct websocket_request {
    const char *url; /* ws:// or wss:// without user-info and fragment. Its query is never logged */
    const char *const *headers; /* "Name: value" lines, NULL-terminated; may be NULL */
    const char *proxy;          /* NULL or "": a direct connection. HTTP proxies are asked for a
                                   tunnel, also for ws:// */
    size_t max_message_bytes;   /* of one message that comes in; 0 = 1 MiB */
    size_t max_queued_bytes;    /* of what waits to be sent; 0 = 4 MiB */
    int64_t connect_timeout_ms; /* from websocket_open to on_open; 0 = 10 s */
    int64_t ping_interval_ms;   /* a PING so often; no byte for two intervals is death. 0 = 20 s */
    int64_t close_timeout_ms;   /* from our close frame to the server's; 0 = 5 s */
};

struct websocket_handlers {
    /* At most once. Messages may be sent from now on. */
    void (*on_open)(uint64_t id, void *arg);
    /* A whole message, borrowed for the call; text is valid UTF-8. After websocket_close still for
     * what the server had sent before it closed. */
    void (*on_message)(uint64_t id, struct str message, bool is_text, void *arg);
    /*
     * Always, exactly once and last, also when the connection never opened; not after
     * websocket_cancel. The id is gone.
     *
     * ST_OK: the server closed, or agreed to our closing; `close_code` is its code (1005: it gave
     * none) and the text its reason. Otherwise `close_code` is the code we closed with when the
     * server broke the rules (1002, 1007, 1009), else 1006, and the error is one of
     *     ST_INVAL      the URL, the proxy's URL or a header cannot be used
     *     ST_NET        no connection, a proxy refused (407 …), or it broke
     *     ST_TLS        above all a certificate that is not trusted
     *     ST_DENIED, ST_UPSTREAM   the upgrade was refused; the code is the HTTP status (401, 403
     * is ST_DENIED) ST_PROTOCOL, ST_TOO_LARGE   the server broke the rules ST_TIMEOUT    not open
     * in time, silent for two intervals, or no answer to our closing ST_CANCELLED  websocket_close
     * before it was open
     */
    void (*on_close)(uint64_t id, const struct error *error, int close_code, void *arg);
};

/* The program must ignore SIGPIPE. user_agent is copied. */
enum status websocket_client_new(struct loop *loop, const char *user_agent,
                                 struct websocket_client **ret_client) DB_MUST_CHECK;
/* Cancels what is there. Not from inside a callback of this client. NULL is fine. */
void websocket_client_free(struct websocket_client *client);

/* Never fails at once: on_close tells. No callback comes before this returned, nor from inside any
 * other function of this face. `handlers` must live as long as the connection; the rest is copied.
 */
uint64_t websocket_open(struct websocket_client *client, const struct websocket_request *request,
                        const struct websocket_handlers *handlers, void *arg);

/* Queues a text message. ST_NOT_FOUND: no such id; ST_CONFLICT: not open yet, or closing; ST_INVAL:
 * not UTF-8; ST_LIMITED: max_queued_bytes wait already; ST_TOO_LARGE: it can never fit. */
enum status websocket_send(struct websocket_client *client, uint64_t id,
                           struct str text) DB_MUST_CHECK;
/* Closes in order: what is queued is sent, then a close frame with `code` (1000, 1001, 3000…4999),
 * then on_close when the server has answered or close_timeout_ms has passed. Unknown ids, and
 * closing twice, do nothing. */
void websocket_close(struct websocket_client *client, uint64_t id, int code);
/* Ends it at once and without any further callback. Unknown ids are ignored. */
void websocket_cancel(struct websocket_client *client, uint64_t id);

#endif
