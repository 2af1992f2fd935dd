/* SPDX-License-Identifier: MIT */
/*
 * The frontend's half of a shared ring (xen/io/ring.h, "netfront-style").
 *
 * One or more pages hold two shared indices each way, and the slots. The
 * backend can write any part of them at any time, so:
 *   - our own indices live here, in private memory, and are never read back;
 *   - a slot is copied out once and only the copy is used (XSA-155);
 *   - rsp_prod is checked against what is in flight: more responses than
 *     requests, or an index that went backwards, is -XEN_EIO.
 * Requests and responses share the slots: a slot whose response has not been
 * taken yet does not count as free.
 */
#ifndef XEN_BUS_RING_H
#define XEN_BUS_RING_H

#include "xen/abi.h"

/* The header every Xen ring page begins with (DEFINE_RING_TYPES). */
struct ring_shared {
    RING_IDX req_prod;  /* we write */
    RING_IDX req_event; /* backend writes: notify when req_prod passes it */
    RING_IDX rsp_prod;  /* backend writes */
    RING_IDX rsp_event; /* we write: notify when rsp_prod passes it */
    uint8_t pad[48];
};

struct ring {
    struct ring_shared *shared;
    uint32_t slot_bytes;
    uint32_t size;       /* slots, a power of two */
    RING_IDX req_prod;   /* requests put, pushed or not */
    RING_IDX req_pushed; /* requests the backend was shown */
    RING_IDX rsp_seen;   /* responses present, as last read and checked */
    RING_IDX rsp_cons;   /* responses taken */
};

/* Lay out a ring in zeroed memory of `bytes` (whole pages). slot_bytes is the
 * size of the larger of request and response, a multiple of 4. */
void ring_init(struct ring *ring, void *memory, size_t bytes,
               size_t slot_bytes);

/* Slots that a request may be put into. */
unsigned ring_free(const struct ring *ring);

/* Put one request, a multiple of 4 bytes. Assert: ring_free() > 0. The backend
 * does not see it until ring_push. */
void ring_put(struct ring *ring, const void *request, size_t bytes);

/* Show the backend what was put. True: it asked to be notified. */
must_check bool ring_push(struct ring *ring);

/* Copy the next response to *response, a multiple of 4 bytes. 1: one was
 * taken, 0: there is none, -XEN_EIO: the backend's index is impossible (the
 * ring must be given up). */
must_check int ring_take(struct ring *ring, void *response, size_t bytes);

/* No response left: ask for an event at the next one. True: one has arrived in
 * the meantime; take it first. */
must_check bool ring_arm(struct ring *ring);

/* The same for the nr-th response from here on, for callers to whom fewer are
 * of no use. True: that many are there. The caller has at least nr requests in
 * flight, or put and about to be pushed. */
must_check bool ring_arm_after(struct ring *ring, unsigned nr);

#endif
