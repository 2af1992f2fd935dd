/* SPDX-License-Identifier: MIT */
/* Blkfront for a long time: random requests, with a backend of any kind that
 * comes and goes, against a model of the disk. */
// sources: blkfront/blkfront.c blkfront/blkfront_xs.c
// sources: xen/bus/xenbus.c xen/bus/xs.c xen/bus/xs_update.c xen/bus/gnttab.c
// sources: xen/bus/ring.c xen/evtchn.c
// sources: kernel/loop.c kernel/page.c kernel/log.c
// sources: tests/fake/hv.c tests/fake/xenstored.c tests/fake/blkback.c
// sources: tests/unit/blkfront_world.c
#include "tests/unit/test.h"

#include "tests/unit/blkfront_world.h"

#include <string.h>

#define UNIT       512u
#define SECTORS    4096u
#define SLOTS      24u
#define BYTES_MAX  (200u * 1024)
#define ROUNDS     12
#define STEPS      800
#define UNIT_COUNT (BYTES_MAX / UNIT)

/* A sector's contents: the generation that was written last, and the one that
 * the last flush found answered. Between two requests nothing else is known. */
static struct model {
    uint32_t written[SECTORS], stable[SECTORS];
    bool busy[SECTORS];
    uint32_t generation;
    enum blkfront_op op; /* what was asked for last, and where it ended */
    unsigned end;
} model;

struct slot {
    struct io io;
    enum blkfront_op op;
    unsigned sector, nr, shift;
    uint32_t generation;
    uint32_t found[SECTORS]; /* a flush: what was answered when it was sent */
    char *data, memory[BYTES_MAX + 64];
};

static struct slot slots[SLOTS];
static unsigned long nr_done, nr_merged;
static bool is_over; /* what is still out will not be answered */

static void fill(struct slot *slot)
{
    world_fill(slot->data, slot->nr * UNIT, (uint64_t)slot->sector * UNIT,
               slot->generation);
}

static void check_read(const struct slot *slot)
{
    for (unsigned i = 0; i < slot->nr; i++)
        world_check(slot->data + i * UNIT, UNIT,
                    (uint64_t)(slot->sector + i) * UNIT,
                    model.written[slot->sector + i]);
}

static void slot_then(struct io *io)
{
    struct slot *slot = container_of(io, struct slot, io);
    bool write = slot->op == BLKFRONT_WRITE || slot->op == BLKFRONT_DISCARD;

    if (is_over)
        return;
    if (io->r.error)
        fake_fail("op %d failed: %d", slot->op, io->r.error);
    for (unsigned i = 0; i < slot->nr; i++) {
        model.busy[slot->sector + i] = false;
        if (write)
            model.written[slot->sector + i] = slot->generation;
        if (io->r.flags & BLKFRONT_THROUGH)
            model.stable[slot->sector + i] = slot->generation;
    }
    if (slot->op == BLKFRONT_READ)
        check_read(slot);
    if (slot->op == BLKFRONT_FLUSH)
        for (unsigned i = 0; i < SECTORS; i++)
            if (model.stable[i] < slot->found[i])
                model.stable[i] = slot->found[i];
    nr_done++;
}

static bool place(struct slot *slot, unsigned unit)
{
    unsigned max = fake_chance(20) ? UNIT_COUNT : 64;

    slot->nr = unit * (1 + fake_random_below(max / unit));
    slot->sector = unit * fake_random_below((SECTORS - slot->nr) / unit + 1);
    if (fake_chance(60) && model.end + slot->nr <= SECTORS)
        slot->sector = model.end; /* it may be merged with the last */
    for (unsigned i = 0; i < slot->nr; i++)
        if (model.busy[slot->sector + i])
            return false;
    for (unsigned i = 0; i < slot->nr; i++)
        model.busy[slot->sector + i] = true;
    model.end = slot->sector + slot->nr;
    return true;
}

static bool maybe(void)
{
    return fake_chance(50);
}

static enum blkfront_op any_op(const struct blkfront_info *info)
{
    unsigned kind = fake_random_below(100);

    if (model.op <= BLKFRONT_WRITE && maybe())
        return model.op;
    if (kind < 45)
        return BLKFRONT_READ;
    if (kind < 93)
        return BLKFRONT_WRITE;
    return kind < 97 || !info->discard ? BLKFRONT_FLUSH : BLKFRONT_DISCARD;
}

static void start(struct disk *disk, struct slot *slot)
{
    const struct blkfront_info *info = blkfront_info(disk->bf);
    bool has_data;
    int error;

    slot->op = model.op = any_op(info);
    slot->nr = 0;
    if (slot->op != BLKFRONT_FLUSH && !place(slot, info->sector_bytes / UNIT))
        return;
    has_data = slot->op == BLKFRONT_READ || slot->op == BLKFRONT_WRITE;
    slot->data = slot->memory + fake_random_below(64);
    slot->generation = slot->op == BLKFRONT_WRITE ? ++model.generation : 0;
    if (slot->op == BLKFRONT_WRITE)
        fill(slot);
    memcpy(slot->found, model.written, sizeof(slot->found));
    slot->io.r.flags =
        slot->op == BLKFRONT_WRITE && fake_chance(3) ? BLKFRONT_THROUGH : 0;
    slot->io.then = slot_then;
    error = io_start(&slot->io, disk, slot->op, (uint64_t)slot->sector * UNIT,
                     has_data ? slot->data : NULL, slot->nr * UNIT,
                     has_data ? 1 + fake_random_below(8) : 0);
    if (error == -XEN_EAGAIN)
        for (unsigned i = 0; i < slot->nr; i++)
            model.busy[slot->sector + i] = false;
    else if (error)
        fake_fail("op %d refused: %d", slot->op, error);
}

