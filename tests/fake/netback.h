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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netback;

/* What the toolstack and the backend write into xenstore. */
struct netback_offer {
    bool rx_copy;       /* feature-rx-copy = 1 */
    bool sg;            /* feature-sg = 1 */
    bool split;         /* feature-split-event-channels = 1 */
    bool csum_ipv4;     /* feature-no-csum-offload absent; false: = 1 */
    bool csum_ipv6;     /* feature-ipv6-csum-offload = 1 */
    const char *mac;    /* the frontend's node `mac`; NULL: missing */
    const char *mtu;    /* the frontend's node `mtu`; NULL: missing */
};

/* All features on, mac 00:16:3e:00:00:VIF, no mtu. The fake machine and its
 * xenstored must have been started. */
struct netback *netback_new(unsigned vif);
struct netback_offer *netback_offer(struct netback *nb);
void netback_start(struct netback *nb);
void netback_free(struct netback *nb);

/* Flags of a frame, both ways. */
#define NETBACK_CSUM_BLANK 1u /* checksum field holds the pseudo-header's sum */
#define NETBACK_CSUM_GOOD  2u /* the checksum was verified */

/* Called for every whole frame that the guest sent, while the guest sleeps.
 * netback_deliver may be called from inside. */
typedef void netback_frame_fn(void *arg, const void *frame, size_t bytes,
                              unsigned flags);
void netback_on_frame(struct netback *nb, netback_frame_fn *fn, void *arg);

/* Queue a frame (at most 65535 bytes, copied) for the guest. It goes out when
 * the guest next sleeps and has posted room for it. */
void netback_deliver(struct netback *nb, const void *frame, size_t bytes,
                     unsigned flags);

/* Frames queued by netback_deliver that still wait for room. */
unsigned netback_backlog(const struct netback *nb);

bool netback_connected(const struct netback *nb);

#endif
