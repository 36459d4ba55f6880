/*
 * A link keeps one application connected:
 *
 *     RESTING ─(rest over)→ ASKING ─ticket→ CONNECTING ─open→ UP
 *        ↑                    │                 │              │ broken
 *        └────── failed ──────┴─────────────────┴──────────────┘
 *     UP ─disconnect frame→ ASKING, and the old connection is drained beside the new one (RESTING
 *         first, when it had hardly been up)
 *     any ─stream_stop→ STOPPED
 */
#include "dingtalk/stream.h"

#include <stdlib.h>
#include <string.h>

#include "dingtalk/frame.h"
#include "dingtalk/message.h"
#include "net/backoff.h"
#include "net/url.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/list.h"
#include "util/log.h"
#include "util/mem.h"

#define OPEN_PATH "/v1.0/gateway/connections/open"
#define USER_AGENT "dingbridge-sdk-c/" DINGBRIDGE_VERSION
#define FRAME_BYTES_MAX (1024 * 1024)
#define ACK_BYTES_MAX (2 * 1024 * 1024) /* a ping's data goes back as it came */
#define BODY_BYTES_MAX (16 * 1024)
#define URL_BYTES_MAX 4096
#define REST_CAP_MS (60 * 1000)
#define CLOSE_NORMAL 1000
#define CLOSE_GOING_AWAY 1001

enum link_state { LINK_RESTING, LINK_ASKING, LINK_CONNECTING, LINK_UP, LINK_STOPPED };

struct link {
    struct stream *stream;
    char *client_id;
    char *client_secret;
    enum link_state state;
    uint64_t call;       /* the ticket's; 0 */
    uint64_t connection; /* opening or up; 0 */
    uint64_t draining;   /* the one before; 0 */
    struct timer *timer; /* the rest */
    struct timer *drain_timer;
    int n_failures; /* in a row */
    int64_t up_since_ms;
};

struct stream {
    struct loop *loop;
    struct api *api;
    struct websocket_client *client;
    struct receiver *receiver;
    struct stream_settings settings;
    char *proxy;
    struct link *links;
    struct list pending;
    bool is_stopped;
    struct stream_stats stats;
};

/* A message that the receiver has not said anything about yet. */
struct pending {
    struct list node;
    struct stream *stream;
    uint64_t connection;
    char *message_id; /* of the frame */
};

static void ask_for_ticket(struct link *link);

static void set_state(struct link *link, enum link_state state)
{
    static const char *const names[] = {"resting", "asking", "connecting", "up", "stopped"};
    if (log_is_on(LOG_DEBUG))
        log_event(LOG_DEBUG, "stream", "state", LOG_S("client_id", link->client_id),
                  LOG_S("from", names[link->state]), LOG_S("to", names[state]));
    link->state = state;
    timer_cancel(&link->timer);
}

/* ---- resting ---- */

static void on_rest_over(void *arg)
{
    struct link *link = arg;
    link->timer = NULL;
    ask_for_ticket(link);
}

/* `least_ms` is waited in any case. */
static void rest(struct link *link, int64_t least_ms, const char *what, const struct error *error)
{
    const struct backoff backoff = {
        .first_ms = link->stream->settings.first_rest_ms, .cap_ms = REST_CAP_MS, .jitter = 0.2};
    int64_t rest_ms = backoff_ms(&backoff, ++link->n_failures);
    if (rest_ms < least_ms)
        rest_ms = least_ms;
    log_event(least_ms > 0 ? LOG_ERROR : LOG_WARN, "stream", what,
              LOG_S("client_id", link->client_id), LOG_S("reason", status_name(error->status)),
              LOG_I("code", error->code), LOG_S("detail", error->text),
              LOG_I("again_in_ms", rest_ms));
    set_state(link, LINK_RESTING);
    link->timer = timer_start(link->stream->loop, rest_ms, "stream rest", on_rest_over, link);
}

/* ---- frames ---- */

static void send_ack(struct stream *stream, uint64_t connection, const char *message_id, int code,
                     const char *message, struct str data)
{
    struct buf out = BUF_INIT(ACK_BYTES_MAX);
    enum status status = frame_ack(message_id, code, message, data, &out);
    if (status == ST_OK)
        status = websocket_send(stream->client, connection, buf_str(&out));
    buf_done(&out);
    /* A connection that is gone took its frames with it: what was not acknowledged comes again. */
    if (status != ST_OK)
        log_event(LOG_INFO, "stream", "not_acknowledged", LOG_S("frame", message_id),
                  LOG_S("reason", status_name(status)));
}

static void close_all(struct stream *stream);

