/* SPDX-License-Identifier: MIT */
/* What net/ does for lwIP elsewhere (net/arch/cc.h, net/lwiphooks.h), as little
 * of it as lwIP's own tests need. */
#include <stdio.h>
#include <stdlib.h>

#include "lwip/priv/tcp_priv.h"

#include "lwiphooks.h"

uint32_t net_window_more;

uint32_t net_random(void)
{
    return (uint32_t)rand();
}

void net_assert_failed(const char *message, const char *file, int line)
{
    fprintf(stderr, "lwip/%s:%d: %s\n", file, line, message);
    abort();
}

/* As lwIP without our hook: some tests set tcp_ticks so that the first number
 * is the one they mean. */
uint32_t tcpguard_isn(const ip_addr_t *local_ip, uint16_t local_port,
                      const ip_addr_t *remote_ip, uint16_t remote_port)
{
    static uint32_t isn = 6510;

    (void)local_ip;
    (void)local_port;
    (void)remote_ip;
    (void)remote_port;
    return isn += tcp_ticks;
}

err_t tcpguard_packet(struct tcp_pcb *pcb, const struct tcp_hdr *header)
{
    (void)pcb;
    (void)header;
    return ERR_OK;
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

const ip6_addr_t *route_gateway6(struct netif *netif, const ip6_addr_t *dest)
{
    (void)netif;
    (void)dest;
    return NULL;
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
