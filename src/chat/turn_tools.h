/* Commands that look something up without a model: #域名 and #证书. Private to src/chat. */
#ifndef DB_CHAT_TURN_TOOLS_H
#define DB_CHAT_TURN_TOOLS_H

#include <stdbool.h>

#include "util/str.h"

struct turn;

/* Whether the sender may use them, by the key tools_for. */
bool turn_tools_are_open(const struct turn *turn);

void turn_whois(struct turn *turn, struct str argument);
void turn_certificate(struct turn *turn, struct str argument);
/* Drops the lookup that runs. */
void turn_stop_lookup(struct turn *turn);

#endif
