/* How connections end: cut, refused, closed or cancelled, in every state. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "util/clock.h"
#include "util/mem.h"
#include "websocket_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- cut and refused ------------------------------------------------------------------------ */

static size_t cut_at;
static size_t whole_size;

static void say_until_the_cut(struct peer *peer)
{
    struct buf bytes = BUF_INIT(4096);
    if (!peer_read_request(peer))
        return;
    answer_add(&bytes, request_key(buf_str(&peer->request)));
    frame_add(&bytes, TEXT, STR_LIT("one "));
    frame_add(&bytes, FIN | PING, STR_LIT("p"));
    frame_add(&bytes, FIN | CONTINUED, STR_LIT("two"));
    frame_add_close(&bytes, 1000, "ok");
    whole_size = bytes.len;
    peer_say_bytes(peer, bytes.data, cut_at < bytes.len ? cut_at : bytes.len);
    buf_done(&bytes);
    if (cut_at % 2)
        peer_reset(peer);
}

static void a_stream_cut_at_any_byte_ends_once_and_with_an_error(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, say_until_the_cut);
    whole_size = SIZE_MAX;
    for (cut_at = 0; cut_at < whole_size; cut_at++) {
        trip_run(&trip, &fixture, &(struct websocket_request){0});
        assert_int_equal(trip.error.status, ST_NET);
        assert_true(trip.error.text[0] != '\0');
        assert_int_equal(trip.close_code, 1006);
        if (trip.n_messages > 0)
            assert_string_equal(buf_cstr(&trip.last), "one two");
        trip_done(&trip);
    }
    assert_true(whole_size > 140);
    cut_at = (whole_size + 2) & ~(size_t)1; /* whole, and no reset */
    trip_run(&trip, &fixture, &(struct websocket_request){0});
    assert_int_equal(trip.error.status, ST_OK);
    trip_done(&trip);
    fixture_end(&fixture);
}

static const char *refusal;

static void refuse(struct peer *peer)
{
    if (peer_read_request(peer))
        peer_say(peer, refusal);
}

static void a_refused_upgrade_tells_its_http_status(void **state)
{
    static const struct {
        const char *answer;
        enum status status;
        int code;
    } cases[] = {
        {"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno", ST_DENIED, 401},
        {"HTTP/1.1 403 No\r\n\r\n", ST_DENIED, 403},
        {"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", ST_UPSTREAM, 302},
        {"HTTP/1.1 500 Broken\r\n\r\n", ST_UPSTREAM, 500},
        {"SSH-2.0-OpenSSH\r\n", ST_PROTOCOL, 0},
    };
    struct fixture fixture;
    fixture_begin(&fixture, refuse);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct trip trip;
        refusal = cases[i].answer;
        trip_run(&trip, &fixture, &(struct websocket_request){0});
        assert_int_equal(trip.n_open, 0);
        assert_int_equal(trip.error.status, cases[i].status);
        assert_int_equal(trip.error.code, cases[i].code);
        assert_int_equal(trip.close_code, 1006);
        trip_done(&trip);
    }
    fixture_end(&fixture);
}

static void a_port_without_a_server_is_an_error(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, serve_echo);
    struct scripted_server *gone = scripted_server_new(serve_echo);
    char url[64];
    (void)snprintf(url, sizeof(url), "ws://127.0.0.1:%d/", scripted_server_port(gone));
    scripted_server_free(gone);
    trip_run(&trip, &fixture, &(struct websocket_request){.url = url});
    assert_int_equal(trip.error.status, ST_NET);
    trip_done(&trip);
    fixture_end(&fixture);
}

static void what_cannot_be_asked_for_is_told_by_on_close(void **state)
{
    static const char *const bad_headers[] = {"X: a\r\nY: b", NULL};
    static const struct websocket_request requests[] = {
        {.url = "http://127.0.0.1/"}, {.url = "ws://user:s3cret@127.0.0.1/"}, {.url = "nonsense"},
        {.headers = bad_headers},     {.proxy = "ftp://127.0.0.1/"},
    };
    struct fixture fixture;
    fixture_begin(&fixture, serve_echo);
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct trip trip;
        trip_run(&trip, &fixture, &requests[i]);
        assert_int_equal(trip.error.status, ST_INVAL);
        assert_null(strstr(trip.error.text, "s3cret"));
        trip_done(&trip);
    }
    assert_int_equal(scripted_server_connections(fixture.server), 0);
    fixture_end(&fixture);
}

/* --- proxies -------------------------------------------------------------------------------- */

