/* SPDX-License-Identifier: MIT */
/*
 * The append-only file of apps/kv on littlefs on a disk that works, is full,
 * fails, or loses its power at any write.
 *
 * What is expected after a start is known by digests: of all keys, after each
 * command. A start must give one of them, and with fsync=always none that is
 * older than the last command that was answered.
 */
// sources: apps/kv/kv_aof.c apps/kv/kv_load.c apps/kv/kv_rewrite.c
// sources: apps/kv/kv_manifest.c apps/kv/kv_conn.c apps/kv/kv_command.c
// sources: apps/kv/kv_strings.c apps/kv/kv_keys.c apps/kv/kv_admin.c
// sources: apps/kv/kv_info.c apps/kv/kv_scan.c apps/kv/kv_glob.c
// sources: apps/kv/kv_work.c apps/kv/kv_client.c apps/kv/kv_decimal.c
// sources: apps/kv/kv_multi.c apps/kv/kv_table.c apps/kv/kv_watch.c
// sources: apps/kv/kv_db.c apps/kv/kv_output.c apps/kv/kv_resp.c
// sources: apps/kv/kv_journal.c apps/kv/kv_store.c apps/kv/kv_hash.c
// sources: apps/kv/kv_text.c fs/fs.c fs/requests.c fs/mounts.c disk/volume.c
// sources: fs/sync.c fs/cache.c fs/erofs.c fs/littlefs.c fs/littlefs_disk.c
// sources: kernel/fiber.c kernel/fiber_switch.c kernel/loop.c kernel/page.c
// sources: kernel/options.c kernel/log.c xen/evtchn.c tests/fake/fiber.c
// sources: tests/fake/hv.c tests/fake/volume.c
// sources: tests/unit/files_world.c erofs lfs
#include "tests/unit/kv_digest.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/kv/kv_conn.h"
#include "apps/kv/kv_load.h"
#include "apps/kv/kv_rewrite.h"
#include "apps/kv/kv_work.h"
#include "tests/unit/files_world.h"

#define NEW     "mount=xvda:littlefs:/:new"
#define OLD     "mount=xvda:littlefs:/"
#define FOLDER  "/appendonlydir/appendonly.aof."
#define INCR    FOLDER "1.incr.aof"
#define SECTORS 2048
#define KEYS    12
#define WAIT_NS (100 * NS_PER_S)

static struct kv kv;
static struct kv_aof aof;
static struct kv_conn conn;
static char out[65536];
static size_t out_bytes;
static bool is_loaded, is_stopped, was_reset;
static bool may_cut; /* kv.damaged=cut */
static int load_status;
static unsigned nr_answered; /* while there was power */

/* ---- A server without a network */

static void on_batch_begins(struct kv_aof *a)
{
    (void)a;
    kv_conn_batch_begins(&conn);
}

static void on_batch_ends(struct kv_aof *a, int status)
{
    (void)a;
    if (!status)
        kv_conn_batch_ends(&conn);
    else
        was_reset |= kv_conn_is_withheld(&conn);
}

static void on_loaded(struct kv_aof *a, int status)
{
    is_loaded = true;
    load_status = status;
    if (!status)
        kv_aof_begin(a);
}

static void on_stopped(struct kv_aof *a, int status)
{
    (void)a;
    (void)status;
    is_stopped = true;
}

static int rewrite(struct kv *k)
{
    (void)k;
    return kv_rewrite_start(&aof);
}

/* Returns the status of loading. */
static int kv_up(enum kv_policy policy)
{
    kv = (struct kv){
        .store.memory = &files.pages,
        .store.now_ms = 1000000,
        .memory_max = 4 << 20,
        .held_max = 4 << 20,
        .word_max = 4 << 20,
        .outputs.bytes_max = 1 << 20,
        .clients_max = 10,
        .rewrite = rewrite,
        .disk.policy = "x",
    };
    aof = (struct kv_aof){
        .kv = &kv,
        .fs = &files.fs,
        .loop = &files.loop,
        .place = "",
        .policy = policy,
        .goes_on = may_cut,
        .rewrite_bytes = 1 << 20,
        .batch_begins = on_batch_begins,
        .batch_ends = on_batch_ends,
    };
    assert_int_equal(kv_db_init(&kv), 0);
    kv_conn_init(&conn, &kv);
    is_loaded = is_stopped = was_reset = false;
    assert_int_equal(kv_load_start(&aof, on_loaded), 0);
    fake_run_until(&files.loop, is_loaded, WAIT_NS);
    return load_status;
}

