/* Token estimate by classes of characters (weights fitted to the o200k vocabulary), calibrated from
 * the usage that providers report. */
#ifndef DB_LLM_TOKENS_H
#define DB_LLM_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "llm/llm.h"
#include "util/str.h"

/* Estimated tokens of one text, at least 1. Linear in its length. */
int64_t tokens_estimate(struct str text);
/* A whole request: the texts, 4 for each message and 3. */
int64_t tokens_estimate_messages(const struct llm_message *messages, size_t n_messages);
/* Moves the ratio a fifth of the way to actual/estimate, within 0.5…2.0; prompts under 200 tokens
 * say nothing. */
double tokens_calibrate(double ratio, int64_t estimate, int64_t actual);
/* What a budget must reckon with: estimate × ratio × 1.15, rounded up. */
int64_t tokens_budgeted(int64_t estimate, double ratio);

#endif
