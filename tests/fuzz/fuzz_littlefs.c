/* SPDX-License-Identifier: MIT */
/*
 * Any disk, mounted as littlefs: what can be listed is listed, what is listed
 * is opened and read, and then files are made, written, moved and removed, as
 * far as it goes. The first byte says how it is mounted, how large sectors are,
 * and whether the sums in the image count: if not, each is 0, so
 * that more is seen than the refusal of all that was touched.
 */
// sources: fs/fs.c fs/requests.c fs/mounts.c fs/cache.c disk/volume.c
// sources: fs/erofs.c fs/littlefs.c fs/littlefs_disk.c kernel/fiber.c
// sources: kernel/fiber_switch.c kernel/loop.c kernel/page.c kernel/options.c
// sources: kernel/log.c xen/evtchn.c tests/fake/fiber.c tests/fake/hv.c
// sources: tests/fake/volume.c tests/unit/files_world.c erofs lfs

#include "tests/unit/files_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lfs2_util.h"

#define DISK_BYTES  (UINT64_C(1) << 17) /* of which the end may be zeros */
#define DEPTH_MAX   4
#define VISITS_MAX  30 /* files and directories in one run */
#define PIECE_BYTES 20000
/* files_world waits for 1000 s: more requests than fit are a walk in circles.
 */
#define LATENCY_NS  (NS_PER_S / 1000)

enum how { SUMS = 1, READ_ONLY = 2, BLOCKS_OF_4K = 4, NEW = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
uint32_t __wrap_lfs2_crc(uint32_t crc, const void *bytes, size_t size);
uint32_t __real_lfs2_crc(uint32_t crc, const void *bytes, size_t size);

static bool sums_count;
static unsigned visits;
static char piece[PIECE_BYTES];

/* In place of littlefs' own: see tests/tests.mk. */
uint32_t __wrap_lfs2_crc(uint32_t crc, const void *bytes, size_t size)
{
    return sums_count ? __real_lfs2_crc(crc, bytes, size) : 0;
}

/* ---- Reading */

static void read_piece(struct fs_file *file, uint64_t at)
{
    int n = files_pread(file, piece, sizeof(piece), at);

    if (n > PIECE_BYTES || (n > 0 && at + (unsigned)n > file->stat.bytes))
        fake_fail("%d bytes were read", n);
}

static void visit(const char *path, unsigned depth);

static void visit_entries(struct fs_file *file, const char *path,
                          unsigned depth)
{
    struct fs_entry entries[4];
    char below[FS_PATH_MAX];
    uint64_t first = 0;
    int n;

    do {
        n = files_readdir(file, entries, array_size(entries), first);
        for (int i = 0; i < n; i++) {
            if (!entries[i].name[0] || strchr(entries[i].name, '/'))
                fake_fail("a name \"%s\"", entries[i].name);
            snprintf(below, sizeof(below), "%s/%s", path, entries[i].name);
            visit(below, depth + 1);
        }
        first += n > 0 ? (unsigned)n : 0;
    } while (n > 0 && visits < VISITS_MAX);
}

/* What is written to one file of a broken image may change another. */
static void change(const char *path)
{
    struct fs_file file;

    if (files_open(&file, path, FS_READ | FS_WRITE))
        return;
    (void)files_pwrite(&file, "some text", 9, file.stat.bytes / 2);
    (void)files_pwrite(&file, piece, sizeof(piece) / 8, FS_END);
    (void)files_ftruncate(&file, file.stat.bytes / 3);
    (void)files_fsync(&file);
    (void)files_close(&file);
}

static void visit(const char *path, unsigned depth)
{
    struct fs_file file;

    if (++visits > VISITS_MAX || depth > DEPTH_MAX)
        return;
    if (files_open(&file, path, FS_READ))
        return;
    visit_entries(&file, path, depth);
    read_piece(&file, 0);
    read_piece(&file, file.stat.bytes / 2);
    read_piece(&file, file.stat.bytes - 1);
    (void)files_close(&file);
    change(path);
}

/* ---- Writing */

static void make(const char *path, size_t bytes)
{
    struct fs_file file;

    if (files_open(&file, path, FS_WRITE | FS_CREATE))
        return;
    (void)files_pwrite(&file, piece, bytes, 0);
    (void)files_close(&file);
}

static void move_about(void)
{
    (void)files_mkdir("/new");
    make("/new/small", 10);
    make("/large", sizeof(piece));
    (void)files_rename("/a", "/new/b");
    (void)files_rename("/d", "/new/e");
    (void)files_rename("/large", "/f");
    (void)files_unlink("/new/b");
    (void)files_rmdir("/d");
    (void)files_unlink("/f");
}

static void look_around(void)
{
    struct fs_space space;

    visits = 0;
    visit("", 0);
    (void)files_statvfs(&space, "/");
    move_about();
    visits = 0;
    visit("/new", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t how = size ? data[0] : 0;

    if (size < 1 || size - 1 > DISK_BYTES)
        return 0;
    sums_count = how & SUMS;
    fake_volume_make(DISK_BYTES / VOLUME_SECTOR_BYTES,
                     how & BLOCKS_OF_4K ? 8 : 1);
    fake_volume.latency_ns = LATENCY_NS;
    memcpy(fake_volume.bytes, data + 1, size - 1);
    for (unsigned i = 0; i < 2; i++) {
        (void)files_start(how & READ_ONLY ? "mount=xvda:littlefs:/:ro"
                          : how & NEW     ? "mount=xvda:littlefs:/:new"
                                          : "mount=xvda:littlefs:/");
        look_around();
        files_stop();
    }
    fake_volume_free();
    return 0;
}
