/* SPDX-License-Identifier: MIT */
/*
 * The page allocator: whole pages, in runs, from the memory the domain owns.
 *
 * Pages that were never used are not even mapped: the allocator asks for them
 * (hv_map_pages) when it first needs them, so the cost of starting a guest
 * does not grow with memory=. A bitmap that grows with that frontier tells
 * which of the pages below it are free.
 */
#ifndef KERNEL_PAGE_H
#define KERNEL_PAGE_H

#include "xen/base.h"

/* Ranges of free memory that Xen's builder leaves: two (hv_free_range). */
#define PAGES_RANGES_MAX 2
/* A range of as many pages needs no page of bitmap: 4 MiB, a small guest. */
#define PAGES_SMALL      1024

struct page_range {
    unsigned long first;       /* page number of bitmap bit 0 */
    unsigned long frontier;    /* pages [first, frontier) are mapped */
    unsigned long end;         /* pages [frontier, end) were never used */
    uint64_t *bitmap;          /* of [first, frontier): 1 = free */
    unsigned long bitmap_bits; /* there is room for in it */
    unsigned long hint;        /* no bit below this one is set */
    unsigned long nr_free;     /* set bits */
    uint64_t small[PAGES_SMALL / 64]; /* the first bitmap */
};

struct pages {
    struct page_range ranges[PAGES_RANGES_MAX];
    unsigned nr_ranges;
    unsigned long nr_used, nr_used_max; /* handed out, not given back */
    uint64_t failures;                  /* requests that returned NULL */
};

/* Manage what hv_free_range() says is free. Only one may do so. */
void pages_init(struct pages *pages);

/* nr contiguous pages, contents undefined; NULL when there is no such run. */
void *page_alloc(struct pages *pages, unsigned long nr);
/* The same, zeroed. Only such pages may ever be granted to a backend. */
void *page_alloc_zeroed(struct pages *pages, unsigned long nr);
/* Make a run of nr pages longer by `more` where it is: false, and nothing has
 * changed, when the pages behind it are not free. */
bool page_extend(struct pages *pages, void *run, unsigned long nr,
                 unsigned long more);
/* Give back a run, or any part of one. Assert: it was out. */
void page_free(struct pages *pages, void *run, unsigned long nr);

/* Pages that could still be handed out, counting the ones not yet mapped
 * (of which the bitmap will take one in 32,768). */
unsigned long pages_available(const struct pages *pages);

#endif
