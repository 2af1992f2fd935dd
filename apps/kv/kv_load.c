/* SPDX-License-Identifier: MIT */
/*
 * Loading: manifest, each file piece by piece, what is to be cut off,
 * leftovers, and at last the file that will be written to. All of it is one
 * function on a fiber, load_once; the loop turns while a piece is read.
 *
 * A torn end is a command that is not all there. A damaged length can look the
 * same, and would have us throw away all that comes after it: so when what is
 * left has the beginning of another command in it, it is damage.
 *
 * A transaction is held until its EXEC is there, and then done: one that was
 * torn is cut off as a whole, at its MULTI.
 */
#include "apps/kv/kv_load.h"
#include "apps/kv/kv_command.h"
#include "fs/sync.h"
#include "kernel/log.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Names that are read at once of the folder. */
#define ENTRIES_MAX 4

/* What load_file and what it calls return beside 0 and errors: there is
 * something wrong at `offset`, and the file is to be cut off there. */
#define IS_CUT 1

/* The fiber's stack. The deepest that it calls is a command that is done. */
#define STACK_PAGES 8

struct kv_load {
    struct kv_aof *aof;
    struct fiber fiber;
    struct fs_file file;
    char path[KV_PATH_MAX], name[KV_MANIFEST_NAME_MAX];
    kv_aof_done *done;
    int status;
    unsigned at_file; /* 0: the base, then the incr files */
    uint64_t begin_ns;
    /* The file that is read: */
    char *bytes; /* what was read and not done; it begins at `offset` */
    size_t used, room;
    size_t seen; /* of it: all commands, of a transaction that has no end yet */
    bool is_multi;     /* there is one */
    bool is_half_done; /* one of its commands could not be done, others were */
    uint64_t offset, size;
    struct kv_resp resp;
    struct kv_output answers; /* thrown away */
    struct fs_entry entries[ENTRIES_MAX];
    /* kv_aof_save's: */
    bool is_saved;
    int save_status;
};

static int fail(const struct kv_load *load, const char *what, int status)
{
    log_error("kv", "%s: cannot %s: error %d", load->path, what, status);
    return status;
}

/* ---- The file that is written to */

static int open_last(struct kv_load *load)
{
    struct kv_aof *aof = load->aof;
    int err;

    kv_aof_file_path(aof, load->path,
                     aof->manifest.incr[aof->manifest.nr_incr - 1], false);
    err =
        fs_sync_open(aof->fs, &aof->files[0], load->path, FS_WRITE | FS_CREATE);
    if (err)
        return fail(load, "open it for writing", err);
    aof->file = &aof->files[0];
    aof->file_bytes = aof->file->stat.bytes;
    return 0;
}

static void on_saved(struct kv_aof *aof, int status)
{
    struct kv_load *load = aof->load;

    load->save_status = status;
    load->is_saved = true;
    fiber_wake(&load->fiber);
}

static int save_manifest(struct kv_load *load)
{
    load->is_saved = false;
    kv_aof_save(load->aof, on_saved);
    while (!load->is_saved)
        fiber_park();
    return load->save_status;
}

/* A file for what is to come, and a manifest with it in. */
static int make_incr(struct kv_load *load)
{
    struct kv_aof *aof = load->aof;
    struct kv_manifest *manifest = &aof->save.manifest;
    int err;

    *manifest = aof->manifest;
    manifest->incr[manifest->nr_incr++] = aof->next_number;
    kv_aof_file_path(aof, load->path, aof->next_number++, false);
    err = fs_sync_open(aof->fs, &load->file, load->path,
                       FS_WRITE | FS_CREATE | FS_TRUNCATE);
    if (!err)
        err = fs_sync_close(&load->file);
    if (err)
        return fail(load, "make it", err);
    err = save_manifest(load);
    return err ? fail(load, "write the manifest beside it", err) : 0;
}

/* ---- Leftovers of a rewrite that was cut off */

static bool is_leftover(const struct kv_load *load,
                        const struct fs_entry *entry)
{
    return entry->kind == FS_FILE &&
           strlen(entry->name) < KV_MANIFEST_NAME_MAX &&
           strstr(entry->name, "appendonly.aof.") &&
           !kv_manifest_has(&load->aof->manifest, entry->name);
}

/* In the folder that is open. load->name: one, or "". */
static void find_leftover(struct kv_load *load)
{
    unsigned first = 0;
    int nr;

    load->name[0] = '\0';
    do {
        nr = fs_sync_readdir(&load->file, load->entries, ENTRIES_MAX, first);
        for (int i = 0; i < nr; i++) {
            if (is_leftover(load, &load->entries[i])) {
                strcpy(load->name, load->entries[i].name);
                return;
            }
        }
        first += nr > 0 ? (unsigned)nr : 0;
    } while (nr > 0);
}

