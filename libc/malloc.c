/* SPDX-License-Identifier: MIT */
/*
 * malloc on whole pages.
 *
 * Small requests are rounded up to one of a few sizes. A page serves one size;
 * its head has a bit per slot, so allocating and freeing are a bit scan and a
 * bit set, a double free is seen at once, and nothing that a program writes
 * past its block is ever followed as a pointer but the two list links. A page
 * without used slots goes back to kernel/page.h, but for the last of its size.
 *
 * Large requests are runs of pages of their own, which start with a head too.
 * A block never lies at the start of a page that has a head, so the head of any
 * block is found by rounding its address down, or for blocks that were asked
 * for with a large alignment, in the page before.
 *
 * free() of anything that is no live block is our own error: panic.
 */
#include "kernel/log.h"
#include "kernel/page.h"
#include "libc/libc.h"

#include <errno.h>
#include <malloc.h>
#include <reent.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES   64 /* of each slab page and each run */
#define SLOT_BYTES   16 /* smallest slot, and every block's alignment */
#define SLAB_SPACE   (XEN_PAGE_SIZE - HEAD_BYTES)
#define BITMAP_WORDS 4 /* 252 slots of 16 bytes */

#define MAGIC_SLAB UINT32_C(0x51ab51ab)
#define MAGIC_RUN  UINT32_C(0x4c415247)

/* Chosen so that a page is filled almost to the end by each. */
static const uint16_t sizes[] = {16,  32,  48,  64,  80,  96,   128,  160, 192,
                                 256, 320, 448, 576, 800, 1008, 1344, 2016};
#define NR_SIZES  array_size(sizes)
#define SMALL_MAX 2016

struct head {
    uint32_t magic;
    uint16_t size_class, nr_free; /* slab */
    unsigned long nr_pages;       /* run */
    uint64_t free[BITMAP_WORDS];  /* slab: 1 = free */
    struct head *next, **link;    /* slab with free slots: its size's list */
};

_Static_assert(sizeof(struct head) <= HEAD_BYTES, "heads fit their place");

static struct {
    struct pages *pages;
    struct head *slabs[NR_SIZES]; /* those with free slots */
    struct libc_heap heap;
} m;

void malloc_init(struct pages *pages)
{
    m.pages = pages;
}

void libc_heap(struct libc_heap *heap)
{
    *heap = m.heap;
}

static void *fail(void)
{
    m.heap.failures++;
    errno = ENOMEM;
    return NULL;
}

static void *take_pages(unsigned long nr)
{
    void *run = page_alloc(m.pages, nr);

    if (run)
        m.heap.held_bytes += nr * XEN_PAGE_SIZE;
    return run;
}

static void give_pages(void *run, unsigned long nr)
{
    m.heap.held_bytes -= nr * XEN_PAGE_SIZE;
    page_free(m.pages, run, nr);
}

/* ---- Small blocks */

static unsigned class_of(size_t bytes)
{
    unsigned c = 0;

    while (sizes[c] < bytes)
        c++;
    return c;
}

static void slab_link(struct head *slab)
{
    struct head **list = &m.slabs[slab->size_class];

    slab->next = *list;
    slab->link = list;
    if (slab->next)
        slab->next->link = &slab->next;
    *list = slab;
}

static void slab_unlink(struct head *slab)
{
    *slab->link = slab->next;
    if (slab->next)
        slab->next->link = slab->link;
}

static unsigned slab_slots(unsigned size_class)
{
    return SLAB_SPACE / sizes[size_class];
}

static struct head *slab_make(unsigned size_class)
{
    struct head *slab = take_pages(1);
    unsigned slots = slab_slots(size_class);

    if (!slab)
        return NULL;
    slab->magic = MAGIC_SLAB;
    slab->size_class = (uint16_t)size_class;
    slab->nr_free = (uint16_t)slots;
    for (unsigned w = 0; w < BITMAP_WORDS;
         w++, slots -= slots < 64 ? slots : 64)
        slab->free[w] = slots < 64 ? (UINT64_C(1) << slots) - 1 : UINT64_MAX;
    slab_link(slab);
    return slab;
}

static void *small_alloc(size_t bytes)
{
    unsigned size_class = class_of(bytes), w = 0, bit;
    struct head *slab = m.slabs[size_class];

    if (!slab)
        slab = slab_make(size_class);
    if (!slab)
        return fail();
    while (!slab->free[w])
        w++;
    bit = (unsigned)__builtin_ctzll(slab->free[w]);
    slab->free[w] &= slab->free[w] - 1;
    if (--slab->nr_free == 0)
        slab_unlink(slab);
    m.heap.used_bytes += sizes[size_class];
    return (char *)slab + HEAD_BYTES + (w * 64 + bit) * sizes[size_class];
}

