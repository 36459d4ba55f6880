/*
 * Errors as values: every function that can fail returns an `enum status`, and where the reason is
 * worth telling it also fills a `struct error`. The text is for operators: it must not hold secrets
 * or message texts. Filling an error never allocates and never fails.
 */
#ifndef DB_UTIL_STATUS_H
#define DB_UTIL_STATUS_H

#include "util/attr.h"

enum status {
    ST_OK = 0,
    ST_INVAL,     /* the caller or the peer handed in something malformed */
    ST_TOO_LARGE, /* a limit on size or depth was passed */
    ST_NOT_FOUND,
    ST_CONFLICT,
    ST_DENIED,  /* authentication or permission */
    ST_LIMITED, /* a rate or quota is used up */
    ST_TIMEOUT,
    ST_CANCELLED,
    ST_NET, /* name, connection or transfer failed */
    ST_TLS,
    ST_PROTOCOL, /* the peer broke its own protocol (HTML for JSON, a stream cut short) */
    ST_UPSTREAM, /* the peer answered correctly that it failed */
    ST_STORE,
    ST_INTERNAL,
};

struct error {
    enum status status;
    int code; /* the peer's own number (HTTP status, errcode, CURLcode); 0 where there is none */
    char text[256]; /* always NUL-terminated */
};

/* The lower-case word for a status ("timeout"), as log lines show it. Never NULL. */
const char *status_name(enum status status);

/* Fills `ret_err` (NULL is allowed) and returns `status`, so that a failing function can end with
 * `return error_set(...)`. A text that is too long is cut at a UTF-8 boundary. */
enum status error_set(struct error *ret_err, enum status status, int code, const char *fmt, ...)
    DB_PRINTF(4, 5);

#endif
