/* SPDX-License-Identifier: MIT */
/*
 * Devices without anything behind them. Each that is open is a descriptor whose
 * operations say which it is; none ever waits.
 */
#include "posix/devices.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/app.h"
#include "posix/fd.h"
#include "posix/program.h"
#include "xen/error.h"

static ssize_t read_nothing(struct fd *fd, void *to, size_t bytes)
{
    (void)fd, (void)to, (void)bytes;
    return 0;
}

static ssize_t read_zeros(struct fd *fd, void *to, size_t bytes)
{
    (void)fd;
    memset(to, 0, bytes);
    return (ssize_t)bytes;
}

/* Numbers that somebody could guess are no random numbers. */
static ssize_t read_random(struct fd *fd, void *to, size_t bytes)
{
    struct random *random = program_app()->random;

    (void)fd;
    if (!random->seeded)
        return -XEN_EIO;
    random_bytes(random, to, bytes);
    return (ssize_t)bytes;
}

static ssize_t write_away(struct fd *fd, const void *from, size_t bytes)
{
    (void)fd, (void)from;
    return (ssize_t)bytes;
}

static int stat_device(struct fd *fd, struct stat *stat)
{
    (void)fd;
    memset(stat, 0, sizeof(*stat));
    stat->st_mode = S_IFCHR | 0666;
    stat->st_nlink = 1;
    return 0;
}

static int close_device(struct fd *fd)
{
    free(fd);
    return 0;
}

#define OPS(reads)                                               \
    {                                                            \
        .read = reads, .write = write_away, .stat = stat_device, \
        .close = close_device                                    \
    }

static const struct device {
    const char *path;
    struct fd_ops ops;
} devices[] = {
    {"/dev/null", OPS(read_nothing)},
    {"/dev/zero", OPS(read_zeros)},
    {"/dev/random", OPS(read_random)},
    {"/dev/urandom", OPS(read_random)},
};

static const struct device *find(const char *path)
{
    for (size_t i = 0; i < array_size(devices); i++)
        if (!strcmp(path, devices[i].path))
            return &devices[i];
    return NULL;
}

int device_open(const char *path, int flags)
{
    const struct device *device = find(path);
    struct fd *fd;
    int nr;

    if (!device)
        return -XEN_ENOENT;
    fd = calloc(1, sizeof(*fd));
    if (!fd)
        return -XEN_ENOMEM;
    fd->ops = &device->ops;
    fd->flags = flags & (O_ACCMODE | O_NONBLOCK);
    nr = fd_add(fd, 0);
    if (nr < 0)
        free(fd);
    return nr;
}

int device_stat(const char *path, struct stat *stat)
{
    return find(path) ? stat_device(NULL, stat) : -XEN_ENOENT;
}
