/* What comes back: answers whole, streamed, cut, late, too large. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client_fixture.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- whole answers ------------------------------------------------------------------------- */

static void answer_whole(struct peer *peer)
{
    while (peer_read_request(peer))
        peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                       "X-Request-Id: r-1\r\nContent-Length: 11\r\n\r\n{\"ok\":true}");
}

static void collects_a_whole_answer(void **state)
{
    struct fixture fixture;
    struct trip trip;
    static const char *const headers[] = {"Authorization: Bearer key", "X-Two: 2", NULL};
    fixture_begin(&fixture, answer_whole);
    trip_run(&trip, &fixture,
             &(struct http_request){
                 .method = "POST", .headers = headers, .body = STR_LIT("{\"a\":\"\0\"}")});

    assert_int_equal(trip.error.status, ST_OK);
    assert_int_equal(trip.http_status, 200);
    assert_int_equal(trip.n_heads, 1);
    assert_int_equal(trip.head_status, 200);
    assert_string_equal(buf_cstr(&trip.body), "{\"ok\":true}");
    assert_int_equal(trip.bytes_received, 11);
    assert_string_equal(trip.content_type, "application/json");
    assert_string_equal(trip.request_id, "r-1");
    assert_true(trip.retry_after_s < 0);
    assert_int_equal(trip.should_retry, -1);

    DB_CLEANUP(free_charp) char *sent = scripted_server_log(fixture.server);
    assert_ptr_equal(strstr(sent, "POST / HTTP/1.1\r\n"), sent);
    assert_non_null(strstr(sent, "\r\nAuthorization: Bearer key\r\n"));
    assert_non_null(strstr(sent, "\r\nX-Two: 2\r\n"));
    assert_non_null(strstr(sent, "\r\nUser-Agent: dingbridge/test\r\n"));
    assert_non_null(strstr(sent, "\r\nContent-Length: 9\r\n"));
    assert_null(strstr(sent, "Expect"));
    assert_null(strstr(sent, "Accept-Encoding"));
    trip_done(&trip);
    fixture_end(&fixture);
}

static void sends_bodies_of_any_size_and_method(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, answer_whole);
    trip_run(&trip, &fixture, &(struct http_request){.method = "POST"});
    assert_int_equal(trip.http_status, 200);
    trip_done(&trip);
    trip_run(&trip, &fixture, &(struct http_request){.method = "PUT", .body = STR_LIT("put")});
    assert_int_equal(trip.http_status, 200);
    trip_done(&trip);
    trip_run(&trip, &fixture, &(struct http_request){.method = "GET"});
    assert_int_equal(trip.http_status, 200);
    trip_done(&trip);

    DB_CLEANUP(free_charp) char *sent = scripted_server_log(fixture.server);
    const char *post = strstr(sent, "POST / ");
    const char *put = strstr(sent, "PUT / ");
    const char *get = strstr(sent, "GET / ");
    assert_true(post && put && get && post < put && put < get);
    assert_non_null(strstr(post, "\r\nContent-Length: 0\r\n"));
    assert_true(strstr(post, "\r\nContent-Length: 0\r\n") < put);
    assert_true(strstr(put, "\r\n\r\nput") < get);
    assert_null(strstr(get, "Content-Length"));

    struct buf large = BUF_INIT(3 * 1024 * 1024);
    for (int i = 0; i < 100000; i++)
        (void)buf_puts(&large, "0123456789abcdef");
    trip_run(&trip, &fixture, &(struct http_request){.method = "POST", .body = buf_str(&large)});
    assert_int_equal(trip.http_status, 200);
    trip_done(&trip);
    DB_CLEANUP(free_charp) char *all = scripted_server_log(fixture.server);
    assert_int_equal(strlen(all + strlen(sent)) > large.len, 1);
    buf_done(&large);
    fixture_end(&fixture);
}

static void answer_redirect(struct peer *peer)
{
    while (peer_read_request(peer))
        peer_say(peer, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 5\r\n\r\n"
                       "moved");
}

