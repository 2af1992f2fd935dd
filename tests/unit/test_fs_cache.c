/* SPDX-License-Identifier: MIT */
/*
 * The cache of a mount, on a disk that fails and grows on command.
 */
// sources: fs/cache.c disk/volume.c kernel/fiber.c kernel/fiber_switch.c
// sources: kernel/loop.c kernel/page.c kernel/log.c xen/evtchn.c
// sources: tests/fake/fiber.c tests/fake/hv.c tests/fake/volume.c
#include "tests/unit/test.h"

#include "kernel/app.h"
#include "fs/cache.h"
#include "disk/disk.h"
#include "kernel/fiber.h"
#include "tests/fake/fake.h"
#include "tests/fake/volume.h"

#include <stdlib.h>
#include <string.h>

#define KIB         UINT64_C(1024)
#define PAGE        4096
#define DISK_BYTES  (1024 * KIB)
#define CACHE_BYTES (128 * KIB)
#define WAIT_NS     (1000 * NS_PER_S)
#define LATENCY_NS  NS_PER_MS

static struct loop loop;
static struct pages pages;
static struct app app = {.loop = &loop, .pages = &pages};
static struct disks disks;
static struct cache cache;
static char model[DISK_BYTES], got[DISK_BYTES];
static bool is_over;

/* ---- The machine */

static int setup(void **state)
{
    (void)state;
    fake_volume_make(DISK_BYTES / VOLUME_SECTOR_BYTES, 1);
    fake_volume.latency_ns = LATENCY_NS;
    for (size_t i = 0; i < DISK_BYTES; i++)
        model[i] = (char)(i / PAGE * 7 + i % 251);
    memcpy(fake_volume.bytes, model, DISK_BYTES);
    fake_start(NULL);
    loop_init(&loop);
    pages_init(&pages);
    disks_init(&disks, &app);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(pages.nr_used, 0);
    fake_stop();
    fake_volume_free();
    return 0;
}

static void note_over(struct fiber *fiber)
{
    (void)fiber;
    is_over = true;
}

static void (*body)(void);
static uint64_t body_bytes;

static void enter(struct fiber *fiber)
{
    (void)fiber;
    if (cache_init(&cache, &fake_volume.volume, &pages, body_bytes))
        fake_fail("no cache");
    body();
    cache_destroy(&cache);
}

/* In a fiber, with a cache of so many bytes. */
static void run(uint64_t bytes, void (*fn)(void))
{
    struct fiber fiber = {.finished = note_over};

    is_over = false;
    body = fn;
    body_bytes = bytes;
    assert_int_equal(fiber_start(&fiber, &loop, &pages, 16, enter), 0);
    fake_run_until(&loop, is_over, WAIT_NS);
}

static void reads(uint64_t offset, size_t bytes)
{
    assert_int_equal(cache_pread(&cache, got, bytes, offset), 0);
    assert_memory_equal(got, model + offset, bytes);
}

static void writes(uint64_t offset, size_t bytes, int status)
{
    for (size_t i = 0; i < bytes; i++)
        got[i] = (char)fake_random_below(256);
    if (!status)
        memcpy(model + offset, got, bytes);
    assert_int_equal(cache_pwrite(&cache, got, bytes, offset), status);
}

static uint64_t asked(void)
{
    uint64_t nr = fake_volume.nr_reads;

    fake_volume.nr_reads = 0;
    return nr;
}

/* ---- What is kept */

static void read_twice(void)
{
    reads(5 * PAGE + 10, 20);
    assert_int_equal(asked(), 1);
    reads(5 * PAGE, PAGE);
    reads(5 * PAGE + 4000, 96);
    assert_int_equal(asked(), 0);
    assert_int_equal(cache.numbers.hits, 2);
    assert_int_equal(cache.numbers.misses, 1);
}

static void what_was_read_is_not_read_again(void **state)
{
    (void)state;
    run(CACHE_BYTES, read_twice);
}

