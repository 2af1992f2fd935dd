/* SPDX-License-Identifier: MIT */
/*
 * A volume: numbered sectors, the medium of a file system. A ramdisk is one
 * (disk/ramdisk.h), and so are a disk, a partition, and a cache of another.
 *
 * An implementation embeds struct volume and fills it in. There are two ways
 * to use a volume: volume_start, which never waits, and, for code in a fiber,
 * volume_pread and similar calls, which do.
 *
 * Order. Requests in flight together are done in any order. Flush: writes
 * answered before it is submitted are on stable storage when it is answered.
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
    /* The caller's, not changed by the volume: */
    enum volume_op op;
    uint64_t sector; /* the first; a multiple of volume->block_sectors */
    uint32_t nr;     /* how many, likewise; 0 for a flush, else at least one */
    union {
        void *to;         /* read: destination */
        const void *from; /* write: source */
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
    uint32_t block_sectors; /* the smallest request, and its alignment: a
                             * power of two, 1 to 8 */
    bool read_only;
    bool in_memory; /* reading is a copy, so a cache gains nothing */
    /* If it is a part of another volume: that volume, and where the part begins
     * there (disk/partition.h); otherwise NULL, 0. */
    struct volume *whole;
    uint64_t first;
    /* Start it; done is called on the loop, never inside this call. The
     * request is valid: volume_start has checked it, and set `at`. */
    void (*start)(struct volume *volume, struct volume_request *request);
};

/* Start a request that is zeroed except for the caller's fields. Done is not
 * called after an error:
 *   -XEN_EIO     there are no such sectors
 *   -XEN_EINVAL  they are not whole blocks
 *   -XEN_EROFS   writing, and the volume is read-only */
must_check int volume_start(struct volume *volume,
                            struct volume_request *request);

/* Do the two share a sector? */
bool volume_overlaps(const struct volume *a, const struct volume *b);

/* ---- In a fiber: at any offset, any length; return when done.
 *
 * 0 or a negative error; -XEN_EIO also for anything past the end. Writing less
 * than whole blocks reads these blocks first. */
must_check int volume_pread(struct volume *volume, void *to, size_t bytes,
                            uint64_t offset);
must_check int volume_pwrite(struct volume *volume, const void *from,
                             size_t bytes, uint64_t offset);
must_check int volume_flush(struct volume *volume);

#endif
