/* SPDX-License-Identifier: MIT */
/*
 * Files by their paths; what can be done with open ones is in fd.h.
 *
 * A path that does not begin with a slash is relative to the working directory,
 * initially the root. "." and ".." are removed from a path before it is looked
 * up: ".." after a symbolic link leads to the link's own folder, not to the
 * parent of its target.
 *
 * Results are 0 or more, or a negative XEN_E*. To be called in the
 * program's fiber only. The POSIX names are in posix_files.c.
 */
#ifndef POSIX_FILES_H
#define POSIX_FILES_H

#include <stdbool.h>
#include <sys/types.h>

#include "fs/fs.h"

struct stat;
struct statvfs;

/* `flags` are O_*. */
int file_open(const char *path, int flags);
int file_stat(const char *path, struct stat *stat);
int file_access(const char *path, bool write);
int file_statvfs(const char *path, struct statvfs *space);
int file_truncate(const char *path, off_t bytes);
int file_rename(const char *path, const char *new_path);
int file_unlink(const char *path);
int file_mkdir(const char *path);
int file_rmdir(const char *path);

int file_chdir(const char *path);
/* Absolute; valid until the next file_chdir. */
const char *file_cwd(void);

/* Of a descriptor that is a directory: see fs_readdir. */
int file_readdir(int nr, struct fs_entry *entries, unsigned count,
                 uint64_t first);

#endif
