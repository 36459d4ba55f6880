/*
 * A sink sends the parts of one reply, one after another; a part that DingTalk finds too long is
 * sent in smaller pieces.
 *
 *   IDLE ─finish/fail→ SENDING ⇄ WAITING (a repeat's delay)
 *                        │ part delivered        ↑
 *                        ├→ PAUSED ─go_on────────┘ (to SENDING)
 *                        └→ ENDING ─next turn of the loop→ DONE (on_done)
 *
 * A session webhook that has ended is left for the robot's API, where there is one: from then on
 * the parts go that way, without mentions. Where there is none, the address's own end
 * (sessionWebhookExpiredTime) is not believed: sending shows it.
 */
#include "dingtalk/webhook.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dingtalk/media.h"
#include "dingtalk/proactive.h"
#include "dingtalk/split.h"
#include "dingtalk/webhook_answer.h"
#include "dingtalk/webhook_body.h"
#include "net/backoff.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

#define BODY_BYTES_MAX (128 * 1024) /* room for any configured message size */
#define ANSWER_BYTES_MAX (64 * 1024)
#define TITLE_BYTES_MAX 512
#define PIECE_BYTES_SMALLEST 512
#define BUSY_REPEATS_MAX 2
#define UNCERTAIN_REPEATS_MAX 1
#define THROTTLE_REPEATS_MAX 3
#define CONNECT_TIMEOUT_MS (10 * 1000)
#define ANSWER_TIMEOUT_MS (15 * 1000)
#define TOTAL_TIMEOUT_MS (30 * 1000)

static const char REFUSED_NOTICE[] = "回答未能通过钉钉的内容安全检查。\n\n"
                                     "The answer did not pass DingTalk's content check.";
static const char REFUSED_TITLE[] = "回答未能发出 Not sent";

struct webhook {
    struct platform platform; /* first */
    struct loop *loop;
    struct http_client *client;
    struct webhook_settings settings;
    struct media *media; /* NULL without credentials */
};

enum state { SINK_IDLE, SINK_SENDING, SINK_WAITING, SINK_PAUSED, SINK_ENDING, SINK_DONE };

struct webhook_sink {
    struct sink sink; /* first */
    struct webhook *webhook;
    enum state state;
    char *url;
    char *msg_id;
    struct buf mention;
    char *staff_id; /* NULL when nobody is mentioned by id */

    int app;        /* who may act as the robot; API_NO_APP */
    bool is_by_api; /* the webhook is not used any more */
    uint64_t call;  /* of the API */
    char *robot;
    char *conversation; /* "" in private chats */
    char *person;       /* userid */
    int64_t reply_until_ms;

    char *title;
    struct split parts;
    size_t part;         /* the one being sent */
    struct split pieces; /* of this part; one unless it was too long */
    size_t piece;
    size_t piece_max;
    int n_busy; /* repeats of this piece, by their reasons */
    int n_uncertain;
    int n_throttled;
    bool is_notice_on_the_way; /* the last words after a refusal; their fate changes nothing */

    uint64_t request;
    struct timer *timer;
    struct sink_outcome outcome;
};

static struct webhook_sink *sink_of(struct sink *base)
{
    return (struct webhook_sink *)(void *)base;
}

static void on_end(void *arg)
{
    struct webhook_sink *sink = arg;
    sink->timer = NULL;
    sink->state = SINK_DONE;
    sink->sink.handlers->on_done(&sink->sink, &sink->outcome, sink->sink.arg);
}

static void end(struct webhook_sink *sink, const struct error *error)
{
    sink->outcome.status = error->status;
    sink->outcome.error = *error;
    sink->outcome.parts_sent = (int)sink->part;
    sink->outcome.parts_total = (int)sink->parts.n;
    sink->state = SINK_ENDING;
    sink->timer = timer_start(sink->webhook->loop, 0, "webhook end", on_end, sink);
}

static const struct http_handlers http_handlers;

/* Judged by the same text that goes to libcurl, and every time: the message came from outside. */
static enum status check_address(const struct webhook_sink *sink, struct error *ret_err)
{
    const struct webhook_settings *settings = &sink->webhook->settings;
    struct url url;
    if (url_parse(str_of(sink->url), &url, ret_err) != ST_OK)
        return ret_err->status = ST_DENIED;
    if (!url_host_is_allowed(&url, settings->rules, settings->n_rules))
        return error_set(ret_err, ST_DENIED, 0, "webhook host %s is not in webhook_hosts",
                         url.host);
    return ST_OK;
}

