/* SPDX-License-Identifier: MIT */
/*
 * lwIP's memory: malloc within a limit (net_malloc and friends are declared in
 * arch/cc.h).
 */
#ifndef NET_MEMORY_H
#define NET_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most that lwIP may use, in bytes. Until it is set there is no limit. */
void memory_set_limit(size_t bytes);

struct memory_use {
    size_t used, limit, used_max;
    uint64_t refused; /* requests past the limit, or without memory */
};
struct memory_use memory_use(void);

/* Whether more may be allocated, by what is in use already: received data that
 * is kept (out of order, or unread) stops at half of the limit; new connections
 * at three quarters; the rest is for open connections. So none of these can
 * lock out the next. */
bool memory_for_received(void);
bool memory_for_connections(void);

#endif
