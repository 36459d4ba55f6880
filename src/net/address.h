/* Which addresses belong to the public Internet. */
#ifndef DB_NET_ADDRESS_H
#define DB_NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * False for what lies inside somebody's network or is no host: private, loopback, link-local,
 * shared (100.64.0.0/10), multicast, documentation and reserved ranges, unique local IPv6, IPv4
 * addresses dressed as IPv6 in any form but NAT64 of a public one, and other families (the IANA's
 * special-purpose registries, RFC 6890).
 */
bool address_is_public(const struct sockaddr *address);

#endif