static void on_receipt(enum receipt receipt, void *arg)
{
    struct pending *pending = arg;
    struct stream *stream = pending->stream;
    if (receipt == RECEIPT_NOT_STORED)
        log_event(LOG_WARN, "stream", "not_stored", LOG_S("frame", pending->message_id));
    else
        send_ack(stream, pending->connection, pending->message_id, 200, "OK",
                 STR_LIT("{\"response\":null}"));
    list_remove(&pending->node);
    free(pending->message_id);
    free(pending);
    if (stream->is_stopped && list_is_empty(&stream->pending))
        close_all(stream);
}

static void drop_frame(struct link *link, const char *what, const char *reason)
{
    link->stream->stats.dropped++;
    log_event(LOG_WARN, "stream", "frame_dropped", LOG_S("client_id", link->client_id),
              LOG_S("what", what), LOG_S("reason", reason));
}

static void on_message_frame(struct link *link, uint64_t connection, const struct frame *frame)
{
    struct stream *stream = link->stream;
    struct dingtalk_message *message;
    struct error error;
    if (dingtalk_message_parse(frame_data(frame), &message, &error) != ST_OK) {
        drop_frame(link, "message", error.text);
        send_ack(stream, connection, frame_message_id(frame), 400, "bad message", STR_LIT("{}"));
        return;
    }
    if (dingtalk_message_error_code(message) != 0) {
        log_event(LOG_WARN, "stream", "quota_frame",
                  LOG_I("code", dingtalk_message_error_code(message)),
                  LOG_S("text", dingtalk_message_error_text(message)));
        send_ack(stream, connection, frame_message_id(frame), 200, "OK",
                 STR_LIT("{\"response\":null}"));
    } else {
        struct message view = *dingtalk_message_view(message);
        view.app = link->client_id;
        view.is_vouched = true;
        struct pending *pending = xcalloc(1, sizeof(*pending));
        pending->stream = stream;
        pending->connection = connection;
        pending->message_id = xstrdup(frame_message_id(frame));
        list_push_back(&stream->pending, &pending->node);
        stream->receiver->receive(stream->receiver, &view, on_receipt, pending);
    }
    dingtalk_message_free(message);
}

/* Answered first: DingTalk waits two seconds at most, and wants no other call meanwhile. */
static void on_card_frame(struct link *link, uint64_t connection, const struct frame *frame)
{
    const struct stream_settings *settings = &link->stream->settings;
    struct card_action action;
    struct error error;
    send_ack(link->stream, connection, frame_message_id(frame), 200, "OK",
             STR_LIT("{\"response\":{}}"));
    if (card_action_parse(frame_data(frame), &action, &error) != ST_OK) {
        drop_frame(link, "card", error.text);
        return;
    }
    if (settings->on_card)
        settings->on_card(link->client_id, &action, settings->arg);
    card_action_done(&action);
}

static void on_drain_over(void *arg)
{
    struct link *link = arg;
    link->drain_timer = NULL;
    websocket_close(link->stream->client, link->draining, CLOSE_NORMAL);
}

static void forget_failures_if_healthy(struct link *link)
{
    const struct stream *stream = link->stream;
    if (link->state == LINK_UP &&
        loop_now_ms(stream->loop) - link->up_since_ms >= stream->settings.healthy_ms)
        link->n_failures = 0;
}

/* What is under way on the old connection is still read and acknowledged. */
static void replace_connection(struct link *link, const struct frame *frame)
{
    struct stream *stream = link->stream;
    struct str data = frame_data(frame);
    log_event(LOG_INFO, "stream", "replacing", LOG_S("client_id", link->client_id),
              LOG_STR("announced", str_sub(data, 0, utf8_cut(data, 200))));
    forget_failures_if_healthy(link);
    int64_t up_ms = loop_now_ms(stream->loop) - link->up_since_ms;
    if (link->draining)
        websocket_close(stream->client, link->draining, CLOSE_NORMAL);
    timer_cancel(&link->drain_timer);
    link->draining = link->connection;
    link->connection = 0;
    link->drain_timer = timer_start(stream->loop, stream->settings.drain_connection_ms,
                                    "stream drain", on_drain_over, link);
    if (up_ms >= stream->settings.first_rest_ms) {
        ask_for_ticket(link);
    } else { /* no gateway that ends whatever it opens is asked in a circle */
        struct error error;
        (void)error_set(&error, ST_NET, 0, "announced to end when it had just been opened");
        rest(link, 0, "replaced_too_soon", &error);
    }
}

