/* SPDX-License-Identifier: MIT */
/*
 * A guest with disks, their owners and their backends, for the tests of
 * blkfront. One world at a time.
 */
#ifndef TESTS_UNIT_BLKFRONT_WORLD_H
#define TESTS_UNIT_BLKFRONT_WORLD_H

#include "blkfront/blkfront.h"
#include "kernel/page.h"
#include "tests/fake/blkback.h"
#include "tests/fake/fake.h"
#include "tests/fake/xenstored.h"
#include "xen/bus/gnttab.h"
#include "xen/bus/xs.h"

#define WORLD_XVDA 51712u /* and each further disk 16 later */

/* The owner of one blkfront, and its backend. */
struct disk {
    struct world *world;
    unsigned index;
    struct blkback *bb;
    struct blkfront *bf;
    bool up;
    unsigned ups, downs, resizes, rooms;
};

struct world {
    struct loop loop;
    struct pages pages;
    struct gnttab gt;
    struct xs xs;
    struct disk disks[3];
};

/* The machine, xenstored, and the guest's parts; no disk yet. */
struct world *world_start(const struct fake_config *config);
/* Destroys blkfronts and backends; fails if anything is left behind. */
void world_stop(struct world *w);

/* A disk's backend, not started, so that a test can change its offer... */
struct disk *world_disk(struct world *w, unsigned n);
/* ...then both ends, until the link is up. */
void world_connect(struct world *w, struct disk *disk);
/* A disk with everything at its default, up. */
struct disk *world_disk_up(struct world *w, unsigned n);
void world_create(struct world *w, struct disk *disk);
void world_destroy(struct world *w, struct disk *disk);

/* Turn the loop until nothing moves any more (virtual time passes). */
void world_settle(struct world *w);

/* ---- Requests */

#define IO_PIECES_MAX 40

struct io {
    struct blkfront_request r;
    struct blkfront_piece pieces[IO_PIECES_MAX];
    struct disk *disk;
    bool out;        /* submitted and not answered */
    unsigned answer; /* which of all answers it was, from 1; 0: none yet */
    void (*then)(struct io *io);
};

/* Submit one; `data` is cut into `pieces` pieces by chance. */
int io_start(struct io *io, struct disk *disk, enum blkfront_op op,
             uint64_t offset, void *data, size_t bytes, unsigned pieces);
/* Until it is answered: its error. */
int io_wait(struct io *io);
/* Both: the error of either. A discard has no data, but bytes. */
int io_run(struct disk *disk, enum blkfront_op op, uint64_t offset, void *data,
           size_t bytes);
int io_run_flags(struct disk *disk, enum blkfront_op op, unsigned flags,
                 uint64_t offset, void *data, size_t bytes);

/* Every 512 bytes carry their number and a generation: what is at a place of
 * the disk is known without keeping it. */
void world_fill(void *data, size_t bytes, uint64_t offset, uint32_t generation);
/* Fails unless it is that. */
void world_check(const void *data, size_t bytes, uint64_t offset,
                 uint32_t generation);
/* On the backend's disk. */
void world_check_disk(struct disk *disk, uint64_t offset, size_t bytes,
                      uint32_t generation);

struct blkfront_stats world_stats(const struct disk *disk);
struct blkback_stats world_seen(const struct disk *disk);

/* The lines that were logged since the world began contain this text. */
bool world_logged(const char *text);
/* How often. */
unsigned world_logged_times(const char *text);

#endif
