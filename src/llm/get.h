/* Asking a provider for a JSON document (models, balances): a GET with the key, its deadline and
 * its one retry. Embedded in an exchange, which may ask for several, one after the other. */
#ifndef DB_LLM_GET_H
#define DB_LLM_GET_H

#include "llm/endpoint.h"

struct get;
/*
 * Exactly once for each start, never before it returned, not after get_stop. `value` is the
 * document, borrowed for the call, and NULL unless problem->failure is LLM_OK. The owner may start
 * the next one, or free what the get is embedded in.
 */
typedef void (*get_fn)(struct get *get, const struct problem *problem, const json_t *value);

struct get {
    struct endpoint *endpoint;
    get_fn fn;
    char *url;
    size_t max_bytes;
    uint64_t http_id; /* 0: none runs */
    struct timer *timer;
    int n_tries;
    int64_t waited_ms;
};

/* `url` moves in. The struct must be zero, or have been used before. The document is parsed on the
 * loop: `max_bytes` keeps that short. */
void get_start(struct get *get, struct endpoint *endpoint, char *url, size_t max_bytes, get_fn fn);
void get_stop(struct get *get); /* silently; also frees what it holds */

#endif
