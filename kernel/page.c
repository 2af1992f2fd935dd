/* SPDX-License-Identifier: MIT */
/*
 * The page allocator. Each range of our memory is managed the same way:
 *
 *     first              frontier                        end
 *       |  used, free, used  |  never used, not mapped     |
 *
 * There is a bit per page below the frontier, 1 = free. A request takes the
 * lowest run that is long enough; the run that ends at the frontier counts as
 * endless, and the missing pages are mapped. So memory is used from the bottom
 * up, and the frontier stays as low as fragmentation allows.
 *
 * The bitmap begins inside the struct. When it is full, a larger one is taken
 * from the frontier, a page (for 128 MiB) at first, then always twice the size,
 * and the pages of the old one become free memory. So all copies over the
 * guest's life add up to less than the size of the last bitmap.
 *
 * First fit by scanning words is simple on purpose: a guest has thousands of
 * pages, not millions, and requests are few; libc/malloc.c handles small
 * ones.
 */
#include "kernel/page.h"
#include "xen/hv.h"

#include <assert.h>
#include <string.h>

/* Fewest pages mapped at once: a hypercall's fixed cost is that of mapping
 * about this many, and even a small guest uses them. */
#define BATCH 8

#define WORD_BITS     64
#define BITS_PER_PAGE (8ul * XEN_PAGE_SIZE)

/* ---- The bitmap */

static unsigned long nr_bits(const struct page_range *range)
{
    return range->frontier - range->first;
}

/* The first bit from `at` on that is set (or clear); nr_bits() if none is. */
static unsigned long next_bit(const struct page_range *range, unsigned long at,
                              bool set)
{
    uint64_t flip = set ? 0 : UINT64_MAX;

    while (at < nr_bits(range)) {
        uint64_t word = range->bitmap[at / WORD_BITS] ^ flip;

        word >>= at % WORD_BITS;
        if (word) {
            at += (unsigned)__builtin_ctzll(word);
            break;
        }
        at += WORD_BITS - at % WORD_BITS;
    }
    return at < nr_bits(range) ? at : nr_bits(range);
}

/* Set bits [at, at + nr), each of which must have the opposite value. */
static void flip_bits(struct page_range *range, unsigned long at,
                      unsigned long nr, bool set)
{
    range->nr_free += set ? nr : -nr;
    for (; nr--; at++) {
        uint64_t bit = UINT64_C(1) << at % WORD_BITS;
        uint64_t *word = &range->bitmap[at / WORD_BITS];

        assert(!(*word & bit) == set);
        *word ^= bit;
    }
}

static void free_bits(struct page_range *range, unsigned long at,
                      unsigned long nr)
{
    flip_bits(range, at, nr, true);
    if (at < range->hint)
        range->hint = at;
}

/* The lowest run of nr free pages. If there is none, the free pages right below
 * the frontier (possibly none). */
static unsigned long find_run(struct page_range *range, unsigned long nr)
{
    unsigned long start = next_bit(range, range->hint, true);

    range->hint = start;
    for (;;) {
        unsigned long stop = next_bit(range, start, false);

        if (stop - start >= nr || stop == nr_bits(range))
            return start;
        start = next_bit(range, stop, true);
    }
}

/* ---- The frontier */

static unsigned long nr_unused(const struct page_range *range)
{
    return range->end - range->frontier;
}

/* Move the bitmap to the frontier, with room for at least `bits`. */
static int grow_bitmap(struct page_range *range, unsigned long bits)
{
    unsigned long old_nr = range->bitmap_bits / BITS_PER_PAGE; /* 0: small */
    unsigned long nr = old_nr ? 2 * old_nr : 1;
    uint64_t *old = range->bitmap, *new = hv_page_address(range->frontier);

    while (nr * BITS_PER_PAGE < bits + nr)
        nr *= 2;
    if (nr > nr_unused(range) || hv_map_pages(range->frontier, nr))
        return -XEN_ENOMEM;
    memset(new, 0, nr * XEN_PAGE_SIZE);
    memcpy(new, old, range->bitmap_bits / 8);
    range->bitmap = new;
    range->bitmap_bits = nr * BITS_PER_PAGE;
    range->frontier += nr;
    if (old_nr)
        free_bits(range, hv_page_number(old) - range->first, old_nr);
    return 0;
}

