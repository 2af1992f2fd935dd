/* SPDX-License-Identifier: MIT */
/*
 * A volume that holds one database: two files, crash-safe, and nothing else.
 *
 *     0     4K    8K        64K                                         end
 *     | copy | copy | nothing | database ->              <- its journal |
 *     '-- superblock --'
 *
 * The database lies in one piece, from DATABASE_START on: `dd` finds it there
 * (tools/database does, and its journal). The journal is a rollback journal or
 * a write-ahead log. It grows towards the database, in chunks: its first 64 KiB
 * are the volume's last. So neither has a size of its own.
 *
 * How large they are stands in the superblock, of which there are two copies.
 * A flush is what makes it true: the older copy is written, with the next
 * generation, and then the volume is flushed; a power cut leaves the newer one
 * or the new one. The numbers are little-endian:
 *
 *     0  "xenolith-databas"    32  end: where the journal begins, bytes
 *    16  version: 1            40  bytes of the database
 *    20  CRC-32 of the first   48  bytes of the journal
 *        64 bytes with 0 here  56  which journal: enum database_journal
 *    24  generation            60  0
 *
 * Only in a fiber, and only one at a time. Errors are negative, of xen/hv.h.
 */
#ifndef DATABASE_DATABASE_H
#define DATABASE_DATABASE_H

#include "disk/volume.h"

/* What is written and read at once, and what the journal grows by. */
#define DATABASE_CHUNK       65536u
#define DATABASE_START       DATABASE_CHUNK
/* For the superblocks, the smallest database and the smallest journal. */
#define DATABASE_VOLUME_MIN  (16 * DATABASE_CHUNK)
/* The least that is kept for a journal. */
#define DATABASE_JOURNAL_MIN (2 * DATABASE_CHUNK)

enum database_file { DATABASE_MAIN, DATABASE_JOURNAL, DATABASE_FILES };

enum database_journal { DATABASE_ROLLBACK = 1, DATABASE_WAL = 2 };

/* What a superblock says. */
struct database_state {
    uint64_t bytes[DATABASE_FILES];
    enum database_journal journal; /* which, if it has bytes */
};

/* A part of a chunk of a file, in memory. */
struct database_window {
    char *bytes;                   /* a chunk */
    enum database_file file;       /* of which */
    uint64_t at;                   /* whole chunks into it */
    uint32_t from, to;             /* these bytes are known; none: equal */
    uint32_t dirty_from, dirty_to; /* of these, not written yet; none: equal */
};

struct database_stats {
    uint64_t reads, read_bytes, writes, written_bytes, flushes, superblocks;
};

struct database {
    struct volume *volume;
    uint64_t end;                      /* of what is used, whole chunks */
    struct database_state now, stable; /* stable: as of the last flush */
    uint64_t generation;               /* of the last flush */
    bool unflushed;                    /* something was written since */
    uint64_t promised; /* what the log's pages need of the database */
    bool ending;       /* the journal was cut off, which is not stable yet */
    struct database_window tails[DATABASE_FILES]; /* what was written last */
    struct database_window ahead;                 /* what was read last */
    uint64_t read_end[DATABASE_FILES];            /* the last read's end */
    struct database_stats stats;
};

/* Read what the volume holds; `db` is zeroed. A volume of zeros becomes an
 * empty database (unless it is read-only); with `format` so does one that holds
 * something else, but never a database. Errors are logged, with what to do:
 *   -XEN_ENOMEM  for three chunks
 *   -XEN_ENOSPC  the volume is too small, or smaller than what is on it
 *   -XEN_EEXIST  it holds something else
 *   -XEN_EINVAL  both superblocks are damaged
 *   -XEN_EIO     it cannot be read or written */
must_check int database_open(struct database *db, struct volume *volume,
                             bool format);
/* Forget; nothing is written. */
void database_close(struct database *db);

/* The part of `bytes` that lies before the file's end is read, and its length
 * the result; the rest of `to` is zeroed. */
must_check int database_pread(struct database *db, enum database_file file,
                              void *to, size_t bytes, uint64_t offset);
/* What lies between the file's end and `offset` becomes zeros. -XEN_ENOSPC: the
 * two files would meet. */
must_check int database_pwrite(struct database *db, enum database_file file,
                               const void *from, size_t bytes, uint64_t offset);
/* Cut off; a file that is shorter stays so. What is cut off of the journal is
 * gone for good when this returns, after everything that was written before. */
must_check int database_truncate(struct database *db, enum database_file file,
                                 uint64_t bytes);
/* All that was written is on stable storage when this returns. */
must_check int database_sync(struct database *db);

/* The journal is of this kind from now on. -XEN_EBUSY: there is one of the
 * other kind. */
must_check int database_set_journal(struct database *db,
                                    enum database_journal journal);

/* A write-ahead log is to have a page of the database that ends there: it must
 * have its place beside the log when the time comes. -XEN_ENOSPC: it has none.
 * A log that begins anew promises nothing. */
must_check int database_promise(struct database *db, uint64_t bytes);
void database_promise_none(struct database *db);

static inline uint64_t database_bytes(const struct database *db,
                                      enum database_file file)
{
    return db->now.bytes[file];
}

/* What the database may grow to. A sixteenth of the volume is the journal's
 * alone: without one nothing could be deleted from a full database. */
uint64_t database_room(const struct database *db);

#endif
