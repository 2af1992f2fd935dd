/* SPDX-License-Identifier: MIT */
/*
 * Any ramdisk, mounted as EROFS: what can be listed is listed, what is listed
 * is opened and read, beginning, middle and end. Then a list of paths.
 */
// sources: fs/fs.c fs/requests.c fs/mounts.c fs/cache.c disk/volume.c
// sources: disk/ramdisk.c fs/erofs.c fs/littlefs.c fs/littlefs_disk.c
// sources: disk/disks.c disk/hotplug.c disk/disk.c disk/partition.c
// sources: blkfront/blkfront.c blkfront/blkfront_xs.c kernel/fiber.c
// sources: kernel/fiber_switch.c kernel/loop.c kernel/page.c kernel/options.c
// sources: kernel/log.c xen/bus/xenbus.c xen/bus/xs.c xen/bus/xs_update.c
// sources: xen/bus/gnttab.c xen/bus/ring.c xen/evtchn.c tests/fake/fiber.c
// sources: tests/fake/hv.c erofs lfs

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/app.h"
#include "fs/fs.h"
#include "kernel/log.h"
#include "tests/fake/fake.h"

#define DEPTH_MAX   3
#define VISITS_MAX  40 /* files and directories in one run */
#define PIECE_BYTES 20000
#define WAIT_NS     NS_PER_S

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop loop;
static struct pages pages;
static struct options options;
static struct app app = {.loop = &loop, .pages = &pages, .options = &options};
static struct fs fs;
static struct fs_request request;
static bool is_ready, is_done, is_stopped;
static unsigned visits;

static void drop(void *arg, const char *line, size_t len)
{
    (void)arg, (void)line, (void)len;
}

static void note_ready(struct fs *f, int status)
{
    (void)f, (void)status;
    is_ready = true;
}

static void note_stopped(struct fs *f)
{
    (void)f;
    is_stopped = true;
}

static void note_done(struct fs_request *r)
{
    (void)r;
    is_done = true;
}

static int wait(void)
{
    fake_run_until(&loop, is_done, WAIT_NS);
    is_done = false;
    return request.status;
}

/* What was read must be there: its sum is taken, for MSan's and valgrind's
 * sake as well as for ours. */
static void read_piece(struct fs_file *file, uint64_t at)
{
    char *piece = malloc(PIECE_BYTES);
    int n;

    if (!piece)
        abort();
    fs_pread(&request, file, piece, PIECE_BYTES, at, note_done);
    n = wait();
    if (n > PIECE_BYTES || (n > 0 && at + (unsigned)n > file->stat.bytes))
        fake_fail("%d bytes were read", n);
    free(piece);
}

static void visit(const char *path, unsigned depth);

static void visit_entries(struct fs_file *file, const char *path,
                          unsigned depth)
{
    struct fs_entry entries[4];
    uint64_t first = 0;
    char below[FS_PATH_MAX];
    int n;

    do {
        fs_readdir(&request, file, entries, array_size(entries), first,
                   note_done);
        n = wait();
        for (int i = 0; i < n; i++) {
            if (strlen(entries[i].name) > FS_NAME_MAX ||
                strchr(entries[i].name, '/'))
                fake_fail("a name \"%s\"", entries[i].name);
            snprintf(below, sizeof(below), "%s/%s", path, entries[i].name);
            visit(below, depth + 1);
        }
        first += n > 0 ? (unsigned)n : 0;
    } while (n > 0 && visits < VISITS_MAX);
}

static void visit(const char *path, unsigned depth)
{
    struct fs_file file;

    if (++visits > VISITS_MAX || depth > DEPTH_MAX)
        return;
    fs_open(&fs, &request, &file, path, FS_READ, note_done);
    if (wait())
        return;
    visit_entries(&file, path, depth);
    read_piece(&file, 0);
    read_piece(&file, file.stat.bytes / 2);
    read_piece(&file, file.stat.bytes - 1);
    fs_close(&request, &file, note_done);
    if (wait())
        fake_fail("a file cannot be closed");
}

static void look_around(void)
{
    struct fs_space space;

    visits = 0;
    visit("/", 0);
    visits = 0;
    visit("/sub/../link", 0);
    visit("/n/..", 0);
    fs_statvfs(&fs, &request, &space, "/", note_done);
    (void)wait();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_config config = {.module = data, .module_bytes = size};

    fake_start(&config);
    log_set_sink(drop, NULL);
    loop_init(&loop);
    pages_init(&pages);
    options_parse(&options, "");
    is_ready = is_done = is_stopped = false;
    if (fs_start(&fs, &app, note_ready))
        abort();
    fake_run_until(&loop, is_ready, WAIT_NS);
    look_around();
    fs_stop(&fs, note_stopped);
    fake_run_until(&loop, is_stopped, WAIT_NS);
    if (pages.nr_used)
        fake_fail("%lu pages are lost", pages.nr_used);
    fake_stop();
    return 0;
}
