/* SPDX-License-Identifier: MIT */
/* One interface, so that there is nothing to route; an assertion of lwIP's is
 * the fuzzer's find. */
#include "tests/fuzz/lwip_alone.h"

#include <stdio.h>
#include <stdlib.h>

#include "lwip/netif.h"

#include "lwiphooks.h"

uint32_t net_window_more = 44 * 1024;

void net_assert_failed(const char *message, const char *file, int line)
{
    fprintf(stderr, "lwip/%s:%d: %s\n", file, line, message);
    abort();
}

void lwip_alone_every_second(void)
{
}

void address_conflict4(struct netif *netif, const ip4_addr_t *ip,
                       const uint8_t *mac)
{
    (void)netif;
    (void)ip;
    (void)mac;
}

void address_conflict6(struct netif *netif, int8_t slot, const uint8_t *mac)
{
    (void)netif;
    (void)slot;
    (void)mac;
}

struct netif *route_ipv4(const ip4_addr_t *src, const ip4_addr_t *dest)
{
    (void)src;
    (void)dest;
    return NULL;
}

struct netif *route_ipv6(const ip6_addr_t *src, const ip6_addr_t *dest)
{
    (void)src;
    (void)dest;
    return NULL;
}

const ip4_addr_t *route_gateway4(struct netif *netif, const ip4_addr_t *dest)
{
    (void)netif;
    (void)dest;
    return NULL;
}

const ip6_addr_t *route_gateway6(struct netif *netif, const ip6_addr_t *dest)
{
    (void)netif;
    (void)dest;
    return NULL;
}
