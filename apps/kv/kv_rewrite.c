/* SPDX-License-Identifier: MIT */
/*
 * Rewriting. No copy of the data is made, and nothing is held back: all keys
 * are written, one after the other, as they are when it is their turn, and
 * commands are done meanwhile and noted in the last incr file.
 *
 *   1. A new incr file is begun (kv_aof_rotate), so that the others can go.
 *   2. All keys are written to the new base. Some as they were before a command
 *      that was done meanwhile, some as after it.
 *   3. What the journal has is written and synced, then the manifest names the
 *      new base and that file (kv_aof_set_base). The commands in it, replayed
 *      on top of the base, put everything as it was when the last of them was
 *      done: each says what a value becomes, not how it changes
 *      (kv_journal.h).
 *   4. The old files are removed. What a power cut leaves of them, or of a base
 *      that never became one, kv_load removes.
 *
 * All of it is one function on a fiber: write_base. Each write lets the loop
 * turn. Long values are held while they are written, others are copied.
 */
#include "apps/kv/kv_rewrite.h"
#include "fs/sync.h"
#include "kernel/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Values longer than this are written from where they are. */
#define COPY_MAX  4096
/* Longer ones in one bucket. With a keyed hash it has few keys at all. */
#define LONG_MAX  64
/* What a command has beside key and value. */
#define FRAME_MAX 160

/* The fiber's stack: it calls the log and fs/sync.h, nothing deeper. */
#define STACK_PAGES 4

struct kv_rewrite {
    struct kv_aof *aof;
    struct fiber fiber;
    struct fs_file file;
    char path[KV_PATH_MAX];
    struct kv_manifest old;
    uint64_t number, bytes, cursor;
    int status;
    char *chunk;
    size_t chunk_used, chunk_room;
    struct kv_long {
        struct kv_entry *entry; /* held */
        uint64_t expires_ms;    /* as it was: whoever removes it forgets that */
    } longs[LONG_MAX];
    unsigned nr_longs;
    /* A job of kv_aof's: it is waited for, and it is done. */
    bool has_job, is_job_done;
    int job_status;
    bool is_forgotten; /* aof knows nothing of it any more */
};

/* ---- All keys */

/* Room for one more command; NULL: no memory. */
static char *chunk_room(struct kv_rewrite *rewrite, size_t bytes)
{
    size_t room = rewrite->chunk_used + bytes;
    char *chunk = rewrite->chunk;

    if (room > rewrite->chunk_room) {
        chunk = realloc(chunk, room);
        if (!chunk) {
            rewrite->status = -XEN_ENOMEM;
            return NULL;
        }
        rewrite->chunk = chunk;
        rewrite->chunk_room = room;
    }
    return chunk + rewrite->chunk_used;
}

/* The command that makes this entry, as words. */
static unsigned words_of(const struct kv_entry *entry, uint64_t expires_ms,
                         struct kv_text words[5], char number[KV_NUMBER_MAX])
{
    words[0] = KV_TEXT("SET");
    words[1] = kv_entry_key(entry);
    words[2] = kv_entry_value(entry);
    words[3] = KV_TEXT("PXAT");
    words[4].at = number;
    words[4].len = kv_text_from_number(number, (int64_t)expires_ms);
    return expires_ms ? 5 : 3;
}

static void hold_long(struct kv_rewrite *rewrite, struct kv_entry *entry)
{
    if (rewrite->nr_longs == LONG_MAX) {
        rewrite->status = -XEN_ENOMEM;
        return;
    }
    kv_store_hold(entry);
    rewrite->longs[rewrite->nr_longs++] =
        (struct kv_long){entry, entry->expires_ms};
}

static void add_entry(void *arg, struct kv_store *store, struct kv_entry *entry)
{
    struct kv_rewrite *rewrite = arg;
    char number[KV_NUMBER_MAX], *to;
    struct kv_text words[5];
    unsigned nr;

    if (rewrite->status || kv_store_has_expired(store, entry))
        return;
    if (entry->value_bytes > COPY_MAX) {
        hold_long(rewrite, entry);
        return;
    }
    nr = words_of(entry, entry->expires_ms, words, number);
    to = chunk_room(rewrite, kv_journal_bytes(words, nr));
    if (to)
        rewrite->chunk_used += kv_journal_write(to, words, nr);
}

static void fill_chunk(struct kv_rewrite *rewrite)
{
    unsigned steps = KV_REWRITE_STEP;

    do
        rewrite->cursor = kv_store_next(&rewrite->aof->kv->store,
                                        rewrite->cursor, add_entry, rewrite);
    while (rewrite->cursor && rewrite->chunk_used < KV_REWRITE_CHUNK &&
           !rewrite->nr_longs && !rewrite->status && --steps);
}

/* Write behind what was written; the loop turns, even for nothing. */
static int write(struct kv_rewrite *rewrite, const char *bytes, size_t len)
{
    int status = fs_sync_pwrite(&rewrite->file, bytes, len, rewrite->bytes);

    rewrite->bytes += len;
    return status < 0 ? status : 0;
}

