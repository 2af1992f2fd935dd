/* SPDX-License-Identifier: MIT */
/*
 * malloc and its relatives: the C library's names for the one heap.
 * newlib itself calls the ones with _r, which do the same, as there is only one
 * thread. A program with a main replaces the weak ones: see posix_malloc.c.
 */
#include "libc/heap.h"
#include "libc/libc.h"

#include <errno.h>
#include <malloc.h>
#include <reent.h>
#include <stdlib.h>
#include <string.h>

#define weak __attribute__((weak))

static struct heap heap;

void malloc_init(struct pages *pages)
{
    heap_init(&heap, pages);
}

struct heap *malloc_heap(void)
{
    return &heap;
}

void libc_heap(struct libc_heap *figures)
{
    *figures = (struct libc_heap){
        .used_bytes = heap.used_bytes,
        .held_bytes = heap.held_bytes,
        .failures = heap.failures,
    };
}

static void *or_errno(void *block)
{
    if (!block)
        errno = ENOMEM;
    return block;
}

weak void *malloc(size_t bytes)
{
    return or_errno(heap_alloc(&heap, bytes));
}

weak void free(void *block)
{
    heap_free(&heap, block);
}

void *calloc(size_t nr, size_t bytes)
{
    size_t total;
    void *block;

    if (__builtin_mul_overflow(nr, bytes, &total))
        return or_errno(NULL);
    block = malloc(total);
    return block ? memset(block, 0, total) : NULL;
}

weak void *realloc(void *block, size_t bytes)
{
    return or_errno(heap_resize(&heap, block, bytes));
}

weak void *memalign(size_t alignment, size_t bytes)
{
    return or_errno(heap_aligned(&heap, alignment, bytes));
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return memalign(alignment, bytes);
}

int posix_memalign(void **block, size_t alignment, size_t bytes)
{
    void *aligned;

    if (alignment < sizeof(void *) || alignment & (alignment - 1))
        return EINVAL;
    aligned = memalign(alignment, bytes);
    if (!aligned)
        return ENOMEM;
    *block = aligned;
    return 0;
}

weak size_t malloc_usable_size(void *block)
{
    return block ? heap_bytes(block) : 0;
}

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
