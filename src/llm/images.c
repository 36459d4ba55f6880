/*
 * An image: asked for, and downloaded where the answer is a link.
 *
 *              ┌──── repaired, or BACKOFF and again ─────┐
 *              ↓                                         │
 *     BORN → ASKING → READING → (judged: bytes) ─────────┼──→ FINISHED ──→ fn, freed
 *                        └─ a link ─→ FETCHING → (judged)┘
 *
 * One deadline, the operator's image_timeout, stands over all of it. Reading is the worker's; an
 * exchange that ends meanwhile leaves it to itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llm/image_answer.h"
#include "llm/endpoint.h"
#include "util/json.h"
#include "util/log.h"
#include "util/mem.h"

#define PROMPT_BYTES_MAX ((size_t)256 * 1024)

enum draw_state {
    DRAW_BORN,
    DRAW_ASKING,
    DRAW_READING,
    DRAW_FETCHING,
    DRAW_BACKOFF,
    DRAW_FINISHED,
};

struct draw;

/* A job of the worker's, which outlives an exchange that has ended. */
struct reading {
    struct draw *draw; /* NULL: nobody waits for it any more */
    struct image_answer *answer;
};

struct draw {
    struct exchange exchange; /* first */
    enum draw_state state;
    llm_image_fn fn;
    void *arg;
    struct buf prompt;
    unsigned repairs;
    int n_tries;
    int n_retries;
    int64_t waited_ms;
    int64_t deadline_ms; /* of the loop's clock */
    uint64_t http_id;    /* 0: none runs */
    struct timer *timer;
    struct reading *reading; /* NULL: none runs */
    char *link;              /* where the image is; NULL while it is being asked for */
    struct buf body;         /* of the answer, as it comes: copying it would hold the loop */
    struct buf bytes;        /* of the image */
    char request_id[128];
    struct problem problem;
};

static void ask_for_image(struct draw *draw);
static void fetch_image(struct draw *draw);

static void draw_set_state(struct draw *draw, enum draw_state state)
{
    static const char *const names[] = {"born",     "asking",  "reading",
                                        "fetching", "backoff", "finished"};
    if (log_is_on(LOG_DEBUG))
        log_event(LOG_DEBUG, "llm", "draw_state", LOG_I("id", draw->exchange.id),
                  LOG_S("from", names[draw->state]), LOG_S("to", names[state]));
    draw->state = state;
    timer_cancel(&draw->timer);
}

static void leave_reading(struct draw *draw)
{
    if (draw->reading)
        draw->reading->draw = NULL;
    draw->reading = NULL;
}

static void draw_free(struct draw *draw)
{
    leave_reading(draw);
    if (draw->http_id)
        http_client_cancel(draw->exchange.endpoint->client, draw->http_id);
    timer_cancel(&draw->timer);
    buf_done(&draw->prompt);
    buf_done(&draw->body);
    buf_done(&draw->bytes);
    free(draw->link);
    free(draw);
}

static void cancel(struct exchange *exchange)
{
    draw_free((struct draw *)exchange);
}

/* ---- the end ---- */

static void deliver(void *arg)
{
    struct draw *draw = arg;
    draw->timer = NULL;
    const struct image_type *type =
        draw->problem.failure == LLM_OK ? image_type_of(buf_str(&draw->bytes)) : NULL;
    struct llm_image image = {
        .outcome = {.failure = draw->problem.failure,
                    .error = draw->problem.error,
                    .peer_request_id = draw->request_id,
                    .tries = draw->n_tries},
        .bytes = type ? buf_str(&draw->bytes) : STR_LIT(""),
        .content_type = type ? type->content_type : "",
        .extension = type ? type->extension : "",
        .model = draw->exchange.endpoint->image_model,
        .provider = draw->exchange.endpoint->llm.provider,
    };
    exchange_remove(&draw->exchange);
    draw->fn(draw->exchange.id, &image, draw->arg);
    draw_free(draw);
}

static void finish(struct draw *draw)
{
    struct endpoint *endpoint = draw->exchange.endpoint;
    if (draw->problem.failure == LLM_OK) {
        endpoint->image_repairs |= draw->repairs;
        if (!image_type_of(buf_str(&draw->bytes)))
            problem_set(&draw->problem, LLM_FAIL_GARBLED, false,
                        "%zu bytes that are no PNG, JPEG, GIF or WebP", draw->bytes.len);
    }
    draw_set_state(draw, DRAW_FINISHED);
    /* A timer and not loop_defer: cancelling takes it back. */
    draw->timer = timer_start(endpoint->loop, 0, "llm draw done", deliver, draw);
}

static void finish_late(struct draw *draw)
{
    problem_set(&draw->problem, LLM_FAIL_TIMEOUT, false, "no image within %lld ms",
                (long long)draw->exchange.endpoint->image_timeout_ms);
    finish(draw);
}

