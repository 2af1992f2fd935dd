/* SPDX-License-Identifier: MIT */
/* SQLite shells on TCP, through the whole stack down to a netback:
 * back-pressure both ways, every time-out, a client beyond the limit, and the
 * end of the server (docs/hardening.md, A13). The database is in memory. */
// sources: apps/sqlite/shell.c apps/sqlite/shell_dot.c apps/sqlite/shell_dump.c
// sources: apps/sqlite/shell_input.c apps/sqlite/shell_row.c
// sources: apps/sqlite/shell_scan.c apps/sqlite/shell_server.c
// sources: apps/sqlite/shell_tcp.c database/sqlite.c database/sqlite_lock.c
// sources: database/database.c disk/volume.c kernel/fiber.c
// sources: kernel/fiber_switch.c tests/fake/fiber.c sqlite kernel/app.c lan
#include "tests/unit/lan.h"

#include <stdlib.h>
#include <string.h>

#include "apps/sqlite/shell_tcp.h"

#define GUEST   "192.0.2.1"
#define STATIC  "vif0.ip=192.0.2.1/24 vif0.gw=192.0.2.254 vif0.ip6=none"
#define PORT    8432
#define PAGES   4096 /* 16 MiB: SQLite's stack is 512 KiB of it */
#define FIN_ACK (LAN_FIN | LAN_ACK)

/* ---- No disks: none is asked for. */

void disks_init(struct disks *disks, struct app *app)
{
    disks->app = app;
}

int disks_open(struct disks *disks, const char *name, struct volume **volume)
{
    (void)disks, (void)name, (void)volume;
    return -XEN_ENODEV;
}

void disks_leave(struct disks *disks)
{
    (void)disks;
}

void disks_close(struct disks *disks)
{
    (void)disks;
}

/* ---- The server */

static struct shell_server server;
static struct shell_tcp tcp;
static struct lan_host *host;
static int status;

static void opened(struct shell_server *s, int error)
{
    (void)s;
    status = error;
}

static void start(void)
{
    lan_machine(STATIC, 1, PAGES);
    assert_int_equal(lan_net_start(), 0);
    lan_up();
    lan_drop_all();
    host = lan_host(0, "192.0.2.9");
    server = (struct shell_server){
        .app = lan_app(),
        .disk = ":memory:",
        .journal = "wal",
        .clients_max = 2,
        .heap_bytes = 4 << 20,
        .statement_ns = 10 * NS_PER_S,
        .opened = opened,
        .site.command_bytes = 1000,
    };
    status = 1;
    assert_int_equal(shell_server_start(&server), 0);
    lan_until(status <= 0);
    assert_int_equal(status, 0);
    tcp = (struct shell_tcp){.database = &server,
                             .idle_ns = 60 * NS_PER_S,
                             .clients_max = server.clients_max};
    assert_int_equal(shell_tcp_start(&tcp, PORT), 0);
}

static void stop(void)
{
    server_stop(&tcp.server);
    shell_server_stop(&server);
    assert_int_equal(server.nr_clients, 0);
    lan_stop();
}

/* ---- Clients */

#define IN_MAX 400000

struct client {
    struct lan_conn c;
    char in[IN_MAX];
    size_t bytes;
    bool has_fin, has_rst;
};

static struct client one, two, three;

static void dial(struct client *client, uint16_t port)
{
    memset(client, 0, sizeof(*client));
    lan_open(&client->c, host, GUEST, port, PORT);
}

static void say(struct client *client, const char *text)
{
    lan_send_tcp(&client->c, LAN_PSH | LAN_ACK, text, strlen(text));
}

static void take(struct client *client)
{
    struct lan_segment s;

    while (lan_take_tcp(&client->c, &s)) {
        client->has_rst |= s.flags & LAN_RST;
        if (s.seq != client->c.rcv || client->has_rst)
            continue;
        assert_true(client->bytes + s.bytes < IN_MAX);
        memcpy(client->in + client->bytes, s.data, s.bytes);
        client->bytes += s.bytes;
        client->in[client->bytes] = '\0';
        client->c.rcv += (uint32_t)s.bytes;
        if (s.flags & LAN_FIN) {
            client->has_fin = true;
            client->c.rcv++;
        }
        if (s.bytes || s.flags & LAN_FIN)
            lan_send_tcp(&client->c, LAN_ACK, NULL, 0);
    }
}

/* Until its last line is this. */
static void hears(struct client *client, const char *last)
{
    size_t len = strlen(last);

    lan_until(
        (take(client), client->bytes >= len &&
                           !strcmp(client->in + client->bytes - len, last)));
}

static void hang_up(struct client *client)
{
    lan_send_tcp(&client->c, FIN_ACK, NULL, 0);
    lan_until((take(client), client->has_fin || client->has_rst));
    assert_false(client->has_rst);
}

/* ---- Tests */

