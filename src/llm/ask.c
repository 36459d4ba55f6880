/*
 * A question: one exchange over as many requests as it takes.
 *
 *              ┌────────────── repaired ────────────┐
 *              ↓                                    │
 *     BORN → SENDING ─→ STREAMING or REFUSED ─→ (judged) ──→ FINISHED ──→ on_done, freed
 *              ↑                                    │
 *              └─────────────── BACKOFF ←───────────┘ retried, while no text was handed out
 *
 * Cancelling frees it in every state. Text is handed over as the last thing that a callback does,
 * when the exchange already is in its new state, because the receiver may cancel it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llm/endpoint.h"
#include "llm/answer_stream.h"
#include "llm/tokens.h"
#include "util/log.h"
#include "util/mem.h"

#define ERROR_BODY_BYTES_MAX ((size_t)64 * 1024)
#define REQUEST_BYTES_MAX ((size_t)32 * 1024 * 1024)
/* A short text comes as hundreds of bytes of JSON a piece. */
#define ANSWER_BODY_BYTES(max_answer_bytes) ((max_answer_bytes)*64 + (size_t)64 * 1024 * 1024)
/* How long an answer that is complete may take to end: after its finish_reason (usage follows), and
 * after [DONE]. */
#define FINISH_GRACE_MS 5000
#define DONE_GRACE_MS 500

enum ask_state {
    ASK_BORN,
    ASK_SENDING,
    ASK_STREAMING, /* the head said 2xx */
    ASK_REFUSED,   /* it said something else, and the body tells what */
    ASK_BACKOFF,
    ASK_FINISHED,
};

struct ask {
    struct exchange exchange; /* first */
    enum ask_state state;
    const struct llm_ask_handlers *handlers;
    void *arg;

    struct buf texts; /* of the messages, each with its NUL */
    struct llm_message *messages;
    size_t n_messages;

    unsigned repairs;
    int n_repairs;
    int n_tries;
    int n_retries;
    int64_t waited_ms;
    int64_t deadline_ms; /* of the loop's clock, over all tries */

    struct buf body;  /* of the request */
    uint64_t http_id; /* 0: none runs */
    bool is_stream_open;
    struct answer_stream stream;
    struct buf error_body;
    int http_status;
    char request_id[128];

    struct timer *timer;
    int64_t n_pieces_seen;
    int64_t last_piece_ms;
    struct problem problem;
};

static void send_request(struct ask *ask);

static void ask_set_state(struct ask *ask, enum ask_state state)
{
    static const char *const names[] = {"born",    "sending", "streaming",
                                        "refused", "backoff", "finished"};
    if (log_is_on(LOG_DEBUG))
        log_event(LOG_DEBUG, "llm", "ask_state", LOG_I("id", ask->exchange.id),
                  LOG_S("from", names[ask->state]), LOG_S("to", names[state]));
    ask->state = state;
    timer_cancel(&ask->timer);
}

static void stop_request(struct ask *ask)
{
    if (ask->http_id)
        http_client_cancel(ask->exchange.endpoint->client, ask->http_id);
    ask->http_id = 0;
}

static void close_stream(struct ask *ask)
{
    if (ask->is_stream_open)
        answer_stream_done(&ask->stream);
    ask->is_stream_open = false;
}

static void ask_free(struct ask *ask)
{
    stop_request(ask);
    timer_cancel(&ask->timer);
    close_stream(ask);
    buf_done(&ask->texts);
    buf_done(&ask->body);
    buf_done(&ask->error_body);
    free(ask->messages);
    free(ask);
}

