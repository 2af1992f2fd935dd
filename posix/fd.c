/* SPDX-License-Identifier: MIT */
/*
 * The table of file descriptors, and what all kinds of them have in common.
 *
 * A number names a struct fd, which several numbers may do after dup(); the
 * last to be closed frees it. Waiting is here and nowhere else: an operation
 * that says -XEN_EAGAIN is tried again whenever something happened (fd_again).
 * One that is not to wait is tried once more after one turn of the loop,
 * without which what it asks for could never arrive.
 */
#include "posix/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "posix/wait.h"
#include "xen/hv.h"

static struct fd *table[FD_MAX];
/* FD_CLOEXEC, a bit for each number: there is no exec, but it reads back. */
static uint64_t close_on_exec[FD_MAX / 64];

/* ---- The table */

struct fd *fd_get(int nr)
{
    return nr >= 0 && nr < FD_MAX ? table[nr] : NULL;
}

void fd_set_close_on_exec(int nr, bool on)
{
    uint64_t bit = UINT64_C(1) << nr % 64;

    if (on)
        close_on_exec[nr / 64] |= bit;
    else
        close_on_exec[nr / 64] &= ~bit;
}

static int fd_flags(int nr)
{
    return close_on_exec[nr / 64] >> nr % 64 & 1 ? FD_CLOEXEC : 0;
}

int fd_add(struct fd *fd, int least)
{
    if (least < 0 || least >= FD_MAX)
        return -XEN_EINVAL;
    for (int nr = least; nr < FD_MAX; nr++) {
        if (table[nr])
            continue;
        table[nr] = fd;
        fd->refs++;
        fd_set_close_on_exec(nr, false);
        return nr;
    }
    return -XEN_EMFILE;
}

int fd_close(int nr)
{
    struct fd *fd = fd_get(nr);

    if (!fd)
        return -XEN_EBADF;
    table[nr] = NULL;
    return --fd->refs ? 0 : fd->ops->close(fd);
}

void fd_close_all(void)
{
    for (int nr = 0; nr < FD_MAX; nr++)
        (void)fd_close(nr);
}

int fd_dup(int nr, int least)
{
    struct fd *fd = fd_get(nr);

    return fd ? fd_add(fd, least) : -XEN_EBADF;
}

int fd_dup2(int nr, int to)
{
    struct fd *fd = fd_get(nr);

    if (!fd || to < 0 || to >= FD_MAX)
        return -XEN_EBADF;
    if (nr == to)
        return to;
    if (table[to])
        (void)fd_close(to);
    table[to] = fd;
    fd->refs++;
    fd_set_close_on_exec(to, false);
    return to;
}

/* ---- Waiting */

uint64_t fd_due(uint64_t limit_ns)
{
    return limit_ns ? hv_now_ns() + limit_ns : WAIT_FOR_EVER;
}

bool fd_waits(const struct fd *fd)
{
    return !(fd->flags & O_NONBLOCK);
}

int fd_again(bool may_wait, uint64_t due_ns, unsigned *tries)
{
    int err;

    if (!may_wait) {
        if ((*tries)++)
            return -XEN_EAGAIN;
        wait_turn();
        return 0;
    }
    err = wait_until(due_ns);
    return err == -XEN_ETIMEDOUT ? -XEN_EAGAIN : err;
}

/* ---- Reading and writing */

static int check(const struct fd *fd, int not_with, const void *op)
{
    if (!fd || (fd->flags & O_ACCMODE) == not_with)
        return -XEN_EBADF;
    return op ? 0 : -XEN_EINVAL;
}

ssize_t fd_read(int nr, void *to, size_t bytes)
{
    struct fd *fd = fd_get(nr);
    int err = check(fd, O_WRONLY, fd ? fd->ops->read : NULL);
    unsigned tries = 0;
    uint64_t due_ns;
    ssize_t n;

    if (err)
        return err;
    due_ns = fd_due(fd->read_limit_ns);
    if (bytes > INT_MAX)
        bytes = INT_MAX;
    do {
        n = fd->ops->read(fd, to, bytes);
        if (n != -XEN_EAGAIN)
            return n;
        err = fd_again(fd_waits(fd), due_ns, &tries);
    } while (!err);
    return err;
}

static ssize_t write_all(struct fd *fd, const char *from, size_t bytes)
{
    uint64_t due_ns = fd_due(fd->write_limit_ns);
    unsigned tries = 0;
    size_t done = 0;

    do {
        ssize_t n = fd->ops->write(fd, from + done, bytes - done);

        if (n >= 0)
            done += (size_t)n;
        else if (n == -XEN_EAGAIN)
            n = fd_again(fd_waits(fd), due_ns, &tries);
        if (n < 0)
            return done ? (ssize_t)done : n;
    } while (done < bytes);
    return (ssize_t)done;
}

ssize_t fd_write(int nr, const void *from, size_t bytes)
{
    struct fd *fd = fd_get(nr);
    int err = check(fd, O_RDONLY, fd ? fd->ops->write : NULL);

    if (err)
        return err;
    return write_all(fd, from, bytes < INT_MAX ? bytes : INT_MAX);
}

