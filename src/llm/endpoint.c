#include "llm/endpoint.h"

#include <stdlib.h>

#include "util/mem.h"

static uint64_t ask(struct llm *llm, const char *model, const struct llm_message *messages,
                    size_t n_messages, const struct llm_ask_handlers *handlers, void *arg)
{
    return endpoint_ask((struct endpoint *)llm, messages, n_messages, handlers, arg);
}

static uint64_t draw(struct llm *llm, const char *prompt, llm_image_fn fn, void *arg)
{
    return endpoint_draw((struct endpoint *)llm, prompt, fn, arg);
}

static uint64_t balance(struct llm *llm, llm_balance_fn fn, void *arg)
{
    return endpoint_balance((struct endpoint *)llm, fn, arg);
}

static uint64_t check(struct llm *llm, llm_check_fn fn, void *arg)
{
    return endpoint_check((struct endpoint *)llm, fn, arg);
}

static void cancel(struct llm *llm, uint64_t id)
{
    struct endpoint *endpoint = (struct endpoint *)llm;
    struct exchange *exchange = map_take_id(endpoint->exchanges, id);
    if (exchange)
        exchange->cancel(exchange);
}

static void endpoint_free(struct llm *llm)
{
    struct endpoint *endpoint = (struct endpoint *)llm;
    for (struct exchange *exchange; (exchange = map_any(endpoint->exchanges));)
        cancel(llm, exchange->id);
    map_free(endpoint->exchanges);
    free(endpoint->root);
    free(endpoint->image_root);
    free(endpoint->models_root);
    free(endpoint->query);
    free(endpoint->authorization);
    free(endpoint->model);
    free(endpoint->image_model);
    free(endpoint->system_prompt);
    free(endpoint->proxy);
    free(endpoint);
}

static const struct llm_ops endpoint_ops = {
    .ask = ask,
    .draw = draw,
    .balance = balance,
    .check = check,
    .cancel = cancel,
    .free = endpoint_free,
};

static char *copy(const char *text)
{
    return xstrdup(text ? text : "");
}

/* Nobody waits longer for an answer, and a model can go on thinking for ever. */
static int64_t max_ask_ms(int64_t timeout_ms)
{
    const int64_t least_ms = 30LL * 60 * 1000;
    return timeout_ms * 10 > least_ms ? timeout_ms * 10 : least_ms;
}

struct llm *endpoint_new(struct loop *loop, struct http_client *client, struct work *work,
                         const struct provider *provider, const struct endpoint_settings *settings)
{
    struct endpoint *endpoint = xcalloc(1, sizeof(*endpoint));
    *endpoint = (struct endpoint){
        .provider = provider,
        .loop = loop,
        .client = client,
        .work = work,
        .exchanges = map_new(),
        .root = copy(settings->root),
        .image_root = copy(settings->image_root ? settings->image_root : settings->root),
        .models_root = copy(settings->models_root ? settings->models_root : settings->root),
        .query = copy(settings->query),
        .model = copy(settings->model),
        .image_model = copy(settings->image_model),
        .system_prompt = copy(settings->system_prompt),
        .proxy = copy(settings->proxy),
        .has_alternative = settings->has_alternative,
        .has_temperature = settings->has_temperature,
        .temperature = settings->temperature,
        .max_answer_tokens = settings->max_answer_tokens,
        .timeout_ms = settings->timeout_ms,
        .max_ask_ms = max_ask_ms(settings->timeout_ms),
        .image_timeout_ms = settings->image_timeout_ms,
        .get_timeout_ms = 10000,
        .max_answer_bytes = settings->max_answer_bytes,
        .max_image_bytes = settings->max_image_bytes,
        .retry = {.max_retries = 2,
                  .backoff = {.first_ms = 500, .cap_ms = 8000, .jitter = 0.25},
                  .max_retry_after_ms = 60000,
                  .max_total_ms = 60000},
    };
    if (settings->api_key && *settings->api_key)
        endpoint->authorization = xasprintf("%s%s", provider->key_header, settings->api_key);
    endpoint->llm = (struct llm){.ops = &endpoint_ops,
                                 .provider = provider->name,
                                 .model = endpoint->model,
                                 .token_ratio = 1};
    return &endpoint->llm;
}

uint64_t exchange_add(struct endpoint *endpoint, struct exchange *exchange,
                      void (*cancel_fn)(struct exchange *exchange))
{
    exchange->id = ++endpoint->last_id;
    exchange->endpoint = endpoint;
    exchange->cancel = cancel_fn;
    (void)map_put_id(endpoint->exchanges, exchange->id, exchange);
    return exchange->id;
}

void exchange_remove(struct exchange *exchange)
{
    (void)map_take_id(exchange->endpoint->exchanges, exchange->id);
}

char *endpoint_url(const struct endpoint *endpoint, const char *root, const char *path)
{
    return xasprintf("%s%s%s", root, path, endpoint->query);
}

void endpoint_headers(const struct endpoint *endpoint, bool has_json_body,
                      const char *ret_lines[ENDPOINT_HEADERS_MAX])
{
    size_t n = 0;
    ret_lines[n++] = "Accept: application/json, text/event-stream";
    if (has_json_body)
        ret_lines[n++] = "Content-Type: application/json";
    if (endpoint->provider->header)
        ret_lines[n++] = endpoint->provider->header;
    if (endpoint->authorization)
        ret_lines[n++] = endpoint->authorization;
    ret_lines[n] = NULL;
}

/* What the peer asked us to wait, or our own guess when it asked for nothing. */
static int64_t wished_delay_ms(const struct endpoint_retry *retry,
                               const struct http_response *response, int n_retries)
{
    if (response && response->retry_after_s > 0) {
        if (response->retry_after_s * 1000 > (double)retry->max_retry_after_ms)
            return -1;
        return (int64_t)(response->retry_after_s * 1000);
    }
    return backoff_ms(&retry->backoff, n_retries + 1);
}

int64_t endpoint_retry_delay_ms(const struct endpoint *endpoint, const struct problem *problem,
                                const struct http_response *response, int n_retries,
                                int64_t waited_ms)
{
    const struct endpoint_retry *retry = &endpoint->retry;
    int wish = response ? response->should_retry : -1;
    if (endpoint->has_alternative && problem->failure != LLM_FAIL_RATE)
        return -1;
    bool is_wanted = problem->is_retryable || (wish == 1 && !problem->is_final);
    if (!is_wanted || wish == 0 || n_retries >= retry->max_retries)
        return -1;
    int64_t delay_ms = wished_delay_ms(retry, response, n_retries);
    return delay_ms < 0 || waited_ms + delay_ms > retry->max_total_ms ? -1 : delay_ms;
}
