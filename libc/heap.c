/* SPDX-License-Identifier: MIT */
/*
 * A heap on whole pages.
 *
 * Small requests are rounded up to one of a few sizes. A page serves one size;
 * its head has a bit per slot, so allocating and freeing are a bit scan and a
 * bit set, and a double free is seen at once. Of what a program may overwrite
 * past its block, only the two list links are ever followed as pointers. A page
 * without used slots goes back to kernel/page.h, except the last of its size.
 *
 * Large requests are runs of pages of their own, which start with a head too.
 * A block is never at the start of a page that has a head, so the head of any
 * block is found by rounding its address down or, for blocks allocated with a
 * large alignment, in the page before. A run that is resized grows into the
 * pages behind it if they are free, so that little is copied.
 */
#include "libc/heap.h"
#include "kernel/log.h"

#include <string.h>

#define HEAD_BYTES   64 /* of each slab page and each run */
#define SLOT_BYTES   16 /* smallest slot, and every block's alignment */
#define SLAB_SPACE   (XEN_PAGE_SIZE - HEAD_BYTES)
#define BITMAP_WORDS 4 /* 252 slots of 16 bytes */

#define MAGIC_SLAB UINT32_C(0x51ab51ab)
#define MAGIC_RUN  UINT32_C(0x4c415247)

/* Chosen so that slots of each size fill a page almost completely. */
static const uint16_t sizes[] = {16,  32,  48,  64,  80,  96,   128,  160, 192,
                                 256, 320, 448, 576, 800, 1008, 1344, 2016};
_Static_assert(array_size(sizes) == HEAP_SIZES, "a list for each size");
#define SMALL_MAX 2016

struct heap_head {
    uint32_t magic;
    uint16_t size_class, nr_free;   /* slab */
    unsigned long nr_pages;         /* run */
    uint64_t free[BITMAP_WORDS];    /* slab: 1 = free */
    struct heap_head *next, **link; /* slab with free slots: its size's list */
};

_Static_assert(sizeof(struct heap_head) <= HEAD_BYTES, "heads fit their place");

void heap_init(struct heap *heap, struct pages *pages)
{
    *heap = (struct heap){.pages = pages};
}

static void *fail(struct heap *heap)
{
    heap->failures++;
    return NULL;
}

static void *take_pages(struct heap *heap, unsigned long nr)
{
    void *run = page_alloc(heap->pages, nr);

    if (run)
        heap->held_bytes += nr * XEN_PAGE_SIZE;
    return run;
}

static void give_pages(struct heap *heap, void *run, unsigned long nr)
{
    heap->held_bytes -= nr * XEN_PAGE_SIZE;
    page_free(heap->pages, run, nr);
}

/* ---- Small blocks */

static unsigned class_of(size_t bytes)
{
    unsigned c = 0;

    while (sizes[c] < bytes)
        c++;
    return c;
}

static void slab_link(struct heap *heap, struct heap_head *slab)
{
    struct heap_head **list = &heap->slabs[slab->size_class];

    slab->next = *list;
    slab->link = list;
    if (slab->next)
        slab->next->link = &slab->next;
    *list = slab;
}

static void slab_unlink(struct heap_head *slab)
{
    *slab->link = slab->next;
    if (slab->next)
        slab->next->link = slab->link;
}

static unsigned slab_slots(unsigned size_class)
{
    return SLAB_SPACE / sizes[size_class];
}

static struct heap_head *slab_make(struct heap *heap, unsigned size_class)
{
    struct heap_head *slab = take_pages(heap, 1);
    unsigned slots = slab_slots(size_class);

    if (!slab)
        return NULL;
    slab->magic = MAGIC_SLAB;
    slab->size_class = (uint16_t)size_class;
    slab->nr_free = (uint16_t)slots;
    for (unsigned w = 0; w < BITMAP_WORDS;
         w++, slots -= slots < 64 ? slots : 64)
        slab->free[w] = slots < 64 ? (UINT64_C(1) << slots) - 1 : UINT64_MAX;
    slab_link(heap, slab);
    return slab;
}

static bool slab_is_empty(const struct heap_head *slab)
{
    return slab->nr_free == slab_slots(slab->size_class);
}

static void slab_drop(struct heap *heap, struct heap_head *slab)
{
    slab_unlink(slab);
    slab->magic = 0;
    give_pages(heap, slab, 1);
}

static void *small_alloc(struct heap *heap, size_t bytes)
{
    unsigned size_class = class_of(bytes), w = 0, bit;
    struct heap_head *slab = heap->slabs[size_class];

    if (!slab)
        slab = slab_make(heap, size_class);
    if (!slab)
        return fail(heap);
    while (!slab->free[w])
        w++;
    bit = (unsigned)__builtin_ctzll(slab->free[w]);
    slab->free[w] &= slab->free[w] - 1;
    if (--slab->nr_free == 0)
        slab_unlink(slab);
    heap->used_bytes += sizes[size_class];
    return (char *)slab + HEAD_BYTES + (w * 64 + bit) * sizes[size_class];
}

