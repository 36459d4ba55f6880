/*
 * One exchange goes through
 *
 *     BORN ──→ WAITING ──→ RECEIVING ──→ FINISHED ──→ on_done, freed
 *       │         │            │            │
 *       └─────────┴────────────┴────────────┴──→ cancelled: freed, without on_done
 *
 * BORN lasts only when a request is started inside one of libcurl's callbacks, where libcurl may
 * not be called. For the same reason an exchange that is cancelled there stays, as CANCELLED, until
 * libcurl has been left; `settle` then does all that was put off. Every way from the loop into this
 * file (a socket, libcurl's timer, our deadlines) ends with settle, and only settle calls on_done.
 */
#include "net/http_client.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "net/curl_loop.h"
#include "net/http_curl.h"
#include "net/http_head.h"
#include "net/url.h"
#include "util/clock.h"
#include "util/list.h"
#include "util/log.h"
#include "util/map.h"
#include "util/mem.h"

#define BODY_BYTES_MAX ((size_t)1024 * 1024)
#define FIRST_BYTE_TIMEOUT_MS 30000
#define IDLE_TIMEOUT_MS 30000

enum exchange_state {
    EXCHANGE_BORN,
    EXCHANGE_WAITING,
    EXCHANGE_RECEIVING,
    EXCHANGE_FINISHED,
    EXCHANGE_CANCELLED,
};

struct http_client {
    struct loop *loop;
    struct curl_loop *curl;
    CURLSH *share; /* TLS sessions; connections and names are shared by the multi handle */
    char *user_agent;
    struct map *exchanges; /* all but the cancelled ones, by id */
    struct list born;
    struct list finished;
    struct list cancelled;
    struct timer *settle_timer;
    uint64_t last_id;
    bool is_settling;
};

struct exchange {
    struct list node; /* in born, finished or cancelled; else in none */
    struct http_client *client;
    uint64_t id;
    enum exchange_state state;
    const struct http_handlers *handlers;
    void *arg;

    CURL *easy;
    struct curl_slist *headers;
    bool is_in_multi;
    bool is_proxied;
    char where[300]; /* for log lines */
    char curl_error[CURL_ERROR_SIZE];

    struct timer *timer;
    int64_t started_ms;
    int64_t last_byte_ms;
    int64_t first_byte_timeout_ms;
    int64_t idle_timeout_ms;
    int64_t total_timeout_ms;

    struct http_head head;
    struct buf body;
    int64_t bytes_received;
    struct error abort_reason; /* why a callback of ours ended the transfer; ST_OK: it did not */
    struct error result;
};

static void settle(struct http_client *client);

/* --- exchanges ---------------------------------------------------------------------------- */

static void exchange_leave_curl(struct exchange *exchange)
{
    assert(!curl_loop_is_inside(exchange->client->curl));
    if (exchange->is_in_multi)
        (void)curl_multi_remove_handle(curl_loop_multi(exchange->client->curl), exchange->easy);
    exchange->is_in_multi = false;
}

static void exchange_free(struct exchange *exchange)
{
    exchange_leave_curl(exchange);
    timer_cancel(&exchange->timer);
    list_remove(&exchange->node);
    curl_easy_cleanup(exchange->easy);
    curl_slist_free_all(exchange->headers);
    buf_done(&exchange->body);
    free(exchange);
}

static bool is_running(const struct exchange *exchange)
{
    return exchange->state == EXCHANGE_BORN || exchange->state == EXCHANGE_WAITING ||
           exchange->state == EXCHANGE_RECEIVING;
}

/* `exchange->result` says how. on_done is owed from now on; settle pays. */
static void exchange_finish(struct exchange *exchange)
{
    assert(is_running(exchange));
    exchange->state = EXCHANGE_FINISHED;
    timer_cancel(&exchange->timer);
    /* Before on_done, so that a request made there finds the connection free. */
    if (exchange->is_in_multi)
        exchange_leave_curl(exchange);
    list_remove(&exchange->node);
    list_push_back(&exchange->client->finished, &exchange->node);
}

static void exchange_fill(const struct exchange *exchange, struct http_response *ret_response)
{
    const struct http_head *head = &exchange->head;
    bool has_head = head->is_complete;
    *ret_response = (struct http_response){
        .http_status = has_head ? head->http_status : 0,
        .body = buf_str(&exchange->body),
        .content_type = has_head ? str_of(head->content_type) : STR_LIT(""),
        .retry_after_s = has_head ? http_head_retry_after_s(head) : -1,
        .should_retry = has_head ? head->should_retry : -1,
        .request_id = has_head ? str_of(head->request_id) : STR_LIT(""),
        .bytes_received = exchange->bytes_received,
        .error = exchange->result,
    };
}

