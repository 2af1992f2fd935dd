/* SPDX-License-Identifier: MIT */
/*
 * A vif's addresses: their sources, and where they are logged and published.
 *
 *   address_configure     use the user's settings, from the command line or the
 *                         xenstore (the latter takes a few turns)
 *   address_link_up       once the link and the settings are there, tells lwIP,
 *                         once; lwIP then does DHCP, duplicate detection and
 *                         announcements itself
 *   address_forget        starts over when the vif comes back with another MAC
 *   address_update        whenever lwIP changed something: logs and publishes
 *                         what differs from the last time
 *
 *   address_conflict4,6   another host uses one of the addresses
 *
 * The xenstore is written in one transaction at a time; changes that come
 * meanwhile are written after it. An address without a link is of no use: it is
 * shown as gone until the link is back.
 */
#include "net/vif.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "kernel/log.h"

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/ip6_addr.h"
#include "lwip/nd6.h"

#include "lwiphooks.h"

/* A DHCP server answers in a second, or something is wrong. */
#define DHCP_SLOW_NS (5 * NS_PER_S)

/* ---- Telling lwIP */

static void dhcp_is_slow(struct timer *timer)
{
    struct vif *vif = container_of(timer, struct vif, dhcp_slow);

    log_warn("net",
             "%s: no DHCP server has answered for %u s; asking on "
             "(%s.ip=ADDRESS/BITS sets an address)",
             vif->name, (unsigned)(DHCP_SLOW_NS / NS_PER_S), vif->name);
}

static void start_ipv4(struct vif *vif)
{
    const struct vifconfig *config = &vif->config;

    switch (config->ipv4) {
    case VIFCONFIG_AUTO:
        if (dhcp_start(&vif->netif) != ERR_OK)
            log_error("net", "%s: no DHCP: no memory, or an MTU below 576",
                      vif->name);
        break;
    case VIFCONFIG_STATIC:
        netif_set_addr(&vif->netif, &config->ip, &config->mask, &config->gw);
        break;
    case VIFCONFIG_NONE:
        break;
    }
}

static void start_ipv6(struct vif *vif)
{
    struct netif *netif = &vif->netif;
    struct vifconfig *config = &vif->config;

    netif_set_ip6_autoconfig_enabled(netif, config->ipv6 == VIFCONFIG_AUTO);
    if (config->ipv6 == VIFCONFIG_NONE)
        return;
    netif_create_ip6_linklocal_address(netif, 1);
    ip6_addr_assign_zone(&config->gw6, IP6_UNICAST, netif);
    if (config->ipv6 == VIFCONFIG_STATIC)
        netif_add_ip6_address(netif, &config->ip6, NULL); /* there is room */
}

static void start_addresses(struct vif *vif)
{
    if (!vif->configured || !vif->linked || vif->addressed)
        return;
    vif->addressed = true;
    start_ipv4(vif);
    start_ipv6(vif);
}

void address_link_up(struct vif *vif)
{
    vif->linked = true;
    start_addresses(vif);
    lease6_link_up(vif);
    if (netif_dhcp_data(&vif->netif))
        timer_start(vif->loop, &vif->dhcp_slow,
                    loop_now(vif->loop) + DHCP_SLOW_NS, dhcp_is_slow);
}

