/* SPDX-License-Identifier: MIT */
/* See blkfront_world.h. */
#include "tests/unit/blkfront_world.h"

#include "kernel/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_NS (50 * NS_PER_MS)
#define BLOCK     512u

static struct world world;
static char logged[65536];
static size_t logged_bytes;
static unsigned answers;

/* ---- Contents */

static uint64_t word_of(uint64_t block, uint32_t generation, unsigned i)
{
    uint64_t x = block * UINT64_C(0x9e3779b97f4a7c15) +
                 generation * UINT64_C(0xd6e8feb86659fd93) + i;

    return generation ? x ^ x >> 29 : 0; /* generation 0: never written */
}

void world_fill(void *data, size_t bytes, uint64_t offset, uint32_t generation)
{
    uint8_t *to = data;

    for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t word = word_of((offset + at) / BLOCK, generation,
                                at % BLOCK / sizeof(uint64_t));

        memcpy(to + at, &word, sizeof(word));
    }
}

void world_check(const void *data, size_t bytes, uint64_t offset,
                 uint32_t generation)
{
    uint8_t block[BLOCK];

    for (size_t at = 0; at < bytes; at += BLOCK) {
        world_fill(block, BLOCK, offset + at, generation);
        if (memcmp(block, (const uint8_t *)data + at, BLOCK))
            fake_fail("byte %" PRIu64 " on is not of generation %u",
                      offset + at, generation);
    }
}

void world_check_disk(struct disk *disk, uint64_t offset, size_t bytes,
                      uint32_t generation)
{
    char *data = malloc(bytes);

    blkback_read(disk->bb, offset, data, bytes);
    world_check(data, bytes, offset, generation);
    free(data);
}

/* ---- Requests */

static void io_done(struct blkfront_request *r)
{
    struct io *io = container_of(r, struct io, r);

    if (!io->out)
        fake_fail("a request was answered twice");
    io->out = false;
    io->answer = ++answers;
    if (io->then)
        io->then(io);
}

static void cut(struct io *io, char *data, size_t bytes, unsigned nr)
{
    size_t at = 0;

    for (unsigned i = 0; i < nr; i++) {
        size_t n = i + 1 == nr ? bytes - at : fake_random_below(bytes - at + 1);

        io->pieces[i] = (struct blkfront_piece){n ? data + at : NULL, n};
        at += n;
    }
}

int io_start(struct io *io, struct disk *disk, enum blkfront_op op,
             uint64_t offset, void *data, size_t bytes, unsigned pieces)
{
    int error;

    if (data)
        cut(io, data, bytes, pieces);
    io->disk = disk;
    io->answer = 0;
    io->r.op = op;
    io->r.offset = offset;
    io->r.bytes = bytes;
    io->r.pieces = io->pieces;
    io->r.nr_pieces = data ? pieces : 0;
    io->r.done = io_done;
    io->out = true;
    error = blkfront_submit(disk->bf, &io->r);
    io->out = !error;
    return error;
}

int io_wait(struct io *io)
{
    fake_run_until(&io->disk->world->loop, !io->out, 100 * NS_PER_S);
    return io->r.error;
}

int io_run_flags(struct disk *disk, enum blkfront_op op, unsigned flags,
                 uint64_t offset, void *data, size_t bytes)
{
    struct io io = {.r.flags = flags};
    int error = io_start(&io, disk, op, offset, data, bytes, 1);

    return error ? error : io_wait(&io);
}

int io_run(struct disk *disk, enum blkfront_op op, uint64_t offset, void *data,
           size_t bytes)
{
    return io_run_flags(disk, op, 0, offset, data, bytes);
}

/* ---- The owner */

static void on_link(void *arg, bool up)
{
    struct disk *disk = arg;

    if (up == disk->up)
        fake_fail("the link was %s already", up ? "up" : "down");
    disk->up = up;
    disk->ups += up;
    disk->downs += !up;
}

