/*
 * Incoming HTTP: evhttp with the guards it lacks (strict framing, connection cap, request deadline,
 * calm when file descriptors run out). Handlers see only `struct http_server_request` and answer by
 * id, at once or later.
 */
#ifndef DB_NET_HTTP_SERVER_H
#define DB_NET_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"
#include "util/status.h"
#include "util/str.h"

struct http_server;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST };

/* Borrowed for the handler's call. */
struct http_server_request {
    uint64_t id; /* never used again */
    enum http_method method;
    struct str path;  /* as sent, without the query; starts with '/' */
    struct str query; /* as sent, without '?'; "" when absent */
    struct str body;
    struct str peer; /* the peer's address for log lines */
    const void *private_headers;
};

/* A header's value by name, case-insensitive; "" when absent. Only during the handler's call. */
struct str http_server_header(const struct http_server_request *request, const char *name);

typedef void (*http_server_fn)(const struct http_server_request *request, void *arg);

struct http_server_limits {
    size_t max_header_bytes;    /* default 16 KiB: 400 */
    size_t max_body_bytes;      /* default 1 MiB: 413 */
    int max_connections;        /* default 512: further ones wait in the backlog */
    int64_t request_timeout_ms; /* default 15 s: from connection (or end of the previous answer) to
                                   a whole request */
    int64_t idle_timeout_ms;    /* default 60 s keep-alive */
};
#define HTTP_SERVER_LIMITS_DEFAULT \
    ((struct http_server_limits){16 * 1024, 1024 * 1024, 512, 15 * 1000, 60 * 1000})

/* Listens on address:port (port 0 = any free one, for tests). ST_NET with a reason when the port is
 * taken. */
enum status http_server_new(struct loop *loop, const char *address, int port,
                            const struct http_server_limits *limits,
                            struct http_server **ret_server, struct error *ret_err) DB_MUST_CHECK;
void http_server_free(struct http_server *server); /* drops connections; NULL is fine */
int http_server_port(const struct http_server *server);
/* No new connections; open requests can still be answered. */
void http_server_stop_accepting(struct http_server *server);
size_t http_server_open_requests(const struct http_server *server);

/*
 * Adds a route: exact path ("/"), or a prefix when it ends in '*' ("/images/" "*" → everything
 * below). `methods` is a bit set of 1 << enum http_method (HEAD comes with GET). A path nobody has
 * is answered 404, a method nobody has 405, both as short JSON. Longest match wins.
 */
void http_server_route(struct http_server *server, const char *path, unsigned methods,
                       http_server_fn handler, void *arg);

struct http_reply {
    int http_status;
    const char *content_type;   /* NULL: application/json; charset=utf-8 */
    const char *const *headers; /* further "Name: value" lines, NULL-terminated; may be NULL */
    struct str body;
};
/* Answers once; an id whose connection is gone (or was answered) is dropped silently. The reply is
 * copied. */
void http_server_reply(struct http_server *server, uint64_t id, const struct http_reply *reply);
/* `{"error":"<code>","message":"<message>"}` */
void http_server_reply_error(struct http_server *server, uint64_t id, int http_status,
                             const char *code, const char *message);

#endif
