/*
 * The key's balance. Providers have endpoints of their own, or none; relays speak OpenAI's old
 * billing dialect in part. A question is one document; the questions of a provider form a small
 * tree: `then` completes an answer, `otherwise` is tried where there was none.
 *
 *     question → (read) → then → … → told
 *         └ not answered → otherwise → … → told, or: nothing to ask for
 *
 * Endpoints and their sentinels (100000000 = no limit, 0 = no expiry) as one-api's and new-api's
 * billing controllers give them, and as DeepSeek, Moonshot, SiliconFlow and OpenRouter document.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "llm/get.h"
#include "llm/root.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/mem.h"

#define HOST_SIZE 256
#define UNLIMITED 100000000.0
#define DOCUMENT_BYTES_MAX ((size_t)256 * 1024)
#define EXPIRY_MAX_S 253402300799.0 /* the last second of the year 9999 */
/* Relays take at most a hundred days at once, and ignore the dates. */
#define USAGE_DAYS_MS (99LL * 24 * 3600 * 1000)
/* new-api counts in parts of its unit; a site may say another number in /api/status. */
#define QUOTA_PER_UNIT 500000.0

enum base { BASE_ORIGIN, BASE_BILLING };

struct question {
    enum base base;
    const char *path;
    bool has_dates;
    /* False when the document is not what was asked for. */
    bool (*read)(const json_t *value, struct llm_balance *balance);
    const struct question *then;
    const struct question *otherwise;
};

struct ask_balance {
    struct exchange exchange; /* first */
    struct get get;
    llm_balance_fn fn;
    void *arg;
    const struct question *question;
    bool is_guess; /* nobody knows whether this provider has a balance to ask for */
    int n_tries;
    struct problem problem; /* why there is no balance; LLM_OK: nothing to ask for */
    struct timer *timer;
    char host[HOST_SIZE];
    struct llm_balance balance;
};

/* ---- reading ---- */

static struct llm_balance_line *add_line(struct llm_balance *balance, enum llm_money money)
{
    struct llm_balance_line *line = &balance->lines[balance->n_lines++];
    *line = (struct llm_balance_line){.money = money, .expires_s = -1};
    return line;
}

static enum llm_money money_of(struct str currency)
{
    if (str_eq_nocase(currency, STR_LIT("CNY")))
        return LLM_MONEY_CNY;
    return str_eq_nocase(currency, STR_LIT("USD")) ? LLM_MONEY_USD : LLM_MONEY_UNKNOWN;
}

/* Absent: unknown. Never is 0, and -1 at some. */
static int64_t read_expiry(const json_t *object, const char *key)
{
    double seconds;
    if (!json_number(object, key, &seconds) || seconds > EXPIRY_MAX_S)
        return -1;
    return seconds > 0 ? (int64_t)seconds : 0;
}

static bool read_subscription(const json_t *value, struct llm_balance *balance)
{
    double total;
    if (!json_number(value, "hard_limit_usd", &total))
        return false;
    struct llm_balance_line *line = add_line(balance, LLM_MONEY_UNKNOWN);
    line->has_total = true;
    line->total = total;
    /* More than that is an amount, of sites that count in parts of a cent. */
    line->is_unlimited = fabs(total - UNLIMITED) < 0.5;
    line->expires_s = read_expiry(value, "access_until");
    return true;
}

static bool read_usage(const json_t *value, struct llm_balance *balance)
{
    double hundredths;
    if (!json_number(value, "total_usage", &hundredths))
        return false;
    struct llm_balance_line *line = &balance->lines[0];
    line->has_used = true;
    line->used = hundredths / 100;
    line->has_left = !line->is_unlimited;
    line->left = line->total - line->used;
    return true;
}

