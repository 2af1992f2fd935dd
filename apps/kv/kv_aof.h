/* SPDX-License-Identifier: MIT */
/*
 * The append-only file: takes the journal, batch by batch, and writes it.
 *
 * One batch is under way at a time; what is added to the journal meanwhile is
 * the next one. So with fsync=always one fsync serves all who came while the
 * one before was under way.
 *
 *     kv_load       reads what there is, when the guest starts
 *     kv_aof        writes
 *     kv_rewrite    writes the base anew when much has come since
 *     kv_manifest   which files these are
 *
 * A write that fails is tried again until it succeeds; meanwhile nothing more
 * is changed (kv_journal.error). What the journal had by then is kept.
 */
#ifndef APPS_KV_AOF_H
#define APPS_KV_AOF_H

#include "apps/kv/kv_db.h"
#include "apps/kv/kv_manifest.h"
#include "fs/fs.h"

#define KV_PATH_MAX (FS_PLACE_MAX + 1 + KV_MANIFEST_NAME_MAX * 2)

/* everysec: what a power cut may cost. */
#define KV_SYNC_NS      NS_PER_S
/* no: as a kernel would do it by itself. A file system that copies on write has
 * nothing of what was not synced. */
#define KV_SYNC_LAZY_NS (30 * NS_PER_S)
/* Between tries to write again. */
#define KV_RETRY_NS     NS_PER_S
/* Between tries to rewrite. */
#define KV_REWRITE_NS   (60 * NS_PER_S)
/* A file cannot have more than 2 GiB on littlefs: rewrite well before that. */
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
    bool may_be_there; /* it failed, and nobody knows whether it was done */
};

struct kv_aof {
    /* Set by the owner: */
    struct kv *kv;
    struct fs *fs;
    struct loop *loop;
    const char *place; /* of the mount: "" or "/data" */
    enum kv_policy policy;
    bool goes_on;           /* when the file is damaged: cut it off there */
    uint64_t rewrite_bytes; /* rewrite when at least so much came since, and as
                             * much as the base has */
    /* It has begun to write the journal; that is on the disk, status 0, or the
     * writing has failed and is tried again. Nothing else is done in between.
     */
    void (*batch_begins)(struct kv_aof *aof);
    kv_aof_done *batch_ends;
    /* ---- kv_aof's: */
    struct kv_manifest manifest;
    struct fs_request request;
    struct fs_file files[2], *file; /* the last of the manifest's, open */
    uint64_t file_bytes;
    char *batch; /* or a spare buffer, empty */
    size_t batch_bytes, batch_room;
    bool is_busy;    /* with the file: a batch, a fsync, a save */
    bool is_written; /* the batch is; its fsync is not */
    bool is_dirty;   /* something was written since the last fsync */
    bool sync_due;
    struct timer timer, retry;
    struct task task;
    uint64_t next_number; /* of a file */
    /* What waits until the file is not busy: */
    void (*job)(struct kv_aof *aof);
    bool writes_first; /* what the journal has comes before the job */
    kv_aof_done *job_done, *stopped;
    uint64_t new_base, new_base_bytes;
    struct kv_save save;
    struct kv_load *load;
    struct kv_rewrite *rewrite;
    uint64_t rewrite_not_before_ns;
};

/* The file was read and is open for writing (kv_load): begin. */
void kv_aof_begin(struct kv_aof *aof);

/* Write and fsync what there is, then close the file: stopped(aof, status). It
 * is not tried for ever. */
void kv_aof_stop(struct kv_aof *aof, kv_aof_done *stopped);

/* ---- Between kv_aof, kv_load and kv_rewrite */

void kv_aof_path(const struct kv_aof *aof, char path[KV_PATH_MAX],
                 const char *name);
void kv_aof_file_path(const struct kv_aof *aof, char path[KV_PATH_MAX],
                      uint64_t number, bool is_base);

/* Put another manifest in the place of the present one, and take it over:
 * aof->save.manifest. */
void kv_aof_save(struct kv_aof *aof, kv_aof_done *done);

/* From now on a new file is written to; what was written before is on the
 * disk. */
void kv_aof_rotate(struct kv_aof *aof, kv_aof_done *done);
/* This is the base, and of the other files only the last counts. What was
 * written there is on the disk before the base is one. */
void kv_aof_set_base(struct kv_aof *aof, uint64_t base, uint64_t base_bytes,
                     kv_aof_done *done);

#endif
