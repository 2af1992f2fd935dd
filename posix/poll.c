/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several descriptors: check all of them whenever anything happened
 * to any. That is one call of some ten instructions for each: thousands of
 * descriptors would need another interface.
 *
 * The loop turns before the first check: so a program that polls all the time
 * sees what is new, and busy clients are not the only ones served.
 */
#include "posix/poll.h"

#include "posix/fd.h"
#include "posix/wait.h"

#define ALWAYS    (POLLERR | POLLHUP | POLLNVAL)
#define READABLE  (POLLIN | POLLRDNORM)
#define WRITABLE  (POLLOUT | POLLWRNORM)
/* Events that make a descriptor readable or writable for select. */
#define FOR_READ  (READABLE | POLLHUP | POLLERR)
#define FOR_WRITE (WRITABLE | POLLERR)

static short state_of(int nr)
{
    struct fd *fd = fd_get(nr);

    if (!fd)
        return POLLNVAL;
    return fd->ops->poll ? fd->ops->poll(fd) : READABLE | WRITABLE;
}

/* Until look(arg) is not 0. */
static int wait_for(int (*look)(void *arg), void *arg, uint64_t due_ns)
{
    int err = 0, ready;

    wait_turn();
    while (!(ready = look(arg)) && !err)
        err = wait_until(due_ns);
    if (ready || err == -XEN_ETIMEDOUT || err == -XEN_EAGAIN)
        return ready;
    return err;
}

/* ---- poll */

struct polling {
    struct pollfd *fds;
    nfds_t nr;
};

static int look_poll(void *arg)
{
    const struct polling *polling = arg;
    int ready = 0;

    for (nfds_t i = 0; i < polling->nr; i++) {
        struct pollfd *fd = &polling->fds[i];

        fd->revents = 0;
        if (fd->fd >= 0)
            fd->revents = state_of(fd->fd) & (fd->events | ALWAYS);
        ready += fd->revents != 0;
    }
    return ready;
}

int poll_until(struct pollfd *fds, nfds_t nr, uint64_t due_ns)
{
    struct polling polling = {fds, nr};

    return wait_for(look_poll, &polling, due_ns);
}

/* ---- select */

struct selecting {
    int nr;
    const fd_set *read, *write; /* asked for */
    fd_set read_ready, write_ready;
};

static int look_one(struct selecting *s, int nr)
{
    short state = state_of(nr);
    int ready = 0;

    if (s->read && FD_ISSET(nr, s->read) && state & FOR_READ) {
        FD_SET(nr, &s->read_ready);
        ready++;
    }
    if (s->write && FD_ISSET(nr, s->write) && state & FOR_WRITE) {
        FD_SET(nr, &s->write_ready);
        ready++;
    }
    return ready;
}

static int look_select(void *arg)
{
    struct selecting *s = arg;
    int ready = 0;

    for (int nr = 0; nr < s->nr; nr++)
        ready += look_one(s, nr);
    return ready;
}

/* Do all requested descriptors exist? */
static bool are_there(const struct selecting *s)
{
    for (int nr = 0; nr < s->nr; nr++)
        if (((s->read && FD_ISSET(nr, s->read)) ||
             (s->write && FD_ISSET(nr, s->write))) &&
            !fd_get(nr))
            return false;
    return true;
}

int select_until(int nr, fd_set *read, fd_set *write, fd_set *except,
                 uint64_t due_ns)
{
    struct selecting s = {.nr = nr, .read = read, .write = write};
    int ready;

    if (nr < 0 || nr > FD_SETSIZE)
        return -XEN_EINVAL;
    if (!are_there(&s))
        return -XEN_EBADF;
    FD_ZERO(&s.read_ready);
    FD_ZERO(&s.write_ready);
    ready = wait_for(look_select, &s, due_ns);
    if (ready < 0)
        return ready;
    if (read)
        *read = s.read_ready;
    if (write)
        *write = s.write_ready;
    if (except)
        FD_ZERO(except); /* nothing exceptional is known here */
    return ready;
}