static struct proactive_target target_of(const struct webhook_sink *sink)
{
    return (struct proactive_target){sink->robot, sink->conversation, sink->person};
}

static void on_api_answer(uint64_t id, const struct api_answer *answer, void *arg);

static void post_by_api(struct webhook_sink *sink, struct str text)
{
    struct proactive_target target = target_of(sink);
    struct buf body = BUF_INIT(BODY_BYTES_MAX);
    if (proactive_body(&target, sink->title, text, &body) == ST_OK) {
        const struct api_request request = {
            .app = sink->app,
            .method = "POST",
            .path = proactive_path(&target),
            .body = buf_str(&body),
            .kind = *target.conversation ? "group_message" : "private_message",
            .timeout_ms = ANSWER_TIMEOUT_MS,
        };
        sink->state = SINK_SENDING;
        sink->call = api_call(sink->webhook->settings.api, &request, on_api_answer, sink);
    } else {
        struct error error;
        (void)error_set(&error, ST_INTERNAL, 0, "a part could not be written as JSON");
        end(sink, &error);
    }
    buf_done(&body);
}

static void post(struct webhook_sink *sink, struct str text, const char *staff_id)
{
    static const char *const headers[] = {"Content-Type: application/json; charset=utf-8",
                                          "Accept: application/json", NULL};
    struct error error;
    struct buf body = BUF_INIT(BODY_BYTES_MAX);
    if (check_address(sink, &error) != ST_OK) {
        end(sink, &error);
        return;
    }
    if (webhook_body(sink->title, text, staff_id, &body) != ST_OK) {
        (void)error_set(&error, ST_INTERNAL, 0, "a part could not be written as JSON");
        end(sink, &error);
    } else {
        struct http_request request = {
            .method = "POST",
            .url = sink->url,
            .headers = headers,
            .body = buf_str(&body),
            .proxy = sink->webhook->settings.proxy,
            .max_body_bytes = ANSWER_BYTES_MAX,
            .connect_timeout_ms = CONNECT_TIMEOUT_MS,
            .first_byte_timeout_ms = ANSWER_TIMEOUT_MS,
            .idle_timeout_ms = ANSWER_TIMEOUT_MS,
            .total_timeout_ms = TOTAL_TIMEOUT_MS,
        };
        sink->state = SINK_SENDING;
        sink->request = http_client_start(sink->webhook->client, &request, &http_handlers, sink);
    }
    buf_done(&body);
}

/* The first piece of all mentions the asker. */
static void send_piece(struct webhook_sink *sink)
{
    struct str piece = str_of(sink->pieces.parts[sink->piece]);
    if (sink->is_by_api) {
        post_by_api(sink, piece);
        return;
    }
    bool is_first = sink->part == 0 && sink->piece == 0;
    struct buf text = BUF_INIT(sink->mention.len + piece.n);
    if (is_first)
        buf_add_str(&text, buf_str(&sink->mention));
    buf_add_str(&text, piece);
    post(sink, buf_str(&text), is_first ? sink->staff_id : NULL);
    buf_done(&text);
}

static bool can_go_by_api(const struct webhook_sink *sink)
{
    struct proactive_target target = target_of(sink);
    return !sink->is_by_api && sink->app != API_NO_APP && proactive_is_possible(&target);
}

/* Bytes of a message that are left for its text. Where a part may have to go by the API it fits
 * there as well, so that the parts are the same whichever way they go, before and after a restart.
 */
static size_t text_room(const struct webhook_sink *sink)
{
    size_t max = sink->webhook->settings.max_message_bytes;
    size_t max_by_api = PROACTIVE_PARAM_BYTES_MAX - webhook_text_cost(str_of(sink->title));
    struct buf empty = BUF_INIT(BODY_BYTES_MAX);
    size_t taken = webhook_text_cost(buf_str(&sink->mention));
    if (webhook_body(sink->title, STR_LIT(""), sink->staff_id, &empty) == ST_OK)
        taken += empty.len;
    buf_done(&empty);
    size_t room = taken < max ? max - taken : 0;
    bool is_api_possible = sink->is_by_api || can_go_by_api(sink);
    return is_api_possible && max_by_api < room ? max_by_api : room;
}

static void forget_repeats(struct webhook_sink *sink)
{
    sink->n_busy = sink->n_uncertain = sink->n_throttled = 0;
}

