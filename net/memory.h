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

/* Who may still ask for more, by what is in use already: what comes in and is
 * kept (data that is early, or not read) stops at half of the limit; new
 * connections at three quarters; the rest is for those that there are. So no
 * one of them can keep out the next. */
bool memory_for_received(void);
bool memory_for_connections(void);

#endif
