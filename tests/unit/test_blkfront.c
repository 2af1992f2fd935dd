/* SPDX-License-Identifier: MIT */
/* Blkfront with an honest backend: features, data, order, memory. */
// sources: blkfront/blkfront.c blkfront/blkfront_xs.c
// sources: xen/bus/xenbus.c xen/bus/xs.c xen/bus/xs_update.c xen/bus/gnttab.c
// sources: xen/bus/ring.c xen/evtchn.c
// sources: kernel/loop.c kernel/page.c kernel/log.c
// sources: tests/fake/hv.c tests/fake/xenstored.c tests/fake/blkback.c
// sources: tests/unit/blkfront_world.c
#include "tests/unit/test.h"

#include "tests/unit/blkfront_world.h"
#include "xen/bus/xenbus.h"

#include <string.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

static char data[4 * MIB];

/* What to change in the offer of a backend before it starts. */
typedef void change_fn(struct blkback_offer *offer);

static struct disk *disk_with(struct world *w, change_fn *change)
{
    struct disk *disk = world_disk(w, 0);

    change(blkback_offer(disk->bb));
    world_connect(w, disk);
    return disk;
}

/* A disk that is refused: the link never comes up. */
static struct disk *no_disk_with(struct world *w, change_fn *change)
{
    struct disk *disk = world_disk(w, 0);
    struct io io = {0};

    change(blkback_offer(disk->bb));
    blkback_start(disk->bb);
    world_create(w, disk);
    world_settle(w);
    assert_false(disk->up);
    assert_int_equal(io_start(&io, disk, BLKFRONT_READ, 0, data, 512, 1),
                     -XEN_ENODEV);
    return disk;
}

static void write_at(struct disk *disk, uint64_t offset, size_t bytes,
                     uint32_t generation)
{
    world_fill(data, bytes, offset, generation);
    assert_int_equal(io_run(disk, BLKFRONT_WRITE, offset, data, bytes), 0);
}

static void read_at(struct disk *disk, uint64_t offset, size_t bytes,
                    uint32_t generation)
{
    memset(data, 0xee, bytes);
    assert_int_equal(io_run(disk, BLKFRONT_READ, offset, data, bytes), 0);
    world_check(data, bytes, offset, generation);
}

/* Writes and reads of many sizes, checked on the other side. */
static void exercise(struct disk *disk)
{
    uint64_t sector = blkfront_info(disk->bf)->sector_bytes;
    static const unsigned sectors[] = {1, 2, 7, 8, 9, 87, 88, 89, 255, 256};

    for (unsigned i = 0; i < array_size(sectors); i++) {
        uint64_t offset = (3 + i) * sector;
        size_t bytes = sectors[i] * sector;

        write_at(disk, offset, bytes, i + 1);
        world_check_disk(disk, offset, bytes, i + 1);
        read_at(disk, offset, bytes, i + 1);
    }
    assert_int_equal(io_run(disk, BLKFRONT_FLUSH, 0, NULL, 0), 0);
}

/* ---- The handshake */

static void connects_and_tells_what_it_learnt(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    const struct blkfront_info *info = blkfront_info(disk->bf);

    (void)state;
    assert_int_equal(info->bytes, 8 * MIB);
    assert_int_equal(info->sector_bytes, 512);
    assert_int_equal(info->physical_bytes, 512);
    assert_false(info->read_only);
    assert_true(info->flush);
    assert_true(info->discard);
    assert_true(info->discard_secure);
    assert_int_equal(info->discard_bytes, 512);
    assert_int_equal(info->segments_max, 256);
    assert_string_equal(blkfront_name(disk->bf), "xvda");
    assert_true(world_logged("xvda: up, 8192 KiB in sectors of 512"));
    exercise(disk);
    assert_string_equal(fake_xs_get("device/vbd/51712/state"), "4");
    world_stop(w);
}

static void bare(struct blkback_offer *offer)
{
    *offer = (struct blkback_offer){.sectors = 16384};
}

static void a_backend_that_has_nothing_will_do(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = disk_with(w, bare);
    const struct blkfront_info *info = blkfront_info(disk->bf);

    (void)state;
    assert_false(info->flush);
    assert_false(info->discard);
    assert_int_equal(info->requests_max, 32);
    assert_int_equal(info->segments_max, 11);
    assert_int_equal(info->sector_bytes, 512);
    assert_non_null(fake_xs_get("device/vbd/51712/ring-ref"));
    assert_null(fake_xs_get("device/vbd/51712/ring-ref0"));
    assert_null(fake_xs_get("device/vbd/51712/ring-page-order"));
    exercise(disk);
    assert_int_equal(world_seen(disk).flushes, 0);
    assert_int_equal(world_seen(disk).barriers, 0);
    assert_int_equal(world_seen(disk).indirects, 0);
    world_stop(w);
}

static const char *size_text;

static void some_size(struct blkback_offer *offer)
{
    offer->sectors_text = size_text;
}

static void a_size_that_is_none_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "many",
        "-1",
        "1e9",
        "18446744073709551616",
        "000000000000000000000000000000000000001",
    };

    (void)state;
    for (unsigned i = 0; i < array_size(texts); i++) {
        struct world *w = world_start(NULL);

        size_text = texts[i];
        no_disk_with(w, some_size);
        assert_true(world_logged("/sectors is no size"));
        world_stop(w);
    }
}

static void largest(struct blkback_offer *offer)
{
    offer->sectors_text = "18446744073709551600";
    offer->sectors = UINT64_MAX;
}

static void the_largest_size_is_cut(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = disk_with(w, largest);
    uint64_t bytes = blkfront_info(disk->bf)->bytes;

    (void)state;
    assert_int_equal(bytes, (uint64_t)INT64_MAX - 511);
    write_at(disk, bytes - 512, 512, 1);
    read_at(disk, bytes - 512, 512, 1);
    world_stop(w);
}