/* Several pieces: after the first that was not done whole, none follows. */
static ssize_t in_pieces(int nr, const struct iovec *pieces, int count,
                         ssize_t (*move)(int nr, const struct iovec *piece))
{
    ssize_t done = 0;

    if (count < 0 || count > FD_PIECES_MAX)
        return -XEN_EINVAL;
    for (int i = 0; i < count; i++) {
        ssize_t n = move(nr, &pieces[i]);

        if (n < 0)
            return done ? done : n;
        done += n;
        if ((size_t)n < pieces[i].iov_len)
            break;
    }
    return done;
}

static ssize_t read_piece(int nr, const struct iovec *piece)
{
    return fd_read(nr, piece->iov_base, piece->iov_len);
}

static ssize_t write_piece(int nr, const struct iovec *piece)
{
    return fd_write(nr, piece->iov_base, piece->iov_len);
}

ssize_t fd_readv(int nr, const struct iovec *pieces, int count)
{
    return in_pieces(nr, pieces, count, read_piece);
}

ssize_t fd_writev(int nr, const struct iovec *pieces, int count)
{
    struct fd *fd = fd_get(nr);

    if (fd && fd->ops->writev)
        return fd->ops->writev(fd, pieces, count);
    return in_pieces(nr, pieces, count, write_piece);
}

/* ---- Files' own */

ssize_t fd_pread(int nr, void *to, size_t bytes, off_t offset)
{
    struct fd *fd = fd_get(nr);
    int err = check(fd, O_WRONLY, fd);

    if (err || offset < 0)
        return err ? err : -XEN_EINVAL;
    if (!fd->ops->pread)
        return -XEN_ESPIPE;
    return fd->ops->pread(fd, to, bytes < INT_MAX ? bytes : INT_MAX, offset);
}

ssize_t fd_pwrite(int nr, const void *from, size_t bytes, off_t offset)
{
    struct fd *fd = fd_get(nr);
    int err = check(fd, O_RDONLY, fd);

    if (err || offset < 0)
        return err ? err : -XEN_EINVAL;
    if (!fd->ops->pwrite)
        return -XEN_ESPIPE;
    return fd->ops->pwrite(fd, from, bytes < INT_MAX ? bytes : INT_MAX, offset);
}

off_t fd_seek(int nr, off_t offset, int whence)
{
    struct fd *fd = fd_get(nr);

    if (!fd)
        return -XEN_EBADF;
    return fd->ops->seek ? fd->ops->seek(fd, offset, whence) : -XEN_ESPIPE;
}

int fd_stat(int nr, struct stat *stat)
{
    struct fd *fd = fd_get(nr);

    if (!fd)
        return -XEN_EBADF;
    *stat = (struct stat){.st_nlink = 1};
    return fd->ops->stat ? fd->ops->stat(fd, stat) : 0;
}

int fd_sync(int nr)
{
    struct fd *fd = fd_get(nr);

    if (!fd)
        return -XEN_EBADF;
    return fd->ops->sync ? fd->ops->sync(fd) : -XEN_EINVAL;
}

int fd_truncate(int nr, off_t bytes)
{
    struct fd *fd = fd_get(nr);
    int err = check(fd, O_RDONLY, fd ? fd->ops->truncate : NULL);

    if (err || bytes < 0)
        return err ? err : -XEN_EINVAL;
    return fd->ops->truncate(fd, bytes);
}

/* ---- Flags */

#define CHANGEABLE (O_APPEND | O_NONBLOCK)

/* There is one process: a lock on a file is never somebody else's. */
static int lock(struct flock *flock, int command)
{
    if (command == F_GETLK)
        flock->l_type = F_UNLCK;
    return 0;
}

int fd_fcntl(int nr, int command, long argument)
{
    struct fd *fd = fd_get(nr);

    if (!fd)
        return -XEN_EBADF;
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        nr = fd_add(fd, (int)argument);
        if (nr >= 0)
            fd_set_close_on_exec(nr, command == F_DUPFD_CLOEXEC);
        return nr;
    case F_GETFD:
        return fd_flags(nr);
    case F_SETFD:
        fd_set_close_on_exec(nr, argument & FD_CLOEXEC);
        return 0;
    case F_GETFL:
        return fd->flags;
    case F_SETFL:
        fd->flags = (fd->flags & ~CHANGEABLE) | ((int)argument & CHANGEABLE);
        return 0;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
        return lock((struct flock *)argument, command);
    default:
        return -XEN_EINVAL;
    }
}

int fd_ioctl(int nr, unsigned long request, int *argument)
{
    struct fd *fd = fd_get(nr);

    if (!fd)
        return -XEN_EBADF;
    switch (request) {
    case FIONBIO:
        fd->flags = (fd->flags & ~O_NONBLOCK) | (*argument ? O_NONBLOCK : 0);
        return 0;
    case FIONREAD:
        return fd->ops->waiting ? fd->ops->waiting(fd, argument) : -XEN_ENOTTY;
    default:
        return -XEN_ENOTTY;
    }
}
