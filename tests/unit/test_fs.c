/* SPDX-License-Identifier: MIT */
/*
 * Files from images that mkfs.erofs made (tests/unit/images), through the whole
 * of fs/, on a ramdisk that may be slow, broken or cut short.
 */
// sources: fs/fs.c fs/requests.c fs/mounts.c fs/cache.c disk/volume.c
// sources: disk/ramdisk.c fs/erofs.c fs/littlefs.c fs/littlefs_disk.c
// sources: disk/disks.c disk/hotplug.c disk/disk.c disk/partition.c
// sources: blkfront/blkfront.c blkfront/blkfront_xs.c kernel/fiber.c
// sources: kernel/fiber_switch.c kernel/loop.c kernel/page.c kernel/options.c
// sources: kernel/log.c xen/bus/xenbus.c xen/bus/xs.c xen/bus/xs_update.c
// sources: xen/bus/gnttab.c xen/bus/ring.c xen/evtchn.c tests/fake/fiber.c
// sources: tests/fake/hv.c erofs lfs
#include "tests/unit/test.h"

#include "kernel/app.h"
#include "fs/fs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS_BYTES 1000003 /* tests/unit/images: 125000 lines and "end" */

static struct loop loop;
static struct pages pages;
static struct options options;
static struct app app = {.loop = &loop, .pages = &pages, .options = &options};
static struct fs fs;
static struct fs_request request;
static char *image;
static size_t image_bytes;
static int ready_status;
static bool is_ready, is_stopped, is_done;

/* ---- Machines with an image in them */

static void load(const char *layout)
{
    char path[100];
    FILE *file;

    snprintf(path, sizeof(path), "build/host/images/%s.erofs", layout);
    file = fopen(path, "rb");
    if (!file)
        fail_msg("%s is not there: make unit makes it", path);
    free(image);
    fseek(file, 0, SEEK_END);
    image_bytes = (size_t)ftell(file);
    rewind(file);
    image = malloc(image_bytes);
    assert_int_equal(fread(image, 1, image_bytes, file), image_bytes);
    fclose(file);
}

static void note_ready(struct fs *f, int status)
{
    assert_ptr_equal(f, &fs);
    assert_false(is_ready);
    is_ready = true;
    ready_status = status;
}

static void note_stopped(struct fs *f)
{
    assert_ptr_equal(f, &fs);
    is_stopped = true;
}

/* A machine whose ramdisk is the image; the log is not looked at. */
static int boot(const char *cmdline)
{
    struct fake_config config = {
        .cmdline = cmdline,
        .module = image,
        .module_bytes = image_bytes,
    };

    fake_start(&config);
    loop_init(&loop);
    pages_init(&pages);
    options_parse(&options, hv_info()->cmdline);
    is_ready = is_stopped = false;
    return fs_start(&fs, &app, note_ready);
}

static int start(const char *cmdline)
{
    assert_int_equal(boot(cmdline), 0);
    assert_false(is_ready);
    fake_run_until(&loop, is_ready, NS_PER_S);
    return ready_status;
}

static void stop(void)
{
    fs_stop(&fs, note_stopped);
    assert_false(is_stopped);
    fake_run_until(&loop, is_stopped, NS_PER_S);
    assert_int_equal(pages.nr_used, 0);
    fake_check_clean();
    fake_stop();
}

/* ---- Requests, waited for */

static void note_done(struct fs_request *r)
{
    assert_null(fiber_current());
    assert_ptr_equal(r, &request);
    is_done = true;
}

static int wait(void)
{
    assert_false(is_done);
    fake_run_until(&loop, is_done, 100 * NS_PER_S);
    is_done = false;
    return request.status;
}

static int open_file(struct fs_file *file, const char *path)
{
    fs_open(&fs, &request, file, path, FS_READ, note_done);
    return wait();
}

static int close_file(struct fs_file *file)
{
    fs_close(&request, file, note_done);
    return wait();
}

