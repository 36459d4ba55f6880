#include "llm/breaker.h"

bool breaker_lets(const struct breaker *breaker, int64_t now_ms)
{
    return !breaker->is_open || (now_ms >= breaker->until_ms && !breaker->is_probed);
}

bool breaker_begin(struct breaker *breaker, int64_t now_ms)
{
    bool is_probe = breaker->is_open && breaker_lets(breaker, now_ms);
    breaker->is_probed |= is_probe;
    return is_probe;
}

bool breaker_fail(struct breaker *breaker, const struct breaker_rules *rules, bool is_probe,
                  bool is_fatal, int64_t now_ms)
{
    if (is_probe)
        breaker->is_probed = false;
    /* What was on its way when it opened tells nothing new. */
    if (breaker->is_open && !is_probe)
        return false;
    breaker->n_failures++;
    if (!breaker->is_open && !is_fatal && breaker->n_failures < rules->failures_max)
        return false;
    breaker->rest_ms = breaker->is_open ? 2 * breaker->rest_ms : rules->first_rest_ms;
    if (breaker->rest_ms > rules->max_rest_ms)
        breaker->rest_ms = rules->max_rest_ms;
    breaker->until_ms = now_ms + breaker->rest_ms;
    breaker->is_open = true;
    return true;
}

bool breaker_succeed(struct breaker *breaker)
{
    bool was_open = breaker->is_open;
    *breaker = (struct breaker){0};
    return was_open;
}

void breaker_forget(struct breaker *breaker, bool is_probe)
{
    if (is_probe)
        breaker->is_probed = false;
}

int64_t breaker_left_ms(const struct breaker *breaker, int64_t now_ms)
{
    return breaker->is_open && breaker->until_ms > now_ms ? breaker->until_ms - now_ms : 0;
}