/* The command of a long one without its value: what stands before it, and what
 * stands behind. */
static size_t make_frame(struct kv_rewrite *rewrite, const struct kv_long *item,
                         bool is_behind)
{
    const struct kv_entry *entry = item->entry;
    char number[KV_NUMBER_MAX], *to;
    struct kv_text words[5];
    unsigned nr = words_of(entry, item->expires_ms, words, number);
    size_t all, before;

    to = chunk_room(rewrite, words[1].len + FRAME_MAX);
    if (!to)
        return 0;
    /* With an empty value; its length, one digit, is then put right. */
    words[2].len = 0;
    before = kv_journal_write(to, words, 3) - strlen("0\r\n\r\n");
    if (!is_behind) {
        to[1] = (char)('0' + nr);
        before += kv_text_from_number(to + before, entry->value_bytes);
        memcpy(to + before, "\r\n", 2);
        return before + 2;
    }
    all = kv_journal_write(to, words, nr);
    memmove(to, to + before + strlen("0\r\n"), all - before - strlen("0\r\n"));
    return all - before - strlen("0\r\n");
}

static int write_frame(struct kv_rewrite *rewrite, const struct kv_long *item,
                       bool is_behind)
{
    size_t len;

    rewrite->chunk_used = 0;
    len = make_frame(rewrite, item, is_behind);
    return len ? write(rewrite, rewrite->chunk, len) : -XEN_ENOMEM;
}

static int write_long(struct kv_rewrite *rewrite, const struct kv_long *item)
{
    struct kv_text value = kv_entry_value(item->entry);
    int err = write_frame(rewrite, item, false);

    if (!err)
        err = write(rewrite, value.at, value.len);
    return err ? err : write_frame(rewrite, item, true);
}

static void drop_longs(struct kv_rewrite *rewrite)
{
    for (unsigned i = 0; i < rewrite->nr_longs; i++)
        kv_store_release(&rewrite->aof->kv->store, rewrite->longs[i].entry);
    rewrite->nr_longs = 0;
}

/* What a few buckets have. */
static int write_some(struct kv_rewrite *rewrite)
{
    int err;

    rewrite->chunk_used = 0;
    fill_chunk(rewrite);
    err = rewrite->status;
    if (!err)
        err = write(rewrite, rewrite->chunk, rewrite->chunk_used);
    for (unsigned i = 0; i < rewrite->nr_longs && !err; i++)
        err = write_long(rewrite, &rewrite->longs[i]);
    drop_longs(rewrite);
    return err;
}

static int write_keys(struct kv_rewrite *rewrite)
{
    struct kv_text words[] = {KV_TEXT("SELECT"), KV_TEXT("0")};
    int err;

    rewrite->chunk_used = kv_journal_write(rewrite->chunk, words, 2);
    err = write(rewrite, rewrite->chunk, rewrite->chunk_used);
    do {
        if (!err)
            err = write_some(rewrite);
    } while (!err && rewrite->cursor);
    return err;
}

static int write_file(struct kv_rewrite *rewrite)
{
    int err = fs_sync_open(rewrite->aof->fs, &rewrite->file, rewrite->path,
                           FS_WRITE | FS_CREATE | FS_TRUNCATE),
        closed;

    if (err)
        return err;
    err = write_keys(rewrite);
    if (!err)
        err = fs_sync_fsync(&rewrite->file);
    closed = fs_sync_close(&rewrite->file);
    return err ? err : closed;
}

/* ---- kv_aof's jobs */

static void on_job_done(struct kv_aof *aof, int status)
{
    struct kv_rewrite *rewrite = aof->rewrite;

    rewrite->job_status = status;
    rewrite->is_job_done = true;
    fiber_wake(&rewrite->fiber);
}

/* Until it is done, or will not be any more: then nobody has an aof. */
static int await_job(struct kv_rewrite *rewrite)
{
    rewrite->has_job = true;
    while (!rewrite->is_job_done && !rewrite->is_forgotten)
        fiber_park();
    rewrite->has_job = rewrite->is_job_done = false;
    return rewrite->is_forgotten ? -XEN_ENODEV : rewrite->job_status;
}

static int rotate(struct kv_rewrite *rewrite)
{
    struct kv_aof *aof = rewrite->aof;

    /* One that failed has left a new file already. */
    if (aof->kv->disk.rewrite_failed && aof->manifest.nr_incr > 1)
        return 0;
    kv_aof_rotate(aof, on_job_done);
    return await_job(rewrite);
}

static int set_base(struct kv_rewrite *rewrite)
{
    kv_aof_set_base(rewrite->aof, rewrite->number, rewrite->bytes, on_job_done);
    return await_job(rewrite);
}

/* ---- From the beginning to the end */