static void test_statements_in_pieces(void **state)
{
    static const char text[] = "CREATE TABLE t(a);\nINSERT INTO t VALUES(7);"
                               "SELECT a FROM t;\n.tables\n";

    (void)state;
    start();
    dial(&one, 40000);
    for (unsigned i = 0; text[i]; i++) {
        lan_send_tcp(&one.c, LAN_PSH | LAN_ACK, text + i, 1);
        lan_run(NS_PER_MS);
    }
    hears(&one, "t\n-- ok, 1 row\n");
    assert_string_equal(one.in, "-- ok\n-- ok, 1 changed\n7\n-- ok, 1 row\n"
                                "t\n-- ok, 1 row\n");
    hang_up(&one);
    lan_run(NS_PER_S);
    assert_int_equal(tcp.server.stats.open, 0);
    stop();
}

/* What a client said before its end is answered, and then comes ours. */
static void test_half_close(void **state)
{
    (void)state;
    start();
    dial(&one, 40000);
    say(&one, "SELECT 1; SELECT 2; SELECT 3");
    hang_up(&one);
    assert_string_equal(one.in,
                        "1\n-- ok, 1 row\n2\n-- ok, 1 row\n-- error: the last "
                        "statement does not end in ; and was not run\n");
    stop();
}

static void test_quit(void **state)
{
    (void)state;
    start();
    dial(&one, 40000);
    say(&one, ".quit\nSELECT 1;\n");
    lan_until((take(&one), one.has_fin));
    assert_string_equal(one.in, "-- ok\n");
    /* It does not end its side: then it is made to. */
    lan_run(SHELL_END_NS + NS_PER_S);
    take(&one);
    assert_true(one.has_rst);
    assert_int_equal(tcp.server.stats.open, 0);
    stop();
}

static const char rows[] = "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT "
                           "x + 1 FROM c LIMIT 20000) SELECT x FROM c;";

static void test_many_rows(void **state)
{
    (void)state;
    start();
    dial(&one, 40000);
    say(&one, rows);
    hears(&one, "\n20000\n-- ok, 20000 rows\n");
    hang_up(&one);
    stop();
}

/* Who takes nothing has little under way, and is cut off in the end. */
static void test_slow_reader(void **state)
{
    (void)state;
    start();
    dial(&one, 40000);
    one.c.window = 1000;
    say(&one, rows);
    lan_run(10 * NS_PER_S);
    dial(&two, 40001);
    say(&two, "SELECT 2;");
    hears(&two, "2\n-- ok, 1 row\n");
    lan_run(SHELL_SEND_NS);
    assert_int_equal(tcp.server.stats.timed_out, 1);
    lan_run(NS_PER_S);
    assert_int_equal(server.nr_clients, 1);
    hang_up(&two);
    stop();
}

static void test_idle(void **state)
{
    (void)state;
    start();
    dial(&one, 40000);
    say(&one, "BEGIN;");
    hears(&one, "-- ok\n");
    for (unsigned i = 0; i < 62; i++) { /* and answers the probes */
        lan_run(NS_PER_S);
        take(&one);
        if (!one.has_rst)
            lan_send_tcp(&one.c, LAN_ACK, NULL, 0);
    }
    assert_true(one.has_rst);
    assert_int_equal(server.nr_clients, 0);
    stop();
}

/* Its end is ours as well, also in the middle of a transaction. */
static void test_reset(void **state)
{
    (void)state;
    start();
    dial(&one, 40000);
    say(&one, "CREATE TABLE t(a); BEGIN IMMEDIATE; SELECT 'begun';");
    hears(&one, "begun\n-- ok, 1 row\n");
    lan_send_tcp(&one.c, LAN_RST, NULL, 0);
    lan_run(NS_PER_MS);
    dial(&two, 40001);
    say(&two, "INSERT INTO t VALUES(1);");
    hears(&two, "-- ok, 1 changed\n");
    assert_int_equal(server.nr_clients, 1);
    hang_up(&two);
    stop();
}

static void test_one_too_many(void **state)
{
    (void)state;
    start();
    dial(&one, 40000);
    dial(&two, 40001);
    dial(&three, 40002);
    say(&three, "SELECT 1;");
    hears(&three, "-- error: too many clients\n");
    lan_until((take(&three), three.has_fin));
    assert_false(three.has_rst);
    hang_up(&three);
    hang_up(&one);
    lan_run(NS_PER_S);
    dial(&one, 40003);
    say(&one, "SELECT 1;");
    hears(&one, "1\n-- ok, 1 row\n");
    assert_int_equal(tcp.server.stats.refused, 1);
    stop();
}

LAN_TESTS(LAN_TEST(test_statements_in_pieces), LAN_TEST(test_half_close),
          LAN_TEST(test_quit), LAN_TEST(test_many_rows),
          LAN_TEST(test_slow_reader), LAN_TEST(test_idle), LAN_TEST(test_reset),
          LAN_TEST(test_one_too_many))
