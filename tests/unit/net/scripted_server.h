/*
 * A TCP server for tests: every connection runs a script of the test's in a thread of its own, with
 * raw bytes and blocking calls. Scripts and the test meet at steps: a script waits until the test
 * has announced the step, so that nothing depends on how fast either is.
 */
#ifndef DB_TESTS_SCRIPTED_SERVER_H
#define DB_TESTS_SCRIPTED_SERVER_H

#include <stdbool.h>

#include "util/buf.h"

struct scripted_server;

struct peer {
    struct scripted_server *server;
    int fd;
    int number;         /* of the connection, from 1 */
    struct buf request; /* what peer_read_request read last, head and body */
    struct buf unread;  /* bytes behind it */
};

typedef void (*peer_fn)(struct peer *peer);

struct scripted_server *scripted_server_new(peer_fn script);
/* Ends waiting scripts and waits for all of them. */
void scripted_server_free(struct scripted_server *server);
int scripted_server_port(const struct scripted_server *server);
int scripted_server_connections(struct scripted_server *server); /* accepted so far */
int scripted_server_most_at_once(struct scripted_server *server);
/* All requests read so far, one after another; the caller frees it. */
char *scripted_server_log(struct scripted_server *server);

/* The test announces steps; peer_wait returns false when the server is going away instead. */
void scripted_server_step(struct scripted_server *server, int step);
bool peer_wait(struct peer *peer, int step);

/* A head and, as Content-Length says, its body. False at the end of the connection. */
bool peer_read_request(struct peer *peer);
bool peer_read_bytes(struct peer *peer, void *ret_bytes, size_t n);
void peer_say(struct peer *peer, const char *text);
void peer_say_bytes(struct peer *peer, const void *bytes, size_t n);
/* Returns when the other side has closed the connection. */
void peer_read_to_end(struct peer *peer);
/* The connection ends with a reset. */
void peer_reset(struct peer *peer);
/* The rest of the request's first line after the method: what the client asked for. */
bool peer_wants(const struct peer *peer, const char *target);

#endif
