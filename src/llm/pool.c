/*
 * An exchange walks through candidates:
 *
 *     (order) → TRYING ─ answered, or the question's own fault ──────────→ on_done, freed
 *                 ↑  └── the key's fault, another key is left ──┐
 *                 │  └── the model's fault, another is left ────┤
 *                 └─────────────────────────────────────────────┘
 *
 * One try runs at a time; the exchange holds its id and the llm that knows it.
 */
#include "llm/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/log.h"
#include "util/map.h"
#include "util/mem.h"
#include "util/str.h"

#define QUESTION_BYTES_MAX ((size_t)32 * 1024 * 1024)

struct pool_key {
    struct llm *llm;
    struct breaker breaker;
};

struct pool_model {
    char *name;
    struct pool_key *keys;
    size_t n_keys;
    size_t next_key;
    struct breaker breaker;
};

struct pool {
    struct llm llm; /* first */
    struct loop *loop;
    struct breaker_rules rules;
    struct pool_model models[POOL_MODELS_MAX];
    size_t n_models;
    struct map *exchanges; /* id → struct pool_exchange */
    uint64_t last_id;
    int64_t n_fallbacks;
    int64_t n_rests;
};

enum pool_kind { POOL_ASK, POOL_DRAW, POOL_BALANCE, POOL_CHECK };

struct pool_exchange {
    uint64_t id;
    struct pool *pool;
    enum pool_kind kind;
    const struct llm_ask_handlers *handlers;
    llm_image_fn on_image;
    llm_balance_fn on_balance;
    llm_check_fn on_check;
    void *arg;
    struct buf texts; /* the question's, each with its NUL; or the description of an image */
    struct llm_message *messages;
    size_t n_messages;

    size_t order[POOL_MODELS_MAX]; /* of the models, as they are tried */
    size_t n_order;
    size_t at;
    bool *is_key_tried; /* of the model that is being tried */
    size_t key;
    bool is_model_probe, is_key_probe;
    uint64_t llm_id; /* of the try that runs; 0: none */
    bool has_text;
    int n_tries;
};

/* Whose fault a failure is. */
enum fault { FAULT_NONE, FAULT_KEY, FAULT_MODEL };

static enum fault fault_of(enum llm_failure failure)
{
    switch (failure) {
    case LLM_FAIL_AUTH:
    case LLM_FAIL_QUOTA:
    case LLM_FAIL_RATE:
        return FAULT_KEY;
    case LLM_FAIL_MODEL:
    case LLM_FAIL_BUSY:
    case LLM_FAIL_CONNECT:
    case LLM_FAIL_TIMEOUT:
    case LLM_FAIL_CUT:
    case LLM_FAIL_GARBLED:
        return FAULT_MODEL;
    case LLM_OK:
    case LLM_FAIL_TOO_LONG:
    case LLM_FAIL_REFUSED:
    case LLM_FAIL_REQUEST:
    case LLM_FAIL_EMPTY:
    case LLM_FAIL_THOUGHT_OUT:
    case LLM_FAIL_TOO_LARGE:
    case LLM_FAIL_UNSUPPORTED:
    case LLM_FAIL_CANCELLED:
    case LLM_FAIL_INTERNAL:
        return FAULT_NONE;
    }
    return FAULT_NONE;
}

static struct pool *pool_of(struct llm *llm)
{
    return (struct pool *)(void *)llm;
}

/* ---- who is tried, and in which order ---- */

static bool has_key_that_lets(const struct pool_model *model, int64_t now_ms)
{
    for (size_t i = 0; i < model->n_keys; i++) {
        if (breaker_lets(&model->keys[i].breaker, now_ms))
            return true;
    }
    return false;
}

static bool is_awake(const struct pool_model *model, int64_t now_ms)
{
    return breaker_lets(&model->breaker, now_ms) && has_key_that_lets(model, now_ms);
}

/* How long until it may be asked again: the model, and the key of it that comes back first. */
static int64_t rest_left_ms(const struct pool_model *model, int64_t now_ms)
{
    int64_t left_ms = INT64_MAX;
    for (size_t i = 0; i < model->n_keys; i++) {
        int64_t key_ms = breaker_left_ms(&model->keys[i].breaker, now_ms);
        left_ms = key_ms < left_ms ? key_ms : left_ms;
    }
    int64_t model_ms = breaker_left_ms(&model->breaker, now_ms);
    return model_ms > left_ms ? model_ms : left_ms;
}

