/* SPDX-License-Identifier: MIT */
/*
 * Reads a mounted file system and checks it, in TAP: every file must be as
 * /CHECKSUMS says, which has a line for each with CRC-32, bytes and path. Then
 * the root directory is listed, and the guest ends.
 *
 *     ramdisk = "build/host/images/lz4.erofs"
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/app.h"
#include "fs/fs.h"

#define PIECE_BYTES  65536
#define ENTRIES      16
#define SUMS         "/CHECKSUMS"
#define CRC32_POLY   0xedb88320 /* as in zlib and Ethernet */
#define CRC32_DIGITS 8

static struct {
    struct app *app;
    struct fs fs;
    struct fs_request request;
    struct fs_file file;
    char *sums, *at;        /* the list, and the next line */
    const char *path;       /* the file being checked, and */
    uint32_t want_crc, crc; /* what it should be, and is so far */
    uint64_t want_bytes, bytes;
    uint64_t all_bytes, nr_entries;
    unsigned nr, nr_failed;
    struct fs_entry entries[ENTRIES];
    char piece[PIECE_BYTES];
} files;

static void next_file(void);

/* ---- TAP */

static void report(bool ok, const char *what, int status)
{
    files.nr++;
    files.nr_failed += !ok;
    printf("%sok %u - %s", ok ? "" : "not ", files.nr, what);
    if (status < 0)
        printf(" # error %d", status);
    printf("\n");
}

static void stopped(struct fs *fs)
{
    (void)fs;
    app_stop(files.app);
}

static void finish(void)
{
    printf("1..%u\n# %u failed, %" PRIu64 " bytes read, %" PRIu64
           " us of CPU time\n",
           files.nr, files.nr_failed, files.all_bytes,
           app_cpu_ns(files.app) / NS_PER_US);
    for (unsigned i = 0; i < files.fs.nr_mounts; i++)
        printf("# %zu of %zu bytes of stack used\n",
               fiber_stack_used(&files.fs.mounts[i].fiber),
               files.fs.mounts[i].fiber.context.stack_bytes);
    fs_stop(&files.fs, stopped);
}

/* ---- Listing the root */

static void listed(struct fs_request *request)
{
    for (int i = 0; i < request->status; i++)
        printf("# /%s%s\n", files.entries[i].name,
               files.entries[i].kind == FS_DIRECTORY ? "/" : "");
    if (request->status <= 0) {
        report(request->status == 0 && files.nr_entries, "list /",
               request->status);
        finish();
        return;
    }
    files.nr_entries += (unsigned)request->status;
    fs_readdir(request, &files.file, files.entries, ENTRIES, files.nr_entries,
               listed);
}

static void root_opened(struct fs_request *request)
{
    if (request->status) {
        report(false, "open /", request->status);
        finish();
        return;
    }
    fs_readdir(request, &files.file, files.entries, ENTRIES, 0, listed);
}

/* ---- Checking a file */

static void add_to_crc(const char *bytes, size_t len)
{
    uint32_t crc = ~files.crc;

    while (len--) {
        crc ^= (unsigned char)*bytes++;
        for (unsigned i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? CRC32_POLY : 0);
    }
    files.crc = ~crc;
}

static void closed(struct fs_request *request)
{
    (void)request;
    next_file();
}

static void piece_read(struct fs_request *request)
{
    if (request->status > 0) {
        add_to_crc(files.piece, (size_t)request->status);
        files.bytes += (unsigned)request->status;
        fs_pread(request, &files.file, files.piece, PIECE_BYTES, files.bytes,
                 piece_read);
        return;
    }
    report(request->status == 0 && files.bytes == files.want_bytes &&
               files.crc == files.want_crc,
           files.path, request->status);
    files.all_bytes += files.bytes;
    fs_close(request, &files.file, closed);
}

static void opened(struct fs_request *request)
{
    if (request->status) {
        report(false, files.path, request->status);
        next_file();
        return;
    }
    files.bytes = 0;
    files.crc = 0;
    fs_pread(request, &files.file, files.piece, PIECE_BYTES, 0, piece_read);
}

/* Take a line from the list: "8 digits, blank, bytes, blank, path". */
static bool take_line(void)
{
    char *line = files.at, *end = strchr(line, '\n');

    if (!end || end - line < CRC32_DIGITS)
        return false;
    *end = '\0';
    files.at = end + 1;
    files.want_crc = (uint32_t)strtoul(line, &line, 16);
    files.want_bytes = strtoull(line, &line, 10);
    files.path = line + (*line == ' ');
    return true;
}

static void next_file(void)
{
    if (take_line())
        fs_open(&files.fs, &files.request, &files.file, files.path, FS_READ,
                opened);
    else
        fs_open(&files.fs, &files.request, &files.file, "/", FS_READ,
                root_opened);
}

/* ---- The list */

static void sums_closed(struct fs_request *request)
{
    (void)request;
    files.at = files.sums;
    next_file();
}

static void sums_read(struct fs_request *request)
{
    report(request->status == (int)files.file.stat.bytes, "read " SUMS,
           request->status);
    files.sums[request->status > 0 ? request->status : 0] = '\0';
    fs_close(request, &files.file, sums_closed);
}

static void sums_opened(struct fs_request *request)
{
    size_t bytes = files.file.stat.bytes;

    if (!request->status)
        files.sums = malloc(bytes + 1);
    if (!files.sums) {
        report(false, "open " SUMS, request->status);
        finish();
        return;
    }
    fs_pread(request, &files.file, files.sums, bytes, 0, sums_read);
}

static void ready(struct fs *fs, int status)
{
    report(status == 0 && fs->nr_mounts, "mount", status);
    fs_open(fs, &files.request, &files.file, SUMS, FS_READ, sums_opened);
}

int app_main(struct app *app)
{
    files.app = app;
    if (fs_start(&files.fs, app, ready))
        return 1;
    app_run(app);
    return files.nr_failed ? 1 : 0;
}