static void kv_free_all(void)
{
    timer_stop(&files.loop, &aof.timer);
    timer_stop(&files.loop, &aof.retry);
    task_stop(&files.loop, &aof.task);
    free(aof.batch);
    kv_rewrite_forget(&aof);
    kv_conn_end(&conn);
    kv_db_free(&kv);
}

static void kv_down(void)
{
    if (!load_status) {
        if (kv.disk.is_rewriting)
            fake_run_until(&files.loop, !kv.disk.is_rewriting, WAIT_NS);
        kv_aof_stop(&aof, on_stopped);
        fake_run_until(&files.loop, is_stopped, WAIT_NS);
        assert_int_equal(kv.journal.used, 0);
    }
    kv_free_all();
}

static bool is_quiet(void)
{
    return (aof.retry.active || !aof.is_busy) && (!aof.rewrite || aof.job);
}

/* Nothing more reaches the disk; the next one starts with what is there. */
static void pull_the_plug(unsigned keep_percent)
{
    fake_volume.cut_at = fake_volume.is_cut ? 0 : 1;
    fake_run_until(&files.loop, is_quiet(), WAIT_NS);
    kv_free_all();
    files_stop();
    fake_volume_cut(keep_percent);
    fake_volume.cut_at = 0;
    assert_int_equal(files_start(OLD), 0);
}

static void take_output(void)
{
    struct kv_text piece;

    while (kv_conn_output(&conn, &piece)) {
        assert_true(out_bytes + piece.len < sizeof(out));
        memcpy(out + out_bytes, piece.at, piece.len);
        out_bytes += piece.len;
        for (size_t i = 0; i < piece.len && !fake_volume.is_cut; i++)
            nr_answered += piece.at[i] == '\n'; /* a line for each here */
        kv_conn_taken(&conn, piece.len);
    }
    out[out_bytes] = '\0';
}

/* Say it, and do not wait for the answer. */
static void say(const char *request)
{
    char copy[512];
    size_t len = strlen(request);

    memcpy(copy, request, len);
    memcpy(copy + len, "\r\n", 2);
    out_bytes = 0;
    kv_work_turn(&kv);
    assert_int_equal(kv_conn_receive(&conn, copy, len + 2), len + 2);
    while (kv_conn_is_working(&conn) && kv_conn_continue(&conn))
        kv_work_turn(&kv);
    take_output();
}

static const char *ask(const char *request)
{
    say(request);
    fake_run_until(&files.loop, (take_output(), out_bytes) || was_reset,
                   WAIT_NS);
    return out;
}

static void expect(const char *request, const char *answer)
{
    if (strcmp(ask(request), answer))
        fail_msg("%s: %s instead of %s", request, out, answer);
}

#define HISTORY_MAX 20000

static uint64_t history[HISTORY_MAX]; /* after so many commands */
static unsigned nr_done;

static void note(void)
{
    assert_true(nr_done + 1 < HISTORY_MAX);
    history[++nr_done] = kv_digest(&kv.store);
}

static void begin_history(void)
{
    nr_done = nr_answered = 0;
    history[0] = kv_digest(&kv.store);
}

/* What is there is what there was after some command, none of them older than
 * `least`. */
static void check_history(unsigned least)
{
    uint64_t now = kv_digest(&kv.store);

    for (unsigned i = least; i <= nr_done; i++)
        if (history[i] == now)
            return;
    fail_msg("%u commands, %u answered: it is as after none of them", nr_done,
             nr_answered);
}

/* A transaction: what is there changes when EXEC is done, and not before. Each
 * line of an answer has its place in the history. */
