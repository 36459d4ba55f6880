/* How fast calls may be made: an allowance that refills evenly, and a rest after a throttle. Pure:
 * the caller brings the clock. */
#ifndef DB_DINGTALK_CARD_PACE_H
#define DB_DINGTALK_CARD_PACE_H

#include <stdint.h>

struct card_pace {
    double per_s;
    double allowance; /* calls that may be made at once, at most a second's worth */
    int64_t filled_ms;
    int64_t rests_until_ms;
};

void card_pace_init(struct card_pace *pace, double per_s, int64_t now_ms);
/* 0 when a call may be made now, which takes it; else how long to wait (ms). */
int64_t card_pace_take(struct card_pace *pace, int64_t now_ms);
void card_pace_rest(struct card_pace *pace, int64_t until_ms);

#endif
