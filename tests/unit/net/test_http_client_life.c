/* How exchanges live: cancelled in every state, in crowds, on kept connections, through proxies. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_fixture.h"
#include "util/clock.h"
#include "util/mem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct http_request plain;

/* --- a name server that can be held up ------------------------------------------------------- */

static pthread_mutex_t lookup_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t lookup_changed = PTHREAD_COND_INITIALIZER;
static bool is_lookup_held;
static int n_lookups;     /* begun for slow.test */
static int n_lookups_end; /* over */

/* libcurl's thread calls this one instead of libc's; no name ever leaves the machine. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    if (name && strcmp(name, "slow.test") == 0) {
        pthread_mutex_lock(&lookup_lock);
        n_lookups++;
        pthread_cond_broadcast(&lookup_changed);
        while (is_lookup_held)
            pthread_cond_wait(&lookup_changed, &lookup_lock);
        n_lookups_end++;
        pthread_cond_broadcast(&lookup_changed);
        pthread_mutex_unlock(&lookup_lock);
    }
    return EAI_NONAME;
}

static void hold_lookups(bool is_held)
{
    pthread_mutex_lock(&lookup_lock);
    is_lookup_held = is_held;
    pthread_cond_broadcast(&lookup_changed);
    pthread_mutex_unlock(&lookup_lock);
}

static bool has_lookup_begun(void *arg)
{
    pthread_mutex_lock(&lookup_lock);
    bool has_begun = n_lookups > 0;
    pthread_mutex_unlock(&lookup_lock);
    return has_begun;
}

/* --- scripts --------------------------------------------------------------------------------- */

static void answer_ok(struct peer *peer)
{
    while (peer_read_request(peer))
        peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

static void answer_half(struct peer *peer)
{
    while (peer_read_request(peer)) {
        if (!peer_wants(peer, "/silent"))
            peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
        if (peer_wait(peer, 1))
            peer_say(peer, "half");
    }
}

/* --- cancelling ------------------------------------------------------------------------------ */

static void cancel_own(struct trip *trip)
{
    http_client_cancel(trip->fixture->client, trip->id);
}

static enum status cancel_own_on_data(struct trip *trip, struct str bytes)
{
    cancel_own(trip);
    return ST_OK;
}

static void expect_nothing_more(struct fixture *fixture, struct trip *trip)
{
    scripted_server_step(fixture->server, 1);
    run_for_ms(fixture, 30);
    assert_int_equal(trip->n_done, 0);
    http_client_cancel(fixture->client, trip->id); /* an id that is gone is no matter */
    trip_done(trip);
    fixture_end(fixture);
}

static void cancelled_at_once_it_is_silent(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, answer_ok);
    trip_init(&trip, &fixture);
    trip_start(&trip, &plain);
    cancel_own(&trip);
    expect_nothing_more(&fixture, &trip);

    fixture_begin(&fixture, answer_ok);
    trip_init(&trip, &fixture);
    trip_start(&trip, &(struct http_request){.url = "nonsense"});
    cancel_own(&trip);
    expect_nothing_more(&fixture, &trip);
}

static bool has_connection(void *arg)
{
    struct fixture *fixture = arg;
    return scripted_server_connections(fixture->server) > 0;
}

static void cancelled_while_waiting_it_is_silent(void **state)
{
    struct fixture fixture;
    struct trip trip;
    char url[200];
    fixture_begin(&fixture, answer_half);
    (void)snprintf(url, sizeof(url), "%ssilent", fixture.url);
    trip_init(&trip, &fixture);
    trip_start(&trip, &(struct http_request){.url = url});
    assert_true(loop_run_until(fixture.loop, has_connection, &fixture, 10000));
    cancel_own(&trip);
    expect_nothing_more(&fixture, &trip);
}

