/* Connections over real sockets: what is said, how much of it, and how long it may take. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "util/clock.h"
#include "util/mem.h"
#include "websocket_fixture.h"

/* --- conversations -------------------------------------------------------------------------- */

static void send_hello(struct trip *trip)
{
    assert_int_equal(trip_send(trip, STR_LIT("你好")), ST_OK);
}

static void opens_talks_and_closes_in_order(void **state)
{
    static const char *const headers[] = {"X-One: 1", NULL};
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, serve_echo);
    trip_init(&trip, &fixture);
    trip.on_open = send_hello;
    trip.on_message = trip_close_normally;
    trip_open(&trip, &(struct websocket_request){.headers = headers});
    trip_finish(&trip);
    assert_int_equal(trip.n_messages, 1);
    assert_string_equal(buf_cstr(&trip.last), "你好");
    assert_true(trip.last_is_text);
    assert_int_equal(trip.error.status, ST_OK);
    assert_int_equal(trip.close_code, 1000);

    DB_CLEANUP(free_charp) char *sent = scripted_server_log(fixture.server);
    assert_ptr_equal(strstr(sent, "GET /connect?ticket=t HTTP/1.1\r\n"), sent);
    assert_non_null(strstr(sent, "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(sent, "\r\nUser-Agent: dingbridge/test\r\n"));
    trip_done(&trip);
    fixture_end(&fixture);
}

static void sending_and_closing_work_outside_of_callbacks(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, serve_echo);
    trip_init(&trip, &fixture);
    trip_open(&trip, &(struct websocket_request){0});
    assert_int_equal(trip_send(&trip, STR_LIT("too early")), ST_CONFLICT);
    run_until_at_least(&fixture, &trip.n_open, 1);
    for (int i = 1; i <= 3; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d", i);
        assert_int_equal(trip_send(&trip, str_of(text)), ST_OK);
        run_until_at_least(&fixture, &trip.n_messages, i);
        assert_string_equal(buf_cstr(&trip.last), text);
    }
    trip_close(&trip, 3001);
    trip_close(&trip, 3002);
    assert_int_equal(trip_send(&trip, STR_LIT("too late")), ST_CONFLICT);
    trip_finish(&trip);
    assert_int_equal(trip.error.status, ST_OK);
    assert_int_equal(trip.close_code, 3001);
    trip_close(&trip, 1000);
    websocket_cancel(fixture.client, trip.id);
    trip_done(&trip);
    fixture_end(&fixture);
}

static void connections_do_not_disturb_each_other(void **state)
{
    enum { N = 40 };
    struct fixture fixture;
    struct trip trips[N];
    fixture_begin(&fixture, serve_echo);
    for (int i = 0; i < N; i++) {
        trip_init(&trips[i], &fixture);
        trips[i].on_open = send_hello;
        trip_open(&trips[i], &(struct websocket_request){0});
    }
    for (int i = 0; i < N; i++)
        run_until_at_least(&fixture, &trips[i].n_messages, 1);
    assert_int_equal(scripted_server_most_at_once(fixture.server), N);
    for (int i = 0; i < N; i += 2)
        trip_close(&trips[i], 1000);
    for (int i = 0; i < N; i += 2)
        trip_finish(&trips[i]);
    for (int i = 1; i < N; i += 2) {
        assert_int_equal(trip_send(&trips[i], STR_LIT("still here")), ST_OK);
        run_until_at_least(&fixture, &trips[i].n_messages, 2);
        assert_int_equal(trips[i].n_closed, 0);
    }
    for (int i = 0; i < N; i++)
        trip_done(&trips[i]);
    fixture_end(&fixture);
}

static void say_answer_and_frames_at_once(struct peer *peer)
{
    struct buf bytes = BUF_INIT(4096);
    if (!peer_read_request(peer))
        return;
    answer_add(&bytes, request_key(buf_str(&peer->request)));
    frame_add(&bytes, FIN | TEXT, STR_LIT("glued"));
    frame_add_close(&bytes, 1001, "going");
    peer_say_bytes(peer, bytes.data, bytes.len);
    buf_done(&bytes);
    struct client_frame frame;
    if (peer_read_frame(peer, &frame)) {
        if (frame_close_code(&frame) == 1001)
            scripted_server_step(peer->server, 1);
        buf_done(&frame.payload);
    }
    peer_read_to_end(peer);
}

