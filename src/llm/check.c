/* Whether the endpoint answers and knows the model: GET /models. */
#include <stdio.h>
#include <stdlib.h>

#include "llm/get.h"
#include "util/json.h"
#include "util/mem.h"

#define DOCUMENT_BYTES_MAX ((size_t)8 * 1024 * 1024) /* long lists of models have a megabyte */
#define CANDIDATES_MAX 1000                          /* for a similar name, which is slow to find */

struct check {
    struct exchange exchange; /* first */
    struct get get;
    llm_check_fn fn;
    void *arg;
    struct llm_check result;
};

static void check_free(struct check *check)
{
    get_stop(&check->get);
    free(check);
}

static void cancel(struct exchange *exchange)
{
    check_free((struct check *)exchange);
}

/* Google's list calls them models/NAME. */
static struct str bare_name(struct str id)
{
    const struct str prefix = STR_LIT("models/");
    return str_starts(id, prefix) ? str_sub(id, prefix.n, id.n) : id;
}

/* Terminals show it: no control bytes, and nothing that looks like something else. */
static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= ' ' || text.p[i] > '~')
            return false;
    }
    return text.n > 0;
}

static void read_model(struct llm_check *result, const json_t *entry)
{
    struct str date = json_str(entry, "shutdown_date");
    result->is_model_known = true;
    result->nearest[0] = '\0';
    if (is_printable(date) && date.n < sizeof(result->shutdown_date))
        (void)snprintf(result->shutdown_date, sizeof(result->shutdown_date), "%.*s", (int)date.n,
                       date.p);
}

static void read_list(struct llm_check *result, const json_t *list, struct str wanted)
{
    size_t best = wanted.n / 3 + 1; /* further away is another model */
    size_t i;
    const json_t *entry;
    result->has_model_list = true;
    json_array_foreach(list, i, entry)
    {
        struct str id = json_str(entry, "id");
        struct str name = bare_name(id);
        if (str_eq(id, wanted) || str_eq(name, wanted)) {
            read_model(result, entry);
            return;
        }
        if (i >= CANDIDATES_MAX || !is_printable(name) || name.n >= sizeof(result->nearest))
            continue;
        size_t distance = str_distance(name, wanted);
        if (distance <= best) {
            best = distance - 1; /* at least 1: it is another name */
            (void)snprintf(result->nearest, sizeof(result->nearest), "%.*s", (int)name.n, name.p);
        }
    }
}

static void on_models(struct get *get, const struct problem *problem, const json_t *value)
{
    struct check *check = (struct check *)(void *)((char *)get - offsetof(struct check, get));
    struct endpoint *endpoint = check->exchange.endpoint;
    struct llm_check *result = &check->result;
    /* Together's answer is the bare list. */
    const json_t *list = json_is_array(value) ? value : json_object_get(value, "data");
    result->outcome = (struct llm_outcome){.failure = problem->failure,
                                           .error = problem->error,
                                           .peer_request_id = "",
                                           .tries = get->n_tries};
    if (json_is_array(list) && endpoint->provider->lists_models) {
        read_list(result, list, str_of(endpoint->model));
    } else if (problem->failure == LLM_OK || problem->http_status == 404 ||
               problem->http_status == 405 || problem->http_status == 501) {
        result->outcome.failure = LLM_OK; /* it answers, and has no list */
        result->outcome.error = (struct error){0};
    }
    exchange_remove(&check->exchange);
    check->fn(check->exchange.id, result, check->arg);
    check_free(check);
}

uint64_t endpoint_check(struct endpoint *endpoint, llm_check_fn fn, void *arg)
{
    struct check *check = xcalloc(1, sizeof(*check));
    check->fn = fn;
    check->arg = arg;
    uint64_t id = exchange_add(endpoint, &check->exchange, cancel);
    get_start(&check->get, endpoint,
              endpoint_url(endpoint, endpoint->models_root, endpoint->provider->models_path),
              DOCUMENT_BYTES_MAX, on_models);
    return id;
}
