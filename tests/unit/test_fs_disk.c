/* SPDX-License-Identifier: MIT */
/* Disks as volumes, and file systems on them, with the fake blkback. */
// sources: fs/fs.c fs/requests.c fs/mounts.c fs/cache.c disk/volume.c
// sources: disk/ramdisk.c fs/erofs.c fs/littlefs.c fs/littlefs_disk.c
// sources: disk/disks.c disk/hotplug.c disk/disk.c disk/partition.c
// sources: blkfront/blkfront.c blkfront/blkfront_xs.c kernel/fiber.c
// sources: kernel/fiber_switch.c kernel/loop.c kernel/page.c kernel/options.c
// sources: kernel/log.c xen/bus/xenbus.c xen/bus/xs.c xen/bus/xs_update.c
// sources: xen/bus/gnttab.c xen/bus/ring.c xen/evtchn.c tests/fake/fiber.c
// sources: tests/fake/hv.c tests/fake/xenstored.c tests/fake/blkback.c
// sources: tests/unit/blkfront_world.c erofs lfs
#include "tests/unit/test.h"

#include "kernel/app.h"
#include "fs/fs.h"
#include "tests/unit/blkfront_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB         (UINT64_C(1) << 20)
#define STACK_PAGES 8

static struct world *w;
static struct app app;
static struct options options;
static struct disks disks;
static struct volume *volume;
static char data[MIB];

/* ---- Something to do in a fiber */

static struct work {
    struct fiber fiber;
    int (*fn)(void);
    int result;
    bool over;
} work;

static void work_run(struct fiber *fiber)
{
    (void)fiber;
    work.result = work.fn();
}

static void work_over(struct fiber *fiber)
{
    (void)fiber;
    work.over = true;
}

static void begin(int (*fn)(void))
{
    work = (struct work){.fn = fn, .fiber.finished = work_over};
    assert_int_equal(
        fiber_start(&work.fiber, &w->loop, &w->pages, STACK_PAGES, work_run),
        0);
}

static int end(void)
{
    fake_run_until(&w->loop, work.over, 100 * NS_PER_S);
    return work.result;
}

static int run(int (*fn)(void))
{
    begin(fn);
    return end();
}

/* ---- A guest that may have disks */

static void boot(const char *cmdline)
{
    struct fake_config config = {.cmdline = cmdline};

    w = world_start(&config);
    options_parse(&options, hv_info()->cmdline);
    app = (struct app){
        .loop = &w->loop,
        .options = &options,
        .pages = &w->pages,
        .gnttab = &w->gt,
        .xs = &w->xs,
    };
    disks_init(&disks, &app);
}

static struct blkback *serve(unsigned n)
{
    struct disk *disk = world_disk(w, n);

    blkback_start(disk->bb);
    return disk->bb;
}

/* `more` is a backend that the world does not know of, or NULL. */
static void finish_with(struct blkback *more)
{
    disks_leave(&disks);
    disks_close(&disks);
    world_settle(w);
    if (more)
        blkback_free(more);
    world_stop(w);
}

static void finish(void)
{
    finish_with(NULL);
}

static const char *name;

static int open_it(void)
{
    return disks_open(&disks, name, &volume);
}

static int open_named(const char *its_name)
{
    name = its_name;
    return run(open_it);
}

/* One disk, open. */
static struct blkback *start(void)
{
    struct blkback *bb;

    boot("");
    bb = serve(0);
    assert_int_equal(open_named("xvda"), 0);
    return bb;
}

/* ---- Names */

static void every_name_of_a_disk_is_the_same_disk(void **state)
{
    struct volume *first;

    (void)state;
    start();
    first = volume;
    assert_string_equal(volume->name, "xvda");
    assert_int_equal(volume->nr_sectors, 16384);
    assert_int_equal(volume->block_sectors, 1);
    assert_false(volume->read_only);
    assert_int_equal(open_named("51712"), 0);
    assert_ptr_equal(volume, first);
    assert_int_equal(open_named("vbd51712"), 0);
    assert_ptr_equal(volume, first);
    serve(1);
    assert_int_equal(open_named("xvdb"), 0);
    assert_ptr_not_equal(volume, first);
    finish();
}