static uint32_t sector_bytes;

static void large(struct blkback_offer *offer)
{
    offer->sectors = 40 * TIB / 512;
    offer->sector_bytes = sector_bytes;
}

static void there_is_no_limit_of_1_tib(void **state)
{
    static const uint64_t places[] = {TIB - 4096, TIB,      2 * TIB - 8192,
                                      2 * TIB,    16 * TIB, 40 * TIB - 8192};

    (void)state;
    for (sector_bytes = 512; sector_bytes <= 4096; sector_bytes *= 8) {
        struct world *w = world_start(NULL);
        struct disk *disk = disk_with(w, large);

        assert_int_equal(blkfront_info(disk->bf)->bytes, 40 * TIB);
        for (unsigned i = 0; i < array_size(places); i++)
            write_at(disk, places[i], 8192, i + 1);
        for (unsigned i = 1; i < array_size(places); i++)
            read_at(disk, places[i], 8192, i + 1);
        read_at(disk, places[0], 4096, 1); /* the second overlaps it */
        assert_int_equal(io_run(disk, BLKFRONT_DISCARD, 4096, NULL, 39 * TIB),
                         0);
        read_at(disk, 16 * TIB, 8192, 0);
        read_at(disk, 40 * TIB - 8192, 8192, array_size(places));
        assert_int_equal(io_run(disk, BLKFRONT_READ, 40 * TIB, data, 4096),
                         -XEN_ERANGE);
        world_stop(w);
    }
}

static void some_sector(struct blkback_offer *offer)
{
    offer->sector_bytes = sector_bytes;
    offer->physical_bytes = 4096;
}

static void sectors_may_be_of_512_to_4096(void **state)
{
    (void)state;
    for (sector_bytes = 512; sector_bytes <= 4096; sector_bytes *= 2) {
        struct world *w = world_start(NULL);
        struct disk *disk = disk_with(w, some_sector);

        assert_int_equal(blkfront_info(disk->bf)->sector_bytes, sector_bytes);
        assert_int_equal(blkfront_info(disk->bf)->physical_bytes, 4096);
        assert_int_equal(blkfront_info(disk->bf)->bytes, 8 * MIB);
        exercise(disk);
        if (sector_bytes > 512) {
            assert_int_equal(io_run(disk, BLKFRONT_READ, 0, data, 512),
                             -XEN_EINVAL);
            assert_int_equal(io_run(disk, BLKFRONT_READ, 512, data, 4096),
                             -XEN_EINVAL);
        }
        world_stop(w);
    }
}

static void other_sectors_are_refused(void **state)
{
    static const uint32_t sizes[] = {1, 256, 520, 8192, 4096 * 3, 0x80000000};

    (void)state;
    for (unsigned i = 0; i < array_size(sizes); i++) {
        struct world *w = world_start(NULL);

        sector_bytes = sizes[i];
        no_disk_with(w, some_sector);
        assert_true(world_logged("sector-size"));
        world_stop(w);
    }
}

static void odd_physical(struct blkback_offer *offer)
{
    offer->sector_bytes = 4096;
    offer->physical_bytes = 6000;
    offer->discard_bytes = 65536;
    offer->discard_offset = 4096;
}

static void a_physical_sector_that_makes_no_sense_is_ignored(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = disk_with(w, odd_physical);

    (void)state;
    assert_int_equal(blkfront_info(disk->bf)->physical_bytes, 4096);
    assert_int_equal(blkfront_info(disk->bf)->discard_bytes, 65536);
    assert_int_equal(blkfront_info(disk->bf)->discard_offset, 4096);
    world_stop(w);
}

static void cdrom_by_type(struct blkback_offer *offer)
{
    offer->type = "cdrom";
}

static void cdrom_by_info(struct blkback_offer *offer)
{
    offer->info = VDISK_CDROM | VDISK_READONLY;
}

static void a_cdrom_is_refused_in_words(void **state)
{
    struct world *w = world_start(NULL);

    (void)state;
    no_disk_with(w, cdrom_by_type);
    assert_true(world_logged("xvda: not used: it is a cdrom"));
    assert_int_equal(w->pages.nr_used, w->pages.nr_used_max);
    world_stop(w);

    w = world_start(NULL);
    no_disk_with(w, cdrom_by_info);
    assert_true(world_logged("it is a CD-ROM"));
    world_stop(w);
}

static void read_only_by_info(struct blkback_offer *offer)
{
    offer->info = VDISK_READONLY;
}

static void read_only_by_mode(struct blkback_offer *offer)
{
    offer->mode = "r";
}

static void a_read_only_disk_is_only_read(void **state)
{
    change_fn *const changes[] = {read_only_by_info, read_only_by_mode};

    (void)state;
    for (unsigned i = 0; i < array_size(changes); i++) {
        struct world *w = world_start(NULL);
        struct disk *disk = disk_with(w, changes[i]);

        world_fill(data, 8192, 4096, 1);
        blkback_write(disk->bb, 4096, data, 8192);
        assert_true(blkfront_info(disk->bf)->read_only);
        read_at(disk, 4096, 8192, 1);
        assert_int_equal(io_run(disk, BLKFRONT_WRITE, 0, data, 512),
                         -XEN_EROFS);
        assert_int_equal(io_run(disk, BLKFRONT_DISCARD, 0, NULL, 512),
                         -XEN_EROFS);
        assert_int_equal(io_run(disk, BLKFRONT_FLUSH, 0, NULL, 0), 0);
        assert_int_equal(world_seen(disk).writes, 0);
        world_stop(w);
    }
}

