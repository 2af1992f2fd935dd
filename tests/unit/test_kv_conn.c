/* SPDX-License-Identifier: MIT */
/* The protocol of apps/kv: commands, their errors in Redis' words, requests in
 * any pieces, what waits for what, and what is noted for the file. */
// sources: apps/kv/kv_conn.c apps/kv/kv_command.c apps/kv/kv_strings.c
// sources: apps/kv/kv_keys.c apps/kv/kv_admin.c apps/kv/kv_info.c
// sources: apps/kv/kv_scan.c apps/kv/kv_glob.c apps/kv/kv_work.c
// sources: apps/kv/kv_client.c apps/kv/kv_decimal.c apps/kv/kv_multi.c
// sources: apps/kv/kv_table.c apps/kv/kv_watch.c
// sources: apps/kv/kv_db.c apps/kv/kv_output.c apps/kv/kv_resp.c
// sources: apps/kv/kv_journal.c apps/kv/kv_store.c apps/kv/kv_hash.c
// sources: apps/kv/kv_text.c kernel/page.c xen/evtchn.c tests/fake/hv.c
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/kv/kv_conn.h"
#include "apps/kv/kv_glob.h"
#include "apps/kv/kv_work.h"

#define OUT_MAX (4 << 20)

static struct pages pages;
static struct kv kv;
static struct kv_conn conn;
static char out[OUT_MAX];
static size_t out_bytes;
static unsigned nr_wakes;

static void wake(struct kv_aof *taker)
{
    (void)taker;
    nr_wakes++;
}

static void open_kv(void)
{
    kv = (struct kv){
        .store.memory = &pages,
        .store.now_ms = 1000000,
        .memory_max = 8 << 20,
        .held_max = 1 << 20,
        .word_max = 1 << 20,
        .outputs.bytes_max = 1 << 20,
        .clients_max = 10,
        .now_us = 1234567890,
    };
    assert_int_equal(kv_db_init(&kv), 0);
    kv_conn_init(&conn, &kv);
    out_bytes = 0;
}

static void close_kv(void)
{
    kv_conn_end(&conn);
    assert_int_equal(kv.held_bytes, 0);
    assert_int_equal(kv.outputs.bytes, 0);
    assert_int_equal(kv.nr_clients, 0);
    kv_db_free(&kv);
    assert_int_equal(kv.store.used_bytes, 0);
}

static int setup(void **state)
{
    fake_setup(state);
    pages_init(&pages);
    open_kv();
    return 0;
}

static int teardown(void **state)
{
    close_kv();
    assert_int_equal(pages.nr_used, 0);
    return fake_teardown(state);
}

/* ---- What is said and answered */

static void take_output(void)
{
    struct kv_text piece;

    while (kv_conn_output(&conn, &piece)) {
        assert_true(piece.len > 0 && out_bytes + piece.len < OUT_MAX);
        memcpy(out + out_bytes, piece.at, piece.len);
        out_bytes += piece.len;
        kv_conn_taken(&conn, piece.len);
    }
    out[out_bytes] = '\0';
}

static void feed(const char *bytes, size_t len)
{
    char *copy = malloc(len + 1); /* ASan sees who reads past its end */
    size_t used = 0, n;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    while (used < len) {
        n = kv_conn_receive(&conn, copy + used, len - used);
        while (kv_conn_is_working(&conn) && kv_conn_continue(&conn))
            kv_work_turn(&kv);
        take_output();
        if (!n && !kv_conn_is_idle(&conn))
            break;
        used += n;
    }
    free(copy);
}

static const char *ask_bytes(const char *bytes, size_t len)
{
    out_bytes = 0;
    feed(bytes, len);
    return out;
}

/* An inline request, or several. */
static const char *ask(const char *request)
{
    return ask_bytes(request, strlen(request));
}

static void expect(const char *request, const char *answer)
{
    char line[1024];

    snprintf(line, sizeof(line), "%s\r\n", request);
    if (strcmp(ask(line), answer))
        fail_msg("%s: %s instead of %s", request, out, answer);
}

/* ---- Commands */

