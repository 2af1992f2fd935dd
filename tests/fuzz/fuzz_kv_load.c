/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the append-only file: it is loaded, cut off or refused, and what
 * was loaded is what the file has when it is loaded again.
 *
 * Input: one byte (bit 0: damage may be cut off; bit 1: the manifest is the
 * input), then the file. Files are one page of the fuzzer's own here: fs/ has
 * tests of its own.
 */
// sources: apps/kv/kv_aof.c apps/kv/kv_load.c apps/kv/kv_rewrite.c
// sources: apps/kv/kv_manifest.c
// sources: apps/kv/kv_conn.c apps/kv/kv_command.c apps/kv/kv_strings.c
// sources: apps/kv/kv_keys.c apps/kv/kv_admin.c apps/kv/kv_info.c
// sources: apps/kv/kv_scan.c apps/kv/kv_glob.c apps/kv/kv_work.c
// sources: apps/kv/kv_client.c apps/kv/kv_decimal.c apps/kv/kv_multi.c
// sources: apps/kv/kv_table.c apps/kv/kv_watch.c
// sources: apps/kv/kv_db.c apps/kv/kv_output.c apps/kv/kv_resp.c
// sources: apps/kv/kv_journal.c apps/kv/kv_store.c apps/kv/kv_hash.c
// sources: apps/kv/kv_text.c kernel/page.c kernel/loop.c kernel/log.c
// sources: kernel/fiber.c kernel/fiber_switch.c fs/sync.c
// sources: xen/evtchn.c tests/fake/hv.c tests/fake/fiber.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/kv_digest.h"
#include "apps/kv/kv_load.h"
#include "kernel/log.h"
#include "tests/fake/fake.h"

#define FILES_MAX  8
#define FILE_BYTES (1 << 20)

#define check(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

/* ---- Files in memory */

static struct file {
    char path[KV_PATH_MAX];
    char *bytes;
    size_t len;
} files[FILES_MAX];
static struct fs_request *pending;

static struct file *find(const char *path)
{
    for (unsigned i = 0; i < FILES_MAX; i++)
        if (files[i].bytes && !strcmp(files[i].path, path))
            return &files[i];
    return NULL;
}

static struct file *make(const char *path)
{
    for (unsigned i = 0; i < FILES_MAX; i++)
        if (!files[i].bytes) {
            strcpy(files[i].path, path);
            files[i].bytes = calloc(1, FILE_BYTES);
            files[i].len = 0;
            return &files[i];
        }
    abort();
}

static void drop(struct file *file)
{
    free(file->bytes);
    *file = (struct file){{0}, NULL, 0};
}

static void answer(struct fs_request *request, int status, fs_done *done)
{
    check(!pending);
    request->status = status;
    request->done = done;
    pending = request;
}

void fs_open(struct fs *fs, struct fs_request *request, struct fs_file *file,
             const char *path, unsigned flags, fs_done *done)
{
    struct file *found = find(path);

    (void)fs;
    if (!strcmp(path, "/" KV_MANIFEST_FOLDER)) {
        answer(request, 0, done);
        return;
    }
    if (!found && flags & FS_CREATE)
        found = make(path);
    if (found && flags & FS_TRUNCATE)
        found->len = 0;
    *file = (struct fs_file){.state = found};
    file->stat.bytes = found ? found->len : 0;
    answer(request, found ? 0 : -XEN_ENOENT, done);
}

void fs_close(struct fs_request *request, struct fs_file *file, fs_done *done)
{
    (void)file;
    answer(request, 0, done);
}

void fs_pread(struct fs_request *request, struct fs_file *file, void *to,
              size_t bytes, uint64_t offset, fs_done *done)
{
    struct file *f = file->state;
    size_t len = offset < f->len ? f->len - offset : 0;

    len = len < bytes ? len : bytes;
    memcpy(to, f->bytes + offset, len);
    answer(request, (int)len, done);
}

