/* The list of models: reading its entries, and filling in what they leave out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/loading.h"
#include "config/problems.h"
#include "config/values.h"
#include "util/mem.h"

#define LABEL_SIZE 128

/* ---- reading ---- */

static char *where_of(const struct loading *loading, int line)
{
    return line > 0 && loading->file ? xasprintf("%s:%d", loading->file, line)
                                     : xstrdup("环境变量 environment MODELS");
}

static void take_part(struct loading *loading, struct config_model *model, size_t number, int entry,
                      size_t i)
{
    const struct yaml_file *yaml = loading->yaml;
    int key_node = yaml_file_key(yaml, entry, i);
    int value_node = yaml_file_value(yaml, entry, i);
    struct str name = yaml_file_text(yaml, key_node);
    DB_CLEANUP(free_charp)
    char *where = where_of(loading, loading->is_text ? 0 : yaml_file_line(yaml, key_node));
    char prefix[LABEL_SIZE], label[LABEL_SIZE];
    size_t n;
    const struct config_key *keys = config_model_keys(&n);
    const struct config_key *key = values_find_key(keys, n, name);
    (void)snprintf(prefix, sizeof(prefix), "models[%zu].", number);
    if (!key) {
        loading_warn_unknown(loading, keys, n, where, prefix, name);
        return;
    }
    (void)snprintf(label, sizeof(label), "%s%s", prefix, key->name);
    enum yaml_kind kind = yaml_file_kind_of(yaml, value_node);
    struct str text = str_trim(yaml_file_text(yaml, value_node));
    if (kind == YAML_LIST || kind == YAML_MAP)
        loading_complain(loading, key, where, label);
    else if (kind == YAML_SCALAR && text.n > 0)
        loading_set(loading, model, key, text, where, label);
}

enum status models_take(struct loading *loading, int node)
{
    const struct yaml_file *yaml = loading->yaml;
    size_t n = yaml_file_count(yaml, node);
    if (yaml_file_kind_of(yaml, node) != YAML_LIST || n > CONFIG_MODELS_MAX)
        return ST_INVAL;
    for (size_t i = 0; i < n; i++) {
        if (yaml_file_kind_of(yaml, yaml_file_item(yaml, node, i)) != YAML_MAP)
            return ST_INVAL;
    }
    values_clear_models(loading->config);
    for (size_t i = 0; i < n; i++) {
        int entry = yaml_file_item(yaml, node, i);
        struct config_model *model = values_add_model(loading->config);
        model->line = loading->is_text ? 0 : yaml_file_line(yaml, entry);
        for (size_t k = 0; k < yaml_file_count(yaml, entry); k++)
            take_part(loading, model, i + 1, entry, k);
    }
    return ST_OK;
}

enum status models_take_text(struct loading *loading, struct str text)
{
    struct error error;
    struct yaml_file *yaml;
    enum status status = yaml_text_load(text, &yaml, &error);
    if (status != ST_OK)
        return status;
    loading->yaml = yaml;
    loading->is_text = true;
    status = models_take(loading, yaml_file_root(yaml));
    loading->is_text = false;
    loading->yaml = NULL;
    yaml_file_free(yaml);
    return status;
}

/* ---- filling in ---- */

static void fill(char **field, const char *text)
{
    if (**field || !*text)
        return;
    free(*field);
    *field = xstrdup(text);
}

/* An entry that names neither provider nor address nor key is another model of the account that the
 * keys outside the list describe. Nothing of that account goes anywhere else. */
static void fill_account(struct config_model *model, const struct config *config)
{
    model->provider = config->provider;
    fill(&model->base_url, config->base_url);
    fill(&model->api_root, config->api_root);
    if (model->provider == CONFIG_PROVIDER_AZURE)
        fill(&model->api_key, config->azure_openai_token);
    fill(&model->api_key, config->api_key);
    fill(&model->image_model, config->image_model);
    fill(&model->azure_resource_name, config->azure_resource_name);
    fill(&model->azure_api_version, config->azure_api_version);
}

static void complete(struct config_model *model, const struct config *config)
{
    if (model->provider < 0 && !*model->base_url && !*model->api_root && !*model->api_key &&
        !*model->azure_resource_name)
        fill_account(model, config);
    if (model->provider < 0)
        model->provider =
            *model->azure_deployment_name ? CONFIG_PROVIDER_AZURE : CONFIG_PROVIDER_OPENAI;
    if (model->provider == CONFIG_PROVIDER_AZURE) {
        fill(&model->azure_deployment_name, model->model);
        fill(&model->model, model->azure_deployment_name);
    }
    if (model->provider == CONFIG_PROVIDER_DEMO)
        fill(&model->model, "demo");
    if (isnan(model->temperature))
        model->temperature = config->temperature;
    if (model->max_answer_len < 0)
        model->max_answer_len = config->max_answer_len;
    fill(&model->http_proxy, config->http_proxy);
    fill(&model->name, model->model);
}

/* ---- checking ---- */

static void complain(struct loading *loading, size_t i, const char *part, const char *why)
{
    DB_CLEANUP(free_charp) char *where = where_of(loading, loading->config->models[i].line);
    problems_add(loading->problems, true, "%s: models[%zu].%s: %s", where, i + 1, part, why);
}

static bool is_name_taken(const struct config *config, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (str_eq_nocase(str_of(config->models[k].name), str_of(config->models[i].name)))
            return true;
    }
    return false;
}

static void check(struct loading *loading, size_t i)
{
    const struct config *config = loading->config;
    const struct config_model *model = &config->models[i];
    bool is_azure = model->provider == CONFIG_PROVIDER_AZURE;
    if (!*model->model)
        complain(loading, i, "model", "必须填写 needed");
    else if (strlen(model->name) > CONFIG_MODEL_NAME_BYTES_MAX)
        complain(loading, i, "name", "太长，请取一个短的名字 too long, give it a short one");
    else if (is_name_taken(config, i))
        complain(loading, i, "name", "和前面的重名 another one has that name");
    if (model->provider != CONFIG_PROVIDER_DEMO && !*model->api_key && !*model->base_url &&
        !*model->api_root)
        complain(loading, i, "api_key",
                 "没有接口密钥；本地服务请写 base_url no key; name a local endpoint by base_url");
    if (is_azure && !*model->azure_resource_name && !*model->base_url)
        complain(loading, i, "azure_resource_name", "使用 Azure 时必须填写 needed with Azure");
}

void models_complete(struct loading *loading)
{
    struct config *config = loading->config;
    for (size_t i = 0; i < config->n_models; i++) {
        complete(&config->models[i], config);
        check(loading, i);
    }
}
