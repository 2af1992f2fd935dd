/* SPDX-License-Identifier: MIT */
/*
 * Loading: manifest, each file piece by piece, what is to be cut off,
 * leftovers, and at last the file that will be written to.
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
#include "kernel/log.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Names that are read at once of the folder. */
#define ENTRIES_MAX 4

struct kv_load {
    struct kv_aof *aof;
    struct fs_request request;
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
    unsigned nr_entries;
};

static struct kv_load *of(struct fs_request *request)
{
    return container_of(request, struct kv_load, request);
}

static void end(struct kv_load *load, int status)
{
    struct kv_aof *aof = load->aof;
    kv_aof_done *done = load->done;

    aof->kv->is_loading = aof->kv->store.keeps_expired = false;
    aof->load = NULL;
    kv_output_free(&load->answers);
    free(load->bytes);
    free(load);
    done(aof, status);
}

static void fail(struct kv_load *load, const char *what, int status)
{
    log_error("kv", "%s: cannot %s: error %d", load->path, what, status);
    end(load, status);
}

/* ---- The file that is written to */

static void tell(const struct kv_load *load)
{
    const struct kv_aof *aof = load->aof;
    uint64_t ms = (loop_now(aof->loop) - load->begin_ns) / NS_PER_MS;

    log_info("kv", "%" PRIu64 " keys from %" PRIu64 " bytes in %" PRIu64 " ms",
             aof->kv->store.table.nr_keys, aof->kv->disk.loaded_bytes, ms);
}

static void begin(struct kv_load *load);

/* What was cut off was done in part: the files are as they should be, and are
 * read anew. */
static void begin_again(struct fs_request *request)
{
    struct kv_load *load = of(request);
    struct kv *kv = load->aof->kv;

    load->is_half_done = false;
    load->at_file = 0;
    kv->disk.loaded_bytes = kv->disk.written_bytes = kv->disk.base_bytes =
        kv->disk.to_load_bytes = 0;
    if (kv_store_clear(&kv->store)) {
        fail(load, "read it once more", -XEN_ENOMEM);
        return;
    }
    while (kv_store_tidy(&kv->store, UINT32_MAX))
        ;
    begin(load);
}

static void last_was_opened(struct fs_request *request)
{
    struct kv_load *load = of(request);
    struct kv_aof *aof = load->aof;

    if (request->status < 0) {
        fail(load, "open it for writing", request->status);
        return;
    }
    aof->file = &aof->files[0];
    aof->file_bytes = aof->file->stat.bytes;
    if (load->is_half_done) {
        fs_close(request, aof->file, begin_again);
        return;
    }
    tell(load);
    end(load, 0);
}

static void open_last(struct kv_load *load)
{
    struct kv_aof *aof = load->aof;

    kv_aof_file_path(aof, load->path,
                     aof->manifest.incr[aof->manifest.nr_incr - 1], false);
    fs_open(aof->fs, &load->request, &aof->files[0], load->path,
            FS_WRITE | FS_CREATE, last_was_opened);
}

static void manifest_was_saved(struct kv_aof *aof, int status)
{
    if (status)
        fail(aof->load, "write the manifest beside it", status);
    else
        open_last(aof->load);
}

static void incr_was_closed(struct fs_request *request)
{
    struct kv_load *load = of(request);

    if (request->status < 0)
        fail(load, "make it", request->status);
    else
        kv_aof_save(load->aof, manifest_was_saved);
}

static void incr_was_made(struct fs_request *request)
{
    struct kv_load *load = of(request);

    if (request->status < 0)
        fail(load, "make it", request->status);
    else
        fs_close(request, &load->file, incr_was_closed);
}

/* A file for what is to come, and a manifest with it in: save.manifest so far.
 */
static void make_incr(struct kv_load *load)
{
    struct kv_aof *aof = load->aof;
    struct kv_manifest *manifest = &aof->save.manifest;

    manifest->incr[manifest->nr_incr++] = aof->next_number;
    kv_aof_file_path(aof, load->path, aof->next_number++, false);
    fs_open(aof->fs, &load->request, &load->file, load->path,
            FS_WRITE | FS_CREATE | FS_TRUNCATE, incr_was_made);
}

/* ---- Leftovers of a rewrite that was cut off */

static void list(struct kv_load *load);

static void leftover_was_removed(struct fs_request *request)
{
    struct kv_load *load = of(request);

    if (request->status < 0)
        fail(load, "remove it", request->status);
    else
        list(load);
}

/* One name was found, or none is left. */
static void folder_was_closed(struct fs_request *request)
{
    struct kv_load *load = of(request);
    struct kv_aof *aof = load->aof;

    if (load->name[0]) {
        kv_aof_path(aof, load->path, load->name);
        log_info("kv", "removing %s: it belongs to no file", load->path);
        fs_unlink(aof->fs, request, load->path, leftover_was_removed);
        return;
    }
    aof->save.manifest = aof->manifest;
    if (aof->manifest.nr_incr)
        open_last(load);
    else
        make_incr(load);
}

