/* SPDX-License-Identifier: MIT */
/*
 * The POSIX names of waiting for several descriptors.
 */
#include <errno.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/time.h>

#include "libc/errors.h"
#include "posix/poll.h"
#include "posix/wait.h"
#include "xen/hv.h"

int poll(struct pollfd *fds, nfds_t nr, int timeout_ms)
{
    uint64_t due_ns = WAIT_FOR_EVER;

    if (timeout_ms >= 0)
        due_ns = hv_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    return (int)error_result(poll_until(fds, nr, due_ns));
}

int select(int nr, fd_set *read, fd_set *write, fd_set *except,
           struct timeval *timeout)
{
    uint64_t due_ns = WAIT_FOR_EVER;

    if (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0))
        return (int)error_result(-XEN_EINVAL);
    if (timeout)
        due_ns = hv_now_ns() + (uint64_t)timeout->tv_sec * NS_PER_S +
                 (uint64_t)timeout->tv_usec * NS_PER_US;
    return (int)error_result(select_until(nr, read, write, except, due_ns));
}
