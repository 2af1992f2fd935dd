/* SPDX-License-Identifier: MIT */
/*
 * Who may do what to a database: the locks of SQLite's VFS, among connections
 * of the one program. Nothing here waits; SQLITE_BUSY is the answer to who
 * comes too late.
 *
 * The database: any number of readers, one of whom may mean to write
 * (RESERVED), wait until the others have left, who do not come back (PENDING),
 * and be alone (EXCLUSIVE): sqlite.org/lockingv3.html.
 *
 * The write-ahead log's index is shared memory, which here is just memory, with
 * eight locks of its own: sqlite.org/walformat.html.
 */
#include "database/sqlite_priv.h"

#include <stdlib.h>

static struct sqlite_file *file_of(sqlite3_file *base)
{
    return container_of(base, struct sqlite_file, base);
}

/* ---- The database */

int sqlite_lock(sqlite3_file *base, int lock)
{
    struct sqlite_file *f = file_of(base), *writer = f->v->writer;

    if (f->lock >= lock)
        return SQLITE_OK;
    if (writer && writer != f &&
        (lock > SQLITE_LOCK_SHARED || writer->lock >= SQLITE_LOCK_PENDING))
        return SQLITE_BUSY;
    if (f->lock == SQLITE_LOCK_NONE)
        f->v->nr_readers++;
    if (lock > SQLITE_LOCK_SHARED)
        f->v->writer = f;
    f->lock = lock;
    if (lock == SQLITE_LOCK_EXCLUSIVE && f->v->nr_readers > 1) {
        f->lock = SQLITE_LOCK_PENDING;
        return SQLITE_BUSY;
    }
    return SQLITE_OK;
}

int sqlite_unlock(sqlite3_file *base, int lock)
{
    struct sqlite_file *f = file_of(base);

    if (f->lock <= lock)
        return SQLITE_OK;
    if (f->v->writer == f)
        f->v->writer = NULL;
    if (lock == SQLITE_LOCK_NONE)
        f->v->nr_readers--;
    f->lock = lock;
    return SQLITE_OK;
}

int sqlite_check_reserved(sqlite3_file *base, int *is_reserved)
{
    *is_reserved = file_of(base)->v->writer != NULL;
    return SQLITE_OK;
}

/* ---- The write-ahead log's index */

int sqlite_shm_map(sqlite3_file *base, int region, int bytes, int extend,
                   void volatile **memory)
{
    struct sqlite_file *f = file_of(base);
    struct sqlite_volume *v = f->v;

    *memory = NULL;
    if (region >= SQLITE_SHM_REGIONS_MAX)
        return SQLITE_FULL;
    if (!v->regions[region] && extend) {
        v->regions[region] = calloc(1, (size_t)bytes);
        if (!v->regions[region])
            return SQLITE_IOERR_NOMEM;
    }
    *memory = v->regions[region];
    v->nr_mapped += !f->mapped;
    f->mapped = true;
    return SQLITE_OK;
}

static bool can_lock(const struct sqlite_file *f, int i, bool exclusive)
{
    const struct sqlite_shm_lock *lock = &f->v->shm_locks[i];
    bool is_mine = f->shm_exclusive >> i & 1;
    unsigned others = lock->nr_shared - (f->shm_shared >> i & 1);

    return (!lock->exclusive || is_mine) && !(exclusive && others);
}

static void set_shared(struct sqlite_file *f, int i, bool on)
{
    unsigned bit = 1u << i;

    f->v->shm_locks[i].nr_shared -= f->shm_shared >> i & 1;
    f->v->shm_locks[i].nr_shared += on;
    f->shm_shared = on ? f->shm_shared | bit : f->shm_shared & ~bit;
}

static void set_exclusive(struct sqlite_file *f, int i, bool on)
{
    unsigned bit = 1u << i;

    if (!on && !(f->shm_exclusive & bit))
        return;
    f->v->shm_locks[i].exclusive = on;
    f->shm_exclusive = on ? f->shm_exclusive | bit : f->shm_exclusive & ~bit;
}

int sqlite_shm_lock(sqlite3_file *base, int first, int nr, int flags)
{
    struct sqlite_file *f = file_of(base);
    bool exclusive = flags & SQLITE_SHM_EXCLUSIVE;
    bool on = flags & SQLITE_SHM_LOCK;

    for (int i = first; on && i < first + nr; i++)
        if (!can_lock(f, i, exclusive))
            return SQLITE_BUSY;
    for (int i = first; i < first + nr; i++) {
        if (exclusive)
            set_exclusive(f, i, on);
        else
            set_shared(f, i, on);
    }
    return SQLITE_OK;
}

/* One thread: what it wrote it sees. */
void sqlite_shm_barrier(sqlite3_file *base)
{
    (void)base;
}

/* The last to leave takes the index along: it is made anew of the log. */
int sqlite_shm_unmap(sqlite3_file *base, int remove)
{
    struct sqlite_file *f = file_of(base);

    (void)remove;
    if (!f->mapped)
        return SQLITE_OK;
    f->mapped = false;
    for (int i = 0; i < SQLITE_SHM_LOCKS; i++) {
        set_shared(f, i, false);
        set_exclusive(f, i, false);
    }
    if (--f->v->nr_mapped)
        return SQLITE_OK;
    for (unsigned i = 0; i < SQLITE_SHM_REGIONS_MAX; i++) {
        free(f->v->regions[i]);
        f->v->regions[i] = NULL;
    }
    return SQLITE_OK;
}
