/*
 * The opening handshake of WebSockets (RFC 6455, section 4) as a client speaks it: our request, and
 * what a server's answer must hold. No extension and no sub-protocol is offered.
 */
#ifndef DB_NET_WEBSOCKET_HANDSHAKE_H
#define DB_NET_WEBSOCKET_HANDSHAKE_H

#include "net/url.h"
#include "util/buf.h"
#include "util/status.h"
#include "util/str.h"

#define WEBSOCKET_KEY_SIZE 25 /* 16 bytes in base64 and a NUL */

void websocket_handshake_key(char ret_key[WEBSOCKET_KEY_SIZE]); /* a fresh random one */

/* ws:// and wss:// without user-info or fragment. ST_INVAL with a reason. `ret_url` borrows from
 * `text`. */
enum status websocket_handshake_url(const char *text, struct url *ret_url,
                                    struct error *ret_err) DB_MUST_CHECK;
/* Appends the request. `headers` as in http_request, already checked. ST_TOO_LARGE past out's
 * maximum. */
enum status websocket_handshake_request(const struct url *url, const char *const *headers,
                                        const char *user_agent, const char *key,
                                        struct buf *out) DB_MUST_CHECK;

/* False as soon as `bytes`, the first ones of an answer, cannot begin an HTTP/1.1 answer. */
bool websocket_handshake_may_begin(struct str bytes);
/* `head` is one whole header with its empty line. ST_OK for an answer to go on after: a good 101,
 * or, with *ret_is_interim, a 1xx before the real one. A refusal is ST_DENIED (401, 403) or
 * ST_UPSTREAM with the HTTP status as code; a 101 that breaks the rules is ST_PROTOCOL. */
enum status websocket_handshake_check(struct str head, const char *key, bool *ret_is_interim,
                                      struct error *ret_err) DB_MUST_CHECK;

#endif
