/* `dingbridge serve`: the HTTP port, the callback, and the end on SIGTERM. */
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>

#include "app/bridge.h"
#include "app/commands.h"
#include "app/dingtalk.h"
#include "app/live.h"
#include "dingtalk/callback.h"
#include "net/http_server.h"
#include "util/log.h"
#include "util/mem.h"
#include "web/history.h"
#include "web/web.h"

struct server {
    struct bridge bridge;
    struct dingtalk dingtalk;
    struct http_server *http;
    struct web *web;
    struct web_history *history;
    struct callback *callback;
    bool is_stopping;
};

static void on_drained(void *arg)
{
    struct server *server = arg;
    loop_stop(server->bridge.loop);
}

static void on_stop_signal(void *arg)
{
    struct server *server = arg;
    if (server->is_stopping) {
        log_event(LOG_WARN, "app", "stopping_now", LOG_S("reason", "second signal"));
        loop_stop(server->bridge.loop);
        return;
    }
    server->is_stopping = true;
    struct chat_stats stats;
    chat_get_stats(server->bridge.chat, &stats);
    log_event(LOG_INFO, "app", "stopping", LOG_I("open_turns", stats.turns_open));
    callback_stop(server->callback);
    dingtalk_stop(&server->dingtalk);
    http_server_stop_accepting(server->http);
    chat_drain(server->bridge.chat, server->bridge.config->drain_timeout_s * 1000, on_drained,
               server);
}

static void on_reload_signal(void *arg)
{
    struct server *server = arg;
    if (!server->is_stopping)
        live_reload(&server->bridge);
}

/* Every secret that may have made a signature: app_secrets and those of the credentials, which also
 * tell the application. The arrays are the caller's. */
static void collect_secrets(const struct config *config, struct callback_settings *settings)
{
    size_t n = config->app_secrets.n + config->n_credentials;
    const char **secrets = xcalloc(n + 1, sizeof(*secrets));
    const char **apps = xcalloc(n + 1, sizeof(*apps));
    for (size_t i = 0; i < config->app_secrets.n; i++) {
        secrets[i] = config->app_secrets.items[i];
        apps[i] = "";
    }
    for (size_t i = 0; i < config->n_credentials; i++) {
        secrets[config->app_secrets.n + i] = config->credentials[i].client_secret;
        apps[config->app_secrets.n + i] = config->credentials[i].client_id;
    }
    settings->secrets = secrets;
    settings->apps = apps;
    settings->n_secrets = n;
}

static void open_callback(struct server *server)
{
    struct bridge *bridge = &server->bridge;
    struct callback_settings settings = {
        .rules = bridge->webhook_rules,
        .n_rules = bridge->n_webhook_rules,
    };
    collect_secrets(bridge->config, &settings);
    if (settings.n_secrets == 0)
        log_event(LOG_WARN, "callback", "no_signature",
                  LOG_S("meaning", "anybody who reaches this port can ask: set app_secrets or "
                                   "credentials 任何能访问端口的人都能提问"));
    server->callback = callback_new(server->http, chat_receiver(bridge->chat), &settings);
    free((void *)(uintptr_t)settings.secrets);
    free((void *)(uintptr_t)settings.apps);
}

static void put_metrics(struct buf *out, void *arg)
{
    dingtalk_put_metrics(arg, out);
}

static int open_server(struct server *server, struct config *config)
{
    struct bridge *bridge = &server->bridge;
    int exit_code = bridge_open(bridge, config);
    if (exit_code)
        return exit_code;
    exit_code = bridge_open_data(bridge, "dingbridge.db");
    if (exit_code)
        return exit_code;
    dingtalk_open(&server->dingtalk, bridge);
    bridge_open_chat(bridge, server->dingtalk.platform);
    struct http_server_limits limits = HTTP_SERVER_LIMITS_DEFAULT;
    limits.max_body_bytes = (size_t)config->max_body_bytes;
    limits.max_connections = (int)config->max_connections;
    struct error error;
    if (http_server_new(bridge->loop, config->listen, (int)config->port, &limits, &server->http,
                        &error) != ST_OK) {
        log_event(LOG_ERROR, "app", "cannot_listen", LOG_S("address", config->listen),
                  LOG_I("port", config->port), LOG_S("reason", error.text));
        return EX_UNAVAILABLE;
    }
    server->web = web_new(server->http, bridge->chat, bridge->images);
    server->history = web_history_new(server->http, bridge->store, &bridge->history_key,
                                      config->language == CONFIG_EN ? LANGUAGE_EN : LANGUAGE_ZH);
    web_add_metrics(server->web, put_metrics, &server->dingtalk);
    open_callback(server);
    return 0;
}

int serve_main(const struct options *options)
{
    struct config *config;
    int exit_code = bridge_load_config(options->config, &config, NULL);
    if (exit_code)
        return exit_code;
    struct server server = {0};
    exit_code = open_server(&server, config);
    if (exit_code == 0) {
        struct loop *loop = server.bridge.loop;
        loop_on_signal(loop, SIGTERM, on_stop_signal, &server);
        loop_on_signal(loop, SIGINT, on_stop_signal, &server);
        loop_on_signal(loop, SIGHUP, on_reload_signal, &server);
        chat_resume(server.bridge.chat);
        if (dingtalk_start(&server.dingtalk) != ST_OK) {
            log_event(LOG_ERROR, "app", "cannot_start", LOG_S("what", "stream"));
            exit_code = EX_OSERR;
        }
        log_event(LOG_INFO, "app", "ready", LOG_S("version", DINGBRIDGE_VERSION),
                  LOG_S("address", config->listen), LOG_I("port", http_server_port(server.http)),
                  LOG_S("config", *config->file ? config->file : "-"));
        if (exit_code == 0)
            loop_run(loop);
    }
    bridge_quiesce(&server.bridge);
    callback_free(server.callback);
    http_server_free(server.http);
    web_free(server.web);
    web_history_free(server.history);
    bridge_close_chat(&server.bridge);
    dingtalk_close(&server.dingtalk);
    bridge_close(&server.bridge);
    if (exit_code == 0)
        log_event(LOG_INFO, "app", "stopped", LOG_I("exit", exit_code));
    return exit_code;
}
