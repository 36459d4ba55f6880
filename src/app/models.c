#include "app/models.h"

#include <math.h>
#include <stdio.h>

#include "llm/anthropic.h"
#include "llm/azure.h"
#include "llm/demo.h"
#include "llm/openai.h"
#include "llm/pool.h"
#include "llm/root.h"
#include "net/url.h"
#include "util/log.h"
#include "util/mem.h"

#define DEMO_CHUNK_DELAY_MS 25
#define FAILURES_MAX 3
#define REST_MAX_MS (10 * 60 * 1000)

/* One model on its way into the pool. */
struct opening {
    struct bridge *bridge;
    const struct config_model *model;
    struct endpoint_settings settings;
    const struct provider *provider;
};

static void log_ready(const struct opening *opening, size_t n_keys)
{
    char proxy[300] = "-";
    if (*opening->settings.proxy)
        url_for_log(opening->settings.proxy, proxy, sizeof(proxy));
    log_event(LOG_INFO, "llm", "ready", LOG_S("name", opening->model->name),
              LOG_S("provider", opening->provider->name), LOG_S("root", opening->settings.root),
              LOG_S("model", opening->settings.model), LOG_I("keys", n_keys),
              LOG_S("proxy", proxy));
}

static void add_endpoint(struct opening *opening, const char *key)
{
    struct bridge *bridge = opening->bridge;
    log_add_secret(key);
    opening->settings.api_key = key;
    pool_add_take(bridge->llm, opening->model->name,
                  endpoint_new(bridge->loop, bridge->client, bridge->work, opening->provider,
                               &opening->settings));
}

/* As many endpoints as there are keys, and one without where there is none. */
static void open_endpoints(struct opening *opening)
{
    size_t n_keys = 0;
    for (struct str rest = str_of(opening->model->api_key); rest.n > 0;) {
        struct str key = str_trim(str_cut(&rest, ','));
        if (key.n == 0)
            continue;
        DB_CLEANUP(free_charp) char *copy = xstrndup(key.p, key.n);
        add_endpoint(opening, copy);
        n_keys++;
    }
    if (n_keys == 0)
        add_endpoint(opening, "");
    log_ready(opening, n_keys);
}

static enum status open_azure(struct opening *opening, struct error *ret_err)
{
    const struct config_model *model = opening->model;
    const struct azure_place place = {.resource = model->azure_resource_name,
                                      .deployment = model->azure_deployment_name,
                                      .image_deployment = model->image_model,
                                      .api_version = model->azure_api_version,
                                      .endpoint = model->base_url};
    struct azure_roots roots;
    enum status status = azure_find_roots(&place, &roots, ret_err);
    if (status != ST_OK)
        return status;
    opening->settings.root = roots.root;
    opening->settings.image_root = roots.image_root;
    opening->settings.models_root = roots.models_root;
    opening->settings.query = roots.query;
    opening->settings.model = model->azure_deployment_name;
    opening->provider = &azure_provider;
    open_endpoints(opening);
    return ST_OK;
}

static enum status open_at_root(struct opening *opening, struct error *ret_err)
{
    const struct config_model *model = opening->model;
    bool is_anthropic = model->provider == CONFIG_PROVIDER_ANTHROPIC;
    const char *base_url = model->base_url;
    char root[ROOT_SIZE_MAX];
    if (is_anthropic && !*base_url)
        base_url = ANTHROPIC_BASE_URL;
    enum status status = root_resolve(base_url, root, ret_err);
    if (status != ST_OK)
        return status;
    opening->settings.root = *model->api_root ? model->api_root : root;
    opening->provider = is_anthropic ? &anthropic_provider : &openai_provider;
    open_endpoints(opening);
    return ST_OK;
}

static void open_demo(struct bridge *bridge, const char *name)
{
    bool is_english = bridge->config->language == CONFIG_EN;
    pool_add_take(bridge->llm, name, demo_new(bridge->loop, is_english, DEMO_CHUNK_DELAY_MS));
    log_event(LOG_WARN, "llm", "demo_mode", LOG_S("meaning", "answers are built-in examples"));
}

static enum status open_model(struct bridge *bridge, const struct config_model *model, bool is_last,
                              struct error *ret_err)
{
    const struct config *config = bridge->config;
    if (model->provider == CONFIG_PROVIDER_DEMO) {
        open_demo(bridge, model->name);
        return ST_OK;
    }
    struct opening opening = {.bridge = bridge,
                              .model = model,
                              .settings = {
                                  .model = model->model,
                                  .image_model = model->image_model,
                                  .system_prompt = config->system_prompt,
                                  .proxy = model->http_proxy,
                                  .has_alternative = !is_last,
                                  .has_temperature = !isnan(model->temperature),
                                  .temperature = model->temperature,
                                  .max_answer_tokens = model->max_answer_len,
                                  .timeout_ms = config->llm_timeout_s * 1000,
                                  .image_timeout_ms = config->image_timeout_s * 1000,
                                  .max_answer_bytes = (size_t)config->max_answer_bytes,
                                  .max_image_bytes = (size_t)config->max_image_bytes,
                              }};
    return model->provider == CONFIG_PROVIDER_AZURE ? open_azure(&opening, ret_err)
                                                    : open_at_root(&opening, ret_err);
}

/* The keys outside the list, as an entry of it; borrowed. */
static struct config_model only_model(const struct config *config)
{
    bool is_azure = config->provider == CONFIG_PROVIDER_AZURE;
    char *model = is_azure ? config->azure_deployment_name : config->model;
    return (struct config_model){
        .name = model,
        .provider = config->provider,
        .api_key =
            is_azure && *config->azure_openai_token ? config->azure_openai_token : config->api_key,
        .base_url = config->base_url,
        .api_root = config->api_root,
        .model = model,
        .image_model = config->image_model,
        .temperature = config->temperature,
        .max_answer_len = config->max_answer_len,
        .http_proxy = config->http_proxy,
        .azure_resource_name = config->azure_resource_name,
        .azure_deployment_name = config->azure_deployment_name,
        .azure_api_version = config->azure_api_version,
    };
}

enum status models_open(struct bridge *bridge, struct error *ret_err)
{
    const struct config *config = bridge->config;
    const struct breaker_rules rules = {.failures_max = FAILURES_MAX,
                                        .first_rest_ms = config->model_rest_s * 1000,
                                        .max_rest_ms = REST_MAX_MS};
    bridge->llm = pool_new(bridge->loop, &rules);
    log_add_secret(config->api_key);
    log_add_secret(config->azure_openai_token);
    if (config->n_models == 0) {
        const struct config_model only = only_model(config);
        return open_model(bridge, &only, true, ret_err);
    }
    enum status status = ST_OK;
    for (size_t i = 0; i < config->n_models && status == ST_OK; i++)
        status = open_model(bridge, &config->models[i], i + 1 == config->n_models, ret_err);
    return status;
}
