/* SPDX-License-Identifier: MIT */
/* Between sqlite.c and sqlite_lock.c. */
#ifndef DATABASE_SQLITE_PRIV_H
#define DATABASE_SQLITE_PRIV_H

#include "database/sqlite.h"

#include <sqlite3.h>

_Static_assert(SQLITE_SHM_LOCKS == SQLITE_SHM_NLOCK, "as SQLite has");

/* What a connection has open: the database, or a journal of one kind, which is
 * there when the volume's journal is of this kind and has bytes. */
struct sqlite_file {
    sqlite3_file base;
    struct sqlite_volume *v;
    enum database_file file;
    enum database_journal journal;
    int lock;                           /* SQLITE_LOCK_NONE and so on */
    unsigned shm_shared, shm_exclusive; /* a bit for each lock */
    bool mapped;
};

/* Methods of sqlite3_io_methods. */
int sqlite_lock(sqlite3_file *base, int lock);
int sqlite_unlock(sqlite3_file *base, int lock);
int sqlite_check_reserved(sqlite3_file *base, int *is_reserved);
int sqlite_shm_map(sqlite3_file *base, int region, int bytes, int extend,
                   void volatile **memory);
int sqlite_shm_lock(sqlite3_file *base, int first, int nr, int flags);
void sqlite_shm_barrier(sqlite3_file *base);
int sqlite_shm_unmap(sqlite3_file *base, int remove);

#endif
