/* SPDX-License-Identifier: MIT */
/*
 * malloc for programs: these functions replace those in malloc.c, and notice
 * writes past a block. program.c makes the linker take this file.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "posix/guard.h"
#include "libc/libc.h"
#include "posix/program.h"

const bool posix_malloc_guards = true;

static void *or_errno(void *block)
{
    if (!block)
        errno = ENOMEM;
    return block;
}

void *malloc(size_t bytes)
{
    return or_errno(guard_alloc(malloc_heap(), bytes));
}

void free(void *block)
{
    guard_free(malloc_heap(), block);
}

void *realloc(void *block, size_t bytes)
{
    return or_errno(guard_resize(malloc_heap(), block, bytes));
}

void *memalign(size_t alignment, size_t bytes)
{
    return or_errno(guard_aligned(malloc_heap(), alignment, bytes));
}

size_t malloc_usable_size(void *block)
{
    return block ? guard_bytes(block) : 0;
}
