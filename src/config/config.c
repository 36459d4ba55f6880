#include "config/config.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/loading.h"
#include "config/problems.h"
#include "config/values.h"
#include "config/words_file.h"
#include "util/mem.h"

char *config_find(const char *path)
{
    static const char *const names[] = {"config.yml", "config.json"};
    if (path)
        return xstrdup(path);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (access(names[i], F_OK) == 0)
            return xstrdup(names[i]);
    }
    return xstrdup("");
}

/* The defaults. Only one can fail: a time zone, where the system knows none. */
static void set_fallbacks(struct loading *loading)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < n; i++) {
        bool is_text = keys[i].type == CONFIG_STRING || keys[i].type == CONFIG_TEXT ||
                       keys[i].type == CONFIG_URL;
        struct str fallback = str_of(keys[i].fallback);
        if ((fallback.n > 0 || is_text) && values_set(loading->config, &keys[i], fallback) != ST_OK)
            problems_add(
                loading->problems, true,
                "%s: 系统没有时区数据，请安装 tzdata the system has no time zones: install "
                "tzdata",
                keys[i].name);
    }
}

static enum status take_list(struct loading *loading, const struct config_key *key, int node)
{
    const struct yaml_file *yaml = loading->yaml;
    struct config_list *list =
        (struct config_list *)(void *)((char *)loading->config + key->offset);
    for (size_t i = 0; i < yaml_file_count(yaml, node); i++) {
        if (yaml_file_kind_of(yaml, yaml_file_item(yaml, node, i)) != YAML_SCALAR)
            return ST_INVAL;
    }
    values_clear_list(list);
    for (size_t i = 0; i < yaml_file_count(yaml, node); i++) {
        struct str item = str_trim(yaml_file_text(yaml, yaml_file_item(yaml, node, i)));
        if (item.n > 0)
            values_add_to_list(list, item);
    }
    return ST_OK;
}

static enum status take_credentials(struct loading *loading, int node)
{
    const struct yaml_file *yaml = loading->yaml;
    values_clear_credentials(loading->config);
    for (size_t i = 0; i < yaml_file_count(yaml, node); i++) {
        int item = yaml_file_item(yaml, node, i);
        struct str id = str_trim(yaml_file_text(yaml, yaml_file_find(yaml, item, "client_id")));
        struct str secret =
            str_trim(yaml_file_text(yaml, yaml_file_find(yaml, item, "client_secret")));
        if (id.n == 0 || secret.n == 0)
            return ST_INVAL;
        values_add_credential(loading->config, id, secret);
    }
    return ST_OK;
}

static enum status take_value(struct loading *loading, const struct config_key *key, int node)
{
    struct str text = yaml_file_text(loading->yaml, node);
    switch (yaml_file_kind_of(loading->yaml, node)) {
    case YAML_NULL:
        return ST_OK;
    case YAML_SCALAR:
        if (key->type != CONFIG_TEXT)
            text = str_trim(text);
        return text.n == 0 ? ST_OK : values_set(loading->config, key, text);
    case YAML_LIST:
        if (key->type == CONFIG_LIST)
            return take_list(loading, key, node);
        if (key->type == CONFIG_MODELS)
            return models_take(loading, node);
        return key->type == CONFIG_CREDENTIALS ? take_credentials(loading, node) : ST_INVAL;
    case YAML_MAP:
        return ST_INVAL;
    }
    return ST_INVAL;
}

