/* SPDX-License-Identifier: MIT */
/* The addresses of this guest, as BSD and Linux tell them: an entry for each.
 */
#ifndef _IFADDRS_H
#define _IFADDRS_H

#include <sys/socket.h>

struct ifaddrs {
    struct ifaddrs *ifa_next;
    char *ifa_name;
    unsigned ifa_flags; /* IFF_*, net/if.h */
    struct sockaddr *ifa_addr;
    struct sockaddr *ifa_netmask;
    union {
        struct sockaddr *ifu_broadaddr; /* NULL: an IPv6 address */
        struct sockaddr *ifu_dstaddr;
    } ifa_ifu;
#define ifa_broadaddr ifa_ifu.ifu_broadaddr
#define ifa_dstaddr   ifa_ifu.ifu_dstaddr
    void *ifa_data; /* NULL */
};

/* Waits for a first address as the calls of sockets do. -1: ENOMEM. */
int getifaddrs(struct ifaddrs **list);
void freeifaddrs(struct ifaddrs *list);

#endif
