/*
 * One connection goes through
 *
 *     CONNECTING ──→ UPGRADING ──→ OPEN ──→ CLOSING ──→ FINISHED ──→ on_close, freed
 *         │              │          │ └──────────────────↑ │
 *         └──────────────┴──────────┴──────────────────────┴──→ CANCELLED, freed without on_close
 *
 * CONNECTING is libcurl's (its transfer is done when the connection stands), the rest follows the
 * phase of the protocol. Sockets, timers and libcurl's results all lead to `step`, the only place
 * that moves bytes. A connection that is cancelled inside a callback of its own is freed when the
 * step is over.
 *
 * libcurl's handle stays in its multi handle to the end: taking it out closes the connection.
 */
#include "net/websocket.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/curl_loop.h"
#include "net/http_curl.h"
#include "net/websocket_handshake.h"
#include "net/websocket_protocol.h"
#include "util/list.h"
#include "util/log.h"
#include "util/map.h"
#include "util/mem.h"

#define MESSAGE_BYTES_MAX ((size_t)1024 * 1024)
#define QUEUED_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define CONNECT_TIMEOUT_MS 10000
#define PING_INTERVAL_MS 20000
#define CLOSE_TIMEOUT_MS 5000
#define LIBCURL_GRACE_MS 1000 /* its own deadline stands behind ours */
#define REQUEST_BYTES_MAX ((size_t)32 * 1024)
#define CONNECTIONS_KEPT 1000L /* more than there ever are: libcurl must close none by itself */
#define CHUNK_BYTES 16384
#define STEP_BYTES_MAX ((size_t)16 * CHUNK_BYTES) /* each way, for the sake of the others */

enum connection_state {
    CONNECTION_CONNECTING,
    CONNECTION_UPGRADING,
    CONNECTION_OPEN,
    CONNECTION_CLOSING,
    CONNECTION_FINISHED,
    CONNECTION_CANCELLED,
};

struct websocket_client {
    struct loop *loop;
    struct curl_loop *curl; /* of its own: other transfers could close connections they find idle */
    char *user_agent;
    struct map *connections; /* all but the cancelled ones, by id */
    struct list finished;
    struct timer *deliver_timer;
    uint64_t last_id;
    int n_stepping; /* callbacks to our users may be on the stack */
};

struct connection {
    struct list node; /* in finished; else in none */
    struct websocket_client *client;
    uint64_t id;
    enum connection_state state;
    const struct websocket_handlers *handlers;
    void *arg;
    char where[300]; /* for log lines */
    bool is_stepping;

    CURL *easy;
    struct curl_slist *headers;
    char curl_error[CURL_ERROR_SIZE];
    bool is_in_multi;
    struct watch *watch; /* once connected */
    bool wants_read;
    bool wants_write;

    struct websocket_protocol *protocol;
    /* Bytes on their way into the socket. TLS wants a write that it put off repeated from the same
     * place, so they stay here until they are out. */
    char chunk[CHUNK_BYTES];
    size_t chunk_bytes;
    size_t chunk_sent;
    bool has_more; /* reading stopped for the others' sake; TLS may hold bytes that no fd shows */

    struct timer *timer;
    int64_t connect_timeout_ms;
    int64_t ping_interval_ms;
    int64_t close_timeout_ms;
    int64_t started_ms;
    int64_t last_byte_ms;
    int64_t last_ping_ms;
    int64_t closing_since_ms;

    struct error result;
    int close_code;
};

static void step(struct connection *connection);

/* --- life ----------------------------------------------------------------------------------- */

static void leave_transport(struct connection *connection)
{
    timer_cancel(&connection->timer);
    watch_free(connection->watch);
    connection->watch = NULL;
    if (connection->is_in_multi)
        (void)curl_multi_remove_handle(curl_loop_multi(connection->client->curl), connection->easy);
    connection->is_in_multi = false;
}

static void connection_free(struct connection *connection)
{
    leave_transport(connection);
    list_remove(&connection->node);
    curl_easy_cleanup(connection->easy);
    curl_slist_free_all(connection->headers);
    websocket_protocol_free(connection->protocol);
    free(connection);
}

