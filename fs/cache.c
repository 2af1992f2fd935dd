/* SPDX-License-Identifier: MIT */
/*
 * A cache of a volume's blocks, each a page.
 *
 * The slots are an array. A clock hand goes round and evicts those not used a
 * second time since it last came by; neighbours are evicted together, so that
 * one request fills many. So data that is read only once, from beginning to
 * end, never evicts data that is read again and again.
 *
 * Reading ahead needs no knowledge of files: a miss on a block whose
 * predecessor is cached is taken for sequential reading. A run of blocks is
 * then read and its first block marked; reading a marked block starts the run
 * after it.
 *
 * A slot that is being filled belongs to a request. If its block is written
 * meanwhile, the slot is dropped: it is no longer found, and becomes free when
 * the request is answered.
 */
#include "fs/cache.h"
#include "kernel/fiber.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES   XEN_PAGE_SIZE
#define BLOCK_SECTORS (BLOCK_BYTES / VOLUME_SECTOR_BYTES)

/* Blocks in one request. Disks are about as fast with 64 KiB as with more. */
#define RUN_MAX   16
/* A cache of fewer slots would lose what it reads ahead before it is used. */
#define SLOTS_MIN 8
#define RUN_SHARE 4 /* a run is at most this share of it */

#define NO_BLOCK UINT64_MAX

struct cache_slot {
    uint64_t block;          /* NO_BLOCK: the slot is empty */
    struct cache_slot *next; /* in its chain */
    unsigned sectors;        /* fewer at the volume's end */
    bool filling;
    bool fresh;  /* not used since it was read */
    bool wanted; /* used again after that */
    bool mark;   /* reading it starts the next run */
};

/* ---- Slots */

static struct cache_slot **chain_of(struct cache *cache, uint64_t block)
{
    return &cache->chains[block & (cache->nr_chains - 1)];
}

static struct cache_slot *find(struct cache *cache, uint64_t block)
{
    struct cache_slot *slot = *chain_of(cache, block);

    while (slot && slot->block != block)
        slot = slot->next;
    return slot;
}

static void drop(struct cache *cache, struct cache_slot *slot)
{
    struct cache_slot **at = chain_of(cache, slot->block);

    if (slot->block == NO_BLOCK)
        return;
    while (*at != slot)
        at = &(*at)->next;
    *at = slot->next;
    slot->block = NO_BLOCK;
}

static char *data_of(const struct cache *cache, const struct cache_slot *slot)
{
    return cache->data + (size_t)(slot - cache->slots) * BLOCK_BYTES;
}

/* Sectors of a block that the volume has; it may have grown or shrunk. */
static unsigned sectors_of(const struct cache *cache, uint64_t block)
{
    uint64_t first = block * BLOCK_SECTORS, nr = cache->volume->nr_sectors;

    if (first >= nr)
        return 0;
    return nr - first < BLOCK_SECTORS ? (unsigned)(nr - first) : BLOCK_SECTORS;
}

static bool is_wanted(const struct cache_slot *slot)
{
    return slot->filling || slot->wanted;
}

/* Neighbouring slots to be overwritten, at least one, at most *nr of them;
 * NULL: all are being filled. */
static struct cache_slot *take(struct cache *cache, unsigned *nr)
{
    struct cache_slot *first = &cache->slots[cache->hand];
    unsigned n = 0, most = *nr;

    for (unsigned i = 0; is_wanted(first); i++) {
        if (i == 2 * cache->nr)
            return NULL;
        first->wanted = false;
        cache->hand = (cache->hand + 1) % cache->nr;
        first = &cache->slots[cache->hand];
    }
    while (n < most && cache->hand + n < cache->nr && !is_wanted(first + n))
        drop(cache, first + n++);
    cache->hand = (cache->hand + n) % cache->nr;
    *nr = n;
    return first;
}

static void put(struct cache *cache, struct cache_slot *slot, uint64_t block)
{
    struct cache_slot **chain = chain_of(cache, block);

    *slot = (struct cache_slot){
        .block = block,
        .next = *chain,
        .sectors = sectors_of(cache, block),
    };
    *chain = slot;
}

/* ---- Filling */

