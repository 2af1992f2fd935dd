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
 * Long values are held while they are written, others are copied.
 */
#include "apps/kv/kv_rewrite.h"
#include "kernel/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Values longer than this are written from where they are. */
#define COPY_MAX  4096
/* Longer ones in one bucket. With a keyed hash it has few keys at all. */
#define LONG_MAX  64
/* What a command has beside key and value. */
#define FRAME_MAX 160

struct kv_rewrite {
    struct kv_aof *aof;
    struct fs_request request;
    struct fs_file file;
    char path[KV_PATH_MAX];
    struct kv_manifest old;
    uint64_t number, bytes, cursor;
    bool is_open, is_last;
    int status;
    char *chunk;
    size_t chunk_used, chunk_room;
    struct kv_long {
        struct kv_entry *entry; /* held */
        uint64_t expires_ms;    /* as it was: whoever removes it forgets that */
    } longs[LONG_MAX];
    unsigned nr_longs, at_long;
    unsigned
        at_old; /* of the old manifest's files: 0 the base, then the incr */
};

static struct kv_rewrite *of(struct fs_request *request)
{
    return container_of(request, struct kv_rewrite, request);
}

/* ---- The end */

static void free_rewrite(struct kv_rewrite *rewrite)
{
    struct kv_aof *aof = rewrite->aof;

    for (unsigned i = 0; i < rewrite->nr_longs; i++)
        kv_store_release(&aof->kv->store, rewrite->longs[i].entry);
    aof->rewrite = NULL;
    aof->kv->disk.is_rewriting = false;
    free(rewrite->chunk);
    free(rewrite);
}

static void was_removed(struct fs_request *request)
{
    struct kv_rewrite *rewrite = of(request);
    uint64_t number = 0;
    bool is_base = false;

    while (!number && rewrite->at_old <= rewrite->old.nr_incr) {
        unsigned at = rewrite->at_old++;

        is_base = !at;
        number = is_base ? rewrite->old.base : rewrite->old.incr[at - 1];
        if (number == rewrite->aof->manifest.incr[0])
            number = 0;
    }
    if (!number) {
        free_rewrite(rewrite);
        return;
    }
    kv_aof_file_path(rewrite->aof, rewrite->path, number, is_base);
    fs_unlink(rewrite->aof->fs, request, rewrite->path, was_removed);
}

static void was_dropped(struct fs_request *request)
{
    free_rewrite(of(request));
}

/* The new base is of no use. Unless nobody knows whether the manifest names it
 * by now, it goes. */
static void was_given_up(struct fs_request *request)
{
    struct kv_rewrite *rewrite = of(request);
    struct kv_aof *aof = rewrite->aof;

    if (aof->save.may_be_there || !rewrite->number)
        free_rewrite(rewrite);
    else
        fs_unlink(aof->fs, request, rewrite->path, was_dropped);
}

static void give_up(struct kv_rewrite *rewrite, int status)
{
    struct kv_aof *aof = rewrite->aof;
    bool was_open = rewrite->is_open;

    log_warn("kv",
             "the append-only file cannot be rewritten: error %d; it grows, "
             "and is tried again",
             status);
    aof->kv->disk.rewrite_failed = true;
    aof->rewrite_not_before_ns = loop_now(aof->loop) + KV_REWRITE_NS;
    rewrite->is_open = false;
    if (was_open)
        fs_close(&rewrite->request, &rewrite->file, was_given_up);
    else
        was_given_up(&rewrite->request);
}

static void base_was_set(struct kv_aof *aof, int status)
{
    struct kv_rewrite *rewrite = aof->rewrite;
    struct kv_disk *disk = &aof->kv->disk;

    if (status) {
        give_up(rewrite, status);
        return;
    }
    disk->rewrites++;
    disk->rewrite_failed = false;
    log_debug("kv", "the append-only file was rewritten: %" PRIu64 " bytes",
              rewrite->bytes);
    was_removed(&rewrite->request);
}

static void was_closed(struct fs_request *request)
{
    struct kv_rewrite *rewrite = of(request);

    if (request->status < 0)
        give_up(rewrite, request->status);
    else
        kv_aof_set_base(rewrite->aof, rewrite->number, rewrite->bytes,
                        base_was_set);
}

static void was_synced(struct fs_request *request)
{
    struct kv_rewrite *rewrite = of(request);

    if (request->status < 0) {
        give_up(rewrite, request->status);
        return;
    }
    rewrite->is_open = false;
    fs_close(request, &rewrite->file, was_closed);
}

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
    rewrite->is_last = !rewrite->cursor;
}

