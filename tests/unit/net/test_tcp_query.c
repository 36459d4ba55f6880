#include "net/tcp_query.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/buf.h"

#define WAIT_MS 20000

/* A server that answers the first connection, or only takes it. */
struct fixture {
    struct loop *loop;
    struct dialer *dialer;
    int listener;
    int port;
    struct watch *watch;
    int peer; /* -1 before somebody came */
    struct watch *peer_watch;
    const char *answer; /* NULL: silence */
    bool is_closing;    /* after the answer */
    struct buf heard;
    bool is_done;
    enum status status;
    struct buf got;
};

static void on_heard(int fd, bool is_readable, bool is_writable, void *arg)
{
    struct fixture *f = arg;
    char bytes[512];
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
    if (n <= 0) {
        watch_set(f->peer_watch, false, false);
        return;
    }
    (void)buf_add(&f->heard, bytes, (size_t)n);
    if (!f->answer || f->heard.data[f->heard.len - 1] != '\n')
        return;
    (void)send(fd, f->answer, strlen(f->answer), MSG_NOSIGNAL);
    if (f->is_closing)
        (void)shutdown(fd, SHUT_WR);
}

static void on_peer(int fd, bool is_readable, bool is_writable, void *arg)
{
    struct fixture *f = arg;
    f->peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(f->peer >= 0);
    f->peer_watch = watch_new(f->loop, f->peer, "peer", on_heard, f);
    watch_set(f->peer_watch, true, false);
}

static void setup(struct fixture *f, bool is_private_allowed)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    (void)signal(SIGPIPE, SIG_IGN);
    *f = (struct fixture){.peer = -1, .is_closing = true};
    assert_int_equal(loop_new(&f->loop), ST_OK);
    f->dialer = dialer_new(f->loop, is_private_allowed);
    assert_non_null(f->dialer);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&address, &size), 0);
    f->port = ntohs(address.sin_port);
    f->watch = watch_new(f->loop, f->listener, "listener", on_peer, f);
    watch_set(f->watch, true, false);
    buf_init(&f->heard, 4096);
    buf_init(&f->got, 1024 * 1024);
}

static void teardown(struct fixture *f)
{
    watch_free(f->watch);
    watch_free(f->peer_watch);
    if (f->peer >= 0)
        (void)close(f->peer);
    (void)close(f->listener);
    dialer_free(f->dialer);
    loop_free(f->loop);
    buf_done(&f->heard);
    buf_done(&f->got);
}

static void on_done(const struct tcp_query_result *result, void *arg)
{
    struct fixture *f = arg;
    assert_false(f->is_done);
    f->is_done = true;
    f->status = result->status;
    (void)buf_add_str(&f->got, result->answer);
    assert_int_equal(result->status == ST_OK, *result->error.text == '\0');
}

static bool is_done(void *arg)
{
    return ((struct fixture *)arg)->is_done;
}

static bool has_heard(void *arg)
{
    return ((struct fixture *)arg)->heard.len > 0;
}

static struct tcp_query *ask(struct fixture *f, const char *host, int64_t timeout_ms,
                             bool is_trusted)
{
    const struct tcp_query_request request = {.host = host,
                                              .port = f->port,
                                              .is_trusted = is_trusted,
                                              .line = STR_LIT("example.com\r\n"),
                                              .timeout_ms = timeout_ms,
                                              .max_bytes = 100};
    struct tcp_query *query = tcp_query_start(f->dialer, &request, on_done, f);
    assert_false(f->is_done);
    return query;
}

static void the_line_goes_out_and_the_answer_comes_in(void **state)
{
    struct fixture f;
    setup(&f, true);
    f.answer = "domain: EXAMPLE.COM\r\n";
    (void)ask(&f, "127.0.0.1", WAIT_MS, false);
    assert_true(loop_run_until(f.loop, is_done, &f, WAIT_MS));
    assert_int_equal(f.status, ST_OK);
    assert_string_equal(buf_cstr(&f.heard), "example.com\r\n");
    assert_string_equal(buf_cstr(&f.got), f.answer);
    teardown(&f);
}