static void add_if_awake(struct pool_exchange *exchange, size_t i, int64_t now_ms)
{
    for (size_t k = 0; k < exchange->n_order; k++) {
        if (exchange->order[k] == i)
            return;
    }
    if (is_awake(&exchange->pool->models[i], now_ms))
        exchange->order[exchange->n_order++] = i;
}

static void make_order(struct pool_exchange *exchange, const char *wanted)
{
    const struct pool *pool = exchange->pool;
    int64_t now_ms = loop_now_ms(pool->loop);
    for (size_t i = 0; i < pool->n_models; i++) {
        if (wanted && strcmp(pool->models[i].name, wanted) == 0)
            add_if_awake(exchange, i, now_ms);
    }
    for (size_t i = 0; i < pool->n_models; i++)
        add_if_awake(exchange, i, now_ms);
    if (exchange->n_order > 0)
        return;
    size_t best = 0;
    for (size_t i = 1; i < pool->n_models; i++) {
        if (rest_left_ms(&pool->models[i], now_ms) < rest_left_ms(&pool->models[best], now_ms))
            best = i;
    }
    exchange->order[exchange->n_order++] = best;
}

static struct pool_model *model_of(const struct pool_exchange *exchange)
{
    return &exchange->pool->models[exchange->order[exchange->at]];
}

static struct pool_key *key_of(const struct pool_exchange *exchange)
{
    return &model_of(exchange)->keys[exchange->key];
}

/* The next key in turn that lets and was not tried. False when there is none; `is_forced`: then one
 * that does not let. */
static bool take_key(struct pool_exchange *exchange, bool is_forced)
{
    struct pool_model *model = model_of(exchange);
    int64_t now_ms = loop_now_ms(exchange->pool->loop);
    for (size_t i = 0; i < model->n_keys; i++) {
        size_t k = (model->next_key + i) % model->n_keys;
        bool is_let = breaker_lets(&model->keys[k].breaker, now_ms) || is_forced;
        if (exchange->is_key_tried[k] || !is_let)
            continue;
        exchange->key = k;
        exchange->is_key_tried[k] = true;
        model->next_key = (k + 1) % model->n_keys;
        return true;
    }
    return false;
}

static void enter_model(struct pool_exchange *exchange)
{
    free(exchange->is_key_tried);
    exchange->is_key_tried = xcalloc(model_of(exchange)->n_keys, sizeof(*exchange->is_key_tried));
    if (!take_key(exchange, false))
        (void)take_key(exchange, true);
}

/* ---- what becomes of it ---- */

/* Before its owner is told: nobody finds it any more. */
static void leave(struct pool_exchange *exchange)
{
    (void)map_take_id(exchange->pool->exchanges, exchange->id);
}

static void exchange_free(struct pool_exchange *exchange)
{
    free(exchange->is_key_tried);
    free(exchange->messages);
    buf_done(&exchange->texts);
    free(exchange);
}

/* Breakers watch questions only: a model that draws no images may answer well. */
static void begin_try(struct pool_exchange *exchange)
{
    int64_t now_ms = loop_now_ms(exchange->pool->loop);
    bool is_watched = exchange->kind == POOL_ASK;
    exchange->is_model_probe = is_watched && breaker_begin(&model_of(exchange)->breaker, now_ms);
    exchange->is_key_probe = is_watched && breaker_begin(&key_of(exchange)->breaker, now_ms);
}

static void forget_try(struct pool_exchange *exchange)
{
    breaker_forget(&model_of(exchange)->breaker, exchange->is_model_probe);
    breaker_forget(&key_of(exchange)->breaker, exchange->is_key_probe);
}

static void log_rest(struct pool *pool, const struct pool_model *model, const struct pool_key *key,
                     const struct breaker *breaker, enum llm_failure failure)
{
    pool->n_rests++;
    bool is_key = breaker == &key->breaker;
    log_event(LOG_WARN, "llm", is_key ? "key_rests" : "model_rests", LOG_S("model", model->name),
              LOG_I("key", is_key ? key - model->keys + 1 : 0),
              LOG_S("reason", llm_failure_name(failure)), LOG_I("rest_ms", breaker->rest_ms));
}