static void several_disks_are_several(void **state)
{
    struct world *w = world_start(NULL);

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        world_disk_up(w, i);
    assert_string_equal(blkfront_name(w->disks[2].bf), "xvdc");
    for (unsigned i = 0; i < 3; i++)
        write_at(&w->disks[i], 4096, 65536, i + 1);
    blkback_close(w->disks[1].bb);
    fake_run_until(&w->loop, !w->disks[1].up, NS_PER_S);
    read_at(&w->disks[0], 4096, 65536, 1);
    read_at(&w->disks[2], 4096, 65536, 3);
    world_connect(w, &w->disks[1]);
    read_at(&w->disks[1], 4096, 65536, 2);
    world_stop(w);
}

static void names_are_xens(void **state)
{
    static const struct {
        unsigned index;
        const char *name;
    } cases[] = {
        {51712, "xvda"},           {51713, "xvda1"},
        {51727, "xvda15"},         {51728, "xvdb"},
        {51952, "xvdp"},           {(1u << 28) | 16 << 8, "xvdq"},
        {(1u << 28) | 1, "xvda1"}, {(1u << 28) | 26 << 8, "vbd268442112"},
        {768, "vbd768"},           {2048, "vbd2048"},
    };
    struct world *w = world_start(NULL);
    const struct blkfront_owner owner = {0};

    (void)state;
    for (unsigned i = 0; i < array_size(cases); i++) {
        struct blkfront *bf = blkfront_create(
            cases[i].index, &w->loop, &w->pages, &w->gt, &w->xs, &owner);

        assert_string_equal(blkfront_name(bf), cases[i].name);
        blkfront_destroy(bf);
        world_settle(w);
    }
    world_stop(w);
}

/* ---- The ring */

static unsigned order_offered, pages_offered;

static void some_ring(struct blkback_offer *offer)
{
    offer->ring_order = order_offered;
    offer->ring_pages = pages_offered;
}

static void the_ring_is_as_large_as_both_allow(void **state)
{
    static const struct {
        unsigned order, pages, slots;
        unsigned long memory;
    } cases[] = {
        {0, 0, 32, 8192},  {0, 1, 32, 8192},  {1, 0, 64, 8192},
        {0, 2, 64, 8192},  {2, 0, 128, 8192}, {9, 0, 128, 8192},
        {0, 7, 128, 8192}, {4, 16, 32, 512},  {4, 16, 128, 2048},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(cases); i++) {
        struct fake_config config = {.pages = cases[i].memory};
        struct world *w = world_start(&config);
        struct disk *disk;

        order_offered = cases[i].order;
        pages_offered = cases[i].pages;
        disk = disk_with(w, some_ring);
        if (blkfront_info(disk->bf)->requests_max != cases[i].slots)
            fail_msg("case %u: %u slots", i,
                     blkfront_info(disk->bf)->requests_max);
        exercise(disk);
        world_stop(w);
    }
}

static void no_pages_in_a_row(struct blkback_offer *offer)
{
    offer->ring_order = 2;
}

static void without_contiguous_pages_the_ring_is_smaller(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk(w, 0);
    static void *taken[1024];
    unsigned nr = 0;

    (void)state;
    no_pages_in_a_row(blkback_offer(disk->bb));
    world_create(w, disk);
    while ((taken[nr] = page_alloc(&w->pages, 1)))
        nr++;
    for (unsigned i = 0; i < nr; i += 2)
        page_free(&w->pages, taken[i], 1);
    world_connect(w, disk);
    assert_int_equal(world_seen(disk).ring_pages, 1);
    exercise(disk);
    for (unsigned i = 1; i < nr; i += 2)
        page_free(&w->pages, taken[i], 1);
    world_stop(w);
}

static void a_full_ring_says_so_and_tells_when_there_is_room(void **state)
{
    static struct io ios[129];
    struct world *w = world_start(&(struct fake_config){.pages = 8192});
    struct disk *disk = world_disk_up(w, 0);
    unsigned max = blkfront_info(disk->bf)->requests_max;

    (void)state;
    assert_int_equal(max, 128);
    blkback_manner(disk->bb)->hold_answers = true;
    for (unsigned i = 0; i < max; i++) {
        assert_int_equal(io_start(&ios[i], disk, BLKFRONT_READ, i * 1024,
                                  data + i * 512, 512, 1),
                         0);
    }
    assert_int_equal(io_start(&ios[max], disk, BLKFRONT_READ, 0, data, 512, 1),
                     -XEN_EAGAIN);
    world_settle(w);
    assert_int_equal(world_seen(disk).unanswered, 128);
    assert_int_equal(disk->rooms, 0);
    blkback_manner(disk->bb)->hold_answers = false;
    world_settle(w);
    for (unsigned i = 0; i < max; i++)
        assert_int_equal(io_wait(&ios[i]), 0);
    assert_int_equal(disk->rooms, 1);
    assert_int_equal(world_stats(disk).full, 1);
    world_stop(w);
}

static void many_requests_cost_one_notification(void **state)
{
    static struct io ios[32];
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    struct blkfront_stats before;

    (void)state;
    world_settle(w);
    before = world_stats(disk); /* the backend's coming is an event, too */
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(io_start(&ios[i], disk, BLKFRONT_READ, i * 512,
                                  data + i * 512, 512, 1),
                         0);
    for (unsigned i = 0; i < 32; i++)
        io_wait(&ios[i]);
    assert_int_equal(world_stats(disk).notifies, before.notifies + 1);
    assert_int_equal(world_stats(disk).events, before.events + 1);
    world_stop(w);
}

/* ---- Data */

static void some_segments(struct blkback_offer *offer)
{
    offer->segments = pages_offered;
}

