#include "app/models.h"

#include <stdio.h>

#include "llm/anthropic.h"
#include "llm/azure.h"
#include "llm/demo.h"
#include "llm/openai.h"
#include "llm/root.h"
#include "net/url.h"
#include "util/log.h"

#define DEMO_CHUNK_DELAY_MS 25

static void open_endpoint(struct bridge *bridge, const struct provider *provider,
                          const struct endpoint_settings *settings)
{
    bridge->llm = endpoint_new(bridge->loop, bridge->client, bridge->work, provider, settings);
    char proxy[300] = "-";
    if (*settings->proxy)
        url_for_log(settings->proxy, proxy, sizeof(proxy));
    log_event(LOG_INFO, "llm", "ready", LOG_S("provider", provider->name),
              LOG_S("root", settings->root), LOG_S("model", settings->model),
              LOG_S("proxy", proxy));
}

static enum status open_azure(struct bridge *bridge, struct endpoint_settings *settings,
                              struct error *ret_err)
{
    const struct config *config = bridge->config;
    const struct azure_place place = {.resource = config->azure_resource_name,
                                      .deployment = config->azure_deployment_name,
                                      .image_deployment = config->image_model,
                                      .api_version = config->azure_api_version,
                                      .endpoint = config->base_url};
    struct azure_roots roots;
    enum status status = azure_find_roots(&place, &roots, ret_err);
    if (status != ST_OK)
        return status;
    settings->root = roots.root;
    settings->image_root = roots.image_root;
    settings->models_root = roots.models_root;
    settings->query = roots.query;
    settings->model = config->azure_deployment_name;
    if (*config->azure_openai_token)
        settings->api_key = config->azure_openai_token;
    open_endpoint(bridge, &azure_provider, settings);
    return ST_OK;
}

static enum status open_at_root(struct bridge *bridge, struct endpoint_settings *settings,
                                struct error *ret_err)
{
    const struct config *config = bridge->config;
    bool is_anthropic = config->provider == CONFIG_PROVIDER_ANTHROPIC;
    const char *base_url = config->base_url;
    char root[ROOT_SIZE_MAX];
    if (is_anthropic && !*base_url)
        base_url = ANTHROPIC_BASE_URL;
    enum status status = root_resolve(base_url, root, ret_err);
    if (status != ST_OK)
        return status;
    settings->root = *config->api_root ? config->api_root : root;
    open_endpoint(bridge, is_anthropic ? &anthropic_provider : &openai_provider, settings);
    return ST_OK;
}

enum status models_open(struct bridge *bridge, struct error *ret_err)
{
    const struct config *config = bridge->config;
    log_add_secret(config->api_key);
    log_add_secret(config->azure_openai_token);
    if (config->provider == CONFIG_PROVIDER_DEMO) {
        bridge->llm = demo_new(bridge->loop, config->language == CONFIG_EN, DEMO_CHUNK_DELAY_MS);
        log_event(LOG_WARN, "llm", "demo_mode", LOG_S("meaning", "answers are built-in examples"));
        return ST_OK;
    }
    struct endpoint_settings settings = {
        .api_key = config->api_key,
        .model = config->model,
        .image_model = config->image_model,
        .system_prompt = config->system_prompt,
        .proxy = config->http_proxy,
        .has_temperature = config->has_temperature,
        .temperature = config->temperature,
        .max_answer_tokens = config->max_answer_len,
        .timeout_ms = config->llm_timeout_s * 1000,
        .image_timeout_ms = config->image_timeout_s * 1000,
        .max_answer_bytes = (size_t)config->max_answer_bytes,
        .max_image_bytes = (size_t)config->max_image_bytes,
    };
    return config->provider == CONFIG_PROVIDER_AZURE ? open_azure(bridge, &settings, ret_err)
                                                     : open_at_root(bridge, &settings, ret_err);
}
