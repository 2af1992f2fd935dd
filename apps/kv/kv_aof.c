/* SPDX-License-Identifier: MIT */
/*
 * Writing. Every operation on the file is a chain of calls to fs/, one chain at
 * a time (is_busy); at its end `next` chooses the next one: first a waiting job
 * (kv_rewrite), then a batch, if one is due.
 *
 * A batch is the journal's buffer, taken whole; the journal gets the spare one.
 * It is written after the previous batch, at an offset that we keep: a retry
 * writes to the same place.
 */
#include "apps/kv/kv_aof.h"
#include "apps/kv/kv_rewrite.h"
#include "kernel/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE_FORMAT "%s/" KV_MANIFEST_FOLDER "%s%s"
#define TEMPORARY    "temp." KV_MANIFEST_NAME

void kv_aof_path(const struct kv_aof *aof, char path[KV_PATH_MAX],
                 const char *name)
{
    snprintf(path, KV_PATH_MAX, PLACE_FORMAT, aof->place, *name ? "/" : "",
             name);
}

void kv_aof_file_path(const struct kv_aof *aof, char path[KV_PATH_MAX],
                      uint64_t number, bool is_base)
{
    char name[KV_MANIFEST_NAME_MAX];

    kv_manifest_name(name, number, is_base);
    kv_aof_path(aof, path, name);
}

static struct kv_aof *of(struct fs_request *request)
{
    return container_of(request, struct kv_aof, request);
}

static void next(struct kv_aof *aof);

/* ---- Replacing the manifest */

static struct kv_aof *of_save(struct fs_request *request)
{
    return container_of(request, struct kv_aof, save.request);
}

static void was_renamed(struct fs_request *request)
{
    struct kv_aof *aof = of_save(request);

    if (request->status < 0)
        aof->save.may_be_there = true;
    else
        aof->manifest = aof->save.manifest;
    aof->save.done(aof, request->status);
}

static void was_closed(struct fs_request *request)
{
    struct kv_aof *aof = of_save(request);
    struct kv_save *save = &aof->save;

    if (!save->status && request->status < 0)
        save->status = request->status;
    if (save->status) {
        save->done(aof, save->status);
        return;
    }
    kv_aof_path(aof, save->new_path, KV_MANIFEST_NAME);
    fs_rename(aof->fs, request, save->path, save->new_path, was_renamed);
}

static void was_saved(struct fs_request *request)
{
    struct kv_save *save = &of_save(request)->save;

    save->status = request->status < 0 ? request->status : 0;
    fs_close(request, &save->file, was_closed);
}

static void manifest_was_written(struct fs_request *request)
{
    struct kv_save *save = &of_save(request)->save;

    if (request->status < 0)
        was_saved(request);
    else
        fs_fsync(request, &save->file, was_saved);
}

static void was_opened(struct fs_request *request)
{
    struct kv_aof *aof = of_save(request);
    struct kv_save *save = &aof->save;

    if (request->status < 0) {
        save->done(aof, request->status);
        return;
    }
    fs_pwrite(request, &save->file, save->text,
              kv_manifest_write(&save->manifest, save->text), 0,
              manifest_was_written);
}

void kv_aof_save(struct kv_aof *aof, kv_aof_done *done)
{
    struct kv_save *save = &aof->save;

    save->done = done;
    save->status = 0;
    save->may_be_there = false;
    kv_aof_path(aof, save->path, TEMPORARY);
    fs_open(aof->fs, &save->request, &save->file, save->path,
            FS_WRITE | FS_CREATE | FS_TRUNCATE, was_opened);
}

/* ---- Failure and retry */

static void try_again(struct timer *timer);

static void fail(struct kv_aof *aof, int status)
{
    struct kv_journal *journal = &aof->kv->journal;

    if (!journal->error)
        log_error("kv",
                  "cannot write the append-only file: error %d; nothing can "
                  "be changed until it can be written again",
                  status);
    journal->error = status;
    aof->kv->disk.failures++;
    timer_start(aof->loop, &aof->retry, loop_now(aof->loop) + KV_RETRY_NS,
                try_again);
    aof->batch_ends(aof, status);
}

static void succeed(struct kv_aof *aof)
{
    if (aof->kv->journal.error)
        log_info("kv", "the append-only file is written again");
    aof->kv->journal.error = 0;
}

/* ---- A batch */

static void drop_batch(struct kv_aof *aof)
{
    aof->batch_bytes = 0;
    if (aof->batch_room <= 2 * KV_JOURNAL_FULL)
        return;
    free(aof->batch);
    aof->batch = NULL;
    aof->batch_room = 0;
}