/* One by one: a folder that was changed is listed anew. */
static int remove_leftovers(struct kv_load *load)
{
    struct kv_aof *aof = load->aof;
    int err;

    for (;;) {
        kv_aof_path(aof, load->path, "");
        err = fs_sync_open(aof->fs, &load->file, load->path, FS_READ);
        if (err)
            return fail(load, "list it", err);
        find_leftover(load);
        (void)fs_sync_close(&load->file);
        if (!load->name[0])
            return 0;
        kv_aof_path(aof, load->path, load->name);
        log_info("kv", "removing %s: it belongs to no file", load->path);
        err = fs_sync_unlink(aof->fs, load->path);
        if (err)
            return fail(load, "remove it", err);
    }
}

/* ---- Cutting off */

static int truncate_file(struct kv_load *load)
{
    int err = fs_sync_open(load->aof->fs, &load->file, load->path, FS_WRITE),
        closed;

    if (err)
        return err;
    err = fs_sync_ftruncate(&load->file, load->offset);
    if (!err)
        err = fs_sync_fsync(&load->file);
    closed = fs_sync_close(&load->file);
    return err ? err : closed;
}

static int cut(struct kv_load *load)
{
    int err;

    log_warn("kv", "%s: its last %" PRIu64 " bytes are cut off", load->name,
             load->size - load->offset);
    err = truncate_file(load);
    return err ? fail(load, "cut it off", err) : IS_CUT;
}

/* At `offset` there is what cannot be. */
static int find_damage(struct kv_load *load, const char *what)
{
    log_error("kv", "%s: at byte %" PRIu64 " of %" PRIu64 ": %s", load->name,
              load->offset, load->size, what);
    if (load->aof->goes_on)
        return IS_CUT;
    log_error("kv", "the file is left as it is; kv.damaged=cut would cut it "
                    "off there and start");
    return -XEN_EIO;
}

/* Is there "\r\n*NUMBER\r\n$" in it? */
static bool has_command_in(const char *at, size_t len)
{
    const char *end = at + len, *c;

    while ((at = memchr(at, '*', (size_t)(end - at)))) {
        for (c = ++at; c < end && isdigit((unsigned char)*c);)
            c++;
        if (at[-2] == '\n' && c > at && end - c >= 3 && !memcmp(c, "\r\n$", 3))
            return true;
    }
    return false;
}

static int find_torn(struct kv_load *load)
{
    if (load->at_file != load->aof->manifest.nr_incr)
        return find_damage(load, "the file ends within a command");
    if (load->used > load->seen && has_command_in(load->bytes + load->seen + 1,
                                                  load->used - load->seen - 1))
        return find_damage(load,
                           "a command that has no end, but another follows");
    return IS_CUT;
}

/* ---- Doing what was read */

/* Do one command of these words; false: it cannot be done. */
static bool replay(struct kv_load *load)
{
    struct kv *kv = load->aof->kv;
    uint64_t errors = kv->outputs.nr_errors;
    struct kv_call call = {
        .kv = kv,
        .out = &load->answers,
        .words = kv->words.at,
        .nr = kv->words.nr,
    };

    if (call.nr)
        kv_command_run(&call);
    kv_output_free(&load->answers);
    load->answers.has_failed = false;
    if (kv->outputs.nr_errors == errors)
        return true;
    kv->outputs.nr_errors = errors;
    return false;
}

static const char cannot_be_done[] =
    "a command that cannot be done, or that memory= is too small for";

static bool is_word(const struct kv_load *load, const char *word)
{
    const struct kv_words *words = &load->aof->kv->words;

    return words->nr == 1 && kv_text_is(words->at[0], word);
}

static enum kv_resp_result read_command(struct kv_load *load, size_t at,
                                        size_t end, const char **error)
{
    static const struct kv_resp_limits limits = {KV_WORDS_MAX, KV_VALUE_MAX};

    return kv_resp_read(&load->resp, &load->aof->kv->words, load->bytes + at,
                        end - at, &limits, error);
}

/* Do a transaction that is all there, from MULTI to EXEC. */
static const char *replay_multi(struct kv_load *load, size_t at, size_t end)
{
    const char *error;

    while (at < end) {
        if (read_command(load, at, end, &error) != KV_RESP_READY)
            return error;
        at += load->resp.at;
        load->resp = (struct kv_resp){0};
        if (is_word(load, "multi") || is_word(load, "exec"))
            continue;
        if (!replay(load)) {
            load->is_half_done = true;
            return cannot_be_done;
        }
    }
    return NULL;
}