static void small_free(struct head *slab, size_t offset)
{
    unsigned size = sizes[slab->size_class];
    unsigned slot = (unsigned)((offset - HEAD_BYTES) / size);
    uint64_t bit = UINT64_C(1) << (slot % 64);

    if (offset < HEAD_BYTES || (offset - HEAD_BYTES) % size ||
        slot >= slab_slots(slab->size_class))
        panic("free: %p is not the start of a block", (void *)slab + offset);
    if (slab->free[slot / 64] & bit)
        panic("free: %p was freed before", (void *)slab + offset);
    slab->free[slot / 64] |= bit;
    m.heap.used_bytes -= size;
    if (slab->nr_free++ == 0)
        slab_link(slab);
    /* Keep one empty page per size, so that a program at the edge of a page
     * does not take and give it for ever. */
    if (slab->nr_free == slab_slots(slab->size_class) &&
        (slab->next || m.slabs[slab->size_class] != slab)) {
        slab_unlink(slab);
        slab->magic = 0;
        give_pages(slab, 1);
    }
}

/* ---- Large blocks */

/* A run whose block starts `lead` bytes into it: HEAD_BYTES, or a page for
 * blocks aligned to up to a page. */
static void *large_alloc(size_t bytes, size_t lead)
{
    unsigned long nr;
    struct head *run;

    if (bytes > SIZE_MAX - lead - XEN_PAGE_SIZE)
        return fail();
    nr = (lead + bytes + XEN_PAGE_SIZE - 1) / XEN_PAGE_SIZE;
    run = take_pages(nr);
    if (!run)
        return fail();
    run->magic = MAGIC_RUN;
    run->nr_pages = nr;
    m.heap.used_bytes += nr * XEN_PAGE_SIZE;
    return (char *)run + lead;
}

static void large_free(struct head *run)
{
    run->magic = 0;
    m.heap.used_bytes -= run->nr_pages * XEN_PAGE_SIZE;
    give_pages(run, run->nr_pages);
}

/* ---- Any block */

static struct head *head_of(const void *block, size_t *offset)
{
    uintptr_t page = (uintptr_t)block & ~(uintptr_t)(XEN_PAGE_SIZE - 1);
    struct head *head;

    *offset = (uintptr_t)block - page;
    if (*offset == 0) {
        page -= XEN_PAGE_SIZE;
        *offset = XEN_PAGE_SIZE;
    }
    head = (struct head *)page;
    if (head->magic == MAGIC_SLAB && *offset < XEN_PAGE_SIZE)
        return head;
    if (head->magic != MAGIC_RUN ||
        (*offset != HEAD_BYTES && *offset != XEN_PAGE_SIZE))
        panic("free: %p is no block of malloc's", block);
    return head;
}

static size_t block_bytes(const void *block)
{
    size_t offset;
    struct head *head = head_of(block, &offset);

    if (head->magic == MAGIC_SLAB)
        return sizes[head->size_class];
    return head->nr_pages * XEN_PAGE_SIZE - offset;
}

void *malloc(size_t bytes)
{
    if (bytes <= SMALL_MAX)
        return small_alloc(bytes);
    return large_alloc(bytes, HEAD_BYTES);
}

void free(void *block)
{
    struct head *head;
    size_t offset;

    if (!block)
        return;
    head = head_of(block, &offset);
    if (head->magic == MAGIC_SLAB)
        small_free(head, offset);
    else
        large_free(head);
}

void *calloc(size_t nr, size_t bytes)
{
    size_t total;
    void *block;

    if (__builtin_mul_overflow(nr, bytes, &total))
        return fail();
    block = malloc(total);
    return block ? memset(block, 0, total) : NULL;
}

void *realloc(void *block, size_t bytes)
{
    size_t have;
    void *moved;

    if (!block)
        return malloc(bytes);
    have = block_bytes(block);
    /* Stay where it fits and less than half is wasted. */
    if (bytes <= have && (bytes > have / 2 || have <= SLOT_BYTES))
        return block;
    moved = malloc(bytes);
    if (!moved)
        return NULL;
    memcpy(moved, block, bytes < have ? bytes : have);
    free(block);
    return moved;
}

/* Alignments up to a page: nothing here has asked for more. */
void *memalign(size_t alignment, size_t bytes)
{
    if (alignment <= SLOT_BYTES)
        return malloc(bytes);
    if (alignment > XEN_PAGE_SIZE || (alignment & (alignment - 1)))
        return fail();
    return large_alloc(bytes, XEN_PAGE_SIZE);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return memalign(alignment, bytes);
}

size_t malloc_usable_size(void *block)
{
    return block ? block_bytes(block) : 0;
}

/* newlib's own calls; there is one thread and one reent. */
void *_malloc_r(struct _reent *reent, size_t bytes)
{
    (void)reent;
    return malloc(bytes);
}

void _free_r(struct _reent *reent, void *block)
{
    (void)reent;
    free(block);
}

void *_calloc_r(struct _reent *reent, size_t nr, size_t bytes)
{
    (void)reent;
    return calloc(nr, bytes);
}

void *_realloc_r(struct _reent *reent, void *block, size_t bytes)
{
    (void)reent;
    return realloc(block, bytes);
}
