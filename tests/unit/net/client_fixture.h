/* A loop, a client and a scripted server for tests of http_client, and one request's fate. */
#ifndef DB_TESTS_CLIENT_FIXTURE_H
#define DB_TESTS_CLIENT_FIXTURE_H

#include "net/http_client.h"
#include "scripted_server.h"

struct fixture {
    struct loop *loop;
    struct http_client *client;
    struct scripted_server *server;
    char url[128]; /* http://127.0.0.1:PORT/ */
};

/* What came of one request. Set the hooks before trip_start. */
struct trip {
    struct fixture *fixture;
    uint64_t id;
    void (*on_head)(struct trip *trip);
    enum status (*on_data)(struct trip *trip, struct str bytes);
    void (*on_done)(struct trip *trip);
    void *arg; /* the test's own */
    bool want_stream;

    int n_heads, n_data, n_done;
    bool has_started; /* trip_start has returned */
    bool was_done_early;
    int http_status;
    int head_status; /* what on_head was told */
    struct error error;
    struct buf body; /* collected or streamed */
    char content_type[128];
    char request_id[128];
    double retry_after_s;
    int should_retry;
    int64_t bytes_received;
};

void fixture_begin(struct fixture *fixture, peer_fn script);
void fixture_begin_limited(struct fixture *fixture, peer_fn script, long max_parallel);
void fixture_end(struct fixture *fixture);

void trip_init(struct trip *trip, struct fixture *fixture);
void trip_done(struct trip *trip);
/* A NULL URL or method stands for the fixture's URL and GET. */
void trip_start(struct trip *trip, const struct http_request *request);
/* Runs the loop until the trip has ended; fails the test after 20 s. */
void trip_finish(struct trip *trip);
/* init, start, finish of a plain GET with these limits. */
void trip_run(struct trip *trip, struct fixture *fixture, const struct http_request *request);
/* Runs the loop until *value is at least `least`; fails the test after 20 s. */
void run_until_at_least(struct fixture *fixture, const int *value, int least);
/* Lets the loop run for a while in which something must not happen. */
void run_for_ms(struct fixture *fixture, int64_t ms);

#endif
