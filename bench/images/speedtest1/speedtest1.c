/* SPDX-License-Identifier: MIT */
/*
 * SQLite's own benchmark, test/speedtest1.c of its sources, as a program: built
 * unchanged, except that its main is called from here, once the disk is open.
 *
 *     speedtest1.disk=xvda                    a raw disk; none: no disk
 *     args="xvda --size 10 --journal wal"     speedtest1's arguments; --memdb
 *                                             needs no disk
 *
 * The disk must be empty (64 KiB of zeros): the benchmark creates its tables,
 * and fails when they exist.
 */
#include <stdlib.h>

#include "kernel/app.h"
#include "disk/disk.h"
#include "database/sqlite.h"
#include "posix/program.h"

int main(int argc, char **argv);
int speedtest1_main(int argc, char **argv);

/* The queries of its `cte` set nest, and its texts are on the stack. */
const unsigned program_stack_kib = 512;

static struct {
    const char *disk; /* NULL: none */
    struct disks disks;
    struct sqlite_volume volume;
} speedtest1;

int program_start(struct app *app)
{
    if (options_text(app->options, "speedtest1.disk", &speedtest1.disk) < 0)
        return -XEN_EINVAL;
    disks_init(&speedtest1.disks, app);
    sqlite_start(app->loop, app->random);
    return 0;
}

static int open_disk(void)
{
    struct volume *volume;
    int err = disks_open(&speedtest1.disks, speedtest1.disk, &volume);

    return err ? err : sqlite_add(&speedtest1.volume, volume, false);
}

int main(int argc, char **argv)
{
    if (speedtest1.disk && open_disk())
        return EXIT_FAILURE;
    return speedtest1_main(argc, argv);
}