/* False when the time is up: then it is finished. */
static bool take_time(struct draw *draw, int64_t *ret_left_ms)
{
    *ret_left_ms = draw->deadline_ms - loop_now_ms(draw->exchange.endpoint->loop);
    if (*ret_left_ms > 0)
        return true;
    finish_late(draw);
    return false;
}

/* ---- after a try ---- */

static bool wants_response_format(const struct draw *draw)
{
    const char *name = draw->exchange.endpoint->image_model;
    const char *slash = strrchr(name, '/'); /* relays write "openai/gpt-image-2" */
    struct str model = str_of(slash ? slash + 1 : name);
    return !str_starts_nocase(model, STR_LIT("gpt-image-")) &&
           !str_starts_nocase(model, STR_LIT("chatgpt-image-")) &&
           !(draw->repairs & REPAIR_NO_RESPONSE_FORMAT);
}

static bool try_repair(struct draw *draw)
{
    if (draw->link || !wants_response_format(draw) ||
        repair_for(&draw->problem, draw->repairs) != REPAIR_NO_RESPONSE_FORMAT)
        return false;
    draw->repairs |= REPAIR_NO_RESPONSE_FORMAT;
    ask_for_image(draw);
    return true;
}

static void on_backoff_over(void *arg)
{
    struct draw *draw = arg;
    draw->timer = NULL;
    if (draw->link)
        fetch_image(draw);
    else
        ask_for_image(draw);
}

static void conclude_failed(struct draw *draw, const struct http_response *response)
{
    struct endpoint *endpoint = draw->exchange.endpoint;
    if (try_repair(draw))
        return;
    int64_t delay_ms = endpoint_retry_delay_ms(endpoint, &draw->problem, response, draw->n_retries,
                                               draw->waited_ms);
    if (delay_ms < 0 || loop_now_ms(endpoint->loop) + delay_ms >= draw->deadline_ms) {
        finish(draw);
        return;
    }
    draw->n_retries++;
    draw->waited_ms += delay_ms;
    draw_set_state(draw, DRAW_BACKOFF);
    draw->timer = timer_start(endpoint->loop, delay_ms, "llm draw backoff", on_backoff_over, draw);
}

/* ---- what came ---- */

static void do_read(void *arg)
{
    image_answer_read(((struct reading *)arg)->answer);
}

static void on_read(void *arg)
{
    struct reading *reading = arg;
    struct draw *draw = reading->draw;
    struct image_answer *answer = reading->answer;
    free(reading);
    if (draw) {
        draw->reading = NULL;
        draw->problem = answer->problem;
        draw->link = answer->link;
        answer->link = NULL;
        buf_done(&draw->bytes);
        draw->bytes = answer->bytes;
        answer->bytes = BUF_INIT(1);
    }
    image_answer_free(answer);
    if (!draw)
        return;
    if (draw->problem.failure != LLM_OK)
        conclude_failed(draw, NULL);
    else if (draw->link)
        fetch_image(draw);
    else
        finish(draw);
}

static void on_time_up(void *arg)
{
    struct draw *draw = arg;
    draw->timer = NULL;
    leave_reading(draw);
    finish_late(draw);
}

static void read_answer(struct draw *draw)
{
    struct endpoint *endpoint = draw->exchange.endpoint;
    int64_t left_ms;
    draw_set_state(draw, DRAW_READING);
    if (!take_time(draw, &left_ms))
        return;
    draw->timer = timer_start(endpoint->loop, left_ms, "llm draw reading", on_time_up, draw);
    draw->reading = xcalloc(1, sizeof(*draw->reading));
    *draw->reading =
        (struct reading){draw, image_answer_new_take(&draw->body, endpoint->max_image_bytes)};
    work_run(endpoint->work, do_read, on_read, draw->reading);
}

static enum status on_answer_bytes(uint64_t id, struct str bytes, void *arg)
{
    return buf_add_str(&((struct draw *)arg)->body, bytes);
}

static enum status on_image_bytes(uint64_t id, struct str bytes, void *arg)
{
    return buf_add_str(&((struct draw *)arg)->bytes, bytes);
}

static void on_answered(uint64_t id, const struct http_response *response, void *arg)
{
    struct draw *draw = arg;
    draw->http_id = 0;
    (void)snprintf(draw->request_id, sizeof(draw->request_id), "%.*s", (int)response->request_id.n,
                   response->request_id.p);
    problem_classify(response, buf_str(&draw->body), &draw->problem);
    if (draw->problem.failure == LLM_OK)
        read_answer(draw);
    else
        conclude_failed(draw, response);
}