static void names_are_checked(void **state)
{
    static const char *const good[] = {
        "ramdisk", "xvda",       "xvdz",   "xvda1",  "xvdb255",   "vbd0",
        "xvda2p1", "4294967295", "xvdbp2", "vbd5p9", "51712p255",
    };
    static const char *const bad[] = {
        "",         "xvd",      "xvdA",  "xvda0",    "xvda01", "xvda256",
        "sda",      "vbd",      "vbd-1", "vbd 768",  "051712", "4294967296",
        "xvda ",    "xvda1x",   "+1",    "ramdisk2", "xvdap",  "xvdap0",
        "xvdap256", "xvdap1p1", "p1",
    };

    (void)state;
    for (unsigned i = 0; i < array_size(good); i++)
        assert_true(disks_is_name(good[i]));
    for (unsigned i = 0; i < array_size(bad); i++)
        assert_false(disks_is_name(bad[i]));
}

static void numbers_are_xens(void **state)
{
    static const struct {
        const char *name, *node;
    } disk[] = {
        {"xvda", "device/vbd/51712"},     {"xvda15", "device/vbd/51727"},
        {"xvdp2", "device/vbd/51954"},    {"xvda16", "device/vbd/268435472"},
        {"xvdq", "device/vbd/268439552"}, {"xvdz1", "device/vbd/268441857"},
        {"vbd768", "device/vbd/768"},     {"2048", "device/vbd/2048"},
    };

    (void)state;
    boot("");
    for (unsigned i = 0; i < array_size(disk); i++) {
        assert_int_equal(open_named(disk[i].name), -XEN_ENODEV);
        assert_true(world_logged(disk[i].node));
    }
    finish();
}

/* ---- Partitions */

/* Of tests/unit/images. */
static void load(struct blkback *bb, const char *image)
{
    char path[100];
    uint64_t offset = 0;
    FILE *file;
    size_t n;

    snprintf(path, sizeof(path), "build/host/images/%s", image);
    file = fopen(path, "rb");
    if (!file)
        fail_msg("%s is not there: make unit makes it", path);
    while ((n = fread(data, 1, sizeof(data), file))) {
        blkback_write(bb, offset, data, n);
        offset += n;
    }
    fclose(file);
}

static void partitions_have_names(void **state)
{
    struct volume *second;

    (void)state;
    boot("");
    load(serve(0), "mbr.disk");
    assert_int_equal(open_named("xvdap2"), 0);
    assert_int_equal(volume->first, 2148);
    assert_int_equal(volume->nr_sectors, 5000);
    assert_string_equal(volume->name, "xvdap2");
    second = volume;
    assert_int_equal(open_named("xvda2"), 0);
    assert_ptr_equal(volume, second);
    assert_int_equal(open_named("51712p2"), 0);
    assert_ptr_equal(volume, second);
    assert_int_equal(open_named("xvda5"), 0);
    assert_int_equal(volume->first, 7300);
    assert_int_equal(open_named("xvda7"), -XEN_ENOENT);
    assert_int_equal(open_named("xvdb1"), -XEN_ENODEV);
    assert_true(world_logged("xvdb1: the domain has no such disk: no "
                             "device/vbd/51729, nor device/vbd/51728"));
    finish();
}

/* xvda2 is the vbd of that name, if there is one; xvda2p1 is on it. */
static void a_vbd_goes_before_a_partition(void **state)
{
    struct blkback *bb;

    (void)state;
    boot("");
    load(serve(0), "mbr.disk");
    bb = blkback_new(51714);
    blkback_start(bb);
    load(bb, "gpt.disk");
    assert_int_equal(open_named("xvda2"), 0);
    assert_int_equal(volume->nr_sectors, 16384);
    assert_null(volume->whole);
    assert_int_equal(open_named("xvdap2"), 0);
    assert_int_equal(volume->first, 2148);
    finish_with(bb);
}

/* ---- Coming up */

