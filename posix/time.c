/* SPDX-License-Identifier: MIT */
/*
 * Time: the PV clock, and the wall clock that Xen gives with it, which is UTC.
 * CPU time is what Xen has counted for this domain.
 */
#define _GNU_SOURCE /* all clocks */
#include "posix/time.h"

#include "posix/wait.h"
#include "xen/hv.h"

int time_read(clockid_t clock, uint64_t *ns)
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

int time_set(clockid_t clock)
{
    uint64_t ns;
    int err = time_read(clock, &ns);

    if (err)
        return err;
    return clock == CLOCK_REALTIME ? -XEN_EPERM : -XEN_EINVAL;
}

int time_ns(const struct timespec *time, uint64_t *ns)
{
    if (time->tv_sec < 0 || time->tv_nsec < 0 ||
        time->tv_nsec >= (long)NS_PER_S)
        return -XEN_EINVAL;
    *ns = (uint64_t)time->tv_sec > TIME_SECONDS_MAX
              ? WAIT_FOR_EVER
              : (uint64_t)time->tv_sec * NS_PER_S + (uint64_t)time->tv_nsec;
    return 0;
}

struct timespec time_of_ns(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};
}

/* ---- Sleeping */

/* Until a time on hv_now_ns()'s clock, or a signal. */
static int sleep_until(uint64_t due_ns)
{
    int err;

    do
        err = wait_until(due_ns);
    while (!err);
    return err == -XEN_ETIMEDOUT || hv_now_ns() >= due_ns ? 0 : err;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a > WAIT_FOR_EVER - b ? WAIT_FOR_EVER : a + b;
}

int time_sleep(uint64_t ns, uint64_t *left_ns)
{
    uint64_t due_ns = sum(hv_now_ns(), ns);
    int err = sleep_until(due_ns);

    *left_ns = err ? due_ns - hv_now_ns() : 0;
    return err;
}

int time_sleep_until(clockid_t clock, uint64_t ns)
{
    uint64_t base_ns, now_ns;
    int err = time_read(clock, &now_ns);

    if (err)
        return err;
    if (clock == CLOCK_PROCESS_CPUTIME_ID)
        return -XEN_EOPNOTSUPP;
    base_ns = hv_now_ns();
    return ns <= now_ns ? 0 : sleep_until(sum(base_ns, ns - now_ns));
}
