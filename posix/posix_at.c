/* SPDX-License-Identifier: MIT */
/*
 * Files by paths relative to an open directory. An open directory does not know
 * its path (fs/fs.h), so only absolute paths and AT_FDCWD work.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libc/errors.h"

int fstatat(int fd, const char *restrict path, struct stat *restrict found,
            int flags)
{
    static bool said;

    (void)flags; /* links are always followed */
    if (fd == AT_FDCWD || *path == '/')
        return stat(path, found);
    return (int)error_result(error_missing("fstatat of a directory", &said));
}

int fchdir(int fd)
{
    static bool said;

    (void)fd;
    return (int)error_result(error_missing("fchdir", &said));
}
