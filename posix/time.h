/* SPDX-License-Identifier: MIT */
/*
 * Clocks and sleeping. The POSIX names are in posix_time.c. Results are 0, or a
 * negative XEN_E*.
 */
#ifndef POSIX_TIME_H
#define POSIX_TIME_H

#include <stdint.h>
#include <time.h>

/* What fits into nanoseconds of 64 bits, half of them: a longer sleep never
 * ends. */
#define TIME_SECONDS_MAX (UINT64_C(1) << 33)

/* -XEN_EINVAL: no such clock. */
int time_read(clockid_t clock, uint64_t *ns);
/* -XEN_EPERM: the wall clock is Xen's. -XEN_EINVAL: no other can be set. */
int time_set(clockid_t clock);

/* -XEN_EINVAL: it is negative, or has too many nanoseconds. */
int time_ns(const struct timespec *time, uint64_t *ns);
struct timespec time_of_ns(uint64_t ns);

/* -XEN_EINTR: a signal came, and *left_ns were left; -XEN_EAGAIN: nothing may
 * wait here. */
int time_sleep(uint64_t ns, uint64_t *left_ns);
/* Until that time on a clock. -XEN_EINVAL; -XEN_EOPNOTSUPP: it counts CPU time;
 * and as above. */
int time_sleep_until(clockid_t clock, uint64_t ns);

#endif
