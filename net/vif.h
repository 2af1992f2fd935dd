/* SPDX-License-Identifier: MIT */
/*
 * One vif: a netfront below, an lwIP netif above, and what is known about its
 * addresses. Private to net/.
 */
#ifndef NET_VIF_H
#define NET_VIF_H

#include "kernel/loop.h"
#include "kernel/page.h"
#include "net/checksum.h"
#include "net/errorlimit.h"
#include "net/lease.h"
#include "net/lease6.h"
#include "net/vifconfig.h"
#include "netfront/netfront.h"

#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "xen/bus/xs_update.h"

/* "vif4294967295" and its NUL. */
#define VIF_NAME_MAX 14

struct vif_buffer;

/* Addresses that are written to the xenstore: one IPv4, and all of IPv6. */
#define VIF_ADDRESSES       (1 + LWIP_IPV6_NUM_ADDRESSES)
#define VIF_PATH_MAX        32  /* "attr/vif/4294967295/ipv6/3" */
#define VIF_ADDRESS_MAX     46  /* as text: INET6_ADDRSTRLEN */
#define VIF_CONFIG_TEXT_MAX 160 /* three IPv6 addresses */

/* What the xenstore says about the addresses (vm-data/vifN/...). */
struct vif_stored {
    struct xs_request request;
    unsigned at; /* the key being read */
    char path[VIF_PATH_MAX];
    char text[VIFCONFIG_KEYS][VIF_CONFIG_TEXT_MAX];
    const char *given[VIFCONFIG_KEYS];
};

struct vif_counts {
    uint64_t rx_copied;  /* frames whose pages went back at once */
    uint64_t rx_short;   /* dropped: too short for any protocol */
    uint64_t rx_no_room; /* dropped: lwIP held too much already */
    uint64_t tx_full;    /* frames refused: the ring was full */
    uint64_t tx_failed;  /* frames refused for other reasons */
    uint64_t tx_limited; /* ICMP errors over the limit */
};

struct vif {
    struct loop *loop;
    struct xs *xs;
    unsigned index;
    char name[VIF_NAME_MAX];
    struct netif netif;
    struct netfront *front;
    struct checksum_offload offload;
    struct vif_buffer *buffers; /* one for each of netfront's pages */
    unsigned nr_buffers;
    unsigned nr_held; /* of them, by lwIP and the app */
    struct errorlimit errors;
    struct vif_counts counts;

    /* address.c's: */
    struct vifconfig config;
    bool configured; /* config is valid, */
    bool linked;     /* the link was up once, */
    bool addressed;  /* so config was applied */
    struct timer dhcp_slow;
    struct lease lease;   /* lease.c's */
    struct lease6 lease6; /* lease6.c's */
    struct vif_stored stored;
    /* The addresses logged as in use: IPv4, then by lwIP's index; "": none. */
    char logged[VIF_ADDRESSES][2 * VIF_ADDRESS_MAX];
    /* What attr/vif/N shows, by path; "": nothing. */
    char shown[VIF_ADDRESSES][VIF_ADDRESS_MAX];
    char paths[VIF_ADDRESSES][VIF_PATH_MAX];
    struct xs_node nodes[VIF_ADDRESSES];
    struct xs_update update;
    bool updating, update_again, update_failed;
    uint64_t defend_ns;  /* the next defence of the IPv4 address */
    uint64_t tell_ns[2]; /* the next line about IPv4's, IPv6's conflicts */
};

/* ---- vif.c: frames */

/* Make the vif and begin its handshake; it gets no address before
 * address_configure. NULL: no memory (logged). */
struct vif *vif_create(unsigned index, struct loop *loop, struct pages *pages,
                       struct gnttab *gt, struct xs *xs);
/* Close the device. The memory stays: lwIP may still hold its pages. */
void vif_close(struct vif *vif);

/* ---- address.c: addresses */

/* Use this configuration, now or when the link is up. */
void address_configure(struct vif *vif, const struct vifconfig *config);
/* Use what the xenstore says, or else the default. */
void address_configure_stored(struct vif *vif);
/* The link came up: begin, or begin again, to get addresses. */
void address_link_up(struct vif *vif);
/* The MAC is about to change: give up the old one's addresses; link-up then
 * starts anew. */
void address_forget(struct vif *vif);
/* Log and publish what has changed since the last time. */
void address_update(struct vif *vif);
/* The vif has an address that reaches further than its link. */
bool address_is_up(const struct vif *vif);

#endif
