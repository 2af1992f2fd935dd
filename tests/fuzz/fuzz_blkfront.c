/* SPDX-License-Identifier: MIT */
/*
 * The input is what a hostile blkback does, and what the owner asks for
 * meanwhile: each command a byte and its arguments. Whatever it is, the guest
 * must not touch memory that is not its own, not hang, and work with the honest
 * backend that comes after.
 */
// sources: blkfront/blkfront.c blkfront/blkfront_xs.c
// sources: xen/bus/xenbus.c xen/bus/xs.c xen/bus/xs_update.c xen/bus/gnttab.c
// sources: xen/bus/ring.c xen/evtchn.c
// sources: kernel/loop.c kernel/page.c kernel/log.c
// sources: tests/fake/hv.c tests/fake/xenstored.c tests/fake/blkback.c
// sources: tests/unit/blkfront_world.c
#include "tests/unit/blkfront_world.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define IOS      16u
#define IO_BYTES 65536u

struct input {
    const uint8_t *at, *end;
};

static struct io ios[IOS];
static char memory[IOS][IO_BYTES];

static uint64_t take(struct input *in, size_t bytes)
{
    size_t n = (size_t)(in->end - in->at);
    uint64_t value = 0;

    memcpy(&value, in->at, n < bytes ? n : bytes);
    in->at += n < bytes ? n : bytes;
    return value;
}

/* Answer the next request, with its own id and operation if `honest`. */
static void answer(struct disk *disk, struct input *in, bool honest)
{
    blkif_request_t request = {0};
    uint64_t id = honest ? 0 : take(in, 1 + take(in, 1) % 8);
    uint8_t operation = honest ? 0 : (uint8_t)take(in, 1);
    int16_t status = (int16_t)((int)(take(in, 1) % 8) - 4);

    (void)blkback_next(disk->bb, &request);
    blkback_answer(disk->bb, honest ? request.id : id,
                   honest ? request.operation : operation,
                   honest && status > -3 && status < 1 ? status : 0);
}

static void submit(struct disk *disk, struct input *in)
{
    struct io *io = &ios[take(in, 1) % IOS];
    enum blkfront_op op = take(in, 1) % 4;
    size_t bytes = op == BLKFRONT_FLUSH ? 0 : take(in, 2) % IO_BYTES & ~511u;
    bool has_data = op == BLKFRONT_READ || op == BLKFRONT_WRITE;
    uint64_t offset = (take(in, 2) % 16384) * 512;
    unsigned flags = (unsigned)take(in, 1);
    static uint64_t end; /* of the last */

    if (io->out)
        return;
    io->r.flags = flags % 4;
    if (flags & 4) /* this one may be merged with it */
        offset = end;
    end = offset + bytes;
    (void)io_start(io, disk, op, offset, has_data ? memory[io - ios] : NULL,
                   bytes, has_data ? 1 + take(in, 1) % 8 : 0);
}

static void set_key(struct input *in)
{
    static const char *const keys[] = {
        "sectors",
        "sector-size",
        "info",
        "state",
        "mode",
        "feature-flush-cache",
        "feature-max-indirect-segments",
        "online",
    };
    char path[96], value[8];

    snprintf(path, sizeof(path), "%s/%s", FAKE_XS_BACKEND("vbd", 51712),
             keys[take(in, 1) % array_size(keys)]);
    for (unsigned i = 0; i < sizeof(value); i++)
        value[i] = (char)take(in, 1);
    fake_xs_set_bytes(path, value, take(in, 1) % sizeof(value));
}

static void leave_and_return(struct world *w, struct disk *disk,
                             struct input *in)
{
    if (take(in, 1) & 1)
        blkback_vanish(disk->bb);
    else
        blkback_close(disk->bb);
    fake_run_for(&w->loop, NS_PER_MS);
    blkback_offer(disk->bb)->segments = (uint32_t)take(in, 1);
    blkback_offer(disk->bb)->flush = take(in, 1) & 1;
    blkback_start(disk->bb);
}

static void command(struct world *w, struct disk *disk, struct input *in)
{
    bool there = blkback_connected(disk->bb);

    switch (take(in, 1) % 12) {
    case 0:
    case 1:
        answer(disk, in, true);
        break;
    case 2:
        answer(disk, in, false);
        break;
    case 3:
        if (there)
            blkback_ring(disk->bb)->rsp_prod += (RING_IDX)take(in, 2);
        break;
    case 4:
        blkback_scribble(disk->bb);
        break;
    case 5:
        blkback_push(disk->bb);
        break;
    case 6:
    case 7:
        submit(disk, in);
        break;
    case 8:
        set_key(in);
        break;
    case 9:
        leave_and_return(w, disk, in);
        break;
    default:
        blkback_notify(disk->bb);
        fake_run_for(&w->loop, 1 + take(in, 1) * NS_PER_US);
    }
}

static bool is_out(void)
{
    for (unsigned i = 0; i < IOS; i++)
        if (ios[i].out)
            return true;
    return false;
}

static void check_alive(struct world *w, struct disk *disk)
{
    struct io io = {0};

    *blkback_manner(disk->bb) = (struct blkback_manner){0};
    blkback_vanish(disk->bb);
    fake_run_for(&w->loop, 2 * NS_PER_S);
    *blkback_offer(disk->bb) = (struct blkback_offer){.sectors = 16384};
    world_connect(w, disk);
    fake_run_until(&w->loop, !is_out(), NS_PER_S);
    if (io_start(&io, disk, BLKFRONT_READ, 0, memory[0], IO_BYTES, 3) ||
        io_wait(&io))
        fake_fail("it does not work any more");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input in = {data, data + bytes};
    struct world *w = world_start(&(struct fake_config){.pages = 512});
    struct disk *disk = world_disk_up(w, 0);

    memset(ios, 0, sizeof(ios));
    blkback_manner(disk->bb)->manual = true;
    while (in.at < in.end)
        command(w, disk, &in);
    check_alive(w, disk);
    world_stop(w);
    return 0;
}
