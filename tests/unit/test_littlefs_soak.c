/* SPDX-License-Identifier: MIT */
/*
 * Files at random, against a model: with a disk that works, that is full, that
 * fails at any request, and that loses its power at any write.
 *
 * The model knows of each file what it contains (`live`), what it contains
 * after a power cut (`durable`, what was synced last), and, once a call has
 * failed that would have changed that, what it may contain as well (`maybe`).
 * Calls that failed may have been done, when they are about names: the disk is
 * asked.
 */
// sources: fs/fs.c fs/requests.c fs/mounts.c fs/cache.c disk/volume.c
// sources: fs/erofs.c fs/littlefs.c fs/littlefs_disk.c kernel/fiber.c
// sources: kernel/fiber_switch.c kernel/loop.c kernel/page.c kernel/options.c
// sources: kernel/log.c xen/evtchn.c tests/fake/fiber.c tests/fake/hv.c
// sources: tests/fake/volume.c tests/unit/files_world.c erofs lfs
#include "tests/unit/test.h"

#include "tests/unit/files_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEW         "mount=xvda:littlefs:/:new"
#define OLD         "mount=xvda:littlefs:/"
#define FILE_BYTES  30000 /* eight blocks, at most */
#define PIECE_BYTES 6000
#define NAMES_MAX   64
#define HANDLES_MAX 5
#define BOTH        (FS_READ | FS_WRITE)

struct version {
    size_t len;
    char bytes[FILE_BYTES];
};

struct content {
    unsigned refs; /* its name, and open files */
    bool has_maybe;
    struct version live, durable, maybe;
};

struct name {
    char path[FS_PATH_MAX];
    struct content *content; /* NULL: a directory */
};

struct handle {
    struct fs_file file;
    struct content *content; /* NULL: not open */
    unsigned flags;
};

static struct name names[NAMES_MAX];
static unsigned nr_names;
static struct handle handles[HANDLES_MAX];
static unsigned nr_errors; /* calls that failed because of the disk */
static unsigned cache_kib; /* of the next start */

/* None; one that is always too small; one that has everything. */
static const unsigned caches[] = {0, 32, 1024};

/* ---- Chance: a run repeats, whatever the machine does meanwhile. */

static uint64_t chance_state;

static unsigned below(unsigned n)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (unsigned)(chance_state >> 20) % n;
}

static bool percent(unsigned n)
{
    return below(100) < n;
}

static void seed_chance(unsigned number)
{
    const char *seed = getenv("SEED");

    chance_state = 0x9e3779b97f4a7c15 +
                   1000003ull * (seed ? strtoull(seed, NULL, 0) : 1) + number;
    for (unsigned i = 0; i < 20; i++)
        below(2);
}

/* ---- The model */

static void put(struct content *content)
{
    if (content && !--content->refs)
        free(content);
}

static struct name *find(const char *path)
{
    for (unsigned i = 0; i < nr_names; i++)
        if (!strcmp(names[i].path, path))
            return &names[i];
    return NULL;
}

static struct content *add(const char *path, bool is_directory)
{
    struct name *name = &names[nr_names++];

    assert_true(nr_names <= NAMES_MAX);
    strcpy(name->path, path);
    name->content = is_directory ? NULL : calloc(1, sizeof(struct content));
    if (name->content)
        name->content->refs = 1;
    return name->content;
}

static void take_off(const char *path)
{
    struct name *name = find(path);

    put(name->content);
    *name = names[--nr_names];
}

static bool is_below(const char *path, const char *directory)
{
    size_t len = strlen(directory);

    return !strncmp(path, directory, len) && path[len] == '/';
}

static bool is_empty(const char *directory)
{
    for (unsigned i = 0; i < nr_names; i++)
        if (is_below(names[i].path, directory))
            return false;
    return true;
}

/* 0, or what a path says whose last name need not be there. */
static int parent_of(const char *path)
{
    char parent[FS_PATH_MAX];
    struct name *name;

    strcpy(parent, path);
    *strrchr(parent, '/') = '\0';
    if (!parent[0])
        return 0;
    name = find(parent);
    if (name)
        return name->content ? -XEN_ENOTDIR : 0;
    return parent_of(parent) == -XEN_ENOTDIR ? -XEN_ENOTDIR : -XEN_ENOENT;
}

static void move(const char *path, const char *new_path)
{
    size_t len = strlen(path);
    char rest[FS_PATH_MAX];

    if (find(new_path))
        take_off(new_path);
    for (unsigned i = 0; i < nr_names; i++) {
        if (strcmp(names[i].path, path) && !is_below(names[i].path, path))
            continue;
        strcpy(rest, names[i].path + len);
        strcpy(names[i].path, new_path);
        strcat(names[i].path, rest);
    }
}

