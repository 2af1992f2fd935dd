/* SPDX-License-Identifier: MIT */
/* Addresses as text (POSIX, arpa/inet.h). */
#ifndef _ARPA_INET_H
#define _ARPA_INET_H

#include <netinet/in.h>

/* 1; 0: it is no such address; -1: errno, no such family. */
int inet_pton(int family, const char *text, void *address);
const char *inet_ntop(int family, const void *address, char *text,
                      socklen_t bytes);
/* The old forms, as "10.1" for 10.0.0.1. */
int inet_aton(const char *text, struct in_addr *address);
in_addr_t inet_addr(const char *text);
/* In memory of its own, until the next call. */
char *inet_ntoa(struct in_addr address);

#endif