static void a_disk_that_is_not_there_is_told_at_once(void **state)
{
    uint64_t before;

    (void)state;
    boot("");
    serve(0);
    before = fake_now();
    assert_int_equal(open_named("xvdb"), -XEN_ENODEV);
    assert_true(fake_now() - before < 10 * NS_PER_MS);
    assert_true(world_logged("xvdb: the domain has no such disk"));
    assert_int_equal(open_named("ramdisk"), -XEN_ENODEV);
    assert_true(world_logged("there is no ramdisk"));
    finish();
}

static void a_silent_xenstore_is_waited_for(void **state)
{
    (void)state;
    boot("");
    fake_xs_faults()->silent = true;
    serve(0);
    name = "xvda";
    begin(open_it);
    fake_run_for(&w->loop, NS_PER_S);
    assert_false(work.over);
    fake_xs_faults()->silent = false;
    assert_int_equal(end(), 0);
    finish();
}

static void a_late_backend_is_waited_for(void **state)
{
    struct disk *disk;

    (void)state;
    boot("");
    disk = world_disk(w, 0);
    fake_xs_device("vbd", WORLD_XVDA);
    name = "xvda";
    begin(open_it);
    fake_run_for(&w->loop, DISK_SLOW_NS / 2);
    assert_false(world_logged("waiting for xvda"));
    fake_run_for(&w->loop, DISK_SLOW_NS);
    assert_int_equal(world_logged_times("waiting for xvda"), 1);
    assert_false(work.over);
    blkback_start(disk->bb);
    assert_int_equal(end(), 0);
    assert_int_equal(volume->nr_sectors, 16384);
    finish();
}

static void leaving_ends_the_waiting(void **state)
{
    (void)state;
    boot("");
    fake_xs_device("vbd", WORLD_XVDA);
    name = "xvda";
    begin(open_it);
    fake_run_for(&w->loop, NS_PER_S);
    disks_leave(&disks);
    assert_int_equal(end(), -XEN_ENODEV);
    disks_close(&disks);
    world_settle(w);
    world_stop(w);
}

/* ---- Data */

/* In fibers nothing is asserted: a failed one would leave it for ever. */
static int write_and_read_any_bytes(void)
{
    static char got[MIB], medium[MIB];
    int err = 0;

    for (unsigned i = 0; i < 50 && !err; i++) {
        uint64_t offset = fake_random_below(7 * MIB);
        size_t bytes = 1 + fake_random_below(fake_chance(50) ? 5000 : 300000);
        size_t skip = offset % VOLUME_SECTOR_BYTES;

        fake_random_fill(data, bytes);
        err = volume_pwrite(volume, data, bytes, offset);
        if (!err)
            err = volume_pread(volume, got, bytes, offset);
        blkback_read(w->disks[0].bb, offset - skip, medium,
                     (skip + bytes + 511) / 512 * 512);
        if (memcmp(got, data, bytes) || memcmp(medium + skip, data, bytes))
            err = -1;
    }
    return err ? err : volume_flush(volume);
}

static void any_bytes_are_written_and_read(void **state)
{
    struct blkback_stats stats;

    (void)state;
    start();
    assert_int_equal(run(write_and_read_any_bytes), 0);
    blkback_stats(w->disks[0].bb, &stats);
    assert_int_equal(stats.flushes, 1);
    finish();
}

static void large_blocks(struct blkback_offer *offer)
{
    offer->sector_bytes = 4096;
}

static void a_disk_with_large_blocks(void **state)
{
    (void)state;
    boot("");
    large_blocks(blkback_offer(world_disk(w, 0)->bb));
    blkback_start(w->disks[0].bb);
    assert_int_equal(open_named("xvda"), 0);
    assert_int_equal(volume->block_sectors, 8);
    assert_int_equal(run(write_and_read_any_bytes), 0);
    finish();
}

/* ---- Many at once */

#define MANY 300

static struct many {
    struct volume_request request;
    char bytes[VOLUME_SECTOR_BYTES];
} many[MANY];
static unsigned answered;
static int worst;

static void count_answer(struct volume_request *request)
{
    assert_null(fiber_current());
    answered++;
    if (request->status)
        worst = request->status;
}

static int ask(unsigned i, enum volume_op op, uint64_t sector)
{
    many[i].request = (struct volume_request){
        .op = op,
        .sector = sector,
        .nr = op != VOLUME_FLUSH,
        .to = many[i].bytes,
        .done = count_answer,
    };
    return volume_start(volume, &many[i].request);
}

