/* SPDX-License-Identifier: MIT */
/*
 * Files, without waiting.
 *
 * `mount=` on the command line says what lies where (docs/options.md). Then
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
 *              the path's fault
 *   EXDEV      a rename from one mount to another
 *   EBUSY      a mount's place
 *   EBADF      the file was not opened for that
 *   EROFS      read-only
 *   ENOSPC     the disk is full
 *   EFBIG      more than the file system allows one file
 *   EIO        the disk failed, or what is on it makes no sense
 *   EOPNOTSUPP something in the image that is not understood
 *   ENOMEM     not now
 *
 * What was written is seen by every later read, through any file that is open;
 * it is on stable storage once fs_fsync has ended well. rename, unlink, mkdir
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
#define FS_MOUNTS_MAX 4    /* more have no use yet; raise it at will */
#define FS_PLACE_MAX  64   /* bytes of a mount's place with the NUL */

/* A mount's cache, KiB, unless cache= says otherwise: a share of the memory
 * that there is. What is read again and again, directories above all, seldom is
 * more. */
#define FS_CACHE_SHARE   32
#define FS_CACHE_KIB_MIN 64
#define FS_CACHE_KIB_MAX 1024

/* How to open. At least one of READ and WRITE; a directory only with READ. */
#define FS_READ      1u
#define FS_WRITE     2u
#define FS_CREATE    4u  /* a file that is not there is made, and empty */
#define FS_EXCLUSIVE 8u  /* with CREATE: -XEN_EEXIST when it is there */
#define FS_TRUNCATE  16u /* with WRITE: it is made empty */

/* As an offset of fs_pwrite: the file's end, wherever that is by then. */
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
    bool must_write; /* :rw or :new was said */
    bool make;       /* :new: a new file system, if the disk is empty */
    bool leaving;
    /* It was made as a whole and never changes: an EROFS image. Its files'
     * times are what its maker liked. image_id is another one for another
     * image; 0: it does not say which one it is. */
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
    /* Set by the app after fs_start, or NULL: a disk that mount= names and that
     * the domain did not have has been attached and mounted since, and now all
     * is. Until then paths in it give -XEN_ENODEV. */
    void (*completed)(struct fs *fs);
    bool is_late; /* to be looked at when nothing is being mounted */
    struct disks disks;
};

/* Mount what mount= says. ready(fs, 0) is called when all is mounted; with the
 * first error, which is logged, when something could not be. Without mount= a
 * ramdisk is mounted as EROFS at the root; when there is none either, ready is
 * called with 0 and all paths give -XEN_ENOENT.
 * A negative error, logged: mount= is wrong, or -XEN_ENOMEM; ready is then not
 * called, and there is nothing to stop. */
must_check int fs_start(struct fs *fs, struct app *app,
                        void (*ready)(struct fs *fs, int status));

/* Give everything back once all requests have ended: start none any more. */
void fs_stop(struct fs *fs, void (*stopped)(struct fs *fs));

typedef void fs_done(struct fs_request *request);

/* ---- Open files */

/* Status 0 and file->stat is set. Directories are opened like files. `flags`
 * are FS_READ and its likes. */
void fs_open(struct fs *fs, struct fs_request *request, struct fs_file *file,
             const char *path, unsigned flags, fs_done *done);

/* Once and last, whatever its status says: the file is closed. An error is that
 * of what was written and not synced. */
void fs_close(struct fs_request *request, struct fs_file *file, fs_done *done);

/* The status is the number of bytes, fewer than asked for only at the end of
 * the file; bytes <= INT_MAX. */
void fs_pread(struct fs_request *request, struct fs_file *file, void *to,
              size_t bytes, uint64_t offset, fs_done *done);

/* The status is `bytes`, all of them, or an error, and then any part may have
 * been written; bytes <= INT_MAX. Between the file's end and an offset beyond
 * it there will be zeros. */
void fs_pwrite(struct fs_request *request, struct fs_file *file,
               const void *from, size_t bytes, uint64_t offset, fs_done *done);

/* What was written so far, through any open file, is on stable storage. */
void fs_fsync(struct fs_request *request, struct fs_file *file, fs_done *done);

/* Cut off, or fill up with zeros. */
void fs_ftruncate(struct fs_request *request, struct fs_file *file,
                  uint64_t bytes, fs_done *done);

/* file->stat as it is now. */
void fs_fstat(struct fs_request *request, struct fs_file *file, fs_done *done);

/* The status is the number of entries, 0 at the end; without "." and "..".
 * `first` is how many to skip: 0, then what was got so far. */
void fs_readdir(struct fs_request *request, struct fs_file *file,
                struct fs_entry *entries, unsigned nr, uint64_t first,
                fs_done *done);

/* ---- Paths */

void fs_stat(struct fs *fs, struct fs_request *request, struct fs_stat *stat,
             const char *path, fs_done *done);
void fs_statvfs(struct fs *fs, struct fs_request *request,
                struct fs_space *space, const char *path, fs_done *done);

/* What was at new_path is replaced, at once for whoever looks, and after a
 * power cut: a file by a file, an empty directory by a directory. */
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
