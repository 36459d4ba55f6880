/*
 * evhttp does the parsing; here is what it lacks. It tells nobody about new connections, so each
 * one's bufferevent is ours to make (evhttp_set_bevcb): we keep a reference and a record beside it.
 *
 *     connection   IDLE ──first byte──→ READING ──whole request──→ BUSY ──reply sent──→ IDLE
 *
 * IDLE and READING have deadlines, watched by a sweep that runs while there are connections. A
 * connection that evhttp has freed is recognised by its bufferevent having no callbacks any more.
 * Until then its descriptor stays open (BEV_OPT_CLOSE_ON_FREE): evhttp frees without taking the
 * bufferevent's events back, and they would read along with the next connection of that number.
 * EV_READ is never enabled during BUSY: evhttp 2.1 ends the process when a pipelined request comes
 * then.
 */
#include "net/http_server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "net/http_listen.h"
#include "util/buf.h"
#include "util/json.h"
#include "util/list.h"
#include "util/log.h"
#include "util/map.h"
#include "util/mem.h"

#define SWEEP_MS 250
#define ACCEPT_PAUSE_MS 200
#define ERROR_BYTES_MAX 1024
#define LOG_WINDOW_MS 1000
#define LOG_LINES_A_WINDOW 10
#define METHODS                                                                                \
    (EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | \
     EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH)

struct route {
    char *path; /* without the '*' */
    size_t len;
    bool is_prefix;
    unsigned methods;
    http_server_fn handler;
    void *arg;
};

/* A request that a handler has and has not answered. */
struct pending {
    uint64_t id;
    struct evhttp_request *request;
    struct connection *connection;
    bool is_head;
};

struct connection {
    struct list node;
    struct http_server *server;
    struct bufferevent *bev; /* one reference is ours */
    struct pending *pending;
    bool is_replying;
    bool is_served;   /* has had an answer before */
    bool is_refusing; /* evhttp itself has answered, and the answer is to be put into our form */
    int64_t since_ms; /* IDLE since */
    int64_t began_ms; /* READING since; 0 while IDLE */
};

/* Work put off that survives the server. */
struct deferral {
    struct http_server *server; /* NULL once it is gone */
};

struct http_server {
    struct loop *loop;
    struct http_server_limits limits;
    struct evhttp *http;
    struct evhttp_bound_socket *bound; /* NULL once no longer accepting */
    struct evconnlistener *listener;   /* of bound */
    int port;
    struct route *routes;
    size_t n_routes;
    struct list connections;
    size_t n_connections;
    struct map *by_bev;  /* address of a connection's bufferevent → it */
    struct map *pending; /* id → struct pending */
    uint64_t last_id;
    struct timer *sweep_timer;
    struct timer *accept_timer; /* runs while accepting pauses after an error */
    struct deferral *deferral;  /* refusals to put into our form */
    int64_t log_window_ms;
    int log_lines;
    int64_t log_left_out;
};

static void on_sweep(void *arg);

/* ---- connections ---- */

static bool is_dead(const struct connection *connection)
{
    bufferevent_data_cb on_read = NULL;
    bufferevent_data_cb on_write = NULL;
    bufferevent_event_cb on_event = NULL;
    bufferevent_getcb(connection->bev, &on_read, &on_write, &on_event, NULL);
    return !on_read && !on_write && !on_event;
}

static void drop_pending(struct connection *connection)
{
    if (!connection->pending)
        return;
    (void)map_take_id(connection->server->pending, connection->pending->id);
    free(connection->pending);
    connection->pending = NULL;
}

static void connection_free(struct connection *connection)
{
    drop_pending(connection);
    list_remove(&connection->node);
    connection->server->n_connections--;
    (void)map_take_id(connection->server->by_bev, (uintptr_t)connection->bev);
    bufferevent_decref(connection->bev);
    free(connection);
}

static void reap(struct http_server *server)
{
    LIST_FOREACH(node, next, &server->connections)
    {
        struct connection *connection = LIST_ENTRY(node, struct connection, node);
        if (is_dead(connection))
            connection_free(connection);
    }
}

static bool is_overdue(const struct connection *connection, int64_t now_ms)
{
    const struct http_server_limits *limits = &connection->server->limits;
    if (connection->pending || connection->is_replying)
        return false;
    if (connection->began_ms)
        return now_ms - connection->began_ms > limits->request_timeout_ms;
    int64_t allowed_ms =
        connection->is_served ? limits->idle_timeout_ms : limits->request_timeout_ms;
    return now_ms - connection->since_ms > allowed_ms;
}