static void wait_for(unsigned nr)
{
    fake_run_until(&w->loop, answered == nr, 100 * NS_PER_S);
}

static void bare(struct blkback_offer *offer)
{
    *offer = (struct blkback_offer){.sectors = 16384};
}

/* More than there are slots, more than blkfront takes. */
static void nobody_is_turned_away(void **state)
{
    char want[VOLUME_SECTOR_BYTES];

    (void)state;
    boot("");
    bare(blkback_offer(world_disk(w, 0)->bb));
    blkback_start(w->disks[0].bb);
    assert_int_equal(open_named("xvda"), 0);
    answered = 0;
    worst = 0;
    for (unsigned i = 0; i < MANY; i++) {
        memset(many[i].bytes, (char)i, sizeof(many[i].bytes));
        assert_int_equal(ask(i, VOLUME_WRITE, i * 3), 0);
    }
    assert_int_equal(answered, 0);
    wait_for(MANY);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(ask(i, VOLUME_READ, i * 3), 0);
    memset(many[0].bytes, 0xee, sizeof(many[0].bytes));
    wait_for(2 * MANY);
    for (unsigned i = 0; i < MANY; i++) {
        memset(want, (char)i, sizeof(want));
        assert_memory_equal(many[i].bytes, want, sizeof(want));
    }
    assert_int_equal(worst, 0);
    finish();
}

/* What stands in the queue passes no flush. (None goes on where the last one
 * ends, or they would be sent as one.) */
static void a_flush_keeps_its_place(void **state)
{
    struct blkback *bb = start();

    (void)state;
    answered = 0;
    worst = 0;
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(ask(i, i == 200 ? VOLUME_FLUSH : VOLUME_WRITE, i * 3),
                         0);
    wait_for(MANY);
    for (unsigned i = 0; i < MANY; i++) {
        const struct blkback_event *event = blkback_seen(bb, i);

        if (i == 200)
            assert_int_equal(event->operation, BLKIF_OP_FLUSH_DISKCACHE);
        else
            assert_int_equal(event->sector, i * 3);
    }
    assert_int_equal(worst, 0);
    finish();
}

/* ---- Bad days */

static int read_something(void)
{
    return volume_pread(volume, data, 10000, 12345);
}

static int write_something(void)
{
    return volume_pwrite(volume, data, 512, 0);
}

static void an_error_is_told_and_logged_once(void **state)
{
    struct blkback *bb = start();

    (void)state;
    blkback_manner(bb)->fail_all = true;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(run(read_something), -XEN_EIO);
    assert_int_equal(world_logged_times("xvda: read of"), 1);
    blkback_manner(bb)->fail_all = false;
    assert_int_equal(run(read_something), 0);
    blkback_manner(bb)->fail_all = true;
    assert_int_equal(run(read_something), -XEN_EIO);
    assert_int_equal(world_logged_times("xvda: read of"), 2);
    finish();
}

static void a_read_only_disk_is_only_read(void **state)
{
    (void)state;
    boot("");
    blkback_offer(world_disk(w, 0)->bb)->info = VDISK_READONLY;
    blkback_start(w->disks[0].bb);
    assert_int_equal(open_named("xvda"), 0);
    assert_true(volume->read_only);
    assert_int_equal(run(read_something), 0);
    assert_int_equal(run(write_something), -XEN_EROFS);
    finish();
}

static void the_size_follows_the_disk(void **state)
{
    struct blkback *bb = start();

    (void)state;
    blkback_resize(bb, 100000);
    fake_run_until(&w->loop, volume->nr_sectors == 100000, NS_PER_S);
    blkback_resize(bb, 20);
    fake_run_until(&w->loop, volume->nr_sectors == 20, NS_PER_S);
    assert_int_equal(run(read_something), -XEN_EIO);
    finish();
}

/* It shrank between volume_start's check and blkfront's: asked, not yet sent.
 */