static void requests_are_split_as_the_backend_takes_them(void **state)
{
    static const struct {
        unsigned segments, parts; /* of 1 MiB */
        bool indirect;
    } cases[] = {
        {0, 24, false}, {4, 24, false}, {11, 24, false},   {12, 22, true},
        {32, 8, true},  {256, 1, true}, {100000, 1, true},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(cases); i++) {
        struct world *w = world_start(&(struct fake_config){.pages = 16384});
        struct disk *disk;

        pages_offered = cases[i].segments;
        disk = disk_with(w, some_segments);
        write_at(disk, 512, MIB, 1);
        assert_int_equal(world_seen(disk).writes, cases[i].parts);
        assert_int_equal(world_seen(disk).indirects > 0, cases[i].indirect);
        read_at(disk, 512, MIB, 1);
        assert_int_equal(world_seen(disk).reads, cases[i].parts);
        world_stop(w);
    }
}

static void a_request_larger_than_the_pool_comes_in_parts(void **state)
{
    struct world *w = world_start(NULL); /* 4 MiB: a pool of some 60 pages */
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    write_at(disk, 0, 3 * MIB, 1);
    world_check_disk(disk, 0, 3 * MIB, 1);
    read_at(disk, 0, 3 * MIB, 1);
    world_stop(w);
}

static void pieces_may_be_of_any_length(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct io io = {0};
        size_t bytes = 512 * (1 + fake_random_below(300));
        uint64_t offset = 512 * fake_random_below(1000);
        unsigned pieces = 1 + fake_random_below(IO_PIECES_MAX);
        char *at = data + fake_random_below(100);

        world_fill(at, bytes, offset, i + 1);
        assert_int_equal(
            io_start(&io, disk, BLKFRONT_WRITE, offset, at, bytes, pieces), 0);
        assert_int_equal(io_wait(&io), 0);
        world_check_disk(disk, offset, bytes, i + 1);
        memset(at, 0, bytes);
        assert_int_equal(
            io_start(&io, disk, BLKFRONT_READ, offset, at, bytes, pieces), 0);
        assert_int_equal(io_wait(&io), 0);
        world_check(at, bytes, offset, i + 1);
    }
    world_stop(w);
}

static void bad_requests_are_refused_at_once(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    static const struct {
        uint64_t offset;
        size_t bytes;
        int error;
    } cases[] = {
        {0, 0, -XEN_EINVAL},
        {0, 511, -XEN_EINVAL},
        {1, 512, -XEN_EINVAL},
        {8 * MIB, 512, -XEN_ERANGE},
        {8 * MIB - 512, 1024, -XEN_ERANGE},
        {UINT64_MAX - 511, 512, -XEN_ERANGE},
        {UINT64_MAX - 511, 1024, -XEN_ERANGE},
        {8 * MIB - 512, 512, 0},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(cases); i++) {
        assert_int_equal(
            io_run(disk, BLKFRONT_READ, cases[i].offset, data, cases[i].bytes),
            cases[i].error);
        assert_int_equal(
            io_run(disk, BLKFRONT_WRITE, cases[i].offset, data, cases[i].bytes),
            cases[i].error);
        assert_int_equal(io_run(disk, BLKFRONT_DISCARD, cases[i].offset, NULL,
                                cases[i].bytes),
                         cases[i].error);
    }
    assert_int_equal(world_seen(disk).requests, 3);
    world_stop(w);
}

static void an_error_is_its_requests_alone(void **state)
{
    static struct io ios[8];
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    unsigned errors = 0;

    (void)state;
    blkback_manner(disk->bb)->fail_nth = 5;
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(io_start(&ios[i], disk, BLKFRONT_WRITE, i * 8192,
                                  data + i * 4096, 4096, 1),
                         0);
    for (unsigned i = 0; i < 8; i++) {
        errors += io_wait(&ios[i]) == -XEN_EIO;
        assert_int_equal(ios[i].r.error, i == 4 ? -XEN_EIO : 0);
    }
    assert_int_equal(errors, 1);
    assert_int_equal(world_stats(disk).errors, 1);
    assert_true(disk->up);
    world_stop(w);
}

static void the_rest_of_a_request_that_failed_is_not_sent(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = disk_with(w, bare);

    (void)state;
    blkback_manner(disk->bb)->fail_nth = 1;
    assert_int_equal(io_run(disk, BLKFRONT_WRITE, 0, data, 4 * MIB), -XEN_EIO);
    assert_true(world_seen(disk).writes < 40);
    exercise(disk);
    world_stop(w);
}

/* ---- Requests that continue one another */

static struct io row[64];

/* nr requests of so many bytes, one behind the other from `offset` on. */
static void row_start(struct disk *disk, enum blkfront_op op, uint64_t offset,
                      unsigned nr, size_t bytes)
{
    for (unsigned i = 0; i < nr; i++)
        assert_int_equal(io_start(&row[i], disk, op, offset + i * bytes,
                                  data + i * bytes, bytes, 3),
                         0);
}

/* They are answered in order; those of `bad` with an error. */
static void row_wait(unsigned nr, unsigned bad)
{
    for (unsigned i = 0; i < nr; i++)
        assert_int_equal(io_wait(&row[i]), i == bad ? -XEN_EIO : 0);
}

#define NONE_BAD UINT32_MAX

/* Written and read: this many requests became so many of the backend's. */
static void check_merged(struct disk *disk, unsigned nr, size_t bytes,
                         unsigned long parts)
{
    uint64_t offset = 3 * 4096 + 512;
    unsigned long before = world_seen(disk).requests;

    world_fill(data, nr * bytes, offset, 1);
    row_start(disk, BLKFRONT_WRITE, offset, nr, bytes);
    row_wait(nr, NONE_BAD);
    world_check_disk(disk, offset, nr * bytes, 1);
    memset(data, 0, nr * bytes);
    row_start(disk, BLKFRONT_READ, offset, nr, bytes);
    row_wait(nr, NONE_BAD);
    world_check(data, nr * bytes, offset, 1);
    if (world_seen(disk).requests - before != 2 * parts)
        fail_msg("%u of %zu bytes are %lu", nr, bytes,
                 world_seen(disk).requests - before);
    for (unsigned i = 1; i < nr; i++)
        assert_true(row[i].answer > row[i - 1].answer);
}

