/* SPDX-License-Identifier: MIT */
/*
 * The ramdisk. A read is a copy, done at once; only its callback waits for the
 * next turn, as with any volume.
 */
#include "disk/ramdisk.h"
#include "xen/hv.h"

#include <string.h>

static void finish(struct task *task)
{
    struct volume_request *request =
        container_of(task, struct volume_request, task);

    request->done(request);
}

/* A read, or a flush, which has 0 sectors and nothing to do. */
static void start(struct volume *volume, struct volume_request *request)
{
    struct ramdisk *ramdisk = container_of(volume, struct ramdisk, volume);

    if (request->op == VOLUME_READ)
        memcpy(request->to,
               ramdisk->contents + request->at * VOLUME_SECTOR_BYTES,
               (size_t)request->nr * VOLUME_SECTOR_BYTES);
    request->status = 0;
    task_start(ramdisk->loop, &request->task, finish);
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
                .block_sectors = 1,
                .read_only = true,
                .in_memory = true,
                .start = start,
            },
        .loop = loop,
        .contents = info->module,
    };
    return 0;
}
