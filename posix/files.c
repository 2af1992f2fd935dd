/* SPDX-License-Identifier: MIT */
/*
 * Files on fs/fs.h: each call starts a request, and parks until it is done.
 *
 * The request and its data are on the caller's stack, so nothing ends such a
 * wait early; a signal is handled after it. The wait is short: the disk
 * answers, or its driver reports a failure.
 */
#include "posix/files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "posix/fd.h"
#include "posix/program.h"
#include "posix/wait.h"

/* The size of stdio's buffers. */
#define BUFFER_BYTES 4096

struct file {
    struct fd fd;
    struct fs_file file;
    off_t offset;
    bool offset_is_end; /* after an append: where it ended */
};

static struct {
    struct fs fs;
    bool ready, stopped;
    int status; /* of the mounts */
    char cwd[FS_PATH_MAX];
} files = {.cwd = "/"};

/* ---- Waiting for a request */

struct call {
    struct fs_request request;
    bool done;
};

static void call_done(struct fs_request *request)
{
    container_of(request, struct call, request)->done = true;
    wait_wake();
}

static int call_end(struct call *call)
{
    wait_done(&call->done);
    return call->request.status;
}

/* ---- Paths */

/* Add a path's components to `to`, which holds an absolute path; true: they
 * fit. */
static bool append(char to[FS_PATH_MAX], const char *path)
{
    size_t len = strcmp(to, "/") ? strlen(to) : 0;

    while (*(path += strspn(path, "/"))) {
        size_t step = strcspn(path, "/");

        if (step == 2 && !memcmp(path, "..", 2)) {
            while (len && to[--len] != '/')
                ;
        } else if (step != 1 || *path != '.') {
            if (len + 1 + step >= FS_PATH_MAX)
                return false;
            to[len++] = '/';
            memcpy(to + len, path, step);
            len += step;
        }
        path += step;
    }
    strcpy(to + len, len ? "" : "/");
    return true;
}

/* Make `path` absolute. */
static int resolve(char to[FS_PATH_MAX], const char *path)
{
    int err = wait_needed("files");

    if (err)
        return err;
    if (!*path)
        return -XEN_ENOENT;
    strcpy(to, *path == '/' ? "/" : files.cwd);
    return append(to, path) ? 0 : -XEN_ENAMETOOLONG;
}

const char *file_cwd(void)
{
    return files.cwd;
}

int file_chdir(const char *path)
{
    char whole[FS_PATH_MAX];
    struct stat stat;
    int err = resolve(whole, path);

    if (!err)
        err = file_stat(whole, &stat);
    if (err)
        return err;
    if (!S_ISDIR(stat.st_mode))
        return -XEN_ENOTDIR;
    strcpy(files.cwd, whole);
    return 0;
}

/* ---- Open files */

static struct file *file_of(struct fd *fd)
{
    return container_of(fd, struct file, fd);
}

static ssize_t file_pread(struct fd *fd, void *to, size_t bytes, off_t offset)
{
    struct call call = {.done = false};

    fs_pread(&call.request, &file_of(fd)->file, to, bytes, (uint64_t)offset,
             call_done);
    return call_end(&call);
}

static int file_pwrite_at(struct fd *fd, const void *from, size_t bytes,
                          uint64_t offset)
{
    struct call call = {.done = false};

    fs_pwrite(&call.request, &file_of(fd)->file, from, bytes, offset,
              call_done);
    return call_end(&call);
}

static ssize_t file_pwrite(struct fd *fd, const void *from, size_t bytes,
                           off_t offset)
{
    return file_pwrite_at(fd, from, bytes, (uint64_t)offset);
}

/* file->stat as it is now. */
static int update(struct file *file)
{
    struct call call = {.done = false};

    fs_fstat(&call.request, &file->file, call_done);
    return call_end(&call);
}

/* Where the file is read and written next. */
static off_t offset_of(struct file *file)
{
    if (file->offset_is_end) {
        int err = update(file);

        if (err)
            return err;
        file->offset = (off_t)file->file.stat.bytes;
        file->offset_is_end = false;
    }
    return file->offset;
}

static ssize_t file_read(struct fd *fd, void *to, size_t bytes)
{
    struct file *file = file_of(fd);
    off_t offset = offset_of(file);
    ssize_t n = offset < 0 ? offset : file_pread(fd, to, bytes, offset);

    if (n > 0)
        file->offset += n;
    return n;
}

