/* SPDX-License-Identifier: MIT */
/*
 * The loopback interface "lo": 127.0.0.1 and ::1, for what a program sends to
 * itself. Linked by those who call loopback_start; net/route.c does without.
 */
#ifndef NET_LOOPBACK_H
#define NET_LOOPBACK_H

#include <stdbool.h>

#include "lwip/ip_addr.h"

struct loop;
struct netif;

/* Packets on their way from us to us; more are dropped, as by any network. Two
 * connections' windows of 256 KiB, in segments of 8960 bytes, are 60. */
#define LOOPBACK_PACKETS_MAX 256

/* After net_start. */
void loopback_start(struct loop *loop);
/* NULL: not started. */
struct netif *loopback_netif(void);

/* lo, for packets to or from an address of its; else NULL: another way. `src`
 * may be NULL. For IPv6 lwIP knows the way. */
__attribute__((weak)) struct netif *loopback_route4(const ip4_addr_t *src,
                                                    const ip4_addr_t *dest);

#endif