static const char *const script[][2] = {
    {"PING", "+PONG\r\n"},
    {"ping hello", "$5\r\nhello\r\n"},
    {"ECHO \"a b\\r\\n\\x41\"", "$6\r\na b\r\nA\r\n"},
    {"SET k v", "+OK\r\n"},
    {"get k", "$1\r\nv\r\n"},
    {"GET none", "$-1\r\n"},
    {"SET k w NX", "$-1\r\n"},
    {"SET k w XX", "+OK\r\n"},
    {"SET n w XX", "$-1\r\n"},
    {"SET n w NX GET", "$-1\r\n"},
    {"SET n x NX GET", "$1\r\nw\r\n"},
    {"SET n y GET", "$1\r\nw\r\n"},
    {"SET n y GET EX 10", "$1\r\ny\r\n"},
    {"TTL n", ":10\r\n"},
    {"PTTL n", ":10000\r\n"},
    {"SET n z KEEPTTL", "+OK\r\n"},
    {"TTL n", ":10\r\n"},
    {"SET n z PXAT 1005500", "+OK\r\n"},
    {"PTTL n", ":5500\r\n"},
    {"SET n z EXAT 1001", "+OK\r\n"},
    {"PTTL n", ":1000\r\n"},
    {"SET n z PX 0", "-ERR invalid expire time in 'set' command\r\n"},
    {"SET n z PX -5", "-ERR invalid expire time in 'set' command\r\n"},
    {"SET n z EX 9223372036854775807",
     "-ERR invalid expire time in 'set' command\r\n"},
    {"SET n z EX x", "-ERR value is not an integer or out of range\r\n"},
    {"SET n z EX", "-ERR syntax error\r\n"},
    {"SET n z NX XX", "-ERR syntax error\r\n"},
    {"SET n z EX 1 PX 1", "-ERR syntax error\r\n"},
    {"SET n z EX 1 KEEPTTL", "-ERR syntax error\r\n"},
    {"SET n z BAD", "-ERR syntax error\r\n"},
    {"SETNX k 1", ":0\r\n"},
    {"SETNX m 1", ":1\r\n"},
    {"SETEX m 10 v", "+OK\r\n"},
    {"SETEX m 0 v", "-ERR invalid expire time in 'setex' command\r\n"},
    {"PSETEX m 10 v", "+OK\r\n"},
    {"PTTL m", ":10\r\n"},
    {"GETSET m w", "$1\r\nv\r\n"},
    {"TTL m", ":-1\r\n"},
    {"TTL none", ":-2\r\n"},
    {"INCR c", ":1\r\n"},
    {"INCRBY c 41", ":42\r\n"},
    {"DECR c", ":41\r\n"},
    {"DECRBY c 50", ":-9\r\n"},
    {"DECRBY c -9223372036854775808", "-ERR decrement would overflow\r\n"},
    {"SET c 9223372036854775807", "+OK\r\n"},
    {"INCR c", "-ERR increment or decrement would overflow\r\n"},
    {"INCR k", "-ERR value is not an integer or out of range\r\n"},
    {"INCRBY c 1.5", "-ERR value is not an integer or out of range\r\n"},
    {"MSET a 1 b 2", "+OK\r\n"},
    {"MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n"},
    {"MGET a none b", "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n"},
    {"APPEND a 23", ":3\r\n"},
    {"APPEND new xy", ":2\r\n"},
    {"STRLEN a", ":3\r\n"},
    {"STRLEN none", ":0\r\n"},
    {"SETRANGE a 5 z", ":6\r\n"},
    {"GET a", "$6\r\n123"},
    {"SETRANGE a -1 z", "-ERR offset is out of range\r\n"},
    {"SETRANGE none 5 \"\"", ":0\r\n"},
    {"SETRANGE a 536870912 z",
     "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"},
    {"SET r hello", "+OK\r\n"},
    {"GETRANGE r 1 3", "$3\r\nell\r\n"},
    {"GETRANGE r -3 -1", "$3\r\nllo\r\n"},
    {"GETRANGE r 0 -1", "$5\r\nhello\r\n"},
    {"GETRANGE r -100 1", "$2\r\nhe\r\n"},
    {"GETRANGE r -1 -100", "$0\r\n\r\n"},
    {"GETRANGE r 4 99999999999", "$1\r\no\r\n"},
    {"GETRANGE r 5 6", "$0\r\n\r\n"},
    {"GETRANGE none 0 -1", "$0\r\n\r\n"},
    {"SUBSTR r 0 0", "$1\r\nh\r\n"},
    {"GETEX r EX 10", "$5\r\nhello\r\n"},
    {"TTL r", ":10\r\n"},
    {"GETEX r", "$5\r\nhello\r\n"},
    {"TTL r", ":10\r\n"},
    {"GETEX r PERSIST", "$5\r\nhello\r\n"},
    {"TTL r", ":-1\r\n"},
    {"GETEX r EX 0", "-ERR invalid expire time in 'getex' command\r\n"},
    {"GETEX none EX 0", "$-1\r\n"},
    {"GETEX r EX 1 PERSIST", "-ERR syntax error\r\n"},
    {"GETEX r PXAT 5", "$5\r\nhello\r\n"},
    {"GET r", "$-1\r\n"},
    {"SET r 1 EX 10", "+OK\r\n"},
    {"RENAME r r2", "+OK\r\n"},
    {"TTL r2", ":10\r\n"},
    {"RENAME r r2", "-ERR no such key\r\n"},
    {"RENAME r2 r2", "+OK\r\n"},
    {"RENAMENX r2 k", ":0\r\n"},
    {"RENAMENX r2 r", ":1\r\n"},
    {"GETDEL r", "$1\r\n1\r\n"},
    {"GETDEL r", "$-1\r\n"},
    {"MSETNX r 1 k 2", ":0\r\n"},
    {"MSETNX r 1 r2 2", ":1\r\n"},
    {"MSETNX r 1 k", "-ERR wrong number of arguments for 'msetnx' command"
                     "\r\n"},
    {"TOUCH r r2 none", ":2\r\n"},
    {"DEL r r2", ":2\r\n"},
    {"SET r 0.1", "+OK\r\n"},
    {"INCRBYFLOAT r 0.2", "$3\r\n0.3\r\n"},
    {"INCRBYFLOAT r -1.5e1", "$5\r\n-14.7\r\n"},
    {"INCRBYFLOAT r 14.70", "$1\r\n0\r\n"},
    {"INCRBYFLOAT r x", "-ERR value is not a valid float\r\n"},
    {"INCRBYFLOAT k 1", "-ERR value is not a valid float\r\n"},
    {"DEL r", ":1\r\n"},
    {"EXPIRE a x Q", "-ERR Unsupported option Q\r\n"},
    {"EXISTS a a none", ":2\r\n"},
    {"TYPE a", "+string\r\n"},
    {"TYPE none", "+none\r\n"},
    {"EXPIRE a 100", ":1\r\n"},
    {"EXPIRE none 100", ":0\r\n"},
    {"EXPIRE a 50 GT", ":0\r\n"},
    {"EXPIRE a 50 LT", ":1\r\n"},
    {"EXPIRE a 50 NX", ":0\r\n"},
    {"EXPIRE b 50 XX", ":0\r\n"},
    {"EXPIRE b 50 GT", ":0\r\n"},
    {"EXPIRE a 50 NX XX", "-ERR NX and XX, GT or LT options at the same time "
                          "are not compatible\r\n"},
    {"EXPIRE a 50 GT LT", "-ERR GT and LT options at the same time are not "
                          "compatible\r\n"},
    {"EXPIRE a 50 QQ", "-ERR Unsupported option QQ\r\n"},
    {"EXPIRE a 9223372036854775807",
     "-ERR invalid expire time in 'expire' command\r\n"},
    {"PERSIST a", ":1\r\n"},
    {"PERSIST a", ":0\r\n"},
    {"PEXPIRE a 1", ":1\r\n"},
    {"PEXPIREAT a 2000000", ":1\r\n"},
    {"EXPIREAT a 2000", ":1\r\n"},
    {"PTTL a", ":1000000\r\n"},
    {"EXPIRE a -1", ":1\r\n"},
    {"EXISTS a", ":0\r\n"},
    {"DEL b none m", ":2\r\n"},
    {"UNLINK new", ":1\r\n"},
    {"DBSIZE", ":3\r\n"},
    {"KEYS c*", "*1\r\n$1\r\nc\r\n"},
    {"KEYS zz*", "*0\r\n"},
    {"SCAN 0 MATCH c COUNT 1000", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nc\r\n"},
    {"SCAN 0 TYPE list COUNT 1000", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"SET alone 1", "+OK\r\n"},
    {"DEL alone", ":1\r\n"},
    {"SCAN x", "-ERR invalid cursor\r\n"},
    {"SCAN 0 COUNT 0", "-ERR syntax error\r\n"},
    {"SCAN 0 COUNT x", "-ERR value is not an integer or out of range\r\n"},
    {"SCAN 0 MATCH", "-ERR syntax error\r\n"},
    {"SELECT 0", "+OK\r\n"},
    {"SELECT 1", "-ERR DB index is out of range\r\n"},
    {"SELECT x", "-ERR value is not an integer or out of range\r\n"},
    {"TIME", "*2\r\n$4\r\n1234\r\n$6\r\n567890\r\n"},
    {"CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"},
    {"CONFIG GET append*",
     "*4\r\n$11\r\nappendfsync\r\n$2\r\nno\r\n$10\r\nappendonly\r\n$2\r\nno"
     "\r\n"},
    {"CONFIG GET nothing", "*0\r\n"},
    {"CONFIG RESETSTAT", "+OK\r\n"},
    {"CONFIG WHAT", "-ERR unknown subcommand 'WHAT'. Try CONFIG HELP.\r\n"},
    {"CONFIG GET", "-ERR wrong number of arguments for 'config|get' command"
                   "\r\n"},
    {"COMMAND DOCS", "*0\r\n"},
    {"COMMAND INFO get none",
     "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n"
     ":1\r\n:1\r\n*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*0\r\n*0\r\n"
     "*-1\r\n"},
    {"COMMAND INFO post", "*1\r\n*-1\r\n"},
    {"COMMAND COUNT 1",
     "-ERR wrong number of arguments for 'command|count' command\r\n"},
    {"COMMAND LIST bad", "-ERR syntax error\r\n"},
    {"COMMAND LIST FILTERBY PATTERN", "-ERR syntax error\r\n"},
    {"COMMAND LIST FILTERBY PATTERN set*",
     "*4\r\n$3\r\nset\r\n$5\r\nsetex\r\n$5\r\nsetnx\r\n$8\r\nsetrange\r\n"},
    {"COMMAND LIST FILTERBY ACLCAT none", "*0\r\n"},
    {"COMMAND LIST FILTERBY ACLCAT admin", "*1\r\n$12\r\nbgrewriteaof\r\n"},
    {"COMMAND LIST FILTERBY MODULE any", "*0\r\n"},
    {"INFO cluster", "$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n"},
    {"AUTH x", "-ERR AUTH <password> called without any password configured "
               "for the default user. Are you sure your configuration is "
               "correct?\r\n"},
    {"AUTH default x", "+OK\r\n"},
    {"AUTH x y", "-WRONGPASS invalid username-password pair or user is "
                 "disabled.\r\n"},
    {"AUTH x y z", "-ERR syntax error\r\n"},
    {"CLIENT ID x",
     "-ERR wrong number of arguments for 'client|id' command\r\n"},
    {"CLIENT NOPE", "-ERR unknown subcommand 'NOPE'. Try CLIENT HELP.\r\n"},
    {"CLIENT LIST x", "-ERR syntax error\r\n"},
    {"CLIENT LIST TYPE x", "-ERR Unknown client type 'x'\r\n"},
    {"CLIENT LIST TYPE pubsub", "$0\r\n\r\n"},
    {"CLIENT LIST ID x", "-ERR Invalid client ID\r\n"},
    {"CLIENT LIST ID 99", "$0\r\n\r\n"},
    {"CLIENT GETNAME", "$-1\r\n"},
    {"CLIENT SETNAME me", "+OK\r\n"},
    {"CLIENT GETNAME", "$2\r\nme\r\n"},
    {"CLIENT SETNAME \"a b\"", "-ERR Client names cannot contain spaces, "
                               "newlines or special characters.\r\n"},
    {"CLIENT SETINFO LIB-NAME x", "+OK\r\n"},
    {"CLIENT ID", ":1\r\n"},
    {"HELLO 3", "-NOPROTO unsupported protocol version\r\n"},
    {"HELLO x", "-ERR Protocol version is not an integer or out of range\r\n"},
    {"BGREWRITEAOF", "-ERR there is no append only file: nothing is mounted"
                     "\r\n"},
    {"FLUSHALL", "+OK\r\n"},
    {"FLUSHDB ASYNC", "+OK\r\n"},
    {"FLUSHALL now", "-ERR syntax error\r\n"},
    {"DBSIZE", ":0\r\n"},
    {"RANDOMKEY", "$-1\r\n"},
    {"SET alone 1", "+OK\r\n"},
    {"RANDOMKEY", "$5\r\nalone\r\n"},
    {"GET", "-ERR wrong number of arguments for 'get' command\r\n"},
    {"Get a b", "-ERR wrong number of arguments for 'get' command\r\n"},
    {"NONSENSE", "-ERR unknown command 'NONSENSE', with args beginning with: "
                 "\r\n"},
    {"foo a \"b c\"", "-ERR unknown command 'foo', with args beginning with: "
                      "'a' 'b c' \r\n"},
    {"", ""},
    {"QUIT", "+OK\r\n"},
};

static void commands_answer_as_redis_does(void **state)
{
    (void)state;
    for (unsigned i = 0; i < array_size(script); i++) {
        if (strcmp(script[i][0], "GET a")) {
            expect(script[i][0], script[i][1]);
            continue;
        }
        assert_memory_equal(ask("GET a\r\n"), "$6\r\n123\0\0z\r\n", 12);
    }
    assert_true(conn.is_closing);
}

static void hello_tells_of_version_2(void **state)
{
    (void)state;
    assert_memory_equal(ask("HELLO 2 SETNAME x\r\n"), "*14\r\n$6\r\nserver",
                        15);
    assert_string_equal(conn.name, "x");
}

static void info_has_its_sections(void **state)
{
    static const char *const parts[] = {"# Server\r\n",
                                        "redis_version:",
                                        "# Memory\r\n",
                                        "used_memory:",
                                        "maxmemory:",
                                        "# Clients\r\n",
                                        "connected_clients:1\r\n",
                                        "# Persistence\r\n",
                                        "aof_enabled:0\r\n",
                                        "# Stats\r\n",
                                        "# Replication\r\nrole:master",
                                        "# CPU\r\n",
                                        "# Keyspace\r\ndb0:keys=1,expires=0,"};
    unsigned len;

    (void)state;
    ask("SET a 1\r\n");
    ask("INFO\r\n");
    for (unsigned i = 0; i < array_size(parts); i++)
        if (!strstr(out, parts[i]))
            fail_msg("INFO lacks %s", parts[i]);
    assert_int_equal(sscanf(out, "$%u\r\n", &len), 1);
    assert_int_equal(strlen(strchr(out, '\n') + 1), len + 2);
    ask("INFO keyspace\r\n");
    assert_null(strstr(out, "# Server"));
}

static void every_command_tells_of_itself(void **state)
{
    char head[16];
    int len;

    (void)state;
    len = sprintf(head, "*%u\r\n", kv_nr_commands - 2); /* two are none */
    assert_memory_equal(ask("COMMAND\r\n"), head, len);
    assert_memory_equal(ask("COMMAND INFO\r\n"), head, len);
    assert_memory_equal(ask("COMMAND LIST\r\n"), head, len);
    assert_null(strstr(out, "post"));
    for (unsigned i = 1; i < kv_nr_commands; i++)
        assert_true(strcmp(kv_commands[i - 1].name, kv_commands[i].name) < 0);
}

static void random_keys_are_all_of_them(void **state)
{
    unsigned seen = 0;
    char line[32];

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        snprintf(line, sizeof(line), "SET %u x%s", i, i ? "" : " PX 1");
        expect(line, "+OK\r\n");
    }
    kv.store.now_ms += 10;
    for (unsigned i = 0; i < 400; i++)
        seen |= 1u << (ask("RANDOMKEY\r\n")[4] - '0');
    assert_int_equal(seen, 0xfe); /* all but the one that is gone */
}

