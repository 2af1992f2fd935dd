/* SPDX-License-Identifier: MIT */
/*
 * The timing of DHCP: lwIP's dhcp.c has the messages and states, and takes its
 * times from here, through hooks (third_party/patches/lwip/0030).
 *
 *   wait    the time to wait for an answer before the message is sent again: 4,
 *           8, 16, 32, 64, 64... s, each varied by up to a second (RFC 2131,
 *           4.1)
 *   renew   T1: its server is asked, from T2 on all servers; each time after
 *           half of what is left (4.4.5)
 *   end     the address is dropped, whatever else there is to do: an alarm
 *
 * All are points in time on the loop's clock, counted from when the request was
 * sent: a guest that was paused sees at once what has expired. A lease may last
 * from a second to for ever; in nanoseconds that fits 64 bits.
 */
#include "net/lease.h"
#include "net/vif.h"

#include <string.h>

#include "kernel/log.h"

#include "lwip/dhcp.h"
#include "lwip/prot/dhcp.h"

#include "lwiphooks.h"

#define FOR_EVER UINT32_MAX

/* RFC 2131, 4.1. */
#define WAIT_FIRST_NS  (4 * NS_PER_S)
#define WAIT_LAST_NS   (64 * NS_PER_S)
#define WAIT_JITTER_NS NS_PER_S

/* The shortest time between requests to renew (4.4.5); less for a short lease:
 * one lost packet must not end it. */
#define RENEW_MIN_NS   (60 * NS_PER_S)
#define RENEW_MIN_PART 8

/* T1 and T2 come earlier by up to this fraction, so that guests that were
 * started together do not ask together (4.4.5, "fuzz"). */
#define FUZZ_PART 16

/* The length of option 121: the routes that are kept, and some more. */
#define ROUTES_BYTES_MAX 128

/* Option 121 of the message that lwIP is parsing, parts joined (RFC 3396). */
static struct {
    uint8_t bytes[ROUTES_BYTES_MAX];
    unsigned nr;
    bool given;
} routes;

static struct vif *vif_of(const struct netif *netif)
{
    return netif->state;
}

/* From 0 to just under `ns`; a little coarse, so that it cannot overflow. */
static uint64_t random_below(uint64_t ns)
{
    return (ns >> 16) * (net_random() >> 16);
}

/* ---- Waiting for an answer */

static void wait_is_over(struct timer *timer)
{
    dhcp_timeout(&container_of(timer, struct vif, lease.wait)->netif);
}

void lease_wait(struct netif *netif, unsigned tries)
{
    struct vif *vif = vif_of(netif);
    uint64_t ns = WAIT_FIRST_NS;

    for (; tries > 1 && ns < WAIT_LAST_NS; tries--)
        ns *= 2;
    ns += random_below(2 * WAIT_JITTER_NS) - WAIT_JITTER_NS;
    timer_start(vif->loop, &vif->lease.wait, loop_now(vif->loop) + ns,
                wait_is_over);
}

void lease_sending(struct netif *netif)
{
    struct vif *vif = vif_of(netif);

    vif->lease.asked_ns = loop_now(vif->loop);
}

/* ---- The lease */

static void renew(struct timer *timer);

static void renew_at(struct vif *vif, uint64_t due_ns)
{
    timer_start(vif->loop, &vif->lease.renew, due_ns, renew);
}

/* Ask again after half of the time until until_ns; at until_ns if near. */
static void renew_before(struct vif *vif, uint64_t until_ns)
{
    const struct lease *lease = &vif->lease;
    uint64_t now = loop_now(vif->loop);
    uint64_t half = (until_ns - now) / 2, least = RENEW_MIN_NS;

    if (least > lease->length_ns / RENEW_MIN_PART)
        least = lease->length_ns / RENEW_MIN_PART;
    if (half >= least)
        renew_at(vif, now + half);
    else if (until_ns < lease->end_ns)
        renew_at(vif, until_ns);
}

/* While the address is being confirmed or requested anew, that is enough. */
static void renew(struct timer *timer)
{
    struct vif *vif = container_of(timer, struct vif, lease.renew);
    struct lease *lease = &vif->lease;
    bool rebind = loop_now(vif->loop) >= lease->rebind_ns;

    if (dhcp_supplied_address(&vif->netif)) {
        if (rebind)
            dhcp_rebind(&vif->netif);
        else
            dhcp_renew(&vif->netif);
    }
    renew_before(vif, rebind ? lease->end_ns : lease->rebind_ns);
}

static void lease_ends(struct timer *timer)
{
    struct vif *vif = container_of(timer, struct vif, lease.end);

    log_warn("net",
             "%s: the lease of its address has ended: no DHCP server "
             "has renewed it in time",
             vif->name);
    lease_off(&vif->netif);
    dhcp_expire(&vif->netif);
}

