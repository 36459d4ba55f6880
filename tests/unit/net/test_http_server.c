#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_server.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/mem.h"

#define PATIENCE_MS 10000
#define CLIENTS_MAX 40

struct client {
    int fd;
    struct buf in;
    bool is_ended;
    bool is_reset;
};

struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct client clients[CLIENTS_MAX];
    int n_clients;
    uint64_t held[8]; /* requests the handler keeps back */
    int n_held;
    int n_handled;
    char last[256]; /* "METHOD path?query body" of the last request */
};

static void echo(const struct http_server_request *request, void *arg)
{
    struct fixture *f = arg;
    static const char *const methods[] = {"GET", "HEAD", "POST"};
    f->n_handled++;
    (void)snprintf(f->last, sizeof(f->last), "%s %.*s?%.*s %.*s", methods[request->method],
                   (int)request->path.n, request->path.p, (int)request->query.n, request->query.p,
                   (int)(request->body.n > 99 ? 99 : request->body.n), request->body.p);
    static const char *const headers[] = {"X-Test: yes", "X-Bad: a\r\nX-Injected: b", NULL};
    struct http_reply reply = {.http_status = 200,
                               .content_type = "text/plain",
                               .headers = headers,
                               .body = str_of(f->last)};
    http_server_reply(f->server, request->id, &reply);
}

static void hold(const struct http_server_request *request, void *arg)
{
    struct fixture *f = arg;
    f->held[f->n_held++] = request->id;
}

static void header(const struct http_server_request *request, void *arg)
{
    struct fixture *f = arg;
    struct http_reply reply = {.http_status = 200, .body = http_server_header(request, "x-given")};
    http_server_reply(f->server, request->id, &reply);
}

static struct fixture *fixture_new(const struct http_server_limits *limits)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct error error;
    assert_int_equal(loop_new(&f->loop), ST_OK);
    if (http_server_new(f->loop, "127.0.0.1", 0, limits, &f->server, &error) != ST_OK)
        fail_msg("%s", error.text);
    http_server_route(f->server, "/", 1U << HTTP_GET, echo, f);
    http_server_route(f->server, "/", 1U << HTTP_POST, echo, f);
    http_server_route(f->server, "/images/*", 1U << HTTP_GET, echo, f);
    http_server_route(f->server, "/images/held", 1U << HTTP_GET, hold, f);
    http_server_route(f->server, "/header", 1U << HTTP_GET, header, f);
    return f;
}

static struct fixture *fixture_default(void)
{
    struct http_server_limits limits = HTTP_SERVER_LIMITS_DEFAULT;
    return fixture_new(&limits);
}

static void fixture_free(struct fixture *f)
{
    for (int i = 0; i < f->n_clients; i++) {
        if (f->clients[i].fd >= 0)
            (void)close(f->clients[i].fd);
        buf_done(&f->clients[i].in);
    }
    http_server_free(f->server);
    loop_free(f->loop);
    free(f);
}

static int try_connect(struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)http_server_port(f->server))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static struct client *client_new(struct fixture *f)
{
    struct client *client = &f->clients[f->n_clients++];
    buf_init(&client->in, 4 << 20);
    client->fd = try_connect(f);
    assert_true(client->fd >= 0);
    return client;
}

