/*
 * A circuit breaker: whatever failed several times in a row is left alone for a while, then tried
 * by one who has to; when that fails too, the rest is twice as long. Pure: it is told the time.
 *
 *     CLOSED ─ failures in a row ─→ OPEN ─ the rest is over ─→ (one probe) ─ fails ─→ OPEN, longer
 *        ↑                            └────────── success ───────┐
 *        └───────────────────────────────────────────────────────┘
 */
#ifndef DB_LLM_BREAKER_H
#define DB_LLM_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

struct breaker_rules {
    int failures_max; /* the one that opens it */
    int64_t first_rest_ms;
    int64_t max_rest_ms;
};

/* All zero: closed. */
struct breaker {
    int n_failures; /* in a row */
    int64_t rest_ms;
    int64_t until_ms; /* of the loop's clock */
    bool is_open;
    bool is_probed; /* a probe is on its way */
};

/* Whether a try may be made: closed, or rested and nobody probes yet. */
bool breaker_lets(const struct breaker *breaker, int64_t now_ms);
/* A try begins, also one that was not let: nothing else may have been left. True: it is the probe,
 * and its end must be told. */
bool breaker_begin(struct breaker *breaker, int64_t now_ms);
/* How the try ended. `is_fatal` opens at once. True when it opened, or stays open for longer. */
bool breaker_fail(struct breaker *breaker, const struct breaker_rules *rules, bool is_probe,
                  bool is_fatal, int64_t now_ms);
/* True when it was open. */
bool breaker_succeed(struct breaker *breaker);
/* The try said nothing: it was cancelled. */
void breaker_forget(struct breaker *breaker, bool is_probe);
/* How long it rests from now on; 0 when it does not. */
int64_t breaker_left_ms(const struct breaker *breaker, int64_t now_ms);

#endif
