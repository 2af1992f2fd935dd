/* SPDX-License-Identifier: MIT */
/*
 * The cache of a mount: what was read of its disk lately, or will be read
 * next, in a fixed amount of memory (cache= on the command line).
 *
 * Whoever reads one block after the other has the following ones read ahead
 * while it deals with these. Writes go to the disk at once: what they say is
 * what the disk said, and what was not flushed is what the disk holds back.
 *
 * For one fiber: the calls wait in it, and only one is made at a time.
 */
#ifndef FS_CACHE_H
#define FS_CACHE_H

#include "disk/volume.h"
#include "kernel/page.h"

/* Requests for what is read into it that are out at once: what somebody waits
 * for, and two steps of reading ahead for one or two readers. */
#define CACHE_FILLS 4

struct cache_slot;

/* Counted in blocks of a page. */
struct cache_numbers {
    uint64_t hits;   /* were there */
    uint64_t misses; /* had to be asked for, and waited for */
    uint64_t ahead;  /* came with one of these, or before anybody asked */
};

struct cache {
    struct cache_numbers numbers;
    /* the cache's: */
    struct volume *volume;
    struct pages *pages;
    char *data;
    struct cache_slot *slots, **chains;
    unsigned nr, nr_chains, hand;
    struct fiber *waiter;
    struct cache_fill {
        struct volume_request request;
        struct cache *cache;
        struct cache_slot *first;
        unsigned nr; /* 0: it is free */
    } fills[CACHE_FILLS];
};

/* Of that volume, in at most so many bytes; with too few for any use, and after
 * -XEN_ENOMEM, it keeps nothing, and everything is asked of the disk. */
must_check int cache_init(struct cache *cache, struct volume *volume,
                          struct pages *pages, uint64_t bytes);

/* In the fiber: waits for what is still being read. */
void cache_destroy(struct cache *cache);

/* In the fiber; like volume_pread and volume_pwrite. */
must_check int cache_pread(struct cache *cache, void *to, size_t bytes,
                           uint64_t offset);
must_check int cache_pwrite(struct cache *cache, const void *from, size_t bytes,
                            uint64_t offset);

#endif