static void do_transaction(void)
{
    static const char *const formats[] = {"SET k:%u %u", "APPEND k:%u x%u",
                                          "INCRBY c:%u %u", "SET t:%u %u"};
    unsigned nr = 1 + fake_random_below(4);
    char line[64];

    say("MULTI");
    note();
    for (unsigned i = 0; i < nr; i++) {
        snprintf(line, sizeof(line),
                 formats[fake_random_below(array_size(formats))],
                 fake_random_below(KEYS), 10 + fake_random_below(1000));
        say(line);
        note();
    }
    say("EXEC");
    for (unsigned i = 0; i < 1 + nr; i++)
        note();
}

static void do_randomly(void)
{
    static const char *const formats[] = {
        "SET k:%u %u",           "INCRBY c:%u %u",
        "APPEND k:%u x%u",       "DEL k:%u",
        "SET k:%u %u PX 100000", "PEXPIRE k:%u 10%u",
        "PERSIST k:%u",          "SETRANGE k:%u 3 %u",
        "APPEND long:%u y%u",    "MSET k:%u a k:1 b%u",
        "RENAME k:%u k:0"};
    char line[64];

    if (fake_chance(10)) {
        do_transaction();
    } else {
        if (fake_chance(1))
            strcpy(line, "FLUSHALL");
        else
            snprintf(line, sizeof(line),
                     formats[fake_random_below(array_size(formats))],
                     fake_random_below(KEYS), 10 + fake_random_below(1000));
        say(line);
        note();
    }
    for (unsigned i = 0; i < 50 && !out_bytes && !fake_volume.is_cut; i++) {
        loop_turn(&files.loop);
        take_output();
    }
}

/* ---- Setting up */

static int setup(void **state)
{
    (void)state;
    fake_volume_make(SECTORS, 1);
    return files_start(NEW);
}

static int teardown(void **state)
{
    (void)state;
    files_stop();
    fake_volume_free();
    return 0;
}

static size_t file_bytes(const char *path)
{
    struct fs_stat stat;

    return files_stat(&stat, path) ? 0 : stat.bytes;
}

static size_t read_file(const char *path, char *to, size_t room)
{
    struct fs_file file;
    int n;

    assert_int_equal(files_open(&file, path, FS_READ), 0);
    n = files_pread(&file, to, room, 0);
    assert_in_range(n, 0, room - 1);
    assert_int_equal(files_close(&file), 0);
    to[n] = '\0';
    return (size_t)n;
}

static void write_file(const char *path, const char *bytes, size_t len)
{
    struct fs_file file;

    assert_int_equal(
        files_open(&file, path, FS_WRITE | FS_CREATE | FS_TRUNCATE), 0);
    if (len)
        assert_int_equal(files_pwrite(&file, bytes, len, 0), len);
    assert_int_equal(files_close(&file), 0);
}

/* ---- It is kept */

static void what_was_stored_is_there_again(void **state)
{
    char text[1024];

    (void)state;
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    expect("SET a 1", "+OK\r\n");
    expect("INCR a", ":2\r\n");
    expect("SET t x PX 50000", "+OK\r\n");
    expect("DEL none", ":0\r\n");
    kv_down();
    read_file(INCR, text, sizeof(text));
    assert_string_equal(text, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
                              "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n2\r\n"
                              "*5\r\n$3\r\nSET\r\n$1\r\nt\r\n$1\r\nx\r\n"
                              "$4\r\nPXAT\r\n$7\r\n1050000\r\n");
    read_file("/appendonlydir/appendonly.aof.manifest", text, sizeof(text));
    assert_string_equal(text, "file appendonly.aof.1.incr.aof seq 1 type i\n");
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    expect("MGET a t", "*2\r\n$1\r\n2\r\n$1\r\nx\r\n");
    expect("PTTL t", ":50000\r\n");
    kv_down();
}

static void one_fsync_is_for_all_who_came_meanwhile(void **state)
{
    (void)state;
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    for (unsigned i = 0; i < 100; i++)
        say("INCR a");
    assert_int_equal(out_bytes, 0);
    fake_run_until(&files.loop, kv_journal_is_clean(&kv.journal), WAIT_NS);
    assert_int_equal(kv.disk.fsyncs, 1);
    take_output();
    expect("GET a", "$3\r\n100\r\n");
    kv_down();
}

