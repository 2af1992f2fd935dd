/* SPDX-License-Identifier: MIT */
/*
 * Time: the PV clock, and the wall clock that Xen gives with it, which is UTC.
 * CPU time is what Xen has counted for this domain.
 */
#define _GNU_SOURCE /* all clocks */
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "libc/errors.h"
#include "posix/wait.h"
#include "xen/hv.h"

static int read_clock(clockid_t clock, uint64_t *ns)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        *ns = hv_wall_base_ns() + hv_now_ns();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        *ns = hv_now_ns();
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
        *ns = hv_cpu_ns();
        return 0;
    default:
        return -XEN_EINVAL;
    }
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    uint64_t ns = 0;
    int err = read_clock(clock, &ns);

    *time = timespec_of(ns);
    return (int)error_result(err);
}

int clock_getres(clockid_t clock, struct timespec *resolution)
{
    uint64_t ns;
    int err = read_clock(clock, &ns);

    if (resolution)
        *resolution = timespec_of(1);
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

/* Returns what is left of it after a signal. */
static uint64_t sleep_ns(uint64_t ns)
{
    uint64_t due_ns = hv_now_ns() + ns, now_ns;
    int err;

    do
        err = wait_until(due_ns);
    while (!err);
    now_ns = hv_now_ns();
    return err == -XEN_ETIMEDOUT || now_ns >= due_ns ? 0 : due_ns - now_ns;
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
    uint64_t left_ns;

    if (time->tv_sec < 0 || time->tv_nsec < 0 ||
        time->tv_nsec >= (long)NS_PER_S)
        return (int)error_result(-XEN_EINVAL);
    left_ns =
        sleep_ns((uint64_t)time->tv_sec * NS_PER_S + (uint64_t)time->tv_nsec);
    if (left)
        *left = timespec_of(left_ns);
    return (int)error_result(left_ns ? -XEN_EINTR : 0);
}

unsigned sleep(unsigned seconds)
{
    return (unsigned)((sleep_ns(seconds * NS_PER_S) + NS_PER_S - 1) / NS_PER_S);
}

int usleep(useconds_t us)
{
    return (int)error_result(sleep_ns(us * NS_PER_US) ? -XEN_EINTR : 0);
}
