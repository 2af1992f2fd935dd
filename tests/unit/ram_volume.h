/* SPDX-License-Identifier: MIT */
/*
 * A volume in memory that remembers what it was asked for, so that the power
 * can be cut afterwards, at any point of a run: what was written and not
 * flushed by then is on the medium or not, sector by sector.
 */
#ifndef TESTS_UNIT_RAM_VOLUME_H
#define TESTS_UNIT_RAM_VOLUME_H

#include "disk/volume.h"

struct ram_op {
    enum volume_op op;
    size_t at, bytes;
    char *data; /* of a write */
};

struct ram_volume {
    struct volume volume;
    struct loop *loop;
    char *bytes;
    /* Since ram_volume_record: */
    bool recording;
    struct ram_op *ops;
    unsigned nr_ops, room;
    char *stable; /* as of the last flush before stable_ops */
    unsigned stable_ops;
    /* Faults: from now on each such request fails (0: none), counted down. */
    unsigned fail_every, until_failure;
    unsigned long failures, flushes, writes, reads;
};

void ram_volume_init(struct ram_volume *r, struct loop *loop, size_t bytes,
                     unsigned block_sectors);
void ram_volume_free(struct ram_volume *r);
size_t ram_volume_bytes(const struct ram_volume *r);

/* Every n-th request fails from now on; 0: none. */
void ram_volume_fail(struct ram_volume *r, unsigned every);

/* Remember all writes and flushes from now on. */
void ram_volume_record(struct ram_volume *r);
/* What `medium` could hold had the power gone when so many of them had been
 * answered. Cuts go upwards. */
void ram_volume_cut(struct ram_volume *r, unsigned nr_ops, char *medium);

#endif
