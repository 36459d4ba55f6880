/*
 * What the files of the OpenAI provider share: the provider's own struct, the head that every
 * exchange begins with, and the helpers for requests. openai.c owns the struct and finds exchanges
 * by id; openai_ask.c, images.c and balance.c each own one kind of exchange.
 */
#ifndef DB_LLM_OPENAI_INTERNAL_H
#define DB_LLM_OPENAI_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llm/llm.h"
#include "llm/openai_body.h"
#include "llm/openai_error.h"
#include "net/backoff.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/work.h"
#include "util/map.h"

/* How failed tries are repeated; tests shorten the waiting. */
struct openai_retry {
    int max_retries; /* after the first try */
    struct backoff backoff;
    int64_t max_retry_after_ms; /* a peer that asks for more has failed for good */
    int64_t max_total_ms;       /* all waiting of one exchange */
};

struct openai {
    struct llm llm; /* first */
    struct loop *loop;
    struct http_client *client;
    struct work *work;
    struct map *exchanges; /* id → struct openai_exchange */
    uint64_t last_id;

    char *root;          /* no trailing slash */
    char *authorization; /* "Authorization: Bearer …"; NULL without a key */
    char *model;
    char *image_model;
    char *system_prompt;
    char *proxy;
    bool has_temperature;
    double temperature;
    int64_t max_answer_tokens;
    int64_t timeout_ms;
    int64_t max_ask_ms; /* all of a question, however busy the model keeps us; tests shorten it */
    int64_t image_timeout_ms;
    int64_t get_timeout_ms; /* first byte and silence of models and balances; tests shorten it */
    size_t max_answer_bytes;
    size_t max_image_bytes;

    unsigned repairs;       /* of answers: enum openai_repair, what endpoint and model refused */
    unsigned image_repairs; /* the same for image_model */
    struct openai_retry retry;
};

/* Embedded first in each kind of exchange. */
struct openai_exchange {
    uint64_t id;
    struct openai *openai;
    /* Stops requests and timers and frees the exchange, which is no longer in the map. No callback.
     */
    void (*cancel)(struct openai_exchange *exchange);
};

/* Names the exchange and puts it into the map; returns its id. */
uint64_t openai_exchange_add(struct openai *openai, struct openai_exchange *exchange,
                             void (*cancel)(struct openai_exchange *exchange));
/* Takes it out of the map, before its owner calls back and frees it. */
void openai_exchange_remove(struct openai_exchange *exchange);

/* One kind of exchange each; the ops of openai.c lead here. */
uint64_t openai_ask_start(struct openai *openai, const struct llm_message *messages,
                          size_t n_messages, const struct llm_ask_handlers *handlers, void *arg);
uint64_t openai_images_draw(struct openai *openai, const char *prompt, llm_image_fn fn, void *arg);
uint64_t openai_balance_ask(struct openai *openai, llm_balance_fn fn, void *arg);
uint64_t openai_check_start(struct openai *openai, llm_check_fn fn, void *arg);

/* Root + path ("/models"); the caller frees it. */
char *openai_url(const struct openai *openai, const char *path);
/* Header lines of a request to the provider, NULL-terminated; borrowed from `openai`. */
#define OPENAI_HEADERS_MAX 4
void openai_headers(const struct openai *openai, bool has_json_body,
                    const char *ret_lines[OPENAI_HEADERS_MAX]);

/*
 * How long to wait before the request is made again, or -1 when it must not be: the problem is
 * final, the peer says no (x-should-retry), asks for more than max_retry_after_ms, or the exchange
 * has had its share of tries or waiting. `response` may be NULL.
 */
int64_t openai_retry_delay_ms(const struct openai *openai, const struct openai_problem *problem,
                              const struct http_response *response, int n_retries,
                              int64_t waited_ms);

#endif