static void end_batch(struct kv_aof *aof)
{
    succeed(aof);
    drop_batch(aof);
    aof->is_busy = aof->is_written = false;
    aof->kv->journal.is_taken = false;
    aof->batch_ends(aof, 0);
    next(aof);
}

static void was_synced(struct fs_request *request)
{
    struct kv_aof *aof = of(request);

    if (request->status < 0) {
        fail(aof, request->status);
        return;
    }
    aof->is_dirty = aof->sync_due = false;
    aof->kv->disk.fsyncs++;
    end_batch(aof);
}

static void was_written(struct fs_request *request)
{
    struct kv_aof *aof = of(request);

    if (request->status < 0) {
        fail(aof, request->status);
        return;
    }
    aof->file_bytes += aof->batch_bytes;
    aof->kv->disk.written_bytes += aof->batch_bytes;
    aof->is_written = aof->is_dirty = true;
    if (aof->policy == KV_ALWAYS || aof->sync_due)
        fs_fsync(&aof->request, aof->file, was_synced);
    else
        end_batch(aof);
}

static void write_batch(struct kv_aof *aof)
{
    fs_pwrite(&aof->request, aof->file, aof->batch, aof->batch_bytes,
              aof->file_bytes, was_written);
}

static void try_again(struct timer *timer)
{
    struct kv_aof *aof = container_of(timer, struct kv_aof, retry);

    if (aof->is_written)
        fs_fsync(&aof->request, aof->file, was_synced);
    else
        write_batch(aof);
}

/* The journal's buffer becomes the batch. */
static void take_batch(struct kv_aof *aof)
{
    struct kv_journal *journal = &aof->kv->journal;
    char *spare = aof->batch;
    size_t spare_room = aof->batch_room;

    aof->batch = journal->bytes;
    aof->batch_bytes = journal->used;
    aof->batch_room = journal->room;
    journal->bytes = spare;
    journal->room = spare_room;
    journal->used = 0;
    journal->is_taken = true;
    aof->is_busy = true;
    aof->writes_first = false;
    aof->batch_begins(aof);
    write_batch(aof);
}

/* There is nothing new to write, but something to sync. */
static void sync_file(struct kv_aof *aof)
{
    aof->is_busy = true;
    aof->is_written = true;
    fs_fsync(&aof->request, aof->file, was_synced);
}

/* ---- When */

static void file_was_closed(struct fs_request *request)
{
    struct kv_aof *aof = of(request);

    aof->stopped(aof, request->status < 0 ? request->status : 0);
}

static void close_file(struct kv_aof *aof)
{
    timer_stop(aof->loop, &aof->timer);
    task_stop(aof->loop, &aof->task);
    aof->is_busy = true;
    fs_close(&aof->request, aof->file, file_was_closed);
}

static bool is_batch_due(const struct kv_aof *aof)
{
    const struct kv_journal *journal = &aof->kv->journal;
    size_t used = journal->used;

    /* A transaction under way is not split. */
    return used && !journal->depth &&
           (aof->writes_first || aof->policy == KV_ALWAYS || aof->sync_due ||
            used >= KV_JOURNAL_MUCH || aof->stopped);
}

/* Choose the next operation on the file. */
static void next(struct kv_aof *aof)
{
    void (*job)(struct kv_aof * aof) = aof->job;

    if (aof->is_busy)
        return;
    if (aof->writes_first && aof->kv->journal.used)
        job = NULL;
    if (job) {
        aof->job = NULL;
        aof->is_busy = true;
        aof->writes_first = false;
        job(aof);
    } else if (is_batch_due(aof)) {
        take_batch(aof);
    } else if (aof->is_dirty && (aof->sync_due || aof->stopped)) {
        sync_file(aof);
    } else if (aof->stopped) {
        close_file(aof);
    } else {
        kv_rewrite_if_due(aof);
    }
}

static void on_task(struct task *task)
{
    next(container_of(task, struct kv_aof, task));
}

static void on_timer(struct timer *timer)
{
    struct kv_aof *aof = container_of(timer, struct kv_aof, timer);

    aof->sync_due = true;
    next(aof);
}

/* The journal has something to write, or much. */
static void on_journal(struct kv_aof *aof)
{
    uint64_t period = aof->policy == KV_NO ? KV_SYNC_LAZY_NS : KV_SYNC_NS;

    if (aof->policy == KV_ALWAYS || aof->sync_due || aof->writes_first ||
        aof->kv->journal.used >= KV_JOURNAL_MUCH)
        task_start(aof->loop, &aof->task, on_task);
    if (aof->policy != KV_ALWAYS && !aof->timer.active)
        timer_start(aof->loop, &aof->timer, loop_now(aof->loop) + period,
                    on_timer);
}

