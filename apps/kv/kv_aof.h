/* SPDX-License-Identifier: MIT */
/*
 * The append-only file: takes the journal, batch by batch, and writes it.
 *
 * One batch is under way at a time; what is added to the journal meanwhile is
 * the next one. So with fsync=always one fsync serves all clients that came
 * during the one before.
 *
 *     kv_load       reads the file when the guest starts
 *     kv_aof        writes
 *     kv_rewrite    rewrites the base when much was added since
 *     kv_manifest   which files there are
 *
 * A failed write is retried until it succeeds; meanwhile no changes are allowed
 * (kv_journal.error). The journal's contents are kept.
 */
#ifndef APPS_KV_AOF_H
#define APPS_KV_AOF_H

#include "apps/kv/kv_db.h"
#include "apps/kv/kv_manifest.h"
#include "fs/fs.h"

#define KV_PATH_MAX (FS_PLACE_MAX + 1 + KV_MANIFEST_NAME_MAX * 2)

/* everysec: how much a power cut may lose. */
#define KV_SYNC_NS      NS_PER_S
/* no: as a kernel would do it by itself. A copy-on-write file system loses
 * everything that was not synced. */
#define KV_SYNC_LAZY_NS (30 * NS_PER_S)
/* Between retries of a write. */
#define KV_RETRY_NS     NS_PER_S
/* Between retries of a rewrite. */
#define KV_REWRITE_NS   (60 * NS_PER_S)
/* A file on littlefs has at most 2 GiB: rewrite well before that. */
#define KV_INCR_MAX     (UINT64_C(1) << 30)

enum kv_policy { KV_ALWAYS, KV_EVERYSEC, KV_NO };

struct kv_aof;
typedef void kv_aof_done(struct kv_aof *aof, int status);

/* A file operation of several steps, one at a time: see kv_aof.c. */
struct kv_save {
    struct fs_request request;
    struct fs_file file;
    struct kv_manifest manifest; /* the one to be */
    char text[KV_MANIFEST_BYTES];
    char path[KV_PATH_MAX], new_path[KV_PATH_MAX];
    kv_aof_done *done;
    int status;
    bool may_be_there; /* it failed, and may or may not be done */
};

struct kv_aof {
    /* Set by the owner: */
    struct kv *kv;
    struct fs *fs;
    struct loop *loop;
    const char *place; /* mount point: "" or "/data" */
    enum kv_policy policy;
    bool goes_on;           /* truncate a damaged file at the damage */
    uint64_t rewrite_bytes; /* rewrite after this many bytes, and no less than
                               the base has */
    /* Writing a batch of the journal has begun; and it has ended: status 0, it
     * is on the disk; else it failed and is retried. One batch at a time.
     */
    void (*batch_begins)(struct kv_aof *aof);
    kv_aof_done *batch_ends;
    /* ---- kv_aof's: */
    struct kv_manifest manifest;
    struct fs_request request;
    struct fs_file files[2], *file; /* the last of the manifest's, open */
    uint64_t file_bytes;
    char *batch; /* or an empty spare buffer */
    size_t batch_bytes, batch_room;
    bool is_busy;    /* with the file: a batch, a fsync, a save */
    bool is_written; /* the batch is written, but not synced */
    bool is_dirty;   /* something was written since the last fsync */
    bool sync_due;
    struct timer timer, retry;
    struct task task;
    uint64_t next_number; /* of a file */
    /* Waits until the file is not busy: */
    void (*job)(struct kv_aof *aof);
    bool writes_first; /* write the journal before the job */
    kv_aof_done *job_done, *stopped;
    uint64_t new_base, new_base_bytes;
    struct kv_save save;
    struct kv_load *load;
    struct kv_rewrite *rewrite;
    uint64_t rewrite_not_before_ns;
};

/* Begin; the file was read and is open for writing (kv_load). */
void kv_aof_begin(struct kv_aof *aof);

/* Write and fsync what there is, then close the file: stopped(aof, status).
 * Failures are not retried for ever. */
void kv_aof_stop(struct kv_aof *aof, kv_aof_done *stopped);

/* ---- Between kv_aof, kv_load and kv_rewrite */

void kv_aof_path(const struct kv_aof *aof, char path[KV_PATH_MAX],
                 const char *name);
void kv_aof_file_path(const struct kv_aof *aof, char path[KV_PATH_MAX],
                      uint64_t number, bool is_base);

/* Replace the manifest by aof->save.manifest, on disk and in memory. */
void kv_aof_save(struct kv_aof *aof, kv_aof_done *done);

/* Switch to a new file; everything written before is on the disk. */
void kv_aof_rotate(struct kv_aof *aof, kv_aof_done *done);
/* Make this the base; of the other files only the last is kept. Its contents
 * are on the disk before the base takes effect. */
void kv_aof_set_base(struct kv_aof *aof, uint64_t base, uint64_t base_bytes,
                     kv_aof_done *done);

#endif
