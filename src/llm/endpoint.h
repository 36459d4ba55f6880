/*
 * What the providers that are asked over HTTP share: one endpoint with its key and its models, the
 * head that every exchange begins with, and the helpers for requests. A provider is a row that says
 * what is its own (`struct provider`); ask.c, images.c, balance.c and check.c each own one kind of
 * exchange, whoever the provider is.
 */
#ifndef DB_LLM_ENDPOINT_H
#define DB_LLM_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llm/llm.h"
#include "llm/dialect.h"
#include "llm/problem.h"
#include "net/backoff.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/work.h"
#include "util/map.h"

/* How failed tries are repeated; tests shorten the waiting. */
struct endpoint_retry {
    int max_retries; /* after the first try */
    struct backoff backoff;
    int64_t max_retry_after_ms; /* a peer that asks for more has failed for good */
    int64_t max_total_ms;       /* all waiting of one exchange */
};

/* What is a provider's own. */
struct provider {
    const char *name;
    const char *key_header; /* what stands before the key */
    const char *header;     /* a further line of every request; NULL: none */
    const char *models_path;
    bool lists_models; /* by the names they are asked by */
    bool has_images;
    bool has_balance;
    const struct dialect *(*dialect_of)(const char *model, unsigned repairs);
};

struct endpoint_settings {
    const char *root;        /* from root_resolve; what follows are paths */
    const char *image_root;  /* NULL: root */
    const char *models_root; /* NULL: root */
    const char *query;       /* "?…" behind every path; NULL: none */
    const char *api_key;     /* "": none is sent */
    const char *model;
    const char *image_model;
    const char *system_prompt; /* "": none. Prepended to every question */
    const char *proxy;         /* "": none */
    bool has_alternative;      /* others stand by: what is slow or broken is not tried again */
    bool has_temperature;
    double temperature;
    int64_t max_answer_tokens; /* 0: not sent */
    int64_t timeout_ms;        /* first byte, and longest silence afterwards */
    int64_t image_timeout_ms;
    size_t max_answer_bytes;
    size_t max_image_bytes;
};

/* Copies the settings; borrows loop, client and work (where images are decoded), which must outlive
 * it. */
struct llm *endpoint_new(struct loop *loop, struct http_client *client, struct work *work,
                         const struct provider *provider, const struct endpoint_settings *settings);

struct endpoint {
    struct llm llm; /* first */
    const struct provider *provider;
    struct loop *loop;
    struct http_client *client;
    struct work *work;
    struct map *exchanges; /* id → struct exchange */
    uint64_t last_id;

    char *root; /* no trailing slash */
    char *image_root;
    char *models_root;
    char *query;
    char *authorization; /* the key's header line; NULL without a key */
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

    unsigned repairs;       /* of answers: enum repair, what endpoint and model refused */
    unsigned image_repairs; /* the same for image_model */
    bool has_alternative;
    struct endpoint_retry retry;
};

/* Embedded first in each kind of exchange. */
struct exchange {
    uint64_t id;
    struct endpoint *endpoint;
    /* Stops requests and timers and frees the exchange, which is no longer in the map. No callback.
     */
    void (*cancel)(struct exchange *exchange);
};

/* Names the exchange and puts it into the map; returns its id. */
uint64_t exchange_add(struct endpoint *endpoint, struct exchange *exchange,
                      void (*cancel)(struct exchange *exchange));
/* Takes it out of the map, before its owner calls back and frees it. */
void exchange_remove(struct exchange *exchange);

/* One kind of exchange each; the ops of endpoint.c lead here. */
uint64_t endpoint_ask(struct endpoint *endpoint, const struct llm_message *messages,
                      size_t n_messages, const struct llm_ask_handlers *handlers, void *arg);
uint64_t endpoint_draw(struct endpoint *endpoint, const char *prompt, llm_image_fn fn, void *arg);
uint64_t endpoint_balance(struct endpoint *endpoint, llm_balance_fn fn, void *arg);
uint64_t endpoint_check(struct endpoint *endpoint, llm_check_fn fn, void *arg);

/* Root + path ("/models") + query; the caller frees it. */
char *endpoint_url(const struct endpoint *endpoint, const char *root, const char *path);
/* Header lines of a request to the provider, NULL-terminated; borrowed from `endpoint`. */
#define ENDPOINT_HEADERS_MAX 5
void endpoint_headers(const struct endpoint *endpoint, bool has_json_body,
                      const char *ret_lines[ENDPOINT_HEADERS_MAX]);

/*
 * How long to wait before the request is made again, or -1 when it must not be: the problem is
 * final, the peer says no (x-should-retry), asks for more than max_retry_after_ms, or the exchange
 * has had its share of tries or waiting. `response` may be NULL.
 */
int64_t endpoint_retry_delay_ms(const struct endpoint *endpoint, const struct problem *problem,
                                const struct http_response *response, int n_retries,
                                int64_t waited_ms);

#endif
