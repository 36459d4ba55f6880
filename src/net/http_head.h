/*
 * The header of an HTTP answer, as libcurl hands it over line by line: what of it the rest of the
 * program wants to know, and when the header of the final answer (not a 1xx) is complete.
 */
#ifndef DB_NET_HTTP_HEAD_H
#define DB_NET_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/status.h"
#include "util/str.h"

#define HTTP_HEAD_BYTES_MAX (256 * 1024) /* all heads of one answer together, 1xx included */

struct http_head {
    int http_status; /* of the newest status line; 0 before any */
    bool is_complete;
    size_t len_bytes;
    double retry_after_ms; /* retry-after-ms; -1 when absent */
    double retry_after_s;  /* retry-after; -1 when absent */
    int should_retry;
    int request_id_rank;
    char content_type[128];
    char request_id[128];
};

void http_head_init(struct http_head *head);
/* Takes one line with its line end. Lines after is_complete are trailers and are ignored.
 * `wall_ms` is what an HTTP date in Retry-After counts from. ST_TOO_LARGE past
 * HTTP_HEAD_BYTES_MAX. */
enum status http_head_take(struct http_head *head, struct str line, int64_t wall_ms) DB_MUST_CHECK;
/* Whether something of the final answer is there: its status line at least. */
bool http_head_has_begun(const struct http_head *head);
/* The wait asked for: retry-after-ms before retry-after; never negative but -1 when absent. */
double http_head_retry_after_s(const struct http_head *head);

#endif