static void cancelled_between_bytes_it_is_silent(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, answer_half);
    trip_init(&trip, &fixture);
    trip.want_stream = true;
    trip_start(&trip, &plain);
    run_until_at_least(&fixture, &trip.n_data, 1);
    cancel_own(&trip);
    expect_nothing_more(&fixture, &trip);
    assert_int_equal(trip.n_data, 1);
}

static void cancelled_in_its_own_callbacks_it_is_silent(void **state)
{
    for (int i = 0; i < 4; i++) {
        struct fixture fixture;
        struct trip trip;
        fixture_begin(&fixture, i % 2 ? answer_half : answer_ok);
        trip_init(&trip, &fixture);
        trip.want_stream = true;
        trip.on_head = i < 2 ? cancel_own : NULL;
        trip.on_data = i < 2 ? NULL : cancel_own_on_data;
        trip_start(&trip, &plain);
        run_until_at_least(&fixture, i < 2 ? &trip.n_heads : &trip.n_data, 1);
        expect_nothing_more(&fixture, &trip);
        assert_int_equal(trip.n_heads, 1);
        assert_int_equal(trip.n_data, i < 2 ? 0 : 1);
    }
}

static void cancelling_itself_when_done_is_no_matter(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, answer_ok);
    trip_init(&trip, &fixture);
    trip.on_done = cancel_own;
    trip_start(&trip, &plain);
    trip_finish(&trip);
    trip_done(&trip);
    fixture_end(&fixture);
}

static void cancel_other(struct trip *trip)
{
    struct trip *other = trip->arg;
    http_client_cancel(other->fixture->client, other->id);
}

static enum status cancel_other_on_data(struct trip *trip, struct str bytes)
{
    cancel_other(trip);
    return ST_OK;
}

/* Both bad URLs are finished in the same turn: the first one's on_done takes the second one's. */
static void on_done_may_cancel_what_is_done_next(void **state)
{
    struct fixture fixture;
    struct trip first;
    struct trip second;
    fixture_begin(&fixture, answer_ok);
    trip_init(&first, &fixture);
    trip_init(&second, &fixture);
    first.arg = &second;
    first.on_done = cancel_other;
    trip_start(&first, &(struct http_request){.url = "nonsense"});
    trip_start(&second, &(struct http_request){.url = "nonsense"});
    trip_finish(&first);
    trip_done(&first);
    expect_nothing_more(&fixture, &second);
}

static void any_callback_may_cancel_any_other_exchange(void **state)
{
    for (int i = 0; i < 3; i++) {
        struct fixture fixture;
        struct trip victim;
        struct trip trip;
        fixture_begin(&fixture, answer_half);
        trip_init(&victim, &fixture);
        victim.want_stream = true;
        trip_start(&victim, &plain);
        run_until_at_least(&fixture, &victim.n_data, 1);

        trip_init(&trip, &fixture);
        trip.arg = &victim;
        trip.want_stream = true;
        trip.on_head = i == 0 ? cancel_other : NULL;
        trip.on_data = i == 1 ? cancel_other_on_data : NULL;
        trip.on_done = i == 2 ? cancel_other : NULL;
        trip_start(&trip, i == 2 ? &(struct http_request){.url = "nonsense"} : &plain);
        run_until_at_least(&fixture, i < 2 ? &trip.n_data : &trip.n_done, 1);
        scripted_server_step(fixture.server, 1);
        trip_finish(&trip);
        assert_int_equal(trip.error.status, i == 2 ? ST_INVAL : ST_OK);
        trip_done(&trip);
        expect_nothing_more(&fixture, &victim);
        assert_int_equal(victim.n_data, 1);
    }
}

