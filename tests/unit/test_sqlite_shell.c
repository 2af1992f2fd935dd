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

/* ---- Work within one instruction of SQLite's */

/* Each has one instruction, or a few, that nobody would ask about. t(a, b, c)
 * has so many rows, f such a text; rep(n, text) is the text n times. */
static const struct {
    unsigned rows;
    const char *sql;
} works[] = {
    {0, "SELECT instr(rep(800000, 'a'), rep(400000, 'a') || 'b')"},
    {0, "SELECT instr(rep(800000, 'a'), rep(250, 'a') || 'b')"},
    {0, "SELECT instr(CAST(rep(800000, 'a') AS BLOB),"
        " CAST(rep(400000, 'a') || 'b' AS BLOB))"},
    {0, "SELECT replace(rep(800000, 'a'), rep(400000, 'a') || 'b', '')"},
    {0, "SELECT trim(rep(9000, 'a'), rep(9000, 'b') || 'a')"},
    {0, "SELECT ltrim(rep(9000, 'a'), rep(9000, 'b') || 'a')"},
    {0, "SELECT rtrim(rep(9000, 'a'), rep(9000, 'b') || 'a')"},
    {0, "SELECT unhex(rep(9000, '-'), rep(9000, '.') || '-')"},
    {0, "SELECT rep(80000, 'a') LIKE '%' || rep(250, 'a') || 'b'"},
    {0, "SELECT rep(80000, 'ä') LIKE '%' || rep(100, 'ä') || 'b'"},
    {0, "SELECT rep(80000, 'a') GLOB '*' || rep(250, 'a') || 'b'"},
    {0, "SELECT rep(80000, 'a') GLOB '*[a]' || rep(240, 'a') || 'b'"},
    {0, "SELECT strftime(rep(90000, '%j'), 0)"},
    {0, "SELECT json_valid('[1' || rep(400000, ',1') || ']')"},
    {0, "SELECT json(jsonb('[1' || rep(400000, ',1') || ']'))"},
    {0, "SELECT * FROM json_each('[1' || rep(400000, ',1') || ']')"},
    {0, "SELECT json_valid(jsonb('[1' || rep(400000, ',1') || ']'), 8)"},
    {0, "SELECT json_set('[1' || rep(200000, ',1') || ']', '$[#]', 2,"
        " '$[#]', 3, '$[#]', 4, '$[#]', 5, '$[#]', 6, '$[#]', 7)"},
    {2000, "SELECT json_patch((SELECT json_group_object('k' || a, a) FROM t),"
           " (SELECT json_group_object('l' || a, a) FROM t))"},
    {2000, "SELECT json_group_array(hex(c)) OVER (ORDER BY a ROWS BETWEEN"
           " 1000 PRECEDING AND CURRENT ROW) FROM t"},
    {2000, "SELECT group_concat(hex(c)) OVER (ORDER BY a ROWS BETWEEN"
           " 1000 PRECEDING AND CURRENT ROW) FROM t"},
    {9000, "SELECT a FROM t ORDER BY b, a"},
    {9000, "CREATE INDEX i ON t(b)"},
    {9000, "SELECT count(*) FROM t"},
    {9000, "DELETE FROM t"},
    {9000, "DROP TABLE t"},
    {5000, "SELECT snippet(f, 0, '<', '>', '...', 9) FROM f('a')"},
    /* What takes the length alone, but many times before anybody asks */
    {50, "SELECT sum(length(hex(zeroblob(90000 + a)))) FROM t"},
    {50, "SELECT sum(length(randomblob(900000 + a))) FROM t"},
    {50, "SELECT sum(length(printf('%*d', 900000 + a, a))) FROM t"},
    {50, "SELECT sum(length(upper(rep(900000 + a, 'a')))) FROM t"},
    {50, "SELECT sum(length(substr(rep(900000, 'a'), a))) FROM t"},
    {50, "SELECT sum(length(rep(900000, 'a') || a)) FROM t"},
    {50, "SELECT group_concat(rep(900000, 'a')) FROM t"},
    {50, "SELECT sum(a) FROM t WHERE rep(900000, a) > rep(900000, 'a')"},
};
#define LOOKS 9 /* they are asked so often, and then told to end */

static unsigned nr_looks;

static bool look(void *arg)
{
    (void)arg;
    return ++nr_looks < LOOKS;
}

