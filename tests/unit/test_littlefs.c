/* SPDX-License-Identifier: MIT */
/*
 * Files that are written, one call after the other: what each call does, and
 * what it says when it cannot. tests/unit/test_littlefs_soak.c does it at
 * random, with power cuts.
 */
// sources: fs/fs.c fs/requests.c fs/mounts.c fs/cache.c disk/volume.c
// sources: fs/erofs.c fs/littlefs.c fs/littlefs_disk.c kernel/fiber.c
// sources: kernel/fiber_switch.c kernel/loop.c kernel/page.c kernel/options.c
// sources: kernel/log.c xen/evtchn.c tests/fake/fiber.c tests/fake/hv.c
// sources: tests/fake/volume.c tests/unit/files_world.c erofs lfs
#include "tests/unit/test.h"

#include "tests/unit/files_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEW        "mount=xvda:littlefs:/:new"
#define OLD        "mount=xvda:littlefs:/"
#define READ_WRITE (FS_READ | FS_WRITE)
#define SECTORS    8192 /* of the usual disk: 4 MiB */

static struct fs_file file, other;

static int setup(void **state)
{
    (void)state;
    fake_volume_make(SECTORS, 1);
    assert_int_equal(files_start(NEW), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    files_stop();
    fake_volume_free();
    return 0;
}

static void start_anew(void)
{
    files_stop();
    assert_int_equal(files_start(OLD), 0);
}

static void put(const char *path, const char *text)
{
    assert_int_equal(
        files_open(&file, path, FS_WRITE | FS_CREATE | FS_TRUNCATE), 0);
    assert_int_equal(files_pwrite(&file, text, strlen(text), 0), strlen(text));
    assert_int_equal(files_close(&file), 0);
}

static void check_open(struct fs_file *from, const char *text)
{
    char got[1000] = "";

    assert_int_equal(files_pread(from, got, sizeof(got), 0), strlen(text));
    assert_string_equal(got, text);
}

static void check(const char *path, const char *text)
{
    assert_int_equal(files_open(&file, path, FS_READ), 0);
    check_open(&file, text);
    assert_int_equal(files_close(&file), 0);
}

/* ---- Contents */

static void what_is_written_is_read(void **state)
{
    (void)state;
    put("/hello", "Hello, disk.\n");
    check("/hello", "Hello, disk.\n");
    start_anew();
    check("/hello", "Hello, disk.\n");
}

/* Every handle sees what any other wrote, before anything is synced. */
static void a_file_is_one_however_often_it_is_open(void **state)
{
    (void)state;
    assert_int_equal(files_open(&file, "/f", READ_WRITE | FS_CREATE), 0);
    assert_int_equal(files_open(&other, "/x/..//./f/", FS_READ), -XEN_ENOENT);
    assert_int_equal(files_open(&other, "//./f/", READ_WRITE), 0);
    assert_int_equal(files_pwrite(&file, "one", 3, 0), 3);
    check_open(&other, "one");
    assert_int_equal(files_pwrite(&other, "more", 4, FS_END), 4);
    check_open(&file, "onemore");
    assert_int_equal(files_fstat(&file), 0);
    assert_int_equal(file.stat.bytes, 7);
    assert_int_equal(files_ftruncate(&other, 2), 0);
    check_open(&file, "on");
    assert_int_equal(files_close(&file), 0);
    check_open(&other, "on");
    assert_int_equal(files_close(&other), 0);
    start_anew();
    check("/f", "on");
}

static void what_is_not_open_for_it_is_refused(void **state)
{
    char byte;

    (void)state;
    put("/f", "text");
    assert_int_equal(files_open(&file, "/f", FS_READ), 0);
    assert_int_equal(files_open(&other, "/f", FS_WRITE), 0);
    assert_int_equal(files_pwrite(&file, "x", 1, 0), -XEN_EBADF);
    assert_int_equal(files_ftruncate(&file, 0), -XEN_EBADF);
    assert_int_equal(files_pread(&other, &byte, 1, 0), -XEN_EBADF);
    assert_int_equal(files_pwrite(&other, "T", 1, 0), 1);
    check_open(&file, "Text");
    assert_int_equal(files_close(&other), 0);
    assert_int_equal(files_close(&file), 0);
}

static void holes_are_zeros(void **state)
{
    static char got[20000], zeros[20000];

    (void)state;
    assert_int_equal(files_open(&file, "/f", READ_WRITE | FS_CREATE), 0);
    assert_int_equal(files_pwrite(&file, "a", 1, 0), 1);
    assert_int_equal(files_pwrite(&file, "b", 1, 10000), 1);
    assert_int_equal(files_ftruncate(&file, 20000), 0);
    assert_int_equal(files_pread(&file, got, sizeof(got), 0), sizeof(got));
    assert_memory_equal(got, "a", 1);
    assert_memory_equal(got + 1, zeros, 9999);
    assert_memory_equal(got + 10000, "b", 1);
    assert_memory_equal(got + 10001, zeros, 9999);
    assert_int_equal(files_close(&file), 0);
}

static void how_to_open(void **state)
{
    (void)state;
    assert_int_equal(files_open(&file, "/f", READ_WRITE), -XEN_ENOENT);
    assert_int_equal(
        files_open(&file, "/f", READ_WRITE | FS_CREATE | FS_EXCLUSIVE), 0);
    assert_int_equal(file.stat.bytes, 0);
    assert_int_equal(
        files_open(&other, "/f", FS_READ | FS_CREATE | FS_EXCLUSIVE),
        -XEN_EEXIST);
    assert_int_equal(files_pwrite(&file, "text", 4, 0), 4);
    assert_int_equal(files_close(&file), 0);
    assert_int_equal(
        files_open(&other, "/f", FS_READ | FS_CREATE | FS_EXCLUSIVE),
        -XEN_EEXIST);
    assert_int_equal(files_open(&file, "/f", FS_READ | FS_TRUNCATE), 0);
    assert_int_equal(file.stat.bytes, 4);
    assert_int_equal(files_open(&other, "/f", FS_WRITE | FS_TRUNCATE), 0);
    assert_int_equal(other.stat.bytes, 0);
    check_open(&file, "");
    assert_int_equal(files_close(&other), 0);
    assert_int_equal(files_close(&file), 0);
    assert_int_equal(files_open(&file, "/d/f", FS_WRITE | FS_CREATE),
                     -XEN_ENOENT);
    assert_int_equal(files_open(&file, "/f/f", FS_WRITE | FS_CREATE),
                     -XEN_ENOTDIR);
    assert_int_equal(files_open(&file, "/", FS_WRITE | FS_CREATE), -XEN_EISDIR);
}

static void a_file_has_a_limit(void **state)
{
    (void)state;
    assert_int_equal(files_open(&file, "/f", READ_WRITE | FS_CREATE), 0);
    assert_int_equal(files_pwrite(&file, "x", 1, INT32_MAX), -XEN_EFBIG);
    assert_int_equal(files_pwrite(&file, "x", 1, FS_END - 1), -XEN_EFBIG);
    assert_int_equal(files_ftruncate(&file, (uint64_t)INT32_MAX + 1),
                     -XEN_EFBIG);
    assert_int_equal(files_fstat(&file), 0);
    assert_int_equal(file.stat.bytes, 0);
    assert_int_equal(files_close(&file), 0);
}

static void changes_have_a_time(void **state)
{
    uint64_t before = hv_wall_base_ns() + hv_now_ns();
    struct fs_stat stat;

    (void)state;
    put("/f", "text");
    start_anew();
    fake_advance(100 * NS_PER_S);
    assert_int_equal(files_stat(&stat, "/f"), 0);
    assert_in_range(stat.changed_s, before / NS_PER_S, before / NS_PER_S + 10);
    assert_int_equal(files_open(&file, "/f", FS_READ), 0);
    assert_int_equal(file.stat.changed_s, stat.changed_s);
    assert_int_equal(files_close(&file), 0);
    assert_int_equal(files_open(&file, "/f", FS_WRITE), 0);
    assert_int_equal(files_pwrite(&file, "x", 1, 0), 1);
    assert_int_equal(files_stat(&stat, "/f"), 0);
    assert_true(stat.changed_s >= before / NS_PER_S + 100);
    assert_int_equal(files_close(&file), 0);
}

/* ---- Names */

static void unlinked_files_live_while_they_are_open(void **state)
{
    static char text[30000], got[30000];
    struct fs_stat stat;

    (void)state;
    fake_random_fill(text, sizeof(text));
    assert_int_equal(files_open(&file, "/f", READ_WRITE | FS_CREATE), 0);
    assert_int_equal(files_pwrite(&file, text, sizeof(text), 0), sizeof(text));
    assert_int_equal(files_fsync(&file), 0);
    assert_int_equal(files_unlink("/f"), 0);
    assert_int_equal(files_stat(&stat, "/f"), -XEN_ENOENT);
    assert_int_equal(files_unlink("/f"), -XEN_ENOENT);
    /* Another of that name, and so much that every free block is used. */
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(
            files_open(&other, "/f", FS_WRITE | FS_CREATE | FS_TRUNCATE), 0);
        assert_int_equal(files_pwrite(&other, got, sizeof(got), 0),
                         sizeof(got));
        assert_int_equal(files_close(&other), 0);
    }
    assert_int_equal(files_pread(&file, got, sizeof(got), 0), sizeof(got));
    assert_memory_equal(got, text, sizeof(got));
    assert_int_equal(files_pwrite(&file, "still", 5, 0), 5);
    assert_int_equal(files_fsync(&file), 0);
    assert_int_equal(files_pread(&file, got, 5, 0), 5);
    assert_memory_equal(got, "still", 5);
    assert_int_equal(files_close(&file), 0);
}

