/*
 * The built-in stand-in for an LLM, for trying the bridge without an account: streams a marked
 * canned answer that echoes the question, draws a small picture of its own, reports an invented
 * balance. Everything it says names itself a demo.
 */
#ifndef DB_LLM_DEMO_H
#define DB_LLM_DEMO_H

#include <stdbool.h>

#include "llm/llm.h"
#include "net/loop.h"

/* chunk_delay_ms paces the stream. */
struct llm *demo_new(struct loop *loop, bool is_english, int64_t chunk_delay_ms);

#endif
