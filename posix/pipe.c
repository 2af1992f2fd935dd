/* SPDX-License-Identifier: MIT */
/*
 * Pipes. Both ends lie in one object with a ring of bytes between them; the
 * last end that is closed frees it. Neither operation waits: fd.c does.
 */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "posix/pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "posix/fd.h"
#include "posix/wait.h"

struct pipe {
    struct fd reader, writer;
    bool read_closed, write_closed;
    size_t first, used; /* of the ring */
    char bytes[PIPE_BYTES];
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- The end that is read */

static struct pipe *of_reader(struct fd *fd)
{
    return container_of(fd, struct pipe, reader);
}

static ssize_t pipe_read(struct fd *fd, void *to, size_t bytes)
{
    struct pipe *pipe = of_reader(fd);
    size_t all = smaller(bytes, pipe->used);
    size_t run = smaller(all, PIPE_BYTES - pipe->first);

    if (!pipe->used && bytes)
        return pipe->write_closed ? 0 : -XEN_EAGAIN;
    memcpy(to, pipe->bytes + pipe->first, run);
    memcpy((char *)to + run, pipe->bytes, all - run);
    pipe->first = (pipe->first + all) % PIPE_BYTES;
    pipe->used -= all;
    wait_wake();
    return (ssize_t)all;
}

static int pipe_waiting(struct fd *fd, int *bytes)
{
    *bytes = (int)of_reader(fd)->used;
    return 0;
}

static short read_poll(struct fd *fd)
{
    const struct pipe *pipe = of_reader(fd);

    return (short)((pipe->used ? POLLIN | POLLRDNORM : 0) |
                   (pipe->write_closed ? POLLHUP : 0));
}

static int read_close(struct fd *fd)
{
    struct pipe *pipe = of_reader(fd);

    pipe->read_closed = true;
    wait_wake();
    if (pipe->write_closed)
        free(pipe);
    return 0;
}

/* ---- The end that is written */

static struct pipe *of_writer(struct fd *fd)
{
    return container_of(fd, struct pipe, writer);
}

static ssize_t pipe_write(struct fd *fd, const void *from, size_t bytes)
{
    struct pipe *pipe = of_writer(fd);
    size_t room = PIPE_BYTES - pipe->used;
    size_t end = (pipe->first + pipe->used) % PIPE_BYTES;
    size_t all = smaller(bytes, room), run = smaller(all, PIPE_BYTES - end);

    if (pipe->read_closed)
        return -XEN_EPIPE;
    if (bytes && (!room || (bytes <= PIPE_ATOMIC && bytes > room)))
        return -XEN_EAGAIN;
    memcpy(pipe->bytes + end, from, run);
    memcpy(pipe->bytes, (const char *)from + run, all - run);
    pipe->used += all;
    wait_wake();
    return (ssize_t)all;
}

static short write_poll(struct fd *fd)
{
    const struct pipe *pipe = of_writer(fd);

    if (pipe->read_closed)
        return POLLERR;
    return PIPE_BYTES - pipe->used >= PIPE_ATOMIC ? POLLOUT | POLLWRNORM : 0;
}

static int write_close(struct fd *fd)
{
    struct pipe *pipe = of_writer(fd);

    pipe->write_closed = true;
    wait_wake();
    if (pipe->read_closed)
        free(pipe);
    return 0;
}

/* ---- Both */

static int pipe_stat(struct fd *fd, struct stat *stat)
{
    (void)fd;
    stat->st_mode = S_IFIFO | S_IRUSR | S_IWUSR;
    stat->st_blksize = PIPE_ATOMIC;
    return 0;
}

static const struct fd_ops read_ops = {
    .read = pipe_read,
    .stat = pipe_stat,
    .waiting = pipe_waiting,
    .poll = read_poll,
    .close = read_close,
};

static const struct fd_ops write_ops = {
    .write = pipe_write,
    .stat = pipe_stat,
    .poll = write_poll,
    .close = write_close,
};

static int add_both(struct pipe *pipe, int ends[2])
{
    ends[0] = fd_add(&pipe->reader, 0);
    if (ends[0] < 0) {
        free(pipe);
        return ends[0];
    }
    ends[1] = fd_add(&pipe->writer, 0);
    if (ends[1] < 0) {
        pipe->write_closed = true;
        (void)fd_close(ends[0]);
        return ends[1];
    }
    return 0;
}

int pipe_open(int ends[2], int flags)
{
    struct pipe *pipe;
    int err;

    if (flags & ~(O_NONBLOCK | O_CLOEXEC))
        return -XEN_EINVAL;
    pipe = calloc(1, sizeof(*pipe));
    if (!pipe)
        return -XEN_ENOMEM;
    pipe->reader.ops = &read_ops;
    pipe->reader.flags = O_RDONLY | (flags & O_NONBLOCK);
    pipe->writer.ops = &write_ops;
    pipe->writer.flags = O_WRONLY | (flags & O_NONBLOCK);
    err = add_both(pipe, ends);
    for (int i = 0; i < 2 && !err; i++)
        fd_set_close_on_exec(ends[i], flags & O_CLOEXEC);
    return err;
}
