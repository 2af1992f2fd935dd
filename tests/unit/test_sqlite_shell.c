/* SPDX-License-Identifier: MIT */
/*
 * apps/sqlite without a network: what commands are answered with, however
 * their bytes arrive; clients in turn, locks, limits, and the end. The database
 * lies on a volume in memory.
 */
// sources: apps/sqlite/shell.c apps/sqlite/shell_dot.c
// sources: apps/sqlite/shell_dump.c apps/sqlite/shell_input.c
// sources: apps/sqlite/shell_row.c apps/sqlite/shell_scan.c
// sources: apps/sqlite/shell_server.c
// sources: database/sqlite.c database/sqlite_lock.c database/database.c
// sources: disk/volume.c
// sources: kernel/fiber.c kernel/fiber_switch.c kernel/loop.c kernel/app.c
// sources: kernel/options.c
// sources: kernel/page.c
// sources: kernel/log.c kernel/random.c xen/evtchn.c
// sources: tests/unit/ram_volume.c
// sources: tests/fake/fiber.c tests/fake/hv.c sqlite
#include "tests/unit/test.h"

#include "apps/sqlite/shell_server.h"
#include "tests/unit/ram_volume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VOLUME_BYTES (16u << 20)
#define HEAP_BYTES   (16u << 20)
#define OUT_MAX      100000

static struct loop loop;
static struct pages pages;
static struct random chance;
static struct ram_volume ram;
static struct app app;
static struct shell_server server;
static int status;

/* ---- The one disk, in the place of disk/disks.c */

void disks_init(struct disks *disks, struct app *a)
{
    disks->app = a;
}

int disks_open(struct disks *disks, const char *name, struct volume **volume)
{
    (void)disks, (void)name;
    *volume = &ram.volume;
    return 0;
}

void disks_leave(struct disks *disks)
{
    (void)disks;
}

void disks_close(struct disks *disks)
{
    (void)disks;
}

/* ---- Clients: what they are answered is kept. */

struct tester {
    struct shell_client *client;
    char out[OUT_MAX];
    size_t bytes;
    bool is_slow; /* takes nothing */
};

struct test_client {
    struct shell_client client;
    struct tester *tester;
};

static void take(struct tester *t)
{
    const char *bytes;
    size_t len;

    while (!t->is_slow && shell_output(&t->client->shell, &bytes, &len)) {
        assert_true(t->bytes + len < OUT_MAX);
        memcpy(t->out + t->bytes, bytes, len);
        t->bytes += len;
        t->out[t->bytes] = '\0';
        shell_taken(&t->client->shell, len);
    }
}

static void changed(struct shell_client *client)
{
    take(container_of(client, struct test_client, client)->tester);
}

static void join(struct tester *t)
{
    struct test_client *c = calloc(1, sizeof(*c));

    *t = (struct tester){.client = &c->client};
    c->tester = t;
    c->client.changed = changed;
    assert_int_equal(shell_server_join(&server, &c->client), 0);
}

static void leave(struct tester *t)
{
    shell_server_leave(t->client);
    t->client = NULL;
}

static bool is_idle(const struct tester *t)
{
    return t->client->place == SHELL_RESTS &&
           !shell_is_ready(&t->client->shell);
}

/* Bytes arrive, `step` at a time; what is not taken is offered again. */
static void begin(struct tester *t, const char *text, size_t step)
{
    size_t len = strlen(text), at = 0;

    while (at < len) {
        size_t n = len - at < step ? len - at : step;

        at += shell_receive(&t->client->shell, text + at, n);
        shell_server_wake(t->client);
        if (at < len && t->client->shell.input.command != SHELL_NONE)
            fake_run_until(&loop, is_idle(t), 100 * NS_PER_S);
    }
}

static const char *ask(struct tester *t, const char *text)
{
    t->bytes = 0;
    t->out[0] = '\0';
    begin(t, text, SIZE_MAX);
    fake_run_until(&loop, is_idle(t), 100 * NS_PER_S);
    return t->out;
}

#define answers(t, text, expected) assert_string_equal(ask(t, text), expected)

/* ---- A server */

static void opened(struct shell_server *s, int error)
{
    (void)s;
    status = error;
}

static void start_with(const char *disk, const struct fake_config *config)
{
    fake_start(config);
    loop_init(&loop);
    pages_init(&pages);
    random_init(&chance);
    ram_volume_init(&ram, &loop, VOLUME_BYTES, 1);
    app = (struct app){.loop = &loop, .pages = &pages, .random = &chance};
    server = (struct shell_server){
        .app = &app,
        .disk = disk,
        .journal = "wal",
        .clients_max = 4,
        .heap_bytes = HEAP_BYTES,
        .statement_ns = 10 * NS_PER_S,
        .opened = opened,
        .site.command_bytes = 1000,
    };
    status = 1;
    assert_int_equal(shell_server_start(&server), 0);
    fake_run_until(&loop, status <= 0, NS_PER_S * 100);
    assert_int_equal(status, 0);
}

static void start(void)
{
    start_with("xvda", NULL);
}