static void connection_deliver(struct connection *connection)
{
    struct websocket_client *client = connection->client;
    (void)map_take_id(client->connections, connection->id);
    if (log_is_on(LOG_DEBUG))
        log_event(LOG_DEBUG, "websocket", "ended", LOG_I("id", connection->id),
                  LOG_S("url", connection->where),
                  LOG_S("result", status_name(connection->result.status)),
                  LOG_I("close_code", connection->close_code),
                  LOG_I("age_ms", loop_now_ms(client->loop) - connection->started_ms));
    connection->handlers->on_close(connection->id, &connection->result, connection->close_code,
                                   connection->arg);
    connection_free(connection);
}

static void on_deliver(void *arg)
{
    struct websocket_client *client = arg;
    client->deliver_timer = NULL;
    client->n_stepping++;
    /* What on_close finishes anew has a timer of its own. */
    struct list batch;
    list_init(&batch);
    for (struct list *node; (node = list_pop_front(&client->finished));)
        list_push_back(&batch, node);
    for (struct list *node; (node = list_pop_front(&batch));)
        connection_deliver(LIST_ENTRY(node, struct connection, node));
    client->n_stepping--;
}

/* `connection->result` says how. The callback is put off, so that it comes from the loop alone. */
static void finish(struct connection *connection)
{
    struct websocket_client *client = connection->client;
    assert(connection->state < CONNECTION_FINISHED);
    connection->state = CONNECTION_FINISHED;
    leave_transport(connection);
    list_push_back(&client->finished, &connection->node);
    if (!client->deliver_timer)
        client->deliver_timer =
            timer_start(client->loop, 0, "websocket deliver", on_deliver, client);
}

/* --- the protocol's events -------------------------------------------------------------------- */

static void on_protocol_open(void *arg)
{
    struct connection *connection = arg;
    connection->state = CONNECTION_OPEN;
    connection->last_ping_ms = loop_now_ms(connection->client->loop);
    if (connection->handlers->on_open)
        connection->handlers->on_open(connection->id, connection->arg);
}