static int write_base(struct kv_rewrite *rewrite)
{
    struct kv_aof *aof = rewrite->aof;
    int err = rotate(rewrite);

    if (err)
        return err;
    rewrite->old = aof->manifest;
    rewrite->number = aof->next_number++;
    kv_aof_file_path(aof, rewrite->path, rewrite->number, true);
    err = write_file(rewrite);
    return err ? err : set_base(rewrite);
}

/* What cannot be removed now is when the guest starts. */
static void remove_file(struct kv_rewrite *rewrite, uint64_t number,
                        bool is_base)
{
    struct kv_aof *aof = rewrite->aof;
    int err;

    kv_aof_file_path(aof, rewrite->path, number, is_base);
    err = fs_sync_unlink(aof->fs, rewrite->path);
    if (err && err != -XEN_ENOENT)
        log_debug("kv", "%s stays: error %d", rewrite->path, err);
}

static void remove_old(struct kv_rewrite *rewrite)
{
    const struct kv_manifest *old = &rewrite->old;

    if (old->base)
        remove_file(rewrite, old->base, true);
    for (unsigned i = 0; i < old->nr_incr; i++)
        if (old->incr[i] != rewrite->aof->manifest.incr[0])
            remove_file(rewrite, old->incr[i], false);
}

static void succeed(struct kv_rewrite *rewrite)
{
    struct kv_disk *disk = &rewrite->aof->kv->disk;

    disk->rewrites++;
    disk->rewrite_failed = false;
    log_debug("kv", "the append-only file was rewritten: %" PRIu64 " bytes",
              rewrite->bytes);
    remove_old(rewrite);
}

/* The new base is of no use. Unless nobody knows whether the manifest names it
 * by now, it goes. */
static void give_up(struct kv_rewrite *rewrite, int status)
{
    struct kv_aof *aof = rewrite->aof;

    log_warn("kv",
             "the append-only file cannot be rewritten: error %d; it grows, "
             "and is tried again",
             status);
    aof->kv->disk.rewrite_failed = true;
    aof->rewrite_not_before_ns = loop_now(aof->loop) + KV_REWRITE_NS;
    if (rewrite->number && !aof->save.may_be_there)
        remove_file(rewrite, rewrite->number, true);
}

/* It is over: so far as others can see. */
static void detach(struct kv_rewrite *rewrite)
{
    struct kv_aof *aof = rewrite->aof;

    drop_longs(rewrite);
    aof->rewrite = NULL;
    aof->kv->disk.is_rewriting = false;
}

static struct kv_rewrite *of(struct fiber *fiber)
{
    return container_of(fiber, struct kv_rewrite, fiber);
}

static void run(struct fiber *fiber)
{
    struct kv_rewrite *rewrite = of(fiber);
    int err = write_base(rewrite);

    if (rewrite->is_forgotten)
        return;
    if (err)
        give_up(rewrite, err);
    else
        succeed(rewrite);
    detach(rewrite);
}

static void free_rewrite(struct kv_rewrite *rewrite)
{
    if (rewrite)
        free(rewrite->chunk);
    free(rewrite);
}

static void on_finished(struct fiber *fiber)
{
    free_rewrite(of(fiber));
}

int kv_rewrite_start(struct kv_aof *aof)
{
    struct kv_disk *disk = &aof->kv->disk;
    struct kv_rewrite *rewrite;

    if (!aof->kv->journal.is_on || aof->stopped)
        return -XEN_ENODEV;
    if (aof->rewrite)
        return -XEN_EBUSY;
    rewrite = calloc(1, sizeof(*rewrite));
    if (rewrite) {
        rewrite->chunk = malloc(KV_REWRITE_CHUNK);
        rewrite->fiber.finished = on_finished;
    }
    if (!rewrite || !rewrite->chunk ||
        fiber_start(&rewrite->fiber, aof->loop, aof->kv->store.memory,
                    STACK_PAGES, run)) {
        free_rewrite(rewrite);
        return -XEN_ENOMEM;
    }
    rewrite->chunk_room = KV_REWRITE_CHUNK;
    rewrite->aof = aof;
    aof->rewrite = rewrite;
    disk->is_rewriting = true;
    return 0;
}

void kv_rewrite_if_due(struct kv_aof *aof)
{
    const struct kv_disk *disk = &aof->kv->disk;
    uint64_t since = disk->written_bytes - disk->base_bytes;
    bool is_due = since >= aof->rewrite_bytes && since >= disk->base_bytes;

    if ((!is_due && aof->file_bytes < KV_INCR_MAX) || aof->rewrite ||
        loop_now(aof->loop) < aof->rewrite_not_before_ns)
        return;
    if (kv_rewrite_start(aof))
        aof->rewrite_not_before_ns = loop_now(aof->loop) + KV_REWRITE_NS;
}

void kv_rewrite_forget(struct kv_aof *aof)
{
    struct kv_rewrite *rewrite = aof->rewrite;

    if (!rewrite)
        return;
    assert(rewrite->has_job);
    rewrite->is_forgotten = true;
    detach(rewrite);
    fiber_wake(&rewrite->fiber);
}