static void take_pair(struct loading *loading, size_t i)
{
    int key_node = yaml_file_key(loading->yaml, yaml_file_root(loading->yaml), i);
    int value_node = yaml_file_value(loading->yaml, yaml_file_root(loading->yaml), i);
    struct str name = yaml_file_text(loading->yaml, key_node);
    DB_CLEANUP(free_charp)
    char *where = xasprintf("%s:%d", loading->file, yaml_file_line(loading->yaml, key_node));
    size_t n_keys;
    const struct config_key *keys = config_keys(&n_keys);
    const struct config_key *key = values_find_key(keys, n_keys, name);
    if (!key) {
        loading_warn_unknown(loading, keys, n_keys, where, "", name);
        return;
    }
    DB_CLEANUP(free_charp) char *name_text = xstrndup(name.p, name.n);
    if (yaml_file_find(loading->yaml, yaml_file_root(loading->yaml), name_text) != value_node)
        problems_add(
            loading->problems, false,
            "%s: %s: 这个键后面又写了一次，以后面的为准 written again below, the later one "
            "counts",
            where, key->name);
    else if (take_value(loading, key, value_node) != ST_OK)
        loading_complain(loading, key, where, key->name);
    else
        loading_check(loading, loading->config, key, where, key->name);
}

static enum status take_file(struct loading *loading)
{
    struct error error;
    struct yaml_file *yaml;
    enum status status = yaml_file_load(loading->file, &yaml, &error);
    if (status == ST_INVAL && error.code > 0) {
        problems_add(loading->problems, true, "%s:%d: 格式有误 malformed: %s", loading->file,
                     error.code, error.text);
        return status;
    }
    if (status != ST_OK) {
        problems_add(loading->problems, true, "%s: 读不了 cannot be read: %s", loading->file,
                     error.text);
        return status;
    }
    loading->yaml = yaml;
    enum yaml_kind kind = yaml_file_kind_of(yaml, yaml_file_root(yaml));
    if (kind != YAML_MAP && kind != YAML_NULL)
        problems_add(loading->problems, true,
                     "%s:1: 应该是“键: 值”的形式 expected `key: value` lines", loading->file);
    for (size_t i = 0; kind == YAML_MAP && i < yaml_file_count(yaml, yaml_file_root(yaml)); i++)
        take_pair(loading, i);
    loading->yaml = NULL;
    yaml_file_free(yaml);
    return ST_OK;
}

/* The value of a variable; "" when it is not there. */
static struct str env_value(char *const *environment, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; environment && environment[i]; i++) {
        if (strncmp(environment[i], name, n) == 0 && environment[i][n] == '=')
            return str_of(environment[i] + n + 1);
    }
    return (struct str){"", 0};
}

static char *in_capitals(const char *name)
{
    char *copy = xstrdup(name);
    for (char *p = copy; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return copy;
}

/* A variable that is empty counts as absent: compose files like to hand those over. */
static void take_environment(struct loading *loading, char *const *environment)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    for (size_t i = 0; i < n; i++) {
        DB_CLEANUP(free_charp) char *capitals = in_capitals(keys[i].name);
        const char *name = keys[i].env;
        struct str value = str_trim(env_value(environment, name));
        if (value.n == 0) {
            name = capitals;
            value = str_trim(env_value(environment, name));
        }
        if (value.n == 0)
            continue;
        DB_CLEANUP(free_charp) char *where = xasprintf("环境变量 environment %s", name);
        bool is_set = keys[i].type == CONFIG_MODELS
                          ? models_take_text(loading, value) == ST_OK
                          : values_set(loading->config, &keys[i], value) == ST_OK;
        if (is_set)
            loading_check(loading, loading->config, &keys[i], where, keys[i].name);
        else if (!(keys[i].flags & CONFIG_SHARED_ENV))
            loading_complain(loading, &keys[i], where, keys[i].name);
    }
}

static void load_words(struct loading *loading)
{
    struct config *config = loading->config;
    if (*config->sensitive_words_file)
        words_file_load(config->sensitive_words_file,
                        *loading->file ? loading->file : "环境变量 environment",
                        &config->file_words, loading->problems);
}

static const char *default_model(void)
{
    size_t n;
    const struct config_key *keys = config_keys(&n);
    return values_find_key(keys, n, STR_LIT("model"))->fallback;
}

