/* Drawn images as files under names that cannot be guessed. Reading and writing happen off the
 * loop. */
#ifndef DB_CHAT_IMAGE_STORE_H
#define DB_CHAT_IMAGE_STORE_H

#include <stddef.h>

#include "net/work.h"
#include "util/status.h"
#include "util/str.h"

#define IMAGE_NAME_SIZE 101 /* of ours 32 hex digits, '.', extension; NUL */

struct image_store;

/* `dir` must exist and is copied; max_bytes bounds what is saved and read back: ST_TOO_LARGE.
 * Borrows work. */
struct image_store *image_store_new(struct work *work, const char *dir, size_t max_bytes);
void image_store_free(
    struct image_store *images); /* NULL is fine; only when no job is open (after work_free) */

/* `name` is borrowed for the call and valid when status is ST_OK. */
typedef void (*image_saved_fn)(enum status status, const char *name, void *arg);
void image_store_save(struct image_store *images, struct str bytes, const char *extension,
                      image_saved_fn fn, void *arg);

typedef void (*image_read_fn)(enum status status, struct str bytes, const char *content_type,
                              void *arg);
/* ST_NOT_FOUND for names that are no image's. Other names than ours may be read too: of a
 * predecessor whose directory was kept. */
void image_store_read(struct image_store *images, struct str name, image_read_fn fn, void *arg);

#endif
