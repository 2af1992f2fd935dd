/* SPDX-License-Identifier: MIT */
/*
 * Which vif a packet takes, where there are several:
 *   1. the one that is on the destination's network;
 *   2. the one that owns the packet's source address, if it has a gateway: so
 *      an answer leaves by the vif that the request came in on;
 *   3. the first that DHCP gave a route to the destination;
 *   4. the first with a gateway.
 * 1 and 4 are lwIP's own; 2 and 3 are its hooks. For IPv6 the gateways are
 * those that routers announce, which lwIP keeps, and gw6=, which lwIP cannot
 * store: it is supplied here, for each packet that needs it.
 */
#include "net/loopback.h"
#include "net/route.h"
#include "net/vif.h"

#include "lwip/nd6.h"

#include "lwiphooks.h"

/* lo is no vif. */
static bool is_usable(const struct netif *netif)
{
    return netif->state && netif_is_up(netif) && netif_is_link_up(netif);
}

static bool has_gateway4(const struct netif *netif)
{
    return !ip4_addr_isany(netif_ip4_addr(netif)) &&
           !ip4_addr_isany(netif_ip4_gw(netif));
}

static const ip6_addr_t *static_gateway6(const struct netif *netif)
{
    const struct vif *vif = netif->state;

    return ip6_addr_isany(&vif->config.gw6) ? NULL : &vif->config.gw6;
}

static bool is_on_network(const struct netif *netif, const ip4_addr_t *dest)
{
    return !ip4_addr_isany(netif_ip4_addr(netif)) &&
           ip4_addr_net_eq(dest, netif_ip4_addr(netif),
                           netif_ip4_netmask(netif));
}

/* Called with a source before lwIP looks for a network, and without one after
 * it found none. */
struct netif *route_ipv4(const ip4_addr_t *src, const ip4_addr_t *dest)
{
    struct netif *netif, *owner = NULL, *routed = NULL;

    netif = loopback_route4 ? loopback_route4(src, dest) : NULL;
    if (netif)
        return netif;
    NETIF_FOREACH(netif)
    {
        bool has_route;

        if (!is_usable(netif))
            continue;
        if (is_on_network(netif, dest))
            return NULL; /* lwIP finds it as well */
        has_route = route_gateway4(netif, dest);
        if (has_route && !routed)
            routed = netif;
        if (src && !ip4_addr_isany(src) &&
            ip4_addr_eq(netif_ip4_addr(netif), src) &&
            (has_route || has_gateway4(netif)))
            owner = netif;
    }
    return owner ? owner : routed;
}

/* lwIP asks when a destination is not on the link by the vif's mask. */
const ip4_addr_t *route_gateway4(struct netif *netif, const ip4_addr_t *dest)
{
    const struct vif *vif = netif->state;
    const struct lease_route *route = lease_route(&vif->lease, dest);

    if (!route)
        return NULL;
    return ip4_addr_isany(&route->router) ? dest : &route->router;
}

/* lwIP has dealt with link-local destinations already. */
struct netif *route_ipv6(const ip6_addr_t *src, const ip6_addr_t *dest)
{
    struct netif *netif, *gateway = NULL;

    NETIF_FOREACH(netif)
    {
        if (!is_usable(netif))
            continue;
        if (!ip6_addr_isany(src) && netif_get_ip6_addr_match(netif, src) >= 0)
            return netif;
        if (!gateway && static_gateway6(netif))
            gateway = netif;
    }
    if (!gateway || nd6_find_route(dest))
        return NULL;
    NETIF_FOREACH(netif)
    {
        for (unsigned i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
            if (is_usable(netif) &&
                ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) &&
                ip6_addr_net_eq(dest, netif_ip6_addr(netif, i)))
                return NULL;
        }
    }
    return gateway;
}

/* lwIP asks when a destination is not on the link. */
const ip6_addr_t *route_gateway6(struct netif *netif, const ip6_addr_t *dest)
{
    (void)dest;
    return static_gateway6(netif);
}

void route_update(void)
{
    struct netif *netif;
    struct vif *first = NULL;

    NETIF_FOREACH(netif)
    {
        struct vif *vif = netif->state;

        if (is_usable(netif) &&
            (has_gateway4(netif) || static_gateway6(netif)) &&
            (!first || vif->index < first->index))
            first = vif;
    }
    netif_set_default(first ? &first->netif : NULL);
}
