#include "web/web.h"

#include <stdlib.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/mem.h"

#define PAGE_BYTES_MAX (64 * 1024)

struct web {
    struct http_server *server;
    struct chat *chat;
    struct image_store *images;
    int64_t started_ms;
    web_metrics_fn more_metrics; /* NULL: none */
    void *more_arg;
};

/* A request that waits for the disk. */
struct image_request {
    struct web *web;
    uint64_t id;
};

static void serve_health(const struct http_server_request *request, void *arg)
{
    struct web *web = arg;
    struct buf body = BUF_INIT(PAGE_BYTES_MAX);
    buf_printf(&body,
               "{\"status\":\"ok\",\"name\":\"dingbridge\",\"version\":\"%s\",\"uptime_s\":%lld}\n",
               DINGBRIDGE_VERSION, (long long)((clock_mono_ms() - web->started_ms) / 1000));
    struct http_reply reply = {.http_status = 200, .body = buf_str(&body)};
    http_server_reply(web->server, request->id, &reply);
    buf_done(&body);
}

static void put_metric(struct buf *out, const char *name, const char *type, const char *help,
                       int64_t value)
{
    buf_printf(out, "# HELP dingbridge_%s %s\n# TYPE dingbridge_%s %s\ndingbridge_%s %lld\n", name,
               help, name, type, name, (long long)value);
}

/* The Prometheus text format. */
static void serve_metrics(const struct http_server_request *request, void *arg)
{
    struct web *web = arg;
    struct chat_stats stats;
    chat_get_stats(web->chat, &stats);
    struct buf body = BUF_INIT(PAGE_BYTES_MAX);
    put_metric(&body, "messages_received_total", "counter", "Messages handed in by platforms.",
               stats.received);
    put_metric(&body, "messages_duplicate_total", "counter", "Messages that had come before.",
               stats.duplicates);
    put_metric(&body, "messages_not_stored_total", "counter", "Messages not acknowledged.",
               stats.not_stored);
    put_metric(&body, "turns_answered_total", "counter", "Turns whose reply was delivered.",
               stats.answered);
    put_metric(&body, "turns_llm_failed_total", "counter", "Turns whose LLM exchange failed.",
               stats.failed);
    put_metric(&body, "turns_undelivered_total", "counter",
               "Turns whose reply could not be delivered.", stats.undelivered);
    put_metric(&body, "turns_refused_total", "counter",
               "Messages refused by the lists, or because the question was too long.",
               stats.refused);
    put_metric(&body, "turns_over_limit_total", "counter", "Questions refused by the daily limit.",
               stats.refused_by_limit);
    put_metric(&body, "turns_open", "gauge", "Turns in memory.", (int64_t)stats.turns_open);
    put_metric(&body, "llm_exchanges_running", "gauge", "LLM exchanges that run.",
               (int64_t)stats.asking);
    put_metric(&body, "llm_fallbacks_total", "counter",
               "Questions and images that went on to another model or key.", stats.llm.fallbacks);
    put_metric(&body, "llm_rests_total", "counter",
               "Times that a failing model or key was left alone.", stats.llm.rests);
    put_metric(&body, "llm_models_resting", "gauge", "Models that are left alone now.",
               (int64_t)stats.llm.resting);
    put_metric(&body, "uptime_seconds", "gauge", "Seconds since the start.",
               (clock_mono_ms() - web->started_ms) / 1000);
    if (web->more_metrics)
        web->more_metrics(&body, web->more_arg);
    struct http_reply reply = {
        .http_status = 200,
        .content_type = "text/plain; version=0.0.4; charset=utf-8",
        .body = buf_str(&body),
    };
    http_server_reply(web->server, request->id, &reply);
    buf_done(&body);
}

static void on_image(enum status status, struct str bytes, const char *content_type, void *arg)
{
    struct image_request *request = arg;
    struct http_server *server = request->web->server;
    if (status == ST_OK) {
        /* A name is never used twice, so what it shows never changes. */
        static const char *const headers[] = {"Cache-Control: public, max-age=31536000, immutable",
                                              "X-Content-Type-Options: nosniff",
                                              "Content-Security-Policy: default-src 'none'", NULL};
        struct http_reply reply = {
            .http_status = 200, .content_type = content_type, .headers = headers, .body = bytes};
        http_server_reply(server, request->id, &reply);
    } else {
        http_server_reply_error(server, request->id, 404, "not_found", "no such image");
    }
    free(request);
}

static void serve_image(const struct http_server_request *request, void *arg)
{
    struct web *web = arg;
    struct image_request *waiting = xmalloc(sizeof(*waiting));
    *waiting = (struct image_request){web, request->id};
    struct str name = str_sub(request->path, sizeof("/images/") - 1, request->path.n);
    image_store_read(web->images, name, on_image, waiting);
}

struct web *web_new(struct http_server *server, struct chat *chat, struct image_store *images)
{
    struct web *web = xcalloc(1, sizeof(*web));
    web->server = server;
    web->chat = chat;
    web->images = images;
    web->started_ms = clock_mono_ms();
    http_server_route(server, "/", 1U << HTTP_GET, serve_health, web);
    http_server_route(server, "/metrics", 1U << HTTP_GET, serve_metrics, web);
    http_server_route(server, "/images/*", 1U << HTTP_GET, serve_image, web);
    return web;
}

void web_add_metrics(struct web *web, web_metrics_fn fn, void *arg)
{
    web->more_metrics = fn;
    web->more_arg = arg;
}

void web_free(struct web *web)
{
    free(web);
}
