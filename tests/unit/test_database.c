/* SPDX-License-Identifier: MIT */
/*
 * A volume with two files: what is written is read, against a model of bytes;
 * what was synced survives a power cut; superblocks that are damaged, old, or
 * not there; volumes that hold something else, shrink and grow.
 */
// sources: database/database.c disk/volume.c
// sources: kernel/fiber.c kernel/fiber_switch.c kernel/loop.c kernel/page.c
// sources: kernel/log.c xen/evtchn.c tests/unit/ram_volume.c
// sources: tests/fake/fiber.c tests/fake/hv.c
#include "tests/unit/test.h"

#include "database/database.h"
#include "kernel/fiber.h"
#include "tests/unit/ram_volume.h"

#include <stdlib.h>
#include <string.h>

#define STACK_PAGES  32
#define VOLUME_BYTES (20 * DATABASE_CHUNK)
#define FILE_MAX     (6 * DATABASE_CHUNK)

static struct loop loop;
static struct pages pages;
static struct ram_volume ram;
static struct database db;
static struct fiber fiber;
static bool is_over;

static void note_over(struct fiber *f)
{
    (void)f;
    is_over = true;
}

static void run(void (*fn)(struct fiber *))
{
    is_over = false;
    fiber = (struct fiber){.finished = note_over};
    assert_int_equal(fiber_start(&fiber, &loop, &pages, STACK_PAGES, fn), 0);
    fake_run_until(&loop, is_over, 10000 * NS_PER_S);
}

static void start(unsigned block_sectors)
{
    fake_start(NULL);
    loop_init(&loop);
    pages_init(&pages);
    ram_volume_init(&ram, &loop, VOLUME_BYTES, block_sectors);
}

static void stop(void)
{
    ram_volume_free(&ram);
    assert_int_equal(pages.nr_used, 0);
}

static void open_it(void)
{
    db = (struct database){0};
    assert_int_equal(database_open(&db, &ram.volume, false), 0);
}

static void fails_to_open(int error, bool format)
{
    db = (struct database){0};
    assert_int_equal(database_open(&db, &ram.volume, format), error);
}

/* ---- Against a model */

struct model {
    char bytes[DATABASE_FILES][FILE_MAX];
    size_t len[DATABASE_FILES];
};

static struct model model, *synced;
static unsigned nr_synced, *synced_at;

static void write_somewhere(enum database_file file)
{
    size_t at = fake_chance(60) ? model.len[file] : fake_random_below(FILE_MAX);
    size_t bytes = 1 + fake_random_below(fake_chance(80) ? 5000 : 100000);
    char *data;

    if (at == FILE_MAX)
        at = fake_random_below(FILE_MAX);
    if (bytes > FILE_MAX - at)
        bytes = FILE_MAX - at;
    data = malloc(bytes);
    fake_random_fill(data, bytes);
    assert_int_equal(database_pwrite(&db, file, data, bytes, at), 0);
    memcpy(model.bytes[file] + at, data, bytes);
    if (at + bytes > model.len[file])
        model.len[file] = at + bytes;
    free(data);
}

static void read_somewhere(enum database_file file)
{
    size_t at = fake_chance(50) ? db.read_end[file] % FILE_MAX
                                : fake_random_below(FILE_MAX);
    size_t bytes = 1 + fake_random_below(fake_chance(80) ? 5000 : 100000);
    size_t there = at < model.len[file] ? model.len[file] - at : 0;
    char *data = malloc(bytes);

    there = there < bytes ? there : bytes;
    assert_int_equal(database_pread(&db, file, data, bytes, at), there);
    assert_memory_equal(data, model.bytes[file] + at, there);
    while (there < bytes)
        assert_int_equal(data[there++], 0);
    free(data);
}

static void truncate_somewhere(enum database_file file)
{
    size_t to = fake_chance(50) ? 0 : fake_random_below(FILE_MAX);

    assert_int_equal(database_truncate(&db, file, to), 0);
    if (to >= model.len[file])
        return;
    memset(model.bytes[file] + to, 0, model.len[file] - to);
    model.len[file] = to;
}