static void frames_glued_to_the_answer_are_not_lost(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, say_answer_and_frames_at_once);
    trip_run(&trip, &fixture, &(struct websocket_request){0});
    assert_int_equal(trip.n_messages, 1);
    assert_string_equal(buf_cstr(&trip.last), "glued");
    assert_int_equal(trip.error.status, ST_OK);
    assert_string_equal(trip.error.text, "going");
    assert_int_equal(trip.close_code, 1001);
    assert_true(step_reached(&fixture, 1)); /* our close frame arrived */
    trip_done(&trip);
    fixture_end(&fixture);
}

static void say_in_single_bytes(struct peer *peer)
{
    const int on = 1;
    struct buf bytes = BUF_INIT(4096);
    if (!peer_read_request(peer))
        return;
    (void)setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    answer_add(&bytes, request_key(buf_str(&peer->request)));
    frame_add(&bytes, TEXT, STR_LIT("一"));
    frame_add(&bytes, FIN | PING, STR_LIT("p"));
    frame_add(&bytes, FIN | CONTINUED, STR_LIT("二"));
    frame_add_close(&bytes, 1000, "");
    for (size_t i = 0; i < bytes.len; i++)
        peer_say_bytes(peer, bytes.data + i, 1);
    buf_done(&bytes);
    peer_read_to_end(peer);
}

static void bytes_that_trickle_in_are_put_together(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, say_in_single_bytes);
    trip_run(&trip, &fixture, &(struct websocket_request){0});
    assert_int_equal(trip.n_messages, 1);
    assert_string_equal(buf_cstr(&trip.last), "一二");
    assert_int_equal(trip.error.status, ST_OK);
    trip_done(&trip);
    fixture_end(&fixture);
}

/* --- sizes ---------------------------------------------------------------------------------- */

static void expect_frame(struct peer *peer, int first, struct str payload, int step)
{
    struct client_frame frame;
    if (!peer_read_frame(peer, &frame))
        return;
    if (frame.first == first && str_eq(buf_str(&frame.payload), payload))
        scripted_server_step(peer->server, step);
    buf_done(&frame.payload);
}

static void serve_large_messages(struct peer *peer)
{
    DB_CLEANUP(free_charp) char *text = xmalloc(MIB + 1);
    memset(text, 'm', MIB + 1);
    if (!peer_upgrade(peer))
        return;
    peer_say_frame(peer, TEXT, (struct str){text, MIB / 2});
    peer_say_frame(peer, FIN | PING, STR_LIT("between"));
    peer_say_frame(peer, CONTINUED, (struct str){text, MIB / 4});
    peer_say_frame(peer, FIN | CONTINUED, (struct str){text, MIB / 4});
    expect_frame(peer, FIN | PONG, STR_LIT("between"), 1);
    peer_say_frame(peer, FIN | TEXT, (struct str){text, MIB + 1});
    if (peer_wait(peer, 1))
        expect_frame(peer, FIN | CLOSE, STR_LIT("\x03\xf1"), 2);
}

static void one_mib_arrives_and_one_byte_more_is_refused_with_1009(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, serve_large_messages);
    trip_run(&trip, &fixture, &(struct websocket_request){0});
    assert_int_equal(trip.n_messages, 1);
    assert_int_equal(trip.last.len, MIB);
    assert_int_equal(trip.error.status, ST_TOO_LARGE);
    assert_int_equal(trip.close_code, 1009);
    assert_true(step_reached(&fixture, 2));
    trip_done(&trip);
    fixture_end(&fixture);
}

static void say_bad_text(struct peer *peer)
{
    if (!peer_upgrade(peer))
        return;
    peer_say_frame(peer, FIN | TEXT, STR_LIT("bad \xff"));
    expect_frame(peer, FIN | CLOSE, STR_LIT("\x03\xef"), peer->number);
    if (peer->number == 2)
        peer_read_to_end(peer); /* it does not care */
}

static void text_that_is_no_utf8_is_refused_with_1007(void **state)
{
    struct fixture fixture;
    fixture_begin(&fixture, say_bad_text);
    for (int i = 1; i <= 2; i++) {
        struct trip trip;
        trip_run(&trip, &fixture, &(struct websocket_request){.close_timeout_ms = 150});
        assert_int_equal(trip.n_messages, 0);
        assert_int_equal(trip.error.status, ST_PROTOCOL);
        assert_int_equal(trip.close_code, 1007);
        assert_true(step_reached(&fixture, i));
        trip_done(&trip);
    }
    fixture_end(&fixture);
}