static void send_part(struct webhook_sink *sink)
{
    split_done(&sink->pieces);
    sink->pieces.parts = xcalloc(1, sizeof(*sink->pieces.parts));
    sink->pieces.parts[0] = sink->parts.parts[sink->part];
    sink->pieces.n = 1;
    sink->parts.parts[sink->part] = NULL;
    sink->piece = 0;
    sink->piece_max = text_room(sink);
    forget_repeats(sink);
    send_piece(sink);
}

static void on_delivered(struct webhook_sink *sink)
{
    forget_repeats(sink);
    if (++sink->piece < sink->pieces.n) {
        send_piece(sink);
        return;
    }
    sink->part++;
    if (sink->part == sink->parts.n) {
        end(sink, &(struct error){.status = ST_OK});
        return;
    }
    sink->state = SINK_PAUSED;
    sink->sink.handlers->on_part(&sink->sink, (int)sink->part, sink->sink.arg);
}

static void on_delay_over(void *arg)
{
    struct webhook_sink *sink = arg;
    sink->timer = NULL;
    send_piece(sink);
}

static void wait_and_repeat(struct webhook_sink *sink, int64_t delay_ms, const struct error *error)
{
    log_event(LOG_WARN, "webhook", "send_again", LOG_S("msg", sink->msg_id),
              LOG_I("part", sink->part + 1), LOG_S("reason", error->text),
              LOG_I("delay_ms", delay_ms));
    sink->state = SINK_WAITING;
    sink->timer = timer_start(sink->webhook->loop, delay_ms, "webhook repeat", on_delay_over, sink);
}

static void repeat_soon(struct webhook_sink *sink, int *count, int max_repeats,
                        const struct error *error)
{
    const struct backoff backoff = {
        .first_ms = sink->webhook->settings.busy_delay_ms,
        .cap_ms = sink->webhook->settings.busy_delay_ms * 4,
        .jitter = 0.25,
    };
    if (*count >= max_repeats)
        end(sink, error);
    else
        wait_and_repeat(sink, backoff_ms(&backoff, ++*count), error);
}

/* Delays of 1, 3 and 7 times the configured one: DingTalk's throttle lasts up to ten minutes, and
 * every attempt in it counts. */
static void repeat_late(struct webhook_sink *sink, const struct error *error)
{
    int64_t delay_ms = sink->webhook->settings.throttle_delay_ms;
    if (sink->n_throttled >= THROTTLE_REPEATS_MAX)
        end(sink, error);
    else
        wait_and_repeat(sink, delay_ms * ((2LL << sink->n_throttled++) - 1), error);
}

/* Puts smaller pieces in the place of the one that was too long. */
static void split_smaller(struct webhook_sink *sink, const struct error *error)
{
    struct split *pieces = &sink->pieces;
    struct str text = str_of(pieces->parts[sink->piece]);
    size_t cost = webhook_text_cost(text);
    sink->piece_max = (cost < sink->piece_max ? cost : sink->piece_max) / 2;
    if (sink->piece_max < PIECE_BYTES_SMALLEST) {
        end(sink, error);
        return;
    }
    struct split smaller = split_markdown(text, sink->piece_max, webhook_text_cost);
    struct split all = {.n = pieces->n - 1 + smaller.n};
    all.parts = xcalloc(all.n, sizeof(*all.parts));
    size_t n_after = pieces->n - sink->piece - 1;
    memcpy(all.parts, pieces->parts, sink->piece * sizeof(*all.parts));
    memcpy(all.parts + sink->piece, smaller.parts, smaller.n * sizeof(*all.parts));
    if (n_after > 0)
        memcpy(all.parts + sink->piece + smaller.n, pieces->parts + sink->piece + 1,
               n_after * sizeof(*all.parts));
    free(pieces->parts[sink->piece]);
    free(pieces->parts);
    free(smaller.parts);
    *pieces = all;
    log_event(LOG_WARN, "webhook", "split_smaller", LOG_S("msg", sink->msg_id),
              LOG_I("part", sink->part + 1), LOG_I("pieces", smaller.n));
    send_piece(sink);
}

/* The person hears why there is no answer; whether that arrives is left to itself. */
static void send_refused_notice(struct webhook_sink *sink, const struct error *error)
{
    sink->outcome.error = *error;
    sink->is_notice_on_the_way = true;
    free(sink->title);
    sink->title = xstrdup(REFUSED_TITLE);
    if (sink->is_by_api)
        post_by_api(sink, str_of(REFUSED_NOTICE));
    else
        post(sink, str_of(REFUSED_NOTICE), NULL);
}