static void exchange_deliver(struct exchange *exchange)
{
    struct http_response response;
    exchange_fill(exchange, &response);
    (void)map_take_id(exchange->client->exchanges, exchange->id);
    if (log_is_on(LOG_DEBUG))
        log_event(
            LOG_DEBUG, "http_client", "ended", LOG_I("id", exchange->id),
            LOG_S("url", exchange->where), LOG_S("result", status_name(response.error.status)),
            LOG_I("http_status", response.http_status), LOG_I("bytes", response.bytes_received),
            LOG_I("age_ms", loop_now_ms(exchange->client->loop) - exchange->started_ms));
    exchange->handlers->on_done(exchange->id, &response, exchange->arg);
    exchange_free(exchange);
}

/* --- deadlines ---------------------------------------------------------------------------- */

static void on_deadline(void *arg);

static int64_t phase_deadline_ms(const struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_RECEIVING)
        return exchange->last_byte_ms + exchange->idle_timeout_ms;
    return exchange->started_ms + exchange->first_byte_timeout_ms;
}

static void set_timer(struct exchange *exchange)
{
    struct loop *loop = exchange->client->loop;
    int64_t deadline_ms = phase_deadline_ms(exchange);
    if (exchange->total_timeout_ms > 0 &&
        exchange->started_ms + exchange->total_timeout_ms < deadline_ms)
        deadline_ms = exchange->started_ms + exchange->total_timeout_ms;
    timer_cancel(&exchange->timer);
    exchange->timer = timer_start(loop, deadline_ms - loop_now_ms(loop), "http_client deadline",
                                  on_deadline, exchange);
}

/* Bytes only note their time, so the timer often finds that its deadline has moved on. */
static void on_deadline(void *arg)
{
    struct exchange *exchange = arg;
    struct http_client *client = exchange->client;
    int64_t now_ms = loop_now_ms(client->loop);
    const char *what = NULL;
    int64_t limit_ms = 0;
    exchange->timer = NULL;

    if (exchange->total_timeout_ms > 0 &&
        now_ms >= exchange->started_ms + exchange->total_timeout_ms) {
        what = "the answer was not complete";
        limit_ms = exchange->total_timeout_ms;
    } else if (now_ms >= phase_deadline_ms(exchange)) {
        bool is_idle = exchange->state == EXCHANGE_RECEIVING;
        what = is_idle ? "the answer went silent" : "no answer began";
        limit_ms = is_idle ? exchange->idle_timeout_ms : exchange->first_byte_timeout_ms;
    }
    if (!what) {
        set_timer(exchange);
        return;
    }
    (void)error_set(&exchange->result, ST_TIMEOUT, CURLE_OPERATION_TIMEDOUT, "%s within %lld ms",
                    what, (long long)limit_ms);
    exchange_finish(exchange);
    settle(client);
}

/* --- libcurl's callbacks: bytes ------------------------------------------------------------ */

static enum status take_head_line(struct exchange *exchange, struct str line)
{
    struct http_head *head = &exchange->head;
    bool was_complete = head->is_complete;
    if (http_head_take(head, line, clock_wall_ms()) != ST_OK)
        return error_set(&exchange->abort_reason, ST_TOO_LARGE, 0,
                         "the answer's header is longer than %d bytes", HTTP_HEAD_BYTES_MAX);
    if (exchange->state == EXCHANGE_WAITING && http_head_has_begun(head)) {
        exchange->state = EXCHANGE_RECEIVING;
        set_timer(exchange);
    }
    if (was_complete || !head->is_complete)
        return ST_OK;
    if (head->http_status == 407 && exchange->is_proxied)
        return http_curl_proxy_denied(&exchange->abort_reason);
    if (exchange->handlers->on_head) {
        struct http_response response;
        exchange_fill(exchange, &response);
        exchange->handlers->on_head(exchange->id, &response, exchange->arg);
    }
    return ST_OK;
}

