/* SPDX-License-Identifier: MIT */
/*
 * What lwIP knows of each vif, in the words of ifaddrs.h. A list is a picture
 * of the moment: addresses come and go.
 */
#include "posix/socket.h"

#include "posix/interfaces.h"

#include <stdlib.h>
#include <string.h>

#include "net/loopback.h"
#include "net/net.h"

#include "lwip/netif.h"

/* An entry of a list, and all that it points to. */
struct entry {
    struct ifaddrs head;
    struct sockaddr_storage address, mask, broadcast;
    char name[IF_NAMESIZE];
};

static bool is_lo(const struct netif *netif)
{
    return netif == loopback_netif();
}

static void copy_name(char name[IF_NAMESIZE], const struct netif *netif)
{
    strncpy(name, is_lo(netif) ? "lo" : net_vif_name(netif), IF_NAMESIZE - 1);
    name[IF_NAMESIZE - 1] = '\0';
}

/* lo, then the vifs, which are found while the program has begun already. */
static const struct netif *nth(unsigned n)
{
    if (!n)
        return loopback_netif();
    socket_await_net();
    return net_vif(n - 1);
}

bool interfaces_nth(unsigned n, unsigned *number, char name[IF_NAMESIZE])
{
    const struct netif *netif = nth(n);

    if (!netif)
        return false;
    *number = netif_get_index(netif);
    copy_name(name, netif);
    return true;
}

unsigned interfaces_number(const char *name)
{
    char each[IF_NAMESIZE];
    unsigned number;

    for (unsigned n = 0; interfaces_nth(n, &number, each); n++)
        if (!strcmp(each, name))
            return number;
    return 0;
}

/* ---- Addresses */

static unsigned flags_of(const struct netif *netif)
{
    if (is_lo(netif))
        return IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
    return IFF_UP | IFF_BROADCAST | IFF_MULTICAST |
           (netif_is_link_up(netif) ? IFF_RUNNING : 0);
}

/* Put an entry at the list's end, and make that the next one's place. */
static struct entry *add(struct ifaddrs ***tail, const struct netif *netif,
                         const ip_addr_t *ip, const ip_addr_t *mask)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    bool v6 = IP_IS_V6(ip);

    if (!entry)
        return NULL;
    copy_name(entry->name, netif);
    address_fill(v6, ip, 0, &entry->address);
    address_fill(v6, mask, 0, &entry->mask);
    entry->head.ifa_name = entry->name;
    entry->head.ifa_flags = flags_of(netif);
    entry->head.ifa_addr = (struct sockaddr *)&entry->address;
    entry->head.ifa_netmask = (struct sockaddr *)&entry->mask;
    **tail = &entry->head;
    *tail = &entry->head.ifa_next;
    return entry;
}

static int add_v4(struct ifaddrs ***tail, const struct netif *netif)
{
    ip_addr_t broadcast;
    struct entry *entry;

    if (ip4_addr_isany_val(*netif_ip4_addr(netif)))
        return 0;
    entry = add(tail, netif, netif_ip_addr4(netif), netif_ip_netmask4(netif));
    if (!entry)
        return -XEN_ENOMEM;
    if (is_lo(netif))
        return 0;
    ip_addr_set_ip4_u32_val(broadcast, netif_ip4_addr(netif)->addr |
                                           ~netif_ip4_netmask(netif)->addr);
    address_fill(false, &broadcast, 0, &entry->broadcast);
    entry->head.ifa_broadaddr = (struct sockaddr *)&entry->broadcast;
    return 0;
}

/* All networks of IPv6 here have prefixes of 64 bits (RFC 4291, 2.5.4), but lo,
 * which is one address. */
static int add_v6(struct ifaddrs ***tail, const struct netif *netif)
{
    const ip_addr_t prefix = IPADDR6_INIT(0xffffffff, 0xffffffff, 0, 0);
    const ip_addr_t one =
        IPADDR6_INIT(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff);
    const ip_addr_t *mask = is_lo(netif) ? &one : &prefix;

    for (int8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        if (!ip6_addr_isvalid(netif_ip6_addr_state(netif, i)))
            continue;
        if (!add(tail, netif, netif_ip_addr6(netif, i), mask))
            return -XEN_ENOMEM;
    }
    return 0;
}

int interfaces_addresses(struct ifaddrs **list)
{
    struct ifaddrs **tail = list;
    const struct netif *netif;
    int err = 0;

    *list = NULL;
    for (unsigned n = 0; !err && (netif = nth(n)); n++) {
        err = add_v4(&tail, netif);
        if (!err)
            err = add_v6(&tail, netif);
    }
    if (err) {
        interfaces_free(*list);
        *list = NULL;
    }
    return err;
}

void interfaces_free(struct ifaddrs *list)
{
    while (list) {
        struct ifaddrs *next = list->ifa_next;

        free(list); /* the entry: `head` is its first member */
        list = next;
    }
}
