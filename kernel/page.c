/* SPDX-License-Identifier: MIT */
/*
 * The page allocator.
 *
 *     first              frontier                        end
 *       |  used, free, used  |  never used, not mapped     |
 *
 * A bit per page below the frontier, 1 = free. A request takes the lowest run
 * that is long enough; the run that ends at the frontier counts as endless,
 * and what it lacks is mapped. So memory is used from the bottom up, and the
 * frontier stays as low as fragmentation lets it.
 *
 * The bitmap begins inside struct pages. When it is full, a larger one is taken
 * from the frontier, a page (for 128 MiB) at first, then always twice the size,
 * and the pages of the old one become free memory. So what is copied over the
 * guest's life is less than the size of the last bitmap.
 *
 * First fit by scanning words is simple on purpose: a guest has thousands of
 * pages, not millions, and requests are few; libc/malloc.c takes what is
 * small.
 */
#include "kernel/page.h"

#include <assert.h>
#include <string.h>

/* Mapped at once at least: the fixed cost of a hypercall is that of mapping
 * about as many pages, and a small guest uses that many. */
#define BATCH 8

#define WORD_BITS     64
#define BITS_PER_PAGE (8ul * XEN_PAGE_SIZE)

void pages_init(struct pages *pages)
{
    *pages = (struct pages){0};
    hv_free_pages(&pages->first, &pages->end);
    pages->frontier = pages->first;
    pages->bitmap = pages->small;
    pages->bitmap_bits = PAGES_SMALL;
}

static unsigned long nr_bits(const struct pages *pages)
{
    return pages->frontier - pages->first;
}

/* ---- The bitmap */

/* The first bit from `at` on that is set (or clear); nr_bits() if none is. */
static unsigned long next_bit(const struct pages *pages, unsigned long at,
                              bool set)
{
    uint64_t flip = set ? 0 : UINT64_MAX;

    while (at < nr_bits(pages)) {
        uint64_t word = pages->bitmap[at / WORD_BITS] ^ flip;

        word >>= at % WORD_BITS;
        if (word) {
            at += (unsigned)__builtin_ctzll(word);
            break;
        }
        at += WORD_BITS - at % WORD_BITS;
    }
    return at < nr_bits(pages) ? at : nr_bits(pages);
}

/* Change bits [at, at + nr), each of which must have had the other value. */
static void flip_bits(struct pages *pages, unsigned long at, unsigned long nr,
                      bool set)
{
    pages->nr_free += set ? nr : -nr;
    for (; nr--; at++) {
        uint64_t bit = UINT64_C(1) << at % WORD_BITS;
        uint64_t *word = &pages->bitmap[at / WORD_BITS];

        assert(!(*word & bit) == set);
        *word ^= bit;
    }
}

static void free_bits(struct pages *pages, unsigned long at, unsigned long nr)
{
    flip_bits(pages, at, nr, true);
    if (at < pages->hint)
        pages->hint = at;
}

/* The lowest run of nr free pages. When there is none, the free pages right
 * below the frontier, which may be no page at all. */
static unsigned long find_run(struct pages *pages, unsigned long nr)
{
    unsigned long start = next_bit(pages, pages->hint, true);

    pages->hint = start;
    for (;;) {
        unsigned long stop = next_bit(pages, start, false);

        if (stop - start >= nr || stop == nr_bits(pages))
            return start;
        start = next_bit(pages, stop, true);
    }
}

/* ---- The frontier */

static unsigned long nr_unused(const struct pages *pages)
{
    return pages->end - pages->frontier;
}

/* Move the bitmap to the frontier, with room for at least `bits`. */
static int grow_bitmap(struct pages *pages, unsigned long bits)
{
    unsigned long old_nr = pages->bitmap_bits / BITS_PER_PAGE; /* 0: small */
    unsigned long nr = old_nr ? 2 * old_nr : 1;
    uint64_t *old = pages->bitmap, *new = hv_page_address(pages->frontier);

    while (nr * BITS_PER_PAGE < bits + nr)
        nr *= 2;
    if (nr > nr_unused(pages) || hv_map_pages(pages->frontier, nr))
        return -XEN_ENOMEM;
    memset(new, 0, nr * XEN_PAGE_SIZE);
    memcpy(new, old, pages->bitmap_bits / 8);
    pages->bitmap = new;
    pages->bitmap_bits = nr * BITS_PER_PAGE;
    pages->frontier += nr;
    if (old_nr)
        free_bits(pages, hv_page_number(old) - pages->first, old_nr);
    return 0;
}

/* Make at least nr more pages free at the frontier, or else the bitmap larger:
 * look again after either. */
static int extend(struct pages *pages, unsigned long nr)
{
    unsigned long at = nr_bits(pages);

    if (nr > nr_unused(pages))
        return -XEN_ENOMEM;
    if (nr < BATCH)
        nr = nr_unused(pages) < BATCH ? nr_unused(pages) : BATCH;
    if (at + nr > pages->bitmap_bits)
        return grow_bitmap(pages, at + nr);
    if (hv_map_pages(pages->frontier, nr))
        return -XEN_ENOMEM;
    pages->frontier += nr;
    free_bits(pages, at, nr);
    return 0;
}

/* ---- Handing out and taking back */

void *page_alloc(struct pages *pages, unsigned long nr)
{
    unsigned long at;

    assert(nr > 0);
    while ((at = find_run(pages, nr)), nr > nr_bits(pages) - at) {
        if (extend(pages, nr - (nr_bits(pages) - at))) {
            pages->failures++;
            return NULL;
        }
    }
    flip_bits(pages, at, nr, false);
    pages->nr_used += nr;
    if (pages->nr_used > pages->nr_used_max)
        pages->nr_used_max = pages->nr_used;
    return hv_page_address(pages->first + at);
}

void *page_alloc_zeroed(struct pages *pages, unsigned long nr)
{
    void *run = page_alloc(pages, nr);

    if (run)
        memset(run, 0, nr * XEN_PAGE_SIZE);
    return run;
}

void page_free(struct pages *pages, void *run, unsigned long nr)
{
    unsigned long page = hv_page_number(run);

    assert((uintptr_t)run % XEN_PAGE_SIZE == 0);
    assert(page >= pages->first && nr <= pages->frontier - pages->first &&
           page <= pages->frontier - nr);
    free_bits(pages, page - pages->first, nr);
    pages->nr_used -= nr;
}

unsigned long pages_available(const struct pages *pages)
{
    return pages->nr_free + nr_unused(pages);
}