/* Make at least nr more pages free at the frontier, or make the bitmap larger.
 * The caller must search again after either. */
static int extend(struct page_range *range, unsigned long nr)
{
    unsigned long at = nr_bits(range);

    if (nr > nr_unused(range))
        return -XEN_ENOMEM;
    if (nr < BATCH)
        nr = nr_unused(range) < BATCH ? nr_unused(range) : BATCH;
    if (at + nr > range->bitmap_bits)
        return grow_bitmap(range, at + nr);
    if (hv_map_pages(range->frontier, nr))
        return -XEN_ENOMEM;
    range->frontier += nr;
    free_bits(range, at, nr);
    return 0;
}

/* ---- Handing out and taking back */

static void range_init(struct page_range *range, unsigned long first,
                       unsigned long end)
{
    *range = (struct page_range){
        .first = first,
        .frontier = first,
        .end = end,
        .bitmap = range->small,
        .bitmap_bits = PAGES_SMALL,
    };
}

void pages_init(struct pages *pages)
{
    unsigned long first, end;

    *pages = (struct pages){0};
    for (unsigned i = 0; hv_free_range(i, &first, &end); i++) {
        assert(i < PAGES_RANGES_MAX);
        range_init(&pages->ranges[pages->nr_ranges++], first, end);
    }
}

/* The number of the first of nr pages; 0, which is never free, for none. */
static unsigned long range_alloc(struct page_range *range, unsigned long nr)
{
    unsigned long at, left;

    while (at = find_run(range, nr), left = nr_bits(range) - at, left < nr)
        if (extend(range, nr - left))
            return 0;
    flip_bits(range, at, nr, false);
    return range->first + at;
}

static void count_used(struct pages *pages, unsigned long nr)
{
    pages->nr_used += nr;
    if (pages->nr_used > pages->nr_used_max)
        pages->nr_used_max = pages->nr_used;
}

void *page_alloc(struct pages *pages, unsigned long nr)
{
    unsigned long page = 0;

    assert(nr > 0);
    for (unsigned i = 0; i < pages->nr_ranges && !page; i++)
        page = range_alloc(&pages->ranges[i], nr);
    if (!page) {
        pages->failures++;
        return NULL;
    }
    count_used(pages, nr);
    return hv_page_address(page);
}

void *page_alloc_zeroed(struct pages *pages, unsigned long nr)
{
    void *run = page_alloc(pages, nr);

    if (run)
        memset(run, 0, nr * XEN_PAGE_SIZE);
    return run;
}

static struct page_range *range_of(struct pages *pages, unsigned long page)
{
    struct page_range *range = pages->ranges;

    while (page >= range->end && range < &pages->ranges[pages->nr_ranges - 1])
        range++;
    return range;
}

bool page_extend(struct pages *pages, void *run, unsigned long nr,
                 unsigned long more)
{
    unsigned long page = hv_page_number(run) + nr, at, stop;
    struct page_range *range = range_of(pages, page - 1);

    at = page - range->first;
    while (stop = next_bit(range, at, false), stop - at < more)
        if (stop < nr_bits(range) || extend(range, more - (stop - at)))
            return false;
    flip_bits(range, at, more, false);
    count_used(pages, more);
    return true;
}

void page_free(struct pages *pages, void *run, unsigned long nr)
{
    unsigned long page = hv_page_number(run);
    struct page_range *range = range_of(pages, page);

    page -= range->first;
    assert((uintptr_t)run % XEN_PAGE_SIZE == 0 && page < nr_bits(range) &&
           nr <= nr_bits(range) - page);
    free_bits(range, page, nr);
    pages->nr_used -= nr;
}

unsigned long pages_available(const struct pages *pages)
{
    unsigned long nr = 0;

    for (unsigned i = 0; i < pages->nr_ranges; i++)
        nr += pages->ranges[i].nr_free + nr_unused(&pages->ranges[i]);
    return nr;
}
