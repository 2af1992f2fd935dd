/* SPDX-License-Identifier: MIT */
/*
 * A database's volume. What is written is collected, for each file, in a window
 * of a chunk (`tails`): SQLite writes records of odd sizes one behind the
 * other, disks want blocks. A window goes out when the next write does not
 * touch it, when what it has is read from the disk, and with a flush. Its clean
 * bytes stay, so that the next record needs no block to be read first. Reads
 * that are in order read ahead, to the end of their chunk.
 *
 * Rules that keep it safe:
 *   - The two copies of the superblock are never both in the air: the other one
 *     is not written before a flush succeeded.
 *   - Bytes are given to the other file when it is stable that they are free,
 *     and no bytes that a write-ahead log's pages will need.
 *   - A rollback journal has its data before it has its length.
 *   - A journal ends (that is the commit) after all that was written before is
 *     stable, and its end is stable at once: it can be written over.
 */
#include "database/database.h"
#include "kernel/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC      "xenolith-databas"
#define VERSION    1
#define SLOT_BYTES 4096 /* of a superblock's copy: the largest block */
#define NOWHERE    UINT64_MAX

struct superblock {
    char magic[16];
    uint32_t version;
    uint32_t crc;
    uint64_t generation;
    uint64_t end;
    uint64_t bytes[DATABASE_FILES];
    uint32_t journal;
    uint32_t zero;
};
_Static_assert(sizeof(struct superblock) == 64, "as in database.h");

/* ---- Places */

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