static void hands_over_redirects_and_follows_none(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, answer_redirect);
    trip_run(&trip, &fixture, &(struct http_request){0});
    assert_int_equal(trip.error.status, ST_OK);
    assert_int_equal(trip.http_status, 302);
    assert_string_equal(buf_cstr(&trip.body), "moved");
    DB_CLEANUP(free_charp) char *sent = scripted_server_log(fixture.server);
    assert_null(strstr(sent, "elsewhere"));
    trip_done(&trip);
    fixture_end(&fixture);
}

static void answer_after_hints(struct peer *peer)
{
    while (peer_read_request(peer))
        peer_say(peer, "HTTP/1.1 100 Continue\r\n\r\n"
                       "HTTP/1.1 103 Early Hints\r\nX-Request-Id: early\r\n\r\n"
                       "HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\nretry-after-ms: 1500\r\n"
                       "x-should-retry: false\r\nContent-Length: 0\r\n\r\n");
}

static void shows_only_the_final_head(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, answer_after_hints);
    trip_run(&trip, &fixture, &(struct http_request){0});
    assert_int_equal(trip.n_heads, 1);
    assert_int_equal(trip.head_status, 429);
    assert_string_equal(trip.request_id, "");
    assert_true(trip.retry_after_s == 1.5);
    assert_int_equal(trip.should_retry, 0);
    trip_done(&trip);
    fixture_end(&fixture);
}

/* --- streams ------------------------------------------------------------------------------- */

static void answer_in_steps(struct peer *peer)
{
    (void)peer_read_request(peer);
    peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n");
    (void)peer_wait(peer, 1);
    peer_say(peer, "6\r\ndata: \r\n");
    (void)peer_wait(peer, 2);
    peer_say(peer, "3\r\na\n\n\r\n");
    (void)peer_wait(peer, 3);
    peer_say(peer, "0\r\nX-Trailer: 1\r\n\r\n");
    peer_read_to_end(peer);
}

static void step_on_head(struct trip *trip)
{
    scripted_server_step(trip->fixture->server, 1);
}

static enum status step_on_data(struct trip *trip, struct str bytes)
{
    scripted_server_step(trip->fixture->server, trip->body.len == 9 ? 3 : 2);
    return ST_OK;
}

/* The server goes on only when each part has arrived: a client that waited for more would hang. */
static void streams_bytes_as_they_come(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, answer_in_steps);
    trip_init(&trip, &fixture);
    trip.want_stream = true;
    trip.on_head = step_on_head;
    trip.on_data = step_on_data;
    trip_start(&trip, &(struct http_request){0});
    trip_finish(&trip);
    assert_int_equal(trip.error.status, ST_OK);
    assert_int_equal(trip.n_heads, 1);
    assert_true(trip.n_data >= 2);
    assert_string_equal(buf_cstr(&trip.body), "data: a\n\n");
    assert_int_equal(trip.bytes_received, 9);
    trip_done(&trip);
    fixture_end(&fixture);
}

static enum status refuse(struct trip *trip, struct str bytes)
{
    return ST_DENIED;
}

static void a_receiver_that_refuses_ends_the_exchange_with_its_status(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, answer_whole);
    trip_init(&trip, &fixture);
    trip.want_stream = true;
    trip.on_data = refuse;
    trip_start(&trip, &(struct http_request){0});
    trip_finish(&trip);
    assert_int_equal(trip.error.status, ST_DENIED);
    assert_int_equal(trip.n_data, 1);
    assert_int_equal(trip.http_status, 200);
    trip_done(&trip);
    fixture_end(&fixture);
}

/* --- broken answers ------------------------------------------------------------------------ */