static void read_and_write(void)
{
    reads(0, 3 * PAGE);
    (void)asked();
    writes(PAGE, PAGE, 0);
    writes(2 * PAGE + 512, 512, 0);
    reads(0, 3 * PAGE);
    assert_int_equal(asked(), 0);
    writes(40 * PAGE, 2 * PAGE, 0);
    reads(40 * PAGE, 2 * PAGE);
    assert_int_equal(asked(), 0); /* whole blocks stay */
    assert_memory_equal(fake_volume.bytes, model, DISK_BYTES);
}

static void what_was_written_is_on_the_disk_and_kept(void **state)
{
    (void)state;
    run(CACHE_BYTES, read_and_write);
}

/* A directory that is used all the time, and a file as large as the disk. */
static void read_hot_and_cold(void)
{
    uint64_t misses = 0;

    for (unsigned i = 0; i < 190; i++) {
        uint64_t before = cache.numbers.misses;

        if (i % 16 == 0)
            reads(200 * PAGE, 1);
        misses += cache.numbers.misses - before;
        reads(i * PAGE, PAGE);
    }
    assert_int_equal(misses, 1);
}

static void what_is_used_again_outlasts_what_is_read_once(void **state)
{
    (void)state;
    run(CACHE_BYTES, read_hot_and_cold);
}

static void read_all(void)
{
    for (uint64_t at = 0; at < DISK_BYTES; at += PAGE)
        reads(at, PAGE);
}

static void its_memory_has_a_bound(void **state)
{
    (void)state;
    run(CACHE_BYTES, read_all);
    assert_true(pages.nr_used_max < 16 + 2 + CACHE_BYTES / PAGE);
}

/* ---- Reading ahead */

static uint64_t time_of(uint64_t bytes, void (*fn)(void))
{
    uint64_t before = loop_now(&loop);

    run(bytes, fn);
    return loop_now(&loop) - before;
}

static void who_reads_on_waits_less(void **state)
{
    uint64_t without, with;

    (void)state;
    without = time_of(0, read_all);
    assert_int_equal(asked(), DISK_BYTES / PAGE);
    with = time_of(CACHE_BYTES, read_all);
    assert_true(asked() <= DISK_BYTES / PAGE / 7);
    assert_true(with < without / 7);
}

/* Three readers in turn: none spoils it for the others. */
static void read_in_turn(void)
{
    for (unsigned i = 0; i < 80; i++)
        for (unsigned reader = 0; reader < 3; reader++)
            reads((reader * 85 + i) * PAGE, PAGE);
}

static void several_may_read_on(void **state)
{
    (void)state;
    run(4 * CACHE_BYTES, read_in_turn);
    assert_true(asked() < 240 / 4);
}

static void read_here_and_there(void)
{
    for (unsigned i = 0; i < 100; i++)
        reads(i * 37 % 256 / 2 * 2 * PAGE, 100);
}

static void who_does_not_read_on_has_nothing_read_ahead(void **state)
{
    (void)state;
    run(CACHE_BYTES, read_here_and_there);
    assert_int_equal(cache.numbers.ahead, 0);
    assert_true(fake_volume.bytes_read <= 100 * PAGE);
}

/* The block that is written is just being read ahead: what is read later is
 * what was written. */
static void write_what_is_coming(void)
{
    uint64_t ahead, at;

    reads(0, PAGE);
    for (at = PAGE; at < 5 * PAGE; at += PAGE)
        reads(at, PAGE);
    ahead = cache.numbers.ahead;
    for (; cache.numbers.ahead == ahead; at += PAGE)
        reads(at, PAGE);
    for (uint64_t i = at / PAGE; i < 40; i++)
        writes(i * PAGE + (i % 2) * 512, i % 2 ? 512 : PAGE, 0);
    reads(0, 40 * PAGE);
}

static void what_is_written_while_it_is_read_ahead_counts(void **state)
{
    (void)state;
    fake_volume.read_ns = 50 * LATENCY_NS;
    run(CACHE_BYTES, write_what_is_coming);
}

static void leave_while_reading(void)
{
    reads(0, PAGE);
    reads(PAGE, PAGE);
}

