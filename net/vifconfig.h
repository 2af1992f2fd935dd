/* SPDX-License-Identifier: MIT */
/*
 * What a vif's addresses are to be, as the user wrote it. docs/options.md,
 * "Network", describes the values.
 */
#ifndef NET_VIFCONFIG_H
#define NET_VIFCONFIG_H

#include "lwip/ip_addr.h"
#include "lwip/opt.h"

enum vifconfig_key {
    VIFCONFIG_IP,
    VIFCONFIG_GW,
    VIFCONFIG_DNS,
    VIFCONFIG_IP6,
    VIFCONFIG_GW6,
    VIFCONFIG_KEYS
};
/* "ip", "gw", ... */
extern const char *const vifconfig_names[VIFCONFIG_KEYS];

enum vifconfig_mode {
    VIFCONFIG_AUTO, /* DHCP; for IPv6: what routers announce */
    VIFCONFIG_STATIC,
    VIFCONFIG_NONE,
};

struct vifconfig {
    enum vifconfig_mode ipv4, ipv6;
    ip4_addr_t ip, mask, gw; /* gw all zero: none */
    ip6_addr_t ip6, gw6;     /* gw6 all zero: none */
    ip_addr_t dns[DNS_MAX_SERVERS];
    unsigned nr_dns;
};

/* Read the values (NULL: not given) into *config; what is not given stays at
 * the default: automatic. 0, or -XEN_EINVAL: the first bad value was logged,
 * with `prefix` and its name as the key; *config is then not usable. */
int vifconfig_parse(struct vifconfig *config, const char *prefix,
                    const char *const text[VIFCONFIG_KEYS]);

#endif
