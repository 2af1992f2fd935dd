/* SPDX-License-Identifier: MIT */
/*
 * A disk as a volume: turns volume requests into blkfront's.
 *
 *   start -> queue -> slot (blkfront_submit) -> done
 *
 * The number of slots is fixed. A request that finds no free slot, or that
 * blkfront refuses for now, waits in the queue, which hides both from callers.
 * The queue is served in order: a flush keeps its position.
 *
 * What blkfront knows of the disk is copied into the volume whenever the link
 * comes up or the size changes. While the link is down, blkfront keeps the
 * requests and the volume keeps its last values.
 */
#include "kernel/app.h"
#include "blkfront/blkfront.h"
#include "disk/disk.h"
#include "kernel/fiber.h"
#include "kernel/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Requests with blkfront at once: half as many keep a fast disk busy. */
#define SLOTS 64

struct slot {
    struct blkfront_request r;
    struct blkfront_piece piece;
    struct volume_request *request;
    struct disk *disk;
    struct slot *next; /* free */
};

struct waiter {
    struct fiber *fiber;
    struct waiter *next;
};

struct disk {
    struct volume volume;
    struct disks *disks;
    struct disk *next;
    struct blkfront *bf; /* NULL: given up */
    unsigned vbd;
    char name[DISK_NAME_MAX];
    bool known, linked; /* the link was up; is up */
    bool failing;       /* the last answer was an error */
    struct timer timer;
    struct waiter *waiters;
    struct list queue;
    struct slot slots[SLOTS], *free;
    unsigned nr_out;
};

static struct loop *loop_of(const struct disk *disk)
{
    return disk->disks->app->loop;
}

/* ---- Requests */

static void answer_run(struct task *task)
{
    struct volume_request *request =
        container_of(task, struct volume_request, task);

    request->done(request);
}

/* The volume's error for an error of blkfront. */
static int volume_error(int error)
{
    return error == 0 || error == -XEN_EROFS || error == -XEN_EOPNOTSUPP
               ? error
               : -XEN_EIO;
}

/* Log only the first of consecutive errors. */
static void note(struct disk *disk, const struct slot *slot, int error)
{
    static const char *const names[] = {"read", "write", "flush"};
    const struct volume_request *request = slot->request;
    bool failed = error && error != -XEN_EOPNOTSUPP;

    if (failed && !disk->failing)
        log_error("fs",
                  "%s: %s of %" PRIu32 " sectors at %" PRIu64 ": error %d",
                  disk->name, names[request->op], request->nr, request->sector,
                  error);
    disk->failing = failed;
}

static void slot_free(struct slot *slot)
{
    struct disk *disk = slot->disk;

    slot->next = disk->free;
    disk->free = slot;
    disk->nr_out--;
}

static void pump(struct disk *disk);

static void slot_done(struct blkfront_request *r)
{
    struct slot *slot = container_of(r, struct slot, r);
    struct volume_request *request = slot->request;
    struct disk *disk = slot->disk;

    note(disk, slot, r->error);
    slot_free(slot);
    pump(disk);
    request->status = volume_error(r->error);
    request->done(request);
}

static void slot_fill(struct slot *slot, struct volume_request *request)
{
    static const enum blkfront_op ops[] = {
        [VOLUME_READ] = BLKFRONT_READ,
        [VOLUME_WRITE] = BLKFRONT_WRITE,
        [VOLUME_FLUSH] = BLKFRONT_FLUSH,
    };
    uint64_t bytes = (uint64_t)request->nr * VOLUME_SECTOR_BYTES;

    slot->request = request;
    slot->piece = (struct blkfront_piece){request->to, bytes};
    slot->r.op = ops[request->op];
    slot->r.offset = request->at * VOLUME_SECTOR_BYTES;
    slot->r.bytes = bytes;
    slot->r.pieces = &slot->piece;
    slot->r.nr_pieces = 1;
    slot->r.done = slot_done;
}

/* 0: blkfront has the request; an error: it does not. */
static int submit(struct disk *disk, struct volume_request *request)
{
    struct slot *slot = disk->free;
    int err;

    if (!disk->bf)
        return -XEN_ENODEV;
    disk->free = slot->next;
    disk->nr_out++;
    slot_fill(slot, request);
    err = blkfront_submit(disk->bf, &slot->r);
    if (err && err != -XEN_EAGAIN)
        note(disk, slot, err);
    if (err)
        slot_free(slot);
    return err;
}

