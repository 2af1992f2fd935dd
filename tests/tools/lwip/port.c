/* SPDX-License-Identifier: MIT */
/* What net/ does for lwIP elsewhere (net/arch/cc.h, net/lwiphooks.h), as little
 * of it as lwIP's own tests need. */
#include <stdio.h>
#include <stdlib.h>

#include "lwip/dhcp.h"
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

const ip4_addr_t *route_gateway4(struct netif *netif, const ip4_addr_t *dest)
{
    (void)netif;
    (void)dest;
    return NULL;
}

/* ---- DHCP's times, by the timer that lwIP's tests call each half second: a
 * message is repeated after 1 s, 2 s, ... No lease ends in them. */

static struct netif *waiting;
static unsigned wait_ticks;

void lease_wait(struct netif *netif, unsigned tries)
{
    waiting = netif;
    wait_ticks = 2u << (tries < 6 ? tries : 6);
}

void lease_off(struct netif *netif)
{
    (void)netif;
    waiting = NULL;
}

void lease_bound(struct netif *netif, struct dhcp *dhcp)
{
    (void)dhcp;
    lease_off(netif);
}

void lease_sending(struct netif *netif)
{
    (void)netif;
}

void lease_reply(void)
{
}

void lease_option(const struct pbuf *p, uint8_t option, uint16_t at,
                  uint8_t bytes)
{
    (void)p;
    (void)option;
    (void)at;
    (void)bytes;
}

void dhcp_fine_tmr(void)
{
    if (waiting && !--wait_ticks)
        dhcp_timeout(waiting);
}

void dhcp_coarse_tmr(void)
{
}
