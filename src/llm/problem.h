/*
 * What an answer that is no answer means: the transfer's error, HTTP status and error body, or the
 * error object inside a stream that began with 200 → an `enum llm_failure` and a reason for the
 * operator.
 */
#ifndef DB_LLM_PROBLEM_H
#define DB_LLM_PROBLEM_H

#include <stdbool.h>

#include "llm/llm.h"
#include "net/http_client.h"
#include "util/json.h"
#include "util/status.h"
#include "util/str.h"

struct problem {
    enum llm_failure failure; /* LLM_OK: there is none */
    bool is_retryable;        /* the same request may do better later */
    bool is_final;            /* not even when the peer says so: keys, money, permission */
    int http_status;          /* 0 when no answer came */
    struct error error;       /* "HTTP 401 invalid_api_key: …", masked, at most 200 bytes */
    /* The peer's own words for repair_for, unmasked; never to be logged. */
    char param[64];
    char message[512];
};

/* Reads the end of a request; `body` is what was collected of the answer (response->body, or the
 * owner's own buffer when it streamed). LLM_OK for a whole 2xx answer, whose body is not looked at.
 */
void problem_classify(const struct http_response *response, struct str body,
                      struct problem *ret_problem);
/* Reads a JSON answer with status 2xx, or one event of a stream: LLM_OK when it carries no error.
 */
void problem_classify_json(const json_t *value, struct problem *ret_problem);
/* The same for what can be nothing but an error. */
void problem_classify_error(const json_t *value, struct problem *ret_problem);
/* A problem of our own finding, in words that are ours. */
void problem_set(struct problem *problem, enum llm_failure failure, bool is_retryable,
                 const char *fmt, ...) DB_PRINTF(4, 5);

#endif
