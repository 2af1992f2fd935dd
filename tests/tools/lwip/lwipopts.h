/* SPDX-License-Identifier: MIT */
/*
 * The options that lwIP's own tests are compiled with: ours, and over them what
 * the tests say they need (sockets without threads, lwIP's own heap and pools,
 * windows of so many segments). Under both is what would not fit together.
 */
#ifndef TESTS_TOOLS_LWIP_LWIPOPTS_H
#define TESTS_TOOLS_LWIP_LWIPOPTS_H

#include "net/lwipopts.h"

#include "third_party/src/lwip/test/unit/lwipopts.h"

/* The tests turn the timers, count what is allocated, and know the default
 * segment; net_window_more is for windows that are not theirs. */
#undef LWIP_TIMERS_CUSTOM
#undef MEM_CUSTOM_ALLOCATOR
#undef MEMP_MEM_MALLOC
#undef TCP_MSS
#undef TCP_SNDLOWAT
#undef TCP_OVERSIZE
#undef TCP_OOSEQ_MAX_BYTES
#undef TCP_OOSEQ_MAX_PBUFS

/* The build machine's C library has these. */
#include <sys/time.h>
#define LWIP_TIMEVAL_PRIVATE  0
#define LWIP_ERRNO_STDINCLUDE 1

/* What PPP, MQTT and mDNS do is not in any image of ours. */
#undef PPP_SUPPORT
#undef PPPOS_SUPPORT

/* DHCP's times are ours (our patch 0030); lwIP's tests drive it by its old
 * timers, which port.c has. */
#define DHCP_COARSE_TIMER_MSECS 60000
#define DHCP_FINE_TIMER_MSECS   500
void dhcp_coarse_tmr(void);
void dhcp_fine_tmr(void);

#endif
