/* SPDX-License-Identifier: MIT */
/*
 * A volume: numbered sectors that can be read; what a file system lies on. A
 * ramdisk is one (fs/ramdisk.h), and so will be a disk.
 *
 * Whoever implements one embeds struct volume and fills it in.
 */
#ifndef FS_VOLUME_H
#define FS_VOLUME_H

#include "kernel/loop.h"

#define VOLUME_SECTOR_BYTES 512

struct volume_read {
    /* The asker's, all of them unchanged by the volume: */
    uint64_t sector; /* the first */
    uint32_t nr;     /* how many, at least one */
    void *to;        /* room for them */
    void (*done)(struct volume_read *read);
    /* For done: 0, or a negative error and `to` holds anything. */
    int status;
    /* the volume's: */
    struct task task;
};

struct volume {
    const char *name; /* as in mount=, for the log */
    uint64_t nr_sectors;
    /* Start reading; done is called on the loop, never inside this call. The
     * sectors exist: volume_start checked that. */
    void (*read)(struct volume *volume, struct volume_read *read);
};

/* Start a read that is zeroed but for the asker's fields. -XEN_EIO: there are
 * no such sectors, done is not called. */
must_check int volume_start(struct volume *volume, struct volume_read *read);

/* In a fiber: read bytes at any offset, and wait for them. 0 or a negative
 * error; -XEN_EIO also for what lies past the end. */
must_check int volume_pread(struct volume *volume, void *to, size_t bytes,
                            uint64_t offset);

#endif
