/* SPDX-License-Identifier: MIT */
/*
 * Files, asynchronously.
 *
 * `mount=` on the command line has the mount points (docs/options.md). Then
 *
 *     static struct fs fs;
 *     static struct fs_file file;
 *     static struct fs_request request;
 *     static char text[100];
 *
 *     static void opened(struct fs_request *r)
 *     {
 *         if (!r->status)
 *             fs_pread(r, &file, text, sizeof(text), 0, was_read);
 *     }
 *
 *     fs_start(&fs, app, ready)
 *     ...
 *     fs_open(&fs, &request, &file, "/etc/motd", FS_READ, opened);
 *
 * A request is embedded in its owner and zeroed before its first use. From the
 * call until `done` it, and all that the call points to (the path too), belongs
 * to the file system. done is called on the loop, never inside the call; in it
 * the request may be used again. Requests to one mount are served one after the
 * other, those to different mounts overlap. None can be cancelled, all end.
 *
 * request->status is >= 0, or a negative XEN_E* number:
 *   ENOENT ENOTDIR EISDIR ELOOP ENAMETOOLONG EEXIST ENOTEMPTY EINVAL
 *              the path is wrong, as in POSIX
 *   EXDEV      a rename from one mount to another
 *   EBUSY      a mount point
 *   EBADF      the file was not opened for this
 *   EROFS      read-only
 *   ENOSPC     the disk is full
 *   EFBIG      more than the file system allows one file
 *   EIO        the disk failed, or its contents are corrupt
 *   EOPNOTSUPP the image uses an unsupported feature
 *   ENOMEM     no memory at the moment
 *
 * Written data is seen by every later read, through any open file; it is on
 * stable storage once fs_fsync has succeeded. rename, unlink, mkdir
 * and rmdir are stable when they end. A power cut leaves each file as its last
 * fsync left it, or with some of what was written since: never a mixture of
 * files, never a file system that cannot be mounted.
 *
 * Paths are absolute. Symbolic links are followed within their mount. Names are
 * bytes without '/' and NUL.
 */
#ifndef FS_FS_H
#define FS_FS_H

#include "fs/cache.h"
#include "disk/disk.h"
#include "kernel/fiber.h"
#include "kernel/list.h"
#include "kernel/options.h"

struct app;

#define FS_NAME_MAX   255  /* bytes; POSIX's usual limit, and EROFS' */
#define FS_PATH_MAX   1024 /* bytes with the NUL; it lies on a fiber's stack */
#define FS_MOUNTS_MAX 4    /* may be raised when more are needed */
#define FS_PLACE_MAX  64   /* bytes of a mount point with the NUL */

/* A mount's cache, in KiB, unless cache= says otherwise: a share of the
 * available memory. Data that is read often, mostly directories, seldom needs
 * more. */
#define FS_CACHE_SHARE   32
#define FS_CACHE_KIB_MIN 64
#define FS_CACHE_KIB_MAX 1024

/* How to open. At least one of READ and WRITE; a directory only with READ. */
#define FS_READ      1u
#define FS_WRITE     2u
#define FS_CREATE    4u  /* make an empty file if there is none */
#define FS_EXCLUSIVE 8u  /* with CREATE: -XEN_EEXIST if it exists */
#define FS_TRUNCATE  16u /* with WRITE: make it empty */

/* As an offset of fs_pwrite: the file's end at the time of the write. */
#define FS_END UINT64_MAX

enum fs_kind { FS_FILE, FS_DIRECTORY, FS_LINK, FS_OTHER };

struct fs_stat {
    enum fs_kind kind;
    uint64_t id; /* within the mount */
    uint64_t bytes;
    uint64_t changed_s; /* contents, seconds since 1970 */
    unsigned mode;      /* permission bits, not enforced */
};

struct fs_space {
    uint64_t bytes, free_bytes; /* of the file system */
    uint64_t nr_files;
    unsigned block_bytes;
    bool read_only;
};

struct fs_entry {
    uint64_t id;
    enum fs_kind kind;
    char name[FS_NAME_MAX + 1];
};

struct fs_mount;

/* An open file or directory; embedded in its owner, changed by nobody else. */
struct fs_file {
    struct fs_mount *mount;
    struct fs_stat stat; /* as it was when opened; fs_fstat: as it is */
    unsigned flags;
    void *state; /* the type's */
};

struct fs_request {
    int status;
    /* the file system's: */
    void (*done)(struct fs_request *request);
    int (*work)(struct fs_request *request);
    struct list_node node;
    struct fs_mount *mount;
    const char *path, *new_path;
    struct fs_file *file;
    union {
        void *to;
        const void *from;
    };
    size_t len;
    unsigned flags;
    uint64_t offset;
};

struct fs_type;