static void set_accepting(struct http_server *server)
{
    if (!server->bound)
        return;
    if (server->n_connections < (size_t)server->limits.max_connections && !server->accept_timer)
        (void)evconnlistener_enable(server->listener);
    else
        (void)evconnlistener_disable(server->listener);
}

static void keep_sweeping(struct http_server *server)
{
    if (!server->sweep_timer && !list_is_empty(&server->connections))
        server->sweep_timer = timer_start(server->loop, SWEEP_MS, "http_sweep", on_sweep, server);
}

static void on_sweep(void *arg)
{
    struct http_server *server = arg;
    server->sweep_timer = NULL;
    reap(server);
    int64_t now_ms = loop_now_ms(server->loop);
    LIST_FOREACH(node, next, &server->connections)
    {
        struct connection *connection = LIST_ENTRY(node, struct connection, node);
        /* evhttp sees the end of the connection, and frees it. */
        if (is_overdue(connection, now_ms))
            (void)shutdown(bufferevent_getfd(connection->bev), SHUT_RDWR);
    }
    set_accepting(server);
    keep_sweeping(server);
}

static void on_bytes_in(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    struct connection *connection = arg;
    if (info->n_added > 0 && is_dead(connection)) /* nobody wants the rest */
        (void)bufferevent_disable(connection->bev, EV_READ | EV_WRITE);
    if (info->n_added > 0 && connection->began_ms == 0)
        connection->began_ms = loop_now_ms(connection->server->loop);
}

static void on_bytes_out(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg);

/* evhttp asks for the bufferevent of a connection that it has just accepted. */
static struct bufferevent *on_accepted(struct event_base *base, void *arg)
{
    struct http_server *server = arg;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!bev)
        return NULL;
    struct connection *connection = xcalloc(1, sizeof(*connection));
    connection->server = server;
    connection->bev = bev;
    connection->since_ms = loop_now_ms(server->loop);
    bufferevent_incref(bev);
    (void)evbuffer_add_cb(bufferevent_get_input(bev), on_bytes_in, connection);
    (void)evbuffer_add_cb(bufferevent_get_output(bev), on_bytes_out, connection);
    if (server->n_connections + 1 >= (size_t)server->limits.max_connections)
        reap(server);
    list_push_back(&server->connections, &connection->node);
    (void)map_put_id(server->by_bev, (uintptr_t)bev, connection);
    server->n_connections++;
    set_accepting(server);
    keep_sweeping(server);
    return bev;
}

static struct connection *connection_of(const struct http_server *server,
                                        struct evhttp_request *request)
{
    struct evhttp_connection *evcon = evhttp_request_get_connection(request);
    const struct bufferevent *bev = evcon ? evhttp_connection_get_bufferevent(evcon) : NULL;
    return bev ? map_get_id(server->by_bev, (uintptr_t)bev) : NULL;
}

static void on_accept_again(void *arg)
{
    struct http_server *server = arg;
    server->accept_timer = NULL;
    set_accepting(server);
}

/* Out of file descriptors: without a pause the loop would spin. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct http_server *server = arg;
    int problem = errno;
    if (server->accept_timer)
        return;
    log_event(LOG_WARN, "http", "accept_failed", LOG_S("reason", strerror(problem)));
    server->accept_timer =
        timer_start(server->loop, ACCEPT_PAUSE_MS, "http_accept", on_accept_again, server);
    set_accepting(server);
}

/* ---- refusals ---- */

static void log_refusal(struct http_server *server, int http_status, const char *reason,
                        struct str peer)
{
    int64_t now_ms = loop_now_ms(server->loop);
    if (now_ms - server->log_window_ms >= LOG_WINDOW_MS) {
        server->log_window_ms = now_ms;
        server->log_lines = 0;
    }
    if (server->log_lines >= LOG_LINES_A_WINDOW) {
        server->log_left_out++;
        return;
    }
    server->log_lines++;
    log_event(LOG_WARN, "http", "refused", LOG_I("status", http_status), LOG_S("reason", reason),
              LOG_STR("peer", peer), LOG_I("lines_left_out", server->log_left_out));
    server->log_left_out = 0;
}

static const char *reason_phrase(int http_status)
{
    static const struct {
        int http_status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (phrases[i].http_status == http_status)
            return phrases[i].phrase;
    }
    return "Other";
}

static void put_error_body(struct buf *out, const char *code, const char *message)
{
    buf_printf(out, "{\"error\":\"%s\",\"message\":\"%s\"}\n", code, message);
}

