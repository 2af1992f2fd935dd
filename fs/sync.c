/* SPDX-License-Identifier: MIT */
/*
 * Calls that wait: each starts a request, and parks until it is done.
 *
 * fs/fs.h never calls `done` inside the call, so the fiber is parked, or about
 * to park, when on_done wakes it. It may have been woken for another reason
 * before: therefore the flag.
 */
#include "fs/sync.h"

#include <assert.h>

struct call {
    struct fs_request request;
    struct fiber *fiber;
    bool is_done;
};

static struct call call_begin(void)
{
    assert(fiber_current());
    return (struct call){.fiber = fiber_current()};
}

static void on_done(struct fs_request *request)
{
    struct call *call = container_of(request, struct call, request);

    call->is_done = true;
    fiber_wake(call->fiber);
}

static int call_end(const struct call *call)
{
    while (!call->is_done)
        fiber_park();
    return call->request.status;
}

int fs_sync_open(struct fs *fs, struct fs_file *file, const char *path,
                 unsigned flags)
{
    struct call call = call_begin();

    fs_open(fs, &call.request, file, path, flags, on_done);
    return call_end(&call);
}

int fs_sync_close(struct fs_file *file)
{
    struct call call = call_begin();

    fs_close(&call.request, file, on_done);
    return call_end(&call);
}

int fs_sync_pread(struct fs_file *file, void *to, size_t bytes, uint64_t offset)
{
    struct call call = call_begin();

    fs_pread(&call.request, file, to, bytes, offset, on_done);
    return call_end(&call);
}

int fs_sync_pwrite(struct fs_file *file, const void *from, size_t bytes,
                   uint64_t offset)
{
    struct call call = call_begin();

    fs_pwrite(&call.request, file, from, bytes, offset, on_done);
    return call_end(&call);
}

int fs_sync_fsync(struct fs_file *file)
{
    struct call call = call_begin();

    fs_fsync(&call.request, file, on_done);
    return call_end(&call);
}

int fs_sync_ftruncate(struct fs_file *file, uint64_t bytes)
{
    struct call call = call_begin();

    fs_ftruncate(&call.request, file, bytes, on_done);
    return call_end(&call);
}

int fs_sync_readdir(struct fs_file *file, struct fs_entry *entries, unsigned nr,
                    uint64_t first)
{
    struct call call = call_begin();

    fs_readdir(&call.request, file, entries, nr, first, on_done);
    return call_end(&call);
}

int fs_sync_unlink(struct fs *fs, const char *path)
{
    struct call call = call_begin();

    fs_unlink(fs, &call.request, path, on_done);
    return call_end(&call);
}

int fs_sync_mkdir(struct fs *fs, const char *path)
{
    struct call call = call_begin();

    fs_mkdir(fs, &call.request, path, on_done);
    return call_end(&call);
}
