#include "chat/lane.h"

#include <stdlib.h>

#include "util/buf.h"
#include "util/mem.h"

/* Ids are at most a few hundred bytes each (checked where messages come in). */
#define KEY_BYTES_MAX 4096

struct lane {
    struct list turns;
    struct buf key;
};

/* The three parts with their lengths, so that no two sessions share a key. */
static void write_key(const struct store_session_key *key, struct buf *out)
{
    const char *const parts[] = {key->robot, key->conversation, key->sender};
    for (size_t i = 0; i < 3; i++) {
        struct str part = str_of(parts[i]);
        buf_printf(out, "%zu:", part.n);
        buf_add_str(out, part);
    }
}

struct lane *lane_enter(struct map *lanes, const struct store_session_key *key, struct list *node)
{
    struct buf text = BUF_INIT(KEY_BYTES_MAX);
    write_key(key, &text);
    struct lane *lane = map_get(lanes, buf_str(&text));
    if (lane) {
        buf_done(&text);
    } else {
        lane = xcalloc(1, sizeof(*lane));
        list_init(&lane->turns);
        lane->key = text;
        (void)map_put(lanes, buf_str(&lane->key), lane);
    }
    list_push_back(&lane->turns, node);
    return lane;
}

bool lane_is_first(const struct lane *lane, const struct list *node)
{
    return lane->turns.next == node;
}

struct list *lane_leave(struct map *lanes, struct lane *lane, struct list *node)
{
    bool was_first = lane_is_first(lane, node);
    list_remove(node);
    if (!list_is_empty(&lane->turns))
        return was_first ? lane->turns.next : NULL;
    (void)map_take(lanes, buf_str(&lane->key));
    buf_done(&lane->key);
    free(lane);
    return NULL;
}

struct list *lane_first(const struct map *lanes, const struct store_session_key *key)
{
    struct buf text = BUF_INIT(KEY_BYTES_MAX);
    write_key(key, &text);
    const struct lane *lane = map_get(lanes, buf_str(&text));
    buf_done(&text);
    return lane ? lane->turns.next : NULL;
}