static void everysec_answers_at_once_and_syncs_each_second(void **state)
{
    (void)state;
    assert_int_equal(kv_up(KV_EVERYSEC), 0);
    for (unsigned i = 0; i < 100; i++) {
        say("SET a 1");
        assert_string_equal(out, "+OK\r\n");
        fake_run_for(&files.loop, NS_PER_S / 20);
    }
    assert_in_range(kv.disk.fsyncs, 4, 6);
    pull_the_plug(0);
    assert_int_equal(kv_up(KV_EVERYSEC), 0);
    expect("GET a", "$1\r\n1\r\n");
    kv_down();
}

/* ---- Power cuts */

static void cut_at_random(enum kv_policy policy, unsigned rounds)
{
    unsigned least;

    for (unsigned round = 0; round < rounds; round++) {
        assert_int_equal(kv_up(policy), 0);
        begin_history();
        fake_volume.cut_at = 1 + fake_random_below(60);
        for (unsigned i = 0; i < 200 && !fake_volume.is_cut; i++) {
            if (fake_chance(4) && !aof.rewrite)
                assert_int_equal(kv_rewrite_start(&aof), 0);
            if (policy != KV_ALWAYS && fake_chance(5))
                fake_run_for(&files.loop, NS_PER_S);
            do_randomly();
        }
        least = policy == KV_ALWAYS ? nr_answered : 0;
        pull_the_plug(50);
        assert_int_equal(kv_up(policy), 0);
        check_history(least);
        kv_down();
    }
}

static void with_always_no_answered_change_is_lost(void **state)
{
    (void)state;
    cut_at_random(KV_ALWAYS, 150);
}

static void with_everysec_some_are_but_in_order(void **state)
{
    (void)state;
    cut_at_random(KV_EVERYSEC, 60);
}

/* ---- Rewriting */

static void a_rewrite_keeps_all_and_makes_it_small(void **state)
{
    uint64_t before;
    char *text = malloc(100000);

    (void)state;
    assert_int_equal(kv_up(KV_NO), 0);
    begin_history();
    for (unsigned i = 0; i < 2000; i++)
        do_randomly();
    say("SETRANGE big 20000 x");
    say("SETRANGE bigger 30000 y");
    say("PEXPIRE bigger 60000");
    before = kv_digest(&kv.store);
    expect("BGREWRITEAOF",
           "+Background append only file rewriting started\r\n");
    expect("BGREWRITEAOF", "-ERR Background append only file rewriting already "
                           "in progress\r\n");
    fake_run_until(&files.loop, !kv.disk.is_rewriting, WAIT_NS);
    assert_int_equal(kv.disk.rewrites, 1);
    kv_down();
    assert_int_equal(file_bytes(INCR), 0);
    read_file("/appendonlydir/appendonly.aof.manifest", text, 100000);
    assert_non_null(strstr(text, "base.aof seq 3 type b\n"));
    assert_int_equal(kv_up(KV_NO), 0);
    assert_true(kv_digest(&kv.store) == before);
    expect("PTTL bigger", ":60000\r\n");
    kv_down();
    free(text);
}

static void what_changes_during_a_rewrite_is_kept(void **state)
{
    uint64_t before;

    (void)state;
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    for (unsigned round = 0; round < 20; round++) {
        begin_history();
        for (unsigned i = 0; i < 20; i++)
            do_randomly();
        assert_int_equal(kv_rewrite_start(&aof), 0);
        while (kv.disk.is_rewriting)
            do_randomly();
        before = kv_digest(&kv.store);
        kv_down();
        assert_int_equal(kv_up(KV_ALWAYS), 0);
        assert_true(kv_digest(&kv.store) == before);
    }
    kv_down();
}

/* The power goes right after a rewrite has ended. What its base has of a
 * command that came meanwhile is a part: the rest of it must be in the file by
 * then. */
