/* SPDX-License-Identifier: MIT */
/*
 * SQLite on a volume in memory: the power goes at every write and flush of a
 * run of transactions, in every journal mode; every n-th request fails; the
 * volume is full; connections lock each other out.
 */
// sources: database/sqlite.c database/sqlite_lock.c database/database.c
// sources: disk/volume.c
// sources: kernel/fiber.c kernel/fiber_switch.c kernel/loop.c kernel/page.c
// sources: kernel/log.c kernel/random.c xen/evtchn.c
// sources: tests/unit/ram_volume.c
// sources: tests/fake/fiber.c tests/fake/hv.c sqlite
#include "tests/unit/test.h"

#include "database/sqlite.h"
#include "kernel/fiber.h"
#include "tests/unit/ram_volume.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK_PAGES  128 /* ASan's frames are large */
#define VOLUME_BYTES (1u << 20)
#define ACCOUNTS     40

static struct loop loop;
static struct pages pages;
static struct random chance;
static struct ram_volume ram;
static struct sqlite_volume disk;
static struct fiber fiber;
static sqlite3 *db;

/* ---- In fibers */

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
    random_init(&chance);
    ram_volume_init(&ram, &loop, VOLUME_BYTES, block_sectors);
    sqlite_start(&loop, &chance);
}

static void stop(void)
{
    ram_volume_free(&ram);
    sqlite3_shutdown();
    assert_int_equal(pages.nr_used, 0);
}

/* ---- Statements */

static int try(const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static void must(const char *sql)
{
    if (try(sql))
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

/* The first column of the first row. */
static int64_t ask(const char *sql)
{
    sqlite3_stmt *stmt;
    int64_t answer;

    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) ||
        sqlite3_step(stmt) != SQLITE_ROW)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    answer = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return answer;
}

static bool says(const char *sql, const char *text)
{
    sqlite3_stmt *stmt;
    bool same = false;

    if (!sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) &&
        sqlite3_step(stmt) == SQLITE_ROW)
        same = !strcmp((const char *)sqlite3_column_text(stmt, 0), text);
    if (!same)
        print_message("%s: %s\n", sql, sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return same;
}

static sqlite3 *connect(void)
{
    sqlite3 *conn;

    assert_int_equal(sqlite3_open("xvda", &conn), SQLITE_OK);
    return conn;
}

/* ---- Transactions. Number n is a function of n; after it the database is a
 * function of n. */

static const char *const schema =
    "CREATE TABLE account(id INTEGER PRIMARY KEY, sum INT, note TEXT);"
    "CREATE TABLE done(n INTEGER PRIMARY KEY, what BLOB);"
    "CREATE INDEX account_note ON account(note, sum);";

static uint32_t mix(uint32_t n)
{
    n = (n ^ n >> 16) * 0x45d9f3b;
    n = (n ^ n >> 16) * 0x45d9f3b;
    return n ^ n >> 16;
}

static char *transaction(unsigned n)
{
    uint32_t r = mix(n);

    return sqlite3_mprintf(
        "BEGIN;"
        "UPDATE account SET sum = sum - %u WHERE id = %u;"
        "UPDATE account SET sum = sum + %u WHERE id = %u;"
        "UPDATE account SET note = printf('%%.%uc', 'a' + %u) WHERE id = %u;"
        "INSERT INTO done VALUES(%u, zeroblob(%u));"
        "DELETE FROM done WHERE n < %u - 20 AND n %% 2;"
        "%s COMMIT;",
        r % 97, r % ACCOUNTS, r % 97, (r >> 8) % ACCOUNTS, (r >> 4) % 900, n,
        (r >> 12) % ACCOUNTS, n, (r >> 3) % 9000, n,
        n % 7 == 3   ? "CREATE TABLE extra AS SELECT * FROM account;"
        : n % 7 == 5 ? "DROP TABLE extra;"
                     : "");
}

