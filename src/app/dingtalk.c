#include "app/dingtalk.h"

#include <stdlib.h>
#include <string.h>

#include "dingtalk/card.h"
#include "dingtalk/webhook.h"
#include "util/log.h"
#include "util/mem.h"

#define USER_AGENT "dingbridge/" DINGBRIDGE_VERSION

static char *without_slash(const char *url)
{
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/')
        n--;
    return xstrndup(url, n);
}

static void open_api(struct dingtalk *dingtalk)
{
    struct bridge *bridge = dingtalk->bridge;
    const struct config *config = bridge->config;
    if (config->n_credentials == 0)
        return;
    dingtalk->credentials = xcalloc(config->n_credentials, sizeof(*dingtalk->credentials));
    for (size_t i = 0; i < config->n_credentials; i++)
        dingtalk->credentials[i] = (struct api_credential){config->credentials[i].client_id,
                                                           config->credentials[i].client_secret};
    DB_CLEANUP(free_charp) char *api_url = without_slash(config->dingtalk_api_url);
    DB_CLEANUP(free_charp) char *oapi_url = without_slash(config->dingtalk_oapi_url);
    const struct api_settings settings = {
        .api_url = api_url,
        .oapi_url = oapi_url,
        .proxy = config->dingtalk_proxy,
        .credentials = dingtalk->credentials,
        .n_credentials = config->n_credentials,
        .meter = meter_face(bridge->meter),
    };
    dingtalk->api = api_new(bridge->loop, bridge->client, &settings);
}

/* Cards where they are wanted and can be had; else the whole answer as messages. */
static struct platform *add_cards(struct dingtalk *dingtalk, struct platform *inner)
{
    const struct config *config = dingtalk->bridge->config;
    if (!config->stream_mode || !*config->card_template_id || !dingtalk->api)
        return inner;
    struct card_settings settings = CARD_SETTINGS_DEFAULT;
    bool is_auto = strcmp(config->card_template_id, "auto") == 0;
    settings.card =
        is_auto ? card_template_auto
                : (struct card_template){.id = config->card_template_id, .content_key = "content"};
    if (*config->card_content_key)
        settings.card.content_key = config->card_content_key;
    settings.update_interval_ms = config->card_update_interval;
    if (settings.sparing_interval_ms < 4 * config->card_update_interval)
        settings.sparing_interval_ms = 4 * config->card_update_interval;
    log_event(LOG_INFO, "card", "ready", LOG_S("template", settings.card.id),
              LOG_S("key", settings.card.content_key));
    dingtalk->has_cards = true;
    return card_platform_new(dingtalk->bridge->loop, dingtalk->api, inner, &settings);
}

void dingtalk_open(struct dingtalk *dingtalk, struct bridge *bridge)
{
    dingtalk->bridge = bridge;
    open_api(dingtalk);
    struct webhook_settings settings = WEBHOOK_SETTINGS_DEFAULT;
    settings.rules = bridge->webhook_rules;
    settings.n_rules = bridge->n_webhook_rules;
    settings.proxy = bridge->config->dingtalk_proxy;
    settings.api = dingtalk->api;
    settings.work = bridge->work;
    dingtalk->platform =
        add_cards(dingtalk, webhook_platform_new(bridge->loop, bridge->client, &settings));
}

static void on_card(const char *client_id, const struct card_action *action, void *arg)
{
    struct dingtalk *dingtalk = arg;
    (void)client_id;
    if (dingtalk->has_cards)
        card_platform_on_action(dingtalk->platform, chat_receiver(dingtalk->bridge->chat), action);
}

enum status dingtalk_start(struct dingtalk *dingtalk)
{
    struct bridge *bridge = dingtalk->bridge;
    const struct config *config = bridge->config;
    if (config->run_mode != CONFIG_RUN_STREAM)
        return ST_OK;
    enum status status = websocket_client_new(bridge->loop, USER_AGENT, &dingtalk->websockets);
    if (status != ST_OK)
        return status;
    struct stream_settings settings = STREAM_SETTINGS_DEFAULT;
    settings.credentials = dingtalk->credentials;
    settings.n_credentials = config->n_credentials;
    settings.proxy = config->dingtalk_proxy;
    settings.is_plain_allowed = strncmp(config->dingtalk_api_url, "http://", 7) == 0;
    settings.ping_interval_ms = config->stream_ping_interval_s * 1000;
    settings.on_card = on_card;
    settings.arg = dingtalk;
    dingtalk->stream = stream_new(bridge->loop, dingtalk->api, dingtalk->websockets,
                                  chat_receiver(bridge->chat), &settings);
    return ST_OK;
}

void dingtalk_stop(struct dingtalk *dingtalk)
{
    if (dingtalk->stream)
        stream_stop(dingtalk->stream);
}

void dingtalk_close(struct dingtalk *dingtalk)
{
    stream_free(dingtalk->stream);
    websocket_client_free(dingtalk->websockets);
    api_free(dingtalk->api);
    free(dingtalk->credentials);
    *dingtalk = (struct dingtalk){0};
}

static void put_calls(const struct store_calls *calls, void *arg)
{
    struct buf *out = arg;
    buf_printf(out, "dingbridge_openapi_calls_month{app=\"%s\",kind=\"%s\"} %lld\n", calls->app,
               calls->kind, (long long)calls->calls);
}

void dingtalk_put_metrics(const struct dingtalk *dingtalk, struct buf *out)
{
    if (dingtalk->api) {
        buf_puts(out, "# HELP dingbridge_openapi_calls_month Metered DingTalk API calls of this "
                      "month.\n# TYPE dingbridge_openapi_calls_month gauge\n");
        meter_each(dingtalk->bridge->meter, put_calls, out);
        buf_printf(out,
                   "# HELP dingbridge_openapi_budget_month The budget for them; 0: none.\n"
                   "# TYPE dingbridge_openapi_budget_month gauge\n"
                   "dingbridge_openapi_budget_month %lld\n",
                   (long long)meter_budget(dingtalk->bridge->meter));
    }
    if (dingtalk->stream) {
        struct stream_stats stats;
        stream_get_stats(dingtalk->stream, &stats);
        buf_printf(out,
                   "# HELP dingbridge_stream_connections_up Robots connected by stream mode.\n"
                   "# TYPE dingbridge_stream_connections_up gauge\n"
                   "dingbridge_stream_connections_up %zu\n"
                   "# HELP dingbridge_stream_connections_wanted Robots to be connected.\n"
                   "# TYPE dingbridge_stream_connections_wanted gauge\n"
                   "dingbridge_stream_connections_wanted %zu\n"
                   "# HELP dingbridge_stream_connections_opened_total Connections made.\n"
                   "# TYPE dingbridge_stream_connections_opened_total counter\n"
                   "dingbridge_stream_connections_opened_total %lld\n"
                   "# HELP dingbridge_stream_frames_dropped_total Frames that were no use.\n"
                   "# TYPE dingbridge_stream_frames_dropped_total counter\n"
                   "dingbridge_stream_frames_dropped_total %lld\n",
                   stats.up, stats.wanted, (long long)stats.opened, (long long)stats.dropped);
    }
}