static void rep(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    size_t nr = (size_t)sqlite3_value_int(argv[0]);
    const char *text = (const char *)sqlite3_value_text(argv[1]);
    size_t bytes = strlen(text);
    char *all = malloc(nr * bytes + 1);

    (void)argc;
    for (size_t i = 0; i < nr; i++)
        memcpy(all + i * bytes, text, bytes);
    sqlite3_result_text(context, all, (int)(nr * bytes), free);
}

static sqlite3 *work_open(unsigned rows)
{
    char sql[600];
    sqlite3 *db;

    sqlite3_open_v2("work", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                    "memdb");
    sqlite3_create_function(db, "rep", 2, SQLITE_UTF8, NULL, rep, NULL, NULL);
    snprintf(sql, sizeof(sql),
             "CREATE TABLE t(a, b, c); CREATE VIRTUAL TABLE f USING fts5(x);"
             "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n"
             " WHERE x < %u) INSERT INTO t SELECT x, x * 7919 %% %u,"
             " zeroblob(900) FROM n; INSERT INTO f VALUES(rep(%u, 'a '))",
             rows, rows + 1, rows);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    return db;
}

/* SQLite's progress handler is not set here: what ends the statement is the
 * work itself. */
static void test_long_work(void **state)
{
    (void)state;
    start();
    sqlite3_hard_heap_limit64(100 << 20);
    for (unsigned i = 0; i < array_size(works); i++) {
        sqlite3 *db = work_open(works[i].rows);
        int rc;

        nr_looks = 0;
        sqlite_watch(look, NULL);
        rc = sqlite3_exec(db, works[i].sql, NULL, NULL, NULL);
        sqlite_watch(NULL, NULL);
        if (nr_looks != LOOKS || rc == SQLITE_OK)
            fail_msg("%s: %u looks, %s", works[i].sql, nr_looks,
                     sqlite3_errstr(rc));
        /* The same, undisturbed, is only long: it is not wrong afterwards. */
        assert_int_equal(sqlite3_exec(db, "PRAGMA integrity_check; SELECT 1",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
    }
    stop();
}

/* Names that are looked for among many columns: before there is a program. */
static void test_long_compiling(void **state)
{
    sqlite3 *db = work_open(1);
    sqlite3_str *sql = sqlite3_str_new(NULL);
    sqlite3_stmt *stmt;
    char *text;

    (void)state;
    sqlite3_str_appendall(sql, "CREATE TABLE w(c0");
    for (unsigned i = 1; i < 1999; i++)
        sqlite3_str_appendf(sql, ", c%u", i);
    sqlite3_str_appendall(sql, ")");
    text = sqlite3_str_finish(sql);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_free(text);
    sql = sqlite3_str_new(NULL);
    sqlite3_str_appendall(sql, "SELECT v.c0");
    for (unsigned i = 1; i < 1999; i++)
        sqlite3_str_appendf(sql, ", v.c%u", i);
    sqlite3_str_appendall(sql, " FROM w AS v, w AS x");
    text = sqlite3_str_finish(sql);
    nr_looks = 0;
    sqlite_watch(look, NULL);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL),
                     SQLITE_INTERRUPT);
    sqlite_watch(NULL, NULL);
    assert_int_equal(nr_looks, LOOKS);
    sqlite3_free(text);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The server's limit holds within a function, and the loop turns. */
static void test_long_function(void **state)
{
    const struct fake_config slow = {.tick_ns = 10 * NS_PER_MS};
    uint64_t turns;

    (void)state;
    start_with("xvda", &slow);
    join(&one);
    answers(&one, "SELECT length(printf('%.*c', 800000, 'a'));",
            "800000\n-- ok, 1 row\n");
    turns = loop.turns;
    answers(&one,
            "SELECT instr(printf('%.*c', 800000, 'a'),"
            " printf('%.*cb', 400000, 'a'));",
            "-- error 9: took longer than a statement may\n");
    assert_true(loop.turns > turns + 100);
    answers(&one, "SELECT 1;", "1\n-- ok, 1 row\n");
    begin(&one,
          "SELECT instr(printf('%.*c', 800000, 'a'),"
          " printf('%.*cb', 400000, 'a'));",
          SIZE_MAX);
    fake_run_for(&loop, NS_PER_S);
    leave(&one); /* while it runs */
    fake_run_until(&loop, !server.nr_clients, NS_PER_S);
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

/* ---- .dump */

/* All that a database can be made of. */
static const char whole[] =
    "PRAGMA user_version = -7; PRAGMA application_id = 1234567;"
    "CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT, b UNIQUE, c AS (b));"
    "INSERT INTO t(b) VALUES('x'), (x'00ff'), (NULL), (1.5e300), (9e999);"
    "DELETE FROM t WHERE a = 5;"
    "CREATE TABLE \"a\"\"b\"(\"c\"\"d\" INT, e TEXT) STRICT;"
    "INSERT INTO \"a\"\"b\" VALUES(1, 'y');"
    "CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID;"
    "INSERT INTO w VALUES('k', 'v');"
    "CREATE INDEX i ON t(b, a); CREATE INDEX j ON w(v) WHERE v > 'a';"
    "CREATE VIEW v AS SELECT a FROM t;"
    "CREATE TABLE doc(id INTEGER PRIMARY KEY, x);"
    "INSERT INTO doc VALUES(3, 'sea and sky'), (9, 'sky');"
    "CREATE VIRTUAL TABLE f USING fts5(x, y, tokenize = porter);"
    "INSERT INTO f(rowid, x, y) VALUES(40, 'waves roll', 'a'), (7, 'sea', '');"
    "INSERT INTO f(f, rank) VALUES('automerge', 7);"
    "INSERT INTO f(f, rank) VALUES('rank', 'bm25(10.0, 5.0)');"
    "CREATE VIRTUAL TABLE g USING fts5(x, content = doc, content_rowid = id);"
    "INSERT INTO g(g) VALUES('rebuild');"
    "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1, y0, y1, +label);"
    "INSERT INTO r VALUES(5, 0.1, 0.2, -1, 1, 'five'), (2, 1, 2, 3, 4, NULL);"
    "CREATE TRIGGER tr AFTER INSERT ON t BEGIN"
    " INSERT INTO w VALUES(new.a, 'never'); END;"
    "VACUUM; ANALYZE;";

static const char asked[] =
    "PRAGMA user_version; PRAGMA application_id; PRAGMA encoding;"
    "SELECT * FROM t; SELECT * FROM w; SELECT * FROM sqlite_sequence;"
    "SELECT * FROM \"a\"\"b\"; SELECT * FROM sqlite_stat1 ORDER BY 1, 2;"
    "SELECT rowid, * FROM f('wave'); SELECT rowid FROM f('sea OR roll');"
    "SELECT id, doc.x FROM g('sky'), doc WHERE g.rowid = id;"
    "SELECT k, v FROM f_config WHERE k <> 'version';"
    "SELECT * FROM r WHERE x1 < 1; SELECT count(*) FROM r;"
    "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE '%\\_%'"
    " ESCAPE '\\' ORDER BY 1, 2; PRAGMA integrity_check;";

/* What is loaded from a dump says the same to all questions. */
static void compare_dump(const char *encoding)
{
    static char dump[OUT_MAX], said[OUT_MAX];

    start();
    join(&one);
    ask(&one, encoding);
    if (strstr(ask(&one, whole), "error"))
        fail_msg("%s", one.out);
    if (strstr(strcpy(said, ask(&one, asked)), "error"))
        fail_msg("%s", said);
    strcpy(dump, ask(&one, "\n.dump\n"));
    if (!strstr(dump, "\nCOMMIT;\n-- ok\n"))
        fail_msg("%s", dump);
    leave(&one);
    stop();
    start();
    join(&one);
    if (strstr(ask(&one, dump), "error"))
        fail_msg("%s\n%s", dump, one.out);
    answers(&one, asked, said);
    answers(&one, "\n.dump\n", dump);
    leave(&one);
    stop();
}

static void test_dump_is_the_same_database(void **state)
{
    (void)state;
    compare_dump("SELECT 1;");
    compare_dump("PRAGMA encoding = 'UTF-16le';");
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
        test_on_fake(test_long_work),
        test_on_fake(test_long_compiling),
        test_on_fake(test_long_function),
        test_on_fake(test_too_many),
        test_on_fake(test_in_memory),
        test_on_fake(test_dump_is_the_same_database),
        test_on_fake(test_no_memory),
        test_on_fake(test_nesting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
