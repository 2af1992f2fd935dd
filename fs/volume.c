/* SPDX-License-Identifier: MIT */
/*
 * Volumes. Drivers deal in whole sectors and callbacks, file systems in bytes
 * and waiting: volume_pread is where they meet. Whole sectors go straight to
 * the caller's memory; what begins or ends within a sector is copied.
 */
#include "fs/volume.h"
#include "kernel/fiber.h"

#include <string.h>

int volume_start(struct volume *volume, struct volume_read *read)
{
    if (read->nr > volume->nr_sectors ||
        read->sector > volume->nr_sectors - read->nr)
        return -XEN_EIO;
    volume->read(volume, read);
    return 0;
}

struct waiting {
    struct volume_read read;
    struct fiber *fiber;
    bool done;
};

static void wake(struct volume_read *read)
{
    struct waiting *waiting = container_of(read, struct waiting, read);

    waiting->done = true;
    fiber_wake(waiting->fiber);
}

static int read_sectors(struct volume *volume, void *to, uint32_t nr,
                        uint64_t sector)
{
    struct waiting waiting = {
        .read = {.sector = sector, .nr = nr, .to = to, .done = wake},
        .fiber = fiber_current(),
    };
    int err = volume_start(volume, &waiting.read);

    if (err)
        return err;
    while (!waiting.done)
        fiber_park();
    return waiting.read.status;
}

/* At most this much at once: a sector count has 32 bits. */
#define PIECE_MAX (UINT32_MAX / VOLUME_SECTOR_BYTES * VOLUME_SECTOR_BYTES)

/* The first bytes of what is wanted; how many is in *bytes. */
static int read_piece(struct volume *volume, void *to, size_t *bytes,
                      uint64_t offset)
{
    char sector[VOLUME_SECTOR_BYTES];
    size_t skip = offset % sizeof(sector);
    int err;

    if (!skip && *bytes >= sizeof(sector)) {
        if (*bytes > PIECE_MAX)
            *bytes = PIECE_MAX;
        *bytes -= *bytes % sizeof(sector);
        return read_sectors(volume, to, (uint32_t)(*bytes / sizeof(sector)),
                            offset / sizeof(sector));
    }
    if (*bytes > sizeof(sector) - skip)
        *bytes = sizeof(sector) - skip;
    err = read_sectors(volume, sector, 1, offset / sizeof(sector));
    if (!err)
        memcpy(to, sector + skip, *bytes);
    return err;
}

int volume_pread(struct volume *volume, void *to, size_t bytes, uint64_t offset)
{
    char *at = to;

    while (bytes) {
        size_t piece = bytes;
        int err = read_piece(volume, at, &piece, offset);

        if (err)
            return err;
        at += piece;
        offset += piece;
        bytes -= piece;
    }
    return 0;
}
