/* SPDX-License-Identifier: MIT */
/*
 * A disk in memory, as a volume (disk/volume.h), that fails on command and
 * loses what was not flushed. It is also all of disk/disk.h that there is then:
 * link volume.c instead of disk/disk.c, and every mount= names this disk.
 */
#ifndef TESTS_FAKE_VOLUME_H
#define TESTS_FAKE_VOLUME_H

#include "disk/volume.h"

struct fake_volume {
    struct volume volume;
    struct loop *loop; /* set anew for each machine */
    char *bytes;       /* what a read gives */
    char *stable;      /* what was there at the last flush, and */
    struct fake_written *unflushed, **unflushed_tail; /* the writes since */

    uint64_t latency_ns; /* a microsecond */
    uint64_t read_ns;    /* a read takes so much longer */
    bool ignores_flush;  /* says that it did: for tests of the tests */
    /* The nth request from now on (1: the next) fails, and after it the
     * fail_more next ones; 0: none. */
    uint64_t fail_at, fail_more;
    /* The nth write or flush from now on is not done, nor anything after it:
     * the power is gone. 0: never. */
    uint64_t cut_at;
    bool is_cut;

    /* Counted until the test makes them 0. */
    uint64_t nr_reads, nr_writes, nr_flushes;
    uint64_t bytes_read, bytes_written;
};

/* The one that disks_open gives. */
extern struct fake_volume fake_volume;

/* A disk of zeros, in blocks of so many sectors. */
void fake_volume_make(uint64_t nr_sectors, uint32_t block_sectors);
/* The disk is larger, by zeros. */
void fake_volume_grow(uint64_t nr_sectors);
void fake_volume_free(void);

/* The power comes back. Each sector that was written since the last flush holds
 * what it held then, or what any of the writes since left there: with 100 the
 * last, with 0 the flushed one, else chance decides for each by itself. */
void fake_volume_cut(unsigned keep_percent);

#endif
