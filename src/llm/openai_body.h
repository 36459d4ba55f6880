/*
 * Request bodies. A dialect says where questions go and how they are written; the parameters that
 * an endpoint refuses are repaired once and remembered in struct openai.
 */
#ifndef DB_LLM_OPENAI_BODY_H
#define DB_LLM_OPENAI_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "llm/llm.h"
#include "util/buf.h"
#include "util/json.h"
#include "util/status.h"

struct openai;
struct openai_problem;

/* What must be written differently from the first guess. Bits, so that one request's repairs can be
 * counted. */
enum openai_repair {
    OPENAI_REPAIR_NONE = 0,
    OPENAI_OTHER_TOKEN_LIMIT = 1 << 0, /* max_tokens ↔ max_completion_tokens */
    OPENAI_NO_TOKEN_LIMIT = 1 << 1,
    OPENAI_NO_TEMPERATURE = 1 << 2,
    OPENAI_NO_STREAM_OPTIONS = 1 << 3,
    OPENAI_NO_STOP = 1 << 4,
    OPENAI_NO_RESPONSE_FORMAT = 1 << 5, /* images only */
    OPENAI_NO_STREAM = 1 << 6,
    OPENAI_SYSTEM_AS_USER = 1 << 7,
    OPENAI_OTHER_DIALECT = 1 << 8, /* chat ↔ completions */
};
#define OPENAI_REPAIRS_MAX 3 /* distinct ones in one exchange */

/* What one choice of an answer, or of one event of its stream, holds. Borrowed from the JSON. */
struct openai_choice {
    const json_t *texts[2];  /* strings, or arrays of parts; NULL where absent */
    const json_t *reasoning; /* never shown */
    const json_t *finish;    /* a string, or null until the end */
};

/* One way of asking. */
struct openai_dialect {
    const char *name;
    const char *path; /* below the root */
    bool is_guess;    /* by the name: a 404 may mean that the model is asked the other way */
    /* Puts the question and what belongs to it into the body. */
    void (*put_question)(json_t *body, const struct openai *openai, unsigned repairs,
                         const struct llm_message *messages, size_t n_messages);
    void (*read_choice)(const json_t *choice, struct openai_choice *ret_choice);
};

/* By the model's name: the old completion models, or chat; the other one with
 * OPENAI_OTHER_DIALECT. */
const struct openai_dialect *openai_dialect_of(const char *model, unsigned repairs);

/* The whole body as JSON text, appended to `out`. ST_INVAL for texts that are not UTF-8. */
enum status openai_body_write(const struct openai *openai, unsigned repairs,
                              const struct llm_message *messages, size_t n_messages,
                              struct buf *out) DB_MUST_CHECK;

/* Does the model belong to the families that take max_completion_tokens only (o1…, gpt-5 and later,
 * not gpt-5-chat)? */
bool openai_is_reasoning_model(const char *model);

/* The repair that a refusal asks for: one bit that is not in `done`, the ones that the refused
 * request had, or OPENAI_REPAIR_NONE. Whether it changes anything in the request is the caller's to
 * see. */
enum openai_repair openai_repair_for(const struct openai_problem *problem, unsigned done);

#endif
