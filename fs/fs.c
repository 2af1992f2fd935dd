/* SPDX-License-Identifier: MIT */
/*
 * Files. Each mount has a fiber, which mounts, serves the mount's queue of
 * requests one by one, and unmounts. A request's way:
 *
 *   call -> mount's queue -> fiber: request->work -> fs->answered -> done
 *
 * The calls and their work are in requests.c. The last step is a task:
 * callbacks run on the loop's stack, not on a fiber's. A request that finds no
 * mount goes to `answered` at once.
 */
#include "kernel/app.h"
#include "fs/fs.h"
#include "fs/type.h"
#include "kernel/log.h"

#include <string.h>

/* ---- Callbacks of the app */

static void call_done(struct fs *fs)
{
    struct fs_request *request;
    struct list all;

    list_move(&all, &fs->answered);
    while ((request = list_take(&all, struct fs_request, node)))
        request->done(request);
}

/* The first error there is, or 0. */
static int status_of_all(const struct fs *fs)
{
    int status = 0;

    for (unsigned i = 0; i < fs->nr_mounts && !status; i++)
        status = fs->mounts[i].status;
    return status;
}

static void call_completed(struct fs *fs)
{
    fs->is_late = false;
    if (fs->completed && !status_of_all(fs))
        fs->completed(fs);
}

static void call_ready(struct fs *fs)
{
    void (*ready)(struct fs *, int) = fs->ready;

    fs->ready = NULL;
    ready(fs, status_of_all(fs));
}

/* stopped() may free `fs`. */
static void tell(struct task *task)
{
    struct fs *fs = container_of(task, struct fs, task);

    call_done(fs);
    if (fs->ready && !fs->nr_mounting)
        call_ready(fs);
    if (fs->is_late && !fs->nr_mounting)
        call_completed(fs);
    if (fs->stopped && !fs->nr_fibers) {
        disks_close(&fs->disks);
        fs->stopped(fs);
    }
}

static void answer(struct fs *fs, struct fs_request *request, int status)
{
    request->status = status;
    list_append(&fs->answered, &request->node);
    task_start(fs->app->loop, &fs->task, tell);
}

/* ---- The fiber of a mount */

static void mounted(struct fs_mount *mount, int status)
{
    struct fs *fs = mount->fs;

    mount->status = status;
    if (status)
        log_error("fs", "%s: cannot mount it as %s at %s/: error %d",
                  mount->disk, mount->type->name, mount->place, status);
    else
        log_info("fs", "%s: %s at %s/%s", mount->disk, mount->type->name,
                 mount->place, mount->read_only ? "" : ", rw");
    if (--fs->nr_mounting == 0)
        task_start(fs->app->loop, &fs->task, tell);
}

/* The mount's disk was missing when the guest started, and is there now. */
static void mount_again(struct fs_mount *mount)
{
    struct fs *fs = mount->fs;

    mount->again = false;
    fs->nr_mounting++;
    fs->is_late = true;
    mounted(mount, fs_mount(mount));
}

static bool disk_wanted(struct disks *disks, const char *name)
{
    struct fs *fs = container_of(disks, struct fs, disks);
    bool is_wanted = false;

    for (unsigned i = 0; i < fs->nr_mounts; i++) {
        struct fs_mount *mount = &fs->mounts[i];

        if (mount->status != -XEN_ENODEV || !mount->fiber.started ||
            !disks_is_same(mount->disk, name))
            continue;
        is_wanted = mount->again = true;
        fiber_wake(&mount->fiber);
    }
    return is_wanted;
}

static void serve(struct fiber *fiber)
{
    struct fs_mount *mount = container_of(fiber, struct fs_mount, fiber);
    struct fs_request *request;

    mounted(mount, fs_mount(mount));
    while ((request = list_take(&mount->queue, struct fs_request, node)) ||
           !mount->leaving) {
        if (request)
            answer(mount->fs, request,
                   mount->status ? mount->status : request->work(request));
        else if (mount->again)
            mount_again(mount);
        else
            fiber_park();
    }
    if (!mount->status)
        fs_unmount(mount);
}

static void finished(struct fiber *fiber)
{
    struct fs *fs = container_of(fiber, struct fs_mount, fiber)->fs;

    fs->nr_fibers--;
    task_start(fs->app->loop, &fs->task, tell);
}

/* ---- Start and end */

static void start_mount(struct fs *fs, struct fs_mount *mount)
{
    int err;

    mount->fs = fs;
    list_init(&mount->queue);
    mount->fiber.finished = finished;
    err = fiber_start(&mount->fiber, fs->app->loop, fs->app->pages,
                      mount->type->stack_pages, serve);
    if (err)
        mounted(mount, err);
    else
        fs->nr_fibers++;
}

int fs_start(struct fs *fs, struct app *app,
             void (*ready)(struct fs *fs, int status))
{
    int err;

    *fs = (struct fs){.app = app, .ready = ready};
    list_init(&fs->answered);
    disks_init(&fs->disks, app);
    fs->disks.wanted = disk_wanted;
    err = fs_plan(fs);
    if (err) {
        disks_close(&fs->disks);
        return err;
    }
    fs->nr_mounting = fs->nr_mounts;
    for (unsigned i = 0; i < fs->nr_mounts; i++)
        start_mount(fs, &fs->mounts[i]);
    task_start(app->loop, &fs->task, tell);
    return 0;
}

void fs_stop(struct fs *fs, void (*stopped)(struct fs *fs))
{
    fs->stopped = stopped;
    disks_leave(&fs->disks);
    for (unsigned i = 0; i < fs->nr_mounts; i++) {
        fs->mounts[i].leaving = true;
        if (fs->mounts[i].fiber.started)
            fiber_wake(&fs->mounts[i].fiber);
    }
    task_start(fs->app->loop, &fs->task, tell);
}

/* ---- Submitting requests */

void fs_submit(struct fs_mount *mount, struct fs_request *request,
               int (*work)(struct fs_request *request), fs_done *done)
{
    request->done = done;
    request->work = work;
    request->mount = mount;
    if (!mount->fiber.started) {
        answer(mount->fs, request, mount->status);
        return;
    }
    list_append(&mount->queue, &request->node);
    fiber_wake(&mount->fiber);
}

void fs_refuse(struct fs *fs, struct fs_request *request, int status,
               fs_done *done)
{
    request->done = done;
    answer(fs, request, status);
}

struct fs_mount *fs_find_mount(struct fs *fs, const char *path,
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
    return path[0] == '/' ? best : NULL;
}
