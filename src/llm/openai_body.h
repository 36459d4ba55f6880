/* The two dialects of OpenAI and all who speak like it: chat completions, and the old completions.
 */
#ifndef DB_LLM_OPENAI_BODY_H
#define DB_LLM_OPENAI_BODY_H

#include "llm/dialect.h"

/* By the model's name: the old completion models, or chat; the other one with
 * REPAIR_OTHER_DIALECT. */
const struct dialect *openai_dialect_of(const char *model, unsigned repairs);

/* Does the model belong to the families that take max_completion_tokens only (o1…, gpt-5 and later,
 * not gpt-5-chat)? */
bool openai_is_reasoning_model(const char *model);

#endif
