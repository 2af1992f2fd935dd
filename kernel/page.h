/* SPDX-License-Identifier: MIT */
/*
 * The page allocator: whole pages, in runs, from the memory the domain owns.
 *
 * Pages that were never used are not even mapped: the allocator asks for them
 * (hv_map_pages) when it first needs them, so the cost of starting a guest
 * does not grow with memory=. Below this frontier, a bitmap that grows with it
 * records which pages are free.
 */
#ifndef KERNEL_PAGE_H
#define KERNEL_PAGE_H

#include "xen/base.h"

/* The domain builder leaves two ranges of free memory (hv_free_range). */
#define PAGES_RANGES_MAX 2
/* A range of this many pages (4 MiB) needs no bitmap page: a small guest. */
#define PAGES_SMALL      1024

struct page_range {
    unsigned long first;       /* page number of bitmap bit 0 */
    unsigned long frontier;    /* pages [first, frontier) are mapped */
    unsigned long end;         /* pages [frontier, end) were never used */
    uint64_t *bitmap;          /* of [first, frontier): 1 = free */
    unsigned long bitmap_bits; /* capacity of it */
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
/* The same, zeroed. Only zeroed pages may ever be granted to a backend. */
void *page_alloc_zeroed(struct pages *pages, unsigned long nr);
/* Extend a run of nr pages in place by `more`. False, and nothing has changed,
 * if the pages behind it are not free. */
bool page_extend(struct pages *pages, void *run, unsigned long nr,
                 unsigned long more);
/* Free a run, or any part of one. Assert: it was allocated. */
void page_free(struct pages *pages, void *run, unsigned long nr);

/* Pages that could still be handed out, counting the ones not yet mapped
 * (of which the bitmap will take one in 32,768). */
unsigned long pages_available(const struct pages *pages);

#endif
