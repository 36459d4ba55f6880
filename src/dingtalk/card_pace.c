#include "dingtalk/card_pace.h"

void card_pace_init(struct card_pace *pace, double per_s, int64_t now_ms)
{
    *pace = (struct card_pace){.per_s = per_s, .allowance = per_s, .filled_ms = now_ms};
}

int64_t card_pace_take(struct card_pace *pace, int64_t now_ms)
{
    pace->allowance += (double)(now_ms - pace->filled_ms) * pace->per_s / 1000;
    pace->filled_ms = now_ms;
    if (pace->allowance > pace->per_s)
        pace->allowance = pace->per_s;
    if (now_ms < pace->rests_until_ms)
        return pace->rests_until_ms - now_ms;
    if (pace->allowance < 1)
        return (int64_t)((1 - pace->allowance) * 1000 / pace->per_s) + 1;
    pace->allowance -= 1;
    return 0;
}

void card_pace_rest(struct card_pace *pace, int64_t until_ms)
{
    if (until_ms > pace->rests_until_ms)
        pace->rests_until_ms = until_ms;
}