static void say(struct client *client, const char *text)
{
    assert_int_equal(send(client->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void pull(struct client *client)
{
    char chunk[4096];
    ssize_t n;
    while (!client->is_ended && (n = recv(client->fd, chunk, sizeof(chunk), MSG_DONTWAIT)) != -1) {
        client->is_ended = n == 0;
        buf_add(&client->in, chunk, (size_t)n);
    }
    if (!client->is_ended && errno == ECONNRESET)
        client->is_ended = client->is_reset = true;
}

static bool never(void *arg)
{
    return false;
}

/* Until `text` has come `count` times, or the connection ended. */
static bool wait_text(struct fixture *f, struct client *client, const char *text, int count)
{
    for (int64_t until_ms = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < until_ms;) {
        pull(client);
        int seen = 0;
        for (const char *p = buf_cstr(&client->in); (p = strstr(p, text)); p++)
            seen++;
        if (seen >= count)
            return true;
        if (client->is_ended)
            return false;
        (void)loop_run_until(f->loop, never, NULL, 5);
    }
    return false;
}

static bool wait_end(struct fixture *f, struct client *client)
{
    (void)wait_text(f, client, "\xff never", 1);
    return client->is_ended;
}

static void ask(struct fixture *f, const char *request, const char *expected)
{
    struct client *client = client_new(f);
    say(client, request);
    if (!wait_text(f, client, expected, 1))
        fail_msg("%s gave %s", request, buf_cstr(&client->in));
}

static void routes_by_path_and_method_and_the_longest_path_wins(void **state)
{
    struct fixture *f = fixture_default();
    ask(f, "GET /?a=b%20c HTTP/1.1\r\nHost: x\r\n\r\n", "GET /?a=b%20c ");
    ask(f, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", "POST /? hi");
    ask(f, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "POST /? hi");
    ask(f, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "POST /? ");
    ask(f, "GET /images/a/b.png HTTP/1.1\r\nHost: x\r\n\r\n", "GET /images/a/b.png? ");
    ask(f, "GET /header HTTP/1.1\r\nHost: x\r\nX-GIVEN: value\r\n\r\n", "value");
    assert_int_equal(f->n_held, 0);
    struct client *client = client_new(f);
    say(client, "GET /images/held HTTP/1.1\r\nHost: x\r\n\r\n");
    while (f->n_held == 0)
        (void)loop_run_until(f->loop, never, NULL, 5);
    assert_int_equal(http_server_open_requests(f->server), 1);
    fixture_free(f);
}

static void unknown_paths_and_methods_are_refused_as_json(void **state)
{
    struct fixture *f = fixture_default();
    ask(f, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found");
    ask(f, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "{\"error\":\"not_found\"");
    ask(f, "POST /images/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "405 Method Not Allowed");
    ask(f, "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", "{\"error\":\"method_not_allowed\"");
    ask(f, "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "{\"error\":\"not_implemented\"");
    assert_int_equal(f->n_handled, 0);
    fixture_free(f);
}

static void head_is_answered_like_get_without_the_body(void **state)
{
    struct fixture *f = fixture_default();
    struct client *client = client_new(f);
    say(client, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(wait_end(f, client));
    assert_non_null(strstr(buf_cstr(&client->in), "Content-Length: 8\r\n"));
    assert_null(strstr(buf_cstr(&client->in), "HEAD /?"));
    fixture_free(f);
}

static void replies_carry_the_given_headers_and_no_injected_ones(void **state)
{
    struct fixture *f = fixture_default();
    struct client *client = client_new(f);
    say(client, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(wait_end(f, client));
    assert_non_null(strstr(buf_cstr(&client->in), "X-Test: yes\r\n"));
    assert_null(strstr(buf_cstr(&client->in), "\r\nX-Injected"));
    fixture_free(f);
}

static void ambiguous_lengths_are_refused_and_the_connection_ends(void **state)
{
    static const char *const lengths[] = {"Content-Length: 2\r\nContent-Length: 3",
                                          "Content-Length: +2",
                                          "Content-Length: 0x2",
                                          "Content-Length: 2\r\nTransfer-Encoding: chunked",
                                          "Transfer-Encoding: xchunked",
                                          "Transfer-Encoding: gzip, chunked",
                                          "X: a\x01z\r\nContent-Length: 2",
                                          "Content-Length: -2"};
    struct fixture *f = fixture_default();
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct client *client = client_new(f);
        DB_CLEANUP(free_charp)
        char *request = xasprintf("POST / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\nhiGET /header "
                                  "HTTP/1.1\r\nX-Given: smuggled\r\n\r\n",
                                  lengths[i]);
        say(client, request);
        assert_true(wait_end(f, client));
        if (!strstr(buf_cstr(&client->in), " 400 ") && !strstr(buf_cstr(&client->in), " 413 "))
            fail_msg("%s gave %s", lengths[i], buf_cstr(&client->in));
        assert_null(strstr(buf_cstr(&client->in), "smuggled"));
        assert_null(strstr(buf_cstr(&client->in), "<html"));
    }
    assert_int_equal(f->n_handled, 0);
    fixture_free(f);
}

static void large_bodies_are_413_in_json(void **state)
{
    struct http_server_limits limits = HTTP_SERVER_LIMITS_DEFAULT;
    limits.max_body_bytes = 1000;
    struct fixture *f = fixture_new(&limits);
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        struct client *client = client_new(f);
        char body[2001];
        memset(body, 'x', 2000);
        body[2000] = '\0';
        DB_CLEANUP(free_charp)
        char *request = is_chunked ? xasprintf("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                               "chunked\r\n\r\n7d0\r\n%s\r\n0\r\n\r\n",
                                               body)
                                   : xasprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: "
                                               "2000\r\n\r\n%s",
                                               body);
        say(client, request);
        if (!wait_text(f, client, "{\"error\":\"too_large\"", 1))
            fail_msg("chunked %d: %s", is_chunked, buf_cstr(&client->in));
        assert_non_null(strstr(buf_cstr(&client->in), "HTTP/1.1 413 "));
        assert_true(wait_end(f, client));
    }
    char exact[1200] = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
    memset(exact + strlen(exact), 'y', 1000);
    ask(f, exact, "200 OK");
    assert_int_equal(f->n_handled, 1);
    fixture_free(f);
}

static void large_headers_and_garbage_are_400_in_json(void **state)
{
    struct http_server_limits limits = HTTP_SERVER_LIMITS_DEFAULT;
    limits.max_header_bytes = 1024;
    struct fixture *f = fixture_new(&limits);
    char request[4000] = "GET / HTTP/1.1\r\nX: ";
    memset(request + strlen(request), 'x', 3000);
    ask(f, request, "{\"error\":\"bad_request\"");
    ask(f, "\x16\x03\x01 what\r\n\r\n", "{\"error\":");
    ask(f, "GET / HTTP/1.1\r\nno colon here\r\n\r\n", "{\"error\":\"bad_request\"");
    assert_int_equal(f->n_handled, 0);
    fixture_free(f);
}

static void pipelined_requests_are_answered_in_order_also_when_the_first_is_slow(void **state)
{
    struct fixture *f = fixture_default();
    struct client *client = client_new(f);
    say(client, "GET /images/held HTTP/1.1\r\nHost: x\r\n\r\nGET /?second HTTP/1.1\r\nHost: "
                "x\r\n\r\n");
    while (f->n_held == 0)
        (void)loop_run_until(f->loop, never, NULL, 5);
    say(client, "GET /?third HTTP/1.1\r\nHost: x\r\n\r\n");
    (void)loop_run_until(f->loop, never, NULL, 50);
    assert_int_equal(f->n_handled, 0);
    const struct http_reply reply = {.http_status = 200, .body = STR_LIT("first")};
    http_server_reply(f->server, f->held[0], &reply);
    http_server_reply(f->server, f->held[0], &reply);
    assert_true(wait_text(f, client, "/?third", 1));
    const char *text = buf_cstr(&client->in);
    assert_true(strstr(text, "first") < strstr(text, "/?second"));
    assert_true(strstr(text, "/?second") < strstr(text, "/?third"));
    fixture_free(f);
}

static void a_reply_to_a_peer_that_left_is_dropped(void **state)
{
    struct fixture *f = fixture_default();
    struct client *client = client_new(f);
    say(client, "GET /images/held HTTP/1.1\r\nHost: x\r\n\r\n");
    while (f->n_held == 0)
        (void)loop_run_until(f->loop, never, NULL, 5);
    (void)close(client->fd);
    client->fd = -1;
    (void)loop_run_until(f->loop, never, NULL, 20);
    const struct http_reply reply = {.http_status = 200, .body = STR_LIT("late")};
    http_server_reply(f->server, f->held[0], &reply);
    http_server_reply(f->server, 4711, &reply);
    ask(f, "GET /?next HTTP/1.1\r\nHost: x\r\n\r\n", "/?next");
    assert_int_equal(http_server_open_requests(f->server), 0);
    fixture_free(f);
}

static void can_be_freed_with_requests_open(void **state)
{
    struct fixture *f = fixture_default();
    say(client_new(f), "GET /images/held HTTP/1.1\r\nHost: x\r\n\r\n");
    say(client_new(f), "GET / HT");
    while (f->n_held == 0)
        (void)loop_run_until(f->loop, never, NULL, 5);
    fixture_free(f);
}

static void a_request_that_drips_is_cut_at_its_deadline_and_a_slow_handler_is_not(void **state)
{
    struct http_server_limits limits = HTTP_SERVER_LIMITS_DEFAULT;
    limits.request_timeout_ms = 400;
    struct fixture *f = fixture_new(&limits);
    struct client *silent = client_new(f);
    struct client *waiting = client_new(f);
    struct client *dripping = client_new(f);
    say(waiting, "GET /images/held HTTP/1.1\r\nHost: x\r\n\r\n");
    say(dripping, "GET / HTTP/1.1\r\n");
    int64_t began_ms = clock_mono_ms();
    while (!dripping->is_ended && clock_mono_ms() - began_ms < PATIENCE_MS) {
        (void)send(dripping->fd, "X: y\r\n", 6, MSG_NOSIGNAL);
        (void)loop_run_until(f->loop, never, NULL, 20);
        pull(dripping);
    }
    assert_true(dripping->is_ended);
    assert_in_range(clock_mono_ms() - began_ms, 400, 3000);
    assert_true(wait_end(f, silent));
    const struct http_reply reply = {.http_status = 200, .body = STR_LIT("patience")};
    http_server_reply(f->server, f->held[0], &reply);
    assert_true(wait_text(f, waiting, "patience", 1));
    fixture_free(f);
}

static void an_idle_connection_may_stay_longer_than_a_request_may_take(void **state)
{
    struct http_server_limits limits = HTTP_SERVER_LIMITS_DEFAULT;
    limits.request_timeout_ms = 300;
    limits.idle_timeout_ms = 1500;
    struct fixture *f = fixture_new(&limits);
    struct client *client = client_new(f);
    say(client, "GET /?one HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(wait_text(f, client, "/?one", 1));
    (void)loop_run_until(f->loop, never, NULL, 900);
    say(client, "GET /?two HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(wait_text(f, client, "/?two", 1));
    assert_true(wait_end(f, client));
    fixture_free(f);
}

static void connections_over_the_cap_wait_and_are_served_when_there_is_room(void **state)
{
    struct http_server_limits limits = HTTP_SERVER_LIMITS_DEFAULT;
    limits.max_connections = 4;
    struct fixture *f = fixture_new(&limits);
    struct client *clients[8];
    for (int i = 0; i < 8; i++) {
        clients[i] = client_new(f);
        say(clients[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for (int i = 0; i < 4; i++)
        assert_true(wait_text(f, clients[i], "GET /?", 1));
    (void)loop_run_until(f->loop, never, NULL, 600);
    assert_int_equal(f->n_handled, 4);
    for (int i = 0; i < 4; i++) {
        (void)close(clients[i]->fd);
        clients[i]->fd = -1;
    }
    for (int i = 4; i < 8; i++)
        assert_true(wait_text(f, clients[i], "GET /?", 1));
    fixture_free(f);
}

static void many_short_connections_are_not_slowed_by_the_cap(void **state)
{
    struct http_server_limits limits = HTTP_SERVER_LIMITS_DEFAULT;
    limits.max_connections = 8;
    struct fixture *f = fixture_new(&limits);
    int64_t began_ms = clock_mono_ms();
    for (int i = 0; i < 200; i++) {
        struct client *client = client_new(f);
        say(client, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert_true(wait_end(f, client));
        (void)close(client->fd);
        buf_done(&client->in);
        *client = (struct client){0};
        f->n_clients--;
    }
    assert_int_equal(f->n_handled, 200);
    /* Waiting for the sweep at every eighth would take over six seconds. */
    assert_in_range(clock_mono_ms() - began_ms, 0, 5000);
    fixture_free(f);
}

/* The next connection gets the descriptor of the last one. */
static void a_closed_connection_takes_nothing_from_the_next_one(void **state)
{
    static const char *const lasts[] = {
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx",
        "garbage\r\n\r\n",
    };
    enum { BODY = 60000 };
    DB_CLEANUP(free_charp) char *body = xmalloc(BODY + 1);
    memset(body, 'x', BODY);
    body[BODY] = '\0';
    struct fixture *f = fixture_default();
    for (size_t i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++) {
        struct client *last = client_new(f);
        say(last, lasts[i]);
        assert_true(wait_end(f, last));
        (void)close(last->fd);
        last->fd = -1;
        struct client *next = client_new(f);
        say(next, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n");
        (void)loop_run_until(f->loop, never, NULL, 5);
        say(next, body);
        if (!wait_text(f, next, "POST /", 1))
            fail_msg("after %s", lasts[i]);
    }
    fixture_free(f);
}

static void runs_calmly_without_file_descriptors_and_goes_on_afterwards(void **state)
{
    struct fixture *f = fixture_default();
    int probe = dup(STDERR_FILENO);
    (void)close(probe);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    /* The client's socket takes the last one. */
    struct rlimit low = {.rlim_cur = (rlim_t)probe + 1, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct client *client = client_new(f);
    say(client, "GET /?calm HTTP/1.1\r\nHost: x\r\n\r\n");
    struct rusage before;
    struct rusage after;
    (void)getrusage(RUSAGE_SELF, &before);
    (void)loop_run_until(f->loop, never, NULL, 500);
    (void)getrusage(RUSAGE_SELF, &after);
    int64_t busy_ms = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000 +
                      (after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1000;
    assert_in_range(busy_ms, 0, 200);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_true(wait_text(f, client, "/?calm", 1));
    fixture_free(f);
}

static void stops_accepting_and_still_answers(void **state)
{
    struct fixture *f = fixture_default();
    struct client *client = client_new(f);
    say(client, "GET /images/held HTTP/1.1\r\nHost: x\r\n\r\n");
    while (f->n_held == 0)
        (void)loop_run_until(f->loop, never, NULL, 5);
    http_server_stop_accepting(f->server);
    assert_int_equal(try_connect(f), -1);
    const struct http_reply reply = {.http_status = 200, .body = STR_LIT("goodbye")};
    http_server_reply(f->server, f->held[0], &reply);
    assert_true(wait_text(f, client, "goodbye", 1));
    assert_true(wait_end(f, client));
    fixture_free(f);
}

static void a_port_that_is_taken_and_a_bad_address_are_told(void **state)
{
    struct fixture *f = fixture_default();
    struct http_server_limits limits = HTTP_SERVER_LIMITS_DEFAULT;
    struct http_server *other = NULL;
    struct error error;
    assert_int_equal(
        http_server_new(f->loop, "127.0.0.1", http_server_port(f->server), &limits, &other, &error),
        ST_NET);
    assert_non_null(strstr(error.text, "in use"));
    assert_int_equal(http_server_new(f->loop, "not an address", 0, &limits, &other, &error),
                     ST_INVAL);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_by_path_and_method_and_the_longest_path_wins),
        cmocka_unit_test(unknown_paths_and_methods_are_refused_as_json),
        cmocka_unit_test(head_is_answered_like_get_without_the_body),
        cmocka_unit_test(replies_carry_the_given_headers_and_no_injected_ones),
        cmocka_unit_test(ambiguous_lengths_are_refused_and_the_connection_ends),
        cmocka_unit_test(large_bodies_are_413_in_json),
        cmocka_unit_test(large_headers_and_garbage_are_400_in_json),
        cmocka_unit_test(pipelined_requests_are_answered_in_order_also_when_the_first_is_slow),
        cmocka_unit_test(a_reply_to_a_peer_that_left_is_dropped),
        cmocka_unit_test(can_be_freed_with_requests_open),
        cmocka_unit_test(a_request_that_drips_is_cut_at_its_deadline_and_a_slow_handler_is_not),
        cmocka_unit_test(an_idle_connection_may_stay_longer_than_a_request_may_take),
        cmocka_unit_test(connections_over_the_cap_wait_and_are_served_when_there_is_room),
        cmocka_unit_test(many_short_connections_are_not_slowed_by_the_cap),
        cmocka_unit_test(a_closed_connection_takes_nothing_from_the_next_one),
        cmocka_unit_test(runs_calmly_without_file_descriptors_and_goes_on_afterwards),
        cmocka_unit_test(stops_accepting_and_still_answers),
        cmocka_unit_test(a_port_that_is_taken_and_a_bad_address_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
