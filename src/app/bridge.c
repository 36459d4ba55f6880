#include "app/bridge.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/live.h"
#include "app/models.h"
#include "chat/filter.h"
#include "llm/root.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

#define LOOKUP_TIMEOUT_MS (15 * 1000)
#define LOOKUPS_PARALLEL 16
#define NOTICE_BYTES_MAX 4096

extern char **environ;

/* Whoever names a model or a robot means it: what is missing then is an error and no reason for
 * demo mode. Ports, directories and limits may be set for trying things out. */
static bool has_environment_config(void)
{
    static const char *const names[] = {"APIKEY",   "API_KEY",     "BASE_URL",
                                        "API_ROOT", "PROVIDER",    "MODEL",
                                        "AZURE_ON", "APP_SECRETS", "DINGTALK_CREDENTIALS",
                                        "RUN_MODE", "CREDENTIALS", "MODELS"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return true;
    }
    return false;
}

static enum status is_base_url(const char *text, struct error *ret_err)
{
    char root[ROOT_SIZE_MAX];
    return root_resolve(text, root, ret_err);
}

static enum status is_web_address(const char *text, struct error *ret_err)
{
    struct url url;
    enum status status = url_parse(str_of(text), &url, ret_err);
    if (status != ST_OK)
        return status;
    if (strcmp(url.scheme, "http") != 0 && strcmp(url.scheme, "https") != 0)
        return error_set(ret_err, ST_INVAL, 0, "the scheme must be http or https");
    if (url.has_userinfo)
        return error_set(ret_err, ST_INVAL, 0, "no user and password here");
    return ST_OK;
}

static_assert(CONFIG_WORD_BYTES_MAX == FILTER_WORD_BYTES_MAX,
              "the filter takes what the file may list");

static enum status is_host(const char *text, struct error *ret_err)
{
    struct target target;
    return target_read(str_of(text), &target) == ST_OK
               ? ST_OK
               : error_set(ret_err, ST_INVAL, 0, "neither a name with a dot nor an address");
}

static enum status is_sensitive_word(const char *text, struct error *ret_err)
{
    struct str word = str_of(text);
    if (word.n > FILTER_WORD_BYTES_MAX)
        return error_set(ret_err, ST_TOO_LARGE, 0, "a word is too long");
    return utf8_is_valid(word) ? ST_OK : error_set(ret_err, ST_INVAL, 0, "not UTF-8");
}

#define ALLOWED_PROXY "http, https, socks5, socks5h: socks5h://user:password@HOST:PORT"

/* Checks that need the rooms config may not know. */
static const struct config_check checks[] = {
    {"base_url", is_base_url, "https://HOST, https://HOST/v1, HOST"},
    {"api_root", is_web_address, "https://HOST/v1"},
    {"http_proxy", url_check_proxy, ALLOWED_PROXY},
    {"dingtalk_proxy", url_check_proxy, ALLOWED_PROXY},
    {"service_url", is_web_address, "https://HOST, http://HOST:PORT"},
    {"sensitive_words", is_sensitive_word, "文本 text, 256 bytes"},
    {"whois_server", is_host, "HOST, HOST:PORT"},
    {"webhook_hosts", url_check_host_pattern, "HOST, HOST:PORT, *.HOST"},
    {NULL, NULL, NULL},
};

/* The process's environment, and PROVIDER=demo behind it in demo mode. The array is the caller's.
 */