static void go_on(struct fs_request *request);

static void write(struct kv_rewrite *rewrite, const char *bytes, size_t len,
                  fs_done *done)
{
    fs_pwrite(&rewrite->request, &rewrite->file, bytes, len, rewrite->bytes,
              done);
    rewrite->bytes += len;
}

/* The command of a long one without its value: what stands before it, and what
 * stands behind. */
static size_t write_frame(struct kv_rewrite *rewrite,
                          const struct kv_long *item, bool is_behind)
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

static void long_was_written(struct fs_request *request)
{
    struct kv_rewrite *rewrite = of(request);
    size_t len;

    if (request->status < 0) {
        give_up(rewrite, request->status);
        return;
    }
    rewrite->chunk_used = 0;
    len = write_frame(rewrite, &rewrite->longs[rewrite->at_long++], true);
    write(rewrite, rewrite->chunk, len, go_on);
}

static void head_was_written(struct fs_request *request)
{
    struct kv_rewrite *rewrite = of(request);
    struct kv_text value =
        kv_entry_value(rewrite->longs[rewrite->at_long].entry);

    if (request->status < 0)
        give_up(rewrite, request->status);
    else
        write(rewrite, value.at, value.len, long_was_written);
}

static void write_long(struct kv_rewrite *rewrite)
{
    size_t len;

    rewrite->chunk_used = 0;
    len = write_frame(rewrite, &rewrite->longs[rewrite->at_long], false);
    if (len)
        write(rewrite, rewrite->chunk, len, head_was_written);
    else
        give_up(rewrite, -XEN_ENOMEM);
}

static void drop_longs(struct kv_rewrite *rewrite)
{
    for (unsigned i = 0; i < rewrite->nr_longs; i++)
        kv_store_release(&rewrite->aof->kv->store, rewrite->longs[i].entry);
    rewrite->nr_longs = rewrite->at_long = 0;
}

/* What was written is; what comes next? */
static void go_on(struct fs_request *request)
{
    struct kv_rewrite *rewrite = of(request);

    if (request->status < 0) {
        give_up(rewrite, request->status);
        return;
    }
    if (rewrite->at_long < rewrite->nr_longs) {
        write_long(rewrite);
        return;
    }
    drop_longs(rewrite);
    if (rewrite->is_last) {
        fs_fsync(request, &rewrite->file, was_synced);
        return;
    }
    rewrite->chunk_used = 0;
    fill_chunk(rewrite);
    if (rewrite->status)
        give_up(rewrite, rewrite->status);
    else
        write(rewrite, rewrite->chunk, rewrite->chunk_used, go_on);
}

/* ---- The beginning */

static void was_opened(struct fs_request *request)
{
    struct kv_rewrite *rewrite = of(request);
    struct kv_text words[] = {KV_TEXT("SELECT"), KV_TEXT("0")};

    if (request->status < 0) {
        give_up(rewrite, request->status);
        return;
    }
    rewrite->is_open = true;
    rewrite->chunk_used = kv_journal_write(rewrite->chunk, words, 2);
    write(rewrite, rewrite->chunk, rewrite->chunk_used, go_on);
}

static void was_rotated(struct kv_aof *aof, int status)
{
    struct kv_rewrite *rewrite = aof->rewrite;

    if (status) {
        give_up(rewrite, status);
        return;
    }
    rewrite->old = aof->manifest;
    rewrite->number = aof->next_number++;
    kv_aof_file_path(aof, rewrite->path, rewrite->number, true);
    fs_open(aof->fs, &rewrite->request, &rewrite->file, rewrite->path,
            FS_WRITE | FS_CREATE | FS_TRUNCATE, was_opened);
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
    if (rewrite)
        rewrite->chunk = malloc(KV_REWRITE_CHUNK);
    if (!rewrite || !rewrite->chunk) {
        free(rewrite);
        return -XEN_ENOMEM;
    }
    rewrite->chunk_room = KV_REWRITE_CHUNK;
    rewrite->aof = aof;
    aof->rewrite = rewrite;
    disk->is_rewriting = true;
    /* One that failed has left a new file already. */
    if (disk->rewrite_failed && aof->manifest.nr_incr > 1)
        was_rotated(aof, 0);
    else
        kv_aof_rotate(aof, was_rotated);
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
    if (aof->rewrite)
        free_rewrite(aof->rewrite);
}
