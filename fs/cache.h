/* SPDX-License-Identifier: MIT */
/*
 * The cache of a mount: data that was read from its disk lately, or will be
 * read next, in a fixed amount of memory (cache= on the command line).
 *
 * For sequential readers the following blocks are read ahead. Writes go to the
 * disk at once: they return the disk's own result, and only the disk itself
 * holds data that was not flushed.
 *
 * For one fiber: the calls wait in it, and only one is made at a time.
 */
#ifndef FS_CACHE_H
#define FS_CACHE_H

#include "disk/volume.h"
#include "kernel/page.h"

/* Reads in flight at once: the one that somebody waits for, and two steps of
 * reading ahead for one or two readers. */
#define CACHE_FILLS 4

struct cache_slot;

/* Counted in blocks of a page. */
struct cache_numbers {
    uint64_t hits;   /* were in the cache */
    uint64_t misses; /* had to be read, and waited for */
    uint64_t ahead;  /* came along with a miss, or were read ahead */
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

/* Make a cache of that volume, of at most `bytes`. With too few to be of use,
 * or after -XEN_ENOMEM, it keeps nothing and every read goes to the disk. */
must_check int cache_init(struct cache *cache, struct volume *volume,
                          struct pages *pages, uint64_t bytes);

/* In the fiber: waits for reads in flight. */
void cache_destroy(struct cache *cache);

/* In the fiber; like volume_pread and volume_pwrite. */
must_check int cache_pread(struct cache *cache, void *to, size_t bytes,
                           uint64_t offset);
must_check int cache_pwrite(struct cache *cache, const void *from, size_t bytes,
                            uint64_t offset);

#endif