static void log_return(const struct pool_model *model)
{
    log_event(LOG_INFO, "llm", "model_returns", LOG_S("model", model->name));
}

/* What a question's end tells about model and key. */
static void judge_try(struct pool_exchange *exchange, enum llm_failure failure)
{
    struct pool *pool = exchange->pool;
    struct pool_model *model = model_of(exchange);
    struct pool_key *key = key_of(exchange);
    int64_t now_ms = loop_now_ms(pool->loop);
    if (exchange->has_text && failure != LLM_OK) {
        forget_try(exchange);
        return;
    }
    enum fault fault = fault_of(failure);
    /* A refused key says that the model is there. */
    bool does_return = fault != FAULT_MODEL && breaker_succeed(&model->breaker);
    if (fault == FAULT_NONE)
        does_return |= breaker_succeed(&key->breaker);
    else if (fault == FAULT_MODEL)
        breaker_forget(&key->breaker, exchange->is_key_probe);
    if (does_return)
        log_return(model);
    if (fault == FAULT_MODEL &&
        breaker_fail(&model->breaker, &pool->rules, exchange->is_model_probe, false, now_ms))
        log_rest(pool, model, key, &model->breaker, failure);
    if (fault == FAULT_KEY && breaker_fail(&key->breaker, &pool->rules, exchange->is_key_probe,
                                           failure != LLM_FAIL_RATE, now_ms))
        log_rest(pool, model, key, &key->breaker, failure);
}

static void run_try(struct pool_exchange *exchange);

/* True: the next candidate is being tried. */
static bool try_next(struct pool_exchange *exchange, const struct llm_outcome *outcome)
{
    enum fault fault = fault_of(outcome->failure);
    bool is_missing = outcome->failure == LLM_FAIL_UNSUPPORTED && exchange->kind != POOL_ASK;
    if (exchange->has_text || (fault == FAULT_NONE && !is_missing))
        return false;
    const char *from = model_of(exchange)->name;
    bool has_key = fault == FAULT_KEY && take_key(exchange, false);
    if (!has_key) {
        if (exchange->at + 1 >= exchange->n_order)
            return false;
        exchange->at++;
        enter_model(exchange);
    }
    if (!is_missing) {
        exchange->pool->n_fallbacks++;
        log_event(LOG_WARN, "llm", has_key ? "other_key" : "fallback", LOG_S("from", from),
                  LOG_S("to", model_of(exchange)->name),
                  LOG_S("reason", llm_failure_name(outcome->failure)),
                  LOG_I("code", outcome->error.code), LOG_S("detail", outcome->error.text),
                  LOG_S("request", outcome->peer_request_id));
    }
    run_try(exchange);
    return true;
}

/* ---- a try ---- */

static void on_text(uint64_t id, struct str text, void *arg)
{
    struct pool_exchange *exchange = arg;
    exchange->has_text = true;
    if (exchange->handlers->on_text)
        exchange->handlers->on_text(exchange->id, text, exchange->arg);
}

static void on_retract(uint64_t id, void *arg)
{
    struct pool_exchange *exchange = arg;
    if (exchange->handlers->on_retract)
        exchange->handlers->on_retract(exchange->id, exchange->arg);
}

static void on_done(uint64_t id, const struct llm_answer *answer, void *arg)
{
    struct pool_exchange *exchange = arg;
    struct pool *pool = exchange->pool;
    exchange->llm_id = 0;
    exchange->n_tries += answer->outcome.tries;
    pool->llm.token_ratio = key_of(exchange)->llm->token_ratio;
    judge_try(exchange, answer->outcome.failure);
    if (try_next(exchange, &answer->outcome))
        return;
    struct llm_answer told = *answer;
    told.outcome.tries = exchange->n_tries;
    leave(exchange);
    exchange->handlers->on_done(exchange->id, &told, exchange->arg);
    exchange_free(exchange);
}

static void on_image(uint64_t id, const struct llm_image *image, void *arg)
{
    struct pool_exchange *exchange = arg;
    exchange->llm_id = 0;
    exchange->n_tries += image->outcome.tries;
    if (try_next(exchange, &image->outcome))
        return;
    struct llm_image told = *image;
    told.outcome.tries = exchange->n_tries;
    leave(exchange);
    exchange->on_image(exchange->id, &told, exchange->arg);
    exchange_free(exchange);
}

