/* SPDX-License-Identifier: MIT */
/*
 * lwIP's clock and timers, on the loop. Implements lwip/timeouts.h
 * (sys_timeout, sys_untimeout) in place of lwIP's own timeouts.c.
 */
#ifndef NET_TIMEOUTS_H
#define NET_TIMEOUTS_H

struct loop;

/* Before lwip_init(). fn is called once a second, for ever, when the guest
 * wakes up for lwIP anyway. */
void timeouts_init(struct loop *loop, void (*fn)(void));

/* One of the timers that mostly rest may be needed now: check at once, not at
 * the next tick. */
void timeouts_kick(void);

/* An interface came up: the tick comes at once, so that IPv6 does not begin up
 * to a second late. */
void timeouts_link_up(void);

#endif
