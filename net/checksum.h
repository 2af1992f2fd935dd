/* SPDX-License-Identifier: MIT */
/* Checksums of packets that we send; lwIP leaves those of TCP and UDP to us.
 * (checksum_sum, which lwIP calls too, is declared in arch/cc.h.) */
#ifndef NET_CHECKSUM_H
#define NET_CHECKSUM_H

#include <stdbool.h>

struct pbuf;

/* Which TCP and UDP checksums may be left to the backend (xen/io/netif.h,
 * "Checksum offload"). */
struct checksum_offload {
    bool ipv4, ipv6;
};

/* Write the TCP or UDP checksum of the whole, unfragmented packet in the
 * ethernet frame `p`. True: only its blank form (the pseudo-header's sum) was
 * written, as `offload` allows; the frame must be sent as blank. Other frames
 * are left alone. */
bool checksum_frame(struct pbuf *p, const struct checksum_offload *offload);

/* The same for an IP packet that is about to be fragmented: its fragments
 * cannot be checksummed later. */
void checksum_packet(struct pbuf *p);

#endif