static void filled(struct volume_request *request)
{
    struct cache_fill *fill = container_of(request, struct cache_fill, request);
    struct cache *cache = fill->cache;

    for (unsigned i = 0; i < fill->nr; i++) {
        fill->first[i].filling = false;
        if (request->status)
            drop(cache, &fill->first[i]);
    }
    fill->nr = 0;
    if (cache->waiter)
        fiber_wake(cache->waiter);
}

static struct cache_fill *free_fill(struct cache *cache)
{
    for (unsigned i = 0; i < CACHE_FILLS; i++)
        if (!cache->fills[i].nr)
            return &cache->fills[i];
    return NULL;
}

/* How many blocks from `block` on are on the volume and not in the cache. */
static unsigned count_missing(struct cache *cache, uint64_t block, unsigned max)
{
    unsigned n = 0;

    while (n < max && sectors_of(cache, block + n) && !find(cache, block + n))
        n++;
    return n;
}

static int send(struct cache *cache, struct cache_fill *fill)
{
    const struct cache_slot *last = &fill->first[fill->nr - 1];

    fill->request = (struct volume_request){
        .op = VOLUME_READ,
        .sector = fill->first->block * BLOCK_SECTORS,
        .nr = (fill->nr - 1) * BLOCK_SECTORS + last->sectors,
        .to = data_of(cache, fill->first),
        .done = filled,
    };
    return volume_start(cache->volume, &fill->request);
}

/* Begin to read missing blocks from `block` on, at most nr, and fewer if there
 * are not so many neighbouring slots; returns how many. */
static unsigned start_fill(struct cache *cache, uint64_t block, unsigned nr)
{
    struct cache_fill *fill = free_fill(cache);
    struct cache_slot *first;

    nr = count_missing(cache, block, nr);
    if (!fill || !nr)
        return 0;
    first = take(cache, &nr);
    if (!first)
        return 0;
    for (unsigned i = 0; i < nr; i++) {
        put(cache, first + i, block + i);
        first[i].filling = first[i].fresh = true;
    }
    fill->first = first;
    fill->nr = nr;
    if (!send(cache, fill))
        return nr;
    fill->request.status = -XEN_EIO;
    filled(&fill->request);
    return 0;
}

static unsigned run_length(const struct cache *cache)
{
    unsigned share = cache->nr / RUN_SHARE;

    return share < RUN_MAX ? share : RUN_MAX;
}

/* A marked block was read: start the next run. */
static void read_ahead(struct cache *cache, struct cache_slot *slot)
{
    uint64_t next = slot->block + 1;
    unsigned steps = 2 * run_length(cache), nr;

    slot->mark = false;
    while (steps && find(cache, next))
        next++, steps--;
    nr = steps ? start_fill(cache, next, run_length(cache)) : 0;
    if (nr)
        find(cache, next)->mark = true;
    cache->numbers.ahead += nr;
}

/* ---- Reading */

static void wait(struct cache *cache)
{
    cache->waiter = fiber_current();
    fiber_park();
    cache->waiter = NULL;
}

/* A miss. The caller needs `nr` blocks from this one on, and will need more if
 * it has read the one before. */
static void fetch(struct cache *cache, uint64_t block, unsigned nr)
{
    bool reads_on = block && find(cache, block - 1);
    unsigned run = run_length(cache), got;
    struct cache_slot *slot;

    while (!free_fill(cache))
        wait(cache);
    if (reads_on || nr > run)
        nr = run;
    got = start_fill(cache, block, nr);
    cache->numbers.misses += got ? 1 : 0;
    cache->numbers.ahead += got ? got - 1 : 0;
    slot = find(cache, block);
    if (slot)
        slot->mark = reads_on;
}

/* The slot that holds the block, or NULL if it cannot be read or there is no
 * room for it. */
static struct cache_slot *get(struct cache *cache, uint64_t block, unsigned nr)
{
    struct cache_slot *slot = find(cache, block);

    if (slot && slot->sectors < sectors_of(cache, block)) {
        drop(cache, slot); /* the volume has grown */
        slot = NULL;
    }
    if (slot)
        cache->numbers.hits++;
    else
        fetch(cache, block, nr);
    slot = find(cache, block);
    if (slot && slot->mark)
        read_ahead(cache, slot);
    while (slot && slot->filling) {
        wait(cache);
        slot = find(cache, block);
    }
    if (slot) {
        slot->wanted |= !slot->fresh;
        slot->fresh = false;
    }
    return slot;
}

