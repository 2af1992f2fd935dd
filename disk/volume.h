/* SPDX-License-Identifier: MIT */
/*
 * A volume: numbered sectors, what a file system lies on. A ramdisk is one
 * (disk/ramdisk.h), so is a disk, a part of a disk, and a cache of another.
 *
 * Whoever implements one embeds struct volume and fills it in. Below are two
 * ways to use one: volume_start, which never waits, and for code in a fiber
 * volume_pread and its likes, which do.
 *
 * Order. Requests that are out together are done in any order. Flush: what was
 * answered before is on stable storage when the flush is answered.
 */
#ifndef DISK_VOLUME_H
#define DISK_VOLUME_H

#include "kernel/list.h"
#include "kernel/loop.h"

/* The unit of sector numbers, whatever the medium's own is (as in Xen's
 * blkif.h). */
#define VOLUME_SECTOR_BYTES 512

enum volume_op { VOLUME_READ, VOLUME_WRITE, VOLUME_FLUSH };

struct volume_request {
    /* The asker's, all of them unchanged by the volume: */
    enum volume_op op;
    uint64_t sector; /* the first; a multiple of volume->block_sectors */
    uint32_t nr;     /* how many, likewise; 0 for a flush, else at least one */
    union {
        void *to;         /* read: room for them */
        const void *from; /* write: they */
    };
    void (*done)(struct volume_request *request);
    /* For done: 0, or a negative error and `to` or the sectors hold anything.
     */
    int status;
    /* the volume's: */
    uint64_t at; /* `sector`, as the medium counts */
    struct list_node node;
    struct task task;
};

struct volume {
    const char *name; /* as in mount=, for the log */
    uint64_t nr_sectors;
    uint32_t block_sectors; /* the smallest piece that can be asked for, and
                             * its alignment: a power of two, 1 to 8 */
    bool read_only;
    bool in_memory; /* reading is a copy: nothing is gained by another */
    /* A part of another volume, and where it begins there; NULL, 0: it is none
     * (disk/partition.h). */
    struct volume *whole;
    uint64_t first;
    /* Start it; done is called on the loop, never inside this call. The
     * request is a sensible one: volume_start has checked it, and set `at`. */
    void (*start)(struct volume *volume, struct volume_request *request);
};

/* Start a request that is zeroed but for the asker's fields. Done is not called
 * after an error:
 *   -XEN_EIO     there are no such sectors
 *   -XEN_EINVAL  they are not whole blocks
 *   -XEN_EROFS   writing, and the volume is read-only */
must_check int volume_start(struct volume *volume,
                            struct volume_request *request);

/* Is there a sector that is in both? */
bool volume_overlaps(const struct volume *a, const struct volume *b);

/* ---- In a fiber: at any offset, any length; return when done.
 *
 * 0 or a negative error; -XEN_EIO also for what lies past the end. Who writes
 * less than whole blocks has them read first. */
must_check int volume_pread(struct volume *volume, void *to, size_t bytes,
                            uint64_t offset);
must_check int volume_pwrite(struct volume *volume, const void *from,
                             size_t bytes, uint64_t offset);
must_check int volume_flush(struct volume *volume);

#endif
