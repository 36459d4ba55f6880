#include "net/backoff.h"

#include "util/crypto.h"

int64_t backoff_ms(const struct backoff *backoff, int attempt)
{
    int64_t delay_ms = backoff->first_ms < backoff->cap_ms ? backoff->first_ms : backoff->cap_ms;
    if (delay_ms <= 0)
        return 0;
    for (int i = 1; i < attempt && delay_ms < backoff->cap_ms; i++)
        delay_ms = delay_ms > backoff->cap_ms / 2 ? backoff->cap_ms : delay_ms * 2;

    /* 53 random bits: as many as a double between 0 and 1 can hold. */
    double random = (double)(crypto_random_u64() >> 11) / 9007199254740992.0;
    return delay_ms - (int64_t)((double)delay_ms * backoff->jitter * random);
}