static void renamed_files_stay_what_they_are(void **state)
{
    (void)state;
    assert_int_equal(files_mkdir("/d"), 0);
    assert_int_equal(files_open(&file, "/d/f", READ_WRITE | FS_CREATE), 0);
    assert_int_equal(files_pwrite(&file, "one", 3, 0), 3);
    assert_int_equal(files_rename("/d/f", "/g"), 0);
    assert_int_equal(files_pwrite(&file, "two", 3, FS_END), 3);
    assert_int_equal(files_open(&other, "/g", FS_READ), 0);
    check_open(&other, "onetwo");
    assert_int_equal(files_close(&other), 0);
    assert_int_equal(files_fsync(&file), 0);
    assert_int_equal(files_rename("/g", "/d/h"), 0);
    assert_int_equal(files_rename("/d", "/e"), 0);
    assert_int_equal(files_pwrite(&file, "three", 5, FS_END), 5);
    assert_int_equal(files_open(&other, "/e/h", FS_READ), 0);
    check_open(&other, "onetwothree");
    assert_int_equal(files_close(&other), 0);
    assert_int_equal(files_close(&file), 0);
    start_anew();
    check("/e/h", "onetwothree");
}

static void a_rename_replaces(void **state)
{
    (void)state;
    put("/old", "old");
    put("/new", "new");
    assert_int_equal(files_open(&other, "/new", FS_READ), 0);
    assert_int_equal(files_rename("/old", "/new"), 0);
    check_open(&other, "new");
    assert_int_equal(files_close(&other), 0);
    check("/new", "old");
    assert_int_equal(files_open(&file, "/old", FS_READ), -XEN_ENOENT);
    assert_int_equal(files_rename("/new", "/new"), 0);
    start_anew();
    check("/new", "old");
}

