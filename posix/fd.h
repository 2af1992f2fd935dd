/* SPDX-License-Identifier: MIT */
/*
 * File descriptors: numbers for anything that can be read, written or waited
 * for.
 *
 * Each kind (console, file, socket) embeds a struct fd and has operations,
 * which never wait: -XEN_EAGAIN says "not now", and the calls here wait for it
 * to change if the descriptor is to wait. Only files' operations wait
 * themselves, for the disk; a file is always ready. Whoever may have changed
 * what an operation would say calls wait_wake (wait.h).
 *
 * All results are 0 or more, or a negative XEN_E*. The POSIX names
 * are in posix_fd.c.
 */
#ifndef POSIX_FD_H
#define POSIX_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/loop.h"

/* A pointer each: 8 KiB. As many as Linux gives a process by default. */
#define FD_MAX        1024
/* Of one readv or writev: IOV_MAX. */
#define FD_PIECES_MAX 1024

struct fd;
struct iovec;
struct stat;

/* Any may be NULL but close: the call is then an error, as POSIX has it. */
struct fd_ops {
    ssize_t (*read)(struct fd *fd, void *to, size_t bytes);
    /* May take less than all. */
    ssize_t (*write)(struct fd *fd, const void *from, size_t bytes);
    /* For kinds for which several pieces must become one message. */
    ssize_t (*writev)(struct fd *fd, const struct iovec *pieces, int nr);
    ssize_t (*pread)(struct fd *fd, void *to, size_t bytes, off_t offset);
    ssize_t (*pwrite)(struct fd *fd, const void *from, size_t bytes,
                      off_t offset);
    off_t (*seek)(struct fd *fd, off_t offset, int whence);
    int (*stat)(struct fd *fd, struct stat *stat);
    int (*sync)(struct fd *fd);
    int (*truncate)(struct fd *fd, off_t bytes);
    /* Bytes that a read would find (FIONREAD). */
    int (*waiting)(struct fd *fd, int *bytes);
    /* What holds now of POLLIN, POLLOUT, POLLERR, POLLHUP. NULL: it is always
     * ready for both. */
    short (*poll)(struct fd *fd);
    /* Its last descriptor is closed: it is to be freed. */
    int (*close)(struct fd *fd);
};

struct fd {
    const struct fd_ops *ops;
    unsigned refs; /* descriptors that name it */
    int flags;     /* O_ACCMODE, O_APPEND, O_NONBLOCK */
    /* How long a read and a write may wait; 0: for ever. */
    uint64_t read_limit_ns, write_limit_ns;
};

/* The lowest free number >= least for it, or -XEN_EMFILE; `fd` then stays the
 * caller's. */
int fd_add(struct fd *fd, int least);
/* FD_CLOEXEC of a number that exists; a new one has it not. */
void fd_set_close_on_exec(int nr, bool on);
/* NULL: there is no such descriptor. */
struct fd *fd_get(int nr);
int fd_close(int nr);
/* At the end of the program. */
void fd_close_all(void);

int fd_dup(int nr, int least);
int fd_dup2(int nr, int to);
int fd_fcntl(int nr, int command, long argument);
int fd_ioctl(int nr, unsigned long request, int *argument);

ssize_t fd_read(int nr, void *to, size_t bytes);
ssize_t fd_write(int nr, const void *from, size_t bytes);
ssize_t fd_readv(int nr, const struct iovec *pieces, int count);
ssize_t fd_writev(int nr, const struct iovec *pieces, int count);
ssize_t fd_pread(int nr, void *to, size_t bytes, off_t offset);
ssize_t fd_pwrite(int nr, const void *from, size_t bytes, off_t offset);
off_t fd_seek(int nr, off_t offset, int whence);
int fd_stat(int nr, struct stat *stat);
int fd_sync(int nr);
int fd_truncate(int nr, off_t bytes);

/* ---- For the kinds' own calls, which may have to wait as these do. */

/* When a wait that begins now ends. */
uint64_t fd_due(uint64_t limit_ns);
/* After -XEN_EAGAIN. 0: try again; else what the call is to return. `tries` is
 * 0 at first, and counted here. */
int fd_again(bool may_wait, uint64_t due_ns, unsigned *tries);
/* Is it to wait? */
bool fd_waits(const struct fd *fd);

#endif