static void check_files(const struct model *m)
{
    for (unsigned f = 0; f < DATABASE_FILES; f++) {
        char *data = malloc(FILE_MAX);

        assert_int_equal(database_bytes(&db, f), m->len[f]);
        assert_int_equal(database_pread(&db, f, data, FILE_MAX, 0), m->len[f]);
        assert_memory_equal(data, m->bytes[f], m->len[f]);
        free(data);
    }
}

static void note_sync(void)
{
    assert_int_equal(database_sync(&db), 0);
    synced = realloc(synced, (nr_synced + 1) * sizeof(*synced));
    synced_at = realloc(synced_at, (nr_synced + 1) * sizeof(*synced_at));
    synced[nr_synced] = model;
    synced_at[nr_synced++] = ram.nr_ops;
}

static void write_and_read(struct fiber *f)
{
    (void)f;
    model = (struct model){0};
    open_it();
    assert_int_equal(database_set_journal(&db, DATABASE_WAL), 0);
    for (unsigned i = 0; i < 1500; i++) {
        enum database_file file = fake_random_below(2);
        unsigned what = fake_random_below(100);

        if (what < 50)
            write_somewhere(file);
        else if (what < 95)
            read_somewhere(file);
        else if (what < 97)
            truncate_somewhere(file);
        else
            assert_int_equal(database_sync(&db), 0);
    }
    assert_int_equal(database_sync(&db), 0);
    check_files(&model);
    database_close(&db);
    open_it();
    check_files(&model);
    database_close(&db);
}

static void test_what_is_written_is_read(void **state)
{
    static const unsigned blocks[] = {1, 2, 8};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        start(blocks[i]);
        run(write_and_read);
        stop();
    }
}

/* ---- Power cuts: at any time it can be opened; right after a sync it is as it
 * was. */

static void write_and_sync(struct fiber *f)
{
    (void)f;
    model = (struct model){0};
    open_it();
    ram_volume_record(&ram);
    note_sync();
    for (unsigned i = 0; i < 40; i++) {
        write_somewhere(DATABASE_MAIN);
        if (fake_chance(30))
            truncate_somewhere(DATABASE_MAIN);
        if (fake_chance(50))
            note_sync();
    }
    database_close(&db);
}

static const struct model *expected; /* NULL: anything */

static void check_after_cut(struct fiber *f)
{
    (void)f;
    open_it();
    if (expected)
        check_files(expected);
    database_close(&db);
}

static void test_power_cuts(void **state)
{
    struct ram_volume whole;
    unsigned next = 0;

    (void)state;
    start(1);
    run(write_and_sync);
    whole = ram;
    for (unsigned i = 0; i <= whole.nr_ops; i++) {
        expected = NULL;
        while (next < nr_synced && synced_at[next] == i)
            expected = &synced[next++];
        ram_volume_init(&ram, &loop, VOLUME_BYTES, 1);
        ram_volume_cut(&whole, i, ram.bytes);
        run(check_after_cut);
        ram_volume_free(&ram);
    }
    assert_int_equal(next, nr_synced);
    ram = whole;
    stop();
    free(synced);
    free(synced_at);
    synced = NULL;
    synced_at = NULL;
    nr_synced = 0;
}

/* ---- Superblocks */

static void put_text(enum database_file file, const char *text)
{
    assert_int_equal(database_pwrite(&db, file, text, strlen(text), 0), 0);
    assert_int_equal(database_sync(&db), 0);
}

static void check_text(enum database_file file, const char *text)
{
    char is[32];

    assert_int_equal(database_pread(&db, file, is, sizeof(is), 0),
                     strlen(text));
    assert_string_equal(is, text);
}

static void damage_superblocks(struct fiber *f)
{
    uint64_t newer;

    (void)f;
    open_it();
    put_text(DATABASE_MAIN, "older");
    put_text(DATABASE_MAIN, "newer one");
    newer = db.generation;
    database_close(&db);
    open_it();
    assert_int_equal(db.generation, newer);
    check_text(DATABASE_MAIN, "newer one");
    database_close(&db);
    /* Without the newer copy the size is that of the older one. */
    ram.bytes[newer % 2 * 4096 + 50] ^= 1;
    open_it();
    assert_int_equal(db.generation, newer - 1);
    check_text(DATABASE_MAIN, "newer");
    database_close(&db);
    ram.bytes[(newer + 1) % 2 * 4096 + 21] ^= 1;
    fails_to_open(-XEN_EINVAL, false);
    fails_to_open(-XEN_EINVAL, true);
    assert_memory_equal(ram.bytes + DATABASE_START, "newer one", 9);
}