/* A checksum of all that the database says. */
static uint64_t contents(void)
{
    static const char *const queries[] = {
        "SELECT name, sql FROM sqlite_schema ORDER BY name",
        "SELECT * FROM account ORDER BY id",
        "SELECT n, hex(what) FROM done ORDER BY n",
    };
    uint64_t sum = 14695981039346656037u;

    for (unsigned i = 0; i < 3; i++) {
        sqlite3_stmt *stmt;

        assert_int_equal(sqlite3_prepare_v2(db, queries[i], -1, &stmt, NULL),
                         SQLITE_OK);
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            for (int c = 0; c < sqlite3_column_count(stmt); c++) {
                const char *text = (const char *)sqlite3_column_text(stmt, c);

                for (; text && *text; text++)
                    sum = (sum ^ (unsigned char)*text) * 1099511628211u;
            }
        }
        assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    }
    return sum;
}

static void check_sound(void)
{
    assert_true(says("PRAGMA integrity_check", "ok"));
    assert_int_equal(ask("SELECT sum(sum) FROM account"), 1000 * ACCOUNTS);
}

/* ---- Power cuts */

#define TRANSACTIONS 16

static const char *mode;
static unsigned acked_at[TRANSACTIONS + 1]; /* requests answered by then */
static uint64_t states[TRANSACTIONS + 1];

static void begin_database(const char *journal_mode)
{
    char *sql = sqlite3_mprintf("PRAGMA page_size=1024;"
                                "PRAGMA auto_vacuum=FULL;"
                                "PRAGMA journal_mode=%s;"
                                "PRAGMA wal_autocheckpoint=15;"
                                "PRAGMA cache_size=4",
                                journal_mode);

    must(sql);
    sqlite3_free(sql);
}

static void fill_accounts(void)
{
    must(schema);
    must("WITH RECURSIVE i(n) AS (VALUES(0) UNION ALL SELECT n+1 FROM i "
         "WHERE n < 39) INSERT INTO account SELECT n, 1000, '' FROM i");
}

static void record_transactions(struct fiber *f)
{
    (void)f;
    assert_int_equal(sqlite_add(&disk, &ram.volume, false), 0);
    db = connect();
    begin_database(mode);
    fill_accounts();
    ram_volume_record(&ram);
    states[0] = contents();
    acked_at[0] = 0;
    for (unsigned n = 1; n <= TRANSACTIONS; n++) {
        char *sql = transaction(n);

        must(sql);
        sqlite3_free(sql);
        acked_at[n] = ram.nr_ops;
        states[n] = contents();
    }
    check_sound();
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    sqlite_remove(&disk);
}

static struct ram_volume after; /* the power cut */
static unsigned acked;

/* What was acknowledged is there, and at most the transaction after it. */
static void check_recovery(struct fiber *f)
{
    unsigned n;
    char *sql;

    (void)f;
    assert_int_equal(sqlite_add(&disk, &after.volume, false), 0);
    db = connect();
    n = (unsigned)ask("SELECT ifnull(max(n), 0) FROM done");
    assert_in_range(n, acked, acked + 1);
    assert_true(contents() == states[n]);
    check_sound();
    must("PRAGMA wal_autocheckpoint=15");
    sql = transaction(n + 1);
    must(sql);
    sqlite3_free(sql);
    check_sound();
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    sqlite_remove(&disk);
}

static void cut_everywhere(const char *journal_mode, unsigned block_sectors)
{
    mode = journal_mode;
    start(block_sectors);
    run(record_transactions);
    assert_true(ram.nr_ops > 2 * TRANSACTIONS);
    acked = 0;
    for (unsigned i = 0; i <= ram.nr_ops; i++) {
        while (acked < TRANSACTIONS && acked_at[acked + 1] <= i)
            acked++;
        ram_volume_init(&after, &loop, VOLUME_BYTES, block_sectors);
        ram_volume_cut(&ram, i, after.bytes);
        run(check_recovery);
        ram_volume_free(&after);
    }
    stop();
}

static void test_power_cuts_wal(void **state)
{
    (void)state;
    cut_everywhere("wal", 1);
}

static void test_power_cuts_wal_4k(void **state)
{
    (void)state;
    cut_everywhere("wal", 8);
}

static void test_power_cuts_delete(void **state)
{
    (void)state;
    cut_everywhere("delete", 1);
}

static void test_power_cuts_delete_4k(void **state)
{
    (void)state;
    cut_everywhere("delete", 8);
}

