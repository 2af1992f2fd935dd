/* SPDX-License-Identifier: MIT */
/*
 * Heap blocks with a guarded end.
 *
 *     | what was asked for | slack, its first bytes filled | tail |
 *
 * A block of the heap has more room than was asked for, up to its size. The
 * tail at the end of that room gives the amount of slack, which begins with a
 * pattern. So a write past the end is noticed, whether by one byte or by many.
 */
#include "posix/guard.h"
#include "kernel/log.h"

#include <string.h>

/* Not 0, which is what most strings end with. */
#define FILL     0xa5
/* A long overrun reaches the tail; a short one is found here. */
#define FILL_MAX 16

struct tail {
    uint32_t mark;
    uint32_t slack; /* bytes: less than a page, since runs are whole pages */
};

#define TAIL_MARK UINT32_C(0x5ea1ed00)

static struct tail *tail_of(const void *block)
{
    return (struct tail *)((char *)block + heap_bytes(block)) - 1;
}

/* Different for each address: a copy of a neighbour's mark does not match. */
static uint32_t mark_of(const void *block)
{
    return TAIL_MARK ^ (uint32_t)((uintptr_t)block >> 4);
}

static size_t fill_bytes(uint32_t slack)
{
    return slack < FILL_MAX ? slack : FILL_MAX;
}

static void *close_block(void *block, size_t bytes)
{
    struct tail *tail;

    if (!block)
        return NULL;
    tail = tail_of(block);
    tail->mark = mark_of(block);
    tail->slack = (uint32_t)((char *)tail - (char *)block - bytes);
    memset((char *)block + bytes, FILL, fill_bytes(tail->slack));
    return block;
}

static size_t check_block(const void *block)
{
    const struct tail *tail = tail_of(block);
    size_t room = (size_t)((const char *)tail - (const char *)block), bytes;

    if (tail->mark != mark_of(block) || tail->slack > room)
        panic("free: %p: far past its end was written", block);
    bytes = room - tail->slack;
    for (size_t i = 0; i < fill_bytes(tail->slack); i++)
        if (((const unsigned char *)block)[bytes + i] != FILL)
            panic("free: %p: past its end was written: it has %zu bytes", block,
                  bytes);
    return bytes;
}

/* The size with a tail; sizes too large for any heap stay too large. */
static size_t with_tail(size_t bytes)
{
    size_t all;

    return __builtin_add_overflow(bytes, sizeof(struct tail), &all) ? SIZE_MAX
                                                                    : all;
}

void *guard_alloc(struct heap *heap, size_t bytes)
{
    return close_block(heap_alloc(heap, with_tail(bytes)), bytes);
}

void *guard_aligned(struct heap *heap, size_t alignment, size_t bytes)
{
    return close_block(heap_aligned(heap, alignment, with_tail(bytes)), bytes);
}

void *guard_resize(struct heap *heap, void *block, size_t bytes)
{
    if (block)
        (void)check_block(block);
    return close_block(heap_resize(heap, block, with_tail(bytes)), bytes);
}

void guard_free(struct heap *heap, void *block)
{
    if (block)
        (void)check_block(block);
    heap_free(heap, block);
}

size_t guard_bytes(const void *block)
{
    return check_block(block);
}