static void check_provider(struct loading *loading, const char *where)
{
    struct config *config = loading->config;
    if (config->azure_on && config->provider == CONFIG_PROVIDER_OPENAI)
        config->provider = CONFIG_PROVIDER_AZURE;
    if (config->n_models > 0)
        return; /* they say whom they ask */
    bool is_azure = config->provider == CONFIG_PROVIDER_AZURE;
    bool has_key = *config->api_key || (is_azure && *config->azure_openai_token);
    if (config->provider != CONFIG_PROVIDER_DEMO && !has_key && !*config->base_url &&
        !*config->api_root)
        problems_add(loading->problems, true,
                     "%s: api_key: 没有接口密钥；本地服务请写 base_url，试用请写 provider: demo "
                     "no key; name a local endpoint by base_url, or try provider: demo",
                     where);
    if (is_azure && !*config->azure_deployment_name)
        problems_add(loading->problems, true,
                     "%s: azure_deployment_name: 使用 Azure 时必须填写 needed with Azure", where);
    if (is_azure && !*config->azure_resource_name && !*config->base_url)
        problems_add(loading->problems, true,
                     "%s: azure_resource_name: 使用 Azure 时必须填写 needed with Azure", where);
    if (config->provider == CONFIG_PROVIDER_ANTHROPIC &&
        strcmp(config->model, default_model()) == 0)
        problems_add(loading->problems, true,
                     "%s: model: provider 为 anthropic 时必须填写 needed with provider: anthropic",
                     where);
}

/* What no single key can tell. */
static void check_together(struct loading *loading)
{
    const struct config *config = loading->config;
    const char *where = *loading->file ? loading->file : "环境变量 environment";
    check_provider(loading, where);
    models_complete(loading);
    if (*config->api_root && *config->base_url)
        problems_add(loading->problems, false,
                     "%s: base_url: 写了 api_root，base_url 不起作用 has no effect beside api_root",
                     where);
    if (config->max_answer_len >= config->max_text)
        problems_add(loading->problems, false,
                     "%s: max_answer_len: 不小于 max_text，串聊带不上任何上文 not below max_text: "
                     "no conversation is remembered",
                     where);
    if (!*config->service_url)
        problems_add(
            loading->problems, false,
            "%s: service_url: 没有填写，画出的图片将无法显示 empty: images cannot be shown", where);
    if (config->run_mode == CONFIG_RUN_STREAM && config->n_credentials == 0)
        problems_add(loading->problems, true,
                     "%s: credentials: run_mode 为 stream 时必须填写 client_id 和 client_secret "
                     "needed where run_mode is stream",
                     where);
    if (config->stream_mode && *config->card_template_id && config->n_credentials == 0)
        problems_add(loading->problems, false,
                     "%s: credentials: 没有填写，无法使用卡片 empty: there can be no cards", where);
    if (config->app_secrets.n == 0 && config->n_credentials == 0)
        problems_add(loading->problems, false,
                     "%s: app_secrets: 没有任何密钥，签名不校验，谁都可以冒充钉钉发消息！"
                     "no secret, so signatures are not checked: anybody can pose as DingTalk!",
                     where);
}

enum status config_load(const char *file, char *const *environment,
                        const struct config_check *checks, struct config **ret_config,
                        struct config_problems *ret_problems)
{
    struct config *config = xcalloc(1, sizeof(*config));
    struct loading loading = {
        .config = config, .problems = ret_problems, .file = file, .checks = checks};
    config->file = xstrdup(file);
    config->temperature = (double)NAN;
    set_fallbacks(&loading);
    enum status status = *file ? take_file(&loading) : ST_OK;
    if (status == ST_OK) {
        take_environment(&loading, environment);
        load_words(&loading);
        check_together(&loading);
        status = problems_have_error(ret_problems) ? ST_INVAL : ST_OK;
    }
    if (status != ST_OK) {
        config_free(config);
        *ret_config = NULL;
        return status == ST_NOT_FOUND ? ST_NOT_FOUND : ST_INVAL;
    }
    *ret_config = config;
    return ST_OK;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    values_clear(config);
    values_clear_list(&config->file_words);
    free(config->file);
    free(config);
}
