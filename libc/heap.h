/* SPDX-License-Identifier: MIT */
/*
 * The heap behind malloc: blocks of any size from the page allocator.
 *
 * Blocks are aligned to 16 bytes. Freeing anything that is not a live block of
 * a heap (freed before, never handed out, in the middle of one) is our own
 * error: it panics with a clear message.
 */
#ifndef LIBC_HEAP_H
#define LIBC_HEAP_H

#include "kernel/page.h"

#define HEAP_SIZES 17 /* of small blocks; see heap.c */

struct heap_head;

struct heap {
    struct pages *pages;
    struct heap_head *slabs[HEAP_SIZES]; /* pages with free slots, by size */
    /* Bytes in live blocks, and in pages taken for them. */
    unsigned long used_bytes, held_bytes;
    uint64_t failures; /* requests answered with NULL */
};

void heap_init(struct heap *heap, struct pages *pages);

/* NULL: no memory. Contents are undefined. */
void *heap_alloc(struct heap *heap, size_t bytes);
/* Aligned to a power of two, at most a page. */
void *heap_aligned(struct heap *heap, size_t alignment, size_t bytes);
/* Like realloc: NULL leaves the old block as it was. */
void *heap_resize(struct heap *heap, void *block, size_t bytes);
void heap_free(struct heap *heap, void *block);

/* Free the empty pages that are kept for the next block of their size. */
void heap_trim(struct heap *heap);

/* The usable size of a block: at least what was asked for. */
size_t heap_bytes(const void *block);

#endif