static void a_base_has_no_part_of_a_command(void **state)
{
    char line[300];

    (void)state;
    for (unsigned turns = 0; turns < 30; turns++) {
        size_t len = (size_t)sprintf(line, "MSET");

        assert_int_equal(kv_up(KV_EVERYSEC), 0);
        for (unsigned i = 0; i < 5000 && !turns; i++) {
            char set[32];

            snprintf(set, sizeof(set), "SET k:%u a", i);
            say(set);
        }
        fake_run_for(&files.loop, 3 * NS_PER_S);
        begin_history();
        assert_int_equal(kv_rewrite_start(&aof), 0);
        for (unsigned i = 0; i < 16 * turns && kv.disk.is_rewriting; i++)
            loop_turn(&files.loop);
        for (unsigned i = 0; i < 20; i++)
            len += (size_t)sprintf(line + len, " k:%u b%u", i, turns);
        say(line);
        note();
        fake_run_until(&files.loop, !kv.disk.is_rewriting, WAIT_NS);
        pull_the_plug(0);
        assert_int_equal(kv_up(KV_EVERYSEC), 0);
        check_history(0);
        kv_down();
    }
}

/* A long value that goes while it is being written. */
static void a_value_that_expires_during_a_rewrite_stays_away(void **state)
{
    (void)state;
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    expect("SETRANGE big 20000 x", ":20001\r\n");
    expect("PEXPIRE big 1000", ":1\r\n");
    assert_int_equal(kv_rewrite_start(&aof), 0);
    for (unsigned i = 0; i < 12; i++) {
        loop_turn(&files.loop);
        if (i == 6)
            kv.store.now_ms += 2000;
        kv_store_expire(&kv.store, 1000);
    }
    kv_down();
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    kv.store.now_ms += 2000;
    expect("EXISTS big", ":0\r\n");
    kv_down();
}

static void much_is_rewritten_by_itself(void **state)
{
    (void)state;
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    aof.rewrite_bytes = 10000;
    for (unsigned i = 0; i < 1000; i++)
        expect("SET a 1", "+OK\r\n");
    if (kv.disk.is_rewriting)
        fake_run_until(&files.loop, !kv.disk.is_rewriting, WAIT_NS);
    assert_in_range(kv.disk.rewrites, 2, 3);
    assert_true(kv.disk.written_bytes < 20000);
    kv_down();
}

/* ---- A torn end, and damage */

static char whole[4096];
static size_t whole_bytes;

/* Some commands; history has what there is after each. */
static void make_file(void)
{
    static const char *const lines[] = {"SET a 1",
                                        "MSET b 2 c 3",
                                        "INCR a",
                                        "APPEND b more",
                                        "MULTI",
                                        "SET a 7",
                                        "DEL b",
                                        "EXEC",
                                        "DEL c",
                                        "RENAME a f",
                                        "SET d \"x\\r\\ny\"",
                                        "PEXPIRE d 5000"};

    assert_int_equal(kv_up(KV_ALWAYS), 0);
    begin_history();
    for (unsigned i = 0; i < array_size(lines); i++) {
        ask(lines[i]);
        note();
    }
    kv_down();
    whole_bytes = read_file(INCR, whole, sizeof(whole));
}

static void a_torn_end_is_cut_off_at_every_byte(void **state)
{
    unsigned done = 0;

    (void)state;
    make_file();
    for (size_t len = 0; len <= whole_bytes; len++) {
        write_file(INCR, whole, len);
        files.log[0] = '\0';
        assert_int_equal(kv_up(KV_ALWAYS), 0);
        while (done < nr_done && kv_digest(&kv.store) != history[done])
            done++;
        assert_true(kv_digest(&kv.store) == history[done]);
        kv_down();
        assert_true(file_bytes(INCR) <= len);
        assert_int_equal(files_logged("bytes are cut off"),
                         file_bytes(INCR) < len);
        assert_int_equal(kv_up(KV_ALWAYS), 0);
        assert_true(kv_digest(&kv.store) == history[done]);
        kv_down();
    }
    assert_int_equal(done, nr_done);
}

/* With another byte anywhere: refused, or some other data; never a crash, and
 * never a silent loss of what comes after it. */