static int read_at(struct fs_file *file, void *to, size_t bytes, uint64_t at)
{
    fs_pread(&request, file, to, bytes, at, note_done);
    return wait();
}

static int list(struct fs_file *file, struct fs_entry *to, unsigned nr,
                uint64_t first)
{
    fs_readdir(&request, file, to, nr, first, note_done);
    return wait();
}

static int stat_path(struct fs_stat *stat, const char *path)
{
    fs_stat(&fs, &request, stat, path, note_done);
    return wait();
}

/* ---- Contents */

static uint32_t crc32(uint32_t crc, const char *bytes, size_t len)
{
    crc = ~crc;
    while (len--) {
        crc ^= (unsigned char)*bytes++;
        for (unsigned i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* All of a file, in pieces of random size; *crc is that of its bytes. */
static uint64_t read_all(const char *path, uint32_t *crc)
{
    struct fs_file file;
    uint64_t at = 0;
    int n;

    *crc = 0;
    assert_int_equal(open_file(&file, path), 0);
    do {
        size_t room = 1 + fake_random_below(fake_chance(50) ? 200000 : 5000);
        char *piece = malloc(room);

        n = read_at(&file, piece, room, at);
        assert_in_range(n, 0, room);
        if ((size_t)n < room)
            assert_int_equal(at + (unsigned)n, file.stat.bytes);
        *crc = crc32(*crc, piece, (size_t)n);
        at += (unsigned)n;
        free(piece);
    } while (n);
    assert_int_equal(close_file(&file), 0);
    return at;
}

static char *read_text(const char *path)
{
    struct fs_file file;
    char *text;

    assert_int_equal(open_file(&file, path), 0);
    text = malloc(file.stat.bytes + 1);
    assert_int_equal(read_at(&file, text, file.stat.bytes, 0), file.stat.bytes);
    text[file.stat.bytes] = '\0';
    close_file(&file);
    return text;
}

/* What /CHECKSUMS says of every file. */
static unsigned check_files(void)
{
    char *sums = read_text("/CHECKSUMS"), *line, *rest = sums;
    unsigned nr = 0;

    while ((line = strtok_r(rest, "\n", &rest))) {
        unsigned want_crc;
        unsigned long want_bytes;
        char path[300];
        uint32_t crc;

        assert_int_equal(
            sscanf(line, "%x %lu %299s", &want_crc, &want_bytes, path), 3);
        if (nr < 20 || fake_chance(5)) {
            assert_int_equal(read_all(path, &crc), want_bytes);
            assert_int_equal(crc, want_crc);
        }
        nr++;
    }
    free(sums);
    return nr;
}

static void check_layout(const char *layout)
{
    struct fs_space space;

    load(layout);
    assert_int_equal(start(""), 0);
    assert_true(check_files() > 1000);
    fs_statvfs(&fs, &request, &space, "/", note_done);
    assert_int_equal(wait(), 0);
    assert_int_equal(space.bytes, image_bytes);
    assert_int_equal(space.block_bytes, 4096);
    assert_true(space.nr_files > 1000 && space.read_only);
    stop();
}

static void every_layout_is_read(void **state)
{
    static const char *const layouts[] = {
        "plain", "extended", "chunks", "lz4", "lz4hc", "packed", "legacy",
    };

    (void)state;
    for (unsigned i = 0; i < array_size(layouts); i++)
        check_layout(layouts[i]);
}

/* Any range is what it should be: "numbers" tells its own offset. */
static void any_range_is_right(void **state)
{
    struct fs_file file;

    (void)state;
    load("lz4hc");
    assert_int_equal(start(""), 0);
    assert_int_equal(open_file(&file, "/numbers"), 0);
    assert_int_equal(file.stat.bytes, NUMBERS_BYTES);
    assert_int_equal(file.stat.kind, FS_FILE);
    for (unsigned i = 0; i < 300; i++) {
        char got[5000], want[5016] = "";
        uint64_t at = fake_random_below(NUMBERS_BYTES - 5016);
        size_t len = 1 + fake_random_below(5000);

        for (unsigned line = 0; line * 8 < len + 8; line++)
            snprintf(want + line * 8, 9, "%07u\n", (unsigned)at / 8 + line);
        assert_int_equal(read_at(&file, got, len, at), len);
        assert_memory_equal(got, want + at % 8, len);
    }
    close_file(&file);
    stop();
}

static void reading_ends_at_the_end(void **state)
{
    struct fs_file file;
    char bytes[100];

    (void)state;
    load("packed");
    assert_int_equal(start(""), 0);
    assert_int_equal(open_file(&file, "/numbers"), 0);
    assert_int_equal(read_at(&file, bytes, 100, NUMBERS_BYTES - 3), 3);
    assert_memory_equal(bytes, "end", 3);
    assert_int_equal(read_at(&file, bytes, 100, NUMBERS_BYTES), 0);
    assert_int_equal(read_at(&file, bytes, 100, UINT64_MAX), 0);
    assert_int_equal(read_at(&file, bytes, 0, 5), 0);
    close_file(&file);
    assert_int_equal(open_file(&file, "/empty"), 0);
    assert_int_equal(read_at(&file, bytes, 100, 0), 0);
    close_file(&file);
    stop();
}

/* ---- Directories and paths */

static void directories_are_listed_whole(void **state)
{
    static struct fs_entry some[7];
    static bool seen[1000];
    struct fs_file file;
    uint64_t first = 0;
    int n;

    (void)state;
    memset(seen, 0, sizeof(seen));
    load("plain");
    assert_int_equal(start(""), 0);
    assert_int_equal(open_file(&file, "/many/"), 0);
    assert_int_equal(file.stat.kind, FS_DIRECTORY);
    while ((n = list(&file, some, array_size(some), first)) > 0) {
        for (int i = 0; i < n; i++) {
            unsigned number = (unsigned)atoi(some[i].name + strlen("entry-"));

            assert_true(number < 1000 && !seen[number]);
            assert_int_equal(some[i].kind, FS_FILE);
            seen[number] = true;
        }
        first += (unsigned)n;
    }
    assert_int_equal(n, 0);
    assert_int_equal(first, 1000);
    close_file(&file);
    stop();
}

static void kinds_are_told(void **state)
{
    static struct fs_entry entries[50];
    struct fs_file root;
    struct fs_stat stat;
    int n;

    (void)state;
    load("lz4");
    assert_int_equal(start(""), 0);
    assert_int_equal(open_file(&root, "/"), 0);
    n = list(&root, entries, array_size(entries), 0);
    assert_int_equal(n, 16);
    for (int i = 0; i < n; i++) {
        if (!strcmp(entries[i].name, "sub"))
            assert_int_equal(entries[i].kind, FS_DIRECTORY);
        if (!strcmp(entries[i].name, "loop"))
            assert_int_equal(entries[i].kind, FS_LINK);
    }
    close_file(&root);
    assert_int_equal(stat_path(&stat, "/sub/./deep/../deep//er/file/"), 0);
    assert_int_equal(stat.bytes, strlen("at the bottom"));
    assert_int_equal(stat.changed_s, 1700000000);
    assert_int_equal(stat_path(&stat, "/../../sub"), 0);
    assert_int_equal(stat.kind, FS_DIRECTORY);
    stop();
}

static void links_are_followed(void **state)
{
    static const char *const paths[][2] = {
        {"/link", "Hello, files.\n"},
        {"/sub/up", "Hello, files.\n"},
        {"/absolute/er/file", "at the bottom"},
        {"/twice", "Hello, files.\n"},
    };
    struct fs_stat stat;

    (void)state;
    load("lz4");
    assert_int_equal(start(""), 0);
    for (unsigned i = 0; i < array_size(paths); i++) {
        char *text = read_text(paths[i][0]);

        assert_string_equal(text, paths[i][1]);
        free(text);
    }
    assert_int_equal(stat_path(&stat, "/loop"), -XEN_ELOOP);
    assert_int_equal(stat_path(&stat, "/loop/on"), -XEN_ELOOP);
    assert_int_equal(stat_path(&stat, "/dangling"), -XEN_ENOENT);
    stop();
}

static void bad_paths_are_errors(void **state)
{
    static char path[FS_PATH_MAX + 10];
    struct fs_stat stat;
    struct fs_file file;
    struct fs_entry entry;
    char byte;

    (void)state;
    load("plain");
    assert_int_equal(start(""), 0);
    assert_int_equal(stat_path(&stat, "/nothing"), -XEN_ENOENT);
    assert_int_equal(stat_path(&stat, "/sub/nothing"), -XEN_ENOENT);
    assert_int_equal(stat_path(&stat, "hello.txt"), -XEN_ENOENT);
    assert_int_equal(stat_path(&stat, ""), -XEN_ENOENT);
    assert_int_equal(stat_path(&stat, "/hello.txt/x"), -XEN_ENOTDIR);
    assert_int_equal(open_file(&file, "/hello.tx"), -XEN_ENOENT);
    memset(path, '/', sizeof(path) - 1);
    assert_int_equal(stat_path(&stat, path), -XEN_ENAMETOOLONG);
    assert_int_equal(open_file(&file, "/sub"), 0);
    assert_int_equal(read_at(&file, &byte, 1, 0), -XEN_EISDIR);
    close_file(&file);
    assert_int_equal(open_file(&file, "/hello.txt"), 0);
    assert_int_equal(list(&file, &entry, 1, 0), -XEN_ENOTDIR);
    close_file(&file);
    stop();
}

/* ---- mount= */

static void mounts_lie_where_they_are_told(void **state)
{
    struct fs_stat stat;

    (void)state;
    load("plain");
    assert_int_equal(
        start("mount=ramdisk:erofs:/data/a/:ro,ramdisk:erofs:/data"), 0);
    assert_int_equal(stat_path(&stat, "/data/hello.txt"), 0);
    assert_int_equal(stat_path(&stat, "/data/a/hello.txt"), 0);
    assert_int_equal(stat_path(&stat, "/data"), 0);
    assert_int_equal(stat_path(&stat, "/data/absolute/er/file"), 0);
    assert_int_equal(stat_path(&stat, "/hello.txt"), -XEN_ENOENT);
    assert_int_equal(stat_path(&stat, "/database"), -XEN_ENOENT);
    assert_int_equal(stat_path(&stat, "/data/ab"), -XEN_ENOENT);
    stop();
}

static void the_longest_place_counts(void **state)
{
    struct fs_stat stat;

    (void)state;
    load("plain");
    assert_int_equal(start("mount=ramdisk:erofs:/a,ramdisk:erofs:/a/b,"
                           "ramdisk:erofs:/"),
                     0);
    assert_int_equal(stat_path(&stat, "/a/hello.txt"), 0);
    assert_int_equal(stat_path(&stat, "/a/b/hello.txt"), 0);
    assert_int_equal(stat_path(&stat, "/hello.txt"), 0);
    assert_int_equal(stat_path(&stat, "/ab"), -XEN_ENOENT);
    stop();
}

static void bad_mounts_are_refused(void **state)
{
    static const char *const lines[] = {
        "mount",
        "mount=ramdisk",
        "mount=xvd:erofs:/",
        "mount=ramdisk:ext9:/",
        "mount=ramdisk:erofs:",
        "mount=ramdisk:erofs:data",
        "mount=ramdisk:erofs://",
        "mount=ramdisk:erofs:/:rw",
        "mount=ramdisk:erofs:/:ro:x",
        "mount=ramdisk:erofs:/,ramdisk:erofs:/",
        "mount=,",
        "mount=ramdisk:erofs:/1,ramdisk:erofs:/2,ramdisk:erofs:/3,"
        "ramdisk:erofs:/4,ramdisk:erofs:/5",
        "mount=ramdisk:erofs:/0123456789012345678901234567890123456789"
        "0123456789012345678901234567890123456789",
    };

    (void)state;
    load("plain");
    for (unsigned i = 0; i < array_size(lines); i++) {
        assert_int_equal(boot(lines[i]), -XEN_EINVAL);
        assert_int_equal(pages.nr_used, 0);
        fake_stop();
    }
}

static void without_a_disk_there_are_no_files(void **state)
{
    struct fs_stat stat;

    (void)state;
    free(image);
    image = NULL;
    image_bytes = 0;
    assert_int_equal(start(""), 0);
    assert_int_equal(stat_path(&stat, "/hello.txt"), -XEN_ENOENT);
    stop();
    assert_int_equal(start("mount=ramdisk:erofs:/"), -XEN_ENODEV);
    assert_int_equal(stat_path(&stat, "/hello.txt"), -XEN_ENODEV);
    stop();
}

static void what_is_no_image_is_not_mounted(void **state)
{
    struct fs_stat stat;

    (void)state;
    load("plain");
    memset(image, 0x5a, 5000);
    assert_int_equal(start(""), -XEN_EINVAL);
    assert_int_equal(stat_path(&stat, "/"), -XEN_EINVAL);
    stop();
    image_bytes = 700;
    assert_int_equal(start(""), -XEN_EIO);
    stop();
}

static void no_memory_is_told(void **state)
{
    struct fs_stat stat;

    (void)state;
    load("plain");
    assert_int_equal(boot("mount=ramdisk:erofs:/a,ramdisk:erofs:/b"), 0);
    fs_stop(&fs, note_stopped);
    fake_run_until(&loop, is_stopped, NS_PER_S);
    fake_fail_call(FAKE_GUARD_PAGE, 1, -XEN_ENOMEM);
    is_ready = is_stopped = false;
    assert_int_equal(fs_start(&fs, &app, note_ready), 0);
    fake_run_until(&loop, is_ready, NS_PER_S);
    assert_int_equal(ready_status, -XEN_ENOMEM);
    assert_int_equal(stat_path(&stat, "/a/hello.txt"), -XEN_ENOMEM);
    assert_int_equal(stat_path(&stat, "/b/hello.txt"), 0);
    stop();
}

/* ---- Volumes that are slow or broken */

static struct {
    struct timer timer;
    struct volume_request *read;
    unsigned nr, fail_at; /* the read that fails, from 1; 0: none */
    uint64_t delay_ns;
} disk;

static void answer_read(struct timer *timer)
{
    struct volume_request *read = disk.read;

    (void)timer;
    disk.read = NULL;
    read->done(read);
}

static void slow_read(struct volume *volume, struct volume_request *read)
{
    const char *from = container_of(volume, struct ramdisk, volume)->contents;
    size_t bytes = (size_t)read->nr * VOLUME_SECTOR_BYTES;

    assert_null(disk.read);
    disk.read = read;
    disk.nr++;
    read->status = disk.nr == disk.fail_at ? -XEN_EIO : 0;
    if (read->status)
        memset(read->to, 0xee, bytes);
    else
        memcpy(read->to, from + read->sector * VOLUME_SECTOR_BYTES, bytes);
    timer_start(&loop, &disk.timer, loop_now(&loop) + disk.delay_ns,
                answer_read);
}

static int start_slow(unsigned fail_at, uint64_t delay_ns)
{
    assert_int_equal(boot(""), 0);
    memset(&disk, 0, sizeof(disk));
    disk.fail_at = fail_at;
    disk.delay_ns = delay_ns;
    assert_int_equal(ramdisk_init(&fs.disks.ramdisk, &loop), 0);
    fs.disks.ramdisk.volume.start = slow_read;
    fake_run_until(&loop, is_ready, NS_PER_S);
    return ready_status;
}

static struct timer tick;
static unsigned ticks;

static void count_tick(struct timer *timer)
{
    ticks++;
    timer_start(&loop, timer, loop_now(&loop) + NS_PER_MS, count_tick);
}

static void the_loop_goes_on_meanwhile(void **state)
{
    struct fs_stat stat;

    (void)state;
    load("plain");
    assert_int_equal(start_slow(0, 10 * NS_PER_MS), 0);
    ticks = 0;
    timer_start(&loop, &tick, 0, count_tick);
    assert_int_equal(stat_path(&stat, "/hello.txt"), 0);
    assert_true(ticks >= 20);
    timer_stop(&loop, &tick);
    stop();
}

static char order[10];

static void note_order(struct fs_request *r)
{
    char name[2] = {(char)r->status + 'a', '\0'};

    strcat(order, name);
}

static void requests_are_served_in_order(void **state)
{
    struct fs_request many[4] = {{.status = 0}};
    struct fs_file file;
    char bytes[4];

    (void)state;
    load("plain");
    order[0] = '\0';
    assert_int_equal(start_slow(0, NS_PER_MS), 0);
    assert_int_equal(open_file(&file, "/hello.txt"), 0);
    for (unsigned i = 0; i < array_size(many); i++)
        fs_pread(&many[i], &file, bytes, i, 0, note_order);
    fake_run_until(&loop, strlen(order) == array_size(many), NS_PER_S);
    assert_string_equal(order, "abcd");
    close_file(&file);
    stop();
}

/* Mount, open and read, with the nth read of the disk failing: an error or
 * nothing; the next try is right. Returns whether the nth was reached. */
static bool try_failing_at(unsigned nth)
{
    static char bytes[50000];
    struct fs_file file;
    int err = start_slow(nth, 0);

    if (!err) {
        err = open_file(&file, "/sub/../numbers");
        if (!err) {
            err = read_at(&file, bytes, sizeof(bytes), 1000);
            close_file(&file);
        }
        disk.fail_at = 0;
        if (err != sizeof(bytes))
            assert_int_equal(err, -XEN_EIO);
        assert_int_equal(open_file(&file, "/numbers"), 0);
        assert_int_equal(read_at(&file, bytes, 8, 0), 8);
        assert_memory_equal(bytes, "0000000\n", 8);
        close_file(&file);
    } else {
        assert_int_equal(err, -XEN_EIO);
    }
    stop();
    return err == -XEN_EIO;
}

static void a_failing_disk_is_an_error(void **state)
{
    unsigned nth = 1;

    (void)state;
    load("lz4hc");
    while (try_failing_at(nth))
        nth++;
    assert_true(nth > 10);
}

static void a_cut_image_is_an_error(void **state)
{
    static char bytes[50000];
    struct fs_file file;
    size_t all;

    (void)state;
    load("lz4");
    all = image_bytes;
    for (unsigned i = 0; i < 100; i++) {
        image_bytes = fake_random_below((unsigned)all);
        if (!start("") && !open_file(&file, "/numbers")) {
            int n = read_at(&file, bytes, sizeof(bytes), 0);

            assert_true(n == (int)sizeof(bytes) || n == -XEN_EIO);
            close_file(&file);
        }
        stop();
    }
    free(image);
    image = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_is_read),
        cmocka_unit_test(any_range_is_right),
        cmocka_unit_test(reading_ends_at_the_end),
        cmocka_unit_test(directories_are_listed_whole),
        cmocka_unit_test(kinds_are_told),
        cmocka_unit_test(links_are_followed),
        cmocka_unit_test(bad_paths_are_errors),
        cmocka_unit_test(mounts_lie_where_they_are_told),
        cmocka_unit_test(the_longest_place_counts),
        cmocka_unit_test(bad_mounts_are_refused),
        cmocka_unit_test(without_a_disk_there_are_no_files),
        cmocka_unit_test(what_is_no_image_is_not_mounted),
        cmocka_unit_test(no_memory_is_told),
        cmocka_unit_test(the_loop_goes_on_meanwhile),
        cmocka_unit_test(requests_are_served_in_order),
        cmocka_unit_test(a_failing_disk_is_an_error),
        cmocka_unit_test(a_cut_image_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