static void on_protocol_message(struct str message, bool is_text, void *arg)
{
    struct connection *connection = arg;
    if (connection->state != CONNECTION_CANCELLED && connection->handlers->on_message)
        connection->handlers->on_message(connection->id, message, is_text, connection->arg);
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* Until nothing is left to read, the bytes end, or it is the others' turn. False: they ended. */
static bool read_bytes(struct connection *connection)
{
    char bytes[CHUNK_BYTES];
    connection->has_more = false;
    for (size_t total = 0; total < STEP_BYTES_MAX;) {
        size_t n = 0;
        CURLcode code = curl_easy_recv(connection->easy, bytes, sizeof(bytes), &n);
        if (code == CURLE_AGAIN)
            return true;
        if (code != CURLE_OK) {
            (void)http_curl_result(connection->easy, code, connection->curl_error,
                                   &connection->result);
            return false;
        }
        if (n == 0)
            return false;
        total += n;
        connection->last_byte_ms = loop_now_ms(connection->client->loop);
        websocket_protocol_take(connection->protocol, (struct str){bytes, n});
        if (connection->state == CONNECTION_CANCELLED ||
            websocket_protocol_phase(connection->protocol) == WEBSOCKET_ENDED)
            return true;
    }
    connection->has_more = true;
    return true;
}

/* Until all is out, the socket is full, or it is the others' turn. False: nothing can be sent any
 * more. */
static bool write_bytes(struct connection *connection)
{
    for (size_t total = 0; total < STEP_BYTES_MAX;) {
        if (connection->chunk_sent == connection->chunk_bytes) {
            connection->chunk_sent = 0;
            connection->chunk_bytes = websocket_protocol_give(
                connection->protocol, connection->chunk, sizeof(connection->chunk));
        }
        if (connection->chunk_bytes == 0)
            return true;
        size_t n = 0;
        CURLcode code = curl_easy_send(connection->easy, connection->chunk + connection->chunk_sent,
                                       connection->chunk_bytes - connection->chunk_sent, &n);
        if (code == CURLE_AGAIN)
            return true;
        if (code != CURLE_OK) {
            (void)http_curl_result(connection->easy, code, connection->curl_error,
                                   &connection->result);
            return false;
        }
        connection->chunk_sent += n;
        total += n;
    }
    return true;
}

static bool has_to_write(const struct connection *connection)
{
    return connection->chunk_sent < connection->chunk_bytes ||
           websocket_protocol_has_to_give(connection->protocol);
}

/* The transport is gone: how it ended is the protocol's to say, unless it has nothing better than
 * the transport's own error. */
static void end_bytes(struct connection *connection)
{
    enum websocket_phase phase = websocket_protocol_phase(connection->protocol);
    bool has_reason = phase == WEBSOCKET_FAILED || phase == WEBSOCKET_ENDED;
    websocket_protocol_take_end(connection->protocol);
    if (has_reason || connection->result.status == ST_OK)
        connection->result = *websocket_protocol_error(connection->protocol);
    connection->close_code = websocket_protocol_close_code(connection->protocol);
    finish(connection);
}

static bool can_read(const struct connection *connection)
{
    return websocket_protocol_phase(connection->protocol) != WEBSOCKET_ENDED;
}

static void move_bytes(struct connection *connection)
{
    bool is_alive = !can_read(connection) || read_bytes(connection);
    if (connection->state == CONNECTION_CANCELLED)
        return;
    /* A server that refuses us may be gone for our bytes while its own still wait to be read. */
    if (is_alive && !write_bytes(connection)) {
        is_alive = false;
        struct error write_error = connection->result;
        if (can_read(connection))
            (void)read_bytes(connection);
        connection->result = write_error;
    }
    bool is_over = websocket_protocol_phase(connection->protocol) == WEBSOCKET_ENDED &&
                   !has_to_write(connection);
    if (connection->state != CONNECTION_CANCELLED && (!is_alive || is_over))
        end_bytes(connection);
}

/* --- deadlines -------------------------------------------------------------------------------- */

static int64_t deadline_ms(const struct connection *connection)
{
    if (connection->state < CONNECTION_OPEN)
        return connection->started_ms + connection->connect_timeout_ms;
    if (connection->state == CONNECTION_CLOSING)
        return connection->closing_since_ms + connection->close_timeout_ms;
    int64_t ping_ms = connection->last_ping_ms + connection->ping_interval_ms;
    int64_t death_ms = connection->last_byte_ms + 2 * connection->ping_interval_ms;
    return ping_ms < death_ms ? ping_ms : death_ms;
}

static void time_out(struct connection *connection, const char *what, int64_t limit_ms)
{
    (void)error_set(&connection->result, ST_TIMEOUT, 0, "%s within %lld ms", what,
                    (long long)limit_ms);
    finish(connection);
}

/* The bytes that are there have been read. */
static void check_deadline(struct connection *connection)
{
    int64_t now_ms = loop_now_ms(connection->client->loop);
    if (now_ms < deadline_ms(connection))
        return;
    if (connection->state == CONNECTION_CONNECTING) {
        time_out(connection, "no connection stood", connection->connect_timeout_ms);
    } else if (connection->state == CONNECTION_UPGRADING) {
        time_out(connection, "the server did not answer the upgrade",
                 connection->connect_timeout_ms);
    } else if (connection->state == CONNECTION_CLOSING) {
        if (websocket_protocol_phase(connection->protocol) == WEBSOCKET_CLOSING)
            time_out(connection, "the server did not answer our closing",
                     connection->close_timeout_ms);
        else
            end_bytes(connection);
    } else if (now_ms >= connection->last_byte_ms + 2 * connection->ping_interval_ms) {
        time_out(connection, "the server sent nothing", 2 * connection->ping_interval_ms);
    } else {
        connection->last_ping_ms = now_ms;
        websocket_protocol_ping(connection->protocol);
        if (!write_bytes(connection))
            end_bytes(connection);
    }
}

static void on_timer(void *arg)
{
    struct connection *connection = arg;
    connection->timer = NULL;
    step(connection);
}

/* --- the step --------------------------------------------------------------------------------- */

/* What the loop must wake us for. */
static void wait_for_events(struct connection *connection)
{
    struct loop *loop = connection->client->loop;
    if (connection->watch) {
        bool want_read = can_read(connection);
        bool want_write = has_to_write(connection);
        if (want_read != connection->wants_read || want_write != connection->wants_write)
            watch_set(connection->watch, want_read, want_write);
        connection->wants_read = want_read;
        connection->wants_write = want_write;
    }
    timer_cancel(&connection->timer);
    int64_t wait_ms = connection->has_more ? 0 : deadline_ms(connection) - loop_now_ms(loop);
    connection->timer = timer_start(loop, wait_ms, "websocket", on_timer, connection);
}

/* CLOSING is whatever comes after OPEN while the transport stands. */
static void follow_protocol(struct connection *connection)
{
    if (connection->state == CONNECTION_OPEN &&
        websocket_protocol_phase(connection->protocol) > WEBSOCKET_OPEN) {
        connection->state = CONNECTION_CLOSING;
        connection->closing_since_ms = loop_now_ms(connection->client->loop);
    }
}

static bool is_over(const struct connection *connection)
{
    return connection->state >= CONNECTION_FINISHED;
}

static void step(struct connection *connection)
{
    struct websocket_client *client = connection->client;
    if (is_over(connection))
        return;
    connection->is_stepping = true;
    client->n_stepping++;
    if (connection->state != CONNECTION_CONNECTING)
        move_bytes(connection);
    if (!is_over(connection)) {
        follow_protocol(connection);
        check_deadline(connection);
    }
    if (!is_over(connection))
        wait_for_events(connection);
    client->n_stepping--;
    connection->is_stepping = false;
    if (connection->state == CONNECTION_CANCELLED)
        connection_free(connection);
}

static void on_ready(int fd, bool is_readable, bool is_writable, void *arg)
{
    step(arg);
}

/* --- libcurl ---------------------------------------------------------------------------------- */

static void on_connected(struct connection *connection)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(connection->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
        fd == CURL_SOCKET_BAD) {
        (void)error_set(&connection->result, ST_NET, 0, "libcurl lost the connection");
        finish(connection);
        return;
    }
    connection->watch = watch_new(connection->client->loop, fd, "websocket", on_ready, connection);
    connection->state = CONNECTION_UPGRADING;
    connection->curl_error[0] = '\0'; /* what it tried in vain on the way */
    connection->last_byte_ms = loop_now_ms(connection->client->loop);
    /* Sends the upgrade at once: until something is sent libcurl holds the connection for idle. */
    step(connection);
}

