/* SPDX-License-Identifier: MIT */
/*
 * SQLite's VFS: names to volumes, methods to database/database.h, and what
 * SQLite wants to know of the world.
 *
 * A database has its volume's name. Beside it there are "NAME-journal" and
 * "NAME-wal", which share the place of the one journal: SQLite never needs
 * both. Only a rollback journal that journal_mode=PERSIST left behind may be in
 * the write-ahead log's way; its header is zeroed, so it can go.
 *
 * What the VFS says of the disk: a write changes nothing but what is written,
 * also when the power fails in it (POWERSAFE_OVERWRITE): blocks are rewritten
 * whole, with the same bytes around those that change. Nothing is said of
 * writes being atomic or in order.
 */
#include "database/sqlite_priv.h"
#include "kernel/fiber.h"
#include "xen/hv.h"

#include <string.h>

static struct {
    struct loop *loop;
    struct random *random;
    struct sqlite_volume *volumes;
    /* Who is asked about long work, and how much of it there was since. */
    bool (*go_on)(void *arg);
    void *go_on_arg;
    unsigned long work;
    bool is_late;
} sqlite;

static int fault(int error, int otherwise)
{
    switch (error) {
    case 0:
        return SQLITE_OK;
    case -XEN_ENOSPC:
        return SQLITE_FULL;
    case -XEN_EROFS:
        return SQLITE_READONLY;
    case -XEN_ENOMEM:
        return SQLITE_IOERR_NOMEM;
    default:
        return otherwise;
    }
}

/* ---- Files */

static struct sqlite_file *file_of(sqlite3_file *base)
{
    return container_of(base, struct sqlite_file, base);
}

static uint64_t bytes_of(const struct sqlite_file *f)
{
    const struct database *db = &f->v->database;

    if (f->file == DATABASE_JOURNAL && db->now.journal != f->journal)
        return 0;
    return database_bytes(db, f->file);
}

/* A journal that is not hot begins with zero. */
static int drop_finished_journal(struct database *db)
{
    char first;
    int n;

    if (db->now.journal != DATABASE_ROLLBACK)
        return -XEN_EBUSY;
    n = database_pread(db, DATABASE_JOURNAL, &first, 1, 0);
    if (n < 0)
        return n;
    return first ? -XEN_EBUSY : database_truncate(db, DATABASE_JOURNAL, 0);
}

/* Before it is written: the journal is of this file's kind. */
static int own_journal(struct sqlite_file *f)
{
    struct database *db = &f->v->database;
    int err = 0;

    if (f->file == DATABASE_MAIN || db->now.journal == f->journal)
        return 0;
    if (database_bytes(db, DATABASE_JOURNAL))
        err = drop_finished_journal(db);
    return err ? err : database_set_journal(db, f->journal);
}

/* If the end of a journal could not be made stable when SQLite asked for it, it
 * is here at last. */
static int file_close(sqlite3_file *base)
{
    struct sqlite_file *f = file_of(base);
    int err = f->v->database.ending ? database_sync(&f->v->database) : 0;

    sqlite_shm_unmap(base, 0);
    sqlite_unlock(base, SQLITE_LOCK_NONE);
    return fault(err, SQLITE_IOERR_CLOSE);
}

