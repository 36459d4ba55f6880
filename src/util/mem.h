/*
 * Small allocations with sizes of our own choosing: they log and abort when memory is gone, so that
 * callers need no branch for it. A size that comes from a peer, a file or a user never comes here:
 * it goes through a `struct buf` with a maximum.
 */
#ifndef DB_UTIL_MEM_H
#define DB_UTIL_MEM_H

#include <stddef.h>

#include "util/attr.h"

void *xmalloc(size_t size) DB_MUST_CHECK;
void *xcalloc(size_t count, size_t size) DB_MUST_CHECK;
void *xreallocarray(void *p, size_t count, size_t size) DB_MUST_CHECK;
char *xstrdup(const char *s) DB_MUST_CHECK;            /* NULL gives NULL */
char *xstrndup(const char *s, size_t n) DB_MUST_CHECK; /* copies exactly n bytes and adds a NUL */
char *xasprintf(const char *fmt, ...) DB_PRINTF(1, 2) DB_MUST_CHECK;

/* For `DB_CLEANUP(free_charp) char *s = NULL;` */
void free_charp(char **p);

#endif
