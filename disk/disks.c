/* SPDX-License-Identifier: MIT */
/*
 * Disks by name. A name stands for a vbd's number, which is also the name of a
 * node below device/vbd, where the toolstack lists the domain's disks. We check
 * for the node first, because blkfront would wait for it for ever.
 */
#include "kernel/app.h"
#include "blkfront/blkfront.h"
#include "disk/disk.h"
#include "disk/partition.h"
#include "kernel/fiber.h"
#include "kernel/log.h"
#include "xen/bus/xs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct partition {
    struct volume volume;
    char name[DISK_NAME_MAX];
    unsigned number;
    struct partition *next;
};

#define NODE_MAX sizeof("device/vbd/4294967295")

/* ---- Names */

struct name {
    unsigned vbd;
    unsigned partition; /* 0: none */
    bool may_be_vbd;    /* xvda2: or else that partition of `vbd` */
    unsigned that_vbd;
};

/* Parse a number without leading zeros; *text is then what follows it. */
static bool take_number(const char **text, unsigned long max, unsigned *number)
{
    char *end;
    unsigned long value = strtoul(*text, &end, 10);

    if (!isdigit((unsigned char)**text) || value > max ||
        (**text == '0' && end != *text + 1))
        return false;
    *number = (unsigned)value;
    *text = end;
    return true;
}

#define XVD_PARTITION_MAX 255

/* Xen's numbers for xvd* (docs/misc/vbd-interface.txt): 16 disks with 15
 * partitions each, or, from bit 28 on, many with 255. */
static unsigned xvd_number(unsigned disk, unsigned partition)
{
    if (disk < 16 && partition < 16)
        return 202u << 8 | disk << 4 | partition;
    return 1u << 28 | disk << 8 | partition;
}

/* "xvda", "xvda2" */
static bool take_xvd(const char **text, struct name *name)
{
    char letter = (*text)[3];
    unsigned disk = (unsigned)(letter - 'a');

    if (letter < 'a' || letter > 'z')
        return false;
    *text += 4;
    name->vbd = xvd_number(disk, 0);
    if (!isdigit((unsigned char)**text))
        return true;
    if (!take_number(text, XVD_PARTITION_MAX, &name->partition) ||
        !name->partition)
        return false;
    name->that_vbd = xvd_number(disk, name->partition);
    name->may_be_vbd = true;
    return true;
}

/* "p2" */
static bool take_partition(const char **text, struct name *name)
{
    if (**text != 'p')
        return true;
    ++*text;
    if (name->may_be_vbd) /* as in xvda2p1 */
        name->vbd = name->that_vbd;
    name->may_be_vbd = false;
    return take_number(text, XVD_PARTITION_MAX, &name->partition) &&
           name->partition;
}

static bool parse_name(const char *text, struct name *name)
{
    bool is_good;

    *name = (struct name){.partition = 0};
    if (!strncmp(text, "xvd", 3)) {
        is_good = take_xvd(&text, name);
    } else {
        text += strncmp(text, "vbd", 3) ? 0 : 3;
        is_good = take_number(&text, UINT32_MAX, &name->vbd);
    }
    return is_good && take_partition(&text, name) && !*text;
}

bool disks_is_name(const char *text)
{
    struct name name;

    return !strcmp(text, "ramdisk") || parse_name(text, &name);
}

/* ---- Looking for a vbd */

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

/* 0: the domain has this vbd; -XEN_ENOENT: it has not. */
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

static struct disk *find_disk(struct disks *disks, unsigned vbd)
{
    struct disk *disk = disks->first;

    while (disk && disk_vbd(disk) != vbd)
        disk = disk_next(disk);
    return disk;
}

static int open_vbd(struct disks *disks, unsigned vbd, struct volume **volume)
{
    struct disk *disk = find_disk(disks, vbd);

    if (!disk)
        disk = disk_create(disks, vbd);
    if (!disk)
        return -XEN_ENOMEM;
    *volume = disk_wait(disk);
    return *volume ? 0 : -XEN_ENODEV;
}