static void test_damaged_superblocks(void **state)
{
    (void)state;
    start(1);
    run(damage_superblocks);
    stop();
}

/* Whatever fails, one whole copy is on the medium at any time. */
static void fail_superblocks(struct fiber *f)
{
    uint64_t generation;

    (void)f;
    open_it();
    put_text(DATABASE_MAIN, "one");
    generation = db.generation;
    for (unsigned i = 1; i <= 3; i++) { /* data, superblock, flush */
        assert_int_equal(
            database_pwrite(&db, DATABASE_MAIN, "longer text", 3 + 2 * i, 0),
            0);
        ram_volume_fail(&ram, i);
        assert_int_equal(database_sync(&db), -XEN_EIO);
        ram_volume_fail(&ram, 0);
        assert_int_equal(db.generation, generation);
        /* The stable one is as it was: only the other one was tried. */
        memset(ram.bytes + (generation + 1) % 2 * 4096, 0xff, 4096);
        database_close(&db);
        open_it();
        assert_int_equal(db.generation, generation);
        assert_int_equal(database_bytes(&db, DATABASE_MAIN), 3);
    }
    assert_int_equal(database_sync(&db), 0);
    database_close(&db);
}

static void test_failing_superblocks(void **state)
{
    (void)state;
    start(1);
    run(fail_superblocks);
    stop();
}

/* ---- Volumes that are something else */

static void open_foreign(struct fiber *f)
{
    (void)f;
    ram.bytes[60000] = 1;
    fails_to_open(-XEN_EEXIST, false);
    assert_int_equal(ram.writes, 0);
    strcpy(ram.bytes, "SQLite format 3");
    fails_to_open(-XEN_EEXIST, false);
    assert_int_equal(ram.writes, 0);
    db = (struct database){0};
    assert_int_equal(database_open(&db, &ram.volume, true), 0);
    put_text(DATABASE_MAIN, "mine");
    database_close(&db);
    /* Asked to format once more, it keeps what is its own. */
    db = (struct database){0};
    assert_int_equal(database_open(&db, &ram.volume, true), 0);
    check_text(DATABASE_MAIN, "mine");
    database_close(&db);
}

static void test_foreign_volumes(void **state)
{
    (void)state;
    start(1);
    run(open_foreign);
    stop();
}

static void open_read_only(struct fiber *f)
{
    (void)f;
    ram.volume.read_only = true;
    fails_to_open(-XEN_EEXIST, false);
    assert_int_equal(ram.writes, 0);
    ram.volume.read_only = false;
    ram_volume_fail(&ram, 1);
    fails_to_open(-XEN_EIO, false);
}

static void test_read_only_and_broken(void **state)
{
    (void)state;
    start(1);
    run(open_read_only);
    stop();
}

static void change_size(struct fiber *f)
{
    uint64_t all = ram.volume.nr_sectors;

    (void)f;
    ram.volume.nr_sectors = DATABASE_VOLUME_MIN / VOLUME_SECTOR_BYTES - 1;
    fails_to_open(-XEN_ENOSPC, false);
    /* While there is a journal it stays where it is. */
    ram.volume.nr_sectors = all - DATABASE_CHUNK / VOLUME_SECTOR_BYTES;
    open_it();
    assert_int_equal(database_set_journal(&db, DATABASE_ROLLBACK), 0);
    put_text(DATABASE_MAIN, "main");
    put_text(DATABASE_JOURNAL, "journal");
    database_close(&db);
    ram.volume.nr_sectors = all;
    open_it();
    check_text(DATABASE_JOURNAL, "journal");
    assert_int_equal(db.end, VOLUME_BYTES - DATABASE_CHUNK);
    database_close(&db);
    ram.volume.nr_sectors = all - 2 * DATABASE_CHUNK / VOLUME_SECTOR_BYTES;
    fails_to_open(-XEN_ENOSPC, false);
    ram.volume.nr_sectors = all;
    open_it();
    assert_int_equal(database_truncate(&db, DATABASE_JOURNAL, 0), 0);
    database_close(&db);
    open_it();
    assert_int_equal(db.end, VOLUME_BYTES);
    check_text(DATABASE_MAIN, "main");
    database_close(&db);
}

