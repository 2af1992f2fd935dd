/* SPDX-License-Identifier: MIT */
/*
 * TCP/IP: lwIP (NO_SYS) on our netfronts, driven by the one loop.
 *
 * net_start() brings up every vif the domain has: link, then addresses, by the
 * first of these that has a setting for that vif:
 *   1. the command line  vif0.ip=192.0.2.5/24 vif0.gw=... vif0.dns=...
 *                        vif0.ip=dhcp|none, vif0.ip6=ADDR/64|auto|none, ...
 *   2. xenstore          vm-data/vif0/ip, .../gw, .../dns, .../ip6, .../gw6
 *   3. default           DHCPv4 and IPv6 autoconfiguration (SLAAC)
 * The addresses in use are logged and written to attr/vif/N/ipv4/0 and
 * attr/vif/N/ipv6/0, where `xenstore-ls` shows them. docs/options.md has the
 * keys. After net_start the app uses lwIP's raw API (lwip/tcp.h, lwip/udp.h,
 * lwip/dns.h) directly, from the loop's callbacks.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stdint.h>

struct app;
struct netif;

#define NET_VIFS_MAX 8 /* more vifs than appliances are known to need */

/* Start the stack and every vif. 0, or negative with a logged reason: the
 * configuration is unusable, or there is no memory. No vif at all is a logged
 * warning and 0: the app decides. At most once. */
int net_start(struct app *app);

/* Close every vif; no call to lwIP after it. For a shutdown that peers should
 * notice; a guest that is destroyed need not call it. */
void net_stop(void);

/* fn is called on the loop whenever a vif gained or lost an address or its
 * link. One listener; NULL removes it. */
void net_listen(void (*fn)(void *arg), void *arg);

/* Vifs in order, NULL past the last. */
struct netif *net_vif(unsigned n);
/* "vif0": as in the log and in the options' keys. */
const char *net_vif_name(const struct netif *netif);

/* The domain's name, as a host name; "" until it is known, which is before
 * there is an address. */
const char *net_hostname(void);

/* Any vif has an address that is not link-local. */
int net_is_up(void);

/* For status pages: calls fn for every number there is. */
struct net_number {
    const char *name; /* "rx_frames", constant */
    int vif;          /* -1: the stack's as a whole */
    bool is_counter;  /* only ever grows; else a current value */
    uint64_t value;
};
typedef void net_number_fn(void *arg, const struct net_number *number);
void net_numbers(net_number_fn *fn, void *arg);

#endif