static void on_curl_left(void *arg)
{
    struct websocket_client *client = arg;
    int n_left;
    for (CURLMsg *msg; (msg = curl_multi_info_read(curl_loop_multi(client->curl), &n_left));) {
        struct connection *connection = NULL;
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&connection);
        CURLcode code = msg->data.result;
        if (msg->msg != CURLMSG_DONE || connection->state != CONNECTION_CONNECTING)
            continue;
        if (http_curl_result(connection->easy, code, connection->curl_error, &connection->result) ==
            ST_OK)
            on_connected(connection);
        else
            finish(connection);
    }
}

static size_t on_curl_bytes(char *bytes, size_t size, size_t n, void *arg)
{
    return size * n; /* what a proxy says besides its header */
}

static enum status prepare_easy(struct connection *connection,
                                const struct websocket_request *request, const struct url *url)
{
    CURL *easy = connection->easy = curl_easy_init();
    if (!easy)
        return error_set(&connection->result, ST_INTERNAL, 0, "libcurl: no handle");
    char address[sizeof(url->host) + 32];
    (void)snprintf(address, sizeof(address), url->is_ipv6 ? "%s://[%s]:%d/" : "%s://%s:%d/",
                   strcmp(url->scheme, "wss") == 0 ? "https" : "http", url->host, url->port);
    enum status status = http_curl_prepare(
        easy,
        &(struct http_request){
            .method = "GET",
            .url = address,
            .headers = request->headers,
            .proxy = request->proxy,
            .connect_timeout_ms = connection->connect_timeout_ms + LIBCURL_GRACE_MS,
        },
        connection->client->user_agent, &connection->headers, &connection->result);
    if (status != ST_OK)
        return status;
    if (curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_PRIVATE, connection) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, connection->curl_error) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_curl_bytes) != CURLE_OK)
        return error_set(&connection->result, ST_INTERNAL, 0, "libcurl: an option is missing");
    return ST_OK;
}

/* --- the face --------------------------------------------------------------------------------- */

static enum status prepare(struct connection *connection, const struct websocket_request *request)
{
    static const struct websocket_events events = {on_protocol_open, on_protocol_message};
    struct url url;
    enum status status = websocket_handshake_url(request->url, &url, &connection->result);
    if (status == ST_OK)
        status = prepare_easy(connection, request, &url);
    if (status != ST_OK)
        return status;

