/* SPDX-License-Identifier: MIT */
/*
 * What netfront.c (the data path) and netfront_xs.c (the control path) share.
 *
 * A device has one queue: a pair of rings with their pages and ports. More
 * queues (multi-queue-num-queues, netif.h) would be an array of them.
 */
#ifndef NETFRONT_PRIV_H
#define NETFRONT_PRIV_H

#include "netfront/netfront.h"
#include "xen/abi.h"
#include "xen/bus/gnttab.h"
#include "xen/bus/ring.h"
#include "xen/bus/xenbus.h"

/* A ring is one page: (4096 - 64) / 8 or / 12 bytes, cut to a power of two. */
#define NETFRONT_SLOTS 256u

/* How many buffers: a share of the available memory, so that a guest of 2 MB
 * keeps most of it and a large one can fill the rings. The maximum is decided
 * when the device is made; a connection that opens when less memory is free
 * uses fewer. */
#define NETFRONT_RX_SHARE     8u  /* an eighth */
#define NETFRONT_RX_MIN       20u /* one frame of NETFRONT_FRAGS_MAX, and 2 */
#define NETFRONT_RX_MAX       NETFRONT_SLOTS
#define NETFRONT_TX_SHARE     16u /* a sixteenth */
#define NETFRONT_TX_PAGES_MIN 8u
#define NETFRONT_TX_PAGES_MAX (NETFRONT_SLOTS / 2) /* as halves: all slots */

/* A page that the backend may use, and the reference that is bound to it. */
struct netfront_page {
    void *data;      /* NULL: no page */
    grant_ref_t ref; /* GNTTAB_NONE: not bound */
};

/* Who holds a receive page. */
enum netfront_holder {
    RX_OURS,    /* free, or a piece of the frame being put together */
    RX_BACKEND, /* posted in a ring slot; only then may the backend write it */
    RX_OWNER,   /* handed up, not released yet */
};

/* What the next response is, by the flags of those before it (netif.h, "Guest
 * receive"). */
enum netfront_expect { RX_FIRST, RX_EXTRA, RX_MORE };

struct netfront_rx {
    struct ring ring;
    struct netfront_page ring_page;
    unsigned nr_buffers; /* maximum; those without a page are not in use */
    struct netfront_page buffers[NETFRONT_RX_MAX];
    uint8_t holder[NETFRONT_RX_MAX]; /* enum netfront_holder */
    struct {
        uint16_t offset, bytes; /* of the piece handed up */
    } pieces[NETFRONT_RX_MAX];
    uint16_t posted[NETFRONT_SLOTS]; /* the buffer in each ring slot */
    uint16_t free[NETFRONT_RX_MAX];  /* a stack: the warmest page first */
    unsigned nr_free, nr_out;
    /* The frame being put together, which may take several turns: */
    struct netfront_frame frame;
    enum netfront_expect expect;
    bool more;       /* its last data response had NETRXF_more_data */
    bool drop;       /* it was invalid: skip to its end */
    unsigned extras; /* extra info slots it had */
};

/* What a transmit buffer is doing. */
enum netfront_tx_state { TX_FREE, TX_FIRST, TX_REST };

struct netfront_tx {
    struct ring ring;
    struct netfront_page ring_page;
    unsigned nr_pages;     /* of the pool, at most */
    unsigned buffer_bytes; /* half a page, or a page */
    unsigned nr_buffers;   /* buffer i is part i of the pool, in order */
    struct netfront_page pages[NETFRONT_TX_PAGES_MAX];
    uint8_t state[NETFRONT_SLOTS]; /* enum netfront_tx_state */
    uint16_t free[NETFRONT_SLOTS];
    unsigned nr_free;
    unsigned wanted; /* free buffers that a refused sender waits for, or 0 */
};

struct netfront_queue {
    struct netfront *nf;
    struct netfront_rx rx;
    struct netfront_tx tx;
    /* Without split event channels both ports are the same and tx_event is
     * not used. */
    evtchn_port_t rx_port, tx_port;
    struct event rx_event, tx_event;
    struct task work;
    bool open;      /* rings and pages are there */
    bool listening; /* events are started */
    bool running;   /* data may flow */
};

struct netfront {
    struct xenbus_device bus;
    struct loop *loop;
    struct pages *pages;
    struct gnttab *gt;
    struct gnttab_hoard hoard;
    struct netfront_owner owner;
    unsigned index; /* vif number */
    struct netfront_info info;
    struct netfront_stats stats;
    struct netfront_queue queue;
    bool link;      /* the owner was told that the link is up */
    bool destroyed; /* by its owner, who gets no more callbacks */
    bool stopped;   /* destroyed, and xenbus is done with it */
    /* The xenstore keys as last read: */
    struct xenbus_key keys[7];
    uint32_t rx_copy, sg, split, no_csum_ipv4, csum_ipv6, mtu;
    char mac[sizeof("00:16:3e:00:00:00")];
};

/* ---- netfront.c */

/* Decide how many buffers there will be; once. */
void netfront_queue_init(struct netfront_queue *q, struct netfront *nf);

/* Make rings, pools and ports, for sending frames of up to frame_bytes. Leaves
 * nothing behind on error. */
must_check int netfront_queue_open(struct netfront_queue *q,
                                   size_t frame_bytes);
/* The largest frame that an open queue can send. */
uint32_t netfront_queue_frame_max(const struct netfront_queue *q);
/* Both ends are connected: let data flow. */
void netfront_queue_start(struct netfront_queue *q);
/* Free all of it. Frames not yet answered are counted as dropped. */
void netfront_queue_close(struct netfront_queue *q);

/* ---- netfront_xs.c */

/* Free a destroyed device once xenbus is done and the owner has no page. */
void netfront_free_if_unused(struct netfront *nf);

#endif
