/* SPDX-License-Identifier: MIT */
/*
 * Files. Each mount has a fiber, which mounts, serves the mount's queue of
 * requests one by one, and unmounts. A request's way:
 *
 *   call -> mount's queue -> fiber: request->work -> fs->answered -> done
 *
 * The last step is a task: callbacks run on the loop's stack, not on a fiber's.
 * A request that finds no mount goes to `answered` at once.
 */
#include "fs/fs.h"
#include "fs/type.h"
#include "kernel/log.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

/* ---- What is told to the app */

static void call_done(struct fs *fs)
{
    struct fs_request *request = fs->answered;

    fs->answered = NULL;
    fs->answered_tail = &fs->answered;
    while (request) {
        struct fs_request *next = request->next;

        request->done(request);
        request = next;
    }
}

static void call_ready(struct fs *fs)
{
    void (*ready)(struct fs *, int) = fs->ready;
    int status = 0;

    for (unsigned i = 0; i < fs->nr_mounts && !status; i++)
        status = fs->mounts[i].status;
    fs->ready = NULL;
    ready(fs, status);
}

/* `fs` may go away in stopped(). */
static void tell(struct task *task)
{
    struct fs *fs = container_of(task, struct fs, task);

    call_done(fs);
    if (fs->ready && !fs->nr_mounting)
        call_ready(fs);
    if (fs->stopped && !fs->nr_fibers)
        fs->stopped(fs);
}

static void answer(struct fs *fs, struct fs_request *request, int status)
{
    request->status = status;
    request->next = NULL;
    *fs->answered_tail = request;
    fs->answered_tail = &request->next;
    task_start(fs->loop, &fs->task, tell);
}

/* ---- The fiber of a mount */

static void mounted(struct fs_mount *mount, int status)
{
    struct fs *fs = mount->fs;

    mount->status = status;
    if (status)
        log_error("fs", "%s: cannot mount it as %s at %s/: error %d",
                  mount->volume->name, mount->type->name, mount->place, status);
    else
        log_info("fs", "%s: %s at %s/", mount->volume->name, mount->type->name,
                 mount->place);
    if (--fs->nr_mounting == 0)
        task_start(fs->loop, &fs->task, tell);
}

static struct fs_request *take(struct fs_mount *mount)
{
    struct fs_request *request = mount->queue;

    if (request)
        mount->queue = request->next;
    if (!mount->queue)
        mount->queue_tail = &mount->queue;
    return request;
}

static void serve(struct fiber *fiber)
{
    struct fs_mount *mount = container_of(fiber, struct fs_mount, fiber);
    struct fs_request *request;

    mounted(mount, mount->type->mount(mount));
    while ((request = take(mount)) || !mount->leaving) {
        if (request)
            answer(mount->fs, request,
                   mount->status ? mount->status : request->work(request));
        else
            fiber_park();
    }
    if (!mount->status)
        mount->type->unmount(mount);
}

static void finished(struct fiber *fiber)
{
    struct fs *fs = container_of(fiber, struct fs_mount, fiber)->fs;

    fs->nr_fibers--;
    task_start(fs->loop, &fs->task, tell);
}

/* ---- Start and end */

static void start_mount(struct fs *fs, struct fs_mount *mount)
{
    int err;

    mount->fs = fs;
    mount->queue_tail = &mount->queue;
    mount->fiber.finished = finished;
    err = fiber_start(&mount->fiber, fs->loop, fs->pages,
                      mount->type->stack_pages, serve);
    if (err)
        mounted(mount, err);
    else
        fs->nr_fibers++;
}

int fs_start(struct fs *fs, struct loop *loop, struct pages *pages,
             struct options *options, void (*ready)(struct fs *fs, int status))
{
    int err;

    *fs = (struct fs){.loop = loop, .pages = pages, .ready = ready};
    fs->answered_tail = &fs->answered;
    err = fs_plan(fs, options);
    if (err)
        return err;
    fs->nr_mounting = fs->nr_mounts;
    for (unsigned i = 0; i < fs->nr_mounts; i++)
        start_mount(fs, &fs->mounts[i]);
    task_start(loop, &fs->task, tell);
    return 0;
}

void fs_stop(struct fs *fs, void (*stopped)(struct fs *fs))
{
    fs->stopped = stopped;
    for (unsigned i = 0; i < fs->nr_mounts; i++) {
        fs->mounts[i].leaving = true;
        if (fs->mounts[i].fiber.started)
            fiber_wake(&fs->mounts[i].fiber);
    }
    task_start(fs->loop, &fs->task, tell);
}

