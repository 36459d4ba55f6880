#include "net/tcp_query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/buf.h"
#include "util/mem.h"

#define LINE_BYTES_MAX 1024

struct tcp_query {
    struct dial *dial;
    struct watch *watch;
    struct timer *timer;
    struct loop *loop;
    struct buf line;
    struct buf answer;
    size_t sent;
    tcp_query_fn fn;
    void *arg;
};

static void query_free(struct tcp_query *query)
{
    timer_cancel(&query->timer);
    watch_free(query->watch);
    dial_free(query->dial);
    buf_done(&query->line);
    buf_done(&query->answer);
    free(query);
}

static void finish(struct tcp_query *query, const struct error *error)
{
    struct tcp_query_result result = {.answer = buf_str(&query->answer)};
    if (error) {
        result.status = error->status;
        result.error = *error;
    } else if (query->answer.len == 0) {
        result.status = error_set(&result.error, ST_PROTOCOL, 0, "it closed without an answer");
    }
    query->fn(&result, query->arg);
    query_free(query);
}

static void fail(struct tcp_query *query, enum status status, const char *why)
{
    struct error error;
    (void)error_set(&error, status, 0, "%s", why);
    finish(query, &error);
}

static void on_timeout(void *arg)
{
    struct tcp_query *query = arg;
    query->timer = NULL;
    fail(query, ST_TIMEOUT, "no whole answer in time");
}

static bool is_later(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* One read a turn of the loop, for the others' sake. */
static void on_ready(int fd, bool is_readable, bool is_writable, void *arg)
{
    struct tcp_query *query = arg;
    if (query->sent < query->line.len) {
        ssize_t n =
            send(fd, query->line.data + query->sent, query->line.len - query->sent, MSG_NOSIGNAL);
        if (is_later(n))
            return;
        if (n < 0) {
            fail(query, ST_NET, strerror(errno));
            return;
        }
        query->sent += (size_t)n;
        watch_set(query->watch, true, query->sent < query->line.len);
    }
    if (!is_readable)
        return;
    char chunk[8192];
    ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
    if (is_later(n))
        return;
    size_t room = query->answer.max - query->answer.len;
    if (n > 0)
        (void)buf_add(&query->answer, chunk, (size_t)n < room ? (size_t)n : room);
    /* Some reset the connection instead of closing it: what came before counts. */
    if (n < 0 && query->answer.len == 0)
        fail(query, ST_NET, strerror(errno));
    else if (n <= 0 || query->answer.len == query->answer.max)
        finish(query, NULL);
}

static void on_dialled(const struct dial_result *result, void *arg)
{
    struct tcp_query *query = arg;
    if (result->status != ST_OK) {
        finish(query, &result->error);
        return;
    }
    query->watch = watch_new(query->loop, result->fd, "tcp_query", on_ready, query);
    watch_set(query->watch, true, true);
}

struct tcp_query *tcp_query_start(struct dialer *dialer, const struct tcp_query_request *request,
                                  tcp_query_fn fn, void *arg)
{
    struct tcp_query *query = xcalloc(1, sizeof(*query));
    query->loop = dialer_loop(dialer);
    query->fn = fn;
    query->arg = arg;
    buf_init(&query->line, LINE_BYTES_MAX);
    buf_init(&query->answer, request->max_bytes);
    (void)buf_add_str(&query->line, request->line);
    query->timer = timer_start(query->loop, request->timeout_ms, "tcp_query", on_timeout, query);
    query->dial =
        dial_start(dialer, request->host, request->port, request->is_trusted, on_dialled, query);
    return query;
}

void tcp_query_cancel(struct tcp_query **query)
{
    if (*query)
        query_free(*query);
    *query = NULL;
}
