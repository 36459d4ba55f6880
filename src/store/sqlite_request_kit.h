/* What the kinds of requests are made with: copies that live as long as their request. Private to
 * src/store. */
#ifndef DB_STORE_SQLITE_REQUEST_KIT_H
#define DB_STORE_SQLITE_REQUEST_KIT_H

#include "store/sqlite_request.h"
#include "util/mem.h"

/* The request that a kind begins with. */
#define REQUEST_OF(pointer, type) LIST_ENTRY(pointer, type, base)
#define REQUEST_NEW(type, its_kind) request_init(xcalloc(1, sizeof(type)), &(its_kind))

/* `memory` begins with a struct request; returns it. */
void *request_init(void *memory, const struct request_kind *kind);
/* A copy of what the caller handed in. Past the limit of one request's input the request is refused
 * (ST_TOO_LARGE), and the copy empty. NULL reads as "". */
const char *request_keep_input(struct request *request, const char *text);
struct store_session_key request_keep_key(struct request *request,
                                          const struct store_session_key *key);
/* A copy of a column's text; NULL for NULL. */
const char *request_keep_column(struct request *request, sqlite3_stmt *row, int column);
/* Room for one more element at the end of request->rows, grown as needed; *n_rows of `size` bytes
 * are in use, *capacity allocated. The element is zeroed and counted. */
void *request_add_row(struct request *request, size_t *n_rows, size_t *capacity, size_t size);
/* A number for LIMIT, where a negative one would mean no limit. */
int64_t request_row_limit(size_t max);

/* A request whose only result is its status. */
struct done_request {
    struct request base;
    store_done_fn fn;
    void *arg;
};
/* For kinds that begin with struct done_request. */
void request_deliver_done(struct request *base);

#endif