static void a_proxys_refusal_is_told_as_the_proxys(void **state)
{
    struct fixture fixture;
    struct trip trip;
    char proxy[64];
    fixture_begin(&fixture, refuse);
    (void)snprintf(proxy, sizeof(proxy), "http://user:s3cret@127.0.0.1:%d",
                   scripted_server_port(fixture.server));
    refusal = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
              "Content-Length: 2\r\nConnection: close\r\n\r\nno";
    trip_run(&trip, &fixture,
             &(struct websocket_request){.url = "ws://far.example/", .proxy = proxy});
    assert_int_equal(trip.error.status, ST_NET);
    assert_int_equal(trip.error.code, 407);
    assert_null(strstr(trip.error.text, "s3cret"));
    trip_done(&trip);

    refusal = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n";
    trip_run(&trip, &fixture,
             &(struct websocket_request){.url = "wss://far.example/", .proxy = proxy});
    assert_int_equal(trip.error.status, ST_NET);
    assert_int_equal(trip.error.code, 403);
    trip_done(&trip);

    DB_CLEANUP(free_charp) char *sent = scripted_server_log(fixture.server);
    assert_non_null(strstr(sent, "CONNECT far.example:80 HTTP/1.1\r\n"));
    assert_non_null(strstr(sent, "CONNECT far.example:443 HTTP/1.1\r\n"));
    assert_null(strstr(sent, "Sec-WebSocket-Key"));
    fixture_end(&fixture);
}

static void refuse_socks(struct peer *peer)
{
    uint8_t hello[3];
    if (peer_read_bytes(peer, hello, sizeof(hello)))
        peer_say_bytes(peer, "\x05\xff", 2);
}

static void a_socks_proxy_that_refuses_or_is_not_there_is_an_error(void **state)
{
    struct fixture fixture;
    struct trip trip;
    char proxy[64];
    fixture_begin(&fixture, refuse_socks);
    (void)snprintf(proxy, sizeof(proxy), "socks5h://127.0.0.1:%d",
                   scripted_server_port(fixture.server));
    trip_run(&trip, &fixture,
             &(struct websocket_request){.url = "ws://far.example/", .proxy = proxy});
    assert_int_equal(trip.error.status, ST_NET);
    trip_done(&trip);
    struct scripted_server *gone = scripted_server_new(serve_echo);
    (void)snprintf(proxy, sizeof(proxy), "socks5h://127.0.0.1:%d", scripted_server_port(gone));
    scripted_server_free(gone);
    trip_run(&trip, &fixture,
             &(struct websocket_request){.url = "ws://far.example/", .proxy = proxy});
    assert_int_equal(trip.error.status, ST_NET);
    trip_done(&trip);
    fixture_end(&fixture);
}

/* --- ended by us, in every state ------------------------------------------------------------ */

enum moment {
    AT_ONCE,
    UPGRADING,
    IN_ON_OPEN,
    IN_ON_MESSAGE,
    WHEN_OPEN,
    WHEN_SENDING,
    WHEN_CLOSING,
    WHEN_REFUSED, /* finished, and on_close not called yet */
    N_MOMENTS,
};

static void hear_the_request(struct peer *peer)
{
    (void)peer_read_request(peer);
    peer_read_to_end(peer);
}

/* Two messages at once, and no answer to a close frame before the test says so. */
static void talk(struct peer *peer)
{
    struct client_frame frame;
    struct buf bytes = BUF_INIT(256);
    frame_add(&bytes, FIN | TEXT, STR_LIT("one"));
    frame_add(&bytes, FIN | TEXT, STR_LIT("two"));
    bool is_there = peer_upgrade(peer);
    peer_say_bytes(peer, bytes.data, bytes.len);
    buf_done(&bytes);
    for (int code = -1; is_there && code < 0 && peer_read_frame(peer, &frame);) {
        code = frame_close_code(&frame);
        if (code >= 0 && peer_wait(peer, 1))
            peer_say_close(peer, code, "");
        buf_done(&frame.payload);
    }
    peer_read_to_end(peer);
}

/* The server's thread does not wake our loop. */
static void run_until_asked(struct fixture *fixture)
{
    for (int64_t end_ms = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end_ms;) {
        DB_CLEANUP(free_charp) char *sent = scripted_server_log(fixture->server);
        if (strstr(sent, "Sec-WebSocket-Key"))
            return;
        run_for_ms(fixture, 2);
    }
    fail_msg("the server was never asked");
}

/* Brings a connection to the moment, and acts there. */
static void reach(struct trip *trip, enum moment moment, void (*act)(struct trip *trip))
{
    struct fixture *fixture = trip->fixture;
    trip->on_open = moment == IN_ON_OPEN ? act : NULL;
    trip->on_message = moment == IN_ON_MESSAGE ? act : NULL;
    trip_open(trip, &(struct websocket_request){.url = moment == WHEN_REFUSED ? "http://x" : NULL});
    if (moment == UPGRADING)
        run_until_asked(fixture);
    if (moment == IN_ON_OPEN)
        run_until_at_least(fixture, &trip->n_open, 1);
    if (moment == IN_ON_MESSAGE)
        run_until_at_least(fixture, &trip->n_messages, 1);
    if (moment == WHEN_OPEN || moment == WHEN_SENDING || moment == WHEN_CLOSING)
        run_until_at_least(fixture, &trip->n_messages, 2);
    if (moment == WHEN_SENDING)
        assert_int_equal(trip_send(trip, STR_LIT("on its way")), ST_OK);
    if (moment == WHEN_CLOSING) {
        trip_close(trip, 1000);
        run_for_ms(fixture, 10);
    }
    if (moment != IN_ON_OPEN && moment != IN_ON_MESSAGE)
        act(trip);
}

