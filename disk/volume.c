/* SPDX-License-Identifier: MIT */
/*
 * Volumes. Drivers work with whole blocks and callbacks, file systems with
 * bytes and blocking calls: volume_pread and volume_pwrite connect them. Whole
 * blocks go straight from and to the caller's memory; a transfer that begins or
 * ends within a block goes through a copy of that block.
 */
#include "disk/volume.h"
#include "kernel/fiber.h"

#include <string.h>

/* The largest block that a volume may have: no disk has larger sectors. */
#define BLOCK_BYTES_MAX 4096

int volume_start(struct volume *volume, struct volume_request *request)
{
    uint32_t rest = volume->block_sectors - 1;

    if (request->nr > volume->nr_sectors ||
        request->sector > volume->nr_sectors - request->nr)
        return -XEN_EIO;
    if (request->sector & rest || request->nr & rest)
        return -XEN_EINVAL;
    if (volume->read_only && request->op == VOLUME_WRITE)
        return -XEN_EROFS;
    request->at = volume->first + request->sector;
    volume->start(volume, request);
    return 0;
}

bool volume_overlaps(const struct volume *a, const struct volume *b)
{
    const struct volume *whole_a = a->whole ? a->whole : a,
                        *whole_b = b->whole ? b->whole : b;

    return whole_a == whole_b && a->first < b->first + b->nr_sectors &&
           b->first < a->first + a->nr_sectors;
}

/* ---- Waiting */

struct waiting {
    struct volume_request request;
    struct fiber *fiber;
    bool done;
};

static void wake(struct volume_request *request)
{
    struct waiting *waiting = container_of(request, struct waiting, request);

    waiting->done = true;
    fiber_wake(waiting->fiber);
}

static int wait(struct volume *volume, struct waiting *waiting)
{
    int err;

    waiting->fiber = fiber_current();
    waiting->request.done = wake;
    err = volume_start(volume, &waiting->request);
    if (err)
        return err;
    while (!waiting->done)
        fiber_park();
    return waiting->request.status;
}

static int move(struct volume *volume, enum volume_op op, void *data,
                size_t bytes, uint64_t offset)
{
    struct waiting waiting = {
        .request =
            {
                .op = op,
                .sector = offset / VOLUME_SECTOR_BYTES,
                .nr = (uint32_t)(bytes / VOLUME_SECTOR_BYTES),
                .to = data,
            },
    };

    return wait(volume, &waiting);
}

/* ---- Any bytes */

/* At most this much at once: a sector count has 32 bits. */
#define PIECE_MAX (UINT32_MAX / BLOCK_BYTES_MAX * BLOCK_BYTES_MAX)

/* Transfer less than a block, within one block. */
static int move_part(struct volume *volume, enum volume_op op, char *data,
                     size_t bytes, uint64_t offset)
{
    size_t block_bytes = volume->block_sectors * VOLUME_SECTOR_BYTES;
    size_t skip = offset % block_bytes;
    char block[BLOCK_BYTES_MAX];
    int err = move(volume, VOLUME_READ, block, block_bytes, offset - skip);

    if (err)
        return err;
    if (op == VOLUME_READ) {
        memcpy(data, block + skip, bytes);
        return 0;
    }
    memcpy(block + skip, data, bytes);
    return move(volume, op, block, block_bytes, offset - skip);
}

/* Transfer the first bytes; their number is stored in *bytes. */
static int move_piece(struct volume *volume, enum volume_op op, char *data,
                      size_t *bytes, uint64_t offset)
{
    size_t block_bytes = volume->block_sectors * VOLUME_SECTOR_BYTES;
    size_t skip = offset % block_bytes;

    if (!skip && *bytes >= block_bytes) {
        if (*bytes > PIECE_MAX)
            *bytes = PIECE_MAX;
        *bytes -= *bytes % block_bytes;
        return move(volume, op, data, *bytes, offset);
    }
    if (*bytes > block_bytes - skip)
        *bytes = block_bytes - skip;
    return move_part(volume, op, data, *bytes, offset);
}

static int move_all(struct volume *volume, enum volume_op op, char *data,
                    size_t bytes, uint64_t offset)
{
    while (bytes) {
        size_t piece = bytes;
        int err = move_piece(volume, op, data, &piece, offset);

        if (err)
            return err;
        data += piece;
        offset += piece;
        bytes -= piece;
    }
    return 0;
}

int volume_pread(struct volume *volume, void *to, size_t bytes, uint64_t offset)
{
    return move_all(volume, VOLUME_READ, to, bytes, offset);
}

int volume_pwrite(struct volume *volume, const void *from, size_t bytes,
                  uint64_t offset)
{
    return move_all(volume, VOLUME_WRITE, (char *)from, bytes, offset);
}

int volume_flush(struct volume *volume)
{
    return move(volume, VOLUME_FLUSH, NULL, 0, 0);
}
