/* SPDX-License-Identifier: MIT */
/*
 * Disks by name. A name is a vbd's number, and that the name of a node below
 * device/vbd, where the toolstack lists what the domain has. The node is looked
 * for first: blkfront would wait for it for ever.
 */
#include "apps/app.h"
#include "fs/disk.h"
#include "kernel/fiber.h"
#include "kernel/log.h"
#include "xen/xs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODE_MAX sizeof("device/vbd/4294967295")

/* ---- Names */

/* All of the text is a number, without zeros before it. */
static bool parse_number(const char *text, unsigned long max, unsigned *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || value > max ||
        (text[0] == '0' && text[1]))
        return false;
    *number = (unsigned)value;
    return true;
}

/* Xen's numbers for xvd* (docs/misc/vbd-interface.txt): 16 disks with 15
 * partitions each, or, from bit 28 on, many with 255. */
static unsigned xvd_number(unsigned disk, unsigned partition)
{
    if (disk < 16 && partition < 16)
        return 202u << 8 | disk << 4 | partition;
    return 1u << 28 | disk << 8 | partition;
}

static bool parse_name(const char *name, unsigned *vbd)
{
    unsigned partition = 0;

    if (!strncmp(name, "xvd", 3) && name[3] >= 'a' && name[3] <= 'z') {
        if (name[4] && (!parse_number(name + 4, 255, &partition) || !partition))
            return false;
        *vbd = xvd_number((unsigned)(name[3] - 'a'), partition);
        return true;
    }
    return parse_number(strncmp(name, "vbd", 3) ? name : name + 3, UINT32_MAX,
                        vbd);
}

bool disks_is_name(const char *name)
{
    unsigned vbd;

    return !strcmp(name, "ramdisk") || parse_name(name, &vbd);
}

/* ---- Is it there? */

struct look {
    struct xs_request request;
    struct fiber *fiber;
    int error;
    bool done;
};

static void looked(struct xs_request *request)
{
    struct look *look = container_of(request, struct look, request);

    look->error = request->error;
    look->done = true;
    fiber_wake(look->fiber);
}

/* 0: the domain has it; -XEN_ENOENT: it has not. */
static int look_for(struct disks *disks, unsigned vbd)
{
    struct look look = {.request = {.done = looked}, .fiber = fiber_current()};
    char node[NODE_MAX + sizeof("/backend")];

    snprintf(node, sizeof(node), "device/vbd/%u/backend", vbd);
    xs_read(disks->app->xs, &look.request, XS_NO_TRANSACTION, node);
    while (!look.done)
        fiber_park();
    return look.error;
}

/* ---- Opening */

static int open_ramdisk(struct disks *disks, struct volume **volume)
{
    if (!disks->ramdisk.contents &&
        ramdisk_init(&disks->ramdisk, disks->app->loop)) {
        log_error("fs", "there is no ramdisk: the cfg names none");
        return -XEN_ENODEV;
    }
    *volume = &disks->ramdisk.volume;
    return 0;
}

static struct disk *find(struct disks *disks, unsigned vbd)
{
    struct disk *disk = disks->first;

    while (disk && disk_vbd(disk) != vbd)
        disk = disk_next(disk);
    return disk;
}

static int open_vbd(struct disks *disks, unsigned vbd, struct volume **volume)
{
    struct disk *disk = find(disks, vbd);

    if (!disk)
        disk = disk_create(disks, vbd);
    if (!disk)
        return -XEN_ENOMEM;
    *volume = disk_wait(disk);
    return *volume ? 0 : -XEN_ENODEV;
}

int disks_open(struct disks *disks, const char *name, struct volume **volume)
{
    unsigned vbd;
    int err;

    if (!strcmp(name, "ramdisk"))
        return open_ramdisk(disks, volume);
    if (!parse_name(name, &vbd))
        return -XEN_ENODEV;
    err = look_for(disks, vbd);
    if (!err)
        return open_vbd(disks, vbd, volume);
    if (err == -XEN_ENOENT)
        log_error("fs", "%s: the domain has no such disk: no device/vbd/%u",
                  name, vbd);
    else
        log_error("fs", "%s: cannot read device/vbd/%u: error %d", name, vbd,
                  err);
    return err == -XEN_ENOENT ? -XEN_ENODEV : -XEN_EIO;
}

void disks_init(struct disks *disks, struct app *app)
{
    *disks = (struct disks){.app = app};
}

void disks_leave(struct disks *disks)
{
    disks->leaving = true;
    for (struct disk *disk = disks->first; disk; disk = disk_next(disk))
        disk_leave(disk);
}

void disks_close(struct disks *disks)
{
    struct disk *disk = disks->first, *next;

    for (; disk; disk = next) {
        next = disk_next(disk);
        disk_close(disk);
    }
    disks->first = NULL;
}
