/* SPDX-License-Identifier: MIT */
/*
 * A program's limits, which are the guest's, and its resource usage.
 */
#include <sys/resource.h>

#include "kernel/app.h"
#include "libc/errors.h"
#include "posix/fd.h"
#include "posix/program.h"

static rlim_t limit_of(int what)
{
    switch (what) {
    case RLIMIT_NOFILE:
        return FD_MAX;
    case RLIMIT_STACK:
        return program_stack_bytes();
    case RLIMIT_CORE:
        return 0;
    default:
        return RLIM_INFINITY;
    }
}

int getrlimit(int what, struct rlimit *limit)
{
    if (what < 0 || what > RLIMIT_AS)
        return (int)error_result(-XEN_EINVAL);
    *limit = (struct rlimit){limit_of(what), limit_of(what)};
    return 0;
}

int setrlimit(int what, const struct rlimit *limit)
{
    if (what < 0 || what > RLIMIT_AS || limit->rlim_cur > limit->rlim_max)
        return (int)error_result(-XEN_EINVAL);
    return (int)error_result(limit->rlim_max > limit_of(what) ? -XEN_EPERM : 0);
}

/* All time is user time: there is no kernel. */
int getrusage(int whose, struct rusage *usage)
{
    uint64_t ns = whose == RUSAGE_SELF ? app_cpu_ns(program_app()) : 0;

    if (whose != RUSAGE_SELF && whose != RUSAGE_CHILDREN)
        return (int)error_result(-XEN_EINVAL);
    *usage = (struct rusage){
        .ru_utime = {(time_t)(ns / NS_PER_S),
                     (suseconds_t)(ns % NS_PER_S / NS_PER_US)},
    };
    return 0;
}
