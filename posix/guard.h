/* SPDX-License-Identifier: MIT */
/*
 * The heap (heap.h) with an end to each block that shows when somebody wrote
 * past it: for programs, which are not all ours. It is looked at when the block
 * is resized or freed; a broken one is the end: panic with a sentence. What it
 * costs is eight bytes a block.
 */
#ifndef POSIX_GUARD_H
#define POSIX_GUARD_H

#include "libc/heap.h"

void *guard_alloc(struct heap *heap, size_t bytes);
void *guard_aligned(struct heap *heap, size_t alignment, size_t bytes);
void *guard_resize(struct heap *heap, void *block, size_t bytes);
void guard_free(struct heap *heap, void *block);
/* What was asked for, to the byte. */
size_t guard_bytes(const void *block);

#endif