static void forget_all(void)
{
    for (unsigned i = 0; i < HANDLES_MAX; i++)
        put(handles[i].content);
    memset(handles, 0, sizeof(handles));
    while (nr_names)
        take_off(names[0].path);
}

/* ---- What a call gave */

/* Was it the disk? Then `done` may be so or not. */
static bool is_disks_fault(int status)
{
    bool fault = status == -XEN_EIO || status == -XEN_ENOSPC;

    nr_errors += fault;
    return fault;
}

static bool is_there(const char *path)
{
    struct fs_stat stat;
    int status = files_stat(&stat, path);

    if (status && status != -XEN_ENOENT && status != -XEN_ENOTDIR)
        fail_msg("stat %s: %d", path, status);
    return !status;
}

/* Let it be the version that the file has. */
static void settle(struct content *content, const char *path)
{
    static struct version got;
    struct fs_file file;
    int n;

    assert_int_equal(files_open(&file, path, FS_READ), 0);
    n = files_pread(&file, got.bytes, FILE_BYTES, 0);
    assert_true(n >= 0);
    got.len = (size_t)n;
    assert_int_equal(files_close(&file), 0);
    if (content->has_maybe && got.len == content->maybe.len &&
        !memcmp(got.bytes, content->maybe.bytes, got.len))
        content->durable = content->maybe;
    if (got.len != content->durable.len ||
        memcmp(got.bytes, content->durable.bytes, got.len))
        fail_msg("%s: %zu bytes, neither the %zu that were synced nor those "
                 "that should have been",
                 path, got.len, content->durable.len);
    content->live = content->durable;
    content->has_maybe = false;
}

static void settle_all(void)
{
    for (unsigned i = 0; i < nr_names; i++)
        if (names[i].content)
            settle(names[i].content, names[i].path);
}

/* ---- Calls about names. Each gives the disk's error, or 0. */

/* What a call does when it ends well. */
static enum { NOTHING, CREATE, REMOVE, MKDIR, RENAME } pending;
static char pending_path[FS_PATH_MAX], pending_new[FS_PATH_MAX];

static void is_done(void)
{
    switch (pending) {
    case CREATE:
    case MKDIR:
        add(pending_path, pending == MKDIR);
        break;
    case REMOVE:
        take_off(pending_path);
        break;
    case RENAME:
        move(pending_path, pending_new);
        break;
    case NOTHING:
        break;
    }
    pending = NOTHING;
}

/* After the disk failed a call: was it done? */
static void ask_disk(void)
{
    bool there = pending != NOTHING && is_there(pending_path);

    if ((pending == CREATE || pending == MKDIR) == there)
        is_done();
    pending = NOTHING;
}

static int check_status(int status, int want)
{
    if (want)
        pending = NOTHING;
    if (is_disks_fault(status))
        return status;
    if (status != want)
        fail_msg("%s %s: %d, not %d", pending_path, pending_new, status, want);
    is_done();
    return 0;
}

static void expect(int what, const char *path, const char *new_path)
{
    pending = what;
    strcpy(pending_path, path);
    strcpy(pending_new, new_path);
}

static int want_remove(const char *path, bool directory)
{
    struct name *name = find(path);

    if (!name)
        return parent_of(path) == -XEN_ENOTDIR ? -XEN_ENOTDIR : -XEN_ENOENT;
    if (directory && name->content)
        return -XEN_ENOTDIR;
    if (!directory && !name->content)
        return -XEN_EISDIR;
    return directory && !is_empty(path) ? -XEN_ENOTEMPTY : 0;
}

static int want_rename(const char *path, const char *new_path)
{
    struct name *from = find(path), *to = find(new_path);

    if (!from)
        return want_remove(path, false);
    if (is_below(new_path, path))
        return -XEN_EINVAL;
    if (!to)
        return parent_of(new_path);
    if (!from->content != !to->content)
        return to->content ? -XEN_ENOTDIR : -XEN_EISDIR;
    if (from != to && !to->content && !is_empty(new_path))
        return -XEN_ENOTEMPTY;
    return 0;
}

static int do_unlink(const char *path)
{
    int want = want_remove(path, false);

    expect(REMOVE, path, "");
    return check_status(files_unlink(path), want);
}

static int do_rmdir(const char *path)
{
    int want = want_remove(path, true);

    expect(REMOVE, path, "");
    return check_status(files_rmdir(path), want);
}