static int check_range(const struct cache *cache, size_t bytes, uint64_t offset)
{
    uint64_t have = cache->volume->nr_sectors * VOLUME_SECTOR_BYTES;

    return bytes > have || offset > have - bytes ? -XEN_EIO : 0;
}

int cache_pread(struct cache *cache, void *to, size_t bytes, uint64_t offset)
{
    int err = check_range(cache, bytes, offset);

    if (!cache->nr)
        return volume_pread(cache->volume, to, bytes, offset);
    while (bytes && !err) {
        size_t skip = offset % BLOCK_BYTES,
               part = bytes < BLOCK_BYTES - skip ? bytes : BLOCK_BYTES - skip;
        size_t blocks = (skip + bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
        struct cache_slot *slot =
            get(cache, offset / BLOCK_BYTES,
                blocks < RUN_MAX ? (unsigned)blocks : RUN_MAX);

        if (slot)
            memcpy(to, data_of(cache, slot) + skip, part);
        else
            err = volume_pread(cache->volume, to, part, offset);
        to = (char *)to + part;
        offset += part;
        bytes -= part;
    }
    return err;
}

/* ---- Writing */

/* Update a block after a write. If the write failed, nobody knows what the disk
 * has, so the block is dropped. */
static void update(struct cache *cache, const char *from, size_t bytes,
                   uint64_t offset, bool is_known)
{
    uint64_t block = offset / BLOCK_BYTES;
    struct cache_slot *slot = find(cache, block);
    unsigned one = 1;

    if (slot && (slot->filling || !is_known)) {
        drop(cache, slot);
        slot = NULL;
    }
    if (!slot && is_known && bytes == BLOCK_BYTES) {
        slot = take(cache, &one);
        if (slot)
            put(cache, slot, block);
    }
    if (slot)
        memcpy(data_of(cache, slot) + offset % BLOCK_BYTES, from, bytes);
}

int cache_pwrite(struct cache *cache, const void *from, size_t bytes,
                 uint64_t offset)
{
    int err = volume_pwrite(cache->volume, from, bytes, offset);

    while (cache->nr && bytes) {
        size_t skip = offset % BLOCK_BYTES,
               part = bytes < BLOCK_BYTES - skip ? bytes : BLOCK_BYTES - skip;

        update(cache, from, part, offset, !err);
        from = (const char *)from + part;
        offset += part;
        bytes -= part;
    }
    return err;
}

/* ---- Coming and going */

/* A power of two; most chains then have one slot. */
static unsigned chains_for(unsigned nr)
{
    unsigned n = SLOTS_MIN;

    while (n < nr)
        n *= 2;
    return n;
}

static void free_all(struct cache *cache)
{
    if (cache->data)
        page_free(cache->pages, cache->data, cache->nr);
    free(cache->slots);
    free(cache->chains);
    cache->nr = 0;
}

int cache_init(struct cache *cache, struct volume *volume, struct pages *pages,
               uint64_t bytes)
{
    unsigned nr = (unsigned)(bytes / BLOCK_BYTES);

    *cache = (struct cache){.volume = volume, .pages = pages};
    if (nr < SLOTS_MIN)
        return 0;
    cache->nr = nr;
    cache->nr_chains = chains_for(nr);
    cache->data = page_alloc(pages, nr);
    cache->slots = calloc(nr, sizeof(*cache->slots));
    cache->chains = calloc(cache->nr_chains, sizeof(struct cache_slot *));
    if (!cache->data || !cache->slots || !cache->chains) {
        free_all(cache);
        return -XEN_ENOMEM;
    }
    for (unsigned i = 0; i < nr; i++)
        cache->slots[i].block = NO_BLOCK;
    for (unsigned i = 0; i < CACHE_FILLS; i++)
        cache->fills[i].cache = cache;
    return 0;
}

void cache_destroy(struct cache *cache)
{
    for (unsigned i = 0; i < CACHE_FILLS; i++)
        while (cache->fills[i].nr)
            wait(cache);
    if (cache->nr)
        free_all(cache);
}