static void what_cannot_be_renamed(void **state)
{
    (void)state;
    put("/f", "text");
    assert_int_equal(files_mkdir("/d"), 0);
    assert_int_equal(files_mkdir("/d/e"), 0);
    assert_int_equal(files_mkdir("/x"), 0);
    assert_int_equal(files_rename("/none", "/f"), -XEN_ENOENT);
    assert_int_equal(files_rename("/f", "/none/f"), -XEN_ENOENT);
    assert_int_equal(files_rename("/f", "/f/g"), -XEN_EINVAL);
    assert_int_equal(files_rename("/x", "/f/g"), -XEN_ENOTDIR);
    assert_int_equal(files_rename("/f", "/d"), -XEN_EISDIR);
    assert_int_equal(files_rename("/d", "/f"), -XEN_ENOTDIR);
    assert_int_equal(files_rename("/x", "/d"), -XEN_ENOTEMPTY);
    assert_int_equal(files_rename("/d", "/d/e/f"), -XEN_EINVAL);
    assert_int_equal(files_rename("/", "/y"), -XEN_EBUSY);
    assert_int_equal(files_rename("/x", "/"), -XEN_EBUSY);
    assert_int_equal(files_rename("/x", "/d/e"), 0);
    check("/f", "text");
}

static void directories_come_and_go(void **state)
{
    struct fs_stat stat;

    (void)state;
    assert_int_equal(files_mkdir("/d"), 0);
    assert_int_equal(files_mkdir("/d"), -XEN_EEXIST);
    assert_int_equal(files_mkdir("/"), -XEN_EEXIST);
    assert_int_equal(files_mkdir("/none/d"), -XEN_ENOENT);
    put("/d/f", "text");
    assert_int_equal(files_mkdir("/d/f/g"), -XEN_ENOTDIR);
    assert_int_equal(files_rmdir("/d"), -XEN_ENOTEMPTY);
    assert_int_equal(files_rmdir("/d/f"), -XEN_ENOTDIR);
    assert_int_equal(files_rmdir("/"), -XEN_EBUSY);
    assert_int_equal(files_rmdir("/none"), -XEN_ENOENT);
    assert_int_equal(files_unlink("/d"), -XEN_EISDIR);
    assert_int_equal(files_unlink("/d/f"), 0);
    assert_int_equal(files_stat(&stat, "/d"), 0);
    assert_int_equal(stat.kind, FS_DIRECTORY);
    assert_int_equal(files_rmdir("/d"), 0);
    assert_int_equal(files_stat(&stat, "/d"), -XEN_ENOENT);
}