/* T1 and T2 as far as they make sense: in order, and within the lease. */
static void start_lease(struct vif *vif, const struct dhcp *dhcp)
{
    struct lease *lease = &vif->lease;
    uint64_t length = dhcp->offered_t0_lease * NS_PER_S;
    uint64_t t1 = dhcp->offered_t1_renew * NS_PER_S;
    uint64_t t2 = dhcp->offered_t2_rebind * NS_PER_S;

    if (length == 0)
        length = NS_PER_S; /* there is a lease, so use it */
    if (t2 == 0 || t2 >= length)
        t2 = length / 8 * 7;
    if (t1 == 0 || t1 >= t2)
        t1 = t2 / 7 * 4;
    lease->length_ns = length;
    lease->end_ns = lease->asked_ns + length;
    lease->rebind_ns =
        lease->asked_ns + t2 - random_below((t2 - t1) / FUZZ_PART);
    alarm_start(vif->loop, &lease->end, lease->end_ns, lease_ends);
    renew_at(vif, lease->asked_ns + t1 - random_below(t1 / FUZZ_PART));
}

void lease_off(struct netif *netif)
{
    struct vif *vif = vif_of(netif);

    timer_stop(vif->loop, &vif->lease.wait);
    timer_stop(vif->loop, &vif->lease.renew);
    timer_stop(vif->loop, &vif->lease.end);
    vif->lease.nr_routes = 0;
}

/* ---- Option 121 */

void lease_reply(void)
{
    routes.nr = 0;
    routes.given = false;
}

void lease_option(const struct pbuf *p, uint8_t option, uint16_t at,
                  uint8_t bytes)
{
    unsigned room = ROUTES_BYTES_MAX - routes.nr;

    if (option != DHCP_OPTION_CLASSLESS_ROUTES)
        return;
    routes.given = true;
    if (bytes > room)
        bytes = (uint8_t)room;
    routes.nr += pbuf_copy_partial(p, routes.bytes + routes.nr, bytes, at);
}

/* The prefix length, that many bits of the network, the router. Returns the end
 * of the route, or NULL: it is invalid or truncated. */
static const uint8_t *read_route(const uint8_t *at, const uint8_t *end,
                                 struct lease_route *route)
{
    unsigned bits = *at++, bytes = (bits + 7) / 8;

    if (bits > 32 || (size_t)(end - at) < bytes + sizeof(route->router))
        return NULL;
    memset(route, 0, sizeof(*route));
    if (bits)
        route->mask.addr = lwip_htonl(UINT32_MAX << (32 - bits));
    memcpy(&route->net, at, bytes);
    route->net.addr &= route->mask.addr;
    memcpy(&route->router, at + bytes, sizeof(route->router));
    return at + bytes + sizeof(route->router);
}

static void take_route(struct vif *vif, struct dhcp *dhcp,
                       const struct lease_route *route)
{
    struct lease *lease = &vif->lease;

    if (!route->mask.addr && route->router.addr)
        dhcp->offered_gw_addr = route->router;
    else if (lease->nr_routes < LEASE_ROUTES_MAX)
        lease->routes[lease->nr_routes++] = *route;
    else
        log_warn("net", "%s: of the routes that DHCP gives, %u are used",
                 vif->name, LEASE_ROUTES_MAX);
}

/* The router option counts only when option 121 is missing (RFC 3442). */
static void take_routes(struct vif *vif, struct dhcp *dhcp)
{
    const uint8_t *at = routes.bytes, *end = at + routes.nr;
    ip4_addr_t router = dhcp->offered_gw_addr;
    struct lease_route route;

    vif->lease.nr_routes = 0;
    if (routes.given)
        ip4_addr_set_zero(&dhcp->offered_gw_addr);
    while (at < end && (at = read_route(at, end, &route)))
        take_route(vif, dhcp, &route);
    if (at)
        return;
    log_warn("net",
             "%s: the routes that DHCP gives (option 121) are not used: they "
             "are cut short, or longer than %u bytes",
             vif->name, ROUTES_BYTES_MAX);
    vif->lease.nr_routes = 0;
    dhcp->offered_gw_addr = router;
}

const struct lease_route *lease_route(const struct lease *lease,
                                      const ip4_addr_t *dest)
{
    const struct lease_route *best = NULL;

    for (unsigned i = 0; i < lease->nr_routes; i++) {
        const struct lease_route *route = &lease->routes[i];

        if (ip4_addr_net_eq(dest, &route->net, &route->mask) &&
            (!best ||
             lwip_htonl(route->mask.addr) > lwip_htonl(best->mask.addr)))
            best = route;
    }
    return best;
}

void lease_bound(struct netif *netif, struct dhcp *dhcp)
{
    struct vif *vif = vif_of(netif);

    lease_off(netif);
    take_routes(vif, dhcp);
    if (dhcp->offered_t0_lease != FOR_EVER)
        start_lease(vif, dhcp);
}
