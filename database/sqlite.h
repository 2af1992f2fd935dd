/* SPDX-License-Identifier: MIT */
/*
 * SQLite on volumes: the VFS under sqlite3.h, and the system that SQLite asks
 * for time and chance.
 *
 *     sqlite_start(app->loop, app->random);
 *     sqlite_add(&data, volume, false);             (in a fiber, as all below)
 *     sqlite3_open("xvda", &db);                    the volume's name
 *
 * A volume holds one database and its journal (database/database.h). Any number
 * of connections may be open to it: they lock each other out as POSIX locks do,
 * and share the write-ahead log's index in memory. SQLite is linked without
 * mutexes: only one fiber may be in it at a time, waiting for a disk too.
 *
 * There are no other files: ATTACH takes the name of a volume or ":memory:",
 * and what is temporary is in memory.
 */
#ifndef DATABASE_SQLITE_H
#define DATABASE_SQLITE_H

#include "database/database.h"
#include "kernel/random.h"

#define SQLITE_SHM_REGIONS_MAX 64 /* of 32 KiB: a log of 262,000 pages */
#define SQLITE_SHM_LOCKS       8  /* SQLITE_SHM_NLOCK */

struct sqlite_file;

/* A volume that SQLite can open; embedded in its owner. */
struct sqlite_volume {
    struct database database;
    struct sqlite_volume *next;
    /* Locks on the database: how many read it, and who of them means to write,
     * waits for the others to leave, or writes. */
    unsigned nr_readers;
    struct sqlite_file *writer;
    uint64_t page_bytes; /* of the write-ahead log; 0: not known yet */
    /* Its index, and the index' locks. */
    unsigned nr_mapped;
    void *regions[SQLITE_SHM_REGIONS_MAX];
    struct sqlite_shm_lock {
        unsigned nr_shared;
        bool exclusive;
    } shm_locks[SQLITE_SHM_LOCKS];
};

/* Once, before the first call to SQLite. */
void sqlite_start(struct loop *loop, struct random *random);

/* From now on SQLite knows the volume, by its name. `volume` must stay. See
 * database_open for `format` and the errors, which are logged. */
must_check int sqlite_add(struct sqlite_volume *v, struct volume *volume,
                          bool format);
/* No connection is open to it any more. */
void sqlite_remove(struct sqlite_volume *v);

/* From now on go_on is asked before SQLITE_WORK units of work are done that
 * SQLite's progress handler does not see (patches/sqlite/0005-work.patch): long
 * functions and sorts. It may park the fiber. False: the statement has to end,
 * and it is not asked again. NULL: nobody is asked. */
void sqlite_watch(bool (*go_on)(void *arg), void *arg);
#define SQLITE_WORK 65536 /* a unit is some 4 to 50 instructions */

/* For SQLite's functions: so much work was done. Not 0: stop. */
int sqlite_is_late(unsigned long work);
/* For SQLite's compiler: no more recursion on this fiber. */
int sqlite_stack_is_low(void);

#endif