/* The command that was read ends at load->seen; *at is where what was not done
 * begins. What is wrong, or NULL. In a transaction that is looked for at once:
 * a damaged EXEC must not make a torn end of all that follows. */
static const char *replay_read(struct kv_load *load, size_t *at)
{
    const struct kv_words *words = &load->aof->kv->words;
    const char *error = NULL;

    if (is_word(load, "multi")) {
        if (load->is_multi)
            return "a transaction within another";
        load->is_multi = true;
    } else if (is_word(load, "exec")) {
        if (!load->is_multi)
            return "the end of a transaction that has no beginning";
        load->is_multi = false;
        error = replay_multi(load, *at, load->seen);
    } else if (load->is_multi ? !kv_command_is_noted(words->at, words->nr)
                              : !replay(load)) {
        error = cannot_be_done;
    }
    if (!error && !load->is_multi)
        *at = load->seen;
    return error;
}

/* Do what is there; what is wrong, or NULL. */
static const char *replay_all(struct kv_load *load, size_t *at)
{
    const char *error = NULL;

    while (load->seen < load->used && !error) {
        enum kv_resp_result result;

        if (load->bytes[load->seen] != '*')
            return "no command begins here";
        result = read_command(load, load->seen, load->used, &error);
        if (result == KV_RESP_MORE)
            return NULL;
        if (result == KV_RESP_BAD)
            return error;
        load->seen += load->resp.at;
        load->resp = (struct kv_resp){0};
        error = replay_read(load, at);
    }
    return error;
}

/* The same, and what was done goes. */
static const char *replay_piece(struct kv_load *load)
{
    struct kv_disk *disk = &load->aof->kv->disk;
    size_t at = 0;
    const char *wrong = replay_all(load, &at);

    disk->loaded_bytes += at;
    disk->written_bytes += at;
    disk->base_bytes += load->at_file ? 0 : at;
    load->offset += at;
    load->used -= at;
    load->seen -= at;
    memmove(load->bytes, load->bytes + at, load->used);
    return wrong;
}

/* ---- Reading */

static bool make_room(struct kv_load *load)
{
    size_t room = load->room;
    char *bytes;

    if (load->room - load->used >= KV_LOAD_PIECE)
        return true;
    room = 2 * room > 2 * KV_LOAD_PIECE ? 2 * room : 2 * KV_LOAD_PIECE;
    bytes = realloc(load->bytes, room);
    if (!bytes)
        return false;
    load->bytes = bytes;
    load->room = room;
    return true;
}

static int read_file(struct kv_load *load)
{
    const char *wrong;
    int got;

    for (;;) {
        if (!make_room(load))
            return fail(load, "hold one of its commands in memory",
                        -XEN_ENOMEM);
        got = fs_sync_pread(&load->file, load->bytes + load->used,
                            KV_LOAD_PIECE, load->offset + load->used);
        if (got < 0)
            return fail(load, "read it", got);
        if (!got)
            return load->used ? find_torn(load) : 0;
        load->used += (size_t)got;
        wrong = replay_piece(load);
        if (wrong)
            return find_damage(load, wrong);
    }
}

static int load_file(struct kv_load *load)
{
    int result = fs_sync_open(load->aof->fs, &load->file, load->path, FS_READ);

    if (result)
        return fail(load, "open it", result);
    load->size = load->file.stat.bytes;
    load->aof->kv->disk.to_load_bytes += load->size;
    load->offset = load->used = load->seen = 0;
    load->is_multi = false;
    load->resp = (struct kv_resp){0};
    result = read_file(load);
    (void)fs_sync_close(&load->file);
    return result == IS_CUT ? cut(load) : result;
}

/* All of them, or those up to the one that was cut off: load->at_file. */
static int load_files(struct kv_load *load)
{
    struct kv_aof *aof = load->aof;
    const struct kv_manifest *manifest = &aof->manifest;
    int result = 0;

    for (load->at_file = manifest->base ? 0 : 1;
         load->at_file <= manifest->nr_incr; load->at_file++) {
        bool is_base = !load->at_file;

        kv_manifest_name(load->name,
                         is_base ? manifest->base
                                 : manifest->incr[load->at_file - 1],
                         is_base);
        kv_aof_path(aof, load->path, load->name);
        result = load_file(load);
        if (result)
            break;
    }
    return result;
}

/* ---- The manifest */