/* The piece that the webhook did not take is sent again. */
static void go_by_api(struct webhook_sink *sink, const struct error *error)
{
    log_event(LOG_INFO, "webhook", "by_api", LOG_S("msg", sink->msg_id),
              LOG_I("part", sink->part + 1), LOG_S("reason", error->text));
    sink->is_by_api = true;
    forget_repeats(sink);
    send_piece(sink);
}

static void on_webhook_answer(struct webhook_sink *sink, enum webhook_answer answer,
                              const struct error *why)
{
    struct error error = *why;
    if (sink->is_notice_on_the_way) {
        struct error refusal = sink->outcome.error;
        end(sink, &refusal);
        return;
    }
    switch (answer) {
    case WEBHOOK_DELIVERED:
        on_delivered(sink);
        return;
    case WEBHOOK_BUSY:
        repeat_soon(sink, &sink->n_busy, BUSY_REPEATS_MAX, &error);
        return;
    case WEBHOOK_UNCERTAIN:
        repeat_soon(sink, &sink->n_uncertain, UNCERTAIN_REPEATS_MAX, &error);
        return;
    case WEBHOOK_THROTTLED:
        repeat_late(sink, &error);
        return;
    case WEBHOOK_TOO_LONG:
        split_smaller(sink, &error);
        return;
    case WEBHOOK_REFUSED:
        send_refused_notice(sink, &error);
        return;
    case WEBHOOK_EXPIRED:
        if (can_go_by_api(sink)) {
            go_by_api(sink, &error);
            return;
        }
        end(sink, &error);
        return;
    case WEBHOOK_FAILED:
        end(sink, &error);
        return;
    }
}

static void on_response(uint64_t id, const struct http_response *response, void *arg)
{
    struct webhook_sink *sink = arg;
    assert(id == sink->request && sink->state == SINK_SENDING);
    sink->request = 0;
    struct error error = {0};
    enum webhook_answer answer = webhook_answer_read(response, &error);
    on_webhook_answer(sink, answer, &error);
}

static void on_api_answer(uint64_t id, const struct api_answer *answer, void *arg)
{
    struct webhook_sink *sink = arg;
    (void)id;
    sink->call = 0;
    struct error error = {0};
    enum webhook_answer read = proactive_answer_read(answer, &error);
    on_webhook_answer(sink, read, &error);
}

static const struct http_handlers http_handlers = {.on_done = on_response};

static char *make_title(const char *wanted, struct str text)
{
    struct buf title = BUF_INIT(TITLE_BYTES_MAX);
    if (wanted && *wanted) {
        struct str cut = str_of(wanted);
        webhook_clean(str_sub(cut, 0, utf8_cut(cut, TITLE_BYTES_MAX / 3)), &title);
    } else {
        webhook_title(text, &title);
    }
    return buf_steal(&title);
}

static void sink_finish(struct sink *base, const struct reply *reply)
{
    struct webhook_sink *sink = sink_of(base);
    assert(sink->state == SINK_IDLE);
    struct buf text = BUF_INIT(reply->markdown.n * 3 + TITLE_BYTES_MAX);
    webhook_clean(reply->markdown, &text);
    sink->title = make_title(reply->title, buf_str(&text));
    bool is_over = sink->reply_until_ms > 0 && clock_wall_ms() >= sink->reply_until_ms;
    sink->is_by_api = (is_over || !*sink->url) && can_go_by_api(sink);
    if (str_trim(buf_str(&text)).n == 0) /* DingTalk takes no blank messages */
        buf_puts(&text, sink->title);
    sink->parts = split_markdown(buf_str(&text), text_room(sink), webhook_text_cost);
    buf_done(&text);
    sink->part = reply->parts_done > 0 ? (size_t)reply->parts_done : 0;
    if (sink->part > sink->parts.n) /* counted by somebody else: rather twice than not at all */
        sink->part = 0;
    if (sink->part < sink->parts.n) {
        send_part(sink);
        return;
    }
    sink->part = sink->parts.n;
    end(sink, &(struct error){.status = ST_OK});
}

static void sink_begin(struct sink *base)
{
    (void)base; /* a session webhook has no message that could be changed later */
}

static void sink_grow(struct sink *base, struct str text)
{
    (void)base;
    (void)text;
}

static void sink_go_on(struct sink *base)
{
    struct webhook_sink *sink = sink_of(base);
    if (sink->state == SINK_PAUSED)
        send_part(sink);
}