void fs_pwrite(struct fs_request *request, struct fs_file *file,
               const void *from, size_t bytes, uint64_t offset, fs_done *done)
{
    struct file *f = file->state;

    check(offset + bytes <= FILE_BYTES);
    memcpy(f->bytes + offset, from, bytes);
    if (f->len < offset + bytes)
        f->len = offset + bytes;
    answer(request, (int)bytes, done);
}

void fs_fsync(struct fs_request *request, struct fs_file *file, fs_done *done)
{
    (void)file;
    answer(request, 0, done);
}

void fs_ftruncate(struct fs_request *request, struct fs_file *file,
                  uint64_t bytes, fs_done *done)
{
    struct file *f = file->state;

    check(bytes <= f->len);
    f->len = bytes;
    answer(request, 0, done);
}

void fs_readdir(struct fs_request *request, struct fs_file *file,
                struct fs_entry *entries, unsigned nr, uint64_t first,
                fs_done *done)
{
    (void)file;
    (void)entries;
    (void)nr;
    (void)first;
    answer(request, 0, done);
}

void fs_rename(struct fs *fs, struct fs_request *request, const char *path,
               const char *new_path, fs_done *done)
{
    struct file *old = find(new_path), *file = find(path);

    (void)fs;
    if (old)
        drop(old);
    strcpy(file->path, new_path);
    answer(request, 0, done);
}

void fs_unlink(struct fs *fs, struct fs_request *request, const char *path,
               fs_done *done)
{
    (void)fs;
    drop(find(path));
    answer(request, 0, done);
}

void fs_mkdir(struct fs *fs, struct fs_request *request, const char *path,
              fs_done *done)
{
    (void)fs;
    (void)path;
    answer(request, 0, done);
}

/* ---- Loading */

static struct pages pages;
static struct loop loop;
static struct kv kv;
static struct kv_aof aof;
static bool is_loaded;
static int status;

static void on_loaded(struct kv_aof *a, int result)
{
    (void)a;
    is_loaded = true;
    status = result;
}

static int load(bool goes_on, uint64_t *sum)
{
    kv = (struct kv){
        .store.memory = &pages,
        .store.now_ms = 1000000,
        .memory_max = 1 << 20,
        .outputs.bytes_max = 1 << 20,
    };
    aof = (struct kv_aof){
        .kv = &kv, .loop = &loop, .place = "", .goes_on = goes_on};
    check(!kv_db_init(&kv));
    is_loaded = false;
    check(!kv_load_start(&aof, on_loaded));
    while (!is_loaded) {
        struct fs_request *request = pending;

        pending = NULL;
        if (request)
            request->done(request);
        loop_turn(&loop);
    }
    *sum = kv_digest(&kv.store);
    kv_db_free(&kv);
    check(!kv.store.used_bytes && !pages.nr_used);
    return status;
}

static void quiet(void *arg, const char *line, size_t len)
{
    (void)arg;
    (void)line;
    (void)len;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fake_start(NULL);
    pages_init(&pages);
    loop_init(&loop);
    log_set_sink(quiet, NULL);
    return 0;
}

static void put(const char *path, const void *bytes, size_t len)
{
    struct file *file = make(path);

    memcpy(file->bytes, bytes, len);
    file->len = len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char manifest[] =
        "file appendonly.aof.1.incr.aof seq 1 type i\n";
    static const char folder[] = "/" KV_MANIFEST_FOLDER "/";
    char path[KV_PATH_MAX];
    uint64_t first, again;

    if (!size || size > FILE_BYTES)
        return 0;
    snprintf(path, sizeof(path), "%s%s", folder, KV_MANIFEST_NAME);
    if (data[0] & 2)
        put(path, data + 1, size - 1 < 5000 ? size - 1 : 5000);
    else
        put(path, manifest, strlen(manifest));
    snprintf(path, sizeof(path), "%sappendonly.aof.1.incr.aof", folder);
    put(path, data + 1, size - 1);
    if (!load(data[0] & 1, &first)) {
        check(!load(false, &again));
        check(first == again);
    }
    for (unsigned i = 0; i < FILES_MAX; i++)
        drop(&files[i]);
    return 0;
}