static void requests_that_continue_one_another_are_merged(void **state)
{
    struct world *w = world_start(&(struct fake_config){.pages = 8192});
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    check_merged(disk, 32, 4096, 1);
    check_merged(disk, 7, 512, 1);
    check_merged(disk, 20, 1536, 1);
    check_merged(disk, 2, 65536, 1);
    check_merged(disk, 64, 4096, 2); /* BLKFRONT_MERGE_BYTES */
    check_merged(disk, 3, 65536, 2);
    check_merged(disk, 3, 128 * KIB, 3);
    assert_int_equal(world_stats(disk).merged, 2 * (31 + 6 + 19 + 1 + 62 + 1));
    world_stop(w);

    w = world_start(NULL);
    disk = disk_with(w, bare);
    check_merged(disk, 11, 4096, 1);
    check_merged(disk, 12, 4096, 2);
    check_merged(disk, 30, 512, 3);
    world_stop(w);
}

/* Each of these pairs is two requests to the backend. */
static void others_are_not(void **state)
{
    static const struct {
        enum blkfront_op op[2];
        unsigned flags;
        uint64_t offset;
    } cases[] = {
        {{BLKFRONT_READ, BLKFRONT_WRITE}, 0, 4096},
        {{BLKFRONT_WRITE, BLKFRONT_READ}, 0, 4096},
        {{BLKFRONT_READ, BLKFRONT_READ}, 0, 4096 + 512},
        {{BLKFRONT_READ, BLKFRONT_READ}, 0, 0},
        {{BLKFRONT_WRITE, BLKFRONT_WRITE}, 0, 4096 - 512},
        {{BLKFRONT_WRITE, BLKFRONT_WRITE}, BLKFRONT_THROUGH, 4096},
        {{BLKFRONT_DISCARD, BLKFRONT_DISCARD}, 0, 4096},
    };
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    for (unsigned i = 0; i < array_size(cases); i++) {
        bool has_data = cases[i].op[0] != BLKFRONT_DISCARD;
        struct io io = {0};
        unsigned long before = world_seen(disk).requests;

        row[0].r.flags = cases[i].flags;
        assert_int_equal(io_start(&row[0], disk, cases[i].op[0], 0,
                                  has_data ? data : NULL, 4096, has_data),
                         0);
        assert_int_equal(io_start(&io, disk, cases[i].op[1], cases[i].offset,
                                  has_data ? data + 8192 : NULL, 4096,
                                  has_data),
                         0);
        assert_int_equal(io_wait(&row[0]) | io_wait(&io), 0);
        row[0].r.flags = 0;
        /* One more is the flush of a write through. */
        assert_int_equal(world_seen(disk).requests - before,
                         2 + !!cases[i].flags);
    }
    assert_int_equal(world_stats(disk).merged, 0);
    world_stop(w);
}

static void an_error_of_merged_requests_is_of_one_alone(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    struct io flush = {0};

    (void)state;
    for (unsigned bad = 0; bad < 8; bad++) {
        unsigned long before = world_seen(disk).requests, i;

        world_fill(data, 8 * 4096, 4096, bad + 1);
        blkback_manner(disk->bb)->bad_sector = 8 + bad * 8 + 7;
        row_start(disk, BLKFRONT_WRITE, 4096, 8, 4096);
        assert_int_equal(io_start(&flush, disk, BLKFRONT_FLUSH, 0, NULL, 0, 0),
                         0);
        row_wait(8, bad);
        assert_int_equal(io_wait(&flush), 0);
        for (i = 0; i < 8; i++)
            if (i != bad)
                world_check_disk(disk, 4096 + i * 4096, 4096, bad + 1);
        /* All together, each alone, and only then the flush. */
        assert_int_equal(world_seen(disk).requests - before, 1 + 8 + 1);
        assert_int_equal(blkback_seen(disk->bb, before + 9)->operation,
                         BLKIF_OP_FLUSH_DISKCACHE);
    }
    assert_int_equal(world_stats(disk).errors, 8);
    assert_int_equal(world_stats(disk).again, 8 * 8);
    world_stop(w);
}

/* It failed but once: nobody hears of it. */
static void merged_requests_that_fail_are_tried_again(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    world_fill(data, 16 * 4096, 0, 1);
    blkback_write(disk->bb, 0, data, 16 * 4096);
    memset(data, 0, 16 * 4096);
    blkback_manner(disk->bb)->fail_nth = 1;
    blkback_manner(disk->bb)->shuffle = true;
    row_start(disk, BLKFRONT_READ, 0, 16, 4096);
    row_wait(16, NONE_BAD);
    world_check(data, 16 * 4096, 0, 1);
    world_stop(w);
}

static struct io older;

static void older_again(struct io *io)
{
    if (io->answer <= 2)
        (void)io_start(io, io->disk, BLKFRONT_READ, 65536, data + 65536, 512,
                       1);
}

/* They are sent again though one before them was answered in between, and is
 * now one behind them. */
static void merged_requests_that_fail_after_others_do_not_get_lost(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        struct world *w = world_start(&(struct fake_config){.seed = i + 1});
        struct disk *disk = world_disk_up(w, 0);

        blkback_manner(disk->bb)->fail_nth = 2;
        blkback_manner(disk->bb)->shuffle = true;
        older = (struct io){.then = older_again};
        assert_int_equal(
            io_start(&older, disk, BLKFRONT_READ, 65536, data, 512, 1), 0);
        row_start(disk, BLKFRONT_READ, 0, 4, 4096);
        row_wait(4, NONE_BAD);
        assert_int_equal(io_wait(&older), 0);
        world_stop(w);
    }
}

static struct io again_io;

