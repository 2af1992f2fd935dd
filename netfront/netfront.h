/* SPDX-License-Identifier: MIT */
/*
 * The network frontend: frames to and from a netback (xen/io/netif.h).
 *
 *     struct netfront *nf = netfront_create(...)   one per vif
 *       -> link(up)      MAC, MTU and offloads are known; frames may flow
 *       -> receive(...)  a whole frame, in place, in pages of the receive pool
 *     netfront_send(...) a whole frame, copied into the transmit pool
 *       -> link(down)    the backend left; when it comes back: link(up)
 *
 * Memory. The pages of both pools, receive and transmit, are granted to the
 * backend once, by references that stay bound. A received page is private
 * before receive() sees it (the permission was withdrawn) and is given to the
 * backend again when its owner releases it; so a hostile backend cannot change
 * a frame that is being parsed. Nothing else of the guest is ever granted.
 *
 * All callbacks run on the loop. Errors: see xen/hv.h.
 */
#ifndef NETFRONT_NETFRONT_H
#define NETFRONT_NETFRONT_H

#include "kernel/loop.h"
#include "kernel/page.h"

/* A frame is at most this many pages long (XEN_NETIF_NR_SLOTS_MIN, netif.h). */
#define NETFRONT_FRAGS_MAX 18
/* The largest frame either way without segmentation offload: a backend with
 * scatter-gather takes 64 KiB - 1 (netif.h). MTU_MAX follows from it. */
#define NETFRONT_FRAME_MAX 65535
#define NETFRONT_MTU_MIN   68 /* RFC 791: every link carries 68 bytes */
#define NETFRONT_MTU_MAX   65521

struct gnttab;
struct netfront;
struct xs;

/* One piece of a received frame, in a page of the receive pool. */
struct netfront_frag {
    void *data;
    uint16_t bytes;
    uint16_t buffer; /* index of the page, for netfront_release */
};

struct netfront_frame {
    uint32_t bytes; /* sum of the pieces */
    uint16_t nr_frags;
    /* The TCP/UDP checksum need not be checked: hardware has done so, or the
     * frame never left the host. */
    bool checksum_good;
    /* The checksum field holds only the pseudo-header's sum (the frame comes
     * from this host). Implies checksum_good. */
    bool checksum_blank;
    struct netfront_frag frags[NETFRONT_FRAGS_MAX];
};

struct netfront_owner {
    /* Up: netfront_info() is valid. Down: nothing is sent or received; pages
     * held by the owner may still be released as usual. */
    void (*link)(void *arg, bool up);
    /* A frame arrived. The owner now owns each piece and must release each
     * once with netfront_release(), soon (they are the receive pool). It may
     * write to a piece, but not to the rest of its page. `frame` itself is
     * valid only during the call. */
    void (*receive)(void *arg, const struct netfront_frame *frame);
    /* netfront_send said -XEN_EAGAIN before; there is room again. */
    void (*sendable)(void *arg);
    void *arg;
};

struct netfront_info {
    uint8_t mac[6];
    uint16_t mtu;
    bool checksum_ipv4; /* netfront_send may leave TCP/UDP checksums blank */
    bool checksum_ipv6;
    bool scatter_gather;
    uint32_t tx_frame_max; /* largest frame netfront_send takes now, bytes */
};

/* Begin the handshake for device/vif/INDEX. Pool sizes depend on the available
 * memory (netfront_priv.h, "How many buffers"). NULL: no memory (logged).
 */
struct netfront *netfront_create(unsigned index, struct loop *loop,
                                 struct pages *pages, struct gnttab *gt,
                                 struct xs *xs,
                                 const struct netfront_owner *owner);
/* Close the device and free everything; the owner is not called any more. Pages
 * still with the owner must be released as before, and are freed then. Not to
 * be called from the owner's callbacks. */
void netfront_destroy(struct netfront *nf);

const struct netfront_info *netfront_info(const struct netfront *nf);

/* Number of receive-pool pages; buffer indices are below this. Constant. */
unsigned netfront_buffers(const struct netfront *nf);

/* A piece to send, anywhere in memory; it is copied before the call returns. */
struct netfront_piece {
    const void *data;
    size_t bytes;
};

/* Queue one frame. checksum_blank: the TCP/UDP checksum field holds the sum of
 * the pseudo-header and the other side completes it (only if netfront_info()
 * allows it). The backend is notified once a turn, not once a
 * frame. -XEN_EAGAIN: no room now, sendable() will tell. -XEN_ENODEV: link is
 * down. -XEN_E2BIG: larger than tx_frame_max. -XEN_EINVAL: shorter than an
 * ethernet header. */
must_check int netfront_send(struct netfront *nf,
                             const struct netfront_piece *pieces, unsigned nr,
                             bool checksum_blank);

/* Poll the rings soon, even without an event. Call it now and then, so that an
 * event that the backend never sent delays frames only until then. Frames can
 * come at any time, so this needs a timer that always runs; it is the caller's
 * because the caller has one anyway. */
void netfront_look(struct netfront *nf);

/* Give a received page back to the pool. Assert: it was handed up. written: the
 * piece may have been written to; it is wiped before the backend gets the page
 * again, because the backend must see no data of ours. */
void netfront_release(struct netfront *nf, unsigned buffer, bool written);

struct netfront_stats {
    uint64_t rx_frames, rx_bytes;
    uint64_t rx_dropped; /* frames that were bad, or that the backend failed */
    uint64_t rx_errors;  /* pages it kept, or that could not be replaced */
    uint64_t tx_frames, tx_bytes; /* taken by netfront_send */
    uint64_t tx_dropped; /* of these: by the backend, or not answered by it */
    uint64_t tx_errors;  /* of these: refused by the backend */
    uint64_t tx_full;    /* times there was no room */
    uint64_t events, notifies; /* from and to the backend */
    uint64_t reconnects;
    uint64_t broken; /* protocol violations of the backend */
};
void netfront_stats(const struct netfront *nf, struct netfront_stats *stats);

#endif