static void on_frame(struct link *link, uint64_t connection, const struct frame *frame)
{
    struct stream *stream = link->stream;
    const char *message_id = frame_message_id(frame);
    switch (frame_kind_of(frame)) {
    case FRAME_PING:
        send_ack(stream, connection, message_id, 200, "OK", frame_data(frame));
        return;
    case FRAME_DISCONNECT:
        if (connection == link->connection && link->state == LINK_UP)
            replace_connection(link, frame);
        return;
    case FRAME_MESSAGE:
        on_message_frame(link, connection, frame);
        return;
    case FRAME_CARD:
        on_card_frame(link, connection, frame);
        return;
    case FRAME_EVENT:
        send_ack(stream, connection, message_id, 200, "OK",
                 STR_LIT("{\"status\":\"SUCCESS\",\"message\":\"\"}"));
        return;
    case FRAME_SILENT:
        return;
    case FRAME_UNKNOWN:
        drop_frame(link, "topic", frame_topic(frame));
        send_ack(stream, connection, message_id, 404, "unknown topic", STR_LIT("{}"));
        return;
    }
}

/* ---- the connection ---- */

static void on_open(uint64_t id, void *arg)
{
    struct link *link = arg;
    struct stream *stream = link->stream;
    if (stream->is_stopped) {
        websocket_close(stream->client, id, CLOSE_GOING_AWAY);
        return;
    }
    link->up_since_ms = loop_now_ms(stream->loop);
    stream->stats.opened++;
    set_state(link, LINK_UP);
    log_event(LOG_INFO, "stream", "connected", LOG_S("client_id", link->client_id),
              LOG_I("connection", id));
}

static void on_text(uint64_t id, struct str text, bool is_text, void *arg)
{
    struct link *link = arg;
    struct frame *frame;
    struct error error;
    (void)is_text; /* some gateways send the same JSON in binary frames */
    if (link->stream->is_stopped)
        return;
    if (frame_parse(text, &frame, &error) != ST_OK) {
        drop_frame(link, "frame", error.text);
        return;
    }
    on_frame(link, id, frame);
    frame_free(frame);
}

static void on_drained(struct link *link)
{
    link->draining = 0;
    timer_cancel(&link->drain_timer);
    log_event(LOG_INFO, "stream", "drained", LOG_S("client_id", link->client_id));
}

static void on_close(uint64_t id, const struct error *error, int close_code, void *arg)
{
    struct link *link = arg;
    struct stream *stream = link->stream;
    if (id == link->draining) {
        on_drained(link);
        return;
    }
    if (id != link->connection) /* closed by us because another one was drained after it */
        return;
    link->connection = 0;
    if (stream->is_stopped)
        return;
    forget_failures_if_healthy(link);
    struct error why = *error;
    if (why.status == ST_OK)
        (void)error_set(&why, ST_NET, close_code, "closed by DingTalk: %.100s", error->text);
    rest(link, 0, "connection_lost", &why);
}

static const struct websocket_handlers websocket_handlers = {
    .on_open = on_open, .on_message = on_text, .on_close = on_close};

/* ST_OK when DingTalk's endpoint may be connected to. */
static enum status check_endpoint(const struct stream *stream, struct str endpoint,
                                  struct error *ret_err)
{
    struct url url;
    if (url_parse(endpoint, &url, ret_err) != ST_OK)
        return ST_INVAL;
    bool is_secure = strcmp(url.scheme, "wss") == 0;
    bool is_plain = strcmp(url.scheme, "ws") == 0;
    if (!is_secure && !(is_plain && stream->settings.is_plain_allowed))
        return error_set(ret_err, ST_DENIED, 0, "the endpoint's scheme is %s, not wss", url.scheme);
    return ST_OK;
}

static void connect_with(struct link *link, struct str endpoint, struct str ticket)
{
    struct stream *stream = link->stream;
    struct error error;
    if (check_endpoint(stream, endpoint, &error) != ST_OK) {
        rest(link, 0, "endpoint_refused", &error);
        return;
    }
    struct buf url = BUF_INIT(URL_BYTES_MAX);
    buf_add_str(&url, endpoint);
    buf_puts(&url, str_find(endpoint, STR_LIT("?")) < 0 ? "?ticket=" : "&ticket=");
    url_put_escaped(&url, ticket);
    const struct websocket_request request = {
        .url = buf_cstr(&url),
        .proxy = stream->proxy,
        .max_message_bytes = FRAME_BYTES_MAX,
        .ping_interval_ms = stream->settings.ping_interval_ms,
    };
    set_state(link, LINK_CONNECTING);
    link->connection = websocket_open(stream->client, &request, &websocket_handlers, link);
    buf_done(&url);
}

/* ---- the ticket ---- */

