#include "websocket_fixture.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

void fixture_begin(struct fixture *fixture, peer_fn script)
{
    *fixture = (struct fixture){0};
    assert_int_equal(loop_new(&fixture->loop), ST_OK);
    assert_int_equal(websocket_client_new(fixture->loop, "dingbridge/test", &fixture->client),
                     ST_OK);
    fixture->server = scripted_server_new(script);
    (void)snprintf(fixture->url, sizeof(fixture->url), "ws://127.0.0.1:%d/connect?ticket=t",
                   scripted_server_port(fixture->server));
}

void fixture_end(struct fixture *fixture)
{
    websocket_client_free(fixture->client);
    loop_free(fixture->loop);
    scripted_server_free(fixture->server);
}

static void on_open(uint64_t id, void *arg)
{
    struct trip *trip = arg;
    assert_true(trip->has_started && !trip->is_inside);
    assert_int_equal(id, trip->id);
    assert_int_equal(trip->n_open + trip->n_messages + trip->n_closed, 0);
    trip->n_open++;
    if (trip->on_open)
        trip->on_open(trip);
}

static void on_message(uint64_t id, struct str message, bool is_text, void *arg)
{
    struct trip *trip = arg;
    assert_true(!trip->is_inside);
    assert_int_equal(id, trip->id);
    assert_int_equal(trip->n_open, 1);
    assert_int_equal(trip->n_closed, 0);
    trip->n_messages++;
    trip->last_is_text = is_text;
    buf_clear(&trip->last);
    (void)buf_add_str(&trip->last, message);
    if (trip->on_message)
        trip->on_message(trip);
}

static void on_close(uint64_t id, const struct error *error, int close_code, void *arg)
{
    struct trip *trip = arg;
    assert_true(trip->has_started && !trip->is_inside);
    assert_int_equal(id, trip->id);
    trip->n_closed++;
    trip->error = *error;
    trip->close_code = close_code;
    assert_int_equal(websocket_send(trip->fixture->client, id, STR_LIT("x")), ST_NOT_FOUND);
    if (trip->on_close)
        trip->on_close(trip);
}

static const struct websocket_handlers handlers = {on_open, on_message, on_close};

void trip_init(struct trip *trip, struct fixture *fixture)
{
    *trip = (struct trip){.fixture = fixture, .last = BUF_INIT(64 * MIB)};
}

void trip_done(struct trip *trip)
{
    buf_done(&trip->last);
}

void trip_open(struct trip *trip, const struct websocket_request *request)
{
    struct websocket_request full = *request;
    if (!full.url)
        full.url = trip->fixture->url;
    trip->id = websocket_open(trip->fixture->client, &full, &handlers, trip);
    trip->has_started = true;
}

enum status trip_send(struct trip *trip, struct str text)
{
    trip->is_inside = true;
    enum status status = websocket_send(trip->fixture->client, trip->id, text);
    trip->is_inside = false;
    return status;
}

void trip_close(struct trip *trip, int code)
{
    trip->is_inside = true;
    websocket_close(trip->fixture->client, trip->id, code);
    trip->is_inside = false;
}

void trip_close_normally(struct trip *trip)
{
    trip_close(trip, 1000);
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
    run_until_at_least(trip->fixture, &trip->n_closed, 1);
    assert_int_equal(trip->n_closed, 1);
}

void trip_run(struct trip *trip, struct fixture *fixture, const struct websocket_request *request)
{
    trip_init(trip, fixture);
    trip_open(trip, request);
    trip_finish(trip);
}

bool step_reached(struct fixture *fixture, int step)
{
    struct peer probe = {.server = fixture->server};
    return peer_wait(&probe, step);
}

void serve_echo(struct peer *peer)
{
    struct client_frame frame;
    if (!peer_upgrade(peer))
        return;
    for (bool is_over = false; !is_over && peer_read_frame(peer, &frame);) {
        is_over = frame.first == (FIN | CLOSE);
        if (frame.first == (FIN | PING))
            frame.first = FIN | PONG;
        peer_say_frame(peer, frame.first, buf_str(&frame.payload));
        buf_done(&frame.payload);
    }
    peer_read_to_end(peer);
}
