/* SPDX-License-Identifier: MIT */
/*
 * A block backend inside the test process (xen/io/blkif.h, from the other
 * side): honest by default, and a liar on command.
 *
 *     struct blkback *bb = blkback_new(51712);  xvda; nodes not yet written
 *     blkback_offer(bb)->discard = false;       change what it offers
 *     blkback_start(bb);                        writes its nodes, InitWait
 *     ... turns of the loop, until blkback_connected(bb) ...
 *     blkback_read(bb, offset, data, bytes);    what is on the disk
 *     blkback_power_cut(bb);                    what was not flushed is gone
 *     blkback_free(bb);
 *
 * It works as a step of the fake machine, that is while the guest sleeps. The
 * disk is as large as it says (only what was written takes memory) and has a
 * cache: writes are answered when they are in it, a flush writes it out.
 */
#ifndef TESTS_FAKE_BLKBACK_H
#define TESTS_FAKE_BLKBACK_H

#include "xen/abi.h"

struct blkback;

/* What the toolstack and the backend write into xenstore. 0, false: the key is
 * missing, unless another default is said. */
struct blkback_offer {
    uint64_t sectors;         /* of 512 bytes; 16384: 8 MiB */
    const char *sectors_text; /* written in its place; "": missing */
    uint32_t sector_bytes;    /* 0: missing, which means 512 */
    uint32_t physical_bytes;
    uint32_t ring_order; /* max-ring-page-order; 4 */
    uint32_t ring_pages; /* max-ring-pages */
    uint32_t segments;   /* feature-max-indirect-segments; 256 */
    bool persistent, barrier, flush, discard, secure; /* true, all of them */
    uint32_t discard_bytes, discard_offset;
    uint32_t info;    /* VDISK_* */
    const char *mode; /* "w" */
    const char *type; /* the frontend's device-type; "disk" */
    domid_t dom;      /* that serves it, from the next start on; 0 */
};

struct blkback *blkback_new(unsigned vbd);
struct blkback_offer *blkback_offer(struct blkback *bb);
void blkback_start(struct blkback *bb);
void blkback_free(struct blkback *bb);
bool blkback_connected(const struct blkback *bb);

/* ---- The disk. */

void blkback_write(struct blkback *bb, uint64_t offset, const void *data,
                   size_t bytes); /* past the cache */
void blkback_read(struct blkback *bb, uint64_t offset, void *data,
                  size_t bytes);
/* Every sector that was written since the last flush is as it was then; with
 * `percent` chance each, it is not. */
void blkback_power_cut(struct blkback *bb, unsigned percent);
/* Another size, and a state written again, while it is connected. */
void blkback_resize(struct blkback *bb, uint64_t sectors);

/* ---- Comings and goings. */

/* Closing, Closed: rings and grants are let go. blkback_start brings it back,
 * with what it offers now. */
void blkback_close(struct blkback *bb);
/* Gone without a word: its nodes are removed. blkback_start brings it back. */
void blkback_vanish(struct blkback *bb);

/* ---- Behaviour that the protocol allows. */

struct blkback_manner {
    bool hold_take;    /* take no request */
    bool hold_answers; /* do them, but do not answer */
    bool shuffle;      /* answer out of order */
    bool copied_op;    /* indirect requests are answered as such */
    bool blind;        /* do not look at the state of the frontend */
    bool no_audit;     /* pages may have had a life before (buffers) */
    bool refuse_flush, refuse_barrier, refuse_discard; /* EOPNOTSUPP */
    unsigned fail_nth; /* the nth request from now on fails; 0: none */
    bool fail_all;
    uint64_t bad_sector; /* what touches it fails; 0: none */
    /* And that it does not allow: */
    bool mute;      /* never send an event */
    bool storm;     /* send events without reason */
    bool manual;    /* do nothing with the ring: the test does */
    bool keep;      /* pages stay mapped, past the connection, too */
    bool keep_ring; /* the ring's pages do, and no others */
};
struct blkback_manner *blkback_manner(struct blkback *bb);
/* Unmap what was kept. */
void blkback_let_go(struct blkback *bb);

/* ---- By hand: blkback_manner()->manual. */

/* Take the guest's next request; false: there is none. */
bool blkback_next(struct blkback *bb, blkif_request_t *request);
/* Do what a request says, without an answer. */
int blkback_do(struct blkback *bb, const blkif_request_t *request);
/* Write the next response. It is shown by blkback_push. */
void blkback_answer(struct blkback *bb, uint64_t id, uint8_t operation,
                    int16_t status);
void blkback_push(struct blkback *bb);
/* The shared ring, to lie in. NULL: not connected. */
blkif_sring_t *blkback_ring(struct blkback *bb);
/* The same for whoever changes nothing itself (tests/fake/shaky.h). */
blkif_sring_t *blkback_ring_of(const struct blkback *bb);
void blkback_notify(struct blkback *bb);
/* Overwrite every slot with chance. Fits fake_scribble. */
void blkback_scribble(void *bb);
/* The same with every page that it has mapped. */
void blkback_scribble_pages(struct blkback *bb);

/* ---- What it has seen. */

struct blkback_event {
    uint8_t operation; /* of an indirect request: the one inside */
    uint64_t sector, sectors;
    unsigned segments;
    bool indirect, secure;
};
/* The nth request that was taken since blkback_new (a ring of the last
 * BLKBACK_HISTORY). */
#define BLKBACK_HISTORY 4096
const struct blkback_event *blkback_seen(const struct blkback *bb,
                                         unsigned long n);

struct blkback_stats {
    unsigned long requests; /* taken */
    unsigned long reads, writes, flushes, barriers, discards, indirects;
    unsigned long maps; /* pages mapped for data */
    unsigned long events_sent, events_seen, connects;
    unsigned ring_pages; /* of the last connection */
    unsigned unanswered;
};
void blkback_stats(const struct blkback *bb, struct blkback_stats *stats);

#endif
