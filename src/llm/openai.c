#include "llm/openai.h"

#include <stdlib.h>

#include "llm/openai_internal.h"
#include "util/mem.h"

static uint64_t ask(struct llm *llm, const struct llm_message *messages, size_t n_messages,
                    const struct llm_ask_handlers *handlers, void *arg)
{
    return openai_ask_start((struct openai *)llm, messages, n_messages, handlers, arg);
}

static uint64_t draw(struct llm *llm, const char *prompt, llm_image_fn fn, void *arg)
{
    return openai_images_draw((struct openai *)llm, prompt, fn, arg);
}

static uint64_t balance(struct llm *llm, llm_balance_fn fn, void *arg)
{
    return openai_balance_ask((struct openai *)llm, fn, arg);
}

static uint64_t check(struct llm *llm, llm_check_fn fn, void *arg)
{
    return openai_check_start((struct openai *)llm, fn, arg);
}

static void cancel(struct llm *llm, uint64_t id)
{
    struct openai *openai = (struct openai *)llm;
    struct openai_exchange *exchange = map_take_id(openai->exchanges, id);
    if (exchange)
        exchange->cancel(exchange);
}

static void openai_free(struct llm *llm)
{
    struct openai *openai = (struct openai *)llm;
    for (struct openai_exchange *exchange; (exchange = map_any(openai->exchanges));)
        cancel(llm, exchange->id);
    map_free(openai->exchanges);
    free(openai->root);
    free(openai->authorization);
    free(openai->model);
    free(openai->image_model);
    free(openai->system_prompt);
    free(openai->proxy);
    free(openai);
}

static const struct llm_ops openai_ops = {
    .name = "openai",
    .ask = ask,
    .draw = draw,
    .balance = balance,
    .check = check,
    .cancel = cancel,
    .free = openai_free,
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

struct llm *openai_new(struct loop *loop, struct http_client *client, struct work *work,
                       const struct openai_settings *settings)
{
    struct openai *openai = xcalloc(1, sizeof(*openai));
    *openai = (struct openai){
        .loop = loop,
        .client = client,
        .work = work,
        .exchanges = map_new(),
        .root = copy(settings->root),
        .model = copy(settings->model),
        .image_model = copy(settings->image_model),
        .system_prompt = copy(settings->system_prompt),
        .proxy = copy(settings->proxy),
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
        openai->authorization = xasprintf("Authorization: Bearer %s", settings->api_key);
    openai->llm = (struct llm){.ops = &openai_ops, .model = openai->model, .token_ratio = 1};
    return &openai->llm;
}

uint64_t openai_exchange_add(struct openai *openai, struct openai_exchange *exchange,
                             void (*cancel_fn)(struct openai_exchange *exchange))
{
    exchange->id = ++openai->last_id;
    exchange->openai = openai;
    exchange->cancel = cancel_fn;
    (void)map_put_id(openai->exchanges, exchange->id, exchange);
    return exchange->id;
}

void openai_exchange_remove(struct openai_exchange *exchange)
{
    (void)map_take_id(exchange->openai->exchanges, exchange->id);
}

char *openai_url(const struct openai *openai, const char *path)
{
    return xasprintf("%s%s", openai->root, path);
}

void openai_headers(const struct openai *openai, bool has_json_body,
                    const char *ret_lines[OPENAI_HEADERS_MAX])
{
    size_t n = 0;
    ret_lines[n++] = "Accept: application/json, text/event-stream";
    if (has_json_body)
        ret_lines[n++] = "Content-Type: application/json";
    if (openai->authorization)
        ret_lines[n++] = openai->authorization;
    ret_lines[n] = NULL;
}

/* What the peer asked us to wait, or our own guess when it asked for nothing. */
static int64_t wished_delay_ms(const struct openai_retry *retry,
                               const struct http_response *response, int n_retries)
{
    if (response && response->retry_after_s > 0) {
        if (response->retry_after_s * 1000 > (double)retry->max_retry_after_ms)
            return -1;
        return (int64_t)(response->retry_after_s * 1000);
    }
    return backoff_ms(&retry->backoff, n_retries + 1);
}

int64_t openai_retry_delay_ms(const struct openai *openai, const struct openai_problem *problem,
                              const struct http_response *response, int n_retries,
                              int64_t waited_ms)
{
    const struct openai_retry *retry = &openai->retry;
    int wish = response ? response->should_retry : -1;
    bool is_wanted = problem->is_retryable || (wish == 1 && !problem->is_final);
    if (!is_wanted || wish == 0 || n_retries >= retry->max_retries)
        return -1;
    int64_t delay_ms = wished_delay_ms(retry, response, n_retries);
    return delay_ms < 0 || waited_ms + delay_ms > retry->max_total_ms ? -1 : delay_ms;
}