static void on_balance(uint64_t id, const struct llm_balance *balance, void *arg)
{
    struct pool_exchange *exchange = arg;
    exchange->llm_id = 0;
    bool is_missing = balance->outcome.failure == LLM_FAIL_UNSUPPORTED;
    if (is_missing && try_next(exchange, &balance->outcome))
        return;
    leave(exchange);
    exchange->on_balance(exchange->id, balance, exchange->arg);
    exchange_free(exchange);
}

static void on_check(uint64_t id, const struct llm_check *check, void *arg)
{
    struct pool_exchange *exchange = arg;
    exchange->llm_id = 0;
    leave(exchange);
    exchange->on_check(exchange->id, check, exchange->arg);
    exchange_free(exchange);
}

static void run_try(struct pool_exchange *exchange)
{
    static const struct llm_ask_handlers handlers = {
        .on_text = on_text, .on_retract = on_retract, .on_done = on_done};
    struct llm *llm = key_of(exchange)->llm;
    begin_try(exchange);
    switch (exchange->kind) {
    case POOL_ASK:
        exchange->llm_id =
            llm_ask(llm, NULL, exchange->messages, exchange->n_messages, &handlers, exchange);
        break;
    case POOL_DRAW:
        exchange->llm_id = llm_draw(llm, buf_cstr(&exchange->texts), on_image, exchange);
        break;
    case POOL_BALANCE:
        exchange->llm_id = llm_balance(llm, on_balance, exchange);
        break;
    case POOL_CHECK:
        exchange->llm_id = llm_check(llm, on_check, exchange);
        break;
    }
}

static struct pool_exchange *exchange_new(struct llm *llm, enum pool_kind kind, const char *wanted,
                                          void *arg)
{
    struct pool *pool = pool_of(llm);
    assert(pool->n_models > 0);
    struct pool_exchange *exchange = xcalloc(1, sizeof(*exchange));
    *exchange = (struct pool_exchange){.id = ++pool->last_id,
                                       .pool = pool,
                                       .kind = kind,
                                       .arg = arg,
                                       .texts = BUF_INIT(QUESTION_BYTES_MAX)};
    (void)map_put_id(pool->exchanges, exchange->id, exchange);
    make_order(exchange, wanted);
    enter_model(exchange);
    return exchange;
}

/* ---- the face ---- */

/* Too much text is the first model's to refuse: it has the same limit. */
static uint64_t ask(struct llm *llm, const char *model, const struct llm_message *messages,
                    size_t n_messages, const struct llm_ask_handlers *handlers, void *arg)
{
    struct pool_exchange *exchange = exchange_new(llm, POOL_ASK, model, arg);
    exchange->handlers = handlers;
    exchange->messages = xcalloc(n_messages + 1, sizeof(*exchange->messages));
    exchange->n_messages = n_messages;
    size_t n_bytes = 0;
    for (size_t i = 0; i < n_messages; i++)
        n_bytes += strlen(messages[i].text) + 1;
    buf_init(&exchange->texts, n_bytes + 1);
    for (size_t i = 0; i < n_messages; i++) {
        (void)buf_puts(&exchange->texts, messages[i].text);
        (void)buf_putc(&exchange->texts, '\0');
    }
    const char *text = buf_cstr(&exchange->texts);
    for (size_t i = 0; i < n_messages; i++) {
        exchange->messages[i] = (struct llm_message){messages[i].role, text};
        text += strlen(text) + 1;
    }
    run_try(exchange);
    return exchange->id;
}

static uint64_t draw(struct llm *llm, const char *prompt, llm_image_fn fn, void *arg)
{
    struct pool_exchange *exchange = exchange_new(llm, POOL_DRAW, NULL, arg);
    exchange->on_image = fn;
    buf_init(&exchange->texts, strlen(prompt) + 1);
    (void)buf_puts(&exchange->texts, prompt);
    run_try(exchange);
    return exchange->id;
}

