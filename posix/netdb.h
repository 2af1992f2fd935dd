/* SPDX-License-Identifier: MIT */
/*
 * Names and addresses: as text, and by DNS (resolvers: see net/net.h). The
 * POSIX names are in posix_netdb.c.
 */
#ifndef POSIX_NETDB_H
#define POSIX_NETDB_H

#include <netdb.h>

#include "posix/socket.h"

/* AF_INET: four decimal numbers, no other form. AF_INET6: RFC 4291, 2.2,
 * without a zone. */
bool netdb_parse(int family, const char *text, ip_addr_t *ip);

#define NETDB_TEXT_BYTES INET6_ADDRSTRLEN
/* In the form of RFC 5952. */
void netdb_print(const ip_addr_t *ip, char text[NETDB_TEXT_BYTES]);

/* getaddrinfo: returns 0 or EAI_*. Services are numbers: there is no list of
 * names. AF_UNSPEC asks for addresses of the families that this guest has an
 * address of, since no others can be reached; IPv6 comes first. Waits for the
 * answer, even through a signal: lwIP gives up after some seconds. */
int netdb_find(const char *node, const char *service,
               const struct addrinfo *hints, struct addrinfo **result);
void netdb_free(struct addrinfo *list);
int netdb_name(const struct sockaddr *address, socklen_t len, char *node,
               socklen_t node_bytes, char *service, socklen_t service_bytes,
               int flags);

#endif
