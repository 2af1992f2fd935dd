/* SPDX-License-Identifier: MIT */
/*
 * The calls on files: each call (bottom half of this file) puts its arguments
 * into the request and the request into its mount's queue; its do_ function
 * (top half) runs in the mount's fiber, makes the checks that are common to all
 * types of file systems, and leaves the rest to the type.
 *
 * So a type is never asked to write to a read-only mount, to read a file that
 * was opened for writing only, or to list something that is not a directory.
 */
#include "fs/fs.h"
#include "fs/type.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

/* ---- In the fiber: paths */

static int check_path(const char *path)
{
    return strlen(path) < FS_PATH_MAX ? 0 : -XEN_ENAMETOOLONG;
}

static int lookup(struct fs_request *request, struct fs_stat *stat)
{
    struct fs_mount *mount = request->mount;
    int err = check_path(request->path);

    return err ? err : mount->type->lookup(mount, request->path, stat);
}

static int do_stat(struct fs_request *request)
{
    return lookup(request, request->to);
}

static int do_statvfs(struct fs_request *request)
{
    struct fs_space *space = request->to;
    struct fs_stat stat;
    int err = lookup(request, &stat);

    if (err)
        return err;
    request->mount->type->space(request->mount, space);
    space->read_only = request->mount->read_only;
    return 0;
}

/* May the paths of this request be changed? */
static int check_change(struct fs_request *request)
{
    int err = check_path(request->path);

    if (err)
        return err;
    return request->mount->read_only ? -XEN_EROFS : 0;
}

static int do_rename(struct fs_request *request)
{
    struct fs_mount *mount = request->mount;
    int err = check_change(request);

    if (!err)
        err = check_path(request->new_path);
    if (err)
        return err;
    return mount->type->rename(mount, request->path, request->new_path);
}

static int do_unlink(struct fs_request *request)
{
    struct fs_mount *mount = request->mount;
    int err = check_change(request);

    return err ? err : mount->type->unlink(mount, request->path);
}

static int do_mkdir(struct fs_request *request)
{
    struct fs_mount *mount = request->mount;
    int err = check_change(request);

    return err ? err : mount->type->mkdir(mount, request->path);
}

static int do_rmdir(struct fs_request *request)
{
    struct fs_mount *mount = request->mount;
    int err = check_change(request);

    return err ? err : mount->type->rmdir(mount, request->path);
}

/* ---- In the fiber: opening and closing */

/* On a read-only mount: look up the path, and check that the flags ask for
 * reading only. */
static int open_read_only(struct fs_request *request)
{
    struct fs_file *file = request->file;
    int err = lookup(request, &file->stat);

    if (err == -XEN_ENOENT && (request->flags & FS_CREATE))
        return -XEN_EROFS;
    if (err)
        return err;
    if (request->flags & FS_CREATE && request->flags & FS_EXCLUSIVE)
        return -XEN_EEXIST;
    if (request->flags & FS_WRITE)
        return file->stat.kind == FS_DIRECTORY ? -XEN_EISDIR : -XEN_EROFS;
    return 0;
}

static int do_open(struct fs_request *request)
{
    struct fs_file *file = request->file;
    struct fs_mount *mount = request->mount;
    int err = check_path(request->path);

    if (err)
        return err;
    *file = (struct fs_file){.mount = mount, .flags = request->flags};
    if (mount->read_only)
        err = open_read_only(request);
    if (!err && mount->type->open)
        err = mount->type->open(file, request->path);
    if (err)
        file->mount = NULL;
    return err;
}

static int do_close(struct fs_request *request)
{
    struct fs_file *file = request->file;
    const struct fs_type *type = file->mount->type;
    int err = type->close ? type->close(file) : 0;

    file->mount = NULL;
    return err;
}

/* ---- In the fiber: open files */

static int do_fstat(struct fs_request *request)
{
    const struct fs_type *type = request->mount->type;

    return type->fstat ? type->fstat(request->file) : 0;
}

/* Is it a file, and was it opened for this? */
static int check_file(const struct fs_file *file, unsigned flag)
{
    if (file->stat.kind == FS_DIRECTORY)
        return -XEN_EISDIR;
    if (file->stat.kind != FS_FILE)
        return -XEN_EOPNOTSUPP;
    return file->flags & flag ? 0 : -XEN_EBADF;
}

static int do_pread(struct fs_request *request)
{
    struct fs_file *file = request->file;
    int err = check_file(file, FS_READ);

    if (err)
        return err;
    return request->mount->type->pread(file, request->to, request->len,
                                       request->offset);
}

static int do_pwrite(struct fs_request *request)
{
    struct fs_file *file = request->file;
    int err = check_file(file, FS_WRITE);

    if (err || !request->len)
        return err;
    return request->mount->type->pwrite(file, request->from, request->len,
                                        request->offset);
}

