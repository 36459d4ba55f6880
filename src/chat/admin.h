/* What administrators do in chat: reading and changing who may ask. Private to src/chat; the
 * commands' rows keep everybody else out. */
#ifndef DB_CHAT_ADMIN_H
#define DB_CHAT_ADMIN_H

#include <stdbool.h>

#include "chat/access.h"
#include "util/str.h"

struct turn;

/* What a command changes. */
struct admin_order {
    enum access_list list;
    bool is_adding;
};

/* Changes the list of the command's order by the ids that the argument names; without any, it shows
 * the list, or takes this group where the list is one of groups. */
void admin_change(struct turn *turn, struct str argument);
/* All lists, the newest changes, the commands. */
void admin_show(struct turn *turn, struct str argument);

/* The words that are not said. */
void admin_show_words(struct turn *turn, struct str argument);

#endif
