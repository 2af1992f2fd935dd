/* SPDX-License-Identifier: MIT */
/*
 * A limit on the memory that TCP/IP uses, so that peers cannot starve the app
 * or the drivers, whatever they send.
 *
 * Each block starts with its size, so that free knows what to subtract;
 * malloc's own size is not used, since it differs between C libraries.
 */
#include "net/memory.h"

#include <stdlib.h>
#include <string.h>

#include "arch/cc.h"

/* malloc's alignment, so that the block after it stays aligned for any type. */
#define HEADER_BYTES 16

static struct memory_use use = {.limit = SIZE_MAX};

void memory_set_limit(size_t bytes)
{
    use.limit = bytes;
}

struct memory_use memory_use(void)
{
    return use;
}

bool memory_for_received(void)
{
    return use.used < use.limit / 2;
}

bool memory_for_connections(void)
{
    return use.used < use.limit / 4 * 3;
}

void *net_malloc(size_t bytes)
{
    size_t *block = NULL;

    /* Two steps, since used + bytes might wrap. */
    if (use.used <= use.limit && bytes <= use.limit - use.used)
        block = malloc(HEADER_BYTES + bytes);
    if (!block) {
        use.refused++;
        return NULL;
    }
    *block = bytes;
    use.used += bytes;
    if (use.used > use.used_max)
        use.used_max = use.used;
    return (char *)block + HEADER_BYTES;
}

/* lwIP asks for one object at a time: the product cannot wrap. */
void *net_calloc(size_t count, size_t bytes)
{
    void *memory = net_malloc(count * bytes);

    return memory ? memset(memory, 0, count * bytes) : NULL;
}

void net_free(void *memory)
{
    if (!memory)
        return;
    size_t *block = (void *)((char *)memory - HEADER_BYTES);
    use.used -= *block;
    free(block);
}