static enum status take_body(struct exchange *exchange, struct str bytes)
{
    exchange->bytes_received += (int64_t)bytes.n;
    if ((uint64_t)exchange->bytes_received > exchange->body.max)
        return error_set(&exchange->abort_reason, ST_TOO_LARGE, 0,
                         "the answer is longer than %zu bytes", exchange->body.max);
    if (!exchange->handlers->on_data)
        return buf_add_str(&exchange->body, bytes);

    enum status status = exchange->handlers->on_data(exchange->id, bytes, exchange->arg);
    if (status != ST_OK)
        (void)error_set(&exchange->abort_reason, status, 0, "the receiver ended the transfer");
    return status;
}

static size_t take_bytes(struct exchange *exchange, struct str bytes,
                         enum status (*take)(struct exchange *, struct str))
{
    /* It may have been cancelled in a callback of another one since libcurl was entered. */
    if (exchange->state == EXCHANGE_CANCELLED)
        return CURL_WRITEFUNC_ERROR;
    exchange->last_byte_ms = loop_now_ms(exchange->client->loop);
    enum status status = take(exchange, bytes);
    if (status != ST_OK || exchange->state == EXCHANGE_CANCELLED)
        return CURL_WRITEFUNC_ERROR;
    return bytes.n;
}

static size_t on_curl_header(char *p, size_t size, size_t n, void *arg)
{
    return take_bytes(arg, (struct str){p, size * n}, take_head_line);
}

static size_t on_curl_body(char *p, size_t size, size_t n, void *arg)
{
    return take_bytes(arg, (struct str){p, size * n}, take_body);
}

/* --- settling ------------------------------------------------------------------------------ */

static void hand_to_curl(struct exchange *exchange)
{
    list_remove(&exchange->node);
    CURLMcode code = curl_multi_add_handle(curl_loop_multi(exchange->client->curl), exchange->easy);
    if (code == CURLM_OK) {
        exchange->is_in_multi = true;
        exchange->state = EXCHANGE_WAITING;
        return;
    }
    (void)error_set(&exchange->result, ST_INTERNAL, (int)code, "libcurl: %s",
                    curl_multi_strerror(code));
    exchange_finish(exchange);
}

static void collect_results(struct http_client *client)
{
    int n_left;
    for (CURLMsg *msg; (msg = curl_multi_info_read(curl_loop_multi(client->curl), &n_left));) {
        struct exchange *exchange = NULL;
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
        if (msg->msg != CURLMSG_DONE || !is_running(exchange))
            continue;
        if (exchange->abort_reason.status != ST_OK)
            exchange->result = exchange->abort_reason;
        else if (msg->data.result == CURLE_OK && !exchange->head.is_complete)
            /* libcurl is content with a header that breaks off. */
            (void)error_set(&exchange->result, ST_PROTOCOL, CURLE_PARTIAL_FILE,
                            "the answer ended within its header");
        else
            (void)http_curl_result(exchange->easy, msg->data.result, exchange->curl_error,
                                   &exchange->result);
        exchange_finish(exchange);
    }
}

static void on_settle_timer(void *arg)
{
    struct http_client *client = arg;
    client->settle_timer = NULL;
    settle(client);
}

/* A timer and not loop_defer, because a timer can be taken back when the client goes. */
static void settle_soon(struct http_client *client)
{
    if (!client->settle_timer)
        client->settle_timer =
            timer_start(client->loop, 0, "http_client settle", on_settle_timer, client);
}

static void settle(struct http_client *client)
{
    assert(!curl_loop_is_inside(client->curl) && !client->is_settling);
    client->is_settling = true;
    collect_results(client);
    for (struct list *node; (node = list_pop_front(&client->cancelled));)
        exchange_free(LIST_ENTRY(node, struct exchange, node));
    for (struct list *node; (node = list_pop_front(&client->born));)
        hand_to_curl(LIST_ENTRY(node, struct exchange, node));

    /* What on_done finishes anew waits for the next turn, so that the loop goes on meanwhile. */
    struct list batch;
    list_init(&batch);
    for (struct list *node; (node = list_pop_front(&client->finished));)
        list_push_back(&batch, node);
    for (struct list *node; (node = list_pop_front(&batch));)
        exchange_deliver(LIST_ENTRY(node, struct exchange, node));
    client->is_settling = false;
    if (!list_is_empty(&client->finished))
        settle_soon(client);
}

/* --- the client ---------------------------------------------------------------------------- */

static void on_curl_left(void *arg)
{
    settle(arg);
}