static uint64_t balance(struct llm *llm, llm_balance_fn fn, void *arg)
{
    struct pool_exchange *exchange = exchange_new(llm, POOL_BALANCE, NULL, arg);
    exchange->on_balance = fn;
    run_try(exchange);
    return exchange->id;
}

static uint64_t check(struct llm *llm, llm_check_fn fn, void *arg)
{
    struct pool_exchange *exchange = exchange_new(llm, POOL_CHECK, NULL, arg);
    exchange->on_check = fn;
    run_try(exchange);
    return exchange->id;
}

static void cancel(struct llm *llm, uint64_t id)
{
    struct pool_exchange *exchange = map_get_id(pool_of(llm)->exchanges, id);
    if (!exchange)
        return;
    llm_cancel(key_of(exchange)->llm, exchange->llm_id);
    forget_try(exchange);
    leave(exchange);
    exchange_free(exchange);
}

static size_t choices(const struct llm *llm, struct llm_choice *ret_choices, size_t max)
{
    const struct pool *pool = (const struct pool *)(const void *)llm;
    int64_t now_ms = loop_now_ms(pool->loop);
    size_t n = pool->n_models < max ? pool->n_models : max;
    for (size_t i = 0; i < n; i++)
        ret_choices[i] = (struct llm_choice){.name = pool->models[i].name,
                                             .model = pool->models[i].keys[0].llm->model,
                                             .rest_ms = rest_left_ms(&pool->models[i], now_ms)};
    return n;
}

static void stats(const struct llm *llm, struct llm_stats *ret_stats)
{
    const struct pool *pool = (const struct pool *)(const void *)llm;
    int64_t now_ms = loop_now_ms(pool->loop);
    *ret_stats = (struct llm_stats){.fallbacks = pool->n_fallbacks, .rests = pool->n_rests};
    for (size_t i = 0; i < pool->n_models; i++)
        ret_stats->resting += rest_left_ms(&pool->models[i], now_ms) > 0;
}

static void pool_free(struct llm *llm)
{
    struct pool *pool = pool_of(llm);
    for (struct pool_exchange *exchange; (exchange = map_any(pool->exchanges));)
        cancel(llm, exchange->id);
    map_free(pool->exchanges);
    for (size_t i = 0; i < pool->n_models; i++) {
        for (size_t k = 0; k < pool->models[i].n_keys; k++)
            llm_free(pool->models[i].keys[k].llm);
        free(pool->models[i].keys);
        free(pool->models[i].name);
    }
    free(pool);
}

static const struct llm_ops pool_ops = {
    .ask = ask,
    .draw = draw,
    .balance = balance,
    .check = check,
    .cancel = cancel,
    .choices = choices,
    .stats = stats,
    .free = pool_free,
};

struct llm *pool_new(struct loop *loop, const struct breaker_rules *rules)
{
    struct pool *pool = xcalloc(1, sizeof(*pool));
    pool->loop = loop;
    pool->rules = *rules;
    pool->exchanges = map_new();
    pool->llm = (struct llm){.ops = &pool_ops, .provider = "", .model = "", .token_ratio = 1};
    return &pool->llm;
}

void pool_add_take(struct llm *llm, const char *name, struct llm *member)
{
    struct pool *pool = pool_of(llm);
    struct pool_model *model = NULL;
    for (size_t i = 0; i < pool->n_models && !model; i++) {
        if (strcmp(pool->models[i].name, name) == 0)
            model = &pool->models[i];
    }
    if (!model) {
        assert(pool->n_models < POOL_MODELS_MAX);
        model = &pool->models[pool->n_models++];
        model->name = xstrdup(name);
    }
    model->keys = xreallocarray(model->keys, model->n_keys + 1, sizeof(*model->keys));
    model->keys[model->n_keys++] = (struct pool_key){.llm = member};
    if (!*pool->llm.model) {
        pool->llm.model = member->model;
        pool->llm.provider = member->provider;
    }
}

struct llm *pool_member(struct llm *llm, size_t i, const char **ret_name)
{
    const struct pool *pool = pool_of(llm);
    for (size_t m = 0; m < pool->n_models; m++) {
        if (i < pool->models[m].n_keys) {
            *ret_name = pool->models[m].name;
            return pool->models[m].keys[i].llm;
        }
        i -= pool->models[m].n_keys;
    }
    return NULL;
}
