/* Anthropic's Messages, natively; also what others serve in the same form (DeepSeek's /anthropic,
 * Kimi, new-api). No images, and no balance to ask for. */
#ifndef DB_LLM_ANTHROPIC_H
#define DB_LLM_ANTHROPIC_H

#include "llm/endpoint.h"

#define ANTHROPIC_BASE_URL "https://api.anthropic.com"

extern const struct provider anthropic_provider;

#endif