static int do_mkdir(const char *path)
{
    int want = find(path) ? -XEN_EEXIST : parent_of(path);

    expect(MKDIR, path, "");
    return check_status(files_mkdir(path), want);
}

static int do_rename(const char *path, const char *new_path)
{
    int want = want_rename(path, new_path);

    expect(strcmp(path, new_path) ? RENAME : NOTHING, path, new_path);
    return check_status(files_rename(path, new_path), want);
}

static int do_stat(const char *path)
{
    struct name *name = find(path);
    struct fs_stat stat;
    int status = files_stat(&stat, path);

    expect(NOTHING, path, "");
    if (check_status(status, name ? 0 : want_remove(path, false)) || !name)
        return status == -XEN_EIO ? status : 0;
    assert_int_equal(stat.kind, name->content ? FS_FILE : FS_DIRECTORY);
    if (name->content)
        assert_int_equal(stat.bytes, name->content->live.len);
    return 0;
}

/* ---- Calls about files */

static int want_open(const char *path, unsigned flags)
{
    struct name *name = find(path);

    if (!name && (!(flags & FS_CREATE) || parent_of(path)))
        return want_remove(path, false);
    if (name && flags & FS_CREATE && flags & FS_EXCLUSIVE)
        return -XEN_EEXIST;
    if (name && !name->content && flags & FS_WRITE)
        return -XEN_EISDIR;
    return 0;
}

static int do_open(struct handle *handle, const char *path, unsigned flags)
{
    int want = want_open(path, flags), status;
    struct name *name = find(path);

    if (name && !name->content)
        return 0;
    expect(name || want ? NOTHING : CREATE, path, "");
    status = files_open(&handle->file, path, flags);
    if (check_status(status, want) || want)
        return want ? 0 : status;
    handle->content = find(path)->content;
    handle->content->refs++;
    handle->flags = flags;
    if (flags & FS_TRUNCATE && flags & FS_WRITE)
        handle->content->live.len = 0;
    assert_int_equal(handle->file.stat.bytes, handle->content->live.len);
    return 0;
}

static bool is_open(const struct content *content)
{
    for (unsigned i = 0; i < HANDLES_MAX; i++)
        if (handles[i].content == content)
            return true;
    return false;
}

static const char *path_of(const struct content *content)
{
    for (unsigned i = 0; i < nr_names; i++)
        if (names[i].content == content)
            return names[i].path;
    return NULL;
}

static void is_synced(struct content *content, int status)
{
    if (status) {
        content->has_maybe = true;
        content->maybe = content->live;
    } else {
        content->has_maybe = false;
        content->durable = content->live;
    }
}

/* After an error of the last close nobody knows what was written. */
static int do_close(struct handle *handle)
{
    struct content *content = handle->content;
    int status = files_close(&handle->file);

    if (!is_disks_fault(status))
        assert_int_equal(status, 0);
    handle->content = NULL;
    if (!is_open(content))
        is_synced(content, status);
    if (status && path_of(content) && !fake_volume.is_cut) {
        fake_volume.fail_at = 0;
        settle(content, path_of(content));
    }
    put(content);
    return status;
}

static int do_fsync(struct handle *handle)
{
    int status = files_fsync(&handle->file);

    if (!is_disks_fault(status))
        assert_int_equal(status, 0);
    is_synced(handle->content, status);
    return status;
}

static int do_pwrite(struct handle *handle)
{
    struct version *live = &handle->content->live;
    static char piece[PIECE_BYTES];
    size_t len = below(percent(50) ? 100 : PIECE_BYTES);
    bool at_end = percent(50);
    size_t at = at_end ? live->len : below((unsigned)live->len + 1000);
    int status;

    if (at + len > FILE_BYTES)
        return 0;
    for (size_t i = 0; i < len; i++)
        piece[i] = (char)below(256);
    status = files_pwrite(&handle->file, piece, len, at_end ? FS_END : at);
    if (!(handle->flags & FS_WRITE)) {
        assert_int_equal(status, -XEN_EBADF);
        return 0;
    }
    if (is_disks_fault(status))
        return status;
    assert_int_equal(status, len);
    if (!len)
        return 0;
    if (at > live->len)
        memset(live->bytes + live->len, 0, at - live->len);
    memcpy(live->bytes + at, piece, len);
    live->len = at + len > live->len ? at + len : live->len;
    return 0;
}