static void paths_are_walked(void **state)
{
    static char path[FS_PATH_MAX + 10];
    struct fs_stat stat;

    (void)state;
    assert_int_equal(files_mkdir("/d"), 0);
    assert_int_equal(files_mkdir("/d/e"), 0);
    put("/d/f", "text");
    assert_int_equal(files_stat(&stat, "//d/./e/..///f"), 0);
    assert_int_equal(stat.bytes, 4);
    assert_int_equal(files_stat(&stat, "/../../d"), 0);
    assert_int_equal(files_stat(&stat, "/none/../d"), -XEN_ENOENT);
    assert_int_equal(files_stat(&stat, "/d/f/../e"), -XEN_ENOTDIR);
    assert_int_equal(files_stat(&stat, "/d/f/x"), -XEN_ENOTDIR);
    memset(path, 'n', 256);
    path[0] = '/';
    assert_int_equal(files_mkdir(path), 0);
    assert_int_equal(files_stat(&stat, path), 0);
    path[256] = 'n';
    assert_int_equal(files_mkdir(path), -XEN_ENAMETOOLONG);
    assert_int_equal(files_stat(&stat, path), -XEN_ENAMETOOLONG);
    memset(path, '/', sizeof(path) - 1);
    assert_int_equal(files_stat(&stat, path), -XEN_ENAMETOOLONG);
}

/* ---- Lists */

#define MANY 1000

static void make_many(void)
{
    char path[20];

    assert_int_equal(files_mkdir("/many"), 0);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(path, sizeof(path), "/many/%u", i);
        assert_int_equal(files_open(&file, path, FS_WRITE | FS_CREATE), 0);
        assert_int_equal(files_close(&file), 0);
    }
}

static void large_directories_are_listed(void **state)
{
    static struct fs_entry some[7];
    static bool seen[MANY];
    uint64_t first = 0, reads;
    int n;

    (void)state;
    memset(seen, 0, sizeof(seen));
    make_many();
    assert_int_equal(files_open(&file, "/many", FS_READ), 0);
    reads = fake_volume.bytes_read;
    while ((n = files_readdir(&file, some, array_size(some), first)) > 0) {
        for (int i = 0; i < n; i++) {
            unsigned number = (unsigned)atoi(some[i].name);

            assert_true(number < MANY && !seen[number]);
            assert_int_equal(some[i].kind, FS_FILE);
            seen[number] = true;
        }
        first += (unsigned)n;
    }
    assert_int_equal(n, 0);
    assert_int_equal(first, MANY);
    /* Each metadata block is read a few times, not once for each entry. */
    assert_true(fake_volume.bytes_read - reads < 100ul * MANY * 10);
    assert_int_equal(files_readdir(&file, some, 1, 500), 1);
    assert_int_equal(files_close(&file), 0);
}