static void what_is_past_a_new_end_is_an_error(void **state)
{
    struct blkback *bb = start();

    (void)state;
    answered = 0;
    worst = 0;
    blkback_manner(bb)->hold_take = true;
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(ask(i, VOLUME_READ, 16000), 0);
    blkback_resize(bb, 100);
    fake_run_until(&w->loop, volume->nr_sectors == 100, NS_PER_S);
    blkback_manner(bb)->hold_take = false;
    wait_for(MANY);
    assert_int_equal(worst, -XEN_EIO);
    finish();
}

static void a_backend_that_goes_is_waited_for(void **state)
{
    struct blkback *bb = start();

    (void)state;
    blkback_vanish(bb);
    world_settle(w);
    begin(read_something);
    fake_run_for(&w->loop, 20 * NS_PER_S);
    assert_false(work.over);
    blkback_start(bb);
    assert_int_equal(end(), 0);
    finish();
}

static void another_disk_may_come_back(void **state)
{
    struct blkback *bb = start();

    (void)state;
    blkback_close(bb);
    world_settle(w);
    blkback_offer(bb)->info = VDISK_READONLY;
    blkback_offer(bb)->sectors = 5000;
    blkback_start(bb);
    fake_run_until(&w->loop, volume->read_only, NS_PER_S);
    assert_int_equal(volume->nr_sectors, 5000);
    assert_int_equal(run(write_something), -XEN_EROFS);
    finish();
}

static void leaving_waits_a_while_for_a_backend(void **state)
{
    struct blkback *bb = start();

    (void)state;
    blkback_vanish(bb);
    world_settle(w);
    begin(read_something);
    disks_leave(&disks);
    fake_run_for(&w->loop, DISK_LEAVE_NS / 2);
    assert_false(work.over);
    blkback_start(bb);
    assert_int_equal(end(), 0);
    blkback_vanish(bb);
    begin(read_something);
    fake_run_for(&w->loop, DISK_LEAVE_NS / 2);
    assert_false(work.over);
    assert_int_equal(end(), -XEN_EIO);
    assert_true(world_logged("xvda: given up"));
    assert_int_equal(run(read_something), -XEN_EIO);
    disks_close(&disks);
    world_settle(w);
    world_stop(w);
}

/* ---- File systems on disks */

static struct fs fs;
static struct fs_request request;
static bool is_ready, is_stopped, is_done;
static int ready_status;

