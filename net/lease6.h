/* SPDX-License-Identifier: MIT */
/*
 * DHCPv6 (RFC 8415): one address for a vif whose routers say that addresses are
 * managed (the RA's M flag) and announce no prefix for autoconfiguration.
 * lwIP's own client knows only stateless DHCPv6, and is not built.
 */
#ifndef NET_LEASE6_H
#define NET_LEASE6_H

#include "kernel/loop.h"

#include "lwip/ip6_addr.h"

#define LEASE6_DUID_MAX 130 /* RFC 8415, 11.1: a type, and up to 128 bytes */

enum lease6_state {
    LEASE6_OFF,
    LEASE6_SOLICIT,
    LEASE6_REQUEST,
    LEASE6_BOUND,
    LEASE6_RENEW,
    LEASE6_REBIND,
};

/* A part of each vif, zeroed at first. */
struct lease6 {
    struct timer timer;
    enum lease6_state state;
    bool has_socket;
    unsigned tries;
    uint32_t xid;
    uint64_t began_ns, wait_ns; /* of this state's messages */
    uint64_t rebind_ns;         /* T2 */
    ip6_addr_t ip;              /* the address offered or assigned */
    uint16_t server_bytes;
    uint8_t server[LEASE6_DUID_MAX];
};

struct vif;

/* The link came up again: it may be another network. */
void lease6_link_up(struct vif *vif);
/* Stop asking; an assigned address stays until it expires. */
void lease6_stop(struct vif *vif);

#endif
