/*
 * A growing byte buffer that is always NUL-terminated and knows its maximum from the start.
 * Appending is sticky: past the maximum the buffer stays as it was, remembers that it failed, and
 * every further append fails too, so that many appends need one check at the end (`buf_status`).
 */
#ifndef DB_UTIL_BUF_H
#define DB_UTIL_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "util/attr.h"
#include "util/status.h"
#include "util/str.h"

struct buf {
    char *data; /* NULL while empty and never grown: read through buf_str or buf_cstr */
    size_t len;
    size_t cap;
    size_t max; /* content bytes allowed, without the NUL */
    bool is_failed;
};

#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})

void buf_init(struct buf *b, size_t max_bytes);
void buf_done(
    struct buf *b); /* frees the content; the buffer can be used again with the same maximum */

/* ST_OK or ST_TOO_LARGE. The result may be left unread when buf_status is checked at the end. */
enum status buf_add(struct buf *b, const void *data, size_t len);
enum status buf_add_str(struct buf *b, struct str s);
enum status buf_puts(struct buf *b, const char *s);
enum status buf_putc(struct buf *b, char c);
enum status buf_printf(struct buf *b, const char *fmt, ...) DB_PRINTF(2, 3);

enum status buf_status(const struct buf *b) DB_MUST_CHECK;
struct str buf_str(const struct buf *b);   /* borrowed until the next change */
const char *buf_cstr(const struct buf *b); /* borrowed; "" when empty */

void buf_clear(struct buf *b);                     /* length 0, failure forgotten, memory kept */
void buf_truncate(struct buf *b, size_t len);      /* len ≤ b->len */
void buf_consume(struct buf *b, size_t len_bytes); /* drops bytes from the front */
char *buf_steal(struct buf *b); /* content moves to the caller (never NULL); buffer empty again */

#endif
