/* SPDX-License-Identifier: MIT */
/*
 * Disks that come and go while the guest runs.
 *
 * A watch on device/vbd starts a scan, which lists the vbds. A vbd that is new
 * since the first scan was attached, and is reported (disks_attached). Each vbd
 * has an idle owner here, which watches the backend's state: if the toolstack
 * detaches a disk that nobody has opened, the owner answers Closing with
 * Closed; without an answer, `xl block-detach` would wait (xenbus.h).
 *
 * All of it is on the heap, and is freed when the last unwatch is answered, so
 * `disks` need not wait for that.
 */
#include "disk/disk.h"
#include "kernel/app.h"
#include "kernel/log.h"
#include "xen/bus/xs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VBDS_MAX 32 /* more are logged, but not watched */
#define PATH_MAX 96 /* /local/domain/N/backend/vbd/N/N and a key */

static const char root[] = "device/vbd";

struct idle {
    struct hotplug *hotplug;
    struct idle *next;
    unsigned vbd;
    bool is_there; /* found by the current scan */
    bool again;    /* the state was written while it was read */
    struct xs_request request;
    struct xs_watch watch;
    char path[PATH_MAX];  /* of what is read or written */
    char state[PATH_MAX]; /* the backend's */
};

struct hotplug {
    struct disks *disks; /* NULL: they are closed */
    struct xs *xs;
    struct idle *idles;
    unsigned nr_idles, nr_unwatching;
    bool scanned, again;
    struct xs_request request;
    struct xs_watch watch;
    char names[VBDS_MAX * 12]; /* "4294967295" and its NUL, rounded up */
};

static void free_if_over(struct hotplug *hotplug)
{
    if (!hotplug->disks && !hotplug->nr_unwatching)
        free(hotplug);
}

/* ---- One vbd and its idle owner */

static void idle_look(struct idle *idle);

static void closed_told(struct xs_request *r)
{
    struct idle *idle = container_of(r, struct idle, request);

    if (idle->again)
        idle_look(idle);
}

static bool is_open(const struct idle *idle)
{
    const struct disk *disk = idle->hotplug->disks->first;

    while (disk && disk_vbd(disk) != idle->vbd)
        disk = disk_next(disk);
    return disk;
}

/* 5: XenbusStateClosing, 6: XenbusStateClosed. */
static void state_read(struct xs_request *r)
{
    struct idle *idle = container_of(r, struct idle, request);

    if (!r->error && !strcmp(r->value, "5") && !is_open(idle)) {
        snprintf(idle->path, sizeof(idle->path), "%s/%u/state", root,
                 idle->vbd);
        r->done = closed_told;
        xs_write(idle->hotplug->xs, r, XS_NO_TRANSACTION, idle->path, "6", 1);
    } else if (idle->again) {
        idle_look(idle);
    }
}

static void idle_look(struct idle *idle)
{
    idle->again = false;
    idle->request.done = state_read;
    xs_read(idle->hotplug->xs, &idle->request, XS_NO_TRANSACTION, idle->state);
}

static void state_changed(struct xs_watch *watch, const char *path)
{
    struct idle *idle = container_of(watch, struct idle, watch);

    (void)path;
    if (idle->request.stage == XS_IDLE)
        idle_look(idle);
    else
        idle->again = true;
}

static void backend_read(struct xs_request *r)
{
    struct idle *idle = container_of(r, struct idle, request);
    int n;

    if (r->error || memchr(r->value, 0, r->value_bytes))
        return;
    n = snprintf(idle->state, sizeof(idle->state), "%s/state", r->value);
    if (n < (int)sizeof(idle->state))
        xs_watch(idle->hotplug->xs, &idle->watch, idle->state, state_changed);
}

static void idle_unwatched(struct xs_watch *watch)
{
    struct idle *idle = container_of(watch, struct idle, watch);
    struct hotplug *hotplug = idle->hotplug;

    free(idle);
    hotplug->nr_unwatching--;
    free_if_over(hotplug);
}

static void idle_end(struct idle *idle)
{
    struct hotplug *hotplug = idle->hotplug;

    hotplug->nr_idles--;
    xs_cancel(hotplug->xs, &idle->request);
    if (!idle->watch.active) {
        free(idle);
        return;
    }
    hotplug->nr_unwatching++;
    xs_unwatch(hotplug->xs, &idle->watch, idle_unwatched);
}