static struct volume *find_part(struct disks *disks, const struct volume *disk,
                                unsigned number)
{
    struct partition *part = disks->partitions;

    while (part && (part->volume.whole != disk || part->number != number))
        part = part->next;
    return part ? &part->volume : NULL;
}

/* Another fiber may have opened it meanwhile: opening it twice does no harm. */
static int open_part(struct disks *disks, const char *name, unsigned number,
                     struct volume *disk, struct volume **volume)
{
    struct partition *part;
    int err;

    *volume = find_part(disks, disk, number);
    if (*volume)
        return 0;
    part = calloc(1, sizeof(*part));
    if (!part)
        return -XEN_ENOMEM;
    err = partition_open(&part->volume, disk, number);
    if (err) {
        free(part);
        return err;
    }
    snprintf(part->name, sizeof(part->name), "%s", name);
    part->volume.name = part->name;
    part->number = number;
    part->next = disks->partitions;
    disks->partitions = part;
    *volume = &part->volume;
    return 0;
}

static int not_found(const char *text, const struct name *name, int err)
{
    if (err != -XEN_ENOENT) {
        log_error("fs", "%s: cannot read device/vbd/%u: error %d", text,
                  name->vbd, err);
        return -XEN_EIO;
    }
    if (name->may_be_vbd)
        log_error("fs",
                  "%s: the domain has no such disk: no device/vbd/%u, nor "
                  "device/vbd/%u for it to be a partition of",
                  text, name->that_vbd, name->vbd);
    else
        log_error("fs", "%s: the domain has no such disk: no device/vbd/%u",
                  text, name->vbd);
    return -XEN_ENODEV;
}

int disks_open(struct disks *disks, const char *text, struct volume **volume)
{
    struct name name;
    int err = -XEN_ENOENT;

    if (!strcmp(text, "ramdisk"))
        return open_ramdisk(disks, volume);
    if (!parse_name(text, &name))
        return -XEN_ENODEV;
    if (name.may_be_vbd)
        err = look_for(disks, name.that_vbd);
    if (!err)
        return open_vbd(disks, name.that_vbd, volume);
    if (err == -XEN_ENOENT)
        err = look_for(disks, name.vbd);
    if (err)
        return not_found(text, &name, err);
    err = open_vbd(disks, name.vbd, volume);
    if (err || !name.partition)
        return err;
    return open_part(disks, text, name.partition, *volume, volume);
}

/* ---- Coming and going */

bool disks_is_same(const char *text, const char *other_text)
{
    struct name name, other;

    if (!parse_name(text, &name) || !parse_name(other_text, &other))
        return false;
    return name.vbd == other.vbd ||
           (name.may_be_vbd && name.that_vbd == other.vbd) ||
           (other.may_be_vbd && other.that_vbd == name.vbd);
}

void disks_attached(struct disks *disks, unsigned vbd)
{
    char name[DISK_NAME_MAX];

    if (disks->leaving || find_disk(disks, vbd))
        return;
    blkfront_name_of(vbd, name, sizeof(name));
    if ((disks->wanted && disks->wanted(disks, name)) ||
        (disks->attached && disks->attached(disks, name)))
        return;
    log_info("disk", "%s: attached, and nobody here has a use for it", name);
}

void disks_init(struct disks *disks, struct app *app)
{
    *disks = (struct disks){.app = app};
    hotplug_start(disks);
}

void disks_leave(struct disks *disks)
{
    disks->leaving = true;
    for (struct disk *disk = disks->first; disk; disk = disk_next(disk))
        disk_leave(disk);
}

void disks_close(struct disks *disks)
{
    struct partition *part = disks->partitions, *next_part;
    struct disk *disk = disks->first, *next;

    hotplug_stop(disks);
    for (; part; part = next_part) {
        next_part = part->next;
        free(part);
    }
    for (; disk; disk = next) {
        next = disk_next(disk);
        disk_close(disk);
    }
    disks->first = NULL;
    disks->partitions = NULL;
}