static void again(struct io *io)
{
    if (io->answer < 100)
        assert_int_equal(io_start(io, io->disk, BLKFRONT_READ, 512 * io->answer,
                                  data, 512, 1),
                         0);
}

static void done_may_submit_again(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    again_io = (struct io){.then = again};
    assert_int_equal(io_start(&again_io, disk, BLKFRONT_READ, 0, data, 512, 1),
                     0);
    assert_int_equal(io_wait(&again_io), 0);
    assert_int_equal(again_io.answer, 100);
    world_stop(w);
}

/* ---- Persistent grants */

static void not_persistent(struct blkback_offer *offer)
{
    offer->persistent = false;
}

static void persistent_pages_are_mapped_once(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    unsigned long maps;

    (void)state;
    write_at(disk, 0, 4096, 1);
    maps = world_seen(disk).maps;
    for (unsigned i = 0; i < 100; i++)
        write_at(disk, 4096 * i, 4096, 1);
    assert_int_equal(world_seen(disk).maps, maps);
    assert_int_equal(w->gt.busy, 0);
    world_stop(w);
}

static void without_persistent_grants_it_works_as_well(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = disk_with(w, not_persistent);

    (void)state;
    exercise(disk);
    assert_int_equal(fake_maps(), world_seen(disk).ring_pages);
    world_stop(w);
}

/* ---- Flushes */

static void barrier_only(struct blkback_offer *offer)
{
    offer->flush = false;
}

static void a_flush_is_a_barrier_where_there_is_no_flush(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = disk_with(w, barrier_only);

    (void)state;
    assert_true(blkfront_info(disk->bf)->flush);
    exercise(disk);
    assert_int_equal(world_seen(disk).barriers, 1);
    assert_int_equal(world_seen(disk).flushes, 0);
    world_stop(w);
}

static void a_flush_that_is_refused_becomes_less(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    blkback_manner(disk->bb)->refuse_flush = true;
    assert_int_equal(io_run(disk, BLKFRONT_FLUSH, 0, NULL, 0), 0);
    assert_int_equal(world_seen(disk).barriers, 1);
    assert_true(world_logged("trying barriers"));
    blkback_manner(disk->bb)->refuse_barrier = true;
    assert_int_equal(io_run(disk, BLKFRONT_FLUSH, 0, NULL, 0), 0);
    assert_true(world_logged("taken for stable"));
    assert_false(blkfront_info(disk->bf)->flush);
    assert_int_equal(io_run(disk, BLKFRONT_FLUSH, 0, NULL, 0), 0);
    assert_int_equal(world_seen(disk).requests, 3);
    world_stop(w);
}

/* Some writes, a flush, some writes; all at once. */
static void a_flush_stands_between(void **state)
{
    static struct io ios[21];
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    bool flushed = false;

    (void)state;
    blkback_manner(disk->bb)->shuffle = true;
    for (unsigned i = 0; i < 21; i++)
        assert_int_equal(
            io_start(&ios[i], disk, i == 10 ? BLKFRONT_FLUSH : BLKFRONT_WRITE,
                     i * 65536, i == 10 ? NULL : data, i == 10 ? 0 : 65536, 1),
            0);
    for (unsigned i = 0; i < 21; i++)
        assert_int_equal(io_wait(&ios[i]), 0);
    for (unsigned i = 0; i < 21; i++)
        assert_true(i == 10 || (ios[i].answer < ios[10].answer) == (i < 10));
    for (unsigned long i = 0; i < world_seen(disk).requests; i++) {
        const struct blkback_event *seen = blkback_seen(disk->bb, i);

        if (seen->operation == BLKIF_OP_FLUSH_DISKCACHE)
            flushed = true;
        else
            assert_int_equal(seen->sector < 10 * 128, !flushed);
    }
    assert_true(flushed);
    world_stop(w);
}

static void what_was_flushed_survives_a_power_cut(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    write_at(disk, 0, 65536, 1);
    assert_int_equal(io_run(disk, BLKFRONT_FLUSH, 0, NULL, 0), 0);
    write_at(disk, 65536, 65536, 1);
    blkback_power_cut(disk->bb, 0);
    read_at(disk, 0, 65536, 1);
    read_at(disk, 65536, 65536, 0);
    world_stop(w);
}

static void what_was_written_through_survives_too(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    world_fill(data, MIB, 0, 1);
    assert_int_equal(
        io_run_flags(disk, BLKFRONT_WRITE, BLKFRONT_THROUGH, 0, data, MIB), 0);
    assert_int_equal(world_seen(disk).flushes, 1);
    blkback_power_cut(disk->bb, 0);
    read_at(disk, 0, MIB, 1);
    assert_int_equal(world_stats(disk).flushes, 0);

    blkback_manner(disk->bb)->fail_nth = 1; /* the data */
    assert_int_equal(
        io_run_flags(disk, BLKFRONT_WRITE, BLKFRONT_THROUGH, 0, data, 512),
        -XEN_EIO);
    assert_int_equal(world_seen(disk).flushes, 1);
    blkback_manner(disk->bb)->fail_nth = 2; /* the flush */
    assert_int_equal(
        io_run_flags(disk, BLKFRONT_WRITE, BLKFRONT_THROUGH, 0, data, 512),
        -XEN_EIO);
    assert_int_equal(world_seen(disk).flushes, 1);
    world_stop(w);
}

/* ---- Discards */

static void a_discard_says_what_and_how(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    write_at(disk, 0, MIB, 1);
    assert_int_equal(io_run(disk, BLKFRONT_DISCARD, 4096, NULL, 512 * KIB), 0);
    read_at(disk, 4096, 512 * KIB, 0);
    read_at(disk, 0, 4096, 1);
    read_at(disk, 4096 + 512 * KIB, 4096, 1);
    assert_int_equal(
        io_run_flags(disk, BLKFRONT_DISCARD, BLKFRONT_SECURE, 0, NULL, MIB), 0);
    assert_true(blkback_seen(disk->bb, world_seen(disk).requests - 1)->secure);
    assert_int_equal(world_seen(disk).discards, 2);
    world_stop(w);
}