/* The status of the answer at the start of `output`; 0 when there is none yet. */
static int status_in(struct evbuffer *output)
{
    char line[13] = {0}; /* HTTP/1.1 413 */
    if (evbuffer_copyout(output, line, sizeof(line) - 1) != sizeof(line) - 1)
        return 0;
    int64_t http_status;
    return parse_i64(str_sub(str_of(line), 9, 3), 100, 999, &http_status) == ST_OK
               ? (int)http_status
               : 0;
}

/* evhttp's own answers are HTML and silent: what it refuses gets our form and a log line. */
static void rewrite_refusal(struct connection *connection)
{
    struct evbuffer *output = bufferevent_get_output(connection->bev);
    int http_status = status_in(output);
    if (http_status < 400)
        return;
    const char *code = "bad_request";
    const char *message = "not a well-formed HTTP request within the limits";
    if (http_status == 413) {
        code = "too_large";
        message = "the body is larger than max_body_bytes";
    } else if (http_status == 501) {
        code = "not_implemented";
        message = "no such method here";
    }
    struct buf body = BUF_INIT(ERROR_BYTES_MAX);
    put_error_body(&body, code, message);
    (void)evbuffer_drain(output, evbuffer_get_length(output));
    (void)evbuffer_add_printf(output,
                              "HTTP/1.1 %d %s\r\nContent-Type: application/json; "
                              "charset=utf-8\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                              http_status, reason_phrase(http_status), body.len, buf_cstr(&body));
    buf_done(&body);
    char peer[HTTP_PEER_SIZE];
    http_peer_of_fd(bufferevent_getfd(connection->bev), peer);
    log_refusal(connection->server, http_status, code, str_of(peer));
}

static void on_deferred(void *arg)
{
    struct deferral *deferral = arg;
    struct http_server *server = deferral->server;
    free(deferral);
    if (!server)
        return;
    server->deferral = NULL;
    LIST_FOREACH(node, next, &server->connections)
    {
        struct connection *connection = LIST_ENTRY(node, struct connection, node);
        if (connection->is_refusing && !is_dead(connection))
            rewrite_refusal(connection);
        connection->is_refusing = false;
    }
}

/* Bytes go out in the next turn of the loop at the earliest, so the end of this one is the time to
 * change them. */
static void on_bytes_out(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    struct connection *connection = arg;
    struct http_server *server = connection->server;
    if (info->n_added == 0 || connection->is_replying || connection->is_refusing)
        return;
    connection->is_refusing = true;
    if (!server->deferral) {
        server->deferral = xcalloc(1, sizeof(*server->deferral));
        server->deferral->server = server;
        loop_defer(server->loop, on_deferred, server->deferral);
    }
}

/* ---- requests ---- */

static bool is_all_digits(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

static bool has_control_bytes(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 && *text != '\t')
            return true;
    }
    return false;
}

/* What evhttp takes too lightly: anything over which a proxy in front could disagree with us about
 * where a request ends. */
static bool is_framed_well(const struct evkeyvalq *headers)
{
    int n_lengths = 0;
    int n_encodings = 0;
    for (const struct evkeyval *header = headers->tqh_first; header;
         header = header->next.tqe_next) {
        if (has_control_bytes(header->key) || has_control_bytes(header->value))
            return false;
        if (strcasecmp(header->key, "Content-Length") == 0) {
            n_lengths++;
            if (!is_all_digits(header->value))
                return false;
        } else if (strcasecmp(header->key, "Transfer-Encoding") == 0) {
            n_encodings++;
            if (strcasecmp(header->value, "chunked") != 0)
                return false;
        }
    }
    return n_lengths + n_encodings <= 1;
}

static const struct route *find_route(const struct http_server *server, struct str path,
                                      unsigned method_bit, bool *ret_is_known)
{
    const struct route *found = NULL;
    size_t longest = 0;
    *ret_is_known = false;
    for (size_t i = 0; i < server->n_routes; i++) {
        const struct route *route = &server->routes[i];
        struct str own = {route->path, route->len};
        bool is_match = route->is_prefix ? str_starts(path, own) : str_eq(path, own);
        if (!is_match || route->len < longest)
            continue;
        if (route->len > longest)
            found = NULL;
        longest = route->len;
        *ret_is_known = true;
        if (route->methods & method_bit)
            found = route;
    }
    return found;
}