static void test_power_cuts_truncate(void **state)
{
    (void)state;
    cut_everywhere("truncate", 1);
}

static void test_power_cuts_persist(void **state)
{
    (void)state;
    cut_everywhere("persist", 1);
}

/* ---- A disk that fails now and then */

static const unsigned *failure;

/* Until it is there: what failed is undone and done again, with failures that
 * are further apart. */
static void insist(unsigned n)
{
    char *sql = transaction(n);

    for (unsigned i = 0; i < 100; i++) {
        if (!try(sql))
            break;
        ram_volume_fail(&ram, 0);
        if (!sqlite3_get_autocommit(db))
            must("ROLLBACK");
        if (ask("SELECT ifnull(max(n), 0) FROM done") == n)
            break; /* it was the answer that got lost */
        ram_volume_fail(&ram, *failure * (i + 2));
    }
    sqlite3_free(sql);
    ram_volume_fail(&ram, 0);
    assert_int_equal(ask("SELECT max(n) FROM done"), n);
    check_sound();
}

static void fail_transactions(struct fiber *f)
{
    (void)f;
    assert_int_equal(sqlite_add(&disk, &ram.volume, false), 0);
    db = connect();
    begin_database(mode);
    fill_accounts();
    for (unsigned n = 1; n <= TRANSACTIONS; n++) {
        ram_volume_fail(&ram, *failure);
        insist(n);
    }
    assert_true(ram.failures > TRANSACTIONS);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    sqlite_remove(&disk);
    assert_int_equal(sqlite_add(&disk, &ram.volume, false), 0);
    db = connect();
    assert_int_equal(ask("SELECT max(n) FROM done"), TRANSACTIONS);
    check_sound();
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    sqlite_remove(&disk);
}

static void test_every_nth_request_fails(void **state)
{
    static const unsigned nths[] = {3, 5, 7, 8, 11, 16};
    static const char *const modes[] = {"wal", "delete", "persist"};

    (void)state;
    for (unsigned m = 0; m < 3; m++) {
        for (unsigned i = 0; i < 6; i++) {
            mode = modes[m];
            failure = &nths[i];
            start(1);
            run(fail_transactions);
            stop();
        }
    }
}

/* ---- A volume that is full */

static void fill_up(struct fiber *f)
{
    int64_t before;
    int error;

    (void)f;
    assert_int_equal(sqlite_add(&disk, &ram.volume, false), 0);
    db = connect();
    begin_database(mode);
    fill_accounts();
    do {
        before = ask("SELECT count(*) FROM done");
        error = try("INSERT INTO done VALUES(NULL, zeroblob(5000))");
    } while (!error);
    assert_int_equal(error, SQLITE_FULL);
    assert_int_equal(ask("SELECT count(*) FROM done"), before);
    assert_in_range(before, 50, VOLUME_BYTES / 5000);
    check_sound();
    /* A smaller one fits again once something is gone. */
    must("DELETE FROM done WHERE n < 4");
    must("PRAGMA wal_checkpoint(TRUNCATE)");
    must("INSERT INTO done VALUES(NULL, zeroblob(5000))");
    check_sound();
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    sqlite_remove(&disk);
}

static void test_full_volume(void **state)
{
    static const char *const modes[] = {"wal", "delete"};

    (void)state;
    for (unsigned m = 0; m < 2; m++) {
        mode = modes[m];
        start(1);
        run(fill_up);
        stop();
    }
}

/* ---- Several connections */

