/* SPDX-License-Identifier: MIT */
/* The functions behind lwipopts.h's hooks, for lwIP to include. */
#ifndef NET_LWIPHOOKS_H
#define NET_LWIPHOOKS_H

#include <stdint.h>

#include "lwip/err.h"
#include "lwip/ip_addr.h"

struct dhcp;
struct netif;
struct pbuf;
struct tcp_hdr;
struct tcp_pcb;

/* net/tcpguard.c */
uint32_t tcpguard_isn(const ip_addr_t *local_ip, uint16_t local_port,
                      const ip_addr_t *remote_ip, uint16_t remote_port);
err_t tcpguard_packet(struct tcp_pcb *pcb, const struct tcp_hdr *header);

/* net/route.c */
struct netif *route_ipv4(const ip4_addr_t *src, const ip4_addr_t *dest);
struct netif *route_ipv6(const ip6_addr_t *src, const ip6_addr_t *dest);
const ip4_addr_t *route_gateway4(struct netif *netif, const ip4_addr_t *dest);
const ip6_addr_t *route_gateway6(struct netif *netif, const ip6_addr_t *dest);

/* net/lease.c */
void lease_wait(struct netif *netif, unsigned tries);
void lease_sending(struct netif *netif);
void lease_bound(struct netif *netif, struct dhcp *dhcp);
void lease_off(struct netif *netif);
void lease_reply(void);
void lease_option(const struct pbuf *p, uint8_t option, uint16_t at,
                  uint8_t bytes);

/* net/address.c: address conflicts */
void address_conflict4(struct netif *netif, const ip4_addr_t *ip,
                       const uint8_t *mac);
void address_conflict6(struct netif *netif, int8_t slot, const uint8_t *mac);

/* net/checksum.c */
void checksum_packet(struct pbuf *p);

#endif