/* What rm -r does, with the list open. */
static void a_list_may_be_emptied_meanwhile(void **state)
{
    static struct fs_entry entry;
    unsigned nr = 0;
    char path[300];
    int n;

    (void)state;
    make_many();
    assert_int_equal(files_open(&other, "/many", FS_READ), 0);
    while ((n = files_readdir(&other, &entry, 1, nr)) == 1) {
        snprintf(path, sizeof(path), "/many/%s", entry.name);
        assert_int_equal(files_unlink(path), 0);
        nr++;
    }
    assert_int_equal(n, 0);
    assert_int_equal(nr, MANY);
    assert_int_equal(files_rmdir("/many"), 0);
    assert_int_equal(files_readdir(&other, &entry, 1, 0), 0);
    assert_int_equal(files_close(&other), 0);
}

/* The entry at which the list stands goes: the others are still listed. */
static void the_next_of_a_list_may_go(void **state)
{
    static struct fs_entry entry;

    (void)state;
    put("/a", "");
    put("/b", "");
    put("/c", "");
    assert_int_equal(files_open(&other, "/", FS_READ), 0);
    assert_int_equal(files_readdir(&other, &entry, 1, 0), 1);
    assert_string_equal(entry.name, "a");
    assert_int_equal(files_unlink("/b"), 0);
    assert_int_equal(files_readdir(&other, &entry, 1, 1), 1);
    assert_string_equal(entry.name, "c");
    assert_int_equal(files_close(&other), 0);
}

/* ---- Space */

static void a_full_disk_is_told_and_can_be_emptied(void **state)
{
    static char piece[10000], got[10000];
    struct fs_space space;
    unsigned nr = 0;
    int n;

    (void)state;
    put("/keep", "kept");
    assert_int_equal(files_open(&file, "/fill", READ_WRITE | FS_CREATE), 0);
    do {
        memset(piece, (int)nr, sizeof(piece));
        n = files_pwrite(&file, piece, sizeof(piece), FS_END);
        nr += n == sizeof(piece);
    } while (n == sizeof(piece));
    assert_int_equal(n, -XEN_ENOSPC);
    assert_true(nr > 300);
    /* What was written before is there. */
    assert_int_equal(files_fstat(&file), 0);
    assert_int_equal(file.stat.bytes, nr * sizeof(piece));
    for (unsigned i = 0; i < nr; i++) {
        memset(piece, (int)i, sizeof(piece));
        assert_int_equal(files_pread(&file, got, sizeof(got), i * sizeof(got)),
                         sizeof(got));
        assert_memory_equal(got, piece, sizeof(got));
    }
    assert_int_equal(files_fsync(&file), 0);
    assert_int_equal(files_statvfs(&space, "/"), 0);
    assert_int_equal(space.bytes, SECTORS * VOLUME_SECTOR_BYTES);
    assert_true(space.free_bytes < 3 * space.block_bytes);
    assert_int_equal(files_close(&file), 0);
    check("/keep", "kept");
    assert_int_equal(files_unlink("/fill"), 0);
    assert_int_equal(files_statvfs(&space, "/"), 0);
    assert_true(space.free_bytes > space.bytes * 9 / 10);
    put("/keep", "kept again");
    start_anew();
    check("/keep", "kept again");
}

static void a_larger_disk_is_used(void **state)
{
    struct fs_space space;

    (void)state;
    put("/f", "text");
    files_stop();
    fake_volume_grow(2 * SECTORS);
    assert_int_equal(files_start(OLD ":ro"), 0);
    assert_int_equal(files_statvfs(&space, "/"), 0);
    assert_int_equal(space.bytes, SECTORS * VOLUME_SECTOR_BYTES);
    files_stop();
    assert_int_equal(files_start(OLD), 0);
    assert_true(files_logged("grew from 1024 to 2048 blocks"));
    assert_int_equal(files_statvfs(&space, "/"), 0);
    assert_int_equal(space.bytes, 2 * SECTORS * VOLUME_SECTOR_BYTES);
    check("/f", "text");
    start_anew();
    assert_false(files_logged("grew"));
    check("/f", "text");
}

