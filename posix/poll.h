/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several descriptors. The POSIX names are in posix_poll.c.
 */
#ifndef POSIX_POLL_H
#define POSIX_POLL_H

#include <poll.h>
#include <stdint.h>
#include <sys/select.h>

/* How many are ready; 0: none was by then (WAIT_FOR_EVER of wait.h), or a
 * negative XEN_E*. A descriptor of fds that is negative is left
 * out. The loop turns at least once. */
int poll_until(struct pollfd *fds, nfds_t nr, uint64_t due_ns);
int select_until(int nr, fd_set *read, fd_set *write, fd_set *except,
                 uint64_t due_ns);

#endif