static void a_slow_name_server_holds_up_nobody(void **state)
{
    struct fixture fixture;
    struct trip trip;
    n_lookups = n_lookups_end = 0;
    hold_lookups(true);
    fixture_begin(&fixture, answer_ok);
    trip_init(&trip, &fixture);
    trip_start(&trip, &(struct http_request){.url = "http://slow.test/"});
    assert_true(loop_run_until(fixture.loop, has_lookup_begun, NULL, 10000));
    cancel_own(&trip); /* would hang here for as long as the lookup is held */

    struct trip late;
    trip_init(&late, &fixture);
    trip_start(&late,
               &(struct http_request){.url = "http://slow.test/", .first_byte_timeout_ms = 50});
    trip_finish(&late);
    assert_int_equal(late.error.status, ST_TIMEOUT);
    trip_done(&late);
    expect_nothing_more(&fixture, &trip);

    hold_lookups(false);
    pthread_mutex_lock(&lookup_lock);
    while (n_lookups_end < n_lookups)
        pthread_cond_wait(&lookup_changed, &lookup_lock);
    pthread_mutex_unlock(&lookup_lock);
}

static void an_unknown_name_is_told(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, answer_ok);
    trip_run(&trip, &fixture, &(struct http_request){.url = "http://no.such.test/"});
    assert_int_equal(trip.error.status, ST_NET);
    assert_non_null(strstr(trip.error.text, "no.such.test"));
    trip_done(&trip);
    fixture_end(&fixture);
}

/* --- starting inside callbacks ---------------------------------------------------------------- */

static void start_other(struct trip *trip)
{
    struct trip *other = trip->arg;
    if (!other->has_started)
        trip_start(other, &plain);
}

static enum status start_other_on_data(struct trip *trip, struct str bytes)
{
    start_other(trip);
    return ST_OK;
}

static void any_callback_may_start_an_exchange(void **state)
{
    for (int i = 0; i < 3; i++) {
        struct fixture fixture;
        struct trip trip;
        struct trip next;
        fixture_begin(&fixture, answer_ok);
        trip_init(&next, &fixture);
        trip_init(&trip, &fixture);
        trip.arg = &next;
        trip.want_stream = true;
        trip.on_head = i == 0 ? start_other : NULL;
        trip.on_data = i == 1 ? start_other_on_data : NULL;
        trip.on_done = i == 2 ? start_other : NULL;
        trip_start(&trip, &plain);
        trip_finish(&trip);
        trip_finish(&next);
        assert_int_equal(next.http_status, 200);
        assert_true(next.id != trip.id);
        /* Free at on_done, the connection serves the next request at once. */
        if (i == 2)
            assert_int_equal(scripted_server_connections(fixture.server), 1);
        trip_done(&trip);
        trip_done(&next);
        fixture_end(&fixture);
    }
}

static enum status start_and_cancel_other(struct trip *trip, struct str bytes)
{
    start_other(trip);
    cancel_other(trip);
    return ST_OK;
}

static void what_is_born_and_cancelled_in_a_callback_is_silent(void **state)
{
    struct fixture fixture;
    struct trip trip;
    struct trip next;
    fixture_begin(&fixture, answer_ok);
    trip_init(&next, &fixture);
    trip_init(&trip, &fixture);
    trip.arg = &next;
    trip.want_stream = true;
    trip.on_data = start_and_cancel_other;
    trip_start(&trip, &plain);
    trip_finish(&trip);
    trip_done(&trip);
    expect_nothing_more(&fixture, &next);
}

static void restart(struct trip *trip)
{
    if (trip->n_done < 1000)
        trip_start(trip, &(struct http_request){.url = "nonsense"});
}

static void on_timer(void *arg)
{
    ++*(int *)arg;
}

/* Each failure starts the next one; the loop must still get its turns. */
static void endless_failures_leave_the_loop_its_turns(void **state)
{
    struct fixture fixture;
    struct trip trip;
    int n_timers = 0;
    fixture_begin(&fixture, answer_ok);
    trip_init(&trip, &fixture);
    trip.on_done = restart;
    trip_start(&trip, &(struct http_request){.url = "nonsense"});
    struct timer *timer = timer_start(fixture.loop, 0, "test", on_timer, &n_timers);
    assert_non_null(timer);
    run_until_at_least(&fixture, &n_timers, 1);
    assert_true(trip.n_done < 1000);
    run_until_at_least(&fixture, &trip.n_done, 1000);
    trip_done(&trip);
    fixture_end(&fixture);
}

