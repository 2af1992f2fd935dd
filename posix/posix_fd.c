/* SPDX-License-Identifier: MIT */
/*
 * The POSIX names of what can be done with descriptors. They replace those in
 * syscalls.c in an image that has descriptors: there program.c calls
 * posix_fd_init, which makes the linker take this file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "libc/errors.h"
#include "posix/fd.h"
#include "posix/program.h"
#include "posix/tty.h"

void posix_fd_init(struct console *console)
{
    tty_init(console);
}

_READ_WRITE_RETURN_TYPE read(int fd, void *to, size_t bytes)
{
    return error_result(fd_read(fd, to, bytes));
}

_READ_WRITE_RETURN_TYPE write(int fd, const void *from, size_t bytes)
{
    return error_result(fd_write(fd, from, bytes));
}

ssize_t pread(int fd, void *to, size_t bytes, off_t offset)
{
    return error_result(fd_pread(fd, to, bytes, offset));
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t offset)
{
    return error_result(fd_pwrite(fd, from, bytes, offset));
}

ssize_t readv(int fd, const struct iovec *pieces, int nr)
{
    return error_result(fd_readv(fd, pieces, nr));
}

ssize_t writev(int fd, const struct iovec *pieces, int nr)
{
    return error_result(fd_writev(fd, pieces, nr));
}

off_t lseek(int fd, off_t offset, int whence)
{
    return error_result(fd_seek(fd, offset, whence));
}

int close(int fd)
{
    return (int)error_result(fd_close(fd));
}

int fstat(int fd, struct stat *stat)
{
    return (int)error_result(fd_stat(fd, stat));
}

int isatty(int fd)
{
    struct stat stat;
    int err = fd_stat(fd, &stat);

    if (!err && S_ISCHR(stat.st_mode))
        return 1;
    errno = err ? -error_of_xen(err) : ENOTTY;
    return 0;
}

int dup(int fd)
{
    return (int)error_result(fd_dup(fd, 0));
}

int dup2(int fd, int to)
{
    return (int)error_result(fd_dup2(fd, to));
}

int fcntl(int fd, int command, ...)
{
    va_list args;
    long argument;

    va_start(args, command);
    argument = va_arg(args, long);
    va_end(args);
    return (int)error_result(fd_fcntl(fd, command, argument));
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    int *argument;

    va_start(args, request);
    argument = va_arg(args, int *);
    va_end(args);
    return (int)error_result(fd_ioctl(fd, request, argument));
}

int fsync(int fd)
{
    return (int)error_result(fd_sync(fd));
}

int fdatasync(int fd)
{
    return (int)error_result(fd_sync(fd));
}

int ftruncate(int fd, off_t bytes)
{
    return (int)error_result(fd_truncate(fd, bytes));
}
