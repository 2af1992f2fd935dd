/* SPDX-License-Identifier: MIT */
/*
 * The times of a DHCP lease (RFC 2131), and the routes that came with it
 * (RFC 3442). lwIP has the messages, and calls this through lwiphooks.h.
 */
#ifndef NET_LEASE_H
#define NET_LEASE_H

#include "kernel/loop.h"

#include "lwip/ip4_addr.h"

/* Networks behind other routers than the default one; more are ignored. */
#define LEASE_ROUTES_MAX 8

struct lease_route {
    ip4_addr_t net, mask;
    ip4_addr_t router; /* 0.0.0.0: the network is on the link */
};

/* Part of each vif; zeroed at first. */
struct lease {
    struct timer wait;  /* an answer is awaited */
    struct timer renew; /* a lease is to be renewed */
    struct timer end;   /* the lease ends: an alarm */
    uint64_t asked_ns;  /* when the last message was sent */
    /* The lease's length, the time by which it must be rebound, and its end. */
    uint64_t length_ns, rebind_ns, end_ns;
    struct lease_route routes[LEASE_ROUTES_MAX];
    unsigned nr_routes;
};

/* The lease's route to a destination that is not on the vif's own network;
 * NULL: none but the default gateway. */
const struct lease_route *lease_route(const struct lease *lease,
                                      const ip4_addr_t *dest);

#endif
