/* SPDX-License-Identifier: MIT */
/* A machine with files: see files_world.h. */
#include "tests/unit/files_world.h"

#include "kernel/app.h"
#include "kernel/log.h"

#include <string.h>

#define WAIT_NS (1000 * NS_PER_S)

struct files_world files;

static struct app app = {
    .loop = &files.loop,
    .pages = &files.pages,
    .options = &files.options,
};
static struct fs_request request;
static bool is_ready, is_stopped, is_done;

/* ---- The machine */

static void keep_line(void *arg, const char *line, size_t len)
{
    size_t at = strlen(files.log);

    (void)arg;
    if (at + len < sizeof(files.log)) {
        memcpy(files.log + at, line, len);
        files.log[at + len] = '\0';
    }
}

static void note_ready(struct fs *fs, int status)
{
    (void)fs;
    is_ready = true;
    files.mounted = status;
}

static void note_stopped(struct fs *fs)
{
    (void)fs;
    is_stopped = true;
}

int files_start(const char *cmdline)
{
    struct fake_config config = {.cmdline = cmdline, .pages = 4096};

    fake_start(&config);
    files.log[0] = '\0';
    log_set_sink(keep_line, NULL);
    loop_init(&files.loop);
    pages_init(&files.pages);
    options_parse(&files.options, hv_info()->cmdline);
    is_ready = is_stopped = is_done = false;
    files.mounted = fs_start(&files.fs, &app, note_ready);
    if (!files.mounted)
        fake_run_until(&files.loop, is_ready, WAIT_NS);
    return files.mounted;
}

void files_stop(void)
{
    if (files.fs.mounts[0].fiber.started)
        files.stack_used = fiber_stack_used(&files.fs.mounts[0].fiber);
    fs_stop(&files.fs, note_stopped);
    fake_run_until(&files.loop, is_stopped, WAIT_NS);
    if (files.pages.nr_used)
        fake_fail("%lu pages are lost", files.pages.nr_used);
    fake_stop();
}

bool files_logged(const char *text)
{
    return strstr(files.log, text);
}

/* ---- Calls */

static void note_done(struct fs_request *r)
{
    if (r != &request || is_done)
        fake_fail("another request is done");
    is_done = true;
}

static int wait(void)
{
    fake_run_until(&files.loop, is_done, WAIT_NS);
    is_done = false;
    return request.status;
}

int files_open(struct fs_file *file, const char *path, unsigned flags)
{
    fs_open(&files.fs, &request, file, path, flags, note_done);
    return wait();
}

int files_close(struct fs_file *file)
{
    fs_close(&request, file, note_done);
    return wait();
}

int files_pread(struct fs_file *file, void *to, size_t bytes, uint64_t offset)
{
    fs_pread(&request, file, to, bytes, offset, note_done);
    return wait();
}

int files_pwrite(struct fs_file *file, const void *from, size_t bytes,
                 uint64_t offset)
{
    fs_pwrite(&request, file, from, bytes, offset, note_done);
    return wait();
}

int files_fsync(struct fs_file *file)
{
    fs_fsync(&request, file, note_done);
    return wait();
}

int files_ftruncate(struct fs_file *file, uint64_t bytes)
{
    fs_ftruncate(&request, file, bytes, note_done);
    return wait();
}

int files_fstat(struct fs_file *file)
{
    fs_fstat(&request, file, note_done);
    return wait();
}

int files_readdir(struct fs_file *file, struct fs_entry *entries, unsigned nr,
                  uint64_t first)
{
    fs_readdir(&request, file, entries, nr, first, note_done);
    return wait();
}

int files_stat(struct fs_stat *stat, const char *path)
{
    fs_stat(&files.fs, &request, stat, path, note_done);
    return wait();
}

int files_statvfs(struct fs_space *space, const char *path)
{
    fs_statvfs(&files.fs, &request, space, path, note_done);
    return wait();
}

int files_rename(const char *path, const char *new_path)
{
    fs_rename(&files.fs, &request, path, new_path, note_done);
    return wait();
}

int files_unlink(const char *path)
{
    fs_unlink(&files.fs, &request, path, note_done);
    return wait();
}

int files_mkdir(const char *path)
{
    fs_mkdir(&files.fs, &request, path, note_done);
    return wait();
}

int files_rmdir(const char *path)
{
    fs_rmdir(&files.fs, &request, path, note_done);
    return wait();
}