static struct idle *idle_start(struct hotplug *hotplug, unsigned vbd)
{
    struct idle *idle = NULL;

    if (hotplug->nr_idles < VBDS_MAX)
        idle = calloc(1, sizeof(*idle));
    if (!idle) {
        log_warn("disk", "vbd%u: one too many to look after", vbd);
        return NULL;
    }
    idle->hotplug = hotplug;
    idle->vbd = vbd;
    idle->next = hotplug->idles;
    hotplug->idles = idle;
    hotplug->nr_idles++;
    snprintf(idle->path, sizeof(idle->path), "%s/%u/backend", root, vbd);
    idle->request.done = backend_read;
    xs_read(hotplug->xs, &idle->request, XS_NO_TRANSACTION, idle->path);
    return idle;
}

/* ---- Scanning */

static void scan(struct hotplug *hotplug);

static void scan_name(struct hotplug *hotplug, const char *name)
{
    struct idle *idle = hotplug->idles;
    uint64_t vbd;

    if (!xs_decimal(name, strlen(name), &vbd) || vbd > UINT32_MAX)
        return;
    while (idle && idle->vbd != vbd)
        idle = idle->next;
    if (!idle) {
        idle = idle_start(hotplug, (unsigned)vbd);
        if (hotplug->scanned)
            disks_attached(hotplug->disks, (unsigned)vbd);
    }
    if (idle)
        idle->is_there = true;
}

static void end_missing(struct hotplug *hotplug)
{
    struct idle **link = &hotplug->idles, *idle;

    while ((idle = *link)) {
        if (idle->is_there) {
            idle->is_there = false;
            link = &idle->next;
        } else {
            *link = idle->next;
            idle_end(idle);
        }
    }
}

static void scanned(struct xs_request *r)
{
    struct hotplug *hotplug = container_of(r, struct hotplug, request);
    const char *end = hotplug->names + (r->error ? 0 : r->value_bytes);

    if (r->error && r->error != -XEN_ENOENT) {
        log_warn("disk", "cannot list %s: error %d", root, r->error);
    } else {
        for (const char *name = hotplug->names; name < end;
             name += strlen(name) + 1)
            scan_name(hotplug, name);
        end_missing(hotplug);
        hotplug->scanned = true;
    }
    if (hotplug->again)
        scan(hotplug);
}

static void scan(struct hotplug *hotplug)
{
    hotplug->again = hotplug->request.stage != XS_IDLE;
    if (hotplug->again)
        return;
    hotplug->request.done = scanned;
    xs_directory(hotplug->xs, &hotplug->request, XS_NO_TRANSACTION, root,
                 hotplug->names, sizeof(hotplug->names));
}

/* Changes inside a vbd's node (mostly the handshake) do not matter here; but
 * when the whole node is made or removed, there is one event per key. */
static void vbds_changed(struct xs_watch *watch, const char *path)
{
    struct hotplug *hotplug = container_of(watch, struct hotplug, watch);
    const char *rest = path + strcspn(path, "0123456789");
    const char *key = strchr(rest, '/');

    if (!key || !strcmp(key, "/backend"))
        scan(hotplug);
}

/* ---- Beginning and end */

void hotplug_start(struct disks *disks)
{
    struct hotplug *hotplug;

    if (!disks->app->xs) /* only in tests: a guest with just a ramdisk */
        return;
    hotplug = disks->hotplug = calloc(1, sizeof(*hotplug));
    if (!hotplug) {
        log_warn("disk", "no memory to look for disks that come and go");
        return;
    }
    hotplug->disks = disks;
    hotplug->xs = disks->app->xs;
    xs_watch(hotplug->xs, &hotplug->watch, root, vbds_changed);
}

static void unwatched(struct xs_watch *watch)
{
    struct hotplug *hotplug = container_of(watch, struct hotplug, watch);

    hotplug->nr_unwatching--;
    free_if_over(hotplug);
}

void hotplug_stop(struct disks *disks)
{
    struct hotplug *hotplug = disks->hotplug;

    if (!hotplug)
        return;
    disks->hotplug = NULL;
    xs_cancel(hotplug->xs, &hotplug->request);
    hotplug->nr_unwatching++;
    xs_unwatch(hotplug->xs, &hotplug->watch, unwatched);
    while (hotplug->idles) {
        struct idle *idle = hotplug->idles;

        hotplug->idles = idle->next;
        idle_end(idle);
    }
    hotplug->disks = NULL;
}