static bool read_grants(const json_t *value, struct llm_balance *balance)
{
    double total, used, left;
    bool has_total = json_number(value, "total_granted", &total);
    bool has_used = json_number(value, "total_used", &used);
    bool has_left = json_number(value, "total_available", &left) ||
                    json_number(value, "total_remaining", &left);
    if (!has_left && !(has_total && has_used))
        return false;
    struct llm_balance_line *line = add_line(balance, LLM_MONEY_UNKNOWN);
    line->has_total = has_total;
    line->total = has_total ? total : 0;
    line->has_used = has_used;
    line->used = has_used ? used : 0;
    line->has_left = true;
    line->left = has_left ? left : total - used;
    return true;
}

/* In parts of the site's unit, until read_unit has learned how many make one. */
static bool read_token_usage(const json_t *value, struct llm_balance *balance)
{
    const json_t *data = json_object_get(value, "data");
    if (!read_grants(data, balance))
        return false;
    balance->lines[0].is_unlimited = json_bool(data, "unlimited_quota", false);
    balance->lines[0].expires_s = read_expiry(data, "expires_at");
    return true;
}

static void divide(struct llm_balance_line *line, double parts)
{
    line->total /= parts;
    line->used /= parts;
    line->left /= parts;
}

static bool read_unit(const json_t *value, struct llm_balance *balance)
{
    double parts;
    if (!json_number(json_object_get(value, "data"), "quota_per_unit", &parts) || parts < 1)
        parts = QUOTA_PER_UNIT;
    divide(&balance->lines[0], parts);
    return true;
}

static bool read_deepseek(const json_t *value, struct llm_balance *balance)
{
    const json_t *infos = json_object_get(value, "balance_infos");
    size_t i;
    const json_t *info;
    json_array_foreach(infos, i, info)
    {
        double left;
        if (balance->n_lines == LLM_BALANCE_LINES_MAX || !json_number(info, "total_balance", &left))
            continue;
        struct llm_balance_line *line = add_line(balance, money_of(json_str(info, "currency")));
        line->has_left = true;
        line->left = left;
    }
    return balance->n_lines > 0;
}

static bool read_amount_left(const json_t *object, const char *key, enum llm_money money,
                             struct llm_balance *balance)
{
    double left;
    if (!json_number(object, key, &left))
        return false;
    struct llm_balance_line *line = add_line(balance, money);
    line->has_left = true;
    line->left = left;
    return true;
}

/* Moonshot's site in China counts in yuan, the other one in dollars. */
static bool read_moonshot_cn(const json_t *value, struct llm_balance *balance)
{
    return read_amount_left(json_object_get(value, "data"), "available_balance", LLM_MONEY_CNY,
                            balance);
}

static bool read_moonshot_ai(const json_t *value, struct llm_balance *balance)
{
    return read_amount_left(json_object_get(value, "data"), "available_balance", LLM_MONEY_USD,
                            balance);
}

static bool read_siliconflow(const json_t *value, struct llm_balance *balance)
{
    return json_i64(value, "code", 0) == 20000 &&
           read_amount_left(json_object_get(value, "data"), "totalBalance", LLM_MONEY_CNY, balance);
}

static bool read_siliconflow_com(const json_t *value, struct llm_balance *balance)
{
    bool is_read = read_siliconflow(value, balance);
    if (is_read)
        balance->lines[0].money = LLM_MONEY_USD;
    return is_read;
}

static bool read_openrouter_credits(const json_t *value, struct llm_balance *balance)
{
    const json_t *data = json_object_get(value, "data");
    double total, used;
    if (!json_number(data, "total_credits", &total) || !json_number(data, "total_usage", &used))
        return false;
    struct llm_balance_line *line = add_line(balance, LLM_MONEY_USD);
    line->has_total = line->has_used = line->has_left = true;
    line->total = total;
    line->used = used;
    line->left = total - used;
    return true;
}

static bool read_openrouter_key(const json_t *value, struct llm_balance *balance)
{
    const json_t *data = json_object_get(value, "data");
    double used;
    if (!json_number(data, "usage", &used))
        return false;
    struct llm_balance_line *line = add_line(balance, LLM_MONEY_USD);
    line->has_used = true;
    line->used = used;
    line->has_total = json_number(data, "limit", &line->total);
    line->has_left = json_number(data, "limit_remaining", &line->left);
    line->is_unlimited = json_is_null(json_object_get(data, "limit_remaining"));
    return true;
}

