/* A loop, a WebSocket client and a scripted server for tests, and one connection's fate. */
#ifndef DB_TESTS_WEBSOCKET_FIXTURE_H
#define DB_TESTS_WEBSOCKET_FIXTURE_H

#include "net/websocket.h"
#include "websocket_frames.h"

#define MIB ((size_t)1024 * 1024)
#define PATIENCE_MS 20000

struct fixture {
    struct loop *loop;
    struct websocket_client *client;
    struct scripted_server *server;
    char url[128];
};

/* What came of one connection. Set the hooks before trip_open. */
struct trip {
    struct fixture *fixture;
    uint64_t id;
    bool has_started; /* websocket_open has returned */
    bool is_inside;   /* a function of the face is on the stack */
    int n_open, n_messages, n_closed;
    struct error error;
    int close_code;
    struct buf last; /* the newest message */
    bool last_is_text;
    void (*on_open)(struct trip *trip);
    void (*on_message)(struct trip *trip);
    void (*on_close)(struct trip *trip);
    struct trip *next; /* the test's own */
};

void fixture_begin(struct fixture *fixture, peer_fn script);
void fixture_end(struct fixture *fixture);

void trip_init(struct trip *trip, struct fixture *fixture);
void trip_done(struct trip *trip);
/* A NULL URL stands for the fixture's. */
void trip_open(struct trip *trip, const struct websocket_request *request);
enum status trip_send(struct trip *trip, struct str text);
void trip_close(struct trip *trip, int code);
void trip_close_normally(struct trip *trip); /* for a hook */
/* Runs the loop until the connection has ended; fails the test after PATIENCE_MS. */
void trip_finish(struct trip *trip);
/* init, open, finish. */
void trip_run(struct trip *trip, struct fixture *fixture, const struct websocket_request *request);

/* Runs the loop until *value is at least `least`; fails the test after PATIENCE_MS. */
void run_until_at_least(struct fixture *fixture, const int *value, int least);
/* Lets the loop run for a while in which something must not happen. */
void run_for_ms(struct fixture *fixture, int64_t ms);
/* Waits until the server's script has come to the step. */
bool step_reached(struct fixture *fixture, int step);

/* A script: answers every text with the same one, a PING with a PONG, a close frame with its code.
 */
void serve_echo(struct peer *peer);

#endif
