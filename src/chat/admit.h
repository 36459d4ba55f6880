/* Whether a turn may go on to what its message asks for. Private to src/chat. */
#ifndef DB_CHAT_ADMIT_H
#define DB_CHAT_ADMIT_H

#include <stdbool.h>

struct turn;

/* By what holds now: at arrival, since what is refused is not counted. A refusal stays one. */
void admit_judge(struct turn *turn);
/* When the turn's work begins: judges again. True when the turn was refused, and has moved on. */
bool admit_refuse(struct turn *turn);

#endif
