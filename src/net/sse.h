/*
 * Server-sent events (WHATWG HTML, "Server-sent events"): bytes cut anywhere → events. LF, CR and
 * CRLF end lines, a BOM at the start is skipped, comments and the fields `id` and `retry` are
 * ignored.
 */
#ifndef DB_NET_SSE_H
#define DB_NET_SSE_H

#include <stddef.h>

#include "util/buf.h"
#include "util/status.h"
#include "util/str.h"

/* Borrowed for the call. */
struct sse_event {
    struct str type; /* "message" unless the stream said otherwise */
    struct str data; /* several data lines are joined with LF; may be empty */
};

/* Returning anything but ST_OK stops the parser: sse_feed returns that status. After a status other
 * than ST_OK the parser is of no more use than to be given to sse_done. */
typedef enum status (*sse_fn)(const struct sse_event *event, void *arg);

struct sse {
    struct buf line;
    struct buf data;
    struct buf type;
    sse_fn fn;
    void *arg;
    size_t bom_seen; /* how much of a possible BOM has been matched; SIZE_MAX when past it */
    bool has_data;
    bool skip_lf;
};

/* max_bytes bounds one line and one event's data each (ST_TOO_LARGE past it). */
void sse_init(struct sse *sse, size_t max_bytes, sse_fn fn, void *arg);
void sse_done(struct sse *sse);
enum status sse_feed(struct sse *sse, struct str bytes) DB_MUST_CHECK;
/* End of the stream: ends an open line and dispatches an event whose blank line is missing, because
 * some servers close right after the last data line; the receiver must check that the data is
 * whole. */
enum status sse_finish(struct sse *sse) DB_MUST_CHECK;

#endif
