/* The OpenAI dialect: chat completions, the old completions, images, balances, over an http_client.
 */
#ifndef DB_LLM_OPENAI_H
#define DB_LLM_OPENAI_H

#include "llm/endpoint.h"

extern const struct provider openai_provider;

#endif