static ssize_t file_write(struct fd *fd, const void *from, size_t bytes)
{
    struct file *file = file_of(fd);
    bool append = fd->flags & O_APPEND;
    off_t offset = append ? 0 : offset_of(file);
    int n;

    if (offset < 0)
        return offset;
    n = file_pwrite_at(fd, from, bytes, append ? FS_END : (uint64_t)offset);
    if (n < 0)
        return n;
    file->offset_is_end = append;
    file->offset += n;
    return n;
}

static off_t file_seek(struct fd *fd, off_t offset, int whence)
{
    struct file *file = file_of(fd);
    off_t from = 0;

    if (whence == SEEK_END)
        file->offset_is_end = true;
    if (whence == SEEK_END || whence == SEEK_CUR)
        from = offset_of(file);
    else if (whence != SEEK_SET)
        return -XEN_EINVAL;
    if (from < 0)
        return from;
    if (__builtin_add_overflow(from, offset, &offset) || offset < 0)
        return -XEN_EINVAL;
    file->offset = offset;
    file->offset_is_end = false;
    return offset;
}

static void fill_stat(struct stat *stat, const struct fs_stat *from)
{
    static const mode_t kinds[] = {
        [FS_FILE] = S_IFREG,
        [FS_DIRECTORY] = S_IFDIR,
        [FS_LINK] = S_IFLNK,
        [FS_OTHER] = S_IFCHR,
    };

    *stat = (struct stat){
        .st_ino = (ino_t)from->id,
        .st_mode = kinds[from->kind] | from->mode,
        .st_nlink = 1,
        .st_size = (off_t)from->bytes,
        .st_blksize = BUFFER_BYTES,
        .st_blocks = (blkcnt_t)((from->bytes + 511) / 512),
    };
    stat->st_atime = stat->st_mtime = stat->st_ctime = (time_t)from->changed_s;
}

static int file_fstat(struct fd *fd, struct stat *stat)
{
    struct file *file = file_of(fd);
    int err = update(file);

    fill_stat(stat, &file->file.stat);
    return err;
}

static int file_sync(struct fd *fd)
{
    struct call call = {.done = false};

    fs_fsync(&call.request, &file_of(fd)->file, call_done);
    return call_end(&call);
}

static int file_ftruncate(struct fd *fd, off_t bytes)
{
    struct call call = {.done = false};

    fs_ftruncate(&call.request, &file_of(fd)->file, (uint64_t)bytes, call_done);
    return call_end(&call);
}

static int file_close(struct fd *fd)
{
    struct call call = {.done = false};
    struct file *file = file_of(fd);
    int err;

    fs_close(&call.request, &file->file, call_done);
    err = call_end(&call);
    free(file);
    return err;
}

static const struct fd_ops ops = {
    .read = file_read,
    .write = file_write,
    .pread = file_pread,
    .pwrite = file_pwrite,
    .seek = file_seek,
    .stat = file_fstat,
    .sync = file_sync,
    .truncate = file_ftruncate,
    .close = file_close,
};

/* ---- Opening */

static unsigned fs_flags(int flags)
{
    static const unsigned access[] = {
        [O_RDONLY] = FS_READ,
        [O_WRONLY] = FS_WRITE,
        [O_RDWR] = FS_READ | FS_WRITE,
    };
    unsigned result = access[flags & O_ACCMODE];

    if (flags & O_CREAT)
        result |= FS_CREATE;
    if (flags & O_EXCL)
        result |= FS_EXCLUSIVE;
    if (flags & O_TRUNC && result & FS_WRITE)
        result |= FS_TRUNCATE;
    return result;
}

static int open_file(struct file *file, const char *path, int flags)
{
    struct call call = {.done = false};
    char whole[FS_PATH_MAX];
    int err = resolve(whole, path);

    if (err)
        return err;
    fs_open(&files.fs, &call.request, &file->file, whole, fs_flags(flags),
            call_done);
    return call_end(&call);
}

/* Give the open file a descriptor. */
static int add(struct file *file, int flags)
{
    int nr = fd_add(&file->fd, 0);

    if (nr < 0) {
        (void)file_close(&file->fd);
        return nr;
    }
    if (flags & O_DIRECTORY && file->file.stat.kind != FS_DIRECTORY) {
        (void)fd_close(nr);
        return -XEN_ENOTDIR;
    }
    fd_set_close_on_exec(nr, flags & O_CLOEXEC);
    return nr;
}

