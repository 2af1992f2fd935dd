/* SPDX-License-Identifier: MIT */
/* Waiting for several descriptors (POSIX, poll.h); Linux's numbers. */
#ifndef _POLL_H
#define _POLL_H

#define POLLIN     0x001
#define POLLPRI    0x002 /* never happens */
#define POLLOUT    0x004
#define POLLERR    0x008
#define POLLHUP    0x010
#define POLLNVAL   0x020
#define POLLRDNORM 0x040
#define POLLRDBAND 0x080 /* never happens */
#define POLLWRNORM 0x100
#define POLLWRBAND 0x200 /* never happens */

typedef unsigned long nfds_t;

struct pollfd {
    int fd;
    short events, revents;
};

int poll(struct pollfd *fds, nfds_t nr, int timeout_ms);

#endif
