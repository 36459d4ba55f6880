#include "llm/get.h"

#include <stdlib.h>

#include "util/json.h"
#include "util/mem.h"

#define RETRIES 1

static void send_request(struct get *get);

static void on_backoff_over(void *arg)
{
    struct get *get = arg;
    get->timer = NULL;
    send_request(get);
}

static bool try_again(struct get *get, const struct problem *problem,
                      const struct http_response *response)
{
    int64_t delay_ms = get->n_tries > RETRIES
                           ? -1
                           : endpoint_retry_delay_ms(get->endpoint, problem, response,
                                                     get->n_tries - 1, get->waited_ms);
    if (delay_ms < 0 || delay_ms > get->endpoint->get_timeout_ms)
        return false;
    get->waited_ms += delay_ms;
    get->timer = timer_start(get->endpoint->loop, delay_ms, "llm get", on_backoff_over, get);
    return true;
}

static void on_done(uint64_t id, const struct http_response *response, void *arg)
{
    struct get *get = arg;
    struct problem problem;
    DB_CLEANUP(json_unref) json_t *value = NULL;
    struct error error;
    get->http_id = 0;
    problem_classify(response, response->body, &problem);
    if (problem.failure == LLM_OK && json_parse_lenient(response->body, &value, &error) != ST_OK)
        problem_set(&problem, LLM_FAIL_GARBLED, false, "no JSON: %s", error.text);
    else if (problem.failure == LLM_OK)
        problem_classify_json(value, &problem);
    if (problem.failure != LLM_OK && try_again(get, &problem, response))
        return;
    get->fn(get, &problem, problem.failure == LLM_OK ? value : NULL);
}

static void send_request(struct get *get)
{
    static const struct http_handlers handlers = {.on_done = on_done};
    const char *headers[ENDPOINT_HEADERS_MAX];
    endpoint_headers(get->endpoint, false, headers);
    const struct http_request request = {
        .method = "GET",
        .url = get->url,
        .headers = headers,
        .proxy = get->endpoint->proxy,
        .max_body_bytes = get->max_bytes,
        .first_byte_timeout_ms = get->endpoint->get_timeout_ms,
        .idle_timeout_ms = get->endpoint->get_timeout_ms,
        .total_timeout_ms = 2 * get->endpoint->get_timeout_ms,
    };
    get->n_tries++;
    get->http_id = http_client_start(get->endpoint->client, &request, &handlers, get);
}

void get_start(struct get *get, struct endpoint *endpoint, char *url, size_t max_bytes, get_fn fn)
{
    get_stop(get);
    *get = (struct get){.endpoint = endpoint, .fn = fn, .url = url, .max_bytes = max_bytes};
    send_request(get);
}

void get_stop(struct get *get)
{
    if (get->http_id)
        http_client_cancel(get->endpoint->client, get->http_id);
    get->http_id = 0;
    timer_cancel(&get->timer);
    free(get->url);
    get->url = NULL;
}
