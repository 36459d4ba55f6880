/*
 * Several models as one: an llm over others. A question goes to the model that its asker chose,
 * else to the first one, and to the next ones when it fails before the first word for reasons that
 * are not the question's. A model that keeps failing rests (breaker.h) and comes back.
 *
 * A model may have several keys: its questions take turns with them, and a key that is refused
 * rests on its own. When everything rests, what has rested longest is asked all the same.
 */
#ifndef DB_LLM_POOL_H
#define DB_LLM_POOL_H

#include <stddef.h>

#include "llm/breaker.h"
#include "llm/llm.h"
#include "net/loop.h"

#define POOL_MODELS_MAX 32

/* Empty; at least one model must be added before anything is asked. Borrows the loop. */
struct llm *pool_new(struct loop *loop, const struct breaker_rules *rules);
/* The same name again is another key of that model. `member` moves in. The name is copied. */
void pool_add_take(struct llm *llm, const char *name, struct llm *member);
/* Every llm in it, one after the other, for those who want to ask each: NULL after the last. */
struct llm *pool_member(struct llm *llm, size_t i, const char **ret_name);

#endif
