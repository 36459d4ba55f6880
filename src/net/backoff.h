/* Waiting times between tries: exponential, capped, with jitter from a real random source. */
#ifndef DB_NET_BACKOFF_H
#define DB_NET_BACKOFF_H

#include <stdint.h>

struct backoff {
    int64_t first_ms;
    int64_t cap_ms;
    double jitter; /* 0…1; 0.25: each delay is shortened by up to a quarter */
};

/* Delay before try number `attempt` (1 = first repetition; less counts as 1): first_ms doubled for
 * every further attempt, at most cap_ms, shortened by the jitter. Never negative. */
int64_t backoff_ms(const struct backoff *backoff, int attempt);

#endif
