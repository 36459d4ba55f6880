#include "dingtalk/token.h"

#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/json.h"
#include "util/log.h"
#include "util/mem.h"

#define ANSWER_BYTES_MAX (64 * 1024)
#define TEXT_BYTES_MAX 4096
#define TIMEOUT_MS 10000
#define AHEAD_MS (5LL * 60 * 1000)
/* After a refusal those who come within this time are told the same, without asking again. */
#define REFUSAL_HOLDS_MS 5000
#define LIFE_S_MIN 60
#define LIFE_S_MAX (24 * 3600)

struct token {
    struct loop *loop;
    struct http_client *client;
    struct token_settings settings;
    struct list waiters;
    char *text; /* NULL: none */
    int64_t ends_ms;
    int64_t renew_ms;    /* from when on a new one is fetched, while this one is still used */
    uint64_t request;    /* the fetch that runs; 0 */
    struct timer *timer; /* tells waiters who can be told at once */
    bool is_refused;
    int64_t refused_ms;
    struct api_reading refusal; /* without its document */
};

static void fetch(struct token *token);

struct token *token_new(struct loop *loop, struct http_client *client,
                        const struct token_settings *settings)
{
    struct token *token = xcalloc(1, sizeof(*token));
    token->loop = loop;
    token->client = client;
    token->settings = *settings;
    list_init(&token->waiters);
    return token;
}

static void forget_text(struct token *token)
{
    if (token->text)
        explicit_bzero(token->text, strlen(token->text));
    free(token->text);
    token->text = NULL;
}

void token_free(struct token *token)
{
    if (!token)
        return;
    http_client_cancel(token->client, token->request);
    timer_cancel(&token->timer);
    while (list_pop_front(&token->waiters))
        ;
    forget_text(token);
    free(token);
}

static void tell_all(struct token *token)
{
    struct list waiters;
    list_init(&waiters);
    for (struct list *node; (node = list_pop_front(&token->waiters));)
        list_push_back(&waiters, node);
    for (struct list *node; (node = list_pop_front(&waiters));) {
        struct token_waiter *waiter = LIST_ENTRY(node, struct token_waiter, node);
        waiter->fn(waiter, token->text, token->text ? NULL : &token->refusal);
    }
}

static bool is_refusal_held(const struct token *token)
{
    return token->is_refused && loop_now_ms(token->loop) - token->refused_ms < REFUSAL_HOLDS_MS;
}

/* The token may have been dropped since this was put off: then there is nothing to tell yet. */
static void on_tell(void *arg)
{
    struct token *token = arg;
    token->timer = NULL;
    if (token->text || (is_refusal_held(token) && !token->request))
        tell_all(token);
    else if (!token->request && !list_is_empty(&token->waiters))
        fetch(token);
}

static void take(struct token *token, const struct api_reading *reading)
{
    struct str text = json_str(reading->value, "accessToken");
    int64_t life_s = json_i64(reading->value, "expireIn", 7200);
    life_s = life_s < LIFE_S_MIN ? LIFE_S_MIN : life_s > LIFE_S_MAX ? LIFE_S_MAX : life_s;
    forget_text(token);
    token->text = xstrndup(text.p, text.n);
    int64_t ahead_ms = life_s * 1000 / 2 < AHEAD_MS ? life_s * 1000 / 2 : AHEAD_MS;
    token->ends_ms = loop_now_ms(token->loop) + life_s * 1000;
    token->renew_ms = token->ends_ms - ahead_ms;
    token->is_refused = false;
}

/* The old one, if there is one, goes on being used until it ends. */
static void refuse(struct token *token, const struct api_reading *reading)
{
    token->is_refused = true;
    token->refused_ms = loop_now_ms(token->loop);
    token->refusal = *reading;
    token->refusal.value = NULL;
    log_event(LOG_ERROR, "token", "not_given", LOG_S("client_id", token->settings.client_id),
              LOG_S("reason", api_result_name(reading->result)), LOG_I("code", reading->error.code),
              LOG_S("detail", reading->error.text));
}

static void on_answer(uint64_t id, const struct http_response *response, void *arg)
{
    struct token *token = arg;
    struct api_reading reading;
    token->request = 0;
    api_answer_read(response, false, &reading);
    struct str text = json_str(reading.value, "accessToken");
    if (reading.result == API_OK && (text.n == 0 || text.n > TEXT_BYTES_MAX)) {
        reading.result = API_BUSY;
        (void)error_set(&reading.error, ST_PROTOCOL, 0, "an answer without a token");
    }
    if (reading.result == API_OK)
        take(token, &reading);
    else
        refuse(token, &reading);
    api_reading_done(&reading);
    tell_all(token);
}

static void fetch(struct token *token)
{
    static const struct http_handlers handlers = {.on_done = on_answer};
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Accept: application/json", NULL};
    struct buf body = BUF_INIT(TEXT_BYTES_MAX);
    DB_CLEANUP(json_unref)
    json_t *value = json_pack("{s:s, s:s}", "appKey", token->settings.client_id, "appSecret",
                              token->settings.client_secret);
    (void)!json_write(value, &body); /* credentials were checked when they were read */
    const struct http_request request = {
        .method = "POST",
        .url = token->settings.url,
        .headers = headers,
        .body = buf_str(&body),
        .proxy = token->settings.proxy,
        .max_body_bytes = ANSWER_BYTES_MAX,
        .first_byte_timeout_ms = TIMEOUT_MS,
        .idle_timeout_ms = TIMEOUT_MS,
        .total_timeout_ms = TIMEOUT_MS,
    };
    token->request = http_client_start(token->client, &request, &handlers, token);
    buf_done(&body);
}

void token_get(struct token *token, struct token_waiter *waiter)
{
    int64_t now_ms = loop_now_ms(token->loop);
    list_push_back(&token->waiters, &waiter->node);
    if (token->text && now_ms >= token->ends_ms)
        forget_text(token);
    bool is_fetch_held = is_refusal_held(token);
    bool wants_fetch = !token->text || now_ms >= token->renew_ms;
    if (wants_fetch && !is_fetch_held && !token->request)
        fetch(token);
    bool can_tell = token->text || (is_fetch_held && !token->request);
    if (can_tell && !token->timer)
        token->timer = timer_start(token->loop, 0, "token", on_tell, token);
}

void token_leave(struct token_waiter *waiter)
{
    list_remove(&waiter->node);
}

void token_drop(struct token *token, const char *text)
{
    if (token->text && strcmp(token->text, text) == 0)
        forget_text(token);
}
