/* SPDX-License-Identifier: MIT */
/*
 * A disk in memory. Writes take effect at once, for reads; `stable` and the
 * list of writes since the last flush are what a power cut has to choose from.
 */
#include "tests/fake/volume.h"

#include "kernel/app.h"
#include "disk/disk.h"
#include "tests/fake/fake.h"

#include <stdlib.h>
#include <string.h>

struct fake_volume fake_volume;

struct fake_written {
    struct fake_written *next;
    uint64_t sector;
    uint32_t nr;
    char bytes[];
};

/* A request that is answered later. */
struct pending {
    struct timer timer;
    struct volume_request *request;
    char *read; /* what arrives then */
};

static size_t bytes_of(uint64_t nr_sectors)
{
    return (size_t)nr_sectors * VOLUME_SECTOR_BYTES;
}

/* ---- What is not flushed */

static void note_written(const struct volume_request *request)
{
    struct fake_written *written =
        malloc(sizeof(*written) + bytes_of(request->nr));

    *written = (struct fake_written){
        .sector = request->sector,
        .nr = request->nr,
    };
    memcpy(written->bytes, request->from, bytes_of(request->nr));
    *fake_volume.unflushed_tail = written;
    fake_volume.unflushed_tail = &written->next;
}

/* Each sector of it becomes stable with that chance. */
static void settle(const struct fake_written *written, unsigned percent)
{
    for (uint32_t i = 0; i < written->nr; i++)
        if (fake_chance(percent))
            memcpy(fake_volume.stable + bytes_of(written->sector + i),
                   written->bytes + bytes_of(i), VOLUME_SECTOR_BYTES);
}

static void settle_all(unsigned percent)
{
    struct fake_written *written = fake_volume.unflushed;

    while (written) {
        struct fake_written *next = written->next;

        settle(written, percent);
        free(written);
        written = next;
    }
    fake_volume.unflushed = NULL;
    fake_volume.unflushed_tail = &fake_volume.unflushed;
}

void fake_volume_cut(unsigned keep_percent)
{
    settle_all(keep_percent);
    memcpy(fake_volume.bytes, fake_volume.stable,
           bytes_of(fake_volume.volume.nr_sectors));
    fake_volume.is_cut = false;
    fake_volume.cut_at = 0;
}

/* ---- Requests */

static void read_sectors(struct volume_request *request)
{
    fake_volume.nr_reads++;
    fake_volume.bytes_read += bytes_of(request->nr);
    memcpy(request->to, fake_volume.bytes + bytes_of(request->sector),
           bytes_of(request->nr));
}

static void write_sectors(struct volume_request *request)
{
    fake_volume.nr_writes++;
    fake_volume.bytes_written += bytes_of(request->nr);
    memcpy(fake_volume.bytes + bytes_of(request->sector), request->from,
           bytes_of(request->nr));
    note_written(request);
}

static void serve(struct volume_request *request)
{
    switch (request->op) {
    case VOLUME_READ:
        read_sectors(request);
        break;
    case VOLUME_WRITE:
        write_sectors(request);
        break;
    case VOLUME_FLUSH:
        fake_volume.nr_flushes++;
        if (!fake_volume.ignores_flush)
            settle_all(100);
        break;
    }
}

static bool power_is_gone(const struct volume_request *request)
{
    bool changes = request->op == VOLUME_WRITE || request->op == VOLUME_FLUSH;

    if (changes && fake_volume.cut_at && --fake_volume.cut_at == 0)
        fake_volume.is_cut = true;
    return fake_volume.is_cut;
}

static bool is_to_fail(void)
{
    if (!fake_volume.fail_at)
        return false;
    if (--fake_volume.fail_at)
        return false;
    if (fake_volume.fail_more) {
        fake_volume.fail_more--;
        fake_volume.fail_at = 1;
    }
    return true;
}

/* A write that fails may have been done, in part. */
static void fail(struct volume_request *request)
{
    request->status = -XEN_EIO;
    if (request->op == VOLUME_READ)
        memset(request->to, 0xee, bytes_of(request->nr));
    if (request->op != VOLUME_WRITE || fake_volume.is_cut)
        return;
    request->nr -= fake_random_below(request->nr + 1);
    if (request->nr)
        write_sectors(request);
}

/* Until the answer, the room for it holds anything. */
static void hold_back(struct pending *pending)
{
    struct volume_request *request = pending->request;
    size_t bytes = bytes_of(request->nr);

    pending->read = malloc(bytes);
    memcpy(pending->read, request->to, bytes);
    memset(request->to, 0xdd, bytes);
}

static void answer(struct timer *timer)
{
    struct pending *pending = container_of(timer, struct pending, timer);
    struct volume_request *request = pending->request;

    if (pending->read)
        memcpy(request->to, pending->read, bytes_of(request->nr));
    free(pending->read);
    free(pending);
    request->done(request);
}

static void start(struct volume *volume, struct volume_request *request)
{
    uint64_t due_ns = loop_now(fake_volume.loop) + fake_volume.latency_ns;
    struct pending *pending;

    (void)volume;
    request->status = 0;
    if (power_is_gone(request) || is_to_fail())
        fail(request);
    else
        serve(request);
    pending = calloc(1, sizeof(*pending));
    pending->request = request;
    if (request->op == VOLUME_READ) {
        due_ns += fake_volume.read_ns;
        hold_back(pending);
    }
    timer_start(fake_volume.loop, &pending->timer, due_ns, answer);
}

/* ---- The disk */

void fake_volume_make(uint64_t nr_sectors, uint32_t block_sectors)
{
    fake_volume_free();
    fake_volume = (struct fake_volume){
        .volume =
            {
                .name = "xvda",
                .nr_sectors = nr_sectors,
                .block_sectors = block_sectors,
                .start = start,
            },
        .latency_ns = NS_PER_S / 1000000,
        .bytes = calloc(1, bytes_of(nr_sectors)),
        .stable = calloc(1, bytes_of(nr_sectors)),
    };
    fake_volume.unflushed_tail = &fake_volume.unflushed;
}

static char *grow(char *bytes, size_t before, size_t after)
{
    bytes = realloc(bytes, after);
    memset(bytes + before, 0, after - before);
    return bytes;
}

void fake_volume_grow(uint64_t nr_sectors)
{
    size_t before = bytes_of(fake_volume.volume.nr_sectors);

    fake_volume.bytes = grow(fake_volume.bytes, before, bytes_of(nr_sectors));
    fake_volume.stable = grow(fake_volume.stable, before, bytes_of(nr_sectors));
    fake_volume.volume.nr_sectors = nr_sectors;
}

void fake_volume_free(void)
{
    if (fake_volume.bytes)
        settle_all(0);
    free(fake_volume.bytes);
    free(fake_volume.stable);
    fake_volume = (struct fake_volume){.bytes = NULL};
}

/* ---- In place of disk/disks.c */

void disks_init(struct disks *disks, struct app *app)
{
    *disks = (struct disks){.app = app};
    fake_volume.loop = app->loop;
}

bool disks_is_name(const char *name)
{
    return *name;
}

int disks_open(struct disks *disks, const char *name, struct volume **volume)
{
    (void)disks;
    (void)name;
    *volume = &fake_volume.volume;
    return 0;
}

void disks_leave(struct disks *disks)
{
    (void)disks;
}

bool disks_is_same(const char *name, const char *other)
{
    return strcmp(name, other) == 0;
}

void disks_close(struct disks *disks)
{
    (void)disks;
}