static void stop(void)
{
    shell_server_stop(&server);
    assert_int_equal(server.nr_clients, 0);
    assert_int_equal(sqlite3_memory_used(), 0);
    ram_volume_free(&ram);
    assert_int_equal(pages.nr_used, 0);
}

static struct tester one, two, three;

/* ---- Tests */

static const char script[] =
    "-- a comment; .help\n"
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b); INSERT INTO t\n"
    "VALUES(1, 'x;y'), (2, char(10) || '--');\n"
    "  \n.mode tabs\r\n"
    "SELECT a, b, NULL, x'0aff', 1.5 FROM t; SELECT '--', '--';\n"
    "SELECT nobody;INSERT INTO t VALUES(1, 2);;\n"
    "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END;\n"
    ".tables\n.what\n.tables now\nDELETE FROM t WHERE a = 9;";

static const char script_answers[] =
    "-- ok\n-- ok, 2 changed\n-- ok\n"
    "1\tx;y\t\\N\t\\x0aff\t1.5\n2\t\\n--\t\\N\t\\x0aff\t1.5\n-- ok, 2 rows\n"
    "\\--\t--\n-- ok, 1 row\n"
    "-- error 1: no such column: nobody\n"
    "-- error 19: UNIQUE constraint failed: t.a\n-- ok\n-- ok\n"
    "t\n-- ok, 1 row\n"
    "-- error: no such command as .what: try .help\n"
    "-- error: .tables stands alone\n-- ok\n";

static void test_answers(void **state)
{
    (void)state;
    for (size_t step = 1; step < 40; step++) {
        start();
        join(&one);
        begin(&one, script, step);
        fake_run_until(&loop, is_idle(&one), 100 * NS_PER_S);
        assert_string_equal(one.out, script_answers);
        leave(&one);
        stop();
    }
}

static void test_commands_that_are_wrong(void **state)
{
    static char large[3000];

    (void)state;
    start();
    join(&one);
    memset(large, 'x', sizeof(large) - 1);
    memcpy(large, "SELECT '", 8);
    memcpy(large + sizeof(large) - 4, "';", 3);
    answers(&one, large, "-- error: a command is longer than is allowed\n");
    one.bytes = 0;
    shell_receive(&one.client->shell, "SELECT\0 1;", 10);
    shell_server_wake(one.client);
    fake_run_until(&loop, is_idle(&one), NS_PER_S);
    assert_string_equal(one.out, "-- error: a command has a NUL in it\n");
    answers(&one, "PRAGMA busy_timeout=100;", "-- error 23: not authorized\n");
    answers(&one, "SELECT zeroblob(100000000);",
            "-- error 18: string or blob too big\n");
    one.bytes = 0;
    begin(&one, "SELECT 1; DELETE FROM", SIZE_MAX);
    shell_finish(&one.client->shell);
    shell_server_wake(one.client);
    fake_run_until(&loop, one.client->shell.is_over, NS_PER_S);
    take(&one);
    assert_string_equal(
        one.out, "1\n-- ok, 1 row\n-- error: the last statement does not end "
                 "in ; and was not run\n");
    leave(&one);
    stop();
}

static const char numbers[] = "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL "
                              "SELECT x + 1 FROM c LIMIT 4000) SELECT x FROM "
                              "c;";

/* A reader who takes nothing has one piece of its rows made, and others are
 * served meanwhile. */
static void test_back_pressure(void **state)
{
    unsigned lines = 0;

    (void)state;
    start();
    join(&one);
    join(&two);
    one.is_slow = true;
    begin(&one, numbers, SIZE_MAX);
    fake_run_until(&loop, is_idle(&one), NS_PER_S);
    assert_true(one.client->shell.out_bytes < SHELL_ROWS_BYTES + 100);
    answers(&two, "CREATE TABLE t(a); SELECT 2;", "-- ok\n2\n-- ok, 1 row\n");
    one.is_slow = false;
    while (take(&one), shell_server_wake(one.client), !is_idle(&one))
        loop_turn(&loop);
    for (size_t i = 0; i < one.bytes; i++)
        lines += one.out[i] == '\n';
    assert_int_equal(lines, 4001);
    leave(&one);
    leave(&two);
    stop();
}

/* Who needs a lock waits for it, first come first served, and not for ever. */
static void test_locks(void **state)
{
    (void)state;
    start();
    join(&one);
    join(&two);
    join(&three);
    answers(&one, "CREATE TABLE t(a); BEGIN IMMEDIATE;", "-- ok\n-- ok\n");
    begin(&two, "INSERT INTO t VALUES(2);", SIZE_MAX);
    fake_run_for(&loop, NS_PER_S);
    begin(&three, "INSERT INTO t VALUES(3);", SIZE_MAX);
    fake_run_for(&loop, NS_PER_S);
    assert_int_equal(two.client->place, SHELL_BLOCKED);
    assert_int_equal(three.client->place, SHELL_BLOCKED);
    answers(&one, "INSERT INTO t VALUES(1); COMMIT;",
            "-- ok, 1 changed\n-- ok\n");
    fake_run_until(&loop, is_idle(&two) && is_idle(&three), NS_PER_S);
    answers(&one, "SELECT group_concat(a) FROM t;", "1,2,3\n-- ok, 1 row\n");
    answers(&one, "BEGIN IMMEDIATE;", "-- ok\n");
    answers(&two, "DELETE FROM t;", "-- error 5: database is locked\n");
    begin(&two, "DELETE FROM t;", SIZE_MAX);
    fake_run_for(&loop, NS_PER_S);
    leave(&one); /* and with it goes the lock */
    two.bytes = 0;
    fake_run_until(&loop, is_idle(&two), NS_PER_S);
    assert_string_equal(two.out, "-- ok, 3 changed\n");
    leave(&two);
    leave(&three);
    stop();
}