static void no_discard(struct blkback_offer *offer)
{
    offer->discard = false;
}

static void no_secure(struct blkback_offer *offer)
{
    offer->secure = false;
}

static void a_discard_that_is_not_offered_is_refused(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = disk_with(w, no_discard);

    (void)state;
    assert_int_equal(io_run(disk, BLKFRONT_DISCARD, 0, NULL, 512),
                     -XEN_EOPNOTSUPP);
    assert_int_equal(
        io_run_flags(disk, BLKFRONT_DISCARD, BLKFRONT_SECURE, 0, NULL, 512),
        -XEN_EOPNOTSUPP);
    world_stop(w);

    w = world_start(NULL);
    disk = disk_with(w, no_secure);
    assert_int_equal(
        io_run_flags(disk, BLKFRONT_DISCARD, BLKFRONT_SECURE, 0, NULL, 512),
        -XEN_EOPNOTSUPP);
    assert_int_equal(io_run(disk, BLKFRONT_DISCARD, 0, NULL, 512), 0);
    world_stop(w);
}

static void a_discard_that_is_refused_is_not_tried_again(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    blkback_manner(disk->bb)->refuse_discard = true;
    assert_int_equal(
        io_run_flags(disk, BLKFRONT_DISCARD, BLKFRONT_SECURE, 0, NULL, 512),
        -XEN_EOPNOTSUPP);
    assert_true(blkfront_info(disk->bf)->discard);
    assert_int_equal(io_run(disk, BLKFRONT_DISCARD, 0, NULL, 512),
                     -XEN_EOPNOTSUPP);
    assert_false(blkfront_info(disk->bf)->discard);
    assert_int_equal(io_run(disk, BLKFRONT_DISCARD, 0, NULL, 512),
                     -XEN_EOPNOTSUPP);
    assert_int_equal(world_seen(disk).requests, 2);
    world_stop(w);
}

/* ---- Another size */

static void a_disk_may_grow_and_shrink_while_it_is_open(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    assert_int_equal(io_run(disk, BLKFRONT_READ, 8 * MIB, data, 512),
                     -XEN_ERANGE);
    blkback_resize(disk->bb, 32768);
    fake_run_until(&w->loop, disk->resizes == 1, NS_PER_S);
    assert_int_equal(blkfront_info(disk->bf)->bytes, 16 * MIB);
    write_at(disk, 16 * MIB - 512, 512, 1);
    blkback_resize(disk->bb, 8);
    fake_run_until(&w->loop, disk->resizes == 2, NS_PER_S);
    assert_int_equal(io_run(disk, BLKFRONT_READ, 4096, data, 512), -XEN_ERANGE);
    blkback_resize(disk->bb, 8); /* the same: nobody is told */
    world_settle(w);
    assert_int_equal(disk->resizes, 2);
    assert_int_equal(disk->ups, 1);
    world_stop(w);
}

/* ---- Memory */

static void buffers_are_used_in_place(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    char *buffer = blkfront_buffer_alloc(disk->bf, 64);
    unsigned i;

    (void)state;
    blkback_manner(disk->bb)->no_audit = true;
    for (i = 0; i < 64 * 4096; i++)
        assert_int_equal(buffer[i], 0);
    world_fill(buffer, 64 * 4096, 0, 1);
    assert_int_equal(io_run(disk, BLKFRONT_WRITE, 0, buffer, 64 * 4096), 0);
    assert_int_equal(world_stats(disk).in_place_bytes, 64 * 4096);
    memset(buffer, 0, 64 * 4096);
    assert_int_equal(io_run(disk, BLKFRONT_READ, 0, buffer, 64 * 4096), 0);
    world_check(buffer, 64 * 4096, 0, 1);
    assert_int_equal(world_stats(disk).in_place_bytes, 128 * 4096);
    /* Sectors within pages; then what is not at a sector's begin. */
    assert_int_equal(io_run(disk, BLKFRONT_READ, 512, buffer + 512, 7 * 512),
                     0);
    world_check(buffer, 64 * 4096, 0, 1);
    assert_int_equal(world_stats(disk).in_place_bytes, 128 * 4096 + 7 * 512);
    assert_int_equal(io_run(disk, BLKFRONT_READ, 0, buffer + 8, 8192), 0);
    world_check(buffer + 8, 8192, 0, 1);
    assert_int_equal(world_stats(disk).in_place_bytes, 128 * 4096 + 7 * 512);
    blkfront_buffer_free(disk->bf, buffer);
    world_stop(w);
}

static void buffers_and_other_memory_mix(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk(w, 0);
    char *buffer;

    (void)state;
    world_create(w, disk);
    buffer = blkfront_buffer_alloc(disk->bf, 16); /* before there is a link */
    blkback_manner(disk->bb)->no_audit = true;
    world_connect(w, disk);
    for (unsigned i = 0; i < 100; i++) {
        struct io io = {0};
        size_t cut = 512 * fake_random_below(100);

        world_fill(buffer, cut, 0, i + 1);
        world_fill(data, 65536 - cut, cut, i + 1);
        io.pieces[0] = (struct blkfront_piece){buffer, cut};
        io.pieces[1] = (struct blkfront_piece){data, 65536 - cut};
        io.disk = disk;
        for (unsigned op = BLKFRONT_WRITE + 1; op-- > 0;) {
            assert_int_equal(io_start(&io, disk, op, 0, NULL, 0, 0),
                             -XEN_EINVAL);
            io.r.nr_pieces = 2;
            io.out = true;
            assert_int_equal(blkfront_submit(disk->bf, &io.r), 0);
            assert_int_equal(io_wait(&io), 0);
            if (op == BLKFRONT_WRITE) {
                world_check_disk(disk, 0, 65536, i + 1);
                memset(buffer, 1, 65536);
                memset(data, 1, 65536);
            }
        }
        world_check(buffer, cut, 0, i + 1);
        world_check(data, 65536 - cut, cut, i + 1);
    }
    assert_true(world_stats(disk).in_place_bytes > 0);
    blkfront_buffer_free(disk->bf, buffer);
    world_stop(w);
}