static void on_reply_sent(struct evhttp_request *request, void *arg)
{
    struct connection *connection = arg;
    connection->is_replying = false;
    connection->is_served = true;
    connection->since_ms = loop_now_ms(connection->server->loop);
    size_t waiting = evbuffer_get_length(bufferevent_get_input(connection->bev));
    connection->began_ms = waiting > 0 ? connection->since_ms : 0;
}

static void on_connection_closed(struct evhttp_connection *evcon, void *arg)
{
    drop_pending(arg);
}

static void add_header_line(struct evkeyvalq *headers, const char *line)
{
    const char *colon = strchr(line, ':');
    if (!colon)
        return;
    DB_CLEANUP(free_charp) char *name = xstrndup(line, (size_t)(colon - line));
    (void)evhttp_add_header(headers, name, colon + 1 + strspn(colon + 1, " "));
}

void http_server_reply(struct http_server *server, uint64_t id, const struct http_reply *reply)
{
    struct pending *pending = map_take_id(server->pending, id);
    if (!pending)
        return;
    struct connection *connection = pending->connection;
    struct evhttp_request *request = pending->request;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    char length[24];
    (void)snprintf(length, sizeof(length), "%zu", reply->body.n);
    (void)evhttp_add_header(headers, "Content-Type",
                            reply->content_type ? reply->content_type
                                                : "application/json; charset=utf-8");
    (void)evhttp_add_header(headers, "Content-Length", length);
    for (size_t i = 0; reply->headers && reply->headers[i]; i++)
        add_header_line(headers, reply->headers[i]);
    if (!server->bound)
        (void)evhttp_add_header(headers, "Connection", "close");
    struct evbuffer *body = pending->is_head ? NULL : evbuffer_new();
    if (body)
        (void)evbuffer_add(body, reply->body.p, reply->body.n);
    connection->pending = NULL;
    connection->is_replying = true;
    free(pending);
    evhttp_request_set_on_complete_cb(request, on_reply_sent, connection);
    evhttp_send_reply(request, reply->http_status, reason_phrase(reply->http_status), body);
    if (body)
        evbuffer_free(body);
}

void http_server_reply_error(struct http_server *server, uint64_t id, int http_status,
                             const char *code, const char *message)
{
    /* The words may quote what a peer sent. */
    json_t *value = json_pack("{s:s, s:s}", "error", code, "message", message);
    struct buf body = BUF_INIT(ERROR_BYTES_MAX);
    if (!value || json_write(value, &body) != ST_OK) {
        buf_clear(&body);
        put_error_body(&body, code, "");
    }
    json_decref(value);
    const struct http_reply reply = {.http_status = http_status, .body = buf_str(&body)};
    http_server_reply(server, id, &reply);
    buf_done(&body);
}

/* Answers at once, with a log line, and closes. */
static void refuse(struct http_server *server, struct pending *pending, int http_status,
                   const char *code, const char *message, bool want_close)
{
    char peer[HTTP_PEER_SIZE];
    http_peer_of_fd(bufferevent_getfd(pending->connection->bev), peer);
    log_refusal(server, http_status, code, str_of(peer));
    if (want_close)
        (void)evhttp_add_header(evhttp_request_get_output_headers(pending->request), "Connection",
                                "close");
    http_server_reply_error(server, pending->id, http_status, code, message);
}

static bool method_of(enum evhttp_cmd_type type, enum http_method *ret_method)
{
    *ret_method = type == EVHTTP_REQ_HEAD   ? HTTP_HEAD
                  : type == EVHTTP_REQ_POST ? HTTP_POST
                                            : HTTP_GET;
    return type == EVHTTP_REQ_HEAD || type == EVHTTP_REQ_POST || type == EVHTTP_REQ_GET;
}

static struct str body_of(struct evhttp_request *request)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t n = evbuffer_get_length(input);
    const unsigned char *bytes = n > 0 ? evbuffer_pullup(input, -1) : NULL;
    return bytes ? (struct str){(const char *)bytes, n} : (struct str){"", 0};
}