/* ---- Requests, on the loop's side */

static void submit(struct fs_mount *mount, struct fs_request *request,
                   int (*work)(struct fs_request *request), fs_done *done)
{
    request->done = done;
    request->work = work;
    request->mount = mount;
    request->next = NULL;
    if (!mount->fiber.started) {
        answer(mount->fs, request, mount->status);
        return;
    }
    *mount->queue_tail = request;
    mount->queue_tail = &request->next;
    fiber_wake(&mount->fiber);
}

/* The mount that a path leads to, that with the longest place; NULL: none.
 * *rest is the path below it. */
static struct fs_mount *find_mount(struct fs *fs, const char *path,
                                   const char **rest)
{
    struct fs_mount *best = NULL;
    size_t best_len = 0;

    for (unsigned i = 0; i < fs->nr_mounts; i++) {
        struct fs_mount *mount = &fs->mounts[i];
        size_t len = strlen(mount->place);

        if ((best && len <= best_len) || strncmp(path, mount->place, len) ||
            (path[len] != '/' && path[len] != '\0'))
            continue;
        best = mount;
        best_len = len;
    }
    *rest = path + best_len;
    return best;
}

static void submit_path(struct fs *fs, struct fs_request *request,
                        const char *path,
                        int (*work)(struct fs_request *request), fs_done *done)
{
    struct fs_mount *mount = find_mount(fs, path, &request->path);

    if (mount && path[0] == '/') {
        submit(mount, request, work, done);
    } else {
        request->done = done;
        answer(fs, request, -XEN_ENOENT);
    }
}

/* ---- Requests, in the fiber */

static int lookup(struct fs_request *request, struct fs_stat *stat)
{
    struct fs_mount *mount = request->mount;

    if (strlen(request->path) >= FS_PATH_MAX)
        return -XEN_ENAMETOOLONG;
    return mount->type->lookup(mount, request->path, stat);
}

static int do_open(struct fs_request *request)
{
    struct fs_file *file = request->file;
    int err = lookup(request, &file->stat);

    if (!err)
        file->mount = request->mount;
    return err;
}

static int do_stat(struct fs_request *request)
{
    return lookup(request, request->to);
}

static int do_close(struct fs_request *request)
{
    request->file->mount = NULL;
    return 0;
}

static int do_pread(struct fs_request *request)
{
    const struct fs_stat *stat = &request->file->stat;
    size_t len = request->len;
    int err;

    if (stat->kind != FS_FILE)
        return stat->kind == FS_DIRECTORY ? -XEN_EISDIR : -XEN_EOPNOTSUPP;
    if (request->offset >= stat->bytes)
        return 0;
    if (len > stat->bytes - request->offset)
        len = stat->bytes - request->offset;
    err = request->mount->type->pread(request->mount, stat, request->to, len,
                                      request->offset);
    return err ? err : (int)len;
}

static int do_readdir(struct fs_request *request)
{
    const struct fs_stat *stat = &request->file->stat;

    if (stat->kind != FS_DIRECTORY)
        return -XEN_ENOTDIR;
    return request->mount->type->readdir(request->mount, stat, request->to,
                                         (unsigned)request->len,
                                         request->offset);
}

static int do_statvfs(struct fs_request *request)
{
    struct fs_stat stat;
    int err = lookup(request, &stat);

    if (!err)
        request->mount->type->space(request->mount, request->to);
    return err;
}

/* ---- The calls */

void fs_open(struct fs *fs, struct fs_request *request, struct fs_file *file,
             const char *path, fs_done *done)
{
    request->file = file;
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

void fs_close(struct fs_request *request, struct fs_file *file, fs_done *done)
{
    assert(file->mount);
    request->file = file;
    submit(file->mount, request, do_close, done);
}

void fs_pread(struct fs_request *request, struct fs_file *file, void *to,
              size_t bytes, uint64_t offset, fs_done *done)
{
    assert(file->mount && bytes <= INT_MAX);
    request->file = file;
    request->to = to;
    request->len = bytes;
    request->offset = offset;
    submit(file->mount, request, do_pread, done);
}

void fs_readdir(struct fs_request *request, struct fs_file *file,
                struct fs_entry *entries, unsigned nr, uint64_t first,
                fs_done *done)
{
    assert(file->mount && nr <= INT_MAX);
    request->file = file;
    request->to = entries;
    request->len = nr;
    request->offset = first;
    submit(file->mount, request, do_readdir, done);
}