static void a_client_goes_with_exchanges_in_every_state(void **state)
{
    struct fixture fixture;
    struct trip trips[4];
    fixture_begin(&fixture, answer_half);
    for (size_t i = 0; i < COUNT(trips); i++)
        trip_init(&trips[i], &fixture);
    trips[0].want_stream = true;
    trip_start(&trips[0], &plain);
    run_until_at_least(&fixture, &trips[0].n_data, 1);
    trip_start(&trips[1], &plain);
    run_until_at_least(&fixture, &trips[1].n_heads, 1);
    trip_start(&trips[2], &plain);
    trip_start(&trips[3], &(struct http_request){.url = "nonsense"});
    fixture_end(&fixture);
    for (size_t i = 0; i < COUNT(trips); i++) {
        assert_int_equal(trips[i].n_done, 0);
        trip_done(&trips[i]);
    }
    http_client_free(NULL);
}

/* --- crowds and kept connections ----------------------------------------------------------------
 */

static void count_done(struct trip *trip)
{
    ++*(int *)trip->arg;
}

static void run_crowd(struct fixture *fixture, int n)
{
    struct trip *trips = xcalloc((size_t)n, sizeof(*trips));
    int n_done = 0;
    for (int i = 0; i < n; i++) {
        trip_init(&trips[i], fixture);
        trips[i].arg = &n_done;
        trips[i].on_done = count_done;
        trips[i].want_stream = i % 2;
        trip_start(&trips[i], &(struct http_request){.method = "POST", .body = STR_LIT("hello")});
    }
    run_until_at_least(fixture, &n_done, n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(trips[i].n_done, 1);
        assert_int_equal(trips[i].error.status, ST_OK);
        assert_string_equal(buf_cstr(&trips[i].body), "ok");
        trip_done(&trips[i]);
    }
    free(trips);
}

static void two_hundred_at_once(void **state)
{
    struct fixture fixture;
    fixture_begin_limited(&fixture, answer_ok, 200);
    run_crowd(&fixture, 200);
    int n_connections = scripted_server_connections(fixture.server);
    run_crowd(&fixture, 200);
    assert_in_range(scripted_server_connections(fixture.server), n_connections, 200);
    fixture_end(&fixture);
}

static void more_than_may_run_at_once_wait_their_turn(void **state)
{
    struct fixture fixture;
    fixture_begin_limited(&fixture, answer_ok, 8);
    run_crowd(&fixture, 200);
    assert_in_range(scripted_server_most_at_once(fixture.server), 1, 8);
    fixture_end(&fixture);
}

static void cancelling_the_running_one_lets_the_waiting_one_run(void **state)
{
    struct fixture fixture;
    struct trip running;
    struct trip waiting;
    fixture_begin_limited(&fixture, answer_half, 1);
    trip_init(&running, &fixture);
    trip_init(&waiting, &fixture);
    running.want_stream = true;
    trip_start(&running, &plain);
    run_until_at_least(&fixture, &running.n_data, 1);
    trip_start(&waiting, &plain);
    run_for_ms(&fixture, 30);
    assert_int_equal(waiting.n_heads, 0);
    cancel_own(&running);
    scripted_server_step(fixture.server, 1);
    trip_finish(&waiting);
    assert_string_equal(buf_cstr(&waiting.body), "halfhalf");
    trip_done(&running);
    trip_done(&waiting);
    fixture_end(&fixture);
}

static void connections_are_kept(void **state)
{
    struct fixture fixture;
    fixture_begin(&fixture, answer_ok);
    for (int i = 0; i < 5; i++)
        run_crowd(&fixture, 1);
    assert_int_equal(scripted_server_connections(fixture.server), 1);
    fixture_end(&fixture);
}

static void answer_once(struct peer *peer)
{
    (void)peer_read_request(peer);
    peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    (void)peer_wait(peer, peer->number);
}

