/*
 * Hash map from a byte string (copied into the map) or a 64-bit id to a borrowed pointer. Hashing
 * is SipHash-like keyed with a random key of the process, so that peers cannot choose colliding
 * keys.
 */
#ifndef DB_UTIL_MAP_H
#define DB_UTIL_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "util/str.h"

struct map;

struct map *map_new(void);
void map_free(struct map *m); /* the values stay the caller's; NULL is fine */

/* Inserts or replaces; returns the value that was there before, or NULL. `value` must not be NULL.
 */
void *map_put(struct map *m, struct str key, void *value);
void *map_get(const struct map *m, struct str key); /* NULL when absent */
void *map_take(struct map *m, struct str key);      /* removes and returns; NULL when absent */

void *map_put_id(struct map *m, uint64_t id, void *value);
void *map_get_id(const struct map *m, uint64_t id);
void *map_take_id(struct map *m, uint64_t id);

size_t map_count(const struct map *m);
/* Any one value, or NULL when empty: for emptying a map at the end of its life. */
void *map_any(const struct map *m);

#endif
