/* SPDX-License-Identifier: MIT */
/*
 * A network backend inside the test process (xen/io/netif.h, from the other
 * side): honest by default, and a liar on command.
 *
 *     struct netback *nb = netback_new(0);    vif 0; nodes are not yet written
 *     netback_offer(nb)->sg = false;          change what it offers
 *     netback_on_frame(nb, fn, arg);          frames from the guest go here
 *     netback_start(nb);                      writes its nodes, InitWait
 *     ... turns of the loop, until netback_connected(nb) ...
 *     netback_deliver(nb, frame, bytes, 0);   a frame for the guest
 *     netback_free(nb);
 *
 * It works as a step of the fake machine, that is while the guest sleeps. As
 * a wire between a test and the guest it needs no more than these calls.
 */
#ifndef TESTS_FAKE_NETBACK_H
#define TESTS_FAKE_NETBACK_H

#include "xen/abi.h"

struct netback;

/* What the toolstack and the backend write into xenstore. */
struct netback_offer {
    bool rx_copy;    /* feature-rx-copy = 1 */
    bool sg;         /* feature-sg = 1 */
    bool split;      /* feature-split-event-channels = 1 */
    bool csum_ipv4;  /* feature-no-csum-offload absent; false: = 1 */
    bool csum_ipv6;  /* feature-ipv6-csum-offload = 1 */
    const char *mac; /* the frontend's node `mac`; NULL: missing */
    const char *mtu; /* the frontend's node `mtu`; NULL: missing */
};

/* All features on, mac 00:16:3e:00:00:VIF, no mtu. The fake machine and its
 * xenstored must have been started, and are still there at netback_free. */
struct netback *netback_new(unsigned vif);
struct netback_offer *netback_offer(struct netback *nb);
void netback_start(struct netback *nb);
void netback_free(struct netback *nb);

/* Flags of a frame, both ways: its checksum field holds the pseudo-header's sum
 * only; the checksum was verified. */
#define NETBACK_CSUM_BLANK 1u
#define NETBACK_CSUM_GOOD  2u

/* Called for every whole frame that the guest sent, while the guest sleeps.
 * netback_deliver may be called from inside. */
typedef void netback_frame_fn(void *arg, const void *frame, size_t bytes,
                              unsigned flags);
void netback_on_frame(struct netback *nb, netback_frame_fn *fn, void *arg);

/* Queue a frame (at most 65535 bytes, copied) for the guest. It goes out when
 * the guest next sleeps and has posted room for it, or is lost when the
 * connection ends. */
void netback_deliver(struct netback *nb, const void *frame, size_t bytes,
                     unsigned flags);

/* Frames queued by netback_deliver that still wait for room. */
unsigned netback_backlog(const struct netback *nb);

bool netback_connected(const struct netback *nb);

/* ---- Comings and goings. */

/* Closing, Closed: the rings are let go. netback_start brings it back, with
 * what it offers now. */
void netback_close(struct netback *nb);
/* Gone without a word: its nodes are removed. netback_start brings it back. */
void netback_vanish(struct netback *nb);

/* ---- Behaviour that the protocol allows. */

struct netback_manner {
    unsigned chunk_bytes; /* at most so much of a frame in one page: 4096 */
    bool hold_tx;         /* take no frame from the guest */
    bool hold_answers;    /* take them, but do not answer */
    bool shuffle;         /* answer them out of order */
    bool hash;            /* put hash extra infos before frames' rests */
    int16_t tx_status;    /* of the answers: NETIF_RSP_OKAY */
    /* And that it does not allow: */
    bool mute;   /* never send an event */
    bool storm;  /* send events without reason */
    bool manual; /* do nothing with the rings: the test does */
    bool keep;   /* keep the pages of frames mapped, both ways */
};
struct netback_manner *netback_manner(struct netback *nb);
/* Unmap what was kept. */
void netback_let_go(struct netback *nb);

/* ---- By hand: netback_manner()->manual. Who writes to the rings, answers or
 * scribbles here is alone with them until the next connection. */

/* Take the guest's next request; false: there is none. */
bool netback_rx_next(struct netback *nb, netif_rx_request_t *request);
bool netback_tx_next(struct netback *nb, netif_tx_request_t *request);
/* Write the next response. It is shown by netback_push. */
void netback_rx_answer(struct netback *nb, uint16_t id, uint16_t offset,
                       uint16_t flags, int16_t status);
void netback_rx_extra(struct netback *nb, const netif_extra_info_t *extra);
void netback_tx_answer(struct netback *nb, uint16_t id, int16_t status);
/* Show all responses, send events where they were asked for. */
void netback_push(struct netback *nb);
/* The shared rings, to lie in. NULL: not connected. */
netif_rx_sring_t *netback_rx_ring(struct netback *nb);
netif_tx_sring_t *netback_tx_ring(struct netback *nb);
/* The same for whoever changes nothing itself (tests/fake/shaky.h). */
void netback_rings(const struct netback *nb, netif_rx_sring_t **rx,
                   netif_tx_sring_t **tx);
/* Events, asked for or not. */
void netback_notify(struct netback *nb);
/* Overwrite every slot of both rings with chance. Fits fake_scribble. */
void netback_scribble(void *nb);
/* Copy to or from one of the guest's pages: GNTST_okay or Xen's error. */
int netback_write(struct netback *nb, grant_ref_t ref, unsigned offset,
                  const void *from, size_t bytes);
int netback_read(struct netback *nb, grant_ref_t ref, unsigned offset, void *to,
                 size_t bytes);

/* ---- Counters. */

struct netback_stats {
    unsigned long rx_frames, tx_frames; /* to the guest, from the guest */
    unsigned long rx_slots, tx_slots;
    unsigned long events_sent, events_seen;
    unsigned long connects;
    unsigned rx_posted; /* requests that wait for frames */
};
void netback_stats(const struct netback *nb, struct netback_stats *stats);

#endif