static void cancel(struct exchange *exchange)
{
    ask_free((struct ask *)exchange);
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool has_text(const struct ask *ask)
{
    return ask->is_stream_open && ask->stream.text_bytes > 0;
}

/* Real numbers teach the estimate. */
static void calibrate(const struct ask *ask)
{
    struct endpoint *endpoint = ask->exchange.endpoint;
    if (!ask->is_stream_open || ask->stream.usage.prompt_tokens <= 0)
        return;
    int64_t estimate = tokens_estimate_messages(ask->messages, ask->n_messages);
    if (*endpoint->system_prompt)
        estimate += tokens_estimate(str_of(endpoint->system_prompt)) + 4;
    endpoint->llm.token_ratio =
        tokens_calibrate(endpoint->llm.token_ratio, estimate, ask->stream.usage.prompt_tokens);
}

static void deliver(void *arg)
{
    struct ask *ask = arg;
    ask->timer = NULL;
    struct llm_answer answer = {
        .outcome = {.failure = ask->problem.failure,
                    .error = ask->problem.error,
                    .peer_request_id = ask->request_id,
                    .tries = ask->n_tries},
        .is_partial = ask->problem.failure != LLM_OK && has_text(ask),
        .is_length_cut = ask->is_stream_open && ask->problem.failure == LLM_OK &&
                         (ask->stream.finish == ANSWER_FINISH_LENGTH ||
                          ask->stream.finish == ANSWER_FINISH_FULL),
        .usage = {.prompt_tokens = -1, .completion_tokens = -1},
        .model = ask->exchange.endpoint->model,
        .provider = ask->exchange.endpoint->llm.provider,
    };
    if (ask->is_stream_open)
        answer.usage = ask->stream.usage;
    calibrate(ask);
    exchange_remove(&ask->exchange);
    ask->handlers->on_done(ask->exchange.id, &answer, ask->arg);
    ask_free(ask);
}

static void finish(struct ask *ask)
{
    stop_request(ask);
    ask_set_state(ask, ASK_FINISHED);
    /* A timer and not loop_defer: cancelling takes it back. */
    ask->timer = timer_start(ask->exchange.endpoint->loop, 0, "llm ask done", deliver, ask);
}

/* Hands over what text has come. The exchange may be gone afterwards. */
static void hand_over(struct ask *ask)
{
    if (!ask->is_stream_open)
        return;
    if (ask->stream.is_retracted) {
        ask->stream.is_retracted = false;
        if (ask->handlers->on_retract)
            ask->handlers->on_retract(ask->exchange.id, ask->arg);
    }
    if (ask->stream.text.len == 0)
        return;
    struct str text = buf_str(&ask->stream.text);
    DB_CLEANUP(free_charp) char *bytes = buf_steal(&ask->stream.text);
    text.p = bytes;
    if (ask->handlers->on_text)
        ask->handlers->on_text(ask->exchange.id, text, ask->arg);
}

/* --- after a try ------------------------------------------------------------------------------ */

static int64_t time_left_ms(const struct ask *ask)
{
    return ask->deadline_ms - loop_now_ms(ask->exchange.endpoint->loop);
}

/* True when the refusal named something that can be written differently; then it is being sent. */
static bool try_repair(struct ask *ask)
{
    if (ask->n_repairs >= REPAIRS_MAX || time_left_ms(ask) <= 0)
        return false;
    const struct endpoint *endpoint = ask->exchange.endpoint;
    enum repair repair = repair_for(&ask->problem, ask->repairs);
    if (repair == REPAIR_NONE && ask->problem.failure == LLM_FAIL_MODEL &&
        !(ask->repairs & REPAIR_OTHER_DIALECT) &&
        endpoint->provider->dialect_of(endpoint->model, ask->repairs)->is_guess)
        repair = REPAIR_OTHER_DIALECT;
    if (repair == REPAIR_NONE)
        return false;
    unsigned repairs = ask->repairs | (unsigned)repair;
    struct buf body = BUF_INIT(REQUEST_BYTES_MAX);
    bool is_usable =
        dialect_write_body(endpoint->provider->dialect_of(endpoint->model, repairs), endpoint,
                           repairs, ask->messages, ask->n_messages, &body) == ST_OK;
    bool is_different = endpoint->provider->dialect_of(endpoint->model, repairs) !=
                            endpoint->provider->dialect_of(endpoint->model, ask->repairs) ||
                        !str_eq(buf_str(&body), buf_str(&ask->body));
    buf_done(&body);
    if (!is_usable || !is_different)
        return false;
    ask->repairs = repairs;
    ask->n_repairs++;
    send_request(ask);
    return true;
}

static void on_backoff_over(void *arg)
{
    struct ask *ask = arg;
    ask->timer = NULL;
    send_request(ask);
}

/* The try is over and `problem` says how. `response` is NULL when it was we who ended it. */
static void conclude(struct ask *ask, const struct http_response *response)
{
    struct endpoint *endpoint = ask->exchange.endpoint;
    stop_request(ask);
    if (ask->problem.failure == LLM_OK)
        endpoint->repairs |= ask->repairs;
    if (ask->problem.failure == LLM_OK || has_text(ask)) {
        finish(ask);
        return;
    }
    if (try_repair(ask))
        return;
    int64_t delay_ms =
        endpoint_retry_delay_ms(endpoint, &ask->problem, response, ask->n_retries, ask->waited_ms);
    if (delay_ms < 0 || time_left_ms(ask) <= delay_ms) {
        finish(ask);
        return;
    }
    ask->n_retries++;
    ask->waited_ms += delay_ms;
    ask_set_state(ask, ASK_BACKOFF);
    ask->timer = timer_start(endpoint->loop, delay_ms, "llm ask backoff", on_backoff_over, ask);
}

/* The stream has ended, failed, or is given up: `transfer` tells why nothing more comes. */
static void conclude_stream(struct ask *ask, const struct problem *transfer,
                            const struct http_response *response)
{
    answer_stream_finish(&ask->stream);
    answer_stream_judge(&ask->stream, transfer, &ask->problem);
    conclude(ask, response);
}

/* --- while it streams ------------------------------------------------------------------------- */

static void watch_progress(struct ask *ask);

/* When the silence has lasted too long. An answer that is complete need not be closed to be one. */
static int64_t silence_deadline_ms(const struct ask *ask)
{
    int64_t limit_ms = ask->exchange.endpoint->timeout_ms;
    if (answer_stream_is_whole(&ask->stream))
        limit_ms = ask->stream.is_done ? DONE_GRACE_MS : FINISH_GRACE_MS;
    return ask->last_piece_ms + limit_ms;
}

/* Comments keep a connection alive, but nobody waiting: only text and reasoning count. */
static void on_silence(void *arg)
{
    struct ask *ask = arg;
    ask->timer = NULL;
    if (loop_now_ms(ask->exchange.endpoint->loop) < silence_deadline_ms(ask)) {
        watch_progress(ask);
        return;
    }
    struct problem transfer;
    problem_set(&transfer, LLM_FAIL_TIMEOUT, true, "nothing but keep-alives within %lld ms",
                (long long)ask->exchange.endpoint->timeout_ms);
    conclude_stream(ask, &transfer, NULL);
    hand_over(ask);
}

static void watch_progress(struct ask *ask)
{
    struct loop *loop = ask->exchange.endpoint->loop;
    timer_cancel(&ask->timer);
    ask->timer = timer_start(loop, silence_deadline_ms(ask) - loop_now_ms(loop), "llm ask silence",
                             on_silence, ask);
}

/* A refusal whose body does not end is judged by what there is of it. */
static void on_endless_refusal(void *arg)
{
    struct ask *ask = arg;
    const struct http_response response = {
        .http_status = ask->http_status, .retry_after_s = -1, .should_retry = -1};
    ask->timer = NULL;
    problem_classify(&response, buf_str(&ask->error_body), &ask->problem);
    conclude(ask, &response);
}

static void on_head(uint64_t id, const struct http_response *head, void *arg)
{
    struct ask *ask = arg;
    struct loop *loop = ask->exchange.endpoint->loop;
    ask->http_status = head->http_status;
    (void)snprintf(ask->request_id, sizeof(ask->request_id), "%.*s", (int)head->request_id.n,
                   head->request_id.p);
    if (head->http_status >= 200 && head->http_status <= 299) {
        ask_set_state(ask, ASK_STREAMING);
        ask->n_pieces_seen = 0;
        ask->last_piece_ms = loop_now_ms(loop);
        watch_progress(ask);
    } else {
        ask_set_state(ask, ASK_REFUSED);
        ask->timer = timer_start(loop, ask->exchange.endpoint->timeout_ms, "llm ask refusal",
                                 on_endless_refusal, ask);
    }
}

static enum status on_data(uint64_t id, struct str bytes, void *arg)
{
    struct ask *ask = arg;
    if (ask->state == ASK_REFUSED) {
        size_t room = ERROR_BODY_BYTES_MAX - ask->error_body.len;
        (void)buf_add_str(&ask->error_body, str_sub(bytes, 0, room));
        return ST_OK;
    }
    bool was_whole = answer_stream_is_whole(&ask->stream);
    bool was_done = ask->stream.is_done;
    bool is_well = answer_stream_feed(&ask->stream, bytes);
    if (ask->stream.n_pieces != ask->n_pieces_seen)
        ask->last_piece_ms = loop_now_ms(ask->exchange.endpoint->loop);
    ask->n_pieces_seen = ask->stream.n_pieces;
    if (!is_well) {
        const struct problem none = {0};
        conclude_stream(ask, &none, NULL);
    } else if (was_whole != answer_stream_is_whole(&ask->stream) ||
               was_done != ask->stream.is_done) {
        ask->last_piece_ms = loop_now_ms(ask->exchange.endpoint->loop);
        watch_progress(ask);
    }
    hand_over(ask);
    return ST_OK;
}

static void on_done(uint64_t id, const struct http_response *response, void *arg)
{
    struct ask *ask = arg;
    ask->http_id = 0;
    struct problem transfer;
    problem_classify(response, buf_str(&ask->error_body), &transfer);
    if (ask->state == ASK_STREAMING) {
        conclude_stream(ask, &transfer, response);
        hand_over(ask);
        return;
    }
    ask->problem = transfer;
    conclude(ask, response);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void send_request(struct ask *ask)
{
    static const struct http_handlers handlers = {
        .on_head = on_head, .on_data = on_data, .on_done = on_done};
    struct endpoint *endpoint = ask->exchange.endpoint;
    const struct dialect *dialect = endpoint->provider->dialect_of(endpoint->model, ask->repairs);
    buf_clear(&ask->body);
    buf_clear(&ask->error_body);
    ask->request_id[0] = '\0';
    if (dialect_write_body(dialect, endpoint, ask->repairs, ask->messages, ask->n_messages,
                           &ask->body) != ST_OK) {
        problem_set(&ask->problem, LLM_FAIL_REQUEST, false,
                    "the question is not UTF-8, or too large");
        finish(ask);
        return;
    }
    close_stream(ask);
    answer_stream_init(&ask->stream, dialect, endpoint->max_answer_bytes);
    ask->is_stream_open = true;
    ask->n_tries++;
    ask_set_state(ask, ASK_SENDING);

    const char *headers[ENDPOINT_HEADERS_MAX];
    endpoint_headers(endpoint, true, headers);
    DB_CLEANUP(free_charp) char *url = endpoint_url(endpoint, endpoint->root, dialect->path);
    const struct http_request request = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .body = buf_str(&ask->body),
        .proxy = endpoint->proxy,
        .max_body_bytes = ANSWER_BODY_BYTES(endpoint->max_answer_bytes),
        .first_byte_timeout_ms = endpoint->timeout_ms,
        .idle_timeout_ms = endpoint->timeout_ms,
        .total_timeout_ms = time_left_ms(ask),
    };
    ask->http_id = http_client_start(endpoint->client, &request, &handlers, ask);
}

/* False when they are too large. */
static bool copy_messages(struct ask *ask, const struct llm_message *messages, size_t n_messages)
{
    ask->messages = xcalloc(n_messages + 1, sizeof(*ask->messages));
    ask->n_messages = n_messages;
    for (size_t i = 0; i < n_messages; i++) {
        (void)buf_puts(&ask->texts, messages[i].text);
        (void)buf_putc(&ask->texts, '\0');
    }
    if (buf_status(&ask->texts) != ST_OK)
        return false;
    const char *text = buf_cstr(&ask->texts);
    for (size_t i = 0; i < n_messages; i++) {
        ask->messages[i] = (struct llm_message){messages[i].role, text};
        text += strlen(text) + 1;
    }
    return true;
}

uint64_t endpoint_ask(struct endpoint *endpoint, const struct llm_message *messages,
                      size_t n_messages, const struct llm_ask_handlers *handlers, void *arg)
{
    struct ask *ask = xcalloc(1, sizeof(*ask));
    *ask = (struct ask){
        .handlers = handlers,
        .arg = arg,
        .texts = BUF_INIT(REQUEST_BYTES_MAX),
        .body = BUF_INIT(REQUEST_BYTES_MAX),
        .error_body = BUF_INIT(ERROR_BODY_BYTES_MAX),
        .repairs = endpoint->repairs,
        .deadline_ms = loop_now_ms(endpoint->loop) + endpoint->max_ask_ms,
    };
    uint64_t id = exchange_add(endpoint, &ask->exchange, cancel);
    if (copy_messages(ask, messages, n_messages)) {
        send_request(ask);
    } else {
        problem_set(&ask->problem, LLM_FAIL_TOO_LONG, false,
                    "the question is longer than %zu bytes", REQUEST_BYTES_MAX);
        finish(ask);
    }
    return id;
}