static char **environment_for(bool is_demo)
{
    size_t n = 0;
    while (environ[n])
        n++;
    static char demo[] = "PROVIDER=demo";
    char **copy = xcalloc(n + 2, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = environ[i];
    if (is_demo)
        copy[n] = demo;
    return copy;
}

static int print_problems(const struct config_problems *problems)
{
    int n_warnings = 0;
    for (size_t i = 0; i < problems->n; i++) {
        const struct config_problem *problem = &problems->items[i];
        (void)fprintf(stderr, "%s: %s\n", problem->is_error ? "错误 error" : "警告 warning",
                      problem->text);
        n_warnings += !problem->is_error;
    }
    return n_warnings;
}

/* `file` as found; "" when there is none. */
static bool is_demo(const char *file)
{
    return !*file && !has_environment_config();
}

enum status bridge_read_config(const char *path, struct config **ret_config,
                               struct config_problems *ret_problems)
{
    DB_CLEANUP(free_charp) char *file = config_find(path);
    char **environment = environment_for(is_demo(file));
    enum status status = config_load(file, environment, checks, ret_config, ret_problems);
    free(environment);
    return status;
}

int bridge_load_config(const char *path, struct config **ret_config, int *ret_warnings)
{
    DB_CLEANUP(free_charp) char *file = config_find(path);
    if (is_demo(file))
        (void)fputs("没有找到 config.yml / config.json，也没有 APIKEY "
                    "环境变量：以演示模式运行，回答都是内置的示例。\n"
                    "No configuration found: demo mode, every answer is a built-in example. "
                    "See config.example.yml.\n",
                    stderr);
    struct config_problems problems = {0};
    struct config *config = NULL;
    enum status status = bridge_read_config(path, &config, &problems);
    int n_warnings = print_problems(&problems);
    config_problems_done(&problems);
    if (ret_warnings)
        *ret_warnings = n_warnings;
    if (status != ST_OK)
        return status == ST_NOT_FOUND ? EX_NOINPUT : EX_CONFIG;
    *ret_config = config;
    return 0;
}

static void register_secrets(const struct config *config)
{
    for (size_t i = 0; i < config->app_secrets.n; i++)
        log_add_secret(config->app_secrets.items[i]);
    for (size_t i = 0; i < config->n_credentials; i++)
        log_add_secret(config->credentials[i].client_secret);
}

/* The operator's prompt.yml when there is one, else the built-in templates. */
static int load_templates(struct bridge *bridge)
{
    struct config_problems problems = {0};
    enum status status = prompts_load(bridge->config->prompt_file, &bridge->prompts, &problems);
    (void)print_problems(&problems);
    config_problems_done(&problems);
    if (status == ST_NOT_FOUND)
        return 0;
    if (status != ST_OK)
        return EX_CONFIG;
    log_event(LOG_INFO, "config", "templates", LOG_S("file", bridge->config->prompt_file),
              LOG_I("count", bridge->prompts.n));
    return 0;
}

static void make_webhook_rules(struct bridge *bridge)
{
    static const char *const builtin[] = {"oapi.dingtalk.com", "api.dingtalk.com"};
    const struct config_list *listed = &bridge->config->webhook_hosts;
    size_t n = listed->n ? listed->n : 2;
    bridge->webhook_rules = xcalloc(n, sizeof(*bridge->webhook_rules));
    bridge->n_webhook_rules = n;
    for (size_t i = 0; i < n; i++)
        bridge->webhook_rules[i] = listed->n ? (struct url_host_rule){listed->items[i], false}
                                             : (struct url_host_rule){builtin[i], true};
}

static int fail(int exit_code, const char *what, const struct error *error)
{
    log_event(LOG_ERROR, "app", "cannot_start", LOG_S("what", what), LOG_S("reason", error->text));
    return exit_code;
}

static struct tools *open_tools(const struct bridge *bridge)
{
    const struct tools_settings settings = {
        .is_private_allowed = bridge->config->tools_allow_private != 0,
        .whois_server = bridge->config->whois_server,
        .timeout_ms = LOOKUP_TIMEOUT_MS,
        .parallel = LOOKUPS_PARALLEL,
    };
    return tools_new(bridge->loop, &settings);
}

int bridge_open(struct bridge *bridge, struct config *config)
{
    bridge->config = config;
    bridge->live = config;
    log_set_level((enum log_level)config->log_level);
    register_secrets(config);
    struct error error = {0};
    if (clock_set_timezone(config->timezone) != ST_OK)
        return fail(EX_CONFIG, "timezone",
                    &(struct error){.text = "the system does not know this time zone"});
    if (loop_new(&bridge->loop) != ST_OK)
        return fail(EX_OSERR, "event loop", &(struct error){.text = "libevent gave none"});
    bridge->work = work_new(bridge->loop);
    /* Room for the LLM's exchanges, and as much again for webhooks. */
    if (http_client_new(bridge->loop, "dingbridge/" DINGBRIDGE_VERSION,
                        (long)config->llm_parallel * 2, &bridge->client) != ST_OK)
        return fail(EX_SOFTWARE, "http client", &(struct error){.text = "libcurl gave none"});
    if (models_open(bridge, &error) != ST_OK)
        return fail(EX_CONFIG, "llm", &error);
    if (!(bridge->tools = open_tools(bridge)))
        return fail(EX_SOFTWARE, "tools", &(struct error){.text = "libcurl or OpenSSL gave none"});
    make_webhook_rules(bridge);
    return load_templates(bridge);
}

/* Like mkdir -p. */
static int make_directory(const char *path)
{
    DB_CLEANUP(free_charp) char *copy = xstrdup(path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0750) != 0 && errno != EEXIST)
            return errno;
        *slash = '/';
    }
    if (mkdir(copy, 0750) != 0 && errno != EEXIST)
        return errno;
    return access(copy, W_OK | X_OK) == 0 ? 0 : errno;
}