static void damage_in_the_middle_is_refused(void **state)
{
    char damaged[sizeof(whole)];
    unsigned refused = 0;

    (void)state;
    make_file();
    for (size_t at = 0; at + 60 < whole_bytes; at++) {
        memcpy(damaged, whole, whole_bytes);
        damaged[at] ^= 1;
        write_file(INCR, damaged, whole_bytes);
        if (kv_up(KV_ALWAYS)) {
            refused++;
            assert_int_equal(load_status, -XEN_EIO);
        }
        kv_down();
        assert_int_equal(file_bytes(INCR), whole_bytes);
        aof.goes_on = true;
    }
    assert_true(refused > whole_bytes / 3);
}

static void damage_is_cut_off_when_that_is_wished(void **state)
{
    (void)state;
    make_file();
    whole[whole_bytes / 2] ^= 0x40;
    whole[whole_bytes / 2 + 1] ^= 0x40;
    write_file(INCR, whole, whole_bytes);
    assert_int_equal(kv_up(KV_ALWAYS), -XEN_EIO);
    kv_down();
    assert_true(files_logged("kv.damaged=cut"));
    kv = (struct kv){0};
    assert_int_equal(kv_up(KV_ALWAYS), -XEN_EIO);
    kv_down();
}

#define WORD(text, len) "$" #len "\r\n" text "\r\n"
#define MULTI           "*1\r\n" WORD("MULTI", 5)
#define EXEC            "*1\r\n" WORD("EXEC", 4)
#define SET(key, value) "*3\r\n" WORD("SET", 3) WORD(key, 1) WORD(value, 1)

/* A transaction of which a command cannot be done is left out as a whole,
 * though the ones before it were done by then. */
static void a_damaged_transaction_is_cut_off_as_a_whole(void **state)
{
    static const struct {
        const char *text;
        size_t kept;
    } files_[] = {
        {SET("a", "x") MULTI SET("b", "1") "*2\r\n" WORD("INCR", 4) WORD("a", 1)
             EXEC SET("c", "3"),
         sizeof(SET("a", "x")) - 1},
        {SET("a", "x") MULTI SET("b", "1") MULTI SET("a", "2") EXEC EXEC,
         sizeof(SET("a", "x")) - 1},
        {SET("a", "x") EXEC SET("b", "1"), sizeof(SET("a", "x")) - 1},
    };

    (void)state;
    make_file();
    for (unsigned i = 0; i < array_size(files_); i++) {
        may_cut = false;
        write_file(INCR, files_[i].text, strlen(files_[i].text));
        assert_int_equal(kv_up(KV_ALWAYS), -XEN_EIO);
        kv_down();
        may_cut = true;
        for (unsigned again = 0; again < 2; again++) {
            assert_int_equal(kv_up(KV_ALWAYS), 0);
            expect("MGET a b c", "*3\r\n$1\r\nx\r\n$-1\r\n$-1\r\n");
            kv_down();
            assert_int_equal(file_bytes(INCR), files_[i].kept);
        }
    }
    may_cut = false;
}

/* Longer than what is read at once. */
static void a_long_transaction_is_loaded(void **state)
{
    uint64_t before;
    char line[512];

    (void)state;
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    expect("MULTI", "+OK\r\n");
    memset(line, 'x', sizeof(line));
    for (unsigned i = 0; i < 1000; i++) {
        line[sprintf(line, "SET key:%u", i)] = ' ';
        line[500] = '\0';
        expect(line, "+QUEUED\r\n");
    }
    say("EXEC");
    fake_run_until(&files.loop, (take_output(), out_bytes), WAIT_NS);
    before = kv_digest(&kv.store);
    kv_down();
    assert_true(file_bytes(INCR) > 4 * KV_LOAD_PIECE);
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    assert_true(kv_digest(&kv.store) == before);
    kv_down();
}

static void a_manifest_that_makes_no_sense_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "file",
        "file appendonly.aof.1.incr.aof seq 2 type i\n",
        "file appendonly.aof.1.incr.aof seq x type i\n",
        "file ../x seq 1 type i\n",
        "file appendonly.aof.1.base.rdb seq 1 type b\n",
        "file appendonly.aof.1.incr.aof seq 1 type q\n",
    };

    (void)state;
    make_file();
    for (unsigned i = 0; i < array_size(texts); i++) {
        write_file("/appendonlydir/appendonly.aof.manifest", texts[i],
                   strlen(texts[i]));
        assert_int_not_equal(kv_up(KV_ALWAYS), 0);
        kv_down();
    }
    assert_true(files_logged("aof-use-rdb-preamble"));
}