static int do_ftruncate(struct handle *handle)
{
    struct version *live = &handle->content->live;
    size_t len = below(percent(50) ? (unsigned)live->len + 1 : FILE_BYTES);
    int status = files_ftruncate(&handle->file, len);

    if (!(handle->flags & FS_WRITE)) {
        assert_int_equal(status, -XEN_EBADF);
        return 0;
    }
    if (is_disks_fault(status))
        return status;
    assert_int_equal(status, 0);
    if (len > live->len)
        memset(live->bytes + live->len, 0, len - live->len);
    live->len = len;
    return 0;
}

static int do_pread(struct handle *handle)
{
    struct version *live = &handle->content->live;
    static char got[FILE_BYTES];
    size_t at = below((unsigned)live->len + 100);
    size_t len = below(FILE_BYTES), want = at < live->len ? live->len - at : 0;
    int status = files_pread(&handle->file, got, len, at);

    if (!(handle->flags & FS_READ)) {
        assert_int_equal(status, -XEN_EBADF);
        return 0;
    }
    if (is_disks_fault(status))
        return status;
    assert_int_equal(status, len < want ? len : want);
    assert_memory_equal(got, live->bytes + at, (size_t)status);
    return 0;
}

/* ---- Everything */

/* The list of a directory is that of the model. */
static void check_list(const char *directory)
{
    static struct fs_entry entries[NAMES_MAX];
    struct fs_file file;
    unsigned nr = 0;
    int n;

    assert_int_equal(files_open(&file, *directory ? directory : "/", FS_READ),
                     0);
    n = files_readdir(&file, entries, NAMES_MAX, 0);
    for (unsigned i = 0; i < nr_names; i++)
        nr += is_below(names[i].path, directory) &&
              !strchr(names[i].path + strlen(directory) + 1, '/');
    assert_int_equal(n, nr);
    for (int i = 0; i < n; i++) {
        static char path[FS_PATH_MAX + FS_NAME_MAX];

        sprintf(path, "%s/%s", directory, entries[i].name);
        assert_non_null(find(path));
        assert_int_equal(entries[i].kind,
                         find(path)->content ? FS_FILE : FS_DIRECTORY);
    }
    assert_int_equal(files_close(&file), 0);
}

static void check_content(const struct name *name)
{
    struct fs_file file;
    static char got[FILE_BYTES];
    const struct version *live = &name->content->live;

    assert_int_equal(files_open(&file, name->path, FS_READ), 0);
    assert_int_equal(files_pread(&file, got, FILE_BYTES, 0), live->len);
    assert_memory_equal(got, live->bytes, live->len);
    assert_int_equal(files_close(&file), 0);
}

static void check_all(void)
{
    check_list("");
    for (unsigned i = 0; i < nr_names; i++) {
        if (names[i].content)
            check_content(&names[i]);
        else
            check_list(names[i].path);
    }
}

/* Power off and on, or an orderly end that writes what is open. */
static int start(const char *mount)
{
    char cmdline[80];

    snprintf(cmdline, sizeof(cmdline), "%s cache=%u", mount, cache_kib);
    return files_start(cmdline);
}

static void start_anew(const char *mount)
{
    for (unsigned i = 0; i < HANDLES_MAX; i++)
        if (handles[i].content)
            is_synced(handles[i].content, fake_volume.is_cut || nr_errors);
    files_stop();
    if (fake_volume.is_cut)
        fake_volume_cut(percent(33) ? 100 : percent(50) ? 50 : 0);
    assert_int_equal(start(mount), 0);
    for (unsigned i = 0; i < HANDLES_MAX; i++)
        put(handles[i].content);
    memset(handles, 0, sizeof(handles));
    ask_disk();
    settle_all();
    check_all();
}

/* ---- At random */

static const char *any_path(void)
{
    static const char *const paths[] = {
        "/a",     "/b",     "/c",
        "/d",     "/d/a",   "/d/b",
        "/e",     "/e/a",   "/e/d",
        "/e/d/a", "/e/d/b", "/e/d/a-name-that-is-longer-than-the-others",
    };
    static char path[4][FS_PATH_MAX];
    static unsigned turn;

    turn = (turn + 1) % array_size(path);
    strcpy(path[turn], paths[below(array_size(paths))]);
    return path[turn];
}

static unsigned any_flags(void)
{
    static const unsigned how[] = {FS_READ, FS_WRITE, BOTH};
    unsigned flags = how[below(3)];

    return flags | (percent(70) ? FS_CREATE : 0) |
           (percent(10) ? FS_EXCLUSIVE : 0) | (percent(10) ? FS_TRUNCATE : 0);
}

