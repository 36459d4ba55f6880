/* One line out, everything in until the peer closes: whois (RFC 3912) and its kind. */
#ifndef DB_NET_TCP_QUERY_H
#define DB_NET_TCP_QUERY_H

#include "net/dial.h"
#include "util/str.h"

struct tcp_query;

struct tcp_query_request {
    const char *host;
    int port;
    bool is_trusted; /* as of a dial */
    struct str line; /* as it is sent, with its line end */
    int64_t timeout_ms;
    size_t max_bytes; /* of the answer; the rest is left out */
};

struct tcp_query_result {
    enum status status; /* as of a dial; ST_TIMEOUT */
    struct error error;
    struct str answer; /* bytes; borrowed for the callback. ST_OK has at least one */
};
/* Once, on the loop, never before tcp_query_start returned. The query is gone then. */
typedef void (*tcp_query_fn)(const struct tcp_query_result *result, void *arg);

/* Everything is copied. */
struct tcp_query *tcp_query_start(struct dialer *dialer, const struct tcp_query_request *request,
                                  tcp_query_fn fn, void *arg);
/* fn is not called any more. Sets the pointer to NULL and takes NULL. */
void tcp_query_cancel(struct tcp_query **query);

#endif
