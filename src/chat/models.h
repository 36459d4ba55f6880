/* Which models there are, and choosing one for a session. Private to src/chat. */
#ifndef DB_CHAT_MODELS_H
#define DB_CHAT_MODELS_H

#include "util/str.h"

struct turn;

/* The command: lists the models, or chooses the one that the argument names. */
void models_run(struct turn *turn, struct str argument);
/* The model that the session's question is to go to first; NULL: the default. A choice that was
 * made earlier counts as long as its maker may choose. */
const char *models_wanted(const struct turn *turn);

#endif
