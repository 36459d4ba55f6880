/*
 * The month's calls of a platform's metered API, per application and kind: counted in memory,
 * written to the store every second or so, and compared with the operator's budget. Months are
 * local. A crash loses at most the counts of the last second.
 */
#ifndef DB_CHAT_METER_H
#define DB_CHAT_METER_H

#include "chat/platform.h"
#include "net/loop.h"
#include "store/store.h"

struct meter;

/* From this share of the budget on calls are sparing. */
#define METER_SPARING_PERCENT 80

struct meter_settings {
    int64_t monthly_budget; /* of all applications together; 0: none */
    /* Once a month, when the sparing begins, whatever restarts there are. */
    void (*on_sparing)(const char *app, const char *month, int64_t calls, void *arg);
    void *arg;
};

/* Reads the month so far from the store; until that is there the level is CALLS_FREE. */
struct meter *meter_new(struct loop *loop, struct store *store,
                        const struct meter_settings *settings);
/* Hands what is counted to the store. Before store_close. */
void meter_flush(struct meter *meter);
void meter_free(struct meter *meter); /* after store_close; NULL is fine */

/* The face that platforms count on. Lives as long as the meter. */
struct call_meter *meter_face(struct meter *meter);

/* fn for every application and kind of this month; borrowed for the call. */
void meter_each(struct meter *meter, void (*fn)(const struct store_calls *calls, void *arg),
                void *arg);
int64_t meter_total(struct meter *meter);
int64_t meter_budget(const struct meter *meter);

#endif