static void note_ready(struct fs *f, int status)
{
    (void)f;
    is_ready = true;
    ready_status = status;
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

static int stat_path(const char *path)
{
    struct fs_stat stat;

    is_done = false;
    fs_stat(&fs, &request, &stat, path, note_done);
    fake_run_until(&w->loop, is_done, 100 * NS_PER_S);
    return request.status;
}

static int mount_all(void)
{
    is_ready = is_stopped = false;
    assert_int_equal(fs_start(&fs, &app, note_ready), 0);
    fake_run_until(&w->loop, is_ready, 100 * NS_PER_S);
    return ready_status;
}

static void unmount_all(void)
{
    fs_stop(&fs, note_stopped);
    fake_run_until(&w->loop, is_stopped, 100 * NS_PER_S);
    finish();
}

static void file_systems_lie_on_disks(void **state)
{
    struct blkback_stats stats;

    (void)state;
    boot("mount=xvda:erofs:/,xvdb:erofs:/b,51712:erofs:/c");
    load(serve(0), "plain.erofs");
    load(serve(1), "lz4.erofs");
    assert_int_equal(mount_all(), 0);
    assert_int_equal(stat_path("/hello.txt"), 0);
    assert_int_equal(stat_path("/b/hello.txt"), 0);
    assert_int_equal(stat_path("/c/hello.txt"), 0);
    assert_true(world_logged("xvda: erofs at /"));
    blkback_stats(w->disks[0].bb, &stats);
    assert_int_equal(stats.connects, 1);
    unmount_all();
}

static void file_systems_lie_in_partitions(void **state)
{
    (void)state;
    boot("mount=xvda6:erofs:/,xvdbp2:erofs:/b,xvda1:erofs:/c");
    load(serve(0), "mbr.disk");
    load(serve(1), "gpt.disk");
    assert_int_equal(mount_all(), -XEN_EINVAL);
    assert_int_equal(stat_path("/hello.txt"), 0);
    assert_int_equal(stat_path("/b/hello.txt"), 0);
    assert_int_equal(stat_path("/c/hello.txt"), -XEN_EINVAL);
    unmount_all();
}

static void a_disk_that_is_not_there_is_not_mounted(void **state)
{
    (void)state;
    boot("mount=xvda:erofs:/,xvdb:erofs:/b");
    load(serve(1), "plain.erofs");
    assert_int_equal(mount_all(), -XEN_ENODEV);
    assert_int_equal(stat_path("/hello.txt"), -XEN_ENODEV);
    assert_int_equal(stat_path("/b/hello.txt"), 0);
    assert_true(world_logged("xvda: the domain has no such disk"));
    unmount_all();
}

static void a_disk_with_nothing_on_it_is_not_mounted(void **state)
{
    (void)state;
    boot("mount=xvda:erofs:/");
    serve(0);
    assert_int_equal(mount_all(), -XEN_EINVAL);
    unmount_all();
}

static void what_waits_for_a_disk_can_be_stopped(void **state)
{
    (void)state;
    boot("mount=xvda:erofs:/");
    world_disk(w, 0);
    fake_xs_device("vbd", WORLD_XVDA);
    assert_int_equal(fs_start(&fs, &app, note_ready), 0);
    fake_run_for(&w->loop, 5 * NS_PER_S);
    is_stopped = false;
    unmount_all();
}

/* ---- Disks that come and go */

static char offered[64];
static bool takes_it;

static bool on_attached(struct disks *d, const char *its_name)
{
    assert_ptr_equal(d, &disks);
    snprintf(offered + strlen(offered), sizeof(offered) - strlen(offered),
             "%s ", its_name);
    return takes_it;
}

/* `xl block-detach`, and what blkback makes of our answer. */
static void detach(unsigned vbd)
{
    fake_xs_device_detach("vbd", vbd);
    world_settle(w);
}

static unsigned front_state(unsigned vbd)
{
    char path[64];

    snprintf(path, sizeof(path), "device/vbd/%u/state", vbd);
    return (unsigned)fake_xs_number(path, 0);
}

static void remove_nodes(unsigned vbd)
{
    char path[64];

    snprintf(path, sizeof(path), "device/vbd/%u", vbd);
    fake_xs_rm(path);
    snprintf(path, sizeof(path), "/local/domain/0/backend/vbd/5/%u", vbd);
    fake_xs_rm(path);
    world_settle(w);
}

static void a_disk_that_nobody_opened_is_given_back(void **state)
{
    (void)state;
    boot("");
    fake_xs_device("vbd", 51728);
    world_settle(w);
    for (unsigned round = 0; round < 100; round++) {
        assert_int_equal(front_state(51728), 1);
        detach(51728);
        assert_int_equal(front_state(51728), 6);
        remove_nodes(51728);
        fake_xs_device("vbd", 51728);
        world_settle(w);
    }
    assert_true(world_logged("disk: xvdb: attached, and nobody"));
    assert_int_equal(world_logged_times("xvdb: attached"), 100);
    finish();
}

/* Also one that was refused, and told Closed, long before. */
static void closing_is_answered_each_time_it_is_said(void **state)
{
    (void)state;
    boot("");
    fake_xs_device("vbd", 51728);
    fake_xs_set("device/vbd/51728/state", "6");
    world_settle(w);
    assert_int_equal(fake_xs_count(XS_WRITE), 0);
    detach(51728);
    assert_int_equal(fake_xs_count(XS_WRITE), 1);
    fake_xs_device_detach("vbd", 51728);
    world_settle(w);
    assert_int_equal(fake_xs_count(XS_WRITE), 2);
    finish();
}

/* blkfront closes it, and knows when. */
static void a_disk_that_is_open_is_not_answered_for(void **state)
{
    struct blkback *bb;

    (void)state;
    bb = start();
    world_settle(w);
    fake_xs_device_detach("vbd", 51712);
    blkback_close(bb);
    world_settle(w);
    assert_int_equal(front_state(51712), 6);
    blkback_start(bb);
    world_settle(w);
    assert_int_equal(open_named("xvda"), 0);
    assert_int_equal(world_logged_times("attached"), 0);
    finish();
}

static void an_attached_disk_is_offered_and_can_be_opened(void **state)
{
    (void)state;
    offered[0] = '\0';
    takes_it = true;
    boot("");
    disks.attached = on_attached;
    serve(0);
    world_settle(w);
    fake_xs_set("device/vbd/garbage", "");
    fake_xs_set("device/vbd/51712/more", "");
    world_settle(w);
    assert_string_equal(offered, "");
    serve(1);
    world_settle(w);
    assert_string_equal(offered, "xvdb ");
    assert_int_equal(world_logged_times("attached"), 0);
    assert_int_equal(open_named("xvdb"), 0);
    finish();
}

static int status_of_start;
static unsigned readies, completions;
static struct fs late_fs;

static void late_ready(struct fs *fs, int status)
{
    (void)fs;
    readies++;
    status_of_start = status;
}

static void late_completed(struct fs *fs)
{
    (void)fs;
    completions++;
}

static bool late_stopped;

static void on_late_stopped(struct fs *fs)
{
    (void)fs;
    late_stopped = true;
}

static void a_mount_takes_place_when_its_disk_is_attached(void **state)
{
    (void)state;
    readies = completions = 0;
    late_stopped = false;
    boot("mount=xvdb:littlefs:/data:new");
    disks_close(&disks); /* the file system has its own */
    assert_int_equal(fs_start(&late_fs, &app, late_ready), 0);
    late_fs.completed = late_completed;
    world_settle(w);
    assert_int_equal(readies, 1);
    assert_int_equal(status_of_start, -XEN_ENODEV);
    serve(0); /* not that one */
    world_settle(w);
    assert_int_equal(completions, 0);
    assert_int_equal(world_logged_times("xvda: attached"), 1);
    serve(1);
    fake_run_for(&w->loop, NS_PER_S);
    assert_int_equal(completions, 1);
    assert_int_equal(late_fs.mounts[0].status, 0);
    assert_int_equal(world_logged_times("xvdb: attached"), 0);
    assert_true(world_logged("xvdb: littlefs at /data/, rw"));
    assert_int_equal(readies, 1);
    fs_stop(&late_fs, on_late_stopped);
    fake_run_until(&w->loop, late_stopped, 20 * NS_PER_S);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_of_a_disk_is_the_same_disk),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(numbers_are_xens),
        cmocka_unit_test(partitions_have_names),
        cmocka_unit_test(a_vbd_goes_before_a_partition),
        cmocka_unit_test(a_disk_that_is_not_there_is_told_at_once),
        cmocka_unit_test(a_silent_xenstore_is_waited_for),
        cmocka_unit_test(a_late_backend_is_waited_for),
        cmocka_unit_test(leaving_ends_the_waiting),
        cmocka_unit_test(any_bytes_are_written_and_read),
        cmocka_unit_test(a_disk_with_large_blocks),
        cmocka_unit_test(nobody_is_turned_away),
        cmocka_unit_test(a_flush_keeps_its_place),
        cmocka_unit_test(an_error_is_told_and_logged_once),
        cmocka_unit_test(a_read_only_disk_is_only_read),
        cmocka_unit_test(the_size_follows_the_disk),
        cmocka_unit_test(what_is_past_a_new_end_is_an_error),
        cmocka_unit_test(a_backend_that_goes_is_waited_for),
        cmocka_unit_test(another_disk_may_come_back),
        cmocka_unit_test(leaving_waits_a_while_for_a_backend),
        cmocka_unit_test(file_systems_lie_on_disks),
        cmocka_unit_test(file_systems_lie_in_partitions),
        cmocka_unit_test(a_disk_that_is_not_there_is_not_mounted),
        cmocka_unit_test(a_disk_with_nothing_on_it_is_not_mounted),
        cmocka_unit_test(what_waits_for_a_disk_can_be_stopped),
        cmocka_unit_test(a_disk_that_nobody_opened_is_given_back),
        cmocka_unit_test(closing_is_answered_each_time_it_is_said),
        cmocka_unit_test(a_disk_that_is_open_is_not_answered_for),
        cmocka_unit_test(an_attached_disk_is_offered_and_can_be_opened),
        cmocka_unit_test(a_mount_takes_place_when_its_disk_is_attached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