static void small_free(struct heap *heap, struct heap_head *slab, size_t offset)
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
    heap->used_bytes -= size;
    if (slab->nr_free++ == 0)
        slab_link(heap, slab);
    /* Keep one empty page per size, so that a program at the edge of a page
     * does not allocate and free it over and over. */
    if (slab_is_empty(slab) &&
        (slab->next || heap->slabs[slab->size_class] != slab))
        slab_drop(heap, slab);
}

void heap_trim(struct heap *heap)
{
    for (unsigned c = 0; c < HEAP_SIZES; c++) {
        struct heap_head *slab = heap->slabs[c], *next;

        for (; slab; slab = next) {
            next = slab->next;
            if (slab_is_empty(slab))
                slab_drop(heap, slab);
        }
    }
}

/* ---- Large blocks */

/* A run whose block starts `lead` bytes into it: HEAD_BYTES, or a page for
 * blocks aligned to up to a page. */
static void *large_alloc(struct heap *heap, size_t bytes, size_t lead)
{
    unsigned long nr;
    struct heap_head *run;

    if (bytes > SIZE_MAX - lead - XEN_PAGE_SIZE)
        return fail(heap);
    nr = (lead + bytes + XEN_PAGE_SIZE - 1) / XEN_PAGE_SIZE;
    run = take_pages(heap, nr);
    if (!run)
        return fail(heap);
    run->magic = MAGIC_RUN;
    run->nr_pages = nr;
    heap->used_bytes += nr * XEN_PAGE_SIZE;
    return (char *)run + lead;
}

/* Extend the run in place; false: not possible. */
static bool large_grow(struct heap *heap, struct heap_head *run, size_t lead,
                       size_t bytes)
{
    size_t have = run->nr_pages * XEN_PAGE_SIZE, more;

    if (bytes > SIZE_MAX - lead - XEN_PAGE_SIZE)
        return false;
    more = (lead + bytes - have + XEN_PAGE_SIZE - 1) / XEN_PAGE_SIZE;
    if (!page_extend(heap->pages, run, run->nr_pages, more))
        return false;
    run->nr_pages += more;
    heap->used_bytes += more * XEN_PAGE_SIZE;
    heap->held_bytes += more * XEN_PAGE_SIZE;
    return true;
}

static void large_free(struct heap *heap, struct heap_head *run)
{
    run->magic = 0;
    heap->used_bytes -= run->nr_pages * XEN_PAGE_SIZE;
    give_pages(heap, run, run->nr_pages);
}

/* ---- Any block */

static struct heap_head *head_of(const void *block, size_t *offset)
{
    uintptr_t page = (uintptr_t)block & ~(uintptr_t)(XEN_PAGE_SIZE - 1);
    struct heap_head *head;

    *offset = (uintptr_t)block - page;
    if (*offset == 0) {
        page -= XEN_PAGE_SIZE;
        *offset = XEN_PAGE_SIZE;
    }
    head = (struct heap_head *)page;
    if (head->magic == MAGIC_SLAB && head->size_class < HEAP_SIZES &&
        *offset < XEN_PAGE_SIZE)
        return head;
    if (head->magic != MAGIC_RUN ||
        (*offset != HEAD_BYTES && *offset != XEN_PAGE_SIZE))
        panic("free: %p is no block of the heap", block);
    return head;
}

size_t heap_bytes(const void *block)
{
    size_t offset;
    struct heap_head *head = head_of(block, &offset);

    if (head->magic == MAGIC_SLAB)
        return sizes[head->size_class];
    return head->nr_pages * XEN_PAGE_SIZE - offset;
}

void *heap_alloc(struct heap *heap, size_t bytes)
{
    if (bytes <= SMALL_MAX)
        return small_alloc(heap, bytes);
    return large_alloc(heap, bytes, HEAD_BYTES);
}

void *heap_aligned(struct heap *heap, size_t alignment, size_t bytes)
{
    if (alignment <= SLOT_BYTES)
        return heap_alloc(heap, bytes);
    if (alignment > XEN_PAGE_SIZE || (alignment & (alignment - 1)))
        return fail(heap);
    return large_alloc(heap, bytes, XEN_PAGE_SIZE);
}

void heap_free(struct heap *heap, void *block)
{
    struct heap_head *head;
    size_t offset;

    if (!block)
        return;
    head = head_of(block, &offset);
    if (head->magic == MAGIC_SLAB)
        small_free(heap, head, offset);
    else
        large_free(heap, head);
}

void *heap_resize(struct heap *heap, void *block, size_t bytes)
{
    struct heap_head *head;
    size_t have, offset;
    void *moved;

    if (!block)
        return heap_alloc(heap, bytes);
    have = heap_bytes(block);
    head = head_of(block, &offset);
    /* Keep the block if the new size fits and wastes less than half. */
    if (bytes <= have && (bytes > have / 2 || have <= SLOT_BYTES))
        return block;
    if (head->magic == MAGIC_RUN && bytes > have &&
        large_grow(heap, head, offset, bytes))
        return block;
    moved = heap_alloc(heap, bytes);
    if (!moved)
        return NULL;
    memcpy(moved, block, bytes < have ? bytes : have);
    heap_free(heap, block);
    return moved;
}
