#include "client_fixture.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_MS 20000

void fixture_begin_limited(struct fixture *fixture, peer_fn script, long max_parallel)
{
    *fixture = (struct fixture){0};
    assert_int_equal(loop_new(&fixture->loop), ST_OK);
    assert_int_equal(
        http_client_new(fixture->loop, "dingbridge/test", max_parallel, &fixture->client), ST_OK);
    fixture->server = scripted_server_new(script);
    (void)snprintf(fixture->url, sizeof(fixture->url), "http://127.0.0.1:%d/",
                   scripted_server_port(fixture->server));
}

void fixture_begin(struct fixture *fixture, peer_fn script)
{
    fixture_begin_limited(fixture, script, 100);
}

void fixture_end(struct fixture *fixture)
{
    http_client_free(fixture->client);
    loop_free(fixture->loop);
    scripted_server_free(fixture->server);
}

void trip_init(struct trip *trip, struct fixture *fixture)
{
    *trip = (struct trip){.fixture = fixture, .body = BUF_INIT(64 * 1024 * 1024)};
}

void trip_done(struct trip *trip)
{
    buf_done(&trip->body);
}

static void copy(struct str from, char ret_text[128])
{
    (void)snprintf(ret_text, 128, "%.*s", (int)from.n, from.p);
}

static void on_head(uint64_t id, const struct http_response *head, void *arg)
{
    struct trip *trip = arg;
    assert_true(trip->has_started);
    assert_int_equal(id, trip->id);
    assert_int_equal(trip->n_data + trip->n_done, 0);
    trip->n_heads++;
    trip->head_status = head->http_status;
    copy(head->content_type, trip->content_type);
    if (trip->on_head)
        trip->on_head(trip);
}

static enum status on_data(uint64_t id, struct str bytes, void *arg)
{
    struct trip *trip = arg;
    assert_int_equal(id, trip->id);
    assert_int_equal(trip->n_heads, 1);
    assert_int_equal(trip->n_done, 0);
    trip->n_data++;
    (void)buf_add_str(&trip->body, bytes);
    return trip->on_data ? trip->on_data(trip, bytes) : ST_OK;
}

static void on_done(uint64_t id, const struct http_response *response, void *arg)
{
    struct trip *trip = arg;
    trip->n_done++;
    trip->was_done_early = !trip->has_started;
    trip->http_status = response->http_status;
    trip->error = response->error;
    trip->retry_after_s = response->retry_after_s;
    trip->should_retry = response->should_retry;
    trip->bytes_received = response->bytes_received;
    copy(response->content_type, trip->content_type);
    copy(response->request_id, trip->request_id);
    if (!trip->want_stream)
        (void)buf_add_str(&trip->body, response->body);
    if (trip->on_done)
        trip->on_done(trip);
}

void trip_start(struct trip *trip, const struct http_request *request)
{
    static const struct http_handlers collecting = {.on_head = on_head, .on_done = on_done};
    static const struct http_handlers streaming = {
        .on_head = on_head, .on_data = on_data, .on_done = on_done};
    struct http_request full = *request;
    if (!full.url)
        full.url = trip->fixture->url;
    if (!full.method)
        full.method = "GET";
    trip->id = http_client_start(trip->fixture->client, &full,
                                 trip->want_stream ? &streaming : &collecting, trip);
    trip->has_started = true;
}

struct wait {
    const int *value;
    int least;
};

static bool has_arrived(void *arg)
{
    const struct wait *wait = arg;
    return *wait->value >= wait->least;
}

void run_until_at_least(struct fixture *fixture, const int *value, int least)
{
    struct wait wait = {value, least};
    assert_true(loop_run_until(fixture->loop, has_arrived, &wait, PATIENCE_MS));
}

void run_for_ms(struct fixture *fixture, int64_t ms)
{
    static const int never;
    struct wait wait = {&never, 1};
    assert_false(loop_run_until(fixture->loop, has_arrived, &wait, ms));
}

void trip_finish(struct trip *trip)
{
    run_until_at_least(trip->fixture, &trip->n_done, 1);
    assert_int_equal(trip->n_done, 1);
    assert_false(trip->was_done_early);
}

void trip_run(struct trip *trip, struct fixture *fixture, const struct http_request *request)
{
    trip_init(trip, fixture);
    trip_start(trip, request);
    trip_finish(trip);
}
