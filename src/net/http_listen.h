/* The listening socket and addresses of the HTTP server. */
#ifndef DB_NET_HTTP_LISTEN_H
#define DB_NET_HTTP_LISTEN_H

#include "util/status.h"

#define HTTP_PEER_SIZE 64

/* A bound, listening, non-blocking socket on a numeric IPv4 or IPv6 address (no brackets), or
 * "localhost". ST_INVAL for other addresses, ST_NET when the port cannot be had. */
enum status http_listen(const char *address, int port, int *ret_fd,
                        struct error *ret_err) DB_MUST_CHECK;
int http_port_of_fd(int fd);
/* "203.0.113.7" of the peer; "-" when it is gone. */
void http_peer_of_fd(int fd, char ret_peer[HTTP_PEER_SIZE]);

#endif