static void leftovers_of_a_rewrite_are_removed(void **state)
{
    struct fs_stat stat;

    (void)state;
    make_file();
    write_file(FOLDER "7.base.aof", "x", 1);
    write_file(FOLDER "8.incr.aof", "x", 1);
    write_file("/appendonlydir/mine", "x", 1);
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    kv_down();
    assert_int_equal(files_stat(&stat, FOLDER "7.base.aof"), -XEN_ENOENT);
    assert_int_equal(files_stat(&stat, FOLDER "8.incr.aof"), -XEN_ENOENT);
    assert_int_equal(files_stat(&stat, "/appendonlydir/mine"), 0);
}

/* ---- A disk that fails, or is full */

static void a_disk_that_fails_stops_changes_until_it_works(void **state)
{
    (void)state;
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    expect("SET a 1", "+OK\r\n");
    fake_volume.fail_at = 1;
    fake_volume.fail_more = 100;
    say("SET a 2");
    fake_run_until(&files.loop, was_reset, WAIT_NS);
    conn.free_to = conn.out.added; /* a real client would be gone */
    take_output();
    expect("SET a 3", "-MISCONF Errors writing to the AOF file: Input/output "
                      "error\r\n");
    expect("GET a", "$1\r\n2\r\n");
    fake_volume.fail_at = fake_volume.fail_more = 0;
    fake_run_until(&files.loop, !kv.journal.error, WAIT_NS);
    was_reset = false;
    expect("INCR a", ":3\r\n");
    pull_the_plug(0);
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    expect("GET a", "$1\r\n3\r\n");
    kv_down();
}

static void a_full_disk_stops_changes_until_there_is_room(void **state)
{
    static char filler[700000];
    uint64_t before;
    char line[400];
    unsigned i;

    (void)state;
    write_file("/filler", filler, sizeof(filler));
    assert_int_equal(kv_up(KV_EVERYSEC), 0);
    memset(line, 'x', sizeof(line));
    for (i = 0; i < 5000 && !kv.journal.error; i++) {
        line[sizeof(line) - 1] = '\0';
        memcpy(line, "SET ", 4);
        line[4 + snprintf(line + 4, 20, "key:%u", i)] = ' ';
        say(line);
        if (i % 50 == 0)
            fake_run_for(&files.loop, NS_PER_S);
    }
    assert_int_equal(kv.journal.error, -XEN_ENOSPC);
    before = kv_digest(&kv.store);
    expect("SET a 1", "-MISCONF Errors writing to the AOF file: No space left "
                      "on device\r\n");
    expect("GET none", "$-1\r\n");
    assert_true(kv_digest(&kv.store) == before);
    assert_int_equal(files_unlink("/filler"), 0);
    fake_run_until(&files.loop, !kv.journal.error, WAIT_NS);
    expect("SET a 1", "+OK\r\n");
    before = kv_digest(&kv.store);
    kv_down();
    assert_int_equal(kv_up(KV_EVERYSEC), 0);
    assert_true(kv_digest(&kv.store) == before);
    kv_down();
}

static void a_rewrite_without_room_is_given_up(void **state)
{
    static char filler[900000];

    (void)state;
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    expect("SETRANGE big 80000 x", ":80001\r\n");
    expect("APPEND big x", ":80002\r\n");
    write_file("/filler", filler, sizeof(filler));
    expect("SETRANGE big 300 hello", ":80002\r\n");
    expect("SETRANGE other 90000 x", ":90001\r\n");
    assert_int_equal(kv_rewrite_start(&aof), 0);
    fake_run_until(&files.loop, !kv.disk.is_rewriting, WAIT_NS);
    assert_true(kv.disk.rewrite_failed);
    was_reset = false;
    assert_int_equal(files_unlink("/filler"), 0);
    assert_int_equal(kv_rewrite_start(&aof), 0);
    fake_run_until(&files.loop, !kv.disk.is_rewriting, WAIT_NS);
    assert_false(kv.disk.rewrite_failed);
    kv_down();
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    expect("STRLEN big", ":80002\r\n");
    kv_down();
}