static int file_read(sqlite3_file *base, void *to, int bytes, sqlite3_int64 at)
{
    struct sqlite_file *f = file_of(base);
    int n = 0;

    if (bytes_of(f))
        n = database_pread(&f->v->database, f->file, to, (size_t)bytes,
                           (uint64_t)at);
    else
        memset(to, 0, (size_t)bytes);
    if (n < 0)
        return fault(n, SQLITE_IOERR_READ);
    return n < bytes ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

#define WAL_HEADER_BYTES 32 /* sqlite.org/fileformat2.html#walformat */
#define WAL_FRAME_BYTES  24 /* a frame's header, before its page */
#define WAL_PAGE_SIZE_AT 8

static uint32_t big_endian(const void *at)
{
    const unsigned char *byte = at;

    return (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 |
           (uint32_t)byte[2] << 8 | byte[3];
}

/* From a log that was found here. */
static int learn_page_size(struct sqlite_volume *v)
{
    char bytes[4];
    int n = database_pread(&v->database, DATABASE_JOURNAL, bytes, sizeof(bytes),
                           WAL_PAGE_SIZE_AT);

    v->page_bytes = big_endian(bytes);
    return n < 0 ? n : 0;
}

/* A page that is committed to the log must have its place in the database, or
 * the log could never be emptied: who is late must hear it now. */
static int promise(struct sqlite_volume *v, const void *from, int bytes,
                   sqlite3_int64 at)
{
    int err = 0;

    if (at == 0 && bytes == WAL_HEADER_BYTES) {
        v->page_bytes = big_endian((const char *)from + WAL_PAGE_SIZE_AT);
        database_promise_none(&v->database);
    }
    if (bytes != WAL_FRAME_BYTES)
        return 0;
    if (!v->page_bytes)
        err = learn_page_size(v);
    return err ? err
               : database_promise(&v->database,
                                  big_endian(from) * v->page_bytes);
}

static int file_write(sqlite3_file *base, const void *from, int bytes,
                      sqlite3_int64 at)
{
    struct sqlite_file *f = file_of(base);
    int err = own_journal(f);

    if (!err && f->file == DATABASE_JOURNAL && f->journal == DATABASE_WAL)
        err = promise(f->v, from, bytes, at);
    if (!err)
        err = database_pwrite(&f->v->database, f->file, from, (size_t)bytes,
                              (uint64_t)at);
    return fault(err, SQLITE_IOERR_WRITE);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 bytes)
{
    struct sqlite_file *f = file_of(base);

    if ((uint64_t)bytes >= bytes_of(f))
        return SQLITE_OK;
    return fault(database_truncate(&f->v->database, f->file, (uint64_t)bytes),
                 SQLITE_IOERR_TRUNCATE);
}

static int file_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    return fault(database_sync(&file_of(base)->v->database),
                 SQLITE_IOERR_FSYNC);
}

static int file_size(sqlite3_file *base, sqlite3_int64 *bytes)
{
    *bytes = (sqlite3_int64)bytes_of(file_of(base));
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
    (void)base;
    if (op != SQLITE_FCNTL_VFSNAME)
        return SQLITE_NOTFOUND;
    *(char **)arg = sqlite3_mprintf("volume");
    return SQLITE_OK;
}

static int file_sector_size(sqlite3_file *base)
{
    return (int)(file_of(base)->v->database.volume->block_sectors *
                 VOLUME_SECTOR_BYTES);
}

static int file_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE |
           SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* without mapping files into memory */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = sqlite_lock,
    .xUnlock = sqlite_unlock,
    .xCheckReservedLock = sqlite_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = sqlite_shm_map,
    .xShmLock = sqlite_shm_lock,
    .xShmBarrier = sqlite_shm_barrier,
    .xShmUnmap = sqlite_shm_unmap,
};

/* ---- Names */

/* A name taken to pieces: the volume, which of its files. False: no such. */
static bool find(const char *name, struct sqlite_file *f)
{
    for (f->v = sqlite.volumes; f->v; f->v = f->v->next) {
        const char *volume = f->v->database.volume->name;
        size_t len = strlen(volume);

        if (strncmp(name, volume, len))
            continue;
        f->file = name[len] ? DATABASE_JOURNAL : DATABASE_MAIN;
        f->journal =
            strcmp(name + len, "-wal") ? DATABASE_ROLLBACK : DATABASE_WAL;
        if (!name[len] || !strcmp(name + len, "-wal") ||
            !strcmp(name + len, "-journal"))
            return true;
    }
    return false;
}

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *base,
                    int flags, int *out_flags)
{
    struct sqlite_file *f = file_of(base);

    (void)vfs;
    *f = (struct sqlite_file){0};
    if (!name || !find(name, f))
        return SQLITE_CANTOPEN;
    if (!(flags & SQLITE_OPEN_MAIN_DB) != (f->file == DATABASE_JOURNAL))
        return SQLITE_CANTOPEN;
    if (f->file == DATABASE_JOURNAL && !bytes_of(f) &&
        !(flags & SQLITE_OPEN_CREATE))
        return SQLITE_CANTOPEN;
    if (f->v->database.volume->read_only)
        flags = (flags & ~SQLITE_OPEN_READWRITE) | SQLITE_OPEN_READONLY;
    if (out_flags)
        *out_flags = flags;
    f->base.pMethods = &methods;
    return SQLITE_OK;
}

