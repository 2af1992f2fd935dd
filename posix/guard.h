/* SPDX-License-Identifier: MIT */
/*
 * The heap (heap.h) with a guard after each block that reveals writes past the
 * end: for programs, which are not all ours. The guard is checked when the
 * block is resized or freed; if it is damaged, the guest panics with a
 * sentence. It costs eight bytes per block.
 */
#ifndef POSIX_GUARD_H
#define POSIX_GUARD_H

#include "libc/heap.h"

void *guard_alloc(struct heap *heap, size_t bytes);
void *guard_aligned(struct heap *heap, size_t alignment, size_t bytes);
void *guard_resize(struct heap *heap, void *block, size_t bytes);
void guard_free(struct heap *heap, void *block);
/* The requested size, to the byte. */
size_t guard_bytes(const void *block);

#endif