static int64_t cpu_us(void)
{
    struct timespec used;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec * 1000000LL + used.tv_nsec / 1000;
}

#define N_BIG 6
#define BIG_BYTES (2 * MIB)

static void read_late(struct peer *peer)
{
    int small = 65536;
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    if (!peer_upgrade(peer) || !peer_wait(peer, 1))
        return;
    bool is_good = true;
    for (int i = 0; i < N_BIG; i++) {
        struct client_frame frame;
        if (!peer_read_frame(peer, &frame))
            return;
        is_good = is_good && frame.payload.len == BIG_BYTES;
        for (size_t at = 0; is_good && at < BIG_BYTES; at++)
            is_good = frame.payload.data[at] == (char)('a' + i);
        buf_done(&frame.payload);
    }
    peer_say_close(peer, is_good ? 1000 : 1011, "");
    peer_read_to_end(peer);
}

static void a_slow_reader_gets_all_and_the_queue_stays_within_its_limit(void **state)
{
    struct fixture fixture;
    struct trip trip;
    DB_CLEANUP(free_charp) char *text = xmalloc(BIG_BYTES);
    fixture_begin(&fixture, read_late);
    trip_init(&trip, &fixture);
    trip_open(&trip, &(struct websocket_request){.max_queued_bytes = N_BIG * (BIG_BYTES + 14)});
    run_until_at_least(&fixture, &trip.n_open, 1);
    for (int i = 0; i < N_BIG; i++) {
        memset(text, 'a' + i, BIG_BYTES);
        assert_int_equal(trip_send(&trip, (struct str){text, BIG_BYTES}), ST_OK);
    }
    assert_int_equal(trip_send(&trip, (struct str){text, BIG_BYTES}), ST_LIMITED);

    run_for_ms(&fixture, 100);
    int64_t before_us = cpu_us(); /* stuck, and quiet about it */
    run_for_ms(&fixture, 300);
    assert_true(cpu_us() - before_us < 40000);
    scripted_server_step(fixture.server, 1);
    trip_finish(&trip);
    assert_int_equal(trip.error.status, ST_OK);
    assert_int_equal(trip.close_code, 1000);
    trip_done(&trip);
    fixture_end(&fixture);
}

static void close_without_reading(struct peer *peer)
{
    if (!peer_upgrade(peer) || !peer_wait(peer, 1))
        return;
    peer_say_close(peer, 1001, "");
    (void)shutdown(peer->fd, SHUT_WR);
    (void)peer_wait(peer, 2);
}

static void a_server_that_closes_and_reads_nothing_is_left_after_the_deadline(void **state)
{
    struct fixture fixture;
    struct trip trip;
    DB_CLEANUP(free_charp) char *text = xcalloc(1, 16 * MIB);
    fixture_begin(&fixture, close_without_reading);
    trip_init(&trip, &fixture);
    trip_open(&trip,
              &(struct websocket_request){.max_queued_bytes = 17 * MIB, .close_timeout_ms = 400});
    run_until_at_least(&fixture, &trip.n_open, 1);
    assert_int_equal(trip_send(&trip, (struct str){text, 16 * MIB}), ST_OK);
    run_for_ms(&fixture, 100);
    int64_t before_us = cpu_us();
    scripted_server_step(fixture.server, 1);
    trip_finish(&trip);
    assert_true(cpu_us() - before_us < 40000);
    assert_int_equal(trip.error.status, ST_OK);
    assert_int_equal(trip.close_code, 1001);
    scripted_server_step(fixture.server, 2);
    trip_done(&trip);
    fixture_end(&fixture);
}

/* --- deadlines ------------------------------------------------------------------------------ */

static void serve_nothing(struct peer *peer)
{
    peer_read_to_end(peer);
}

static void a_server_that_never_answers_is_given_up(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, serve_nothing);
    int64_t began_ms = clock_mono_ms();
    trip_run(&trip, &fixture, &(struct websocket_request){.connect_timeout_ms = 150});
    assert_int_equal(trip.error.status, ST_TIMEOUT);
    assert_true(clock_mono_ms() - began_ms >= 50);
    trip_done(&trip);

    /* The TLS handshake is within the same limit. */
    char url[64];
    (void)snprintf(url, sizeof(url), "wss://127.0.0.1:%d/", scripted_server_port(fixture.server));
    trip_run(&trip, &fixture, &(struct websocket_request){.url = url, .connect_timeout_ms = 150});
    assert_int_equal(trip.error.status, ST_TIMEOUT);
    trip_done(&trip);
    fixture_end(&fixture);
}

