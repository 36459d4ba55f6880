/*
 * Outgoing HTTP: libcurl multi on the loop. One request is one exchange, named by an id that is
 * never used again; everything is asynchronous and every exchange ends with exactly one on_done.
 *
 * Redirects are never followed (a 3xx is handed over as it is), HTTP/1.1 and TLS verification are
 * on, `Expect:` is off. Only http and https. The environment's SSL_CERT_FILE names the certificates
 * to trust instead of the system's.
 */
#ifndef DB_NET_HTTP_CLIENT_H
#define DB_NET_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"
#include "util/buf.h"
#include "util/status.h"
#include "util/str.h"

struct http_client;

struct http_response {
    int http_status; /* 0 when no answer came */
    struct str body; /* collected body when the request had no on_data; else the empty slice */
    struct str content_type; /* "" when absent */
    double retry_after_s;    /* from retry-after-ms or retry-after (seconds or HTTP date); -1 when
                                absent */
    int should_retry;        /* x-should-retry: 1 true, 0 false, -1 absent */
    struct str request_id;  /* the peer's own log id: x-request-id, request-id, x-oneapi-request-id;
                               "" when absent */
    int64_t bytes_received; /* of the body; tells "nothing came" from "cut in the middle" */
    struct error
        error; /* error.status ST_OK when the transfer completed, whatever http_status says */
};

struct http_handlers {
    /* Optional: the header of the final answer is complete. Not called for 1xx or a proxy's CONNECT
     * answer. */
    void (*on_head)(uint64_t id, const struct http_response *head, void *arg);
    /* Optional: body bytes as they come, in slices cut anywhere. Returning anything but ST_OK ends
     * the exchange with that status. Without it the body is collected up to max_body_bytes. */
    enum status (*on_data)(uint64_t id, struct str bytes, void *arg);
    /* Always, exactly once, never before http_client_start returned, not after http_client_cancel.
     * The response is borrowed for the call. A new request may be started from here. */
    void (*on_done)(uint64_t id, const struct http_response *response, void *arg);
};

struct http_request {
    const char
        *method; /* "GET" (has no body), "POST", or another in capitals, sent with the body */
    const char *url;
    const char *const *headers; /* "Name: value" lines, NULL-terminated; may be NULL. Secrets here
                                   are never logged */
    struct str body;            /* copied at start */
    const char *proxy;          /* NULL or "": a direct connection, whatever the environment says */
    size_t max_body_bytes; /* 0 = 1 MiB. Counts streamed bytes as well. Past it: ST_TOO_LARGE */
    int64_t connect_timeout_ms; /* 0 = 10 s */
    int64_t
        first_byte_timeout_ms; /* from start to the first byte of the answer's header; 0 = 30 s */
    int64_t idle_timeout_ms;   /* longest silence afterwards; 0 = 30 s */
    int64_t total_timeout_ms;  /* 0 = none */
};

/* The program must ignore SIGPIPE (OpenSSL writes to sockets that peers have closed). user_agent is
 * copied. max_parallel bounds the connections in use at once; more requests wait
 * their turn in curl. */
enum status http_client_new(struct loop *loop, const char *user_agent, long max_parallel,
                            struct http_client **ret_client) DB_MUST_CHECK;
/* Cancels what runs, silently. Not from inside a callback of this client. NULL is fine. */
void http_client_free(struct http_client *client);

/* Never fails at once: a bad URL is reported by on_done. `handlers` must live as long as the
 * exchange; the rest is copied. */
uint64_t http_client_start(struct http_client *client, const struct http_request *request,
                           const struct http_handlers *handlers, void *arg);
/* Ends the exchange without any further callback. Unknown ids are ignored. Allowed inside
 * callbacks. */
void http_client_cancel(struct http_client *client, uint64_t id);

#endif
