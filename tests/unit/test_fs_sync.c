/* SPDX-License-Identifier: MIT */
/* Calls that wait, on fibers. */
// sources: fs/fs.c fs/requests.c fs/mounts.c fs/sync.c fs/cache.c disk/volume.c
// sources: fs/erofs.c fs/littlefs.c fs/littlefs_disk.c kernel/fiber.c
// sources: kernel/fiber_switch.c kernel/loop.c kernel/page.c kernel/options.c
// sources: kernel/log.c xen/evtchn.c tests/fake/fiber.c tests/fake/hv.c
// sources: tests/fake/volume.c tests/unit/files_world.c erofs lfs
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#include "fs/sync.h"
#include "tests/unit/files_world.h"

#define SECTORS     2048
#define STACK_PAGES 8
#define WAIT_NS     (100 * NS_PER_S)
#define FIBERS      3
#define PIECES      20

static struct work {
    struct fiber fiber;
    struct fs_file file;
    unsigned step;
    bool is_over;
} works[FIBERS];
static unsigned nr_over;

static void on_over(struct fiber *fiber)
{
    container_of(fiber, struct work, fiber)->is_over = true;
    nr_over++;
}

static void start(struct work *work, void (*fn)(struct fiber *fiber))
{
    *work = (struct work){.fiber.finished = on_over};
    assert_int_equal(
        fiber_start(&work->fiber, &files.loop, &files.pages, STACK_PAGES, fn),
        0);
}

static void run(void (*fn)(struct fiber *fiber))
{
    start(&works[0], fn);
    fake_run_until(&files.loop, works[0].is_over, WAIT_NS);
}

static int setup(void **state)
{
    (void)state;
    fake_volume_make(SECTORS, 1);
    nr_over = 0;
    assert_int_equal(files_start("mount=xvda:littlefs:/:new"), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    files_stop();
    fake_volume_free();
    return 0;
}

/* ---- */

static void use_all(struct fiber *fiber)
{
    struct fs *fs = &files.fs;
    struct fs_entry entries[2];
    struct fs_file file;
    char text[8] = "";

    (void)fiber;
    assert_int_equal(fs_sync_mkdir(fs, "/d"), 0);
    assert_int_equal(fs_sync_open(fs, &file, "/d/f", FS_WRITE | FS_CREATE), 0);
    assert_int_equal(fs_sync_pwrite(&file, "abcdef", 6, 0), 6);
    assert_int_equal(fs_sync_ftruncate(&file, 4), 0);
    assert_int_equal(fs_sync_fsync(&file), 0);
    assert_int_equal(fs_sync_close(&file), 0);
    assert_int_equal(fs_sync_open(fs, &file, "/d/f", FS_READ), 0);
    assert_int_equal(fs_sync_pread(&file, text, sizeof(text), 1), 3);
    assert_string_equal(text, "bcd");
    assert_int_equal(fs_sync_close(&file), 0);
    assert_int_equal(fs_sync_open(fs, &file, "/d", FS_READ), 0);
    assert_int_equal(fs_sync_readdir(&file, entries, 2, 0), 1);
    assert_string_equal(entries[0].name, "f");
    assert_int_equal(fs_sync_close(&file), 0);
    assert_int_equal(fs_sync_unlink(fs, "/d/f"), 0);
}

static void all_calls_return_what_was_done(void **state)
{
    (void)state;
    run(use_all);
}

static void fail_all(struct fiber *fiber)
{
    struct fs *fs = &files.fs;
    struct fs_file file;

    (void)fiber;
    assert_int_equal(fs_sync_open(fs, &file, "/none", FS_READ), -XEN_ENOENT);
    assert_int_equal(fs_sync_unlink(fs, "/none"), -XEN_ENOENT);
    assert_int_equal(fs_sync_mkdir(fs, "/none/d"), -XEN_ENOENT);
    assert_int_equal(fs_sync_open(fs, &file, "/f", FS_WRITE | FS_CREATE), 0);
    assert_int_equal(fs_sync_pread(&file, fs, 1, 0), -XEN_EBADF);
    assert_int_equal(fs_sync_close(&file), 0);
}

static void errors_are_returned(void **state)
{
    (void)state;
    run(fail_all);
}

/* Its calls are counted: the loop has turned in each. */
static void write_pieces(struct fiber *fiber)
{
    struct work *work = container_of(fiber, struct work, fiber);
    char path[8], byte;

    snprintf(path, sizeof(path), "/%u", (unsigned)(work - works));
    assert_int_equal(fs_sync_open(&files.fs, &work->file, path,
                                  FS_READ | FS_WRITE | FS_CREATE),
                     0);
    for (; work->step < PIECES; work->step++) {
        uint64_t turns = files.loop.turns;

        byte = (char)('a' + work->step);
        assert_int_equal(fs_sync_pwrite(&work->file, &byte, 1, work->step), 1);
        assert_true(files.loop.turns > turns);
        byte = 0;
        assert_int_equal(fs_sync_pread(&work->file, &byte, 1, work->step), 1);
        assert_int_equal(byte, 'a' + (int)work->step);
    }
    assert_int_equal(fs_sync_close(&work->file), 0);
}

static void fibers_take_turns(void **state)
{
    unsigned least, most;

    (void)state;
    for (unsigned i = 0; i < FIBERS; i++)
        start(&works[i], write_pieces);
    while (nr_over < FIBERS) {
        loop_turn(&files.loop);
        least = most = works[0].step;
        for (unsigned i = 1; i < FIBERS; i++) {
            least = works[i].step < least ? works[i].step : least;
            most = works[i].step > most ? works[i].step : most;
        }
        assert_true(most - least <= 1);
    }
}

/* Somebody else wakes it again and again: a call ends when it is done all the
 * same. */
static void a_call_ends_when_it_is_done(void **state)
{
    (void)state;
    start(&works[0], write_pieces);
    for (unsigned turn = 0; !works[0].is_over; turn++) {
        if (turn % 2)
            fiber_wake(&works[0].fiber);
        loop_turn(&files.loop);
    }
    assert_int_equal(works[0].step, PIECES);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(all_calls_return_what_was_done),
        test(errors_are_returned),
        test(fibers_take_turns),
        test(a_call_ends_when_it_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