static void hand_over(struct http_server *server, struct pending *pending)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(pending->request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    char peer[HTTP_PEER_SIZE];
    http_peer_of_fd(bufferevent_getfd(pending->connection->bev), peer);
    struct http_server_request request = {
        .id = pending->id,
        .path = str_of(path && *path ? path : "/"),
        .query = str_of(uri ? evhttp_uri_get_query(uri) : NULL),
        .body = body_of(pending->request),
        .peer = str_of(peer),
        .private_headers = evhttp_request_get_input_headers(pending->request),
    };
    bool is_known;
    bool is_method = method_of(evhttp_request_get_command(pending->request), &request.method);
    unsigned bit = request.method == HTTP_POST ? 1U << HTTP_POST : 1U << HTTP_GET;
    const struct route *route = find_route(server, request.path, is_method ? bit : 0, &is_known);
    if (route)
        route->handler(&request, route->arg);
    else if (is_known)
        refuse(server, pending, 405, "method_not_allowed", "no such method here", false);
    else
        refuse(server, pending, 404, "not_found", "nothing here", false);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct http_server *server = arg;
    struct connection *connection = connection_of(server, request);
    if (!connection) { /* its bufferevent could not be made: nothing watches it */
        evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    struct pending *pending = xcalloc(1, sizeof(*pending));
    pending->id = ++server->last_id;
    pending->request = request;
    pending->connection = connection;
    pending->is_head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
    connection->pending = pending;
    (void)map_put_id(server->pending, pending->id, pending);
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_connection_closed,
                                  connection);
    if (is_framed_well(evhttp_request_get_input_headers(request)))
        hand_over(server, pending);
    else
        refuse(server, pending, 400, "bad_framing", "the request's length is ambiguous", true);
}

struct str http_server_header(const struct http_server_request *request, const char *name)
{
    return str_of(evhttp_find_header(request->private_headers, name));
}

/* ---- the server ---- */

static void configure(struct http_server *server)
{
    struct evhttp *http = server->http;
    evhttp_set_allowed_methods(http, METHODS);
    evhttp_set_max_headers_size(http, (ev_ssize_t)server->limits.max_header_bytes);
    evhttp_set_max_body_size(http, (ev_ssize_t)server->limits.max_body_bytes);
    evhttp_set_timeout(http, (int)(server->limits.idle_timeout_ms / 1000) + 1);
    /* Reads a body that is too large to its end before it answers: else the answer could be lost in
     * the reset of the connection. The request's deadline bounds it. */
    (void)evhttp_set_flags(http, EVHTTP_SERVER_LINGERING_CLOSE);
    evhttp_set_bevcb(http, on_accepted, server);
    evhttp_set_gencb(http, on_request, server);
}

enum status http_server_new(struct loop *loop, const char *address, int port,
                            const struct http_server_limits *limits,
                            struct http_server **ret_server, struct error *ret_err)
{
    int fd;
    enum status status = http_listen(address, port, &fd, ret_err);
    if (status != ST_OK)
        return status;
    struct http_server *server = xcalloc(1, sizeof(*server));
    server->loop = loop;
    server->limits = *limits;
    server->port = http_port_of_fd(fd);
    server->pending = map_new();
    server->by_bev = map_new();
    list_init(&server->connections);
    server->http = evhttp_new(loop_event_base(loop));
    server->listener = evconnlistener_new(loop_event_base(loop), NULL, NULL,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (server->http && server->listener)
        server->bound = evhttp_bind_listener(server->http, server->listener);
    if (!server->bound) {
        http_server_free(server);
        return error_set(ret_err, ST_INTERNAL, 0, "libevent could not listen");
    }
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    configure(server);
    *ret_server = server;
    return ST_OK;
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    timer_cancel(&server->sweep_timer);
    timer_cancel(&server->accept_timer);
    if (server->http)
        evhttp_free(server->http);
    LIST_FOREACH(node, next, &server->connections)
    connection_free(LIST_ENTRY(node, struct connection, node));
    if (server->deferral)
        server->deferral->server = NULL;
    map_free(server->pending);
    map_free(server->by_bev);
    for (size_t i = 0; i < server->n_routes; i++)
        free(server->routes[i].path);
    free(server->routes);
    free(server);
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_stop_accepting(struct http_server *server)
{
    if (server->bound)
        evhttp_del_accept_socket(server->http, server->bound);
    server->bound = NULL;
    server->listener = NULL;
    timer_cancel(&server->accept_timer);
}

size_t http_server_open_requests(const struct http_server *server)
{
    return map_count(server->pending);
}

void http_server_route(struct http_server *server, const char *path, unsigned methods,
                       http_server_fn handler, void *arg)
{
    struct str text = str_of(path);
    bool is_prefix = str_ends(text, STR_LIT("*"));
    size_t len = text.n - is_prefix;
    server->routes = xreallocarray(server->routes, server->n_routes + 1, sizeof(*server->routes));
    server->routes[server->n_routes++] = (struct route){
        .path = xstrndup(path, len),
        .len = len,
        .is_prefix = is_prefix,
        .methods = methods,
        .handler = handler,
        .arg = arg,
    };
}
