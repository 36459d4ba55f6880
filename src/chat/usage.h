/* The commands about how much was used. Private to src/chat. */
#ifndef DB_CHAT_USAGE_H
#define DB_CHAT_USAGE_H

#include "util/str.h"

struct turn;

/* One's own: today, this month, what is left of today. */
void usage_show_own(struct turn *turn, struct str argument);
/* Everybody's, for administrators: sums, the people, groups and models with the most requests, and
 * the platform's metered calls. In a group without people's ids. */
void usage_show_all(struct turn *turn, struct str argument);

#endif
