/*
 * How an endpoint is asked and answers: a table of functions for each language that providers
 * speak. What an endpoint refuses is repaired once and remembered in struct endpoint.
 */
#ifndef DB_LLM_DIALECT_H
#define DB_LLM_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

#include "llm/llm.h"
#include "util/buf.h"
#include "util/json.h"
#include "util/status.h"

struct endpoint;
struct problem;

/* What must be written differently from the first guess. Bits, so that one request's repairs can be
 * counted. */
enum repair {
    REPAIR_NONE = 0,
    REPAIR_OTHER_TOKEN_LIMIT = 1 << 0, /* max_tokens ↔ max_completion_tokens, or a lower one */
    REPAIR_NO_TOKEN_LIMIT = 1 << 1,
    REPAIR_NO_TEMPERATURE = 1 << 2,
    REPAIR_NO_STREAM_OPTIONS = 1 << 3,
    REPAIR_NO_STOP = 1 << 4,
    REPAIR_NO_RESPONSE_FORMAT = 1 << 5, /* images only */
    REPAIR_NO_STREAM = 1 << 6,
    REPAIR_SYSTEM_AS_USER = 1 << 7,
    REPAIR_OTHER_DIALECT = 1 << 8, /* chat ↔ completions */
};
#define REPAIRS_MAX 3 /* distinct ones in one exchange */

enum answer_finish {
    ANSWER_FINISH_NONE, /* not yet */
    ANSWER_FINISH_STOP,
    ANSWER_FINISH_LENGTH,
    ANSWER_FINISH_FULL, /* the model's context is full */
    ANSWER_FINISH_FILTER,
    ANSWER_FINISH_ERROR, /* the peer gave up in the middle */
};

/* What one event of a stream, or a whole answer, holds. Borrowed from the JSON. */
struct answer_piece {
    const json_t *texts[2];  /* strings, or arrays of parts; NULL where absent */
    const json_t *reasoning; /* never shown */
    enum answer_finish finish;
    bool is_answer;         /* it has the form of one */
    bool is_end;            /* nothing follows */
    struct llm_usage usage; /* -1: not told here */
};

/* One way of asking. */
struct dialect {
    const char *name;
    const char *path; /* below the root */
    bool is_guess;    /* by the name: a 404 may mean that the model is asked the other way */
    bool has_stream_options;
    /* Puts the question and what belongs to it into the body. */
    void (*put_question)(json_t *body, const struct endpoint *endpoint, unsigned repairs,
                         const struct llm_message *messages, size_t n_messages);
    void (*read_value)(const json_t *value, struct answer_piece *ret_piece);
};

/* The whole body as JSON text, appended to `out`. ST_INVAL for texts that are not UTF-8. */
enum status dialect_write_body(const struct dialect *dialect, const struct endpoint *endpoint,
                               unsigned repairs, const struct llm_message *messages,
                               size_t n_messages, struct buf *out) DB_MUST_CHECK;

/* The repair that a refusal asks for: one bit that is not in `done`, the ones that the refused
 * request had, or REPAIR_NONE. Whether it changes anything in the request is the caller's to see.
 */
enum repair repair_for(const struct problem *problem, unsigned done);

#endif