static int do_names(unsigned which)
{
    switch (which) {
    case 0:
        return do_unlink(any_path());
    case 1:
        return do_rmdir(any_path());
    case 2:
    case 3:
        return do_mkdir(any_path());
    case 4:
    case 5:
        return do_rename(any_path(), any_path());
    default:
        return do_stat(any_path());
    }
}

static int do_file(struct handle *handle, unsigned which)
{
    switch (which) {
    case 0:
        return do_close(handle);
    case 1:
    case 2:
        return do_fsync(handle);
    case 3:
        return do_ftruncate(handle);
    case 4:
    case 5:
        return do_pread(handle);
    default:
        return do_pwrite(handle);
    }
}

/* The disk's error, or 0. */
static int do_something(void)
{
    struct handle *handle = &handles[below(HANDLES_MAX)];

    if (percent(25))
        return do_names(below(8));
    if (handle->content)
        return do_file(handle, below(12));
    return do_open(handle, any_path(), any_flags());
}

static void prepare(uint64_t nr_sectors, unsigned number)
{
    forget_all();
    seed_chance(number);
    nr_errors = 0;
    pending = NOTHING;
    fake_volume_make(nr_sectors, 1);
    assert_int_equal(start(NEW), 0);
}

static void finish(void)
{
    start_anew(OLD);
    files_stop();
    forget_all();
    fake_volume_free();
}

#define LARGE 8192 /* sectors: nothing is ever full */

static void anything_goes(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 4; number++) {
        cache_kib = caches[number % array_size(caches)];
        prepare(LARGE, number);
        for (unsigned i = 0; i < 5000; i++) {
            if (do_something())
                fail_msg("the disk is said to have failed");
            if (percent(2))
                check_all();
            if (percent(1))
                start_anew(OLD);
        }
        finish();
    }
}

#define SMALL 240 /* sectors: 30 blocks */

static void the_disk_may_be_full(void **state)
{
    unsigned all = 0;

    (void)state;
    for (unsigned number = 0; number < 8; number++) {
        cache_kib = caches[number % array_size(caches)];
        prepare(SMALL, 1000 + number);
        for (unsigned i = 0; i < 1500; i++) {
            if (do_something())
                ask_disk();
            if (percent(1))
                start_anew(OLD);
        }
        all += nr_errors;
        finish();
    }
    assert_true(all > 100);
}

#define STEPS 400 /* of a script that is repeated */

/* The power goes at the nth write or flush. Was there an nth? */
static bool cut_at(uint64_t nth, unsigned number)
{
    bool was_cut;

    prepare(LARGE, number);
    fake_volume.cut_at = nth;
    for (unsigned i = 0; i < STEPS && !fake_volume.is_cut; i++)
        do_something();
    was_cut = fake_volume.is_cut;
    fake_volume.cut_at = 0;
    start_anew(OLD);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(do_something(), 0);
    check_all();
    finish();
    return was_cut;
}

static void the_power_may_go_at_any_write(void **state)
{
    uint64_t nth = 1;

    (void)state;
    cache_kib = 32;
    while (cut_at(nth, 2000))
        nth++;
    assert_true(nth > 100);
}

/* The nth request fails, and some after it. Was there an nth? */
static bool fail_at(uint64_t nth, uint64_t more)
{
    bool failed;

    prepare(LARGE, 3000);
    fake_volume.fail_at = nth;
    fake_volume.fail_more = more;
    for (unsigned i = 0; i < STEPS; i++) {
        int status = do_something();

        if (status) {
            assert_int_equal(status, -XEN_EIO);
            fake_volume.fail_at = 0;
            ask_disk();
        }
    }
    failed = !fake_volume.fail_at;
    fake_volume.fail_at = 0;
    check_all();
    finish();
    return failed;
}

static uint64_t fail_each(unsigned kib)
{
    uint64_t nth = 1;

    cache_kib = kib;
    while (fail_at(nth, nth % 3))
        nth += 1 + nth / 50;
    return nth;
}

static void any_request_may_fail(void **state)
{
    (void)state;
    assert_true(fail_each(0) > 300);
}

/* Fewer are for reading; some of these are ahead of it. */
static void any_request_of_a_cache_may_fail(void **state)
{
    (void)state;
    assert_true(fail_each(32) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anything_goes),
        cmocka_unit_test(the_disk_may_be_full),
        cmocka_unit_test(the_power_may_go_at_any_write),
        cmocka_unit_test(any_request_may_fail),
        cmocka_unit_test(any_request_of_a_cache_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