/* Where a chunk of a file lies on the volume. */
static uint64_t place(const struct database *db, enum database_file file,
                      uint64_t at)
{
    return file == DATABASE_MAIN ? DATABASE_START + at
                                 : db->end - at - DATABASE_CHUNK;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t journal_min(const struct database *db)
{
    return larger(db->end / 16, DATABASE_JOURNAL_MIN);
}

/* What a file may grow to: up to what the other one has, or had when it was
 * last stable, or must have. */
static uint64_t room(const struct database *db, enum database_file file)
{
    uint64_t all = db->end - DATABASE_START;
    uint64_t other = larger(db->now.bytes[!file], db->stable.bytes[!file]);

    other =
        larger(other, file == DATABASE_MAIN ? journal_min(db) : db->promised);
    other = round_up(other, DATABASE_CHUNK);
    return all > other ? all - other : 0;
}

uint64_t database_room(const struct database *db)
{
    return room(db, DATABASE_MAIN);
}

/* ---- The volume, counted */

static int get(struct database *db, void *to, size_t bytes, uint64_t offset)
{
    db->stats.reads++;
    db->stats.read_bytes += bytes;
    return volume_pread(db->volume, to, bytes, offset);
}

static int put(struct database *db, const void *from, size_t bytes,
               uint64_t offset)
{
    db->unflushed = true;
    db->stats.writes++;
    db->stats.written_bytes += bytes;
    return volume_pwrite(db->volume, from, bytes, offset);
}

static int flush(struct database *db)
{
    int err = volume_flush(db->volume);

    db->stats.flushes++;
    if (!err)
        db->unflushed = false;
    return err;
}

/* ---- Windows */

static bool is_in(const struct database_window *w, enum database_file file,
                  uint64_t at)
{
    return w->file == file && w->at == at;
}

static void forget(struct database_window *w)
{
    w->at = NOWHERE;
    w->from = w->to = w->dirty_from = w->dirty_to = 0;
}

/* How many bytes of the window's chunk the file has. */
static uint32_t bytes_there(const struct database *db,
                            const struct database_window *w)
{
    uint64_t bytes = db->now.bytes[w->file];

    if (bytes <= w->at)
        return 0;
    return bytes - w->at < DATABASE_CHUNK ? (uint32_t)(bytes - w->at)
                                          : DATABASE_CHUNK;
}

/* Know all from w->to to the chunk's end: what follows will be written next. */
static int know_rest(struct database *db, struct database_window *w)
{
    uint32_t there = bytes_there(db, w);
    int err = 0;

    if (there > w->to)
        err = get(db, w->bytes + w->to, there - w->to,
                  place(db, w->file, w->at) + w->to);
    else
        there = w->to;
    if (err)
        return err;
    memset(w->bytes + there, 0, DATABASE_CHUNK - there);
    w->to = DATABASE_CHUNK;
    return 0;
}

/* Know whole blocks from `from` to `to`. */
static int know(struct database *db, struct database_window *w, uint32_t from,
                uint32_t to)
{
    int err = 0;

    if (from < w->from)
        err = get(db, w->bytes + from, w->from - from,
                  place(db, w->file, w->at) + from);
    if (err)
        return err;
    w->from = from < w->from ? from : w->from;
    return to > w->to ? know_rest(db, w) : 0;
}

/* Write what is dirty, in whole blocks. */
static int write_out(struct database *db, struct database_window *w)
{
    uint32_t block = db->volume->block_sectors * VOLUME_SECTOR_BYTES;
    uint32_t from = w->dirty_from / block * block;
    uint32_t to = (uint32_t)round_up(w->dirty_to, block);
    int err;

    if (w->dirty_from == w->dirty_to)
        return 0;
    err = know(db, w, from, to);
    if (!err)
        err = put(db, w->bytes + from, to - from,
                  place(db, w->file, w->at) + from);
    if (err)
        return err;
    w->dirty_from = w->dirty_to = 0;
    if (is_in(&db->ahead, w->file, w->at))
        forget(&db->ahead);
    return 0;
}

/* Let the window be where [from, to) of the chunk at `at` can be put. */
static int move_to(struct database *db, struct database_window *w, uint64_t at,
                   uint32_t from, uint32_t to)
{
    int err;

    if (w->at == at && from <= w->to && to >= w->from)
        return 0;
    err = write_out(db, w);
    if (err)
        return err;
    w->at = at;
    w->from = w->to = from;
    return 0;
}

static int write_piece(struct database *db, enum database_file file,
                       const char *bytes, uint32_t len, uint64_t offset)
{
    struct database_window *w = &db->tails[file];
    uint32_t from = offset % DATABASE_CHUNK, to = from + len;
    int err = move_to(db, w, offset - from, from, to);

    if (err)
        return err;
    memcpy(w->bytes + from, bytes, len);
    w->from = from < w->from ? from : w->from;
    w->to = to > w->to ? to : w->to;
    if (w->dirty_from == w->dirty_to) {
        w->dirty_from = from;
        w->dirty_to = to;
    }
    w->dirty_from = from < w->dirty_from ? from : w->dirty_from;
    w->dirty_to = to > w->dirty_to ? to : w->dirty_to;
    return 0;
}

/* ---- Reading */

static bool knows(const struct database_window *w, enum database_file file,
                  uint64_t at, uint32_t from, uint32_t to)
{
    return is_in(w, file, at) && from >= w->from && to <= w->to;
}

/* Read blocks around [from, to) into `ahead`; all that follow in the chunk, if
 * this read begins where the last one ended. */
static int read_ahead(struct database *db, enum database_file file, uint64_t at,
                      uint32_t from, uint32_t to)
{
    uint32_t block = db->volume->block_sectors * VOLUME_SECTOR_BYTES;
    struct database_window *w = &db->ahead;
    int err;

    forget(w);
    w->file = file;
    w->at = at;
    if (db->read_end[file] == at + from)
        to = bytes_there(db, w);
    from = from / block * block;
    to = (uint32_t)round_up(to, block);
    err = get(db, w->bytes + from, to - from, place(db, file, at) + from);
    if (err) {
        forget(w);
        return err;
    }
    w->from = from;
    w->to = to;
    return 0;
}

static int read_piece(struct database *db, enum database_file file, char *to,
                      uint32_t len, uint64_t offset)
{
    uint32_t from = offset % DATABASE_CHUNK, end = from + len;
    struct database_window *tail = &db->tails[file], *known = tail;
    uint64_t at = offset - from;
    int err = 0;

    if (!knows(tail, file, at, from, end)) {
        if (tail->at == at && from < tail->dirty_to && end > tail->dirty_from)
            err = write_out(db, tail);
        known = &db->ahead;
        if (!err && !knows(known, file, at, from, end))
            err = read_ahead(db, file, at, from, end);
    }
    if (err)
        return err;
    memcpy(to, known->bytes + from, len);
    db->read_end[file] = offset + len;
    return 0;
}

/* The first bytes of a transfer that lie in one chunk. */
static uint32_t piece(size_t bytes, uint64_t offset)
{
    uint32_t left = DATABASE_CHUNK - offset % DATABASE_CHUNK;

    return bytes < left ? (uint32_t)bytes : left;
}

int database_pread(struct database *db, enum database_file file, void *to,
                   size_t bytes, uint64_t offset)
{
    uint64_t there = db->now.bytes[file];
    size_t len = 0;

    if (offset < there)
        len = bytes < there - offset ? bytes : (size_t)(there - offset);
    for (size_t done = 0; done < len;) {
        uint32_t n = piece(len - done, offset + done);
        int err = read_piece(db, file, (char *)to + done, n, offset + done);

        if (err)
            return err;
        done += n;
    }
    memset((char *)to + len, 0, bytes - len);
    return (int)len;
}

/* ---- Writing */

static int write_all(struct database *db, enum database_file file,
                     const char *from, size_t bytes, uint64_t offset)
{
    while (bytes) {
        uint32_t n = piece(bytes, offset);
        int err = write_piece(db, file, from, n, offset);

        if (err)
            return err;
        from += n;
        bytes -= n;
        offset += n;
        if (offset > db->now.bytes[file])
            db->now.bytes[file] = offset;
    }
    return 0;
}

static int fill_gap(struct database *db, enum database_file file, uint64_t to)
{
    static const char zeros[512];
    int err = 0;

    while (!err && db->now.bytes[file] < to) {
        uint64_t gap = to - db->now.bytes[file];

        err = write_all(db, file, zeros,
                        gap < sizeof(zeros) ? (size_t)gap : sizeof(zeros),
                        db->now.bytes[file]);
    }
    return err;
}

/* Room for that many bytes; a flush may set some free. */
static int make_room(struct database *db, enum database_file file,
                     uint64_t bytes)
{
    int err;

    if (bytes <= db->now.bytes[file] || bytes <= room(db, file))
        return 0;
    err = database_sync(db);
    if (err)
        return err;
    return bytes <= room(db, file) ? 0 : -XEN_ENOSPC;
}

int database_promise(struct database *db, uint64_t bytes)
{
    int err = make_room(db, DATABASE_MAIN, bytes);

    if (!err)
        db->promised = larger(db->promised, bytes);
    return err;
}

void database_promise_none(struct database *db)
{
    db->promised = 0;
}

int database_pwrite(struct database *db, enum database_file file,
                    const void *from, size_t bytes, uint64_t offset)
{
    int err = 0;

    if (file == DATABASE_JOURNAL && db->ending)
        err = database_sync(db);
    if (!err)
        err = make_room(db, file, offset + bytes);
    if (!err)
        err = fill_gap(db, file, offset);
    if (!err)
        err = write_all(db, file, from, bytes, offset);
    return err;
}

/* ---- Flushing */

static uint32_t crc32(const void *bytes, size_t len)
{
    const unsigned char *byte = bytes;
    uint32_t crc = UINT32_MAX;

    while (len--) {
        crc ^= *byte++;
        for (unsigned i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static int write_superblock(struct database *db, uint64_t generation)
{
    char slot[SLOT_BYTES] = {0};
    struct superblock *super = (struct superblock *)slot;

    *super = (struct superblock){
        .magic = MAGIC,
        .version = VERSION,
        .generation = generation,
        .end = db->end,
        .bytes = {db->now.bytes[0], db->now.bytes[1]},
        .journal = db->now.journal,
    };
    super->crc = crc32(super, sizeof(*super));
    db->stats.superblocks++;
    return put(db, slot, SLOT_BYTES, generation % 2 * SLOT_BYTES);
}

static bool is_stable(const struct database *db)
{
    return db->now.bytes[DATABASE_MAIN] == db->stable.bytes[DATABASE_MAIN] &&
           db->now.bytes[DATABASE_JOURNAL] ==
               db->stable.bytes[DATABASE_JOURNAL] &&
           db->now.journal == db->stable.journal;
}

/* A rollback journal's headers lie where those of the one before lay, and would
 * be taken for its own if it had their bytes before it has its data. (A
 * write-ahead log's frames carry the number of their log.) */
static bool must_be_there_first(const struct database *db)
{
    return db->now.journal == DATABASE_ROLLBACK && db->unflushed &&
           db->now.bytes[DATABASE_JOURNAL] > db->stable.bytes[DATABASE_JOURNAL];
}

int database_sync(struct database *db)
{
    bool is_new = !is_stable(db);
    int err = write_out(db, &db->tails[DATABASE_MAIN]);

    if (!err)
        err = write_out(db, &db->tails[DATABASE_JOURNAL]);
    if (!err && must_be_there_first(db))
        err = flush(db);
    if (!err && is_new)
        err = write_superblock(db, db->generation + 1);
    if (!err && db->unflushed)
        err = flush(db);
    if (err)
        return err;
    db->generation += is_new;
    db->stable = db->now;
    db->ending = false;
    return 0;
}

/* What is known past the file's end is not any more. */
static void cut(struct database *db, struct database_window *w)
{
    uint32_t there;

    if (w->at == NOWHERE)
        return;
    there = bytes_there(db, w);
    if (w->to <= there)
        return;
    if (w->from >= there) {
        forget(w);
        return;
    }
    w->to = there;
    w->dirty_to = w->dirty_to < there ? w->dirty_to : there;
    if (w->dirty_from >= w->dirty_to)
        w->dirty_from = w->dirty_to = 0;
}

int database_truncate(struct database *db, enum database_file file,
                      uint64_t bytes)
{
    int err = 0;

    if (bytes >= db->now.bytes[file])
        return 0;
    if (file == DATABASE_JOURNAL)
        err = database_sync(db);
    if (err)
        return err;
    db->now.bytes[file] = bytes;
    if (file == DATABASE_JOURNAL && !bytes)
        database_promise_none(db);
    cut(db, &db->tails[file]);
    forget(&db->ahead);
    if (file == DATABASE_MAIN)
        return 0;
    db->ending = true;
    return database_sync(db);
}

int database_set_journal(struct database *db, enum database_journal journal)
{
    if (db->now.journal == journal)
        return 0;
    if (db->now.bytes[DATABASE_JOURNAL])
        return -XEN_EBUSY;
    db->now.journal = journal;
    return 0;
}

/* ---- Opening */

#define SQLITE_FILE "SQLite format 3" /* with its NUL, a database's header */

static bool is_zero(const char *bytes, size_t len)
{
    while (len && !*bytes)
        bytes++, len--;
    return !len;
}

static bool is_valid(const struct superblock *super)
{
    struct superblock copy = *super;

    copy.crc = 0;
    return !memcmp(super->magic, MAGIC, sizeof(super->magic)) &&
           super->version == VERSION &&
           super->crc == crc32(&copy, sizeof(copy));
}

/* The newer of the copies that are whole, or NULL. */
static const struct superblock *newest(const char *slots)
{
    const struct superblock *a = (const void *)slots;
    const struct superblock *b = (const void *)(slots + SLOT_BYTES);

    if (!is_valid(a) || (is_valid(b) && b->generation > a->generation))
        a = b;
    return is_valid(a) ? a : NULL;
}

/* As large as the volume is now, which may have grown: while there is no
 * journal its place can change. */
static uint64_t end_now(const struct database *db)
{
    uint64_t bytes = db->volume->nr_sectors * VOLUME_SECTOR_BYTES;

    return bytes / DATABASE_CHUNK * DATABASE_CHUNK;
}

/* An empty database. The flushes are for what was there: no copy of it may come
 * back. */
static int make(struct database *db)
{
    char zeros[SLOT_BYTES] = {0};
    int err = 0;

    db->end = end_now(db);
    for (unsigned i = 0; !err && i < 2; i++)
        err = put(db, zeros, SLOT_BYTES, i * SLOT_BYTES);
    if (!err)
        err = flush(db);
    if (!err)
        err = write_superblock(db, ++db->generation);
    if (!err)
        err = flush(db);
    return err;
}

/* What is on the volume is no database of ours. */
static int refuse(struct database *db, const char *slots, bool format)
{
    const char *name = db->volume->name;

    if (!memcmp(slots, MAGIC, strlen(MAGIC)) ||
        !memcmp(slots + SLOT_BYTES, MAGIC, strlen(MAGIC))) {
        log_error("database",
                  "%s: both superblocks are damaged, or of a version that is "
                  "not known: tools/database can save what is there",
                  name);
        return -XEN_EINVAL;
    }
    if (format)
        return make(db);
    if (!memcmp(slots, SQLITE_FILE, sizeof(SQLITE_FILE)))
        log_error("database",
                  "%s: holds a database's plain file: tools/database load "
                  "makes a volume of it",
                  name);
    else
        log_error("database",
                  "%s: holds something else; it must begin with 64 KiB of "
                  "zeros, or be formatted on purpose",
                  name);
    return -XEN_EEXIST;
}

static int adopt(struct database *db, const struct superblock *super)
{
    uint64_t end = end_now(db), all = super->end - DATABASE_START;

    if (super->end % DATABASE_CHUNK || super->end < DATABASE_VOLUME_MIN ||
        super->bytes[0] > all || super->bytes[1] > all ||
        super->bytes[0] + round_up(super->bytes[1], DATABASE_CHUNK) > all) {
        log_error("database", "%s: the superblock contradicts itself",
                  db->volume->name);
        return -XEN_EINVAL;
    }
    if (super->bytes[DATABASE_JOURNAL])
        all = super->end;
    else
        all = DATABASE_START + super->bytes[DATABASE_MAIN];
    if (all > end) {
        log_error("database",
                  "%s: has %" PRIu64 " bytes, of %" PRIu64
                  " that are needed: has it been cut off?",
                  db->volume->name, end, all);
        return -XEN_ENOSPC;
    }
    db->end = super->bytes[DATABASE_JOURNAL] ? super->end : end;
    db->generation = super->generation;
    db->stable.journal = super->journal;
    memcpy(db->stable.bytes, super->bytes, sizeof(super->bytes));
    db->now = db->stable;
    /* Every page of a log may be one more of the database. */
    if (db->now.journal == DATABASE_WAL)
        db->promised = super->bytes[0] + super->bytes[1];
    return 0;
}

static int read_volume(struct database *db, bool format)
{
    char *slots = db->ahead.bytes;
    const struct superblock *super;
    int err = get(db, slots, DATABASE_START, 0);

    if (err)
        return err;
    super = newest(slots);
    if (super)
        return adopt(db, super);
    if (is_zero(slots, DATABASE_START) && !db->volume->read_only)
        return make(db);
    return refuse(db, slots, format);
}

int database_open(struct database *db, struct volume *volume, bool format)
{
    struct database_window *windows[] = {
        &db->tails[DATABASE_MAIN], &db->tails[DATABASE_JOURNAL], &db->ahead};
    int err = 0;

    db->volume = volume;
    for (unsigned i = 0; i < 3; i++) {
        forget(windows[i]);
        windows[i]->file = i < DATABASE_FILES ? i : DATABASE_MAIN;
        windows[i]->bytes = malloc(DATABASE_CHUNK);
        if (!windows[i]->bytes)
            err = -XEN_ENOMEM;
    }
    if (end_now(db) < DATABASE_VOLUME_MIN) {
        log_error("database", "%s: is smaller than %u KiB", volume->name,
                  DATABASE_VOLUME_MIN / 1024);
        err = -XEN_ENOSPC;
    }
    if (!err)
        err = read_volume(db, format);
    if (err == -XEN_EIO || err == -XEN_ENOMEM || err == -XEN_EROFS)
        log_error("database", "%s: cannot be opened: error %d", volume->name,
                  err);
    if (err)
        database_close(db);
    return err;
}

void database_close(struct database *db)
{
    free(db->tails[DATABASE_MAIN].bytes);
    free(db->tails[DATABASE_JOURNAL].bytes);
    free(db->ahead.bytes);
}
