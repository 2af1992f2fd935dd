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

#include "xen/hv.h"

struct pages {
    unsigned long first;     /* page number of bitmap bit 0 */
    unsigned long frontier;  /* pages from here to end were never handed out */
    unsigned long end;
    unsigned long mapped;    /* pages from frontier to here are mapped */
    uint64_t *bitmap;        /* 1 = free; covers [first, frontier) */
    unsigned long bitmap_bits;
    unsigned long hint;      /* no free bit below this one */
    unsigned long nr_free;   /* free bits below frontier */
    unsigned long nr_used, nr_used_max;
    uint64_t failures;       /* requests that returned NULL */
};

/* Manage what hv_free_pages() says is free. Assert: called once. */
void pages_init(struct pages *pages);

/* nr contiguous pages, contents undefined; NULL when there is no such run. */
void *page_alloc(struct pages *pages, unsigned long nr);
/* The same, zeroed. Only such pages may ever be granted to a backend. */
void *page_alloc_zeroed(struct pages *pages, unsigned long nr);
/* Give back a run, or any part of one. */
void page_free(struct pages *pages, void *run, unsigned long nr);

/* Pages that could still be handed out, counting the ones not yet mapped. */
unsigned long pages_available(const struct pages *pages);

#endif