static void an_answer_is_cut_at_its_limit(void **state)
{
    struct fixture f;
    char answer[300];
    memset(answer, 'x', sizeof(answer) - 1);
    answer[sizeof(answer) - 1] = '\0';
    setup(&f, true);
    f.answer = answer;
    f.is_closing = false;
    (void)ask(&f, "127.0.0.1", WAIT_MS, false);
    assert_true(loop_run_until(f.loop, is_done, &f, WAIT_MS));
    assert_int_equal(f.status, ST_OK);
    assert_int_equal(f.got.len, 100);
    teardown(&f);
}

static void silence_ends_with_the_time_limit(void **state)
{
    struct fixture f;
    setup(&f, true);
    (void)ask(&f, "127.0.0.1", 50, false);
    assert_true(loop_run_until(f.loop, is_done, &f, WAIT_MS));
    assert_int_equal(f.status, ST_TIMEOUT);
    teardown(&f);
}

static void an_answer_that_does_not_end_ends_with_the_time_limit(void **state)
{
    struct fixture f;
    setup(&f, true);
    f.answer = "a\n";
    f.is_closing = false;
    (void)ask(&f, "127.0.0.1", 100, false);
    assert_true(loop_run_until(f.loop, is_done, &f, WAIT_MS));
    assert_int_equal(f.status, ST_TIMEOUT);
    teardown(&f);
}

static void a_peer_that_closes_at_once_is_told(void **state)
{
    struct fixture f;
    setup(&f, true);
    f.answer = "";
    (void)ask(&f, "127.0.0.1", WAIT_MS, false);
    assert_true(loop_run_until(f.loop, is_done, &f, WAIT_MS));
    assert_int_equal(f.status, ST_PROTOCOL);
    teardown(&f);
}

static void nobody_there_is_told(void **state)
{
    struct fixture f;
    setup(&f, true);
    watch_set(f.watch, false, false);
    (void)close(f.listener);
    f.listener = -1;
    (void)ask(&f, "127.0.0.1", WAIT_MS, false);
    assert_true(loop_run_until(f.loop, is_done, &f, WAIT_MS));
    assert_int_equal(f.status, ST_NET);
    teardown(&f);
}

static void addresses_that_are_not_public_are_not_called(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "a.localhost", "::1", "::ffff:127.0.0.1",
                                        "0.0.0.0"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct fixture f;
        setup(&f, false);
        (void)ask(&f, hosts[i], WAIT_MS, false);
        assert_true(loop_run_until(f.loop, is_done, &f, WAIT_MS));
        assert_int_equal(f.status, ST_DENIED);
        assert_int_equal(f.peer, -1);
        teardown(&f);
    }
}

static void the_operators_own_host_may_be_anywhere(void **state)
{
    struct fixture f;
    setup(&f, false);
    f.answer = "yes\n";
    (void)ask(&f, "127.0.0.1", WAIT_MS, true);
    assert_true(loop_run_until(f.loop, is_done, &f, WAIT_MS));
    assert_int_equal(f.status, ST_OK);
    teardown(&f);
}

static void a_cancelled_query_says_nothing(void **state)
{
    struct fixture f;
    setup(&f, true);
    struct tcp_query *query = ask(&f, "127.0.0.1", WAIT_MS, false);
    tcp_query_cancel(&query);
    assert_null(query);
    tcp_query_cancel(&query);
    query = ask(&f, "127.0.0.1", WAIT_MS, false);
    assert_true(loop_run_until(f.loop, has_heard, &f, WAIT_MS));
    tcp_query_cancel(&query);
    assert_false(loop_run_until(f.loop, is_done, &f, 20));
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_goes_out_and_the_answer_comes_in),
        cmocka_unit_test(an_answer_is_cut_at_its_limit),
        cmocka_unit_test(silence_ends_with_the_time_limit),
        cmocka_unit_test(an_answer_that_does_not_end_ends_with_the_time_limit),
        cmocka_unit_test(a_peer_that_closes_at_once_is_told),
        cmocka_unit_test(nobody_there_is_told),
        cmocka_unit_test(addresses_that_are_not_public_are_not_called),
        cmocka_unit_test(the_operators_own_host_may_be_anywhere),
        cmocka_unit_test(a_cancelled_query_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