static void on_ticket(uint64_t id, const struct api_answer *answer, void *arg)
{
    struct link *link = arg;
    link->call = 0;
    struct str endpoint = json_str(answer->value, "endpoint");
    struct str ticket = json_str(answer->value, "ticket");
    if (answer->result == API_UNAUTHORIZED) {
        rest(link, link->stream->settings.refused_rest_ms, "credentials_refused", &answer->error);
    } else if (answer->result != API_OK) {
        rest(link, 0, "no_ticket", &answer->error);
    } else if (endpoint.n == 0 || ticket.n == 0) {
        struct error error;
        (void)error_set(&error, ST_PROTOCOL, 0, "an answer without endpoint and ticket");
        rest(link, 0, "no_ticket", &error);
    } else {
        connect_with(link, endpoint, ticket);
    }
}

static json_t *subscription(const char *type, const char *topic)
{
    return json_pack("{s:s, s:s}", "type", type, "topic", topic);
}

static void ask_for_ticket(struct link *link)
{
    set_state(link, LINK_ASKING);
    DB_CLEANUP(json_unref)
    json_t *body = json_pack("{s:s, s:s, s:[o, o], s:s}", "clientId", link->client_id,
                             "clientSecret", link->client_secret, "subscriptions",
                             subscription("CALLBACK", FRAME_TOPIC_MESSAGE),
                             subscription("CALLBACK", FRAME_TOPIC_CARD), "ua", USER_AGENT);
    struct buf text = BUF_INIT(BODY_BYTES_MAX);
    (void)!json_write(body, &text); /* credentials were checked when they were read */
    link->call = api_call_bare(link->stream->api, OPEN_PATH, buf_str(&text), on_ticket, link);
    buf_done(&text);
}

/* ---- life ---- */

static void on_start(void *arg)
{
    struct link *link = arg;
    link->timer = NULL;
    ask_for_ticket(link);
}

struct stream *stream_new(struct loop *loop, struct api *api, struct websocket_client *client,
                          struct receiver *receiver, const struct stream_settings *settings)
{
    struct stream *stream = xcalloc(1, sizeof(*stream));
    stream->loop = loop;
    stream->api = api;
    stream->client = client;
    stream->receiver = receiver;
    stream->settings = *settings;
    stream->proxy = xstrdup(settings->proxy);
    stream->settings.proxy = stream->proxy;
    stream->stats.wanted = settings->n_credentials;
    list_init(&stream->pending);
    stream->links = xcalloc(settings->n_credentials + 1, sizeof(*stream->links));
    for (size_t i = 0; i < settings->n_credentials; i++) {
        struct link *link = &stream->links[i];
        link->stream = stream;
        link->client_id = xstrdup(settings->credentials[i].client_id);
        link->client_secret = xstrdup(settings->credentials[i].client_secret);
        link->timer = timer_start(loop, 0, "stream start", on_start, link);
    }
    return stream;
}

static void link_free(struct link *link)
{
    struct stream *stream = link->stream;
    api_cancel(stream->api, link->call);
    websocket_cancel(stream->client, link->connection);
    websocket_cancel(stream->client, link->draining);
    timer_cancel(&link->timer);
    timer_cancel(&link->drain_timer);
    free(link->client_id);
    free(link->client_secret);
}

void stream_free(struct stream *stream)
{
    if (!stream)
        return;
    for (size_t i = 0; i < stream->stats.wanted; i++)
        link_free(&stream->links[i]);
    LIST_FOREACH(node, next, &stream->pending)
    {
        struct pending *pending = LIST_ENTRY(node, struct pending, node);
        free(pending->message_id);
        free(pending);
    }
    free(stream->links);
    free(stream->proxy);
    free(stream);
}

/* What has been acknowledged by now is still sent: closing comes behind what is queued. */
static void close_all(struct stream *stream)
{
    for (size_t i = 0; i < stream->stats.wanted; i++) {
        websocket_close(stream->client, stream->links[i].connection, CLOSE_GOING_AWAY);
        websocket_close(stream->client, stream->links[i].draining, CLOSE_GOING_AWAY);
    }
}

/* Messages that the receiver has not said anything about yet are waited for. */
void stream_stop(struct stream *stream)
{
    stream->is_stopped = true;
    for (size_t i = 0; i < stream->stats.wanted; i++) {
        struct link *link = &stream->links[i];
        api_cancel(stream->api, link->call);
        link->call = 0;
        timer_cancel(&link->drain_timer);
        set_state(link, LINK_STOPPED);
    }
    if (list_is_empty(&stream->pending))
        close_all(stream);
}

void stream_get_stats(const struct stream *stream, struct stream_stats *ret_stats)
{
    *ret_stats = stream->stats;
    ret_stats->up = 0;
    for (size_t i = 0; i < stream->stats.wanted; i++)
        ret_stats->up += stream->links[i].state == LINK_UP;
}