/* TCP stays, nothing comes: what a half-open connection looks like. Step 1 is the test's; then
 * there is a last message, and our PINGs are counted from 2 on. */
static void fall_silent(struct peer *peer)
{
    struct client_frame frame;
    if (!peer_upgrade(peer) || !peer_wait(peer, 1))
        return;
    peer_say_frame(peer, FIN | TEXT, STR_LIT("last"));
    for (int n = 2; peer_read_frame(peer, &frame); n++) {
        if (frame.first == (FIN | PING))
            scripted_server_step(peer->server, n);
        buf_done(&frame.payload);
    }
}

static void a_server_that_falls_silent_is_dead_after_two_intervals(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, fall_silent);
    trip_init(&trip, &fixture);
    trip_open(&trip, &(struct websocket_request){.ping_interval_ms = 400});
    run_until_at_least(&fixture, &trip.n_open, 1);
    run_for_ms(&fixture, 200); /* so that it does not die together with a PING */
    scripted_server_step(fixture.server, 1);
    run_until_at_least(&fixture, &trip.n_messages, 1);
    int64_t began_ms = clock_mono_ms();
    trip_finish(&trip);
    int64_t took_ms = clock_mono_ms() - began_ms;
    assert_int_equal(trip.error.status, ST_TIMEOUT);
    assert_int_equal(trip.close_code, 1006);
    assert_true(took_ms >= 700 && took_ms < 960);
    assert_true(step_reached(&fixture, 2)); /* it was asked before */
    trip_done(&trip);
    fixture_end(&fixture);
}

static void pongs_keep_a_quiet_connection_alive(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, serve_echo);
    trip_init(&trip, &fixture);
    trip_open(&trip, &(struct websocket_request){.ping_interval_ms = 150});
    run_until_at_least(&fixture, &trip.n_open, 1);
    run_for_ms(&fixture, 900);
    assert_int_equal(trip.n_closed, 0);
    trip_close(&trip, 1000);
    trip_finish(&trip);
    assert_int_equal(trip.error.status, ST_OK);
    trip_done(&trip);
    fixture_end(&fixture);
}

static void hear_the_rest(struct peer *peer)
{
    if (peer_upgrade(peer))
        peer_read_to_end(peer);
}

static void a_close_without_answer_has_a_deadline(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, hear_the_rest);
    trip_init(&trip, &fixture);
    trip.on_open = trip_close_normally;
    trip_open(&trip, &(struct websocket_request){.close_timeout_ms = 150});
    trip_finish(&trip);
    assert_int_equal(trip.error.status, ST_TIMEOUT);
    assert_int_equal(trip.close_code, 1006);
    trip_done(&trip);
    fixture_end(&fixture);
}

static void waiting_takes_no_processor_time(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, serve_echo);
    trip_init(&trip, &fixture);
    trip_open(&trip, &(struct websocket_request){0});
    run_until_at_least(&fixture, &trip.n_open, 1);
    int64_t before_us = cpu_us();
    run_for_ms(&fixture, 400);
    assert_true(cpu_us() - before_us < 40000);
    trip_done(&trip);
    fixture_end(&fixture);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_talks_and_closes_in_order),
        cmocka_unit_test(sending_and_closing_work_outside_of_callbacks),
        cmocka_unit_test(connections_do_not_disturb_each_other),
        cmocka_unit_test(frames_glued_to_the_answer_are_not_lost),
        cmocka_unit_test(bytes_that_trickle_in_are_put_together),
        cmocka_unit_test(one_mib_arrives_and_one_byte_more_is_refused_with_1009),
        cmocka_unit_test(text_that_is_no_utf8_is_refused_with_1007),
        cmocka_unit_test(a_slow_reader_gets_all_and_the_queue_stays_within_its_limit),
        cmocka_unit_test(a_server_that_closes_and_reads_nothing_is_left_after_the_deadline),
        cmocka_unit_test(a_server_that_never_answers_is_given_up),
        cmocka_unit_test(a_server_that_falls_silent_is_dead_after_two_intervals),
        cmocka_unit_test(pongs_keep_a_quiet_connection_alive),
        cmocka_unit_test(a_close_without_answer_has_a_deadline),
        cmocka_unit_test(waiting_takes_no_processor_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