void kv_aof_begin(struct kv_aof *aof)
{
    struct kv_journal *journal = &aof->kv->journal;

    journal->taker = aof;
    journal->wake = on_journal;
    journal->withholds = aof->policy == KV_ALWAYS;
    journal->is_on = true;
}

void kv_aof_stop(struct kv_aof *aof, kv_aof_done *stopped)
{
    aof->stopped = stopped;
    next(aof);
}

/* ---- Jobs */

static void end_job(struct kv_aof *aof, int status)
{
    kv_aof_done *done = aof->job_done;

    aof->is_busy = false;
    done(aof, status < 0 ? status : 0);
    task_start(aof->loop, &aof->task, on_task);
}

static void start_job(struct kv_aof *aof, void (*job)(struct kv_aof *aof),
                      kv_aof_done *done)
{
    aof->job = job;
    aof->job_done = done;
    task_start(aof->loop, &aof->task, on_task);
}

/* Has the fsync that a job begins with succeeded? */
static bool has_synced(struct kv_aof *aof, int status)
{
    if (status < 0)
        return false;
    aof->is_dirty = false;
    aof->kv->disk.fsyncs++;
    return true;
}

/* A new file */

static struct fs_file *other_file(struct kv_aof *aof)
{
    return &aof->files[aof->file == &aof->files[0]];
}

static void old_was_closed(struct fs_request *request)
{
    end_job(of(request), request->status);
}

/* If the manifest lists it all the same, it is an empty last file. */
static void new_was_closed(struct fs_request *request)
{
    end_job(of(request), of(request)->save.status);
}

static void was_rotated(struct kv_aof *aof, int status)
{
    struct fs_file *old = aof->file;

    if (status < 0) {
        aof->save.status = status;
        fs_close(&aof->request, other_file(aof), new_was_closed);
        return;
    }
    aof->file = other_file(aof);
    aof->file_bytes = 0;
    fs_close(&aof->request, old, old_was_closed);
}

static void new_was_opened(struct fs_request *request)
{
    struct kv_aof *aof = of(request);
    struct kv_manifest *manifest = &aof->save.manifest;

    if (request->status < 0) {
        end_job(aof, request->status);
        return;
    }
    *manifest = aof->manifest;
    manifest->incr[manifest->nr_incr++] = aof->next_number++;
    kv_aof_save(aof, was_rotated);
}

static void old_was_synced(struct fs_request *request)
{
    struct kv_aof *aof = of(request);

    if (!has_synced(aof, request->status)) {
        end_job(aof, request->status);
        return;
    }
    kv_aof_file_path(aof, aof->save.path, aof->next_number, false);
    fs_open(aof->fs, request, other_file(aof), aof->save.path,
            FS_WRITE | FS_CREATE | FS_TRUNCATE, new_was_opened);
}

static void rotate(struct kv_aof *aof)
{
    if (aof->manifest.nr_incr == KV_MANIFEST_INCR_MAX)
        end_job(aof, 0); /* proceed without it */
    else
        fs_fsync(&aof->request, aof->file, old_was_synced);
}

void kv_aof_rotate(struct kv_aof *aof, kv_aof_done *done)
{
    start_job(aof, rotate, done);
}

/* Another base */

static void base_was_set(struct kv_aof *aof, int status)
{
    struct kv_disk *disk = &aof->kv->disk;

    if (status >= 0) {
        disk->base_bytes = aof->new_base_bytes;
        disk->written_bytes = aof->new_base_bytes + aof->file_bytes;
    }
    end_job(aof, status);
}

static void last_was_synced(struct fs_request *request)
{
    struct kv_aof *aof = of(request);
    unsigned nr = aof->manifest.nr_incr;

    if (!has_synced(aof, request->status)) {
        end_job(aof, request->status);
        return;
    }
    aof->save.manifest = (struct kv_manifest){
        .base = aof->new_base,
        .incr = {aof->manifest.incr[nr - 1]},
        .nr_incr = 1,
    };
    kv_aof_save(aof, base_was_set);
}

static void set_base(struct kv_aof *aof)
{
    fs_fsync(&aof->request, aof->file, last_was_synced);
}

void kv_aof_set_base(struct kv_aof *aof, uint64_t base, uint64_t base_bytes,
                     kv_aof_done *done)
{
    aof->new_base = base;
    aof->new_base_bytes = base_bytes;
    /* The base contains some of the journal's changes: write those first. */
    aof->writes_first = true;
    start_job(aof, set_base, done);
}