static void answer_broken(struct peer *peer)
{
    if (!peer_read_request(peer))
        return;
    if (peer_wants(peer, "/nothing"))
        return;
    if (peer_wants(peer, "/reset")) {
        peer_reset(peer);
        return;
    }
    if (peer_wants(peer, "/reset-later")) {
        peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        (void)peer_wait(peer, 1);
        peer_reset(peer);
        return;
    }
    static const char *const answers[][2] = {
        {"/cut-length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"},
        {"/cut-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf"},
        {"/cut-between", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"},
        {"/cut-head", "HTTP/1.1 200 OK\r\nContent-Len"},
        {"/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhalf\r\n"},
        {"/no-http", "<html>not HTTP at all</html>\r\n\r\n"},
        {"/no-length", "HTTP/1.1 200 OK\r\n\r\nto the end"},
    };
    for (size_t i = 0; i < COUNT(answers); i++)
        if (peer_wants(peer, answers[i][0]))
            peer_say(peer, answers[i][1]);
}

static enum status step_one(struct trip *trip, struct str bytes)
{
    scripted_server_step(trip->fixture->server, 1);
    return ST_OK;
}

static void tells_what_broke(void **state)
{
    static const struct {
        const char *path;
        enum status want;
        int http_status;
        int64_t bytes;
    } cases[] = {
        {"nothing", ST_NET, 0, 0},          {"reset", ST_NET, 0, 0},
        {"reset-later", ST_NET, 200, 4},    {"cut-length", ST_PROTOCOL, 200, 4},
        {"cut-chunk", ST_PROTOCOL, 200, 4}, {"cut-between", ST_PROTOCOL, 200, 4},
        {"bad-chunk", ST_NET, 200, 0},      {"no-http", ST_PROTOCOL, 0, 0},
        {"no-length", ST_OK, 200, 10},      {"cut-head", ST_PROTOCOL, 0, 0},
    };
    struct fixture fixture;
    fixture_begin(&fixture, answer_broken);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char url[200];
        struct trip trip;
        (void)snprintf(url, sizeof(url), "%s%s", fixture.url, cases[i].path);
        trip_init(&trip, &fixture);
        trip.want_stream = true;
        trip.on_data = step_one;
        trip_start(&trip, &(struct http_request){.url = url});
        trip_finish(&trip);
        if (trip.error.status != cases[i].want || trip.http_status != cases[i].http_status ||
            trip.bytes_received != cases[i].bytes)
            fail_msg("%s: %s (%s), %d, %d bytes", cases[i].path, status_name(trip.error.status),
                     trip.error.text, trip.http_status, (int)trip.bytes_received);
        assert_int_equal(trip.error.text[0] == '\0', cases[i].want == ST_OK);
        assert_int_equal(trip.n_heads, cases[i].http_status != 0);
        trip_done(&trip);
    }
    fixture_end(&fixture);
}

static void close_at_once(struct peer *peer)
{
}

static void a_refused_connection_is_told_without_the_url(void **state)
{
    struct fixture fixture;
    struct trip trip;
    char url[200];
    fixture_begin(&fixture, close_at_once);
    (void)snprintf(url, sizeof(url), "http://user:SECRET@127.0.0.1:%d/SECRET?key=SECRET",
                   scripted_server_port(fixture.server));
    scripted_server_free(fixture.server);
    fixture.server = NULL;

    trip_run(&trip, &fixture, &(struct http_request){.url = url});
    assert_int_equal(trip.error.status, ST_NET);
    assert_int_equal(trip.http_status, 0);
    assert_true(trip.error.text[0] != '\0');
    assert_null(strstr(trip.error.text, "SECRET"));
    trip_done(&trip);
    fixture_end(&fixture);
}

static void speak_no_tls(struct peer *peer)
{
    char hello[5];
    if (peer_read_bytes(peer, hello, sizeof(hello)))
        peer_say(peer, "HTTP/1.1 400 This is no TLS\r\n\r\n");
}

static void a_failed_handshake_is_tls(void **state)
{
    struct fixture fixture;
    struct trip trip;
    char url[200];
    fixture_begin(&fixture, speak_no_tls);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/", scripted_server_port(fixture.server));
    trip_run(&trip, &fixture, &(struct http_request){.url = url});
    assert_int_equal(trip.error.status, ST_TLS);
    assert_int_equal(trip.n_heads, 0);
    trip_done(&trip);
    fixture_end(&fixture);
}

