/* SPDX-License-Identifier: MIT */
/*
 * lwIP's memory: malloc's, within a limit (net_malloc and friends are declared
 * in arch/cc.h).
 */
#ifndef NET_MEMORY_H
#define NET_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What lwIP may have, bytes. Before this is set there is no limit. */
void memory_set_limit(size_t bytes);

struct memory_use {
    size_t used, limit, used_max;
    uint64_t refused; /* requests past the limit, or without memory */
};
struct memory_use memory_use(void);

/* A quarter of the limit, or less, is left: time to say no to what is only
 * kept for convenience, so that the connections there are can go on. */
bool memory_is_short(void);

#endif
