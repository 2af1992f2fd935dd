/* SPDX-License-Identifier: MIT */
/*
 * lwIP counts lifetimes in calls of its timers, and a guest that is paused for
 * two hours makes none. When the guest resumes, everything in lwIP that has a
 * lifetime is aged here by that time, before any input is handled: addresses,
 * routers and prefixes that were announced, neighbours, names, connections in
 * TIME_WAIT.
 *
 * Exchanges that wait for an answer are not aged: the answer may be in the
 * ring, or the question may never have been sent. Retransmissions, duplicate
 * detection and keepalive probes continue where they were, and round trips are
 * not measured across the pause. DHCP keeps its own times: lease.c.
 */
#include "net/aging.h"

#include <stdbool.h>

#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/nd6.h"
#include "lwip/netif.h"
#include "lwip/priv/nd6_priv.h"
#include "lwip/priv/tcp_priv.h"

#define TCP_TICKS_PER_S (1000 / TCP_SLOW_INTERVAL)

/* What is left of a lifetime. */
static uint32_t left(uint32_t life_s, uint32_t seconds)
{
    if (ip6_addr_life_isinfinite(life_s))
        return life_s;
    return life_s > seconds ? life_s - seconds : 0;
}

/* ---- IPv6: true when something that routers announce has expired. */

static bool age_addresses(struct netif *netif, uint32_t seconds)
{
    bool over = false;

    for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        uint32_t valid_s = left(netif_ip6_addr_valid_life(netif, i), seconds);

        if (ip6_addr_isinvalid(netif_ip6_addr_state(netif, i)) ||
            netif_ip6_addr_isstatic(netif, i))
            continue;
        netif_ip6_addr_set_valid_life(netif, i, valid_s);
        netif_ip6_addr_set_pref_life(
            netif, i, left(netif_ip6_addr_pref_life(netif, i), seconds));
        if (valid_s)
            continue;
        netif_ip6_addr_set_state(netif, i, IP6_ADDR_INVALID);
        over = true;
    }
    return over;
}

static void forget_destinations(const ip6_addr_t *router)
{
    for (unsigned i = 0; i < LWIP_ND6_NUM_DESTINATIONS; i++) {
        if (ip6_addr_eq(&destination_cache[i].next_hop_addr, router))
            ip6_addr_set_any(&destination_cache[i].destination_addr);
    }
}

static bool age_routers(uint32_t seconds)
{
    bool over = false;

    for (unsigned i = 0; i < LWIP_ND6_NUM_ROUTERS; i++) {
        struct nd6_router_list_entry *router = &default_router_list[i];

        if (!router->neighbor_entry)
            continue;
        router->invalidation_timer = left(router->invalidation_timer, seconds);
        if (router->invalidation_timer)
            continue;
        forget_destinations(&router->neighbor_entry->next_hop_address);
        router->neighbor_entry->isrouter = 0;
        *router = (struct nd6_router_list_entry){NULL, 0, 0};
        over = true;
    }
    return over;
}

static void age_prefixes(uint32_t seconds)
{
    for (unsigned i = 0; i < LWIP_ND6_NUM_PREFIXES; i++) {
        struct nd6_prefix_list_entry *prefix = &prefix_list[i];

        prefix->invalidation_timer = left(prefix->invalidation_timer, seconds);
        if (!prefix->invalidation_timer)
            prefix->netif = NULL;
    }
}

/* A neighbour that was known to be reachable must be probed on its next use. */
static void age_neighbours(uint32_t seconds)
{
    for (unsigned i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++) {
        struct nd6_neighbor_cache_entry *entry = &neighbor_cache[i];

        if (entry->state == ND6_STALE) {
            entry->counter.stale_time += seconds;
        } else if (entry->state == ND6_REACHABLE) {
            if (entry->counter.reachable_time / 1000 <= seconds) {
                entry->state = ND6_STALE;
                entry->counter.stale_time = 0;
            } else {
                entry->counter.reachable_time -= seconds * 1000;
            }
        }
    }
    for (unsigned i = 0; i < LWIP_ND6_NUM_DESTINATIONS; i++)
        destination_cache[i].age += seconds;
}

/* Routers announce themselves every half hour or so; a host that lost their
 * information solicits them (RFC 4861, 6.3.7). */
static void age_ipv6(uint32_t seconds)
{
    bool ask = age_routers(seconds);
    struct netif *netif;

    age_prefixes(seconds);
    age_neighbours(seconds);
    NETIF_FOREACH(netif)
    {
        if ((age_addresses(netif, seconds) || ask) &&
            netif->ip6_autoconfig_enabled)
            netif->rs_count = LWIP_ND6_MAX_MULTICAST_SOLICIT;
    }
}

/* ---- TCP */

/* A silent peer is given up only after it was probed. */
static void spare_silent(struct tcp_pcb *pcb)
{
    uint32_t silent_ms = pcb->keep_idle + pcb->keep_cnt_sent * pcb->keep_intvl;
    uint32_t silent = silent_ms / TCP_SLOW_INTERVAL + 1;

    if (ip_get_option(pcb, SOF_KEEPALIVE) && tcp_ticks - pcb->tmr > silent)
        pcb->tmr = tcp_ticks - silent;
}

static void age_tcp(uint32_t seconds)
{
    uint32_t ticks = seconds * TCP_TICKS_PER_S;

    tcp_ticks += ticks;
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        if (pcb->rttest)
            pcb->rttest += ticks;
        spare_silent(pcb);
    }
}

void aging_pass(uint32_t seconds)
{
    etharp_age(seconds);
    dns_age(seconds);
    age_ipv6(seconds);
    age_tcp(seconds);
}