static void cancel(struct trip *trip)
{
    websocket_cancel(trip->fixture->client, trip->id);
    assert_int_equal(websocket_send(trip->fixture->client, trip->id, STR_LIT("x")), ST_NOT_FOUND);
}

static void cancelling_is_silent_in_every_state(void **state)
{
    for (enum moment moment = 0; moment < N_MOMENTS; moment++) {
        struct fixture fixture;
        struct trip trip;
        fixture_begin(&fixture, moment == UPGRADING ? hear_the_request : talk);
        trip_init(&trip, &fixture);
        reach(&trip, moment, cancel);
        int n_before = trip.n_messages;
        assert_int_equal(n_before, moment < IN_ON_MESSAGE    ? 0
                                   : moment == IN_ON_MESSAGE ? 1
                                   : moment == WHEN_REFUSED  ? 0
                                                             : 2);
        scripted_server_step(fixture.server, 1);
        run_for_ms(&fixture, 30);
        assert_int_equal(trip.n_closed, 0);
        assert_int_equal(trip.n_messages, n_before);
        trip_done(&trip);
        fixture_end(&fixture);
    }
}

static void closing_ends_with_one_on_close_in_every_state(void **state)
{
    for (enum moment moment = 0; moment < N_MOMENTS; moment++) {
        struct fixture fixture;
        struct trip trip;
        fixture_begin(&fixture, moment == UPGRADING ? hear_the_request : talk);
        trip_init(&trip, &fixture);
        reach(&trip, moment, trip_close_normally);
        scripted_server_step(fixture.server, 1);
        trip_finish(&trip);
        run_for_ms(&fixture, 20);
        assert_int_equal(trip.n_closed, 1);
        assert_int_equal(trip.error.status, moment <= UPGRADING      ? ST_CANCELLED
                                            : moment == WHEN_REFUSED ? ST_INVAL
                                                                     : ST_OK);
        trip_done(&trip);
        fixture_end(&fixture);
    }
}

static void leave_alone(struct trip *trip)
{
}

static void freeing_the_client_ends_all_silently(void **state)
{
    for (enum moment moment = 0; moment < N_MOMENTS; moment++) {
        struct fixture fixture;
        struct trip trip;
        fixture_begin(&fixture, moment == UPGRADING ? hear_the_request : talk);
        trip_init(&trip, &fixture);
        reach(&trip, moment, leave_alone);
        websocket_client_free(fixture.client);
        fixture.client = NULL;
        run_for_ms(&fixture, 20);
        assert_int_equal(trip.n_closed, 0);
        trip_done(&trip);
        fixture_end(&fixture);
    }
}

static void open_next(struct trip *trip)
{
    trip_open(trip->next, &(struct websocket_request){0});
}

static void a_new_connection_may_be_opened_where_one_ended(void **state)
{
    struct fixture fixture;
    struct trip first, second;
    fixture_begin(&fixture, talk);
    scripted_server_step(fixture.server, 1);
    trip_init(&first, &fixture);
    trip_init(&second, &fixture);
    first.next = &second;
    first.on_close = open_next;
    trip_open(&first, &(struct websocket_request){.url = "http://refused/"});
    trip_finish(&first);
    run_until_at_least(&fixture, &second.n_messages, 2);
    assert_true(second.id != first.id);
    trip_close(&second, 1000);
    trip_finish(&second);
    assert_int_equal(second.error.status, ST_OK);
    trip_done(&first);
    trip_done(&second);
    fixture_end(&fixture);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_cut_at_any_byte_ends_once_and_with_an_error),
        cmocka_unit_test(a_refused_upgrade_tells_its_http_status),
        cmocka_unit_test(a_port_without_a_server_is_an_error),
        cmocka_unit_test(what_cannot_be_asked_for_is_told_by_on_close),
        cmocka_unit_test(a_proxys_refusal_is_told_as_the_proxys),
        cmocka_unit_test(a_socks_proxy_that_refuses_or_is_not_there_is_an_error),
        cmocka_unit_test(cancelling_is_silent_in_every_state),
        cmocka_unit_test(closing_ends_with_one_on_close_in_every_state),
        cmocka_unit_test(freeing_the_client_ends_all_silently),
        cmocka_unit_test(a_new_connection_may_be_opened_where_one_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
