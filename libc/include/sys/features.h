/* SPDX-License-Identifier: MIT */
/* newlib's, and what libc/ has of which newlib's generic target knows nothing:
 * these make time.h declare it. */
#include_next <sys/features.h>

#ifndef _POSIX_TIMERS
#define _POSIX_TIMERS          200809L
#define _POSIX_MONOTONIC_CLOCK 200809L
#define _POSIX_CPUTIME         200809L
#define _POSIX_CLOCK_SELECTION 200809L
#endif