struct fs_mount {
    char disk[DISK_NAME_MAX];
    char place[FS_PLACE_MAX]; /* "" is the root, "/data" */
    struct volume *volume;    /* the disk; NULL: not opened yet */
    struct cache cache;       /* of it; the ramdisk has none */
    const struct fs_type *type;
    void *state; /* the type's */
    struct fs *fs;
    struct fiber fiber;
    struct list queue;
    int status;      /* of mounting */
    bool read_only;  /* known when it is mounted */
    bool must_write; /* :rw or :new was given */
    bool make;       /* :new: a new file system, if the disk is empty */
    bool leaving;
    /* The file system never changes: an EROFS image. The times of its files
     * are whatever the image's creator chose. image_id differs from image to
     * image; 0: the image has no identity. */
    bool is_image;
    uint64_t image_id;
    bool again; /* its disk was attached: mount it now */
};

struct fs {
    struct app *app;
    struct fs_mount mounts[FS_MOUNTS_MAX];
    unsigned nr_mounts;
    uint64_t cache_kib; /* of each mount */
    struct list answered;
    struct task task;
    unsigned nr_fibers, nr_mounting;
    void (*ready)(struct fs *fs, int status);
    void (*stopped)(struct fs *fs);
    /* Set by the app after fs_start, or NULL. Called when disks that mount=
     * names, but the domain did not have, were attached and now everything is
     * mounted. Until then paths below such a mount give -XEN_ENODEV. */
    void (*completed)(struct fs *fs);
    bool is_late; /* to be called once no mount is in progress */
    struct disks disks;
};

/* Mount what mount= lists. Then ready is called, with 0 if all is mounted, else
 * with the first error, which is logged. Without mount= a ramdisk is mounted as
 * EROFS at the root; if there is no ramdisk either, ready is called with 0 and
 * all paths give -XEN_ENOENT.
 * A negative error, logged: mount= is wrong, or -XEN_ENOMEM; ready is then not
 * called, and there is nothing to stop. */
must_check int fs_start(struct fs *fs, struct app *app,
                        void (*ready)(struct fs *fs, int status));

/* Free everything once all requests have ended. Start no more requests. */
void fs_stop(struct fs *fs, void (*stopped)(struct fs *fs));

typedef void fs_done(struct fs_request *request);

/* ---- Open files */

/* Status 0 and file->stat is set. Directories are opened like files. `flags`
 * are FS_READ and so on. */
void fs_open(struct fs *fs, struct fs_request *request, struct fs_file *file,
             const char *path, unsigned flags, fs_done *done);

/* Call once, as the last request. The file is closed whatever the status is; an
 * error means that data written and not synced may be lost. */
void fs_close(struct fs_request *request, struct fs_file *file, fs_done *done);

/* The status is the number of bytes, fewer than asked for only at the end of
 * the file; bytes <= INT_MAX. */
void fs_pread(struct fs_request *request, struct fs_file *file, void *to,
              size_t bytes, uint64_t offset, fs_done *done);

/* The status is `bytes`, all of them, or an error; any part may then have been
 * written. bytes <= INT_MAX. A gap between the file's end and the offset is
 * filled with zeros. */
void fs_pwrite(struct fs_request *request, struct fs_file *file,
               const void *from, size_t bytes, uint64_t offset, fs_done *done);

/* What was written so far, through any open file, is on stable storage. */
void fs_fsync(struct fs_request *request, struct fs_file *file, fs_done *done);

/* Truncate, or extend with zeros. */
void fs_ftruncate(struct fs_request *request, struct fs_file *file,
                  uint64_t bytes, fs_done *done);

/* file->stat as it is now. */
void fs_fstat(struct fs_request *request, struct fs_file *file, fs_done *done);

/* The status is the number of entries, 0 at the end; without "." and "..".
 * `first` is how many to skip: 0, then the number received so far. */
void fs_readdir(struct fs_request *request, struct fs_file *file,
                struct fs_entry *entries, unsigned nr, uint64_t first,
                fs_done *done);

/* ---- Paths */

void fs_stat(struct fs *fs, struct fs_request *request, struct fs_stat *stat,
             const char *path, fs_done *done);
void fs_statvfs(struct fs *fs, struct fs_request *request,
                struct fs_space *space, const char *path, fs_done *done);

/* Replaces what was at new_path, atomically, also across a power cut: a file by
 * a file, an empty directory by a directory. */
void fs_rename(struct fs *fs, struct fs_request *request, const char *path,
               const char *new_path, fs_done *done);

/* A file that is open stays usable until its last close. -XEN_EISDIR. */
void fs_unlink(struct fs *fs, struct fs_request *request, const char *path,
               fs_done *done);
void fs_mkdir(struct fs *fs, struct fs_request *request, const char *path,
              fs_done *done);
/* An empty directory. */
void fs_rmdir(struct fs *fs, struct fs_request *request, const char *path,
              fs_done *done);

#endif