static void clients_are_listed(void **state)
{
    struct kv_conn other;
    char name[] = "CLIENT SETNAME other\r\n";

    (void)state;
    kv_conn_init(&other, &kv);
    kv_conn_receive(&other, name, sizeof(name) - 1);
    kv.now_us += 5000000;
    ask("CLIENT LIST\r\n");
    assert_non_null(strstr(out, "id=1 addr= laddr= fd=1 name= age=5 idle=0 "
                                "flags=N db=0 "));
    assert_non_null(strstr(out, "cmd=client|list user=default"));
    assert_non_null(strstr(out, "id=2 addr= laddr= fd=2 name=other age=5 "
                                "idle=5 "));
    ask("CLIENT LIST ID 2 7\r\n");
    assert_null(strstr(out, "id=1"));
    assert_non_null(strstr(out, "id=2"));
    ask("CLIENT INFO\r\n");
    assert_non_null(strstr(out, "id=1"));
    assert_null(strstr(out, "id=2"));
    kv_conn_end(&other);
    assert_null(strstr(ask("CLIENT LIST\r\n"), "id=2"));
}

/* ---- A password */

static void strangers_may_only_say_the_password(void **state)
{
    static const char refused[] = "-NOAUTH Authentication required.\r\n";
    static const char wrong[] = "-WRONGPASS invalid username-password pair or "
                                "user is disabled.\r\n";

    (void)state;
    close_kv();
    open_kv();
    kv.password = "secret";
    conn.is_known = false;
    expect("GET k", refused);
    expect("PING", refused);
    expect("MULTI", refused);
    expect("COMMAND", refused);
    expect("NOPE", "-ERR unknown command 'NOPE', with args beginning with: "
                   "\r\n");
    expect("AUTH secre", wrong);
    expect("AUTH secrett", wrong);
    expect("AUTH secretsecret", wrong);
    expect("AUTH \"\"", wrong);
    expect("AUTH other secret", wrong);
    assert_memory_equal(ask("HELLO 2\r\n"), "-NOAUTH HELLO must be called", 28);
    expect("HELLO 2 AUTH default nope", wrong);
    expect("GET k", refused);
    assert_int_equal(kv.stats.strangers, 6);
    assert_memory_equal(ask("HELLO 2 AUTH default secret SETNAME x\r\n"),
                        "*14\r\n", 5);
    expect("GET k", "$-1\r\n");
    conn.is_known = false;
    expect("AUTH secret", "+OK\r\n");
    expect("GET k", "$-1\r\n");
    expect("AUTH nope", wrong); /* and stays known, as in Redis */
    expect("GET k", "$-1\r\n");
}

