/* The commands about what was said: links for administrators, and one's own wish to be forgotten.
 * Private to src/chat. */
#ifndef DB_CHAT_HISTORY_H
#define DB_CHAT_HISTORY_H

#include "util/str.h"

struct turn;

/* How to ask for a link. */
void history_explain(struct turn *turn, struct str argument);
/* A link to what the argument describes; asking for it is in the audit. */
void history_give_link(struct turn *turn, struct str argument);

/* What would be forgotten, and how to say that it shall be. */
void history_ask_to_forget(struct turn *turn, struct str argument);
void history_forget(struct turn *turn, struct str argument);

#endif