/* 0, -XEN_ENOENT, or an error that is logged. */
static int read_manifest(struct kv_load *load)
{
    struct kv_aof *aof = load->aof;
    const char *wrong;
    int len;

    kv_aof_path(aof, load->path, KV_MANIFEST_NAME);
    len = fs_sync_open(aof->fs, &load->file, load->path, FS_READ);
    if (len == -XEN_ENOENT)
        return len;
    if (len)
        return fail(load, "open it", len);
    len = fs_sync_pread(&load->file, aof->save.text, sizeof(aof->save.text) - 1,
                        0);
    (void)fs_sync_close(&load->file);
    if (len < 0)
        return fail(load, "read it", len);
    aof->save.text[len] = '\0';
    wrong = kv_manifest_read(&aof->manifest, aof->save.text);
    if (wrong) {
        log_error("kv", "%s: %s", load->path, wrong);
        return -XEN_EINVAL;
    }
    aof->next_number = kv_manifest_next(&aof->manifest);
    return 0;
}

static int make_folder(struct kv_load *load)
{
    struct kv_aof *aof = load->aof;
    int err;

    kv_aof_path(aof, load->path, "");
    err = fs_sync_mkdir(aof->fs, load->path);
    if (err && err != -XEN_EEXIST)
        return fail(load, "make its folder", err);
    aof->next_number = 1;
    aof->manifest = (struct kv_manifest){0};
    return make_incr(load);
}

/* ---- From the beginning to the end */

/* What the manifest names is loaded, and has a file at its end. */
static int load_all(struct kv_load *load)
{
    struct kv_manifest *manifest = &load->aof->manifest;
    int result = read_manifest(load);

    if (result == -XEN_ENOENT)
        return make_folder(load);
    if (!result)
        result = load_files(load);
    if (result < 0)
        return result;
    /* What comes after the place that was cut off is not read. */
    if (result == IS_CUT && load->at_file < manifest->nr_incr) {
        log_error("kv", "the files after %s are left out", load->name);
        manifest->nr_incr = load->at_file;
        return make_incr(load);
    }
    result = remove_leftovers(load);
    if (result || manifest->nr_incr)
        return result;
    return make_incr(load);
}

static int load_once(struct kv_load *load)
{
    int err = load_all(load);

    return err ? err : open_last(load);
}

/* What was cut off was done in part: the files are as they should be, and are
 * read anew. */
static int begin_again(struct kv_load *load)
{
    struct kv *kv = load->aof->kv;

    (void)fs_sync_close(load->aof->file);
    load->is_half_done = false;
    kv->disk.loaded_bytes = kv->disk.written_bytes = kv->disk.base_bytes =
        kv->disk.to_load_bytes = 0;
    if (kv_store_clear(&kv->store))
        return fail(load, "read it once more", -XEN_ENOMEM);
    while (kv_store_tidy(&kv->store, UINT32_MAX))
        ;
    return load_once(load);
}

static void tell(const struct kv_load *load)
{
    const struct kv_aof *aof = load->aof;
    uint64_t ms = (loop_now(aof->loop) - load->begin_ns) / NS_PER_MS;

    log_info("kv", "%" PRIu64 " keys from %" PRIu64 " bytes in %" PRIu64 " ms",
             aof->kv->store.table.nr_keys, aof->kv->disk.loaded_bytes, ms);
}

static struct kv_load *of(struct fiber *fiber)
{
    return container_of(fiber, struct kv_load, fiber);
}

static void run(struct fiber *fiber)
{
    struct kv_load *load = of(fiber);

    load->status = load_once(load);
    while (!load->status && load->is_half_done)
        load->status = begin_again(load);
    if (!load->status)
        tell(load);
}

static void on_finished(struct fiber *fiber)
{
    struct kv_load *load = of(fiber);
    struct kv_aof *aof = load->aof;
    kv_aof_done *done = load->done;
    int status = load->status;

    aof->kv->is_loading = aof->kv->store.keeps_expired = false;
    aof->load = NULL;
    kv_output_free(&load->answers);
    free(load->bytes);
    free(load);
    done(aof, status);
}

int kv_load_start(struct kv_aof *aof, kv_aof_done *done)
{
    struct kv_load *load = calloc(1, sizeof(*load));

    if (!load)
        return -XEN_ENOMEM;
    load->fiber.finished = on_finished;
    if (fiber_start(&load->fiber, aof->loop, aof->kv->store.memory, STACK_PAGES,
                    run)) {
        free(load);
        return -XEN_ENOMEM;
    }
    load->aof = aof;
    load->done = done;
    load->begin_ns = loop_now(aof->loop);
    kv_output_init(&load->answers, &aof->kv->outputs);
    aof->load = load;
    aof->kv->is_loading = aof->kv->store.keeps_expired = true;
    aof->kv->disk.is_on = true;
    return 0;
}