static void it_may_end_while_something_is_read_ahead(void **state)
{
    (void)state;
    run(CACHE_BYTES, leave_while_reading);
}

/* ---- Bad days */

static void read_from_a_bad_disk(void)
{
    fake_volume.fail_at = 1;
    fake_volume.fail_more = 1; /* the fill, and what is tried instead */
    assert_int_equal(cache_pread(&cache, got, PAGE, 0), -XEN_EIO);
    reads(0, PAGE);
    fake_volume.fail_at = 2; /* of the next two: the one that is ahead */
    reads(PAGE, PAGE);
    reads(2 * PAGE, 30 * PAGE);
}

static void an_error_is_told_and_not_kept(void **state)
{
    (void)state;
    run(CACHE_BYTES, read_from_a_bad_disk);
}

static void write_to_a_bad_disk(void)
{
    reads(0, 2 * PAGE);
    fake_volume.fail_at = 1;
    writes(0, 2 * PAGE, -XEN_EIO);
    memcpy(model, fake_volume.bytes, 2 * PAGE); /* some of it may be there */
    reads(0, 2 * PAGE);
}

static void after_a_write_that_failed_the_disk_is_asked(void **state)
{
    (void)state;
    run(CACHE_BYTES, write_to_a_bad_disk);
}

/* The last block is not whole, and then it is. */
static void read_the_end(void)
{
    uint64_t bytes = DISK_BYTES - 3 * VOLUME_SECTOR_BYTES;

    fake_volume.volume.nr_sectors -= 3;
    reads(bytes - PAGE, PAGE);
    reads(bytes - 10, 10);
    assert_int_equal(cache_pread(&cache, got, 11, bytes - 10), -XEN_EIO);
    assert_int_equal(cache_pread(&cache, got, 1, UINT64_MAX), -XEN_EIO);
    fake_volume.volume.nr_sectors += 3;
    reads(bytes - 10, 11);
    reads(DISK_BYTES - PAGE, PAGE);
}

static void the_end_is_where_the_disk_ends_now(void **state)
{
    (void)state;
    run(CACHE_BYTES, read_the_end);
}

static void no_memory_is_no_cache(void **state)
{
    (void)state;
    assert_int_equal(
        cache_init(&cache, &fake_volume.volume, &pages, UINT64_C(1) << 40),
        -XEN_ENOMEM);
    assert_int_equal(cache.nr, 0);
}

/* ---- At random */

static void do_anything(void)
{
    for (unsigned i = 0; i < 4000; i++) {
        size_t bytes = fake_chance(80) ? fake_random_below(3 * PAGE)
                                       : fake_random_below(40 * PAGE);
        uint64_t at = fake_chance(30) ? fake_random_below(DISK_BYTES)
                                      : i * 3 * 512 % DISK_BYTES;

        if (bytes > DISK_BYTES - at)
            bytes = DISK_BYTES - at;
        if (fake_chance(70))
            reads(at, bytes);
        else
            writes(at, bytes, 0);
    }
    assert_memory_equal(fake_volume.bytes, model, DISK_BYTES);
}

static void all_sizes_read_what_was_written(void **state)
{
    static const unsigned kib[] = {0, 31, 32, 36, 128, 1024};

    (void)state;
    for (unsigned i = 0; i < array_size(kib); i++)
        run(kib[i] * KIB, do_anything);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_read_is_not_read_again),
        TEST(what_was_written_is_on_the_disk_and_kept),
        TEST(what_is_used_again_outlasts_what_is_read_once),
        TEST(its_memory_has_a_bound),
        TEST(who_reads_on_waits_less),
        TEST(several_may_read_on),
        TEST(who_does_not_read_on_has_nothing_read_ahead),
        TEST(what_is_written_while_it_is_read_ahead_counts),
        TEST(it_may_end_while_something_is_read_ahead),
        TEST(an_error_is_told_and_not_kept),
        TEST(after_a_write_that_failed_the_disk_is_asked),
        TEST(the_end_is_where_the_disk_ends_now),
        TEST(no_memory_is_no_cache),
        TEST(all_sizes_read_what_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