static void two_connections(struct fiber *f)
{
    sqlite3 *other;

    (void)f;
    assert_int_equal(sqlite_add(&disk, &ram.volume, false), 0);
    db = connect();
    begin_database(mode);
    fill_accounts();
    other = connect();
    must("BEGIN IMMEDIATE; UPDATE account SET sum = sum + 1 WHERE id = 1");
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", 0, 0, 0),
                     SQLITE_BUSY);
    /* It reads what was committed. */
    assert_int_equal(
        sqlite3_exec(other, "BEGIN; SELECT min(sum) FROM account", 0, 0, 0),
        SQLITE_OK);
    assert_int_equal(try("COMMIT"), strcmp(mode, "wal") ? SQLITE_BUSY : 0);
    assert_int_equal(sqlite3_exec(other, "COMMIT", 0, 0, 0), SQLITE_OK);
    assert_int_equal(try("COMMIT"), strcmp(mode, "wal") ? 0 : SQLITE_ERROR);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", 0, 0, 0),
                     SQLITE_OK);
    assert_int_equal(try("UPDATE account SET sum = 0"), SQLITE_BUSY);
    assert_int_equal(sqlite3_exec(other,
                                  "UPDATE account SET sum = sum - 1 "
                                  "WHERE id = 1; COMMIT",
                                  0, 0, 0),
                     SQLITE_OK);
    check_sound();
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(disk.nr_readers + disk.nr_mapped, 0);
    assert_null(disk.writer);
    sqlite_remove(&disk);
}

static void test_two_connections(void **state)
{
    static const char *const modes[] = {"wal", "delete"};

    (void)state;
    for (unsigned m = 0; m < 2; m++) {
        mode = modes[m];
        start(1);
        run(two_connections);
        stop();
    }
}

/* ---- From one journal mode to another, and names */

static void change_modes(struct fiber *f)
{
    static const char *const modes[] = {"wal",      "persist", "wal",
                                        "truncate", "delete",  "persist",
                                        "delete",   "wal",     "memory"};

    (void)f;
    assert_int_equal(sqlite_add(&disk, &ram.volume, false), 0);
    db = connect();
    fill_accounts();
    for (unsigned i = 0; i < 9; i++) {
        char *sql = sqlite3_mprintf("PRAGMA journal_mode=%s", modes[i]);

        assert_true(says(sql, modes[i]));
        sqlite3_free(sql);
        sql = transaction(i + 1);
        must(sql);
        sqlite3_free(sql);
        check_sound();
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    sqlite_remove(&disk);
}

static void test_journal_modes(void **state)
{
    (void)state;
    start(8);
    run(change_modes);
    stop();
}

static void open_others(struct fiber *f)
{
    sqlite3 *conn;

    (void)f;
    assert_int_equal(sqlite_add(&disk, &ram.volume, false), 0);
    db = connect();
    fill_accounts();
    assert_int_equal(try("ATTACH 'xvdb' AS other"), SQLITE_CANTOPEN);
    assert_int_equal(try("ATTACH 'xvda-journal' AS other"), SQLITE_CANTOPEN);
    must("ATTACH ':memory:' AS other; CREATE TABLE other.t(x)");
    must("CREATE TEMP TABLE mine AS SELECT * FROM account");
    must("VACUUM");
    assert_int_equal(try("VACUUM INTO 'copy'"), SQLITE_CANTOPEN);
    check_sound();
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(sqlite3_open("nowhere", &conn), SQLITE_CANTOPEN);
    sqlite3_close(conn);
    sqlite_remove(&disk);
}

static void test_names(void **state)
{
    (void)state;
    start(1);
    run(open_others);
    stop();
}

/* ---- A read-only disk */

static void read_only(struct fiber *f)
{
    (void)f;
    assert_int_equal(sqlite_add(&disk, &ram.volume, false), 0);
    db = connect();
    must("PRAGMA journal_mode=wal");
    fill_accounts();
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    sqlite_remove(&disk);
    ram.volume.read_only = true;
    assert_int_equal(sqlite_add(&disk, &ram.volume, false), 0);
    db = connect();
    check_sound();
    assert_int_equal(try("DELETE FROM account"), SQLITE_READONLY);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    sqlite_remove(&disk);
}

static void test_read_only(void **state)
{
    (void)state;
    start(1);
    run(read_only);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(test_power_cuts_wal),
        test_on_fake(test_power_cuts_wal_4k),
        test_on_fake(test_power_cuts_delete),
        test_on_fake(test_power_cuts_delete_4k),
        test_on_fake(test_power_cuts_truncate),
        test_on_fake(test_power_cuts_persist),
        test_on_fake(test_every_nth_request_fails),
        test_on_fake(test_full_volume),
        test_on_fake(test_two_connections),
        test_on_fake(test_journal_modes),
        test_on_fake(test_names),
        test_on_fake(test_read_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