/* The administrators hear of it once a month, from the robot whose call it was. */
static void on_sparing(const char *app, const char *month, int64_t calls, void *arg)
{
    struct bridge *bridge = arg;
    const struct config *config = bridge->live;
    struct platform *platform = bridge->platform;
    char made[24], budget[24];
    (void)snprintf(made, sizeof(made), "%lld", (long long)calls);
    (void)snprintf(budget, sizeof(budget), "%lld",
                   (long long)bridge->config->openapi_monthly_budget);
    struct buf text = BUF_INIT(NOTICE_BYTES_MAX);
    words_put(&text, config->language == CONFIG_EN ? LANGUAGE_EN : LANGUAGE_ZH, WORD_BUDGET,
              (const char *const[]){made, budget, month, NULL});
    for (size_t i = 0; platform && platform->ops->notify && i < config->admin_users.n; i++)
        (void)platform->ops->notify(platform, app, config->admin_users.items[i], buf_str(&text));
    buf_done(&text);
}

int bridge_open_data(struct bridge *bridge, const char *db_name)
{
    const char *data_dir = bridge->config->data_dir;
    DB_CLEANUP(free_charp) char *images_dir = xasprintf("%s/images", data_dir);
    int problem = make_directory(images_dir);
    struct error error = {0};
    if (problem) {
        error_set(&error, ST_STORE, problem, "%s: %s", images_dir, strerror(problem));
        return fail(EX_CANTCREAT, "data_dir", &error);
    }
    DB_CLEANUP(free_charp) char *db = xasprintf("%s/%s", data_dir, db_name);
    if (store_open_sqlite(bridge->loop, db, &bridge->store, &error) != ST_OK)
        return fail(EX_IOERR, "store", &error);
    DB_CLEANUP(free_charp) char *key = xasprintf("%s/history.key", data_dir);
    if (history_key_open(key, &bridge->history_key, &error) != ST_OK)
        return fail(EX_IOERR, "history.key", &error);
    bridge->images =
        image_store_new(bridge->work, images_dir, (size_t)bridge->config->max_image_bytes);
    const struct meter_settings meter = {.monthly_budget = bridge->config->openapi_monthly_budget,
                                         .on_sparing = on_sparing,
                                         .arg = bridge};
    bridge->meter = meter_new(bridge->loop, bridge->store, &meter);
    return 0;
}

static void make_chat(const struct chat_settings *settings, void *arg)
{
    struct bridge *bridge = arg;
    bridge->chat = chat_new(bridge->loop, bridge->store, bridge->llm, bridge->platform,
                            bridge->images, bridge->tools, settings);
    chat_set_reports(bridge->chat, bridge->meter, &bridge->history_key);
}

void bridge_open_chat(struct bridge *bridge, struct platform *platform)
{
    bridge->platform = platform;
    live_with_settings(bridge, &bridge->prompts, make_chat, bridge);
}

void bridge_quiesce(struct bridge *bridge)
{
    if (bridge->chat)
        chat_stop(bridge->chat);
    if (bridge->meter && bridge->store)
        meter_flush(bridge->meter);
    store_close(bridge->store);
    bridge->store = NULL;
    work_free(bridge->work);
    bridge->work = NULL;
}

void bridge_close_chat(struct bridge *bridge)
{
    chat_free(bridge->chat);
    bridge->chat = NULL;
    if (bridge->platform)
        bridge->platform->ops->free(bridge->platform);
    bridge->platform = NULL;
}

void bridge_close(struct bridge *bridge)
{
    bridge_quiesce(bridge);
    bridge_close_chat(bridge);
    meter_free(bridge->meter);
    image_store_free(bridge->images);
    tools_free(bridge->tools);
    llm_free(bridge->llm);
    http_client_free(bridge->client);
    loop_free(bridge->loop);
    free(bridge->webhook_rules);
    prompts_done(&bridge->prompts);
    if (bridge->live != bridge->config)
        config_free(bridge->live);
    config_free(bridge->config);
    *bridge = (struct bridge){0};
}
