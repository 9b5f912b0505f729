/*
 * guard - which addresses outgoing requests may reach.
 */
#ifndef CRONWARD_HTTP_GUARD_H
#define CRONWARD_HTTP_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>

struct conf;

/*
 * Whether ${address} is a public unicast address (the IANA special-purpose registries of IPv4 and
 * IPv6, RFC 6890: loopback, private, link-local, shared, documentation, benchmarking, multicast,
 * reserved …; IPv4-mapped, 6to4, NAT64 and Teredo forms are judged by the IPv4 address inside) or
 * one that EGRESS_ALLOW names.  Anything but IPv4 and IPv6 is refused.
 */
bool guard_allows(const struct conf *conf, const struct sockaddr *address, socklen_t len);

#endif
