/* SPDX-License-Identifier: MIT */
/*
 * The ramdisk: the file named by `ramdisk=` in the domain's cfg, as a
 * read-only volume. The domain builder has loaded it; no disk is involved.
 */
#ifndef DISK_RAMDISK_H
#define DISK_RAMDISK_H

#include "disk/volume.h"

struct ramdisk {
    struct volume volume;
    struct loop *loop;
    const char *contents;
};

/* -XEN_ENODEV: the cfg names none. Bytes past the last whole sector are left
 * out. */
must_check int ramdisk_init(struct ramdisk *ramdisk, struct loop *loop);

#endif
