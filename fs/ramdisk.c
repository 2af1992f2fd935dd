/* SPDX-License-Identifier: MIT */
/*
 * The ramdisk. A read is a copy, done at once; only its callback waits for the
 * next turn, as with any volume.
 */
#include "fs/ramdisk.h"

#include <string.h>

static void finish(struct task *task)
{
    struct volume_read *read = container_of(task, struct volume_read, task);

    read->done(read);
}

static void start(struct volume *volume, struct volume_read *read)
{
    struct ramdisk *ramdisk = container_of(volume, struct ramdisk, volume);

    memcpy(read->to, ramdisk->contents + read->sector * VOLUME_SECTOR_BYTES,
           (size_t)read->nr * VOLUME_SECTOR_BYTES);
    read->status = 0;
    task_start(ramdisk->loop, &read->task, finish);
}

int ramdisk_init(struct ramdisk *ramdisk, struct loop *loop)
{
    const struct hv_info *info = hv_info();

    if (!info->module)
        return -XEN_ENODEV;
    *ramdisk = (struct ramdisk){
        .volume =
            {
                .name = "ramdisk",
                .nr_sectors = info->module_bytes / VOLUME_SECTOR_BYTES,
                .read = start,
            },
        .loop = loop,
        .contents = info->module,
    };
    return 0;
}