static void test_volumes_that_shrink_and_grow(void **state)
{
    (void)state;
    start(1);
    run(change_size);
    stop();
}

/* ---- Where the files meet */

static void meet(struct fiber *f)
{
    uint64_t room;

    (void)f;
    open_it();
    assert_int_equal(database_set_journal(&db, DATABASE_WAL), 0);
    room = database_room(&db);
    assert_int_equal(room,
                     VOLUME_BYTES - DATABASE_CHUNK - DATABASE_JOURNAL_MIN);
    put_text(DATABASE_JOURNAL, "journal");
    assert_int_equal(database_pwrite(&db, DATABASE_MAIN, "x", 1, room),
                     -XEN_ENOSPC);
    assert_int_equal(database_pwrite(&db, DATABASE_MAIN, "x", 1, room - 1), 0);
    assert_int_equal(
        database_pwrite(&db, DATABASE_JOURNAL, "x", 1, DATABASE_JOURNAL_MIN),
        -XEN_ENOSPC);
    assert_int_equal(database_set_journal(&db, DATABASE_ROLLBACK), -XEN_EBUSY);
    /* What is free is used once that is stable: a flush comes first. */
    assert_int_equal(database_sync(&db), 0);
    assert_int_equal(database_truncate(&db, DATABASE_MAIN, 10), 0);
    ram.flushes = 0;
    assert_int_equal(
        database_pwrite(&db, DATABASE_JOURNAL, "x", 1, DATABASE_JOURNAL_MIN),
        0);
    assert_int_equal(ram.flushes, 1);
    /* What is promised to the database is not the log's. */
    assert_int_equal(database_promise(&db, room), -XEN_ENOSPC);
    assert_int_equal(database_promise(&db, room - DATABASE_CHUNK), 0);
    assert_int_equal(
        database_pwrite(&db, DATABASE_JOURNAL, "x", 1, 3 * DATABASE_CHUNK),
        -XEN_ENOSPC);
    database_promise_none(&db);
    assert_int_equal(
        database_pwrite(&db, DATABASE_JOURNAL, "x", 1, 3 * DATABASE_CHUNK), 0);
    database_close(&db);
}

static void test_two_files_do_not_meet(void **state)
{
    (void)state;
    start(1);
    run(meet);
    stop();
}

/* ---- Requests */

static void count(struct fiber *f)
{
    char record[700] = {1};

    (void)f;
    open_it();
    assert_int_equal(database_set_journal(&db, DATABASE_WAL), 0);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(
            database_pwrite(&db, DATABASE_JOURNAL, record, 700, 700 * i), 0);
    assert_int_equal(database_sync(&db), 0);
    ram.reads = ram.writes = ram.flushes = 0;
    /* Written over, record by record, each of them synced: nothing but the
     * rest of a chunk is read, once. */
    for (unsigned i = 0; i < 80; i++) {
        assert_int_equal(
            database_pwrite(&db, DATABASE_JOURNAL, record, 700, 700 * i), 0);
        assert_int_equal(database_sync(&db), 0);
    }
    assert_int_equal(ram.writes, 80);
    assert_int_equal(ram.flushes, 80);
    assert_in_range(ram.reads, 1, 2);
    /* Nothing was written: nothing to flush. */
    assert_int_equal(database_sync(&db), 0);
    assert_int_equal(ram.flushes, 80);
    /* In order, records are read a chunk at a time. */
    ram.reads = 0;
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(
            database_pread(&db, DATABASE_JOURNAL, record, 700, 700 * i), 700);
    assert_in_range(ram.reads, 2, 5);
    database_close(&db);
}

static void test_few_requests(void **state)
{
    (void)state;
    start(1);
    run(count);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(test_what_is_written_is_read),
        test_on_fake(test_power_cuts),
        test_on_fake(test_damaged_superblocks),
        test_on_fake(test_failing_superblocks),
        test_on_fake(test_foreign_volumes),
        test_on_fake(test_read_only_and_broken),
        test_on_fake(test_volumes_that_shrink_and_grow),
        test_on_fake(test_two_files_do_not_meet),
        test_on_fake(test_few_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