static bool is_leftover(const struct kv_load *load,
                        const struct fs_entry *entry)
{
    return entry->kind == FS_FILE &&
           strlen(entry->name) < KV_MANIFEST_NAME_MAX &&
           strstr(entry->name, "appendonly.aof.") &&
           !kv_manifest_has(&load->aof->manifest, entry->name);
}

static void was_listed(struct fs_request *request)
{
    struct kv_load *load = of(request);
    unsigned nr = request->status > 0 ? (unsigned)request->status : 0;

    load->nr_entries += nr;
    for (unsigned i = 0; i < nr; i++) {
        if (!is_leftover(load, &load->entries[i]))
            continue;
        strcpy(load->name, load->entries[i].name);
        fs_close(request, &load->file, folder_was_closed);
        return;
    }
    if (nr) {
        fs_readdir(request, &load->file, load->entries, ENTRIES_MAX,
                   load->nr_entries, was_listed);
        return;
    }
    fs_close(request, &load->file, folder_was_closed);
}

static void folder_was_opened(struct fs_request *request)
{
    struct kv_load *load = of(request);

    if (request->status < 0)
        fail(load, "list it", request->status);
    else
        fs_readdir(request, &load->file, load->entries, ENTRIES_MAX, 0,
                   was_listed);
}

static void list(struct kv_load *load)
{
    load->nr_entries = 0;
    load->name[0] = '\0';
    kv_aof_path(load->aof, load->path, "");
    fs_open(load->aof->fs, &load->request, &load->file, load->path, FS_READ,
            folder_was_opened);
}

/* ---- Cutting off */

static void open_next(struct kv_load *load);

/* What comes after the place that was cut off is not read. */
static void forget_rest(struct kv_load *load)
{
    struct kv_manifest *manifest = &load->aof->manifest;

    if (load->at_file == manifest->nr_incr) {
        list(load);
        return;
    }
    log_error("kv", "the files after %s are left out", load->name);
    manifest->nr_incr = load->at_file;
    load->aof->save.manifest = *manifest;
    make_incr(load);
}

static void cut_was_closed(struct fs_request *request)
{
    struct kv_load *load = of(request);

    if (!load->status)
        load->status = request->status;
    if (load->status < 0)
        fail(load, "cut it off", load->status);
    else
        forget_rest(load);
}

static void cut_was_synced(struct fs_request *request)
{
    of(request)->status = request->status;
    fs_close(request, &of(request)->file, cut_was_closed);
}

static void was_cut(struct fs_request *request)
{
    if (request->status < 0)
        cut_was_synced(request);
    else
        fs_fsync(request, &of(request)->file, cut_was_synced);
}

static void cut_was_opened(struct fs_request *request)
{
    struct kv_load *load = of(request);

    if (request->status < 0)
        fail(load, "cut it off", request->status);
    else
        fs_ftruncate(request, &load->file, load->offset, was_cut);
}

static void bad_was_closed(struct fs_request *request)
{
    struct kv_load *load = of(request);

    fs_open(load->aof->fs, request, &load->file, load->path, FS_WRITE,
            cut_was_opened);
}

static void cut(struct kv_load *load)
{
    log_warn("kv", "%s: its last %" PRIu64 " bytes are cut off", load->name,
             load->size - load->offset);
    fs_close(&load->request, &load->file, bad_was_closed);
}

static void refused_was_closed(struct fs_request *request)
{
    end(of(request), -XEN_EIO);
}

