/*
 * TCP connections to hosts that people name. libcurl looks the name up and connects; each address
 * is judged when its socket is made, so that nothing looks the name up a second time.
 */
#ifndef DB_NET_DIAL_H
#define DB_NET_DIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "net/loop.h"
#include "util/status.h"

#define DIAL_ADDRESS_SIZE 46 /* the longest of IPv6 and a NUL */

struct dialer;
struct dial;

/* Unless is_private_allowed, only public addresses (net/address.h) are called of hosts that the
 * operator did not name. NULL when libcurl
 * gave none. */
struct dialer *dialer_new(struct loop *loop, bool is_private_allowed) DB_MUST_CHECK;
void dialer_free(struct dialer *dialer); /* its dials must be gone; NULL is fine */
struct loop *dialer_loop(const struct dialer *dialer);

struct dial_result {
    enum status status; /* ST_OK; ST_DENIED: no address may be called; ST_NET */
    struct error error;
    int fd; /* connected, non-blocking; belongs to the dial */
    char address[DIAL_ADDRESS_SIZE];
};
/* Once, on the loop, never before dial_start returned. dial_free may be called from here. */
typedef void (*dial_fn)(const struct dial_result *result, void *arg);

/* `host`: a name or an address, IPv6 without brackets; is_trusted: the operator named it, and every
 * address will do. There is no deadline but the caller's. */
struct dial *dial_start(struct dialer *dialer, const char *host, int port, bool is_trusted,
                        dial_fn fn, void *arg);
/* Closes the connection, or gives up on making it: fn is not called any more. NULL is fine. */
void dial_free(struct dial *dial);

#endif