static void strangers_may_not_send_much(void **state)
{
    static const char *const tries[][2] = {
        {"*11\r\n", "-ERR Protocol error: unauthenticated multibulk length"
                    "\r\n"},
        {"*2\r\n$16385\r\n",
         "-ERR Protocol error: unauthenticated bulk length\r\n"},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(tries); i++) {
        close_kv();
        open_kv();
        conn.is_known = false;
        assert_string_equal(ask(tries[i][0]), tries[i][1]);
        assert_true(conn.is_closing);
    }
}

/* ---- Requests in pieces */

static size_t append(char *to, size_t at, const char *bytes)
{
    memcpy(to + at, bytes, strlen(bytes));
    return at + strlen(bytes);
}

static void a_request_may_be_split_anywhere(void **state)
{
    static char all[4096], whole[65536];
    size_t len = 0, whole_bytes;

    (void)state;
    len = append(all, len, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nbc\r\n");
    len = append(all, len, "PING\r\n\r\n*0\r\n*-1\r\nECHO \"x y\"\n");
    len = append(all, len, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    len = append(all, len, "*2\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n");
    len = append(all, len, "*3\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n$0\r\n\r\n");
    len = append(all, len, "GET k\r\nNOPE\r\n*1\r\n$4\r\nQUIT\r\nPING\r\n");
    ask_bytes(all, len);
    whole_bytes = out_bytes;
    memcpy(whole, out, out_bytes);
    for (size_t at = 1; at < len; at++) {
        close_kv();
        open_kv();
        feed(all, at);
        feed(all + at, len - at);
        assert_int_equal(out_bytes, whole_bytes);
        assert_memory_equal(out, whole, whole_bytes);
    }
    close_kv();
    open_kv();
    for (size_t at = 0; at < len; at++)
        feed(all + at, 1);
    assert_int_equal(out_bytes, whole_bytes);
    assert_memory_equal(out, whole, whole_bytes);
}

static void protocol_errors_end_the_connection(void **state)
{
    static const char *const tries[][2] = {
        {"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*99999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1\r\nGET", "-ERR Protocol error: expected '$', got 'G'\r\n"},
        {"*1\r\n\r\n", "-ERR Protocol error: expected '$', got ' '\r\n"},
        {"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n$1048577\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*11111111111111111111111111111111111",
         "-ERR Protocol error: too big mbulk count string\r\n"},
        {"*1\r\n$11111111111111111111111111111111111",
         "-ERR Protocol error: too big bulk count string\r\n"},
        {"GET \"x\r\n",
         "-ERR Protocol error: unbalanced quotes in request\r\n"},
        {"GET \"x\"y\r\n",
         "-ERR Protocol error: unbalanced quotes in request\r\n"},
        {"POST / HTTP/1.1\r\n", "-ERR this is no web server\r\n"},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(tries); i++)
        for (unsigned bytewise = 0; bytewise < 2; bytewise++) {
            size_t len = strlen(tries[i][0]);

            close_kv();
            open_kv();
            for (size_t at = 0; at < len; at += bytewise ? 1 : len)
                feed(tries[i][0] + at, bytewise ? 1 : len);
            assert_string_equal(out, tries[i][1]);
            assert_true(conn.is_closing);
            assert_string_equal(ask("PING\r\n"), "");
        }
}

static void an_inline_request_has_a_longest(void **state)
{
    static char line[KV_INLINE_MAX + 1];

    (void)state;
    memset(line, 'x', sizeof(line));
    assert_string_equal(ask_bytes(line, sizeof(line)),
                        "-ERR Protocol error: too big inline request\r\n");
}

/* ---- Limits */

static size_t big_set(char *to, const char *key, size_t bytes)
{
    size_t len = (size_t)sprintf(to,
                                 "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu"
                                 "\r\n",
                                 strlen(key), key, bytes);

    memset(to + len, 'v', bytes);
    memcpy(to + len + bytes, "\r\n", 2);
    return len + bytes + 2;
}

static void a_long_value_comes_and_goes_in_pieces(void **state)
{
    static char request[600000];
    size_t len = big_set(request, "big", 500000);

    (void)state;
    out_bytes = 0;
    for (size_t at = 0; at < len; at += 1460)
        feed(request + at, len - at < 1460 ? len - at : 1460);
    assert_string_equal(out, "+OK\r\n");
    ask("GET big\r\n");
    assert_int_equal(out_bytes, 500000 + strlen("$500000\r\n\r\n"));
    ask("MGET big big\r\n");
    assert_int_equal(out_bytes, 2 * 500011 + strlen("*2\r\n"));
}

static void incomplete_requests_have_a_budget(void **state)
{
    static char request[1000100];
    size_t len = big_set(request, "big", 1000000);
    struct kv_conn other;

    (void)state;
    kv.held_max = 300000;
    for (size_t at = 0; at < len && !conn.is_closing; at += 1460)
        feed(request + at, len - at < 1460 ? len - at : 1460);
    assert_string_equal(out,
                        "-ERR no memory for a request of this length now\r\n");
    assert_true(kv.held_bytes <= kv.held_max);
    /* A small one is served all the same. */
    kv.held_max = kv.held_bytes;
    kv_conn_init(&other, &kv);
    assert_int_equal(kv_conn_receive(&other, (char[]){"PI"}, 2), 2);
    assert_int_equal(kv_conn_receive(&other, (char[]){"NG\r\n"}, 4), 4);
    assert_int_equal(kv_output_bytes(&other.out), 7);
    kv_conn_end(&other);
}

/* A request of many short words is copied as often as it is long, not as its
 * square; nor does the list of its words stay. */
static void many_words_are_copied_a_few_times(void **state)
{
    static char request[400000];
    size_t len = (size_t)sprintf(request, "*30001\r\n$3\r\nDEL\r\n"),
           copied = 0, room = 0;

    (void)state;
    for (unsigned i = 0; i < 30000; i++)
        len += (size_t)sprintf(request + len, "$5\r\n%05u\r\n", i);
    out_bytes = 0;
    for (size_t at = 0; at < len; at += 1460) {
        feed(request + at, len - at < 1460 ? len - at : 1460);
        if (conn.held_room != room)
            copied += room;
        room = conn.held_room;
    }
    assert_string_equal(out, ":0\r\n");
    assert_true(copied < 6 * len);
    assert_true(kv.words.room <= KV_WORDS_KEPT);
}

static void nothing_is_stored_past_maxmemory(void **state)
{
    static char request[100100];
    size_t len = big_set(request, "big", 100000);

    (void)state;
    kv.memory_max = kv.store.used_bytes + 50000;
    assert_string_equal(
        ask_bytes(request, len),
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    expect("SET small x", "+OK\r\n");
    expect("SETRANGE small 60000 x",
           "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    kv.memory_max = 1;
    expect("SET small y",
           "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    expect("INCR n",
           "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    expect("GET small", "$1\r\nx\r\n");
    expect("DEL small", ":1\r\n");
}

static void who_does_not_read_is_not_served_on(void **state)
{
    char request[] = "GET k\r\nGET k\r\nGET k\r\nGET k\r\nGET k\r\n";
    static char set[40100];
    size_t n;

    (void)state;
    ask_bytes(set, big_set(set, "k", 40000));
    n = kv_conn_receive(&conn, request, sizeof(request) - 1);
    assert_int_equal(n, 2 * 7); /* the second passed the limit */
    take_output();
    n += kv_conn_receive(&conn, request + n, sizeof(request) - 1 - n);
    assert_int_equal(n, 4 * 7);
    /* The value lies in the store once, however often it is to be sent. */
    assert_true(kv.outputs.bytes < 10000);
}

static void answers_past_their_budget_end_the_connection(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        char line[64];

        snprintf(line, sizeof(line), "SET key:%u x", i);
        expect(line, "+OK\r\n");
    }
    kv.outputs.bytes_max = 8000;
    ask("KEYS *\r\n");
    assert_true(kv_conn_has_failed(&conn));
}

static void a_key_has_a_longest(void **state)
{
    static char key[KV_KEY_MAX + 2], request[KV_KEY_MAX + 200];

    (void)state;
    memset(key, 'k', KV_KEY_MAX + 1);
    assert_string_equal(ask_bytes(request, big_set(request, key, 1)),
                        "-ERR a key has at most 65535 bytes\r\n");
    key[KV_KEY_MAX] = '\0';
    assert_string_equal(ask_bytes(request, big_set(request, key, 1)),
                        "+OK\r\n");
}

static void while_the_file_is_read_only_some_are_served(void **state)
{
    (void)state;
    kv.is_loading = true;
    expect("GET k", "-LOADING Redis is loading the dataset in memory\r\n");
    expect("PING", "-LOADING Redis is loading the dataset in memory\r\n");
    expect("SELECT 0", "+OK\r\n");
}

static void keys_and_scan_find_all(void **state)
{
    unsigned found = 0;
    char line[64], *at;
    unsigned long long cursor = 0;

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(line, sizeof(line), "SET key:%u x", i);
        expect(line, "+OK\r\n");
    }
    ask("KEYS *\r\n");
    assert_memory_equal(out, "*3000\r\n", 7);
    do {
        snprintf(line, sizeof(line), "SCAN %llu COUNT 100\r\n", cursor);
        ask(line);
        assert_int_equal(sscanf(out, "*2\r\n$%*u\r\n%llu\r\n", &cursor), 1);
        for (at = out; (at = strstr(at, "key:")); at++)
            found++;
    } while (cursor);
    assert_int_equal(found, 3000);
}

/* ---- Work in turns */

static void fill(unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        char key[16];
        struct kv_text name = {key,
                               (size_t)snprintf(key, sizeof(key), "key:%u", i)};

        assert_non_null(kv_store_set(&kv.store, name, name, 0));
    }
}

/* Say it; the turns that it takes, each of at most KV_TURN_STEPS and what one
 * more step may cost. */
static unsigned turns_of(const char *request)
{
    char copy[KV_PATTERN_MAX + 64];
    size_t len = strlen(request);
    unsigned turns = 1;

    memcpy(copy, request, len);
    kv_work_turn(&kv);
    assert_int_equal(kv_conn_receive(&conn, copy, len), len);
    assert_true(kv.steps_left > -100);
    while (kv_conn_is_working(&conn)) {
        kv_work_turn(&kv);
        kv_conn_continue(&conn);
        assert_true(kv.steps_left > -100);
        turns++;
    }
    return turns;
}

static void long_commands_take_turns(void **state)
{
    unsigned turns;

    (void)state;
    kv.outputs.bytes_max = 4 << 20;
    fill(20000);
    /* A bucket and a key each, more or less. */
    turns = turns_of("KEYS key:1999*\r\n");
    assert_in_range(turns, 20000 / KV_TURN_STEPS, 4 * 20000 / KV_TURN_STEPS);
    turns = turns_of("SCAN 0 COUNT 4096\r\n");
    assert_in_range(turns, 4096 / KV_TURN_STEPS, 4 * 4096 / KV_TURN_STEPS);
    assert_int_equal(turns_of("SCAN 0\r\n"), 1);
    take_output();
}

static void all_clients_share_the_steps_of_a_turn(void **state)
{
    char request[] = "KEYS nothing\r\n", again[] = "KEYS nothing\r\n";
    struct kv_conn other;

    (void)state;
    fill(20000);
    kv_conn_init(&other, &kv);
    kv_conn_receive(&conn, request, sizeof(request) - 1);
    assert_true(kv.steps_left <= 0);
    kv_conn_receive(&other, again, sizeof(again) - 1);
    assert_true(kv_conn_is_working(&conn) && kv_conn_is_working(&other));
    assert_true(kv.steps_left > -100); /* it got none */
    kv_work_turn(&kv);
    assert_true(kv_conn_continue(&other));
    assert_true(kv_conn_continue(&conn));
    assert_true(kv.steps_left > -100);
    kv_conn_end(&other); /* in the middle of it */
}

static void a_pattern_has_a_longest(void **state)
{
    static char line[2 * KV_PATTERN_MAX];
    static const char *const commands[] = {"KEYS", "SCAN 0 MATCH",
                                           "CONFIG GET"};

    (void)state;
    for (unsigned i = 0; i < array_size(commands); i++) {
        int len = sprintf(line, "%s ", commands[i]);

        memset(line + len, '*', KV_PATTERN_MAX + 1);
        strcpy(line + len + KV_PATTERN_MAX + 1, "\r\n");
        assert_string_equal(ask(line),
                            "-ERR a pattern has at most 1024 bytes\r\n");
        strcpy(line + len + KV_PATTERN_MAX, "\r\n");
        assert_int_equal(ask(line)[0], '*');
    }
}

static void long_commands_share_the_memory_of_requests(void **state)
{
    struct kv_conn other;
    char line[600] = "KEYS ", again[600];

    (void)state;
    fill(20000);
    memset(line + 5, 'x', 500);
    strcpy(line + 505, "\r\n");
    strcpy(again, line);
    kv.held_max = 20000; /* one such pattern has 18 KiB */
    kv_conn_init(&other, &kv);
    kv.steps_left = 0;
    kv_conn_receive(&conn, line, strlen(line));
    assert_true(kv.held_bytes > 0);
    kv_conn_receive(&other, again, strlen(again));
    assert_false(kv_conn_is_working(&other));
    assert_true(kv.held_bytes <= kv.held_max);
    kv_conn_end(&other);
}

/* ---- Transactions */

/* What another client says; its answer is not looked at. */
static void other_says(const char *request)
{
    struct kv_conn other;
    char copy[128];

    strcpy(copy, request);
    kv_conn_init(&other, &kv);
    assert_int_equal(kv_conn_receive(&other, copy, strlen(copy)), strlen(copy));
    kv_conn_end(&other);
}

static void a_transaction_is_done_at_exec(void **state)
{
    (void)state;
    expect("EXEC", "-ERR EXEC without MULTI\r\n");
    expect("DISCARD", "-ERR DISCARD without MULTI\r\n");
    expect("MULTI", "+OK\r\n");
    expect("MULTI", "-ERR MULTI calls can not be nested\r\n");
    expect("WATCH k", "-ERR WATCH inside MULTI is not allowed\r\n");
    expect("SET k 1", "+QUEUED\r\n");
    expect("INCR k", "+QUEUED\r\n");
    expect("INCRBY k x", "+QUEUED\r\n");
    expect("KEYS *", "+QUEUED\r\n");
    expect("UNWATCH", "+QUEUED\r\n");
    assert_null(kv_store_find(&kv.store, KV_TEXT("k")));
    expect("EXEC", "*5\r\n+OK\r\n:2\r\n-ERR value is not an integer or out "
                   "of range\r\n*1\r\n$1\r\nk\r\n+OK\r\n");
    expect("MULTI", "+OK\r\n");
    expect("EXEC", "*0\r\n");
    expect("MULTI", "+OK\r\n");
    expect("SET k 9", "+QUEUED\r\n");
    expect("DISCARD", "+OK\r\n");
    expect("GET k", "$1\r\n2\r\n");
    assert_int_equal(conn.multi.bytes, 0);
}

static void what_cannot_be_queued_spoils_it(void **state)
{
    static const char *const bad[] = {"GET", "NOPE", "SET k"};

    (void)state;
    for (unsigned i = 0; i < array_size(bad); i++) {
        char line[32];

        expect("MULTI", "+OK\r\n");
        expect("SET k 1", "+QUEUED\r\n");
        snprintf(line, sizeof(line), "%s\r\n", bad[i]);
        assert_int_equal(ask(line)[0], '-');
        expect("EXEC", "-EXECABORT Transaction discarded because of previous "
                       "errors.\r\n");
    }
    expect("MULTI", "+OK\r\n");
    expect("EXEC x", "-EXECABORT Transaction discarded because of: wrong "
                     "number of arguments for 'exec' command\r\n");
    expect("EXEC", "-ERR EXEC without MULTI\r\n");
    expect("EXISTS k", ":0\r\n");
    /* Errors outside of one do not count. */
    expect("MULTI", "+OK\r\n");
    expect("EXEC", "*0\r\n");
}

static void what_is_in_the_way_discards_all_of_it(void **state)
{
    size_t max = kv.memory_max;

    (void)state;
    expect("MULTI", "+OK\r\n");
    expect("DEL k", "+QUEUED\r\n");
    expect("SET k 1", "+QUEUED\r\n");
    kv.memory_max = 1;
    expect("EXEC", "-EXECABORT Transaction discarded because of: OOM command "
                   "not allowed when used memory > 'maxmemory'.\r\n");
    kv.memory_max = max;
    expect("MULTI", "+OK\r\n");
    expect("DEL k", "+QUEUED\r\n");
    kv.journal.error = -XEN_EIO;
    expect("EXEC", "-EXECABORT Transaction discarded because of: MISCONF "
                   "Errors writing to the AOF file: Input/output error\r\n");
    expect("MULTI", "+OK\r\n");
    expect("GET k", "+QUEUED\r\n");
    expect("EXEC", "*1\r\n$-1\r\n"); /* it changes nothing */
    kv.journal.error = 0;
    kv.is_loading = true;
    expect("MULTI", "+OK\r\n");
    expect("TIME", "+QUEUED\r\n");
    assert_memory_equal(ask("EXEC\r\n"), "*1\r\n*2\r\n", 8);
}

/* What each of these does to a key that is watched: the answer of EXEC. */
static void a_watched_key_that_changes_stops_exec(void **state)
{
    static const struct {
        const char *request;
        bool stops;
    } tries[] = {
        {"SET k 1", true},         {"INCR k", true},
        {"DEL k", true},           {"APPEND k 1", true},
        {"SETRANGE k 0 5", true},  {"EXPIRE k 100", true},
        {"PERSIST e", true},       {"RENAME k x", true},
        {"RENAME x k", true},      {"FLUSHALL", true},
        {"GETDEL k", true},        {"GETEX k EX 5", true},
        {"SET none 1", true},      {"MSET a 1 k 2", true},
        {"EXPIRE k -1", true},     {"GET k", false},
        {"SET other 1", false},    {"SET k 1 NX", false},
        {"MSETNX k 1 a 2", false}, {"PERSIST k", false},
        {"DEL none", false},       {"GETEX k", false},
        {"RENAME k k", false},     {"TOUCH k", false},
        {"STRLEN k", false},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(tries); i++) {
        char line[64];

        expect("FLUSHALL", "+OK\r\n");
        expect("MSET k 5 x 6", "+OK\r\n");
        expect("SET e 5 EX 1000", "+OK\r\n");
        expect("WATCH k none e k", "+OK\r\n");
        snprintf(line, sizeof(line), "%s\r\n", tries[i].request);
        other_says(line);
        expect("MULTI", "+OK\r\n");
        expect("PING", "+QUEUED\r\n");
        ask("EXEC\r\n");
        if (strcmp(out, tries[i].stops ? "*-1\r\n" : "*1\r\n+PONG\r\n"))
            fail_msg("%s: %s", tries[i].request, out);
        assert_int_equal(conn.multi.bytes, 0);
        assert_null(kv.store.changed);
    }
}

static void a_watched_key_that_expires_stops_exec(void **state)
{
    (void)state;
    for (unsigned is_removed = 0; is_removed < 2; is_removed++) {
        expect("SET k 1 PX 100", "+OK\r\n");
        expect("WATCH k", "+OK\r\n");
        kv.store.now_ms += 200;
        if (is_removed)
            kv_store_expire(&kv.store, 1000);
        expect("MULTI", "+OK\r\n");
        expect("EXEC", "*-1\r\n");
    }
    /* One that had expired by then was not there. */
    expect("SET k 1 PX 100", "+OK\r\n");
    kv.store.now_ms += 200;
    expect("WATCH k", "+OK\r\n");
    kv_store_expire(&kv.store, 1000);
    expect("MULTI", "+OK\r\n");
    expect("EXEC", "*0\r\n");
}

static void watching_ends(void **state)
{
    static const char *const ends[] = {"UNWATCH\r\n", "MULTI\r\nDISCARD\r\n",
                                       "MULTI\r\nEXEC\r\n"};

    (void)state;
    for (unsigned i = 0; i < array_size(ends); i++) {
        expect("WATCH k l m", "+OK\r\n");
        assert_non_null(kv.store.changed);
        ask(ends[i]);
        other_says("SET k 1\r\n");
        assert_null(kv.store.changed);
        expect("MULTI", "+OK\r\n");
        expect("EXEC", "*0\r\n");
    }
    /* Its own change counts as well; and UNWATCH forgives it. */
    expect("WATCH k", "+OK\r\n");
    expect("SET k 1", "+OK\r\n");
    expect("MULTI", "+OK\r\n");
    expect("EXEC", "*-1\r\n");
    expect("WATCH k", "+OK\r\n");
    expect("SET k 1", "+OK\r\n");
    expect("UNWATCH", "+OK\r\n");
    expect("MULTI", "+OK\r\n");
    expect("EXEC", "*0\r\n");
}

static void many_may_watch_one_key(void **state)
{
    enum { NR = 20 };
    static struct kv_conn others[NR];

    (void)state;
    for (unsigned i = 0; i < NR; i++) {
        char watch[] = "WATCH a k b\r\n";

        kv_conn_init(&others[i], &kv);
        kv_conn_receive(&others[i], watch, sizeof(watch) - 1);
    }
    for (unsigned i = 0; i < NR; i += 3) { /* some go, in any order */
        kv_conn_end(&others[i]);
        assert_int_equal(kv.watched.table.nr_keys, 3);
    }
    expect("SET k 1", "+OK\r\n");
    assert_null(kv.store.changed);
    for (unsigned i = 0; i < NR; i++) {
        if (i % 3 == 0)
            continue;
        assert_true(others[i].multi.has_changed);
        kv_conn_end(&others[i]);
    }
}

static void transactions_share_the_memory_of_requests(void **state)
{
    static char line[1100] = "SET k ";
    unsigned nr = 0;

    (void)state;
    memset(line + 6, 'x', 1000);
    strcpy(line + 1006, "\r\n");
    kv.held_max = 20000;
    expect("MULTI", "+OK\r\n");
    while (!strcmp(ask(line), "+QUEUED\r\n"))
        assert_true(++nr < 22);
    assert_string_equal(
        out, "-ERR no memory for a transaction of this length now\r\n");
    assert_true(nr > 15);
    expect("EXEC", "-EXECABORT Transaction discarded because of previous "
                   "errors.\r\n");
    assert_int_equal(kv.held_bytes, 0);
    for (nr = 0; !strcmp(out, "+OK\r\n") || !nr; nr++) {
        snprintf(line, sizeof(line), "WATCH key:%u\r\n", nr);
        ask(line);
        assert_true(nr < 200);
    }
    assert_string_equal(out, "-ERR no memory to watch so many keys\r\n");
    assert_true(nr > 50);
    expect("UNWATCH", "+OK\r\n");
    assert_int_equal(kv.held_bytes, 0);
}

/* An EXEC of several turns, of which this is the first. */
static void begin_long_exec(void)
{
    char exec[] = "EXEC\r\n";

    fill(5000);
    expect("MULTI", "+OK\r\n");
    expect("SET a 1", "+QUEUED\r\n");
    for (unsigned i = 0; i < 3; i++)
        expect("KEYS none", "+QUEUED\r\n");
    expect("SET b 2", "+QUEUED\r\n");
    out_bytes = 0;
    kv_work_turn(&kv);
    kv_conn_receive(&conn, exec, sizeof(exec) - 1);
    assert_true(kv_conn_is_working(&conn));
    assert_non_null(kv_store_find(&kv.store, KV_TEXT("a")));
}

static void while_exec_goes_on_nobody_else_is_served(void **state)
{
    struct kv_conn other;
    char get[] = "GET b\r\n";
    unsigned turns = 0;

    (void)state;
    kv_conn_init(&other, &kv);
    begin_long_exec();
    for (; kv_conn_is_working(&conn); turns++) {
        assert_ptr_equal(kv.exclusive, &conn);
        assert_int_equal(kv_conn_receive(&other, get, sizeof(get) - 1), 0);
        kv_work_turn(&kv);
        kv_conn_continue(&conn);
        assert_true(kv.steps_left > -100);
    }
    assert_true(turns > 3);
    assert_null(kv.exclusive);
    take_output();
    assert_string_equal(out, "*5\r\n+OK\r\n*0\r\n*0\r\n*0\r\n+OK\r\n");
    assert_int_equal(kv_conn_receive(&other, get, sizeof(get) - 1), 7);
    assert_int_equal(kv_output_bytes(&other.out), 7);
    kv_conn_end(&other);
}

static void who_goes_during_exec_leaves_it_done(void **state)
{
    (void)state;
    begin_long_exec();
    kv_conn_end(&conn);
    assert_null(kv.exclusive);
    assert_non_null(kv_store_find(&kv.store, KV_TEXT("b")));
    kv_conn_init(&conn, &kv);
    begin_long_exec();
    kv_conn_end_exclusive(&kv);
    assert_null(kv.exclusive);
    assert_false(kv_conn_is_working(&conn));
}

/* ---- The journal */

static void note_to(const char *policy)
{
    kv.journal.is_on = true;
    kv.journal.withholds = !strcmp(policy, "always");
    kv.journal.wake = wake;
    nr_wakes = 0;
}

static void expect_journal(const char *noted, size_t len)
{
    assert_int_equal(kv.journal.used, len);
    assert_memory_equal(kv.journal.bytes, noted, len);
    kv.journal.used = 0;
}

/* `noted` is a literal: it may have NULs in it. */
#define expect_noted(request, noted)              \
    do {                                          \
        ask(request);                             \
        expect_journal(noted, sizeof(noted) - 1); \
    } while (0)

static void commands_are_noted_by_what_they_made(void **state)
{
    (void)state;
    note_to("everysec");
    expect_noted("SET k 5\r\n", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n5\r\n");
    expect_noted("INCR k\r\n", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n6\r\n");
    expect_noted("EXPIRE k 5\r\n",
                 "*3\r\n$9\r\nPEXPIREAT\r\n$1\r\nk\r\n$7\r\n1005000\r\n");
    expect_noted("INCR k\r\n", "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n7\r\n"
                               "$4\r\nPXAT\r\n$7\r\n1005000\r\n");
    expect_noted("APPEND k xy\r\n",
                 "*1\r\n$5\r\nMULTI\r\n"
                 "*4\r\n$8\r\nSETRANGE\r\n$1\r\nk\r\n$1\r\n1\r\n$2\r\nxy\r\n"
                 "*3\r\n$9\r\nPEXPIREAT\r\n$1\r\nk\r\n$7\r\n1005000\r\n"
                 "*1\r\n$4\r\nEXEC\r\n");
    expect_noted("PERSIST k\r\n", "*2\r\n$7\r\nPERSIST\r\n$1\r\nk\r\n");
    expect_noted("SETRANGE s 2 x\r\n",
                 "*1\r\n$5\r\nMULTI\r\n*2\r\n$3\r\nDEL\r\n$1\r\ns\r\n"
                 "*4\r\n$8\r\nSETRANGE\r\n$1\r\ns\r\n$1\r\n2\r\n$1\r\nx\r\n"
                 "*1\r\n$4\r\nEXEC\r\n");
    expect_noted("RENAME s t\r\n",
                 "*1\r\n$5\r\nMULTI\r\n"
                 "*3\r\n$3\r\nSET\r\n$1\r\nt\r\n$3\r\n\0\0x\r\n"
                 "*2\r\n$3\r\nDEL\r\n$1\r\ns\r\n*1\r\n$4\r\nEXEC\r\n");
    expect_noted("GETEX t PX 5000\r\n",
                 "*3\r\n$9\r\nPEXPIREAT\r\n$1\r\nt\r\n$7\r\n1005000\r\n");
    expect_noted("GETEX t PERSIST\r\n", "*2\r\n$7\r\nPERSIST\r\n$1\r\nt\r\n");
    expect_noted("GETDEL t\r\n", "*2\r\n$3\r\nDEL\r\n$1\r\nt\r\n");
    expect_noted("MSETNX s 1\r\n",
                 "*3\r\n$4\r\nMSET\r\n$1\r\ns\r\n$1\r\n1\r\n");
    expect_noted("INCRBYFLOAT s 0.5\r\n",
                 "*3\r\n$3\r\nSET\r\n$1\r\ns\r\n$3\r\n1.5\r\n");
    expect_noted("EXPIRE k -1\r\n", "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
    expect_noted("DEL k\r\nGET s\r\nSET s 1 NX\r\nEXPIRE k 1\r\n", "");
    expect_noted("FLUSHALL\r\n", "*1\r\n$8\r\nFLUSHALL\r\n");
}

static void a_transaction_is_noted_as_one(void **state)
{
    (void)state;
    note_to("everysec");
    ask("MULTI\r\nSET k 5\r\nGET k\r\nAPPEND k x\r\nDEL none\r\n");
    assert_int_equal(kv.journal.used, 0);
    expect_noted("EXEC\r\n",
                 "*1\r\n$5\r\nMULTI\r\n"
                 "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n5\r\n"
                 "*4\r\n$8\r\nSETRANGE\r\n$1\r\nk\r\n$1\r\n1\r\n$1\r\nx\r\n"
                 "*1\r\n$4\r\nEXEC\r\n");
    expect_noted("MULTI\r\nGET k\r\nDEL none\r\nEXEC\r\n", "");
}

static void a_transaction_that_goes_on_is_not_taken(void **state)
{
    (void)state;
    note_to("always");
    begin_long_exec();
    assert_int_equal(kv.journal.depth, 1);
    nr_wakes = 0;
    while (kv_conn_is_working(&conn)) {
        assert_false(kv_conn_is_idle(&conn));
        kv_work_turn(&kv);
        kv_conn_continue(&conn);
    }
    assert_int_equal(kv.journal.depth, 0);
    assert_int_equal(nr_wakes, 1); /* at its end */
    take_output();
    assert_string_equal(out, ""); /* before the batch is written */
    assert_true(kv_conn_is_withheld(&conn));
    kv.journal.used = 0;
}

static void with_always_answers_wait_for_their_batch(void **state)
{
    (void)state;
    note_to("always");
    assert_string_equal(ask("SET k 1\r\n"), "");
    assert_int_equal(nr_wakes, 1);
    assert_true(kv_conn_is_withheld(&conn));
    /* The batch is taken; what comes now waits for the next one. */
    kv.journal.used = 0;
    kv.journal.is_taken = true;
    kv_conn_batch_begins(&conn);
    assert_string_equal(ask("INCR k\r\n"), "");
    assert_string_equal(ask("GET k\r\n"), "");
    kv.journal.is_taken = false;
    kv_conn_batch_ends(&conn);
    take_output();
    assert_string_equal(out, "+OK\r\n");
    kv.journal.used = 0;
    kv.journal.is_taken = true;
    kv_conn_batch_begins(&conn);
    kv.journal.is_taken = false;
    kv_conn_batch_ends(&conn);
    out_bytes = 0;
    take_output();
    assert_string_equal(out, ":2\r\n$1\r\n2\r\n");
    expect("GET k", "$1\r\n2\r\n");
}

static void who_came_after_the_batch_began_waits_for_the_next(void **state)
{
    struct kv_conn other;
    char first[] = "SET k 1\r\n", second[] = "SET k 2\r\n";

    (void)state;
    note_to("always");
    kv_conn_init(&other, &kv);
    kv_conn_receive(&other, first, sizeof(first) - 1);
    expect("GET k", "");
    kv.journal.used = 0;
    kv.journal.is_taken = true;
    kv_conn_batch_begins(&other); /* and conn not: it did not wait then */
    kv_conn_receive(&other, second, sizeof(second) - 1);
    kv.journal.is_taken = false;
    kv_conn_batch_ends(&other);
    kv_conn_batch_ends(&conn);
    assert_int_equal(other.free_to, 5);
    assert_int_equal(conn.free_to, 0);
    kv.journal.used = 0;
    kv_conn_end(&other);
}

static void a_full_journal_is_waited_for(void **state)
{
    static char set[200100];
    char request[] = "PING\r\n";

    (void)state;
    note_to("everysec");
    ask_bytes(set, big_set(set, "a", 200000));
    ask_bytes(set, big_set(set, "b", 200000));
    assert_int_equal(kv_conn_receive(&conn, request, 6), 0);
    kv.journal.used = 0;
    assert_int_equal(kv_conn_receive(&conn, request, 6), 6);
}

static void a_failing_disk_refuses_changes_only(void **state)
{
    static const char full[] = "-MISCONF Errors writing to the AOF file: No "
                               "space left on device\r\n";

    (void)state;
    note_to("always");
    ask("SET k 1\r\n");
    kv.journal.error = -XEN_ENOSPC;
    conn.free_to = conn.out.added; /* kv_tcp would have ended it */
    take_output();
    expect("SET k 2", full);
    expect("DEL k", full);
    expect("PING", full);
    expect("GET k", "$1\r\n1\r\n");
    kv.journal.error = 0;
    kv.journal.used = 0;
}

int main(void)
{
#define on_kv(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        on_kv(commands_answer_as_redis_does),
        on_kv(hello_tells_of_version_2),
        on_kv(info_has_its_sections),
        on_kv(every_command_tells_of_itself),
        on_kv(random_keys_are_all_of_them),
        on_kv(clients_are_listed),
        on_kv(strangers_may_only_say_the_password),
        on_kv(strangers_may_not_send_much),
        on_kv(a_request_may_be_split_anywhere),
        on_kv(protocol_errors_end_the_connection),
        on_kv(an_inline_request_has_a_longest),
        on_kv(a_long_value_comes_and_goes_in_pieces),
        on_kv(incomplete_requests_have_a_budget),
        on_kv(many_words_are_copied_a_few_times),
        on_kv(nothing_is_stored_past_maxmemory),
        on_kv(who_does_not_read_is_not_served_on),
        on_kv(answers_past_their_budget_end_the_connection),
        on_kv(a_key_has_a_longest),
        on_kv(while_the_file_is_read_only_some_are_served),
        on_kv(keys_and_scan_find_all),
        on_kv(long_commands_take_turns),
        on_kv(all_clients_share_the_steps_of_a_turn),
        on_kv(a_pattern_has_a_longest),
        on_kv(long_commands_share_the_memory_of_requests),
        on_kv(a_transaction_is_done_at_exec),
        on_kv(what_cannot_be_queued_spoils_it),
        on_kv(what_is_in_the_way_discards_all_of_it),
        on_kv(a_watched_key_that_changes_stops_exec),
        on_kv(a_watched_key_that_expires_stops_exec),
        on_kv(watching_ends),
        on_kv(many_may_watch_one_key),
        on_kv(transactions_share_the_memory_of_requests),
        on_kv(while_exec_goes_on_nobody_else_is_served),
        on_kv(who_goes_during_exec_leaves_it_done),
        on_kv(commands_are_noted_by_what_they_made),
        on_kv(a_transaction_is_noted_as_one),
        on_kv(a_transaction_that_goes_on_is_not_taken),
        on_kv(with_always_answers_wait_for_their_batch),
        on_kv(who_came_after_the_batch_began_waits_for_the_next),
        on_kv(a_full_journal_is_waited_for),
        on_kv(a_failing_disk_refuses_changes_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
