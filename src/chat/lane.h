/* One turn a session at a time: the queue of a session's turns, in the order of their arrival. */
#ifndef DB_CHAT_LANE_H
#define DB_CHAT_LANE_H

#include <stdbool.h>

#include "store/store.h"
#include "util/list.h"
#include "util/map.h"

struct lane; /* lives as long as a turn is in it */

/* Puts the node at the end of its session's lane. */
struct lane *lane_enter(struct map *lanes, const struct store_session_key *key, struct list *node);
bool lane_is_first(const struct lane *lane, const struct list *node);
/* Takes the node out. Returns the node whose turn has come by that, or NULL: one that leaves from
 * behind (a duplicate) moves nobody on, and the lane is gone with its last node. */
struct list *lane_leave(struct map *lanes, struct lane *lane, struct list *node);
/* The first node of a session's lane, or NULL. */
struct list *lane_first(const struct map *lanes, const struct store_session_key *key);

#endif