static void a_kept_connection_that_died_is_replaced(void **state)
{
    struct fixture fixture;
    fixture_begin(&fixture, answer_once);
    for (int i = 1; i <= 4; i++) {
        run_crowd(&fixture, 1);
        scripted_server_step(fixture.server, i);
    }
    assert_int_equal(scripted_server_connections(fixture.server), 4);
    fixture_end(&fixture);
}

/* --- proxies ------------------------------------------------------------------------------------
 */

static void proxy_http(struct peer *peer)
{
    while (peer_read_request(peer)) {
        if (str_find(buf_str(&peer->request), STR_LIT("\r\nProxy-Authorization: ")) < 0)
            peer_say(peer, "HTTP/1.1 407 Who are you\r\nContent-Length: 6\r\n\r\nsecret");
        else if (str_starts(buf_str(&peer->request), STR_LIT("CONNECT ")))
            peer_say(peer, "HTTP/1.1 200 Connected\r\nX-Request-Id: proxy\r\n\r\nno TLS at all");
        else
            peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nby proxy");
    }
}

static void run_by_proxy(struct trip *trip, struct fixture *fixture, const char *proxy_start,
                         const char *url)
{
    static const char *const headers[] = {"Authorization: Bearer key", NULL};
    char proxy[200];
    (void)snprintf(proxy, sizeof(proxy), "%s127.0.0.1:%d", proxy_start,
                   scripted_server_port(fixture->server));
    trip_run(trip, fixture, &(struct http_request){.url = url, .proxy = proxy, .headers = headers});
}

static void plain_requests_go_through_the_proxy_with_its_password(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, proxy_http);
    run_by_proxy(&trip, &fixture, "http://us%40er:p%3Aw@", "http://far.test/path?q=1");
    assert_int_equal(trip.error.status, ST_OK);
    assert_string_equal(buf_cstr(&trip.body), "by proxy");
    trip_done(&trip);
    DB_CLEANUP(free_charp) char *sent = scripted_server_log(fixture.server);
    assert_ptr_equal(strstr(sent, "GET http://far.test/path?q=1 HTTP/1.1\r\n"), sent);
    /* us@er:p:w */
    assert_non_null(strstr(sent, "\r\nProxy-Authorization: Basic dXNAZXI6cDp3\r\n"));
    fixture_end(&fixture);
}

static void the_tunnel_request_holds_no_key_and_its_answer_is_not_ours(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, proxy_http);
    run_by_proxy(&trip, &fixture, "http://u:p@", "https://far.test/path");
    assert_int_equal(trip.error.status, ST_TLS);
    assert_int_equal(trip.n_heads, 0);
    assert_int_equal(trip.http_status, 0);
    assert_string_equal(trip.request_id, "");
    trip_done(&trip);
    DB_CLEANUP(free_charp) char *sent = scripted_server_log(fixture.server);
    assert_ptr_equal(strstr(sent, "CONNECT far.test:443 HTTP/1.1\r\n"), sent);
    assert_null(strstr(sent, "Bearer"));
    fixture_end(&fixture);
}

static void a_proxy_that_refuses_us_is_no_answer(void **state)
{
    static const char *const urls[] = {"http://far.test/", "https://far.test/"};
    for (size_t i = 0; i < COUNT(urls); i++) {
        struct fixture fixture;
        struct trip trip;
        fixture_begin(&fixture, proxy_http);
        run_by_proxy(&trip, &fixture, "http://", urls[i]);
        assert_int_equal(trip.error.status, ST_NET);
        assert_int_equal(trip.error.code, 407);
        assert_non_null(strstr(trip.error.text, "proxy"));
        assert_int_equal(trip.n_heads, 0);
        assert_int_equal(trip.bytes_received, 0);
        trip_done(&trip);
        fixture_end(&fixture);
    }
}