static void sink_free(struct sink *base)
{
    struct webhook_sink *sink = sink_of(base);
    http_client_cancel(sink->webhook->client, sink->request);
    if (sink->call)
        api_cancel(sink->webhook->settings.api, sink->call);
    free(sink->robot);
    free(sink->conversation);
    free(sink->person);
    timer_cancel(&sink->timer);
    split_done(&sink->parts);
    split_done(&sink->pieces);
    buf_done(&sink->mention);
    free(sink->staff_id);
    free(sink->title);
    free(sink->msg_id);
    free(sink->url);
    free(sink);
}

static const struct sink_ops sink_ops = {
    .begin = sink_begin,
    .grow = sink_grow,
    .finish = sink_finish,
    .fail = sink_finish,
    .go_on = sink_go_on,
    .free = sink_free,
};

static struct sink *open_sink(struct platform *platform, const struct message *message,
                              const struct sink_handlers *handlers, void *arg)
{
    struct webhook_sink *sink = xcalloc(1, sizeof(*sink));
    sink->sink = (struct sink){&sink_ops, handlers, arg};
    sink->webhook = (struct webhook *)(void *)platform;
    const struct webhook_settings *settings = &sink->webhook->settings;
    sink->app = settings->api ? api_find_app(settings->api, message) : API_NO_APP;
    sink->robot = xstrdup(message->robot);
    sink->conversation = xstrdup(message->is_group ? message->conversation : "");
    sink->person = xstrdup(message->sender_staff_id);
    sink->reply_until_ms = message->reply_until_ms;
    sink->url = xstrdup(message->reply_to);
    sink->msg_id = xstrdup(message->msg_id);
    /* Every byte of a name may need a backslash. */
    buf_init(&sink->mention,
             strlen(message->sender_nick) * 2 + strlen(message->sender_staff_id) + 8);
    if (webhook_mention(message, &sink->mention))
        sink->staff_id = xstrdup(message->sender_staff_id);
    return &sink->sink;
}

static bool publish_picture(struct platform *platform, const struct message *message,
                            struct str bytes, const char *content_type, picture_published_fn fn,
                            void *arg)
{
    struct webhook *webhook = (struct webhook *)(void *)platform;
    if (!webhook->media || api_level(webhook->settings.api) == CALLS_EXHAUSTED)
        return false;
    int app = api_find_app(webhook->settings.api, message);
    if (app == API_NO_APP)
        return false;
    media_upload(webhook->media, app, bytes, content_type, fn, arg);
    return true;
}

static void on_notified(uint64_t id, const struct api_answer *answer, void *arg)
{
    (void)id;
    (void)arg;
    if (answer->result != API_OK)
        log_event(LOG_WARN, "webhook", "not_notified",
                  LOG_S("reason", api_result_name(answer->result)),
                  LOG_I("code", answer->error.code), LOG_S("detail", answer->error.text));
}

static bool notify(struct platform *platform, const char *app_name, const char *staff_id,
                   struct str markdown)
{
    struct webhook *webhook = (struct webhook *)(void *)platform;
    struct api *api = webhook->settings.api;
    int app = api ? api_find_client(api, app_name) : API_NO_APP;
    if (app == API_NO_APP)
        return false;
    const struct proactive_target target = {api_client_id(api, app), "", staff_id};
    struct buf title = BUF_INIT(TITLE_BYTES_MAX);
    struct buf body = BUF_INIT(BODY_BYTES_MAX);
    webhook_title(markdown, &title);
    bool is_written = proactive_body(&target, buf_cstr(&title), markdown, &body) == ST_OK;
    if (is_written) {
        const struct api_request request = {.app = app,
                                            .method = "POST",
                                            .path = proactive_path(&target),
                                            .body = buf_str(&body),
                                            .kind = "private_message"};
        (void)api_call(api, &request, on_notified, NULL);
    }
    buf_done(&title);
    buf_done(&body);
    return is_written;
}

static void platform_free(struct platform *platform)
{
    struct webhook *webhook = (struct webhook *)(void *)platform;
    media_free(webhook->media);
    free(webhook);
}

struct platform *webhook_platform_new(struct loop *loop, struct http_client *client,
                                      const struct webhook_settings *settings)
{
    static const struct platform_ops ops = {
        .name = "dingtalk",
        .open_sink = open_sink,
        .publish_picture = publish_picture,
        .notify = notify,
        .free = platform_free,
    };
    struct webhook *webhook = xcalloc(1, sizeof(*webhook));
    webhook->platform.ops = &ops;
    webhook->loop = loop;
    webhook->client = client;
    webhook->settings = *settings;
    if (settings->api)
        webhook->media = media_new(settings->api, settings->work);
    return &webhook->platform;
}