/* ---- what to ask whom ---- */

static const struct question token_unit = {BASE_BILLING, "/api/status", false,
                                           read_unit,    NULL,          NULL};
static const struct question token_usage = {BASE_BILLING,     "/api/usage/token/", false,
                                            read_token_usage, &token_unit,         NULL};
static const struct question grants = {
    BASE_BILLING, "/dashboard/billing/credit_grants", false, read_grants, NULL, &token_usage};
static const struct question usage = {
    BASE_BILLING, "/v1/dashboard/billing/usage", true, read_usage, NULL, NULL};
static const struct question relay = {
    BASE_BILLING, "/v1/dashboard/billing/subscription", false, read_subscription, &usage, &grants};
static const struct question deepseek = {BASE_ORIGIN, "/user/balance", false, read_deepseek, NULL,
                                         NULL};
static const struct question moonshot_cn = {
    BASE_ORIGIN, "/v1/users/me/balance", false, read_moonshot_cn, NULL, NULL};
static const struct question moonshot_ai = {
    BASE_ORIGIN, "/v1/users/me/balance", false, read_moonshot_ai, NULL, NULL};
static const struct question siliconflow = {
    BASE_ORIGIN, "/v1/user/info", false, read_siliconflow, NULL, NULL};
static const struct question siliconflow_com = {
    BASE_ORIGIN, "/v1/user/info", false, read_siliconflow_com, NULL, NULL};
/* Credits want a management key, which cannot call models; any key may ask about itself. */
static const struct question openrouter_key = {BASE_ORIGIN,         "/api/v1/key", false,
                                               read_openrouter_key, NULL,          NULL};
static const struct question openrouter = {
    BASE_ORIGIN, "/api/v1/credits", false, read_openrouter_credits, NULL, &openrouter_key};

/* Hosts not named here are asked as relays. NULL: there is nothing to ask. */
static const struct {
    const char *host; /* a leading dot: any host that ends so */
    const struct question *first;
} hosts[] = {
    {"api.deepseek.com", &deepseek},
    {"api.moonshot.cn", &moonshot_cn},
    {"api.moonshot.ai", &moonshot_ai},
    {"api.siliconflow.cn", &siliconflow},
    {"api.siliconflow.com", &siliconflow_com},
    {"openrouter.ai", &openrouter},
    {"api.openai.com", NULL},
    {".openai.azure.com", NULL},
    {".cognitiveservices.azure.com", NULL},
    {"api.anthropic.com", NULL},
    {"dashscope.aliyuncs.com", NULL},
    {"dashscope-intl.aliyuncs.com", NULL},
    {"dashscope-us.aliyuncs.com", NULL},
    {".maas.aliyuncs.com", NULL},
    {".volces.com", NULL},
    {".bytepluses.com", NULL},
    {"open.bigmodel.cn", NULL},
    {"api.z.ai", NULL},
    {"generativelanguage.googleapis.com", NULL},
    {"api.groq.com", NULL},
};

static const struct question *first_question(struct str host)
{
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct str known = str_of(hosts[i].host);
        if (known.p[0] == '.' ? str_ends(host, known) : str_eq(host, known))
            return hosts[i].first;
    }
    return &relay;
}

/* ---- asking ---- */

static void ask(struct ask_balance *exchange, const struct question *question);

static void balance_free(struct ask_balance *exchange)
{
    get_stop(&exchange->get);
    timer_cancel(&exchange->timer);
    free(exchange);
}

static void cancel(struct exchange *exchange)
{
    balance_free((struct ask_balance *)exchange);
}