/* ---- Mounting */

static void read_only_is_only_read(void **state)
{
    uint64_t writes;

    (void)state;
    put("/f", "text");
    assert_int_equal(files_mkdir("/d"), 0);
    files_stop();
    fake_volume.volume.read_only = true;
    writes = fake_volume.nr_writes + fake_volume.nr_flushes;
    assert_int_equal(files_start(OLD ":rw"), -XEN_EROFS);
    files_stop();
    assert_int_equal(files_start(OLD), 0);
    assert_int_equal(files_open(&file, "/f", READ_WRITE), -XEN_EROFS);
    assert_int_equal(files_open(&file, "/g", FS_READ | FS_CREATE), -XEN_EROFS);
    assert_int_equal(files_unlink("/f"), -XEN_EROFS);
    assert_int_equal(files_rename("/f", "/g"), -XEN_EROFS);
    assert_int_equal(files_mkdir("/e"), -XEN_EROFS);
    assert_int_equal(files_rmdir("/d"), -XEN_EROFS);
    check("/f", "text");
    assert_int_equal(fake_volume.nr_writes + fake_volume.nr_flushes, writes);
}

static void only_an_empty_disk_is_made_new(void **state)
{
    (void)state;
    put("/f", "text");
    files_stop();
    assert_int_equal(files_start(NEW), 0);
    check("/f", "text");
    files_stop();

    fake_volume_make(SECTORS, 1);
    fake_volume.bytes[100000] = 1;
    assert_int_equal(files_start(NEW), -XEN_EINVAL);
    assert_true(files_logged("there is something on it"));
    assert_int_equal(fake_volume.nr_writes, 0);
    files_stop();

    fake_volume.bytes[100000] = 0;
    assert_int_equal(files_start(OLD), -XEN_EINVAL);
    assert_true(files_logged("tools/littlefs make IMAGE"));
    assert_int_equal(fake_volume.nr_writes, 0);
    files_stop();
    assert_int_equal(files_start(NEW), 0);
}

static void disks_may_have_large_sectors(void **state)
{
    (void)state;
    files_stop();
    fake_volume_make(SECTORS, 8);
    assert_int_equal(files_start(NEW), 0);
    put("/f", "text");
    put("/g", "more");
    start_anew();
    check("/f", "text");
    check("/g", "more");
}

/* The disk was cut off, or its first block is half-written. */
static void damaged_disks(void **state)
{
    (void)state;
    put("/f", "text");
    files_stop();
    fake_volume.volume.nr_sectors /= 2;
    assert_int_equal(files_start(OLD), -XEN_EIO);
    assert_true(files_logged("larger than the disk"));
    files_stop();
    fake_volume.volume.nr_sectors *= 2;
    memset(fake_volume.bytes, 0x55, 4096);
    assert_int_equal(files_start(OLD), 0);
    check("/f", "text");
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(what_is_written_is_read),
        test(a_file_is_one_however_often_it_is_open),
        test(what_is_not_open_for_it_is_refused),
        test(holes_are_zeros),
        test(how_to_open),
        test(a_file_has_a_limit),
        test(changes_have_a_time),
        test(unlinked_files_live_while_they_are_open),
        test(renamed_files_stay_what_they_are),
        test(a_rename_replaces),
        test(what_cannot_be_renamed),
        test(directories_come_and_go),
        test(paths_are_walked),
        test(large_directories_are_listed),
        test(a_list_may_be_emptied_meanwhile),
        test(the_next_of_a_list_may_go),
        test(a_full_disk_is_told_and_can_be_emptied),
        test(a_larger_disk_is_used),
        test(read_only_is_only_read),
        test(only_an_empty_disk_is_made_new),
        test(disks_may_have_large_sectors),
        test(damaged_disks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