static void on_resized(void *arg)
{
    ((struct disk *)arg)->resizes++;
}

static void on_room(void *arg)
{
    ((struct disk *)arg)->rooms++;
}

/* ---- The world */

static void keep_line(void *arg, const char *line, size_t len)
{
    (void)arg;
    if (logged_bytes + len >= sizeof(logged))
        logged_bytes = 0; /* the latest lines matter */
    memcpy(logged + logged_bytes, line, len);
    logged_bytes += len;
    logged[logged_bytes] = '\0';
}

bool world_logged(const char *text)
{
    return strstr(logged, text) != NULL;
}

unsigned world_logged_times(const char *text)
{
    unsigned n = 0;

    for (const char *at = logged; (at = strstr(at, text)); at++)
        n++;
    return n;
}

struct world *world_start(const struct fake_config *config)
{
    struct world *w = &world;

    fake_stop(); /* after a test that failed */
    memset(w, 0, sizeof(*w));
    logged_bytes = 0;
    logged[0] = '\0';
    answers = 0;
    log_set_sink(keep_line, NULL);
    fake_start(config);
    fake_xs_start();
    pages_init(&w->pages);
    loop_init(&w->loop);
    gnttab_init(&w->gt, &w->loop, &w->pages);
    xs_init(&w->xs, &w->loop);
    return w;
}

void world_settle(struct world *w)
{
    fake_run_for(&w->loop, SETTLE_NS);
}

struct disk *world_disk(struct world *w, unsigned n)
{
    struct disk *disk = &w->disks[n];

    disk->world = w;
    disk->index = WORLD_XVDA + 16 * n;
    disk->bb = blkback_new(disk->index);
    return disk;
}

void world_create(struct world *w, struct disk *disk)
{
    const struct blkfront_owner owner = {
        .link = on_link,
        .resized = on_resized,
        .room = on_room,
        .arg = disk,
    };

    disk->bf = blkfront_create(disk->index, &w->loop, &w->pages, &w->gt, &w->xs,
                               &owner);
}

void world_connect(struct world *w, struct disk *disk)
{
    blkback_start(disk->bb);
    if (!disk->bf)
        world_create(w, disk);
    fake_run_until(&w->loop, disk->up, 5 * NS_PER_S);
}

struct disk *world_disk_up(struct world *w, unsigned n)
{
    struct disk *disk = world_disk(w, n);

    world_connect(w, disk);
    return disk;
}

void world_destroy(struct world *w, struct disk *disk)
{
    if (!disk->bf)
        return;
    blkfront_destroy(disk->bf);
    world_settle(w);
    disk->bf = NULL;
    disk->up = false;
}

/* What is left when all devices are gone is the frames' bookkeeping. */
static void check_nothing_left(struct world *w)
{
    fake_run_for(&w->loop, 2 * GNTTAB_RETRY_NS);
    if (w->gt.nr_live)
        fake_fail("%u grant references were not given back", w->gt.nr_live);
    if (w->pages.nr_used != w->gt.nr_frames)
        fake_fail("%lu pages are lost", w->pages.nr_used - w->gt.nr_frames);
    if (fake_xs_watches())
        fake_fail("%u watches were forgotten", fake_xs_watches());
}

void world_stop(struct world *w)
{
    for (unsigned i = 0; i < array_size(w->disks); i++)
        world_destroy(w, &w->disks[i]);
    for (unsigned i = 0; i < array_size(w->disks); i++)
        if (w->disks[i].bb)
            blkback_free(w->disks[i].bb);
    check_nothing_left(w);
    fake_xs_stop();
    fake_stop();
    fake_check_clean();
}

struct blkfront_stats world_stats(const struct disk *disk)
{
    struct blkfront_stats stats;

    blkfront_stats(disk->bf, &stats);
    return stats;
}

struct blkback_stats world_seen(const struct disk *disk)
{
    struct blkback_stats stats;

    blkback_stats(disk->bb, &stats);
    return stats;
}