/* Where the image lies is not the provider: its refusals say nothing about keys and models. */
static void judge_download(const struct http_response *response, struct problem *problem)
{
    problem_classify(response, STR_LIT(""), problem);
    int http_status = problem->http_status;
    if (http_status < 300 || problem->is_retryable)
        return;
    problem_set(problem, LLM_FAIL_GARBLED, false, "the link to the image leads to HTTP %d",
                http_status);
    problem->http_status = http_status;
    problem->error.code = http_status;
}

static void on_fetched(uint64_t id, const struct http_response *response, void *arg)
{
    struct draw *draw = arg;
    draw->http_id = 0;
    judge_download(response, &draw->problem);
    if (draw->problem.failure != LLM_OK) {
        conclude_failed(draw, response);
        return;
    }
    finish(draw);
}

/* ---- requests ---- */

static json_t *body_of(const struct draw *draw)
{
    json_t *body = json_pack("{s:s, s:s#, s:i}", "model", draw->exchange.endpoint->image_model,
                             "prompt", buf_cstr(&draw->prompt), (int)draw->prompt.len, "n", 1);
    if (body && wants_response_format(draw))
        (void)json_object_set_new(body, "response_format", json_string("b64_json"));
    return body;
}

static void ask_for_image(struct draw *draw)
{
    static const struct http_handlers handlers = {.on_data = on_answer_bytes,
                                                  .on_done = on_answered};
    struct endpoint *endpoint = draw->exchange.endpoint;
    struct buf text = BUF_INIT(2 * PROMPT_BYTES_MAX);
    DB_CLEANUP(json_unref) json_t *body = body_of(draw);
    int64_t left_ms;
    buf_clear(&draw->body);
    draw_set_state(draw, DRAW_ASKING);
    if (!body || json_write(body, &text) != ST_OK) {
        problem_set(&draw->problem, LLM_FAIL_REQUEST, false,
                    "the description is not UTF-8, or too long");
        finish(draw);
    } else if (take_time(draw, &left_ms)) {
        const char *headers[ENDPOINT_HEADERS_MAX];
        endpoint_headers(endpoint, true, headers);
        DB_CLEANUP(free_charp)
        char *url = endpoint_url(endpoint, endpoint->image_root, "/images/generations");
        const struct http_request request = {
            .method = "POST",
            .url = url,
            .headers = headers,
            .body = buf_str(&text),
            .proxy = endpoint->proxy,
            .max_body_bytes = draw->body.max,
            .first_byte_timeout_ms = left_ms,
            .idle_timeout_ms = left_ms,
            .total_timeout_ms = left_ms,
        };
        draw->n_tries++;
        draw->http_id = http_client_start(endpoint->client, &request, &handlers, draw);
    }
    buf_done(&text);
}

/* Without the key: the link may lead to anybody. */
static void fetch_image(struct draw *draw)
{
    static const struct http_handlers handlers = {.on_data = on_image_bytes, .on_done = on_fetched};
    struct endpoint *endpoint = draw->exchange.endpoint;
    int64_t left_ms;
    buf_clear(&draw->bytes);
    draw_set_state(draw, DRAW_FETCHING);
    if (!take_time(draw, &left_ms))
        return;
    const struct http_request request = {
        .method = "GET",
        .url = draw->link,
        .proxy = endpoint->proxy,
        .max_body_bytes = endpoint->max_image_bytes,
        .total_timeout_ms = left_ms,
    };
    draw->http_id = http_client_start(endpoint->client, &request, &handlers, draw);
}

uint64_t endpoint_draw(struct endpoint *endpoint, const char *prompt, llm_image_fn fn, void *arg)
{
    struct draw *draw = xcalloc(1, sizeof(*draw));
    *draw = (struct draw){
        .fn = fn,
        .arg = arg,
        .prompt = BUF_INIT(PROMPT_BYTES_MAX),
        /* base64 is a third longer; the rest of the document is small. */
        .body = BUF_INIT(endpoint->max_image_bytes / 3 * 4 + (size_t)1024 * 1024),
        .bytes = BUF_INIT(endpoint->max_image_bytes),
        .repairs = endpoint->image_repairs,
        .deadline_ms = loop_now_ms(endpoint->loop) + endpoint->image_timeout_ms,
    };
    uint64_t id = exchange_add(endpoint, &draw->exchange, cancel);
    if (!endpoint->provider->has_images || !*endpoint->image_model) {
        problem_set(&draw->problem, LLM_FAIL_UNSUPPORTED, false, "%s draws no images",
                    *endpoint->image_model ? endpoint->llm.provider : "it has no image_model and");
        finish(draw);
    } else if (buf_puts(&draw->prompt, prompt) == ST_OK) {
        ask_for_image(draw);
    } else {
        problem_set(&draw->problem, LLM_FAIL_TOO_LONG, false,
                    "the description is longer than %zu bytes", PROMPT_BYTES_MAX);
        finish(draw);
    }
    return id;
}