/* Forget the neighbours too: the new MAC may be on another network. */
void address_forget(struct vif *vif)
{
    struct netif *netif = &vif->netif;

    if (!vif->addressed)
        return;
    vif->addressed = false;
    if (vif->config.ipv4 == VIFCONFIG_AUTO)
        dhcp_stop(netif); /* gives the lease back, still under the old MAC */
    netif_set_addr(netif, IP4_ADDR_ANY4, IP4_ADDR_ANY4, IP4_ADDR_ANY4);
    lease6_stop(vif);
    for (unsigned i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
        netif_ip6_addr_set_state(netif, (s8_t)i, IP6_ADDR_INVALID);
    etharp_cleanup_netif(netif);
    nd6_cleanup_netif(netif);
}

void address_configure(struct vif *vif, const struct vifconfig *config)
{
    vif->config = *config;
    vif->configured = true;
    if (vif->linked)
        address_link_up(vif);
}

/* ---- The xenstore's configuration */

static void read_stored(struct vif *vif);

static void use_stored(struct vif *vif)
{
    struct vifconfig config;
    char prefix[VIF_PATH_MAX];

    snprintf(prefix, sizeof(prefix), "vm-data/%s/", vif->name);
    if (vifconfig_parse(&config, prefix, vif->stored.given) == 0)
        address_configure(vif, &config);
    else
        log_error("net", "%s: stays without addresses", vif->name);
}

static void keep_stored(struct vif *vif, const struct xs_request *request)
{
    struct vif_stored *stored = &vif->stored;
    char *text = stored->text[stored->at];

    if (request->value_bytes == 0)
        return;
    /* A truncated value is as wrong as one with a NUL inside: both end early,
     * and such an address is refused. */
    snprintf(text, VIF_CONFIG_TEXT_MAX, "%s", request->value);
    stored->given[stored->at] = text;
}

static void stored_done(struct xs_request *request)
{
    struct vif *vif = container_of(request, struct vif, stored.request);

    if (!request->error)
        keep_stored(vif, request);
    else if (request->error != -XEN_ENOENT)
        log_warn("net", "%s: reading %s: error %d", vif->name, vif->stored.path,
                 request->error);
    vif->stored.at++;
    read_stored(vif);
}

static void read_stored(struct vif *vif)
{
    struct vif_stored *stored = &vif->stored;

    if (stored->at == VIFCONFIG_KEYS) {
        use_stored(vif);
        return;
    }
    snprintf(stored->path, sizeof(stored->path), "vm-data/%s/%s", vif->name,
             vifconfig_names[stored->at]);
    stored->request.done = stored_done;
    xs_read(vif->xs, &stored->request, XS_NO_TRANSACTION, stored->path);
}

void address_configure_stored(struct vif *vif)
{
    read_stored(vif);
}

/* ---- What is in use now */

static bool has_link(const struct vif *vif)
{
    return netif_is_link_up(&vif->netif) && netif_is_up(&vif->netif);
}

static bool has_ipv4(const struct vif *vif)
{
    return has_link(vif) && !ip4_addr_isany(netif_ip4_addr(&vif->netif));
}

static bool has_ipv6(const struct vif *vif, unsigned i)
{
    return has_link(vif) &&
           ip6_addr_isvalid(netif_ip6_addr_state(&vif->netif, i));
}

bool address_is_up(const struct vif *vif)
{
    if (has_ipv4(vif) && !ip4_addr_islinklocal(netif_ip4_addr(&vif->netif)))
        return true;
    for (unsigned i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        if (has_ipv6(vif, i) &&
            !ip6_addr_islinklocal(netif_ip6_addr(&vif->netif, i)))
            return true;
    }
    return false;
}

/* In lower case (RFC 5952, 4.3). */
static void write_ipv6(const ip6_addr_t *ip, char text[VIF_ADDRESS_MAX])
{
    ip6addr_ntoa_r(ip, text, VIF_ADDRESS_MAX);
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* ---- The log */

static unsigned prefix_bits(const ip4_addr_t *mask)
{
    return (unsigned)__builtin_popcount(mask->addr);
}

static void describe_ipv4(const struct vif *vif, char *text, size_t bytes)
{
    const struct netif *netif = &vif->netif;
    char ip[IP4ADDR_STRLEN_MAX], gw[IP4ADDR_STRLEN_MAX];
    bool routed = !ip4_addr_isany(netif_ip4_gw(netif));

    text[0] = '\0';
    if (!has_ipv4(vif))
        return;
    ip4addr_ntoa_r(netif_ip4_addr(netif), ip, sizeof(ip));
    ip4addr_ntoa_r(netif_ip4_gw(netif), gw, sizeof(gw));
    snprintf(text, bytes, "%s/%u%s%s", ip,
             prefix_bits(netif_ip4_netmask(netif)), routed ? " via " : "",
             routed ? gw : "");
}

static void describe_ipv6(const struct vif *vif, unsigned i, char *text,
                          size_t bytes)
{
    char ip[VIF_ADDRESS_MAX];

    text[0] = '\0';
    if (!has_ipv6(vif, i))
        return;
    write_ipv6(netif_ip6_addr(&vif->netif, i), ip);
    snprintf(text, bytes, "%s/64", ip);
}

/* Where the IPv4 address came from. */
static void ipv4_origin(const struct vif *vif, char *text, size_t bytes)
{
    const struct dhcp *dhcp = netif_dhcp_data(&vif->netif);

    if (vif->config.ipv4 != VIFCONFIG_AUTO)
        snprintf(text, bytes, "static");
    else if (!dhcp_supplied_address(&vif->netif)) /* the link was down */
        snprintf(text, bytes, "dhcp, to be confirmed");
    else if (dhcp->offered_t0_lease == UINT32_MAX)
        snprintf(text, bytes, "dhcp, for ever");
    else
        snprintf(text, bytes, "dhcp, lease %u s",
                 (unsigned)dhcp->offered_t0_lease);
}

static const char *ipv6_origin(const struct vif *vif, unsigned i)
{
    if (ip6_addr_islinklocal(netif_ip6_addr(&vif->netif, i)))
        return "link-local";
    if (ip6_addr_eq(netif_ip6_addr(&vif->netif, i), &vif->lease6.ip))
        return "dhcp";
    return netif_ip6_addr_isstatic(&vif->netif, i) ? "static" : "slaac";
}

/* Log the change from what was logged before, if it is one. */
static void log_address(struct vif *vif, unsigned slot, const char *text,
                        const char *origin)
{
    char *logged = vif->logged[slot];

    if (strcmp(logged, text) == 0)
        return;
    if (text[0])
        log_info("net", "%s: %s (%s)", vif->name, text, origin);
    else
        log_info("net", "%s: %s is gone", vif->name, logged);
    snprintf(logged, sizeof(vif->logged[slot]), "%s", text);
}

static void log_addresses(struct vif *vif)
{
    char text[sizeof(vif->logged[0])], origin[32];

    describe_ipv4(vif, text, sizeof(text));
    ipv4_origin(vif, origin, sizeof(origin));
    log_address(vif, 0, text, origin);
    for (unsigned i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        describe_ipv6(vif, i, text, sizeof(text));
        log_address(vif, 1 + i, text, ipv6_origin(vif, i));
    }
}

/* ---- Other hosts that use one of our addresses */

/* RFC 5227, 2.4: DEFEND_INTERVAL. */
#define DEFEND_NS (10 * NS_PER_S)
/* A conflict may last for days. */
#define TELL_NS   (60 * NS_PER_S)

/* True at most once per interval; *next_ns starts at 0. */
static bool is_due(struct vif *vif, uint64_t *next_ns, uint64_t interval_ns)
{
    uint64_t now = loop_now(vif->loop);

    if (now < *next_ns)
        return false;
    *next_ns = now + interval_ns;
    return true;
}

static void log_conflict(struct vif *vif, bool v6, const char *ip,
                         const uint8_t *mac, const char *effect)
{
    char other[32] = "another host";

    if (!is_due(vif, &vif->tell_ns[v6], TELL_NS))
        return;
    if (mac)
        snprintf(other, sizeof(other), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
                 mac[1], mac[2], mac[3], mac[4], mac[5]);
    log_error("net", "%s: %s uses %s, too: %s", vif->name, other, ip, effect);
}

/* Called with each ARP message's sender. A server's clients know its address,
 * so it is never given up: RFC 5227, 2.4, (c). */
void address_conflict4(struct netif *netif, const ip4_addr_t *ip,
                       const uint8_t *mac)
{
    struct vif *vif = netif->state;

    if (ip4_addr_isany(ip) || !ip4_addr_eq(ip, netif_ip4_addr(netif)) ||
        memcmp(mac, netif->hwaddr, ETH_HWADDR_LEN) == 0)
        return;
    if (is_due(vif, &vif->defend_ns, DEFEND_NS))
        etharp_gratuitous(netif);
    log_conflict(vif, false, ip4addr_ntoa(ip), mac,
                 "it is announced as ours; one of the two must get another");
}

/* After this lwIP gives up a tentative address, but keeps one in use. */
void address_conflict6(struct netif *netif, int8_t slot, const uint8_t *mac)
{
    struct vif *vif = netif->state;
    const ip6_addr_t *ip = netif_ip6_addr(netif, slot);
    char text[VIF_ADDRESS_MAX];
    const char *effect = "one of the two must get another";

    if (ip6_addr_istentative(netif_ip6_addr_state(netif, slot))) {
        vif->tell_ns[true] = 0; /* happens once, and is not to be missed */
        effect = slot ? "it is not used here"
                      : "no IPv6 on this vif until it has another MAC";
    }
    write_ipv6(ip, text);
    log_conflict(vif, true, text, mac, effect);
}

/* ---- The xenstore: attr/vif/N/ipv4/0, attr/vif/N/ipv6/0, 1, ... */

static void publish(struct vif *vif);

static void published(struct xs_update *update, int error)
{
    struct vif *vif = container_of(update, struct vif, update);

    vif->updating = false;
    if (error && !vif->update_failed) {
        vif->update_failed = true; /* once is enough */
        log_warn("net", "%s: cannot show its addresses in %s: error %d",
                 vif->name, vif->nodes[0].path, error);
    }
    if (vif->update_again)
        publish(vif);
}

/* Addresses in the order in which they are shown: those with more than
 * link-local scope first. */
static void list_addresses(const struct vif *vif,
                           char list[VIF_ADDRESSES][VIF_ADDRESS_MAX])
{
    unsigned nr = 1;

    memset(list, 0, VIF_ADDRESSES * sizeof(list[0]));
    if (has_ipv4(vif))
        ip4addr_ntoa_r(netif_ip4_addr(&vif->netif), list[0], VIF_ADDRESS_MAX);
    for (int local = 0; local <= 1; local++) {
        for (unsigned i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
            const ip6_addr_t *ip = netif_ip6_addr(&vif->netif, i);

            if (has_ipv6(vif, i) && ip6_addr_islinklocal(ip) == local)
                write_ipv6(ip, list[nr++]);
        }
    }
}

/* A node for slot `i`, if what it shows has changed. */
static bool make_node(struct vif *vif, unsigned i,
                      const char text[VIF_ADDRESS_MAX], struct xs_node *node)
{
    if (strcmp(vif->shown[i], text) == 0)
        return false;
    memcpy(vif->shown[i], text, VIF_ADDRESS_MAX);
    snprintf(vif->paths[i], sizeof(vif->paths[i]), "attr/vif/%u/ipv%u/%u",
             vif->index, i ? 6u : 4u, i ? i - 1 : 0);
    *node = (struct xs_node){
        .path = vif->paths[i],
        .value = text[0] ? vif->shown[i] : NULL,
    };
    return true;
}

static void publish(struct vif *vif)
{
    char list[VIF_ADDRESSES][VIF_ADDRESS_MAX];
    unsigned nr = 0;

    vif->update_again = vif->updating;
    if (vif->updating)
        return;
    list_addresses(vif, list);
    for (unsigned i = 0; i < VIF_ADDRESSES; i++) {
        if (make_node(vif, i, list[i], &vif->nodes[nr]))
            nr++;
    }
    if (nr == 0)
        return;
    vif->updating = true;
    vif->update.done = published;
    xs_update(vif->xs, &vif->update, vif->nodes, nr);
}

void address_update(struct vif *vif)
{
    if (has_ipv4(vif) || !has_link(vif))
        timer_stop(vif->loop, &vif->dhcp_slow);
    log_addresses(vif);
    publish(vif);
}
