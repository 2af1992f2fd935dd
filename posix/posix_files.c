/* SPDX-License-Identifier: MIT */
/*
 * The POSIX names of files by their paths. There are no permissions: everybody
 * may do what the mount allows, and the modes of open and mkdir are ignored.
 */
#include <errno.h>
#include <fcntl.h>
#include <reent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "libc/errors.h"
#include "posix/devices.h"
#include "posix/files.h"

int open(const char *path, int flags, ...)
{
    int fd = device_open(path, flags);

    return (int)error_result(fd == -XEN_ENOENT ? file_open(path, flags) : fd);
}

int creat(const char *path, mode_t mode)
{
    (void)mode;
    return open(path, O_WRONLY | O_CREAT | O_TRUNC);
}

int stat(const char *path, struct stat *stat)
{
    return (int)error_result(device_stat(path, stat) ? file_stat(path, stat)
                                                     : 0);
}

/* What a link points to: see fs/fs.h, which follows all links. */
int lstat(const char *path, struct stat *stat)
{
    return (int)error_result(file_stat(path, stat));
}

int access(const char *path, int mode)
{
    return (int)error_result(file_access(path, mode & W_OK));
}

int statvfs(const char *path, struct statvfs *space)
{
    return (int)error_result(file_statvfs(path, space));
}

int truncate(const char *path, off_t bytes)
{
    return (int)error_result(bytes < 0 ? -XEN_EINVAL
                                       : file_truncate(path, bytes));
}

int rename(const char *path, const char *new_path)
{
    return (int)error_result(file_rename(path, new_path));
}

int unlink(const char *path)
{
    return (int)error_result(file_unlink(path));
}

int mkdir(const char *path, mode_t mode)
{
    (void)mode;
    return (int)error_result(file_mkdir(path));
}

int rmdir(const char *path)
{
    return (int)error_result(file_rmdir(path));
}

int remove(const char *path)
{
    int err = file_unlink(path);

    return (int)error_result(err == -XEN_EISDIR ? file_rmdir(path) : err);
}

/* newlib's tmpfile() calls this one. */
int _remove_r(struct _reent *reent, const char *path)
{
    (void)reent;
    return remove(path);
}

int chdir(const char *path)
{
    return (int)error_result(file_chdir(path));
}

char *getcwd(char *to, size_t bytes)
{
    const char *cwd = file_cwd();

    if (!to)
        return strdup(cwd); /* as in all systems, beyond POSIX */
    if (strlen(cwd) >= bytes) {
        errno = bytes ? ERANGE : EINVAL;
        return NULL;
    }
    return strcpy(to, cwd);
}