static void requests_that_cannot_be_sent_end_after_start(void **state)
{
    static const char *const split_header[] = {"X: a\r\nInjected: b", NULL};
    static const char *const no_colon[] = {"Nonsense", NULL};
    static const struct http_request cases[] = {
        {.url = "no url"},
        {.url = ""},
        {.url = "file:///etc/passwd"},
        {.url = "ftp://127.0.0.1/"},
        {.url = "http://a@b@127.0.0.1/"},
        {.proxy = "ftp://127.0.0.1:1/"},
        {.proxy = "127.0.0.1:3128"},
        {.headers = split_header},
        {.headers = no_colon},
        {.method = "GET / HTTP/1.1\r\nX:"},
        {.method = ""},
    };
    struct fixture fixture;
    fixture_begin(&fixture, answer_whole);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct trip trip;
        trip_run(&trip, &fixture, &cases[i]);
        assert_int_equal(trip.error.status, ST_INVAL);
        assert_true(trip.error.text[0] != '\0');
        trip_done(&trip);
    }
    assert_int_equal(scripted_server_connections(fixture.server), 0);
    fixture_end(&fixture);
}

/* --- sizes --------------------------------------------------------------------------------- */

static void answer_large(struct peer *peer)
{
    (void)peer_read_request(peer);
    if (peer_wants(peer, "/head")) {
        peer_say(peer, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 400; i++) {
            char line[1100];
            int n = snprintf(line, sizeof(line), "X-%d: %01000d\r\n", i, 0);
            peer_say_bytes(peer, line, (size_t)n);
        }
    }
    peer_say(peer, "HTTP/1.1 200 OK\r\n\r\n");
    char block[1000];
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 5; i++)
        peer_say_bytes(peer, block, sizeof(block));
}

static void bounds_what_is_collected_and_what_is_streamed(void **state)
{
    static const struct {
        size_t max;
        enum status want;
    } cases[] = {{4999, ST_TOO_LARGE}, {5000, ST_OK}, {1, ST_TOO_LARGE}, {0, ST_OK}};
    struct fixture fixture;
    fixture_begin(&fixture, answer_large);
    for (size_t i = 0; i < COUNT(cases) * 2; i++) {
        struct trip trip;
        trip_init(&trip, &fixture);
        trip.want_stream = i % 2;
        trip_start(&trip, &(struct http_request){.max_body_bytes = cases[i / 2].max});
        trip_finish(&trip);
        assert_int_equal(trip.error.status, cases[i / 2].want);
        assert_int_equal(trip.http_status, 200);
        if (cases[i / 2].max > 0)
            assert_true(trip.body.len <= cases[i / 2].max);
        trip_done(&trip);
    }
    fixture_end(&fixture);
}

static void bounds_the_header(void **state)
{
    struct fixture fixture;
    struct trip trip;
    char url[200];
    fixture_begin(&fixture, answer_large);
    (void)snprintf(url, sizeof(url), "%shead", fixture.url);
    trip_run(&trip, &fixture, &(struct http_request){.url = url});
    assert_int_equal(trip.error.status, ST_TOO_LARGE);
    assert_int_equal(trip.n_heads, 0);
    trip_done(&trip);
    fixture_end(&fixture);
}

/* --- time ---------------------------------------------------------------------------------- */