int file_open(const char *path, int flags)
{
    struct file *file;
    int err;

    if ((flags & O_ACCMODE) == O_ACCMODE)
        return -XEN_EINVAL;
    file = calloc(1, sizeof(*file));
    if (!file)
        return -XEN_ENOMEM;
    file->fd.ops = &ops;
    file->fd.flags = flags & (O_ACCMODE | O_APPEND | O_NONBLOCK);
    err = open_file(file, path, flags);
    if (err) {
        free(file);
        return err;
    }
    return add(file, flags);
}

int file_readdir(int nr, struct fs_entry *entries, unsigned count,
                 uint64_t first)
{
    struct call call = {.done = false};
    struct fd *fd = fd_get(nr);

    if (!fd || fd->ops != &ops)
        return fd ? -XEN_ENOTDIR : -XEN_EBADF;
    fs_readdir(&call.request, &file_of(fd)->file, entries, count, first,
               call_done);
    return call_end(&call);
}

/* ---- Calls that take paths */

int file_stat(const char *path, struct stat *stat)
{
    struct call call = {.done = false};
    char whole[FS_PATH_MAX];
    struct fs_stat found;
    int err = resolve(whole, path);

    if (err)
        return err;
    fs_stat(&files.fs, &call.request, &found, whole, call_done);
    err = call_end(&call);
    if (!err)
        fill_stat(stat, &found);
    return err;
}

static int space_of(const char *path, struct fs_space *space)
{
    struct call call = {.done = false};
    char whole[FS_PATH_MAX];
    int err = resolve(whole, path);

    if (err)
        return err;
    fs_statvfs(&files.fs, &call.request, space, whole, call_done);
    return call_end(&call);
}

int file_statvfs(const char *path, struct statvfs *result)
{
    struct fs_space space;
    int err = space_of(path, &space);

    if (err)
        return err;
    *result = (struct statvfs){
        .f_bsize = space.block_bytes,
        .f_frsize = space.block_bytes,
        .f_blocks = space.bytes / space.block_bytes,
        .f_bfree = space.free_bytes / space.block_bytes,
        .f_bavail = space.free_bytes / space.block_bytes,
        .f_files = space.nr_files,
        .f_flag = space.read_only ? ST_RDONLY : 0,
        .f_namemax = FS_NAME_MAX,
    };
    return 0;
}

int file_access(const char *path, bool write)
{
    struct fs_space space;
    int err = space_of(path, &space);

    if (err)
        return err;
    return write && space.read_only ? -XEN_EROFS : 0;
}

int file_truncate(const char *path, off_t bytes)
{
    int nr = file_open(path, O_WRONLY), err;

    if (nr < 0)
        return nr;
    err = fd_truncate(nr, bytes);
    (void)fd_close(nr);
    return err;
}

int file_rename(const char *path, const char *new_path)
{
    struct call call = {.done = false};
    char whole[FS_PATH_MAX], new_whole[FS_PATH_MAX];
    int err = resolve(whole, path);

    if (!err)
        err = resolve(new_whole, new_path);
    if (err)
        return err;
    fs_rename(&files.fs, &call.request, whole, new_whole, call_done);
    return call_end(&call);
}

/* A call that takes only a path. */
static int with_path(const char *path,
                     void (*start)(struct fs *fs, struct fs_request *request,
                                   const char *path, fs_done *done))
{
    struct call call = {.done = false};
    char whole[FS_PATH_MAX];
    int err = resolve(whole, path);

    if (err)
        return err;
    start(&files.fs, &call.request, whole, call_done);
    return call_end(&call);
}

int file_unlink(const char *path)
{
    return with_path(path, fs_unlink);
}

int file_mkdir(const char *path)
{
    return with_path(path, fs_mkdir);
}

int file_rmdir(const char *path)
{
    return with_path(path, fs_rmdir);
}

/* ---- Start and end (program.h) */

static void on_ready(struct fs *fs, int status)
{
    (void)fs;
    files.status = status;
    files.ready = true;
    wait_wake();
}

static void on_stopped(struct fs *fs)
{
    (void)fs;
    files.stopped = true;
    wait_wake();
}

int files_start(struct app *app)
{
    return fs_start(&files.fs, app, on_ready);
}

int files_ready(void)
{
    wait_done(&files.ready);
    return files.status;
}

void files_stop(void)
{
    fs_stop(&files.fs, on_stopped);
    wait_done(&files.stopped);
}