static const char endless[] = "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL "
                              "SELECT x + 1 FROM c) SELECT count(*) FROM c;";

/* The loop turns, and there is an end. */
static void test_endless_statements(void **state)
{
    const struct fake_config slow = {.tick_ns = 100 * NS_PER_US};
    uint64_t turns;

    (void)state;
    start_with("xvda", &slow);
    join(&one);
    turns = loop.turns;
    answers(&one, endless, "-- error 9: took longer than a statement may\n");
    assert_true(loop.turns > turns + 1000);
    begin(&one, endless, SIZE_MAX);
    fake_run_for(&loop, NS_PER_S);
    leave(&one); /* while it runs */
    fake_run_until(&loop, !server.nr_clients, NS_PER_S);
    join(&one);
    begin(&one, endless, SIZE_MAX);
    fake_run_for(&loop, NS_PER_S);
    leave(&one); /* and so does the guest */
    stop();
}

static void test_too_many(void **state)
{
    struct shell_client *more = calloc(1, sizeof(*more));
    static struct tester testers[4];

    (void)state;
    start();
    for (unsigned i = 0; i < 4; i++)
        join(&testers[i]);
    assert_int_equal(shell_server_join(&server, more), -XEN_EBUSY);
    free(more);
    for (unsigned i = 0; i < 4; i++)
        leave(&testers[i]);
    stop();
}

static void test_in_memory(void **state)
{
    (void)state;
    start_with(":memory:", NULL);
    join(&one);
    answers(&one, "CREATE TABLE t(a); INSERT INTO t VALUES(1);",
            "-- ok\n-- ok, 1 changed\n");
    leave(&one);
    join(&one);
    answers(&one, "SELECT * FROM t;", "1\n-- ok, 1 row\n");
    leave(&one);
    stop();
}

/* Memory ends in the middle of statements, and of opening: an error. */
static void test_no_memory(void **state)
{
    (void)state;
    start();
    for (unsigned kib = 40; kib < 1000; kib += 7) {
        sqlite3_hard_heap_limit64(sqlite3_memory_used() + kib * 1024);
        join(&one);
        ask(&one, ".mode quote\n.headers on\n"
                  "CREATE TABLE IF NOT EXISTS t(a, b UNIQUE);"
                  "INSERT INTO t VALUES(randomblob(60000), random());"
                  "SELECT *, quote(a) FROM t ORDER BY 1 LIMIT 3;"
                  ".dump\n.schema\nDELETE FROM t;");
        assert_int_equal(one.out[one.bytes - 1], '\n');
        one.bytes = 0;
        leave(&one);
        fake_run_until(&loop, !server.nr_clients, NS_PER_S);
        sqlite3_hard_heap_limit64(HEAP_BYTES);
    }
    join(&one);
    answers(&one, "PRAGMA integrity_check;", "ok\n-- ok, 1 row\n");
    leave(&one);
    stop();
}

/* Chains of views and of triggers, each on the one before it: the stack's end
 * is an error of the statement. */
static void test_nesting(void **state)
{
    char sql[200];

    (void)state;
    start();
    join(&one);
    ask(&one, "BEGIN; CREATE VIEW v0 AS SELECT 1 AS a; CREATE TABLE t0(a);");
    for (unsigned i = 1; i < 900; i++) {
        snprintf(sql, sizeof(sql),
                 "CREATE VIEW v%u AS SELECT a FROM v%u;"
                 "CREATE TABLE t%u(a);"
                 "CREATE TRIGGER r%u AFTER INSERT ON t%u BEGIN"
                 " INSERT INTO t%u VALUES(new.a); END;",
                 i, i - 1, i, i, i, i - 1);
        answers(&one, sql, "-- ok\n-- ok\n-- ok\n");
    }
    answers(&one, "SELECT * FROM v899;",
            "-- error 1: the query nests too deeply\n");
    answers(&one, "INSERT INTO t899 VALUES(1);",
            "-- error 1: triggers nest too deeply\n");
    answers(&one, "SELECT * FROM v9; INSERT INTO t9 VALUES(1); ROLLBACK;",
            "1\n-- ok, 1 row\n-- ok, 1 changed\n-- ok\n");
    leave(&one);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(test_answers),
        test_on_fake(test_commands_that_are_wrong),
        test_on_fake(test_back_pressure),
        test_on_fake(test_locks),
        test_on_fake(test_endless_statements),
        test_on_fake(test_too_many),
        test_on_fake(test_in_memory),
        test_on_fake(test_no_memory),
        test_on_fake(test_nesting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