/* RFC 1928 and 1929, with user "u" and password "p", to far.test:80. */
static void proxy_socks5(struct peer *peer)
{
    static const char want_name[] = "\x05\x01\x00\x03\x08"
                                    "far.test\x00\x50";
    static const char want_login[] = "\x01\x01u\x01p";
    unsigned char greeting[2];
    char bytes[256];
    if (!peer_read_bytes(peer, greeting, 2) || greeting[0] != 5 ||
        !peer_read_bytes(peer, bytes, greeting[1]))
        return;
    peer_say_bytes(peer, "\x05\x02", 2);
    if (!peer_read_bytes(peer, bytes, 5) || memcmp(bytes, want_login, 5) != 0)
        return;
    peer_say_bytes(peer, "\x01\x00", 2);
    if (!peer_read_bytes(peer, bytes, 15) || memcmp(bytes, want_name, 15) != 0)
        return;
    peer_say_bytes(peer, "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 10);
    while (peer_read_request(peer))
        peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nby socks");
}

static void socks5h_leaves_the_name_to_the_proxy(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, proxy_socks5);
    run_by_proxy(&trip, &fixture, "socks5h://u:p@", "http://far.test/");
    assert_int_equal(trip.error.status, ST_OK);
    assert_string_equal(buf_cstr(&trip.body), "by socks");
    trip_done(&trip);
    fixture_end(&fixture);
}

static void the_environment_chooses_no_proxy(void **state)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(setenv(names[i], "http://127.0.0.1:9", 1), 0);
    assert_int_equal(setenv("no_proxy", "*", 1), 0);

    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, answer_ok);
    trip_run(&trip, &fixture, &plain);
    assert_int_equal(trip.error.status, ST_OK);
    trip_done(&trip);
    trip_run(&trip, &fixture, &(struct http_request){.proxy = ""});
    assert_int_equal(trip.error.status, ST_OK);
    trip_done(&trip);
    fixture_end(&fixture);

    fixture_begin(&fixture, proxy_http);
    run_by_proxy(&trip, &fixture, "http://u:p@", "http://far.test/");
    assert_string_equal(buf_cstr(&trip.body), "by proxy");
    trip_done(&trip);
    fixture_end(&fixture);
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(unsetenv(names[i]), 0);
    assert_int_equal(unsetenv("no_proxy"), 0);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancelled_at_once_it_is_silent),
        cmocka_unit_test(cancelled_while_waiting_it_is_silent),
        cmocka_unit_test(cancelled_between_bytes_it_is_silent),
        cmocka_unit_test(cancelled_in_its_own_callbacks_it_is_silent),
        cmocka_unit_test(cancelling_itself_when_done_is_no_matter),
        cmocka_unit_test(on_done_may_cancel_what_is_done_next),
        cmocka_unit_test(any_callback_may_cancel_any_other_exchange),
        cmocka_unit_test(a_slow_name_server_holds_up_nobody),
        cmocka_unit_test(an_unknown_name_is_told),
        cmocka_unit_test(any_callback_may_start_an_exchange),
        cmocka_unit_test(what_is_born_and_cancelled_in_a_callback_is_silent),
        cmocka_unit_test(endless_failures_leave_the_loop_its_turns),
        cmocka_unit_test(a_client_goes_with_exchanges_in_every_state),
        cmocka_unit_test(two_hundred_at_once),
        cmocka_unit_test(more_than_may_run_at_once_wait_their_turn),
        cmocka_unit_test(cancelling_the_running_one_lets_the_waiting_one_run),
        cmocka_unit_test(connections_are_kept),
        cmocka_unit_test(a_kept_connection_that_died_is_replaced),
        cmocka_unit_test(plain_requests_go_through_the_proxy_with_its_password),
        cmocka_unit_test(the_tunnel_request_holds_no_key_and_its_answer_is_not_ours),
        cmocka_unit_test(a_proxy_that_refuses_us_is_no_answer),
        cmocka_unit_test(socks5h_leaves_the_name_to_the_proxy),
        cmocka_unit_test(the_environment_chooses_no_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
