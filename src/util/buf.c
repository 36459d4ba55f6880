#include "util/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/mem.h"

#define SMALLEST_CAP 64

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = BUF_INIT(max_bytes);
}

void buf_done(struct buf *b)
{
    free(b->data);
    *b = BUF_INIT(b->max);
}

/* Room for `more` bytes and the NUL; doubling keeps appending linear. */
static enum status reserve(struct buf *b, size_t more)
{
    if (b->is_failed || more > b->max - b->len || more >= SIZE_MAX - b->len) {
        b->is_failed = true;
        return ST_TOO_LARGE;
    }
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return ST_OK;
    size_t cap = b->cap ? b->cap : SMALLEST_CAP;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    b->data = xreallocarray(b->data, cap, 1);
    b->cap = cap;
    return ST_OK;
}

enum status buf_add(struct buf *b, const void *data, size_t len)
{
    if (reserve(b, len) != ST_OK)
        return ST_TOO_LARGE;
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return ST_OK;
}

enum status buf_add_str(struct buf *b, struct str s)
{
    return buf_add(b, s.p, s.n);
}

enum status buf_puts(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

enum status buf_putc(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

enum status buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    enum status status = reserve(b, n < 0 ? SIZE_MAX : (size_t)n);
    if (status == ST_OK) {
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return status;
}

enum status buf_status(const struct buf *b)
{
    return b->is_failed ? ST_TOO_LARGE : ST_OK;
}

struct str buf_str(const struct buf *b)
{
    return (struct str){buf_cstr(b), b->len};
}

const char *buf_cstr(const struct buf *b)
{
    return b->data ? b->data : "";
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->is_failed = false;
    if (b->data)
        b->data[0] = '\0';
}

void buf_truncate(struct buf *b, size_t len)
{
    if (len >= b->len)
        return;
    b->len = len;
    b->data[len] = '\0';
}

void buf_consume(struct buf *b, size_t len_bytes)
{
    if (len_bytes >= b->len) {
        buf_truncate(b, 0);
        return;
    }
    if (len_bytes == 0)
        return;
    b->len -= len_bytes;
    memmove(b->data, b->data + len_bytes, b->len + 1);
}

char *buf_steal(struct buf *b)
{
    char *data = b->data ? b->data : xstrdup("");
    *b = BUF_INIT(b->max);
    return data;
}
