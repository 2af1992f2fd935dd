/* SPDX-License-Identifier: MIT */
/*
 * A guest with netfronts, their owners and their backends, for the tests of
 * netfront. One world at a time; it checks every frame that passes.
 *
 * Frames are made of a sequence number: its pattern fills the frame from the
 * fourth byte on, so each side can check what it got without being told.
 */
#ifndef TESTS_UNIT_NETFRONT_WORLD_H
#define TESTS_UNIT_NETFRONT_WORLD_H

#include "kernel/page.h"
#include "netfront/netfront.h"
#include "tests/fake/fake.h"
#include "tests/fake/netback.h"
#include "tests/fake/xenstored.h"
#include "xen/bus/gnttab.h"
#include "xen/bus/xs.h"

#define WORLD_FRAME_MAX 65535
#define WORLD_HELD_MAX  1024

/* The owner of one netfront, and its backend. */
struct side {
    struct netback *nb;
    struct netfront *nf;
    bool up;
    unsigned ups, downs, sendables;
    unsigned long delivered, accepted; /* frames to go to and from the guest */
    /* Received: */
    unsigned long frames;
    uint32_t last_seq;
    struct netfront_frame last; /* its pieces' data may be gone */
    bool hold;                  /* do not release, but keep in `held` */
    struct netfront_frag held[WORLD_HELD_MAX];
    unsigned nr_held;
    void (*on_receive)(struct side *side, const struct netfront_frame *frame);
    void (*on_sendable)(struct side *side);
    /* Seen by the backend: */
    unsigned long sent_frames;
    uint32_t sent_seq;
    size_t sent_bytes;
    unsigned sent_flags;
    /* Are numbers to be in order, each one more than the one before? */
    bool ordered;
    uint32_t next_rx, next_tx;
};

struct world {
    struct loop loop;
    struct pages pages;
    struct gnttab gt;
    struct xs xs;
    struct side sides[2];
};

/* The machine, xenstored, and the guest's parts; no vif yet. */
struct world *world_start(const struct fake_config *config);
/* Destroys netfronts and backends; fails if anything is left behind. */
void world_stop(struct world *w);

/* A vif's backend, not started, so that a test can change its offer... */
struct side *world_vif(struct world *w, unsigned index);
/* ...then both ends, until the link is up. */
void world_connect(struct world *w, struct side *side);
/* A vif with everything at its default, up. */
struct side *world_vif_up(struct world *w, unsigned index);
void world_create(struct world *w, struct side *side, unsigned index);
void world_destroy(struct world *w, struct side *side);

/* Turn the loop until nothing moves any more (virtual time passes). */
void world_settle(struct world *w);

/* A frame with that number in its first bytes (at least 14 bytes). */
void world_fill(void *frame, size_t bytes, uint32_t seq);
/* Fails unless it is one; returns the number. */
uint32_t world_check(const void *frame, size_t bytes);

/* Send it from the guest, cut into `pieces` pieces. */
int world_send(struct side *side, size_t bytes, uint32_t seq, unsigned pieces);
/* Send it to the guest. */
void world_deliver(struct side *side, size_t bytes, uint32_t seq,
                   unsigned flags);

/* As on_receive: for frames that need not be ours. Reads every byte, so that
 * ASan tells if one is not there. */
void world_look(struct side *side, const struct netfront_frame *frame);

/* Release n of the held pages, from the front; all: WORLD_HELD_MAX. */
void world_release(struct side *side, unsigned n);

struct netfront_stats world_stats(const struct side *side);

/* The lines that were logged since the world began contain this text. */
bool world_logged(const char *text);

#endif