/* At `offset` there is what cannot be. */
static void find_damage(struct kv_load *load, const char *what)
{
    log_error("kv", "%s: at byte %" PRIu64 " of %" PRIu64 ": %s", load->name,
              load->offset, load->size, what);
    if (load->aof->goes_on) {
        cut(load);
        return;
    }
    log_error("kv", "the file is left as it is; kv.damaged=cut would cut it "
                    "off there and start");
    fs_close(&load->request, &load->file, refused_was_closed);
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

static void find_torn(struct kv_load *load)
{
    if (load->at_file != load->aof->manifest.nr_incr)
        find_damage(load, "the file ends within a command");
    else if (load->used > load->seen &&
             has_command_in(load->bytes + load->seen + 1,
                            load->used - load->seen - 1))
        find_damage(load, "a command that has no end, but another follows");
    else
        cut(load);
}

/* ---- Reading */

static void was_read_to_end(struct fs_request *request)
{
    struct kv_load *load = of(request);

    load->at_file++;
    open_next(load);
}

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

static void read_on(struct kv_load *load);

static void was_read(struct fs_request *request)
{
    struct kv_load *load = of(request);
    struct kv_disk *disk = &load->aof->kv->disk;
    const char *wrong;
    size_t at = 0;

    if (request->status < 0) {
        fail(load, "read it", request->status);
        return;
    }
    if (!request->status && load->used) {
        find_torn(load);
        return;
    }
    if (!request->status) {
        fs_close(request, &load->file, was_read_to_end);
        return;
    }
    load->used += (size_t)request->status;
    wrong = replay_all(load, &at);
    disk->loaded_bytes += at;
    disk->written_bytes += at;
    disk->base_bytes += load->at_file ? 0 : at;
    load->offset += at;
    load->used -= at;
    load->seen -= at;
    memmove(load->bytes, load->bytes + at, load->used);
    if (wrong)
        find_damage(load, wrong);
    else
        read_on(load);
}

static void read_on(struct kv_load *load)
{
    size_t room = load->room;
    char *bytes;

    if (load->room - load->used < KV_LOAD_PIECE) {
        room = 2 * room > 2 * KV_LOAD_PIECE ? 2 * room : 2 * KV_LOAD_PIECE;
        bytes = realloc(load->bytes, room);
        if (!bytes) {
            fail(load, "hold one of its commands in memory", -XEN_ENOMEM);
            return;
        }
        load->bytes = bytes;
        load->room = room;
    }
    fs_pread(&load->request, &load->file, load->bytes + load->used,
             KV_LOAD_PIECE, load->offset + load->used, was_read);
}

static void file_was_opened(struct fs_request *request)
{
    struct kv_load *load = of(request);

    if (request->status < 0) {
        fail(load, "open it", request->status);
        return;
    }
    load->size = load->file.stat.bytes;
    load->aof->kv->disk.to_load_bytes += load->size;
    load->offset = load->used = load->seen = 0;
    load->is_multi = false;
    load->resp = (struct kv_resp){0};
    read_on(load);
}

static void open_next(struct kv_load *load)
{
    struct kv_aof *aof = load->aof;
    const struct kv_manifest *manifest = &aof->manifest;
    bool is_base = !load->at_file;

    if (is_base && !manifest->base) {
        load->at_file++;
        is_base = false;
    }
    if (load->at_file > manifest->nr_incr) {
        list(load);
        return;
    }
    kv_manifest_name(
        load->name,
        is_base ? manifest->base : manifest->incr[load->at_file - 1], is_base);
    kv_aof_path(aof, load->path, load->name);
    fs_open(aof->fs, &load->request, &load->file, load->path, FS_READ,
            file_was_opened);
}

/* ---- The manifest */

static void manifest_was_closed(struct fs_request *request)
{
    struct kv_load *load = of(request);
    struct kv_aof *aof = load->aof;
    const char *wrong = kv_manifest_read(&aof->manifest, aof->save.text);

    if (wrong) {
        log_error("kv", "%s: %s", load->path, wrong);
        end(load, -XEN_EINVAL);
        return;
    }
    aof->next_number = kv_manifest_next(&aof->manifest);
    open_next(load);
}

static void manifest_was_read(struct fs_request *request)
{
    struct kv_load *load = of(request);

    if (request->status < 0) {
        fail(load, "read it", request->status);
        return;
    }
    load->aof->save.text[request->status] = '\0';
    fs_close(request, &load->file, manifest_was_closed);
}

static void folder_was_made(struct fs_request *request)
{
    struct kv_load *load = of(request);

    if (request->status < 0 && request->status != -XEN_EEXIST) {
        fail(load, "make its folder", request->status);
        return;
    }
    load->aof->next_number = 1;
    load->aof->save.manifest = (struct kv_manifest){0};
    make_incr(load);
}

static void manifest_was_opened(struct fs_request *request)
{
    struct kv_load *load = of(request);
    struct kv_aof *aof = load->aof;

    if (request->status == -XEN_ENOENT) {
        kv_aof_path(aof, load->path, "");
        fs_mkdir(aof->fs, request, load->path, folder_was_made);
    } else if (request->status < 0) {
        fail(load, "open it", request->status);
    } else {
        fs_pread(request, &load->file, aof->save.text,
                 sizeof(aof->save.text) - 1, 0, manifest_was_read);
    }
}

static void begin(struct kv_load *load)
{
    kv_aof_path(load->aof, load->path, KV_MANIFEST_NAME);
    fs_open(load->aof->fs, &load->request, &load->file, load->path, FS_READ,
            manifest_was_opened);
}

int kv_load_start(struct kv_aof *aof, kv_aof_done *done)
{
    struct kv_load *load = calloc(1, sizeof(*load));

    if (!load)
        return -XEN_ENOMEM;
    load->aof = aof;
    load->done = done;
    load->begin_ns = loop_now(aof->loop);
    kv_output_init(&load->answers, &aof->kv->outputs);
    aof->load = load;
    aof->kv->is_loading = aof->kv->store.keeps_expired = true;
    aof->kv->disk.is_on = true;
    begin(load);
    return 0;
}