static int do_ftruncate(struct fs_request *request)
{
    struct fs_file *file = request->file;
    int err = check_file(file, FS_WRITE);

    if (err)
        return err;
    return request->mount->type->ftruncate(file, request->offset);
}

/* Changes of directories are always stable: see fs.h. */
static int do_fsync(struct fs_request *request)
{
    struct fs_file *file = request->file;

    if (request->mount->read_only || file->stat.kind != FS_FILE)
        return 0;
    return request->mount->type->fsync(file);
}

static int do_readdir(struct fs_request *request)
{
    struct fs_file *file = request->file;

    if (file->stat.kind != FS_DIRECTORY)
        return -XEN_ENOTDIR;
    return request->mount->type->readdir(
        file, request->to, (unsigned)request->len, request->offset);
}

/* ---- The calls: paths */

static void submit_path(struct fs *fs, struct fs_request *request,
                        const char *path,
                        int (*work)(struct fs_request *request), fs_done *done)
{
    struct fs_mount *mount = fs_find_mount(fs, path, &request->path);

    if (mount)
        fs_submit(mount, request, work, done);
    else
        fs_refuse(fs, request, -XEN_ENOENT, done);
}

void fs_open(struct fs *fs, struct fs_request *request, struct fs_file *file,
             const char *path, unsigned flags, fs_done *done)
{
    assert(flags & (FS_READ | FS_WRITE));
    request->file = file;
    request->flags = flags;
    submit_path(fs, request, path, do_open, done);
}

void fs_stat(struct fs *fs, struct fs_request *request, struct fs_stat *stat,
             const char *path, fs_done *done)
{
    request->to = stat;
    submit_path(fs, request, path, do_stat, done);
}

void fs_statvfs(struct fs *fs, struct fs_request *request,
                struct fs_space *space, const char *path, fs_done *done)
{
    request->to = space;
    submit_path(fs, request, path, do_statvfs, done);
}

void fs_rename(struct fs *fs, struct fs_request *request, const char *path,
               const char *new_path, fs_done *done)
{
    struct fs_mount *mount = fs_find_mount(fs, path, &request->path),
                    *to = fs_find_mount(fs, new_path, &request->new_path);

    if (!mount || !to)
        fs_refuse(fs, request, -XEN_ENOENT, done);
    else if (mount != to)
        fs_refuse(fs, request, -XEN_EXDEV, done);
    else
        fs_submit(mount, request, do_rename, done);
}

void fs_unlink(struct fs *fs, struct fs_request *request, const char *path,
               fs_done *done)
{
    submit_path(fs, request, path, do_unlink, done);
}

void fs_mkdir(struct fs *fs, struct fs_request *request, const char *path,
              fs_done *done)
{
    submit_path(fs, request, path, do_mkdir, done);
}

void fs_rmdir(struct fs *fs, struct fs_request *request, const char *path,
              fs_done *done)
{
    submit_path(fs, request, path, do_rmdir, done);
}

/* ---- The calls: open files */

static void submit_file(struct fs_request *request, struct fs_file *file,
                        int (*work)(struct fs_request *request), fs_done *done)
{
    assert(file->mount);
    request->file = file;
    fs_submit(file->mount, request, work, done);
}

void fs_close(struct fs_request *request, struct fs_file *file, fs_done *done)
{
    submit_file(request, file, do_close, done);
}

void fs_pread(struct fs_request *request, struct fs_file *file, void *to,
              size_t bytes, uint64_t offset, fs_done *done)
{
    assert(bytes <= INT_MAX);
    request->to = to;
    request->len = bytes;
    request->offset = offset;
    submit_file(request, file, do_pread, done);
}

void fs_pwrite(struct fs_request *request, struct fs_file *file,
               const void *from, size_t bytes, uint64_t offset, fs_done *done)
{
    assert(bytes <= INT_MAX);
    request->from = from;
    request->len = bytes;
    request->offset = offset;
    submit_file(request, file, do_pwrite, done);
}

void fs_fsync(struct fs_request *request, struct fs_file *file, fs_done *done)
{
    submit_file(request, file, do_fsync, done);
}

void fs_ftruncate(struct fs_request *request, struct fs_file *file,
                  uint64_t bytes, fs_done *done)
{
    request->offset = bytes;
    submit_file(request, file, do_ftruncate, done);
}

void fs_fstat(struct fs_request *request, struct fs_file *file, fs_done *done)
{
    submit_file(request, file, do_fstat, done);
}

void fs_readdir(struct fs_request *request, struct fs_file *file,
                struct fs_entry *entries, unsigned nr, uint64_t first,
                fs_done *done)
{
    assert(nr <= INT_MAX);
    request->to = entries;
    request->len = nr;
    request->offset = first;
    submit_file(request, file, do_readdir, done);
}
