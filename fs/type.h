/* SPDX-License-Identifier: MIT */
/*
 * What a kind of file system is to fs.c: functions that may wait, each called
 * in the mount's fiber, one at a time. 0, a count, or a negative error as in
 * fs.h. For the files of this folder only.
 */
#ifndef FS_TYPE_H
#define FS_TYPE_H

#include "fs/fs.h"

struct fs_type {
    const char *name;     /* as in mount= */
    unsigned stack_pages; /* its fiber's */
    /* mount->volume and place are set. After an error there is nothing to
     * unmount. */
    int (*mount)(struct fs_mount *mount);
    void (*unmount)(struct fs_mount *mount);
    /* `path` is relative to the mount; "" is its root. */
    int (*lookup)(struct fs_mount *mount, const char *path,
                  struct fs_stat *stat);
    /* `stat` is what lookup gave, of a file or directory; the range lies
     * within the file. */
    int (*pread)(struct fs_mount *mount, const struct fs_stat *stat, void *to,
                 size_t bytes, uint64_t offset);
    int (*readdir)(struct fs_mount *mount, const struct fs_stat *stat,
                   struct fs_entry *entries, unsigned nr, uint64_t first);
    void (*space)(struct fs_mount *mount, struct fs_space *space);
};

extern const struct fs_type fs_erofs;

/* mounts.c: fill fs->mounts and nr_mounts from the command line. */
must_check int fs_plan(struct fs *fs, struct options *options);

#endif
