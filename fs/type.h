/* SPDX-License-Identifier: MIT */
/*
 * A type of file system, as fs.c sees it: functions that may wait, called in
 * the mount's fiber, one at a time. They return 0, a count, or a negative error
 * as in fs.h. For the files of this folder only.
 */
#ifndef FS_TYPE_H
#define FS_TYPE_H

#include "fs/fs.h"

struct fs_type {
    const char *name;     /* as in mount= */
    unsigned stack_pages; /* its fiber's */
    /* mount->volume, cache, place, read_only and make are set; the volume is
     * read and written through the cache. After an error there is nothing to
     * unmount. */
    int (*mount)(struct fs_mount *mount);
    void (*unmount)(struct fs_mount *mount);
    /* `path` is relative to the mount; "" is its root. */
    int (*lookup)(struct fs_mount *mount, const char *path,
                  struct fs_stat *stat);
    void (*space)(struct fs_mount *mount, struct fs_space *space);

    /* file->mount and flags are set (on a read-only mount the flags do not
     * ask for a change); the function sets stat and may set state. NULL: the
     * type has no state per file, and lookup gives its stat. */
    int (*open)(struct fs_file *file, const char *path);
    int (*close)(struct fs_file *file); /* NULL: nothing to do */
    int (*fstat)(struct fs_file *file); /* NULL: it never changes */
    /* For a file opened for it: the number of bytes, fewer only at the end. */
    int (*pread)(struct fs_file *file, void *to, size_t bytes, uint64_t offset);
    /* For a directory. */
    int (*readdir)(struct fs_file *file, struct fs_entry *entries, unsigned nr,
                   uint64_t first);

    /* NULL in a type that only reads. The mount and the file are writable, and
     * the file is a file. */
    int (*pwrite)(struct fs_file *file, const void *from, size_t bytes,
                  uint64_t offset);
    int (*fsync)(struct fs_file *file);
    int (*ftruncate)(struct fs_file *file, uint64_t bytes);
    int (*rename)(struct fs_mount *mount, const char *path,
                  const char *new_path);
    int (*unlink)(struct fs_mount *mount, const char *path);
    int (*mkdir)(struct fs_mount *mount, const char *path);
    int (*rmdir)(struct fs_mount *mount, const char *path);
};

extern const struct fs_type fs_erofs, fs_littlefs;

/* mounts.c: fill fs->mounts and nr_mounts from the command line. */
must_check int fs_plan(struct fs *fs);
/* mounts.c, in the mount's fiber: open its disk, and mount it. */
must_check int fs_mount(struct fs_mount *mount);
void fs_unmount(struct fs_mount *mount);

/* ---- fs.c, for requests.c */

/* Queue a request: work runs in the mount's fiber, and its result becomes the
 * status. */
void fs_submit(struct fs_mount *mount, struct fs_request *request,
               int (*work)(struct fs_request *request), fs_done *done);
/* End a request with this status, without asking a mount. */
void fs_refuse(struct fs *fs, struct fs_request *request, int status,
               fs_done *done);
/* The mount of an absolute path, the one with the longest mount point; NULL:
 * none. *rest is the path below it. */
struct fs_mount *fs_find_mount(struct fs *fs, const char *path,
                               const char **rest);

#endif