/* Submit as much of the queue as possible. */
static void pump(struct disk *disk)
{
    struct volume_request *request;
    int err;

    while (disk->free &&
           (request = list_first(&disk->queue, struct volume_request, node))) {
        err = submit(disk, request);
        if (err == -XEN_EAGAIN)
            return;
        list_remove(&disk->queue, &request->node);
        if (!err)
            continue;
        request->status = volume_error(err);
        task_start(loop_of(disk), &request->task, answer_run);
    }
}

static void start(struct volume *volume, struct volume_request *request)
{
    struct disk *disk = container_of(volume, struct disk, volume);

    list_append(&disk->queue, &request->node);
    pump(disk);
}

/* ---- The link */

static void wake_all(struct disk *disk)
{
    for (struct waiter *w = disk->waiters; w; w = w->next)
        fiber_wake(w->fiber);
}

static void learn(struct disk *disk)
{
    const struct blkfront_info *info = blkfront_info(disk->bf);

    disk->volume.nr_sectors = info->bytes / VOLUME_SECTOR_BYTES;
    disk->volume.block_sectors = info->sector_bytes / VOLUME_SECTOR_BYTES;
    disk->volume.read_only = info->read_only;
}

/* Stop waiting for the disk: all requests get an error. */
static void give_up(struct timer *timer)
{
    struct disk *disk = container_of(timer, struct disk, timer);

    log_warn("fs", "%s: given up: its backend did not come back", disk->name);
    blkfront_destroy(disk->bf);
    disk->bf = NULL;
    pump(disk);
}

static void await_return(struct disk *disk)
{
    if (disk->linked)
        timer_stop(loop_of(disk), &disk->timer);
    else
        timer_start(loop_of(disk), &disk->timer,
                    loop_now(loop_of(disk)) + DISK_LEAVE_NS, give_up);
}

static void on_link(void *arg, bool up)
{
    struct disk *disk = arg;

    disk->linked = up;
    if (up) {
        disk->known = true;
        timer_stop(loop_of(disk), &disk->timer);
        learn(disk);
        wake_all(disk);
    }
    if (disk->disks->leaving)
        await_return(disk);
}

static void on_resized(void *arg)
{
    learn(arg);
}

/* Only our own requests take up room, and each answer calls pump(). */
static void on_room(void *arg)
{
    (void)arg;
}

/* ---- Coming and going */

static void say_slow(struct timer *timer)
{
    struct disk *disk = container_of(timer, struct disk, timer);

    log_info("fs", "waiting for %s: its backend is not ready", disk->name);
}

static void slots_init(struct disk *disk)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        disk->slots[i].disk = disk;
        disk->slots[i].next = disk->free;
        disk->free = &disk->slots[i];
    }
}

struct disk *disk_create(struct disks *disks, unsigned vbd)
{
    struct app *app = disks->app;
    struct disk *disk = calloc(1, sizeof(*disk));
    const struct blkfront_owner owner = {on_link, on_resized, on_room, disk};

    if (disk)
        disk->bf = blkfront_create(vbd, app->loop, app->pages, app->gnttab,
                                   app->xs, &owner);
    if (!disk || !disk->bf) {
        log_error("fs", "no memory for vbd%u", vbd);
        free(disk);
        return NULL;
    }
    snprintf(disk->name, sizeof(disk->name), "%s", blkfront_name(disk->bf));
    disk->volume.name = disk->name;
    disk->volume.start = start;
    disk->vbd = vbd;
    disk->disks = disks;
    disk->next = disks->first;
    disks->first = disk;
    list_init(&disk->queue);
    slots_init(disk);
    timer_start(app->loop, &disk->timer, loop_now(app->loop) + DISK_SLOW_NS,
                say_slow);
    return disk;
}

struct volume *disk_wait(struct disk *disk)
{
    struct waiter self = {fiber_current(), disk->waiters}, **link;

    disk->waiters = &self;
    while (!disk->known && !disk->disks->leaving)
        fiber_park();
    for (link = &disk->waiters; *link != &self; link = &(*link)->next)
        ;
    *link = self.next;
    return disk->known ? &disk->volume : NULL;
}

unsigned disk_vbd(const struct disk *disk)
{
    return disk->vbd;
}

struct disk *disk_next(const struct disk *disk)
{
    return disk->next;
}

void disk_leave(struct disk *disk)
{
    wake_all(disk);
    await_return(disk);
}

void disk_close(struct disk *disk)
{
    assert(!disk->nr_out && list_is_empty(&disk->queue) && !disk->waiters);
    timer_stop(loop_of(disk), &disk->timer);
    if (disk->bf)
        blkfront_destroy(disk->bf);
    free(disk);
}