static void any_backend(struct blkback *bb, uint32_t sector_bytes)
{
    struct blkback_offer *offer = blkback_offer(bb);
    static const uint32_t segments[] = {0, 8, 11, 12, 33, 256, 600};

    offer->sectors = SECTORS;
    offer->sector_bytes = sector_bytes;
    offer->ring_order = fake_random_below(5);
    offer->segments = segments[fake_random_below(array_size(segments))];
    offer->persistent = maybe();
    offer->barrier = maybe();
    offer->flush = maybe();
    offer->discard = true;
    blkback_manner(bb)->shuffle = maybe();
    blkback_manner(bb)->copied_op = maybe();
}

static void come_and_go(struct world *w, struct disk *disk)
{
    struct blkback_manner *manner = blkback_manner(disk->bb);

    manner->hold_answers = fake_chance(10);
    manner->hold_take = fake_chance(10);
    if (fake_chance(98))
        return;
    if (maybe())
        blkback_close(disk->bb);
    else
        blkback_vanish(disk->bb);
    if (maybe()) { /* else it may be back before anybody has noticed */
        fake_run_for(&w->loop, (10 + fake_random_below(3000)) * NS_PER_MS);
        any_backend(disk->bb, blkback_offer(disk->bb)->sector_bytes);
    }
    blkback_start(disk->bb);
}

static bool all_done(void)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i].io.out)
            return false;
    return true;
}

static void run(struct world *w, struct disk *disk)
{
    for (unsigned step = 0; step < STEPS; step++) {
        struct slot *slot = &slots[fake_random_below(SLOTS)];

        if (!slot->io.out)
            start(disk, slot);
        if (fake_chance(30))
            fake_run_for(&w->loop, fake_random_below(50) * NS_PER_US);
        if (fake_chance(5))
            come_and_go(w, disk);
    }
    blkback_manner(disk->bb)->hold_answers = false;
    blkback_manner(disk->bb)->hold_take = false;
    fake_run_until(&w->loop, all_done(), 60 * NS_PER_S);
}

static struct world *fresh_world(struct disk **disk)
{
    static const uint32_t sectors[] = {0, 512, 1024, 4096};
    static const unsigned long pages[] = {200, 1024, 8192};
    struct fake_config config = {
        .pages = pages[fake_random_below(array_size(pages))],
    };
    uint32_t sector_bytes = sectors[fake_random_below(array_size(sectors))];
    struct world *w;

    config.seed = fake_random();
    w = world_start(&config);
    memset(&model, 0, sizeof(model));
    memset(slots, 0, sizeof(slots));
    *disk = world_disk(w, 0);
    any_backend((*disk)->bb, sector_bytes);
    world_connect(w, *disk);
    return w;
}

static void chance_and_a_model_agree(void **state)
{
    (void)state;
    fake_start(NULL);
    nr_done = nr_merged = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct disk *disk;
        struct world *w = fresh_world(&disk);

        run(w, disk);
        for (unsigned i = 0; i < SECTORS; i++)
            world_check_disk(disk, i * UNIT, UNIT, model.written[i]);
        nr_merged += world_stats(disk).merged;
        world_stop(w);
    }
    print_message("# %lu requests, %lu merged\n", nr_done, nr_merged);
    assert_true(nr_merged > nr_done / 20);
}

/* A generation, from a sector's contents: those since the last flush. */
static bool is_newer(struct disk *disk, unsigned sector)
{
    char data[UNIT], expected[UNIT];

    blkback_read(disk->bb, (uint64_t)sector * UNIT, data, UNIT);
    for (uint32_t g = model.stable[sector]; g <= model.generation; g++) {
        world_fill(expected, UNIT, (uint64_t)sector * UNIT, g);
        if (!memcmp(data, expected, UNIT))
            return true;
    }
    return false;
}

static void what_a_flush_promised_holds_after_a_power_cut(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        struct world *w = world_start(
            &(struct fake_config){.seed = 1000 * round + fake_random()});
        struct disk *disk = world_disk(w, 0);

        is_over = false;
        memset(&model, 0, sizeof(model));
        memset(slots, 0, sizeof(slots));
        blkback_offer(disk->bb)->sectors = SECTORS;
        blkback_offer(disk->bb)->discard = false;
        blkback_offer(disk->bb)->flush = maybe(); /* or a barrier */
        world_connect(w, disk);
        blkback_manner(disk->bb)->shuffle = true;
        for (unsigned step = 0; step < 100; step++) {
            start(disk, &slots[step % SLOTS]);
            fake_run_for(&w->loop, fake_random_below(20) * NS_PER_US);
            while (slots[(step + 1) % SLOTS].io.out)
                fake_run_for(&w->loop, NS_PER_US);
        }
        is_over = true;
        blkback_power_cut(disk->bb, fake_random_below(100));
        for (unsigned i = 0; i < SECTORS; i++)
            if (!is_newer(disk, i))
                fake_fail("sector %u is older than its flush", i);
        world_stop(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chance_and_a_model_agree),
        cmocka_unit_test(what_a_flush_promised_holds_after_a_power_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