    char key[WEBSOCKET_KEY_SIZE];
    struct buf upgrade = BUF_INIT(REQUEST_BYTES_MAX);
    websocket_handshake_key(key);
    status = websocket_handshake_request(&url, request->headers, connection->client->user_agent,
                                         key, &upgrade);
    if (status == ST_OK)
        connection->protocol = websocket_protocol_new(
            buf_str(&upgrade), key,
            request->max_message_bytes ? request->max_message_bytes : MESSAGE_BYTES_MAX,
            request->max_queued_bytes ? request->max_queued_bytes : QUEUED_BYTES_MAX, &events,
            connection);
    else
        (void)error_set(&connection->result, ST_INVAL, 0, "the request headers are too long");
    buf_done(&upgrade);
    return status;
}

static int64_t limit_or(int64_t limit_ms, int64_t fallback_ms)
{
    return limit_ms > 0 ? limit_ms : fallback_ms;
}

uint64_t websocket_open(struct websocket_client *client, const struct websocket_request *request,
                        const struct websocket_handlers *handlers, void *arg)
{
    struct connection *connection = xcalloc(1, sizeof(*connection));
    list_init(&connection->node);
    connection->client = client;
    connection->id = ++client->last_id;
    connection->handlers = handlers;
    connection->arg = arg;
    connection->close_code = WEBSOCKET_CLOSE_ABNORMAL;
    connection->started_ms = loop_now_ms(client->loop);
    connection->connect_timeout_ms = limit_or(request->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    connection->ping_interval_ms = limit_or(request->ping_interval_ms, PING_INTERVAL_MS);
    connection->close_timeout_ms = limit_or(request->close_timeout_ms, CLOSE_TIMEOUT_MS);
    url_for_log(request->url, connection->where, sizeof(connection->where));
    (void)map_put_id(client->connections, connection->id, connection);

    if (prepare(connection, request) != ST_OK) {
        finish(connection);
        return connection->id;
    }
    CURLMcode code = curl_multi_add_handle(curl_loop_multi(client->curl), connection->easy);
    if (code != CURLM_OK) {
        (void)error_set(&connection->result, ST_INTERNAL, (int)code, "libcurl: %s",
                        curl_multi_strerror(code));
        finish(connection);
        return connection->id;
    }
    connection->is_in_multi = true;
    wait_for_events(connection);
    return connection->id;
}

enum status websocket_send(struct websocket_client *client, uint64_t id, struct str text)
{
    struct connection *connection = map_get_id(client->connections, id);
    if (!connection)
        return ST_NOT_FOUND;
    if (connection->state != CONNECTION_OPEN)
        return ST_CONFLICT;
    enum status status = websocket_protocol_send(connection->protocol, text);
    if (status == ST_OK && !connection->is_stepping)
        wait_for_events(connection);
    return status;
}

void websocket_close(struct websocket_client *client, uint64_t id, int code)
{
    struct connection *connection = map_get_id(client->connections, id);
    if (!connection || connection->state >= CONNECTION_CLOSING)
        return;
    if (connection->state != CONNECTION_OPEN) {
        (void)error_set(&connection->result, ST_CANCELLED, 0, "closed before it was open");
        finish(connection);
        return;
    }
    websocket_protocol_close(connection->protocol, code);
    if (connection->is_stepping)
        return;
    follow_protocol(connection);
    wait_for_events(connection);
}

void websocket_cancel(struct websocket_client *client, uint64_t id)
{
    struct connection *connection = map_take_id(client->connections, id);
    if (!connection)
        return;
    connection->state = CONNECTION_CANCELLED;
    if (!connection->is_stepping)
        connection_free(connection);
}

enum status websocket_client_new(struct loop *loop, const char *user_agent,
                                 struct websocket_client **ret_client)
{
    struct websocket_client *client = xcalloc(1, sizeof(*client));
    client->loop = loop;
    client->user_agent = xstrdup(user_agent);
    client->connections = map_new();
    list_init(&client->finished);
    client->curl = curl_loop_new(loop, "websocket", on_curl_left, client);
    if (!client->curl || curl_multi_setopt(curl_loop_multi(client->curl), CURLMOPT_MAXCONNECTS,
                                           CONNECTIONS_KEPT) != CURLM_OK) {
        websocket_client_free(client);
        return ST_INTERNAL;
    }
    *ret_client = client;
    return ST_OK;
}

void websocket_client_free(struct websocket_client *client)
{
    if (!client)
        return;
    assert(client->n_stepping == 0);
    for (struct connection *connection; (connection = map_any(client->connections));)
        websocket_cancel(client, connection->id);
    map_free(client->connections);
    timer_cancel(&client->deliver_timer);
    curl_loop_free(client->curl);
    free(client->user_agent);
    free(client);
}