/* Only journals are ever deleted. What is gone is gone for good, whatever
 * `sync` says: a rollback journal's end is the commit. */
static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    struct sqlite_file f;

    (void)vfs, (void)sync;
    if (!find(name, &f) || f.file != DATABASE_JOURNAL || !bytes_of(&f))
        return SQLITE_IOERR_DELETE_NOENT;
    return fault(database_truncate(&f.v->database, DATABASE_JOURNAL, 0),
                 SQLITE_IOERR_DELETE);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *yes)
{
    struct sqlite_file f;

    (void)vfs;
    *yes = find(name, &f) && bytes_of(&f);
    if (*yes && flags == SQLITE_ACCESS_READWRITE)
        *yes = !f.v->database.volume->read_only;
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int room,
                         char *path)
{
    (void)vfs;
    sqlite3_snprintf(room, path, "%s", name);
    return SQLITE_OK;
}

/* ---- Time and chance */

static int vfs_randomness(sqlite3_vfs *vfs, int bytes, char *to)
{
    (void)vfs;
    random_bytes(sqlite.random, to, (size_t)bytes);
    return bytes;
}

struct sleeper {
    struct timer timer;
    struct fiber *fiber;
};

static void wake(struct timer *timer)
{
    fiber_wake(container_of(timer, struct sleeper, timer)->fiber);
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    struct sleeper sleeper = {.fiber = fiber_current()};
    uint64_t due_ns = hv_now_ns() + (uint64_t)us * NS_PER_US;

    (void)vfs;
    timer_start(sqlite.loop, &sleeper.timer, due_ns, wake);
    while (sleeper.timer.active)
        fiber_park();
    return us;
}

/* Noon of 24 November 4714 BC, SQLite's day zero, to 1970, in ms. */
#define JULIAN_1970_MS INT64_C(210866760000000)

static int vfs_now(sqlite3_vfs *vfs, sqlite3_int64 *ms)
{
    (void)vfs;
    *ms = JULIAN_1970_MS +
          (sqlite3_int64)((hv_wall_base_ns() + hv_now_ns()) / NS_PER_MS);
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int room, char *text)
{
    (void)vfs, (void)room, (void)text;
    return 0;
}

static sqlite3_vfs vfs = {
    .iVersion = 2, /* the time without floating point */
    .szOsFile = sizeof(struct sqlite_file),
    .mxPathname = 64, /* a volume's name and "-journal" */
    .zName = "volume",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_path,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xGetLastError = vfs_last_error,
    .xCurrentTimeInt64 = vfs_now,
};

int sqlite3_os_init(void)
{
    return sqlite3_vfs_register(&vfs, 1);
}

int sqlite3_os_end(void)
{
    return SQLITE_OK;
}

void sqlite_watch(bool (*go_on)(void *arg), void *arg)
{
    sqlite.go_on = go_on;
    sqlite.go_on_arg = arg;
    sqlite.work = 0;
    sqlite.is_late = false;
}

int sqlite_is_late(unsigned long work)
{
    sqlite.work += work;
    if (sqlite.work >= SQLITE_WORK && sqlite.go_on && !sqlite.is_late) {
        sqlite.work = 0;
        sqlite.is_late = !sqlite.go_on(sqlite.go_on_arg);
    }
    return sqlite.is_late;
}

/* A quarter is left for what those who ask do at their end without asking. */
int sqlite_stack_is_low(void)
{
    const struct fiber *fiber = fiber_current();
    const char *here = __builtin_frame_address(0);

    return fiber && (size_t)(here - fiber->context.stack) <
                        fiber->context.stack_bytes / 4;
}

/* ---- Volumes */

void sqlite_start(struct loop *loop, struct random *random)
{
    sqlite.loop = loop;
    sqlite.random = random;
}

int sqlite_add(struct sqlite_volume *v, struct volume *volume, bool format)
{
    int err;

    *v = (struct sqlite_volume){0};
    err = database_open(&v->database, volume, format);
    if (err)
        return err;
    v->next = sqlite.volumes;
    sqlite.volumes = v;
    return 0;
}

void sqlite_remove(struct sqlite_volume *v)
{
    struct sqlite_volume **link = &sqlite.volumes;

    while (*link != v)
        link = &(*link)->next;
    *link = v->next;
    database_close(&v->database);
}
