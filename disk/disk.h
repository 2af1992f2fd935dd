/* SPDX-License-Identifier: MIT */
/*
 * Disks by name, as volumes: for mount=, and for callers that need a volume
 * without a file system. A disk that is not open is released when the toolstack
 * asks (`xl block-detach`), and one attached while the guest runs is offered to
 * the mounts and to the app.
 *
 *   ramdisk         what ramdisk= of the cfg names
 *   xvda, xvdb1     the vbd of that name, as Xen numbers them
 *   vbd768, 51712   any vbd, by its number
 *   xvda2           where the domain has no such vbd: partition 2 of xvda
 *   xvdap2, vbd768p2, 51712p2    partition 2 of that vbd (disk/partition.h)
 *
 * A disk is opened once, however many users it has. While its backend is away,
 * requests wait until it is back. Its size, and whether it can be written, may
 * change as long as it is open; the volume has the current values.
 */
#ifndef DISK_DISK_H
#define DISK_DISK_H

#include "disk/ramdisk.h"

struct app;
struct disk;
struct hotplug;
struct partition;

#define DISK_NAME_MAX                                      \
    24 /* bytes with the NUL; the longest is vbd4294967295 \
        */

/* A wait for a disk is logged after this long. */
#define DISK_SLOW_NS (3 * NS_PER_S)

/* After disks_leave, how long a backend that is away has to come back. */
#define DISK_LEAVE_NS (10 * NS_PER_S)

struct disks {
    struct app *app;
    struct ramdisk ramdisk;
    struct disk *first;
    struct partition *partitions;
    bool leaving;
    /* A disk was attached while the guest runs; `name` (DISK_NAME_MAX) is one
     * of its names. Returns true to use it, and opens it then. Called in this
     * order, each may be NULL. A disk that nobody uses is only logged. */
    bool (*wanted)(struct disks *disks, const char *name);   /* fs/'s */
    bool (*attached)(struct disks *disks, const char *name); /* the app's */
    struct hotplug *hotplug;
};

void disks_init(struct disks *disks, struct app *app);

/* Are both names of the same vbd, or of partitions of it? */
bool disks_is_same(const char *name, const char *other);

/* Is this a valid disk name? (NUL-terminated) */
bool disks_is_name(const char *name);

/* In a fiber: open the disk of that name. Waits, for any length of time, until
 * its size is known. The volume stays until disks_close.
 *   -XEN_ENODEV  the domain has no such disk, or disks_leave
 *   -XEN_ENOMEM, -XEN_EIO (disk, xenstore); those of partition_open
 * Errors are logged. */
must_check int disks_open(struct disks *disks, const char *name,
                          struct volume **volume);

/* Stop waiting for ever: disks_open ends, and requests to a disk that is away
 * and does not come back in time fail with -XEN_EIO. */
void disks_leave(struct disks *disks);

/* Close all disks; no request may be in flight. Not to be called in a volume's
 * callback. */
void disks_close(struct disks *disks);

/* ---- hotplug.c, for disks.c: disks that come and go */

/* Look for disks, and answer the toolstack for those that are not open. */
void hotplug_start(struct disks *disks);
void hotplug_stop(struct disks *disks);
/* disks.c, for hotplug.c: this vbd was attached. */
void disks_attached(struct disks *disks, unsigned vbd);

/* ---- disk.c, for disks.c: one disk */

/* Begin with the handshake. NULL: no memory (logged). */
struct disk *disk_create(struct disks *disks, unsigned vbd);
/* In a fiber: wait until the disk is known. Its volume; NULL: disks_leave. */
struct volume *disk_wait(struct disk *disk);
unsigned disk_vbd(const struct disk *disk);
struct disk *disk_next(const struct disk *disk);
void disk_leave(struct disk *disk);
void disk_close(struct disk *disk);

#endif