/* Whichever of its requests to the disk fails, by itself or with what follows:
 * nothing is lost. */
static void a_rewrite_may_fail_at_any_step(void **state)
{
    uint64_t before;
    unsigned nr_failed = 0;

    (void)state;
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    for (unsigned i = 0; i < 60; i++) {
        expect("SETRANGE big 9000 x", ":9001\r\n");
        before = kv_digest(&kv.store);
        fake_volume.fail_at = 1 + i / 2;
        fake_volume.fail_more = i % 2 ? 1000 : 0;
        assert_int_equal(kv_rewrite_start(&aof), 0);
        fake_run_until(&files.loop, !kv.disk.is_rewriting, WAIT_NS);
        fake_volume.fail_at = fake_volume.fail_more = 0;
        nr_failed += kv.disk.rewrite_failed;
        kv_down();
        assert_int_equal(kv_up(KV_ALWAYS), 0);
        assert_true(kv_digest(&kv.store) == before);
    }
    kv_down();
    print_message("%u of 60 rewrites have failed\n", nr_failed);
    assert_true(nr_failed > 20 && nr_failed < 60);
}

/* What one fsync costs does not depend on how long the file is: so it need not
 * be split. */
static void an_fsync_costs_the_same_in_a_long_file(void **state)
{
    uint64_t bytes_short, bytes_long;

    (void)state;
    assert_int_equal(kv_up(KV_ALWAYS), 0);
    expect("SET a 1", "+OK\r\n");
    fake_volume.bytes_written = 0;
    for (unsigned i = 0; i < 100; i++)
        expect("SET a 1", "+OK\r\n");
    bytes_short = fake_volume.bytes_written;
    for (unsigned i = 0; i < 5; i++)
        expect("SETRANGE b 100000 x", ":100001\r\n"); /* only its end */
    for (unsigned i = 0; i < 300; i++) {
        char line[300] = "SET b ";

        memset(line + 6, 'x', 290);
        expect(line, "+OK\r\n");
    }
    fake_volume.bytes_written = 0;
    for (unsigned i = 0; i < 100; i++)
        expect("SET a 1", "+OK\r\n");
    bytes_long = fake_volume.bytes_written;
    print_message("bytes for an fsync: %u, %u\n", (unsigned)bytes_short / 100,
                  (unsigned)bytes_long / 100);
    assert_true(bytes_long < bytes_short * 2);
    kv_down();
}

int main(void)
{
#define on_disk(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        on_disk(what_was_stored_is_there_again),
        on_disk(one_fsync_is_for_all_who_came_meanwhile),
        on_disk(everysec_answers_at_once_and_syncs_each_second),
        on_disk(with_always_no_answered_change_is_lost),
        on_disk(with_everysec_some_are_but_in_order),
        on_disk(a_rewrite_keeps_all_and_makes_it_small),
        on_disk(what_changes_during_a_rewrite_is_kept),
        on_disk(a_base_has_no_part_of_a_command),
        on_disk(a_value_that_expires_during_a_rewrite_stays_away),
        on_disk(much_is_rewritten_by_itself),
        on_disk(a_torn_end_is_cut_off_at_every_byte),
        on_disk(damage_in_the_middle_is_refused),
        on_disk(damage_is_cut_off_when_that_is_wished),
        on_disk(a_damaged_transaction_is_cut_off_as_a_whole),
        on_disk(a_long_transaction_is_loaded),
        on_disk(a_manifest_that_makes_no_sense_is_refused),
        on_disk(leftovers_of_a_rewrite_are_removed),
        on_disk(a_disk_that_fails_stops_changes_until_it_works),
        on_disk(a_full_disk_stops_changes_until_there_is_room),
        on_disk(a_rewrite_without_room_is_given_up),
        on_disk(a_rewrite_may_fail_at_any_step),
        on_disk(an_fsync_costs_the_same_in_a_long_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