static void be_silent(struct peer *peer)
{
    (void)peer_read_request(peer);
    if (peer_wants(peer, "/hints"))
        peer_say(peer, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\r\n\r\n");
    if (peer_wants(peer, "/middle"))
        peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    peer_read_to_end(peer);
}

static void expect_timeout(const char *path, const struct http_request *limits, const char *word)
{
    struct fixture fixture;
    struct trip trip;
    char url[200];
    struct http_request request = *limits;
    fixture_begin(&fixture, be_silent);
    (void)snprintf(url, sizeof(url), "%s%s", fixture.url, path);
    request.url = url;
    int64_t began_ms = clock_mono_ms();
    trip_run(&trip, &fixture, &request);
    assert_true(clock_mono_ms() - began_ms < 10000);
    assert_int_equal(trip.error.status, ST_TIMEOUT);
    assert_non_null(strstr(trip.error.text, word));
    trip_done(&trip);
    fixture_end(&fixture);
}

static void gives_up_when_no_answer_begins(void **state)
{
    expect_timeout("", &(struct http_request){.first_byte_timeout_ms = 100}, "no answer began");
    expect_timeout("hints", &(struct http_request){.first_byte_timeout_ms = 300},
                   "no answer began");
    expect_timeout("", &(struct http_request){.total_timeout_ms = 100}, "not complete");
}

static void gives_up_when_the_answer_goes_silent(void **state)
{
    expect_timeout("middle", &(struct http_request){.idle_timeout_ms = 100}, "silent");
    expect_timeout("middle",
                   &(struct http_request){.first_byte_timeout_ms = 20000, .idle_timeout_ms = 100},
                   "silent");
    expect_timeout("middle", &(struct http_request){.total_timeout_ms = 200}, "not complete");
}

static void drip(struct peer *peer)
{
    (void)peer_read_request(peer);
    peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n");
    for (int i = 0; i < 16; i++) {
        const struct timespec pace = {.tv_nsec = 50 * 1000 * 1000};
        nanosleep(&pace, NULL);
        peer_say(peer, "x");
    }
    peer_read_to_end(peer);
}

static void slow_but_steady_is_not_silent(void **state)
{
    struct fixture fixture;
    struct trip trip;
    fixture_begin(&fixture, drip);
    trip_run(&trip, &fixture,
             &(struct http_request){.first_byte_timeout_ms = 600, .idle_timeout_ms = 600});
    assert_int_equal(trip.error.status, ST_OK);
    assert_int_equal(trip.bytes_received, 16);
    trip_done(&trip);

    trip_run(&trip, &fixture, &(struct http_request){.total_timeout_ms = 300});
    assert_int_equal(trip.error.status, ST_TIMEOUT);
    assert_true(trip.bytes_received < 16);
    trip_done(&trip);
    fixture_end(&fixture);
}

/* --- the log ------------------------------------------------------------------------------- */

static void the_log_holds_no_header_body_or_query(void **state)
{
    struct fixture fixture;
    struct trip trip;
    char url[200];
    char text[8192] = "";
    static const char *const headers[] = {"Authorization: Bearer TELLTALE", NULL};
    FILE *file = tmpfile();
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    log_set_level(LOG_DEBUG);

    fixture_begin(&fixture, answer_whole);
    (void)snprintf(url, sizeof(url), "http://TELLTALE:TELLTALE@127.0.0.1:%d/TELLTALE?k=TELLTALE",
                   scripted_server_port(fixture.server));
    trip_run(&trip, &fixture,
             &(struct http_request){
                 .method = "POST", .url = url, .headers = headers, .body = STR_LIT("TELLTALE")});
    enum status status = trip.error.status;
    trip_done(&trip);
    fixture_end(&fixture);

    log_set_level(LOG_INFO);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    rewind(file);
    (void)!fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    assert_int_equal(status, ST_OK);
    assert_non_null(strstr(text, "http_status=200"));
    assert_non_null(strstr(text, "url=http://127.0.0.1:"));
    assert_null(strstr(text, "TELLTALE"));
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collects_a_whole_answer),
        cmocka_unit_test(sends_bodies_of_any_size_and_method),
        cmocka_unit_test(hands_over_redirects_and_follows_none),
        cmocka_unit_test(shows_only_the_final_head),
        cmocka_unit_test(streams_bytes_as_they_come),
        cmocka_unit_test(a_receiver_that_refuses_ends_the_exchange_with_its_status),
        cmocka_unit_test(tells_what_broke),
        cmocka_unit_test(a_refused_connection_is_told_without_the_url),
        cmocka_unit_test(a_failed_handshake_is_tls),
        cmocka_unit_test(requests_that_cannot_be_sent_end_after_start),
        cmocka_unit_test(bounds_what_is_collected_and_what_is_streamed),
        cmocka_unit_test(bounds_the_header),
        cmocka_unit_test(gives_up_when_no_answer_begins),
        cmocka_unit_test(gives_up_when_the_answer_goes_silent),
        cmocka_unit_test(slow_but_steady_is_not_silent),
        cmocka_unit_test(the_log_holds_no_header_body_or_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