static bool set_up_libcurl(struct http_client *client, long max_parallel)
{
    client->curl = curl_loop_new(client->loop, "http_client", on_curl_left, client);
    client->share = client->curl ? curl_share_init() : NULL;
    if (!client->share)
        return false;
    CURLM *multi = curl_loop_multi(client->curl);
    return curl_share_setopt(client->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) ==
               CURLSHE_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, max_parallel) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, max_parallel) == CURLM_OK;
}

enum status http_client_new(struct loop *loop, const char *user_agent, long max_parallel,
                            struct http_client **ret_client)
{
    struct http_client *client = xcalloc(1, sizeof(*client));
    client->loop = loop;
    client->user_agent = xstrdup(user_agent);
    client->exchanges = map_new();
    list_init(&client->born);
    list_init(&client->finished);
    list_init(&client->cancelled);
    if (!set_up_libcurl(client, max_parallel)) {
        http_client_free(client);
        return ST_INTERNAL;
    }
    *ret_client = client;
    return ST_OK;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    assert(!client->is_settling && !(client->curl && curl_loop_is_inside(client->curl)));
    for (struct exchange *exchange; (exchange = map_any(client->exchanges));)
        http_client_cancel(client, exchange->id);
    map_free(client->exchanges);

    timer_cancel(&client->settle_timer);
    curl_loop_free(client->curl);
    (void)curl_share_cleanup(client->share);
    free(client->user_agent);
    free(client);
}

static int64_t limit_or(int64_t limit_ms, int64_t fallback_ms)
{
    return limit_ms > 0 ? limit_ms : fallback_ms;
}

static struct exchange *exchange_new(struct http_client *client, const struct http_request *request,
                                     const struct http_handlers *handlers, void *arg)
{
    struct exchange *exchange = xcalloc(1, sizeof(*exchange));
    list_init(&exchange->node);
    exchange->client = client;
    exchange->id = ++client->last_id;
    exchange->handlers = handlers;
    exchange->arg = arg;
    exchange->is_proxied = request->proxy && request->proxy[0];
    exchange->started_ms = loop_now_ms(client->loop);
    exchange->first_byte_timeout_ms =
        limit_or(request->first_byte_timeout_ms, FIRST_BYTE_TIMEOUT_MS);
    exchange->idle_timeout_ms = limit_or(request->idle_timeout_ms, IDLE_TIMEOUT_MS);
    exchange->total_timeout_ms = request->total_timeout_ms;
    http_head_init(&exchange->head);
    buf_init(&exchange->body, request->max_body_bytes ? request->max_body_bytes : BODY_BYTES_MAX);
    url_for_log(request->url, exchange->where, sizeof(exchange->where));
    return exchange;
}

static enum status prepare(struct exchange *exchange, const struct http_request *request)
{
    struct http_client *client = exchange->client;
    CURL *easy = exchange->easy = curl_easy_init();
    if (!easy)
        return error_set(&exchange->result, ST_INTERNAL, 0, "libcurl: no handle");
    enum status status =
        http_curl_prepare(easy, request, client->user_agent, &exchange->headers, &exchange->result);
    if (status != ST_OK)
        return status;
    if (curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_SHARE, client->share) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->curl_error) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_curl_header) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_curl_body) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange) != CURLE_OK)
        return error_set(&exchange->result, ST_INTERNAL, 0, "libcurl: an option is missing");
    return ST_OK;
}

uint64_t http_client_start(struct http_client *client, const struct http_request *request,
                           const struct http_handlers *handlers, void *arg)
{
    struct exchange *exchange = exchange_new(client, request, handlers, arg);
    uint64_t id = exchange->id;
    (void)map_put_id(client->exchanges, id, exchange);
    set_timer(exchange);

    if (prepare(exchange, request) != ST_OK)
        exchange_finish(exchange);
    else if (curl_loop_is_inside(client->curl))
        list_push_back(&client->born, &exchange->node);
    else
        hand_to_curl(exchange);
    if (exchange->state == EXCHANGE_FINISHED)
        settle_soon(client);
    return id;
}

void http_client_cancel(struct http_client *client, uint64_t id)
{
    struct exchange *exchange = map_take_id(client->exchanges, id);
    if (!exchange)
        return;
    if (!curl_loop_is_inside(client->curl)) {
        exchange_free(exchange);
        return;
    }
    exchange->state = EXCHANGE_CANCELLED;
    timer_cancel(&exchange->timer);
    list_remove(&exchange->node);
    list_push_back(&client->cancelled, &exchange->node);
}