static void deliver(void *arg)
{
    struct ask_balance *exchange = arg;
    struct llm_balance *balance = &exchange->balance;
    exchange->timer = NULL;
    balance->provider = exchange->host;
    balance->outcome = (struct llm_outcome){.peer_request_id = "", .tries = exchange->n_tries};
    if (balance->n_lines == 0 && exchange->problem.failure == LLM_OK) {
        balance->outcome.failure = LLM_FAIL_UNSUPPORTED;
    } else if (balance->n_lines == 0) {
        balance->outcome.failure = exchange->problem.failure;
        balance->outcome.error = exchange->problem.error;
    }
    exchange_remove(&exchange->exchange);
    exchange->fn(exchange->exchange.id, balance, exchange->arg);
    balance_free(exchange);
}

/* Does the failure say more than that this path is not there? */
static bool is_telling(enum llm_failure failure)
{
    return failure != LLM_OK && failure != LLM_FAIL_MODEL && failure != LLM_FAIL_GARBLED &&
           failure != LLM_FAIL_REQUEST && failure != LLM_FAIL_TOO_LARGE;
}

/* Nobody answers, so that the next question would only take as long again. */
static bool is_out_of_reach(enum llm_failure failure)
{
    return failure == LLM_FAIL_CONNECT || failure == LLM_FAIL_TIMEOUT;
}

/* Of guesses the first that tells something; of endpoints that are known to be there the last. */
static void note_problem(struct ask_balance *exchange, const struct problem *problem)
{
    if (exchange->is_guess) {
        if (is_telling(problem->failure) && exchange->problem.failure == LLM_OK)
            exchange->problem = *problem;
    } else if (problem->failure == LLM_OK) {
        problem_set(&exchange->problem, LLM_FAIL_GARBLED, false, "no balance in %s",
                    exchange->question->path);
    } else if (problem->failure != LLM_FAIL_MODEL) {
        exchange->problem = *problem;
    }
}

static void on_document(struct get *get, const struct problem *problem, const json_t *value)
{
    struct ask_balance *exchange =
        (struct ask_balance *)(void *)((char *)get - offsetof(struct ask_balance, get));
    const struct question *question = exchange->question;
    bool is_read = value && question->read(value, &exchange->balance);
    exchange->n_tries += get->n_tries;
    if (!is_read && question == &token_unit)
        divide(&exchange->balance.lines[0], QUOTA_PER_UNIT);
    if (!is_read)
        note_problem(exchange, problem);
    const struct question *next = is_read ? question->then : question->otherwise;
    if (next && !is_out_of_reach(problem->failure))
        ask(exchange, next);
    else
        deliver(exchange);
}

static char *url_of(const struct endpoint *endpoint, const struct question *question)
{
    char base[ROOT_SIZE_MAX];
    if (question->base == BASE_BILLING)
        root_billing_base(endpoint->root, base);
    else
        root_origin(endpoint->root, base);
    if (!question->has_dates)
        return xasprintf("%s%s", base, question->path);
    char from[CLOCK_DAY_SIZE], to[CLOCK_DAY_SIZE];
    clock_local_day(clock_wall_ms() - USAGE_DAYS_MS, from);
    clock_local_day(clock_wall_ms(), to);
    return xasprintf("%s%s?start_date=%s&end_date=%s", base, question->path, from, to);
}

static void ask(struct ask_balance *exchange, const struct question *question)
{
    struct endpoint *endpoint = exchange->exchange.endpoint;
    exchange->question = question;
    get_start(&exchange->get, endpoint, url_of(endpoint, question), DOCUMENT_BYTES_MAX,
              on_document);
}

uint64_t endpoint_balance(struct endpoint *endpoint, llm_balance_fn fn, void *arg)
{
    struct ask_balance *exchange = xcalloc(1, sizeof(*exchange));
    exchange->fn = fn;
    exchange->arg = arg;
    uint64_t id = exchange_add(endpoint, &exchange->exchange, cancel);
    root_host(endpoint->root, exchange->host, sizeof(exchange->host));
    const struct question *first =
        endpoint->provider->has_balance ? first_question(str_of(exchange->host)) : NULL;
    exchange->is_guess = first == &relay;
    if (first)
        ask(exchange, first);
    else
        exchange->timer = timer_start(endpoint->loop, 0, "llm balance none", deliver, exchange);
    return id;
}