static void a_small_guest_has_a_small_pool(void **state)
{
    struct world *w = world_start(&(struct fake_config){.pages = 160});
    unsigned long before = pages_available(&w->pages);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    assert_true(before - pages_available(&w->pages) < 32);
    exercise(disk);
    write_at(disk, 0, MIB, 1);
    read_at(disk, 0, MIB, 1);
    world_stop(w);
}

static void without_memory_there_is_no_disk(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk(w, 0);
    static void *taken[1024];
    unsigned nr = 0;

    (void)state;
    world_create(w, disk);
    while ((taken[nr] = page_alloc(&w->pages, 1)))
        nr++;
    blkback_start(disk->bb);
    world_settle(w);
    assert_false(disk->up);
    assert_true(world_logged("no memory, or no grants or ports"));
    assert_null(blkfront_create(1, &w->loop, &w->pages, &w->gt, &w->xs,
                                &(struct blkfront_owner){0}));
    while (nr)
        page_free(&w->pages, taken[--nr], 1);
    fake_run_until(&w->loop, disk->up, 2 * XENBUS_STARVED_NS);
    exercise(disk);
    world_stop(w);
}

/* ---- Ends */

static void destroy_answers_what_is_out(void **state)
{
    static struct io ios[20];
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    blkback_manner(disk->bb)->hold_answers = true;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(io_start(&ios[i], disk, BLKFRONT_WRITE, i * MIB / 4,
                                  data, MIB / 4, 1),
                         0);
    world_settle(w);
    blkfront_destroy(disk->bf);
    assert_true(ios[0].out);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(io_wait(&ios[i]), -XEN_ENODEV);
        assert_int_equal(ios[i].answer, i + 1);
    }
    disk->bf = NULL;
    assert_int_equal(disk->downs, 0);
    world_stop(w);
}

static void buffers_may_outlive_the_device(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    struct blkfront *bf = disk->bf;
    void *a = blkfront_buffer_alloc(bf, 3), *b = blkfront_buffer_alloc(bf, 1);

    (void)state;
    world_destroy(w, disk);
    memset(a, 1, 3 * 4096);
    blkfront_buffer_free(bf, a);
    memset(b, 1, 4096);
    blkfront_buffer_free(bf, b);
    world_stop(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_and_tells_what_it_learnt),
        cmocka_unit_test(a_backend_that_has_nothing_will_do),
        cmocka_unit_test(a_size_that_is_none_is_refused),
        cmocka_unit_test(the_largest_size_is_cut),
        cmocka_unit_test(there_is_no_limit_of_1_tib),
        cmocka_unit_test(sectors_may_be_of_512_to_4096),
        cmocka_unit_test(other_sectors_are_refused),
        cmocka_unit_test(a_physical_sector_that_makes_no_sense_is_ignored),
        cmocka_unit_test(a_cdrom_is_refused_in_words),
        cmocka_unit_test(a_read_only_disk_is_only_read),
        cmocka_unit_test(several_disks_are_several),
        cmocka_unit_test(names_are_xens),
        cmocka_unit_test(the_ring_is_as_large_as_both_allow),
        cmocka_unit_test(without_contiguous_pages_the_ring_is_smaller),
        cmocka_unit_test(a_full_ring_says_so_and_tells_when_there_is_room),
        cmocka_unit_test(many_requests_cost_one_notification),
        cmocka_unit_test(requests_are_split_as_the_backend_takes_them),
        cmocka_unit_test(a_request_larger_than_the_pool_comes_in_parts),
        cmocka_unit_test(pieces_may_be_of_any_length),
        cmocka_unit_test(bad_requests_are_refused_at_once),
        cmocka_unit_test(an_error_is_its_requests_alone),
        cmocka_unit_test(the_rest_of_a_request_that_failed_is_not_sent),
        cmocka_unit_test(requests_that_continue_one_another_are_merged),
        cmocka_unit_test(others_are_not),
        cmocka_unit_test(an_error_of_merged_requests_is_of_one_alone),
        cmocka_unit_test(merged_requests_that_fail_are_tried_again),
        cmocka_unit_test(
            merged_requests_that_fail_after_others_do_not_get_lost),
        cmocka_unit_test(done_may_submit_again),
        cmocka_unit_test(persistent_pages_are_mapped_once),
        cmocka_unit_test(without_persistent_grants_it_works_as_well),
        cmocka_unit_test(a_flush_is_a_barrier_where_there_is_no_flush),
        cmocka_unit_test(a_flush_that_is_refused_becomes_less),
        cmocka_unit_test(a_flush_stands_between),
        cmocka_unit_test(what_was_flushed_survives_a_power_cut),
        cmocka_unit_test(what_was_written_through_survives_too),
        cmocka_unit_test(a_discard_says_what_and_how),
        cmocka_unit_test(a_discard_that_is_not_offered_is_refused),
        cmocka_unit_test(a_discard_that_is_refused_is_not_tried_again),
        cmocka_unit_test(a_disk_may_grow_and_shrink_while_it_is_open),
        cmocka_unit_test(buffers_are_used_in_place),
        cmocka_unit_test(buffers_and_other_memory_mix),
        cmocka_unit_test(a_small_guest_has_a_small_pool),
        cmocka_unit_test(without_memory_there_is_no_disk),
        cmocka_unit_test(destroy_answers_what_is_out),
        cmocka_unit_test(buffers_may_outlive_the_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
