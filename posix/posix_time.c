/* SPDX-License-Identifier: MIT */
/*
 * The POSIX names of clocks and sleeping.
 */
#define _GNU_SOURCE /* all clocks */
#include <errno.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "kernel/loop.h"
#include "libc/errors.h"
#include "posix/time.h"
#include "xen/hv.h"

int clock_gettime(clockid_t clock, struct timespec *time)
{
    uint64_t ns = 0;
    int err = time_read(clock, &ns);

    *time = time_of_ns(ns);
    return (int)error_result(err);
}

int clock_settime(clockid_t clock, const struct timespec *time)
{
    (void)time;
    return (int)error_result(time_set(clock));
}

int clock_getres(clockid_t clock, struct timespec *resolution)
{
    uint64_t ns;
    int err = time_read(clock, &ns);

    if (resolution)
        *resolution = time_of_ns(1);
    return (int)error_result(err);
}

int gettimeofday(struct timeval *time, void *zone)
{
    uint64_t ns = hv_wall_base_ns() + hv_now_ns();

    (void)zone;
    time->tv_sec = (time_t)(ns / NS_PER_S);
    time->tv_usec = (suseconds_t)(ns % NS_PER_S / NS_PER_US);
    return 0;
}

/* In units of CLOCKS_PER_SEC, all of it the user's: there is no kernel. */
clock_t times(struct tms *times)
{
    *times = (struct tms){
        .tms_utime = (clock_t)(hv_cpu_ns() / (NS_PER_S / CLOCKS_PER_SEC)),
    };
    return (clock_t)(hv_now_ns() / (NS_PER_S / CLOCKS_PER_SEC));
}

/* ---- Sleeping */

static int sleep_for(const struct timespec *time, struct timespec *left)
{
    uint64_t ns, left_ns;
    int err = time_ns(time, &ns);

    if (err)
        return err;
    err = time_sleep(ns, &left_ns);
    if (err && left)
        *left = time_of_ns(left_ns);
    return err;
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
    return (int)error_result(sleep_for(time, left));
}

/* Returns the error, and leaves errno alone. */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                    struct timespec *left)
{
    uint64_t ns;
    int err = time_read(clock, &ns);

    if (!err && clock == CLOCK_PROCESS_CPUTIME_ID)
        err = -XEN_EOPNOTSUPP;
    if (!err && !(flags & TIMER_ABSTIME))
        err = sleep_for(time, left);
    else if (!err)
        err = time_ns(time, &ns);
    if (!err && flags & TIMER_ABSTIME)
        err = time_sleep_until(clock, ns);
    return -error_of_xen(err);
}

unsigned sleep(unsigned seconds)
{
    uint64_t left_ns;

    (void)time_sleep(seconds * NS_PER_S, &left_ns);
    return (unsigned)((left_ns + NS_PER_S - 1) / NS_PER_S);
}

int usleep(useconds_t us)
{
    uint64_t left_ns;

    return (int)error_result(time_sleep(us * NS_PER_US, &left_ns));
}
