#include "util/map.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/crypto.h"
#include "util/mem.h"

#define FIRST_BUCKETS 16

struct entry {
    struct entry *next;
    uint64_t hash;
    void *value;
    size_t key_len;
    char key[];
};

struct map {
    struct entry **buckets;
    size_t n_buckets; /* a power of two */
    size_t count;
    uint64_t seed[2];
};

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"), keyed for each map. */
static uint64_t hash_of(const struct map *m, struct str key)
{
    uint64_t v[4] = {m->seed[0] ^ 0x736f6d6570736575ULL, m->seed[1] ^ 0x646f72616e646f6dULL,
                     m->seed[0] ^ 0x6c7967656e657261ULL, m->seed[1] ^ 0x7465646279746573ULL};
    uint64_t last = (uint64_t)key.n << 56;
    size_t whole = key.n & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word;
        memcpy(&word, key.p + i, sizeof(word));
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = whole; i < key.n; i++)
        last |= (uint64_t)(unsigned char)key.p[i] << (8 * (i - whole));
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *map_new(void)
{
    struct map *m = xcalloc(1, sizeof(*m));
    m->n_buckets = FIRST_BUCKETS;
    m->buckets = xcalloc(m->n_buckets, sizeof(struct entry *));
    m->seed[0] = crypto_random_u64();
    m->seed[1] = crypto_random_u64();
    return m;
}

void map_free(struct map *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n_buckets; i++) {
        for (struct entry *entry = m->buckets[i]; entry;) {
            struct entry *next = entry->next;
            free(entry);
            entry = next;
        }
    }
    free(m->buckets);
    free(m);
}

/* The link that points at the key's entry, or at the NULL where it would be added. */
static struct entry **find(const struct map *m, struct str key, uint64_t hash)
{
    struct entry **link = &m->buckets[hash & (m->n_buckets - 1)];
    while (*link &&
           !((*link)->hash == hash && str_eq((struct str){(*link)->key, (*link)->key_len}, key)))
        link = &(*link)->next;
    return link;
}

static void grow(struct map *m)
{
    size_t n_buckets = m->n_buckets * 2;
    struct entry **buckets = xcalloc(n_buckets, sizeof(struct entry *));
    for (size_t i = 0; i < m->n_buckets; i++) {
        for (struct entry *entry = m->buckets[i]; entry;) {
            struct entry *next = entry->next;
            struct entry **head = &buckets[entry->hash & (n_buckets - 1)];
            entry->next = *head;
            *head = entry;
            entry = next;
        }
    }
    free(m->buckets);
    m->buckets = buckets;
    m->n_buckets = n_buckets;
}

void *map_put(struct map *m, struct str key, void *value)
{
    assert(value);
    uint64_t hash = hash_of(m, key);
    struct entry *known = *find(m, key, hash);
    if (known) {
        void *before = known->value;
        known->value = value;
        return before;
    }
    if (m->count >= m->n_buckets)
        grow(m);
    struct entry *entry = xmalloc(sizeof(*entry) + key.n);
    struct entry **head = &m->buckets[hash & (m->n_buckets - 1)];
    *entry = (struct entry){.next = *head, .hash = hash, .value = value, .key_len = key.n};
    if (key.n > 0)
        memcpy(entry->key, key.p, key.n);
    *head = entry;
    m->count++;
    return NULL;
}

void *map_get(const struct map *m, struct str key)
{
    const struct entry *entry = *find(m, key, hash_of(m, key));
    return entry ? entry->value : NULL;
}

void *map_take(struct map *m, struct str key)
{
    struct entry **link = find(m, key, hash_of(m, key));
    struct entry *entry = *link;
    if (!entry)
        return NULL;
    void *value = entry->value;
    *link = entry->next;
    free(entry);
    m->count--;
    return value;
}

static struct str id_key(const uint64_t *id)
{
    return (struct str){(const char *)id, sizeof(*id)};
}

void *map_put_id(struct map *m, uint64_t id, void *value)
{
    return map_put(m, id_key(&id), value);
}

void *map_get_id(const struct map *m, uint64_t id)
{
    return map_get(m, id_key(&id));
}

void *map_take_id(struct map *m, uint64_t id)
{
    return map_take(m, id_key(&id));
}

size_t map_count(const struct map *m)
{
    return m->count;
}

void *map_any(const struct map *m)
{
    for (size_t i = 0; i < m->n_buckets; i++) {
        if (m->buckets[i])
            return m->buckets[i]->value;
    }
    return NULL;
}
