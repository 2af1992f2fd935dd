/* SPDX-License-Identifier: MIT */
/* apps/kv's clients, through the whole stack down to a netback: back-pressure
 * both ways, every time-out, who is evicted, and who waits for the disk
 * (docs/hardening.md, A13: slow loris, slow reader). */
// sources: apps/kv/kv_tcp.c apps/kv/kv_conn.c apps/kv/kv_command.c
// sources: apps/kv/kv_strings.c apps/kv/kv_keys.c apps/kv/kv_admin.c
// sources: apps/kv/kv_info.c apps/kv/kv_scan.c apps/kv/kv_glob.c
// sources: apps/kv/kv_work.c apps/kv/kv_client.c apps/kv/kv_decimal.c
// sources: apps/kv/kv_multi.c apps/kv/kv_table.c apps/kv/kv_watch.c
// sources: apps/kv/kv_db.c apps/kv/kv_output.c apps/kv/kv_resp.c
// sources: apps/kv/kv_journal.c apps/kv/kv_store.c apps/kv/kv_hash.c
// sources: apps/kv/kv_text.c lan
// sources: tests/unit/lan_client.c
#include "tests/unit/lan_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/kv/kv_tcp.h"
#include "apps/kv/kv_work.h"

#define GUEST   "192.0.2.1"
#define STATIC  "vif0.ip=192.0.2.1/24 vif0.gw=192.0.2.254 vif0.ip6=none"
#define PORT    6379
#define FIN_ACK (LAN_FIN | LAN_ACK)

static struct kv kv;
static struct kv_tcp tcp;
static struct lan_host *host;

static void nothing(struct kv *k)
{
    (void)k;
}

static void wake(struct kv_aof *taker)
{
    (void)taker;
}

static void start(unsigned clients_max)
{
    lan_start(STATIC, 1);
    lan_up();
    lan_drop_all();
    host = lan_host(0, "192.0.2.9");
    kv = (struct kv){
        .store.memory = lan_app()->pages,
        .store.now_ms = 1000000,
        .memory_max = 8 << 20,
        .held_max = 1 << 20,
        .word_max = 1 << 20,
        .outputs.bytes_max = 1 << 20,
        .clients_max = clients_max,
        .begins = nothing,
        .ends = nothing,
    };
    assert_int_equal(kv_db_init(&kv), 0);
    tcp = (struct kv_tcp){
        .kv = &kv, .loop = lan_app()->loop, .in_flight_max = 1 << 20};
    assert_int_equal(kv_tcp_start(&tcp, PORT), 0);
}

static void stop(void)
{
    kv_tcp_stop(&tcp);
    assert_int_equal(kv.nr_clients, 0);
    assert_int_equal(kv.held_bytes, 0);
    assert_int_equal(kv.outputs.bytes, 0);
    kv_db_free(&kv);
    lan_stop();
}

static unsigned waiting(enum server_wait wait)
{
    return tcp.server.queues[wait].nr;
}

/* ---- Clients */

static void open_at(struct client *client, uint16_t from)
{
    client_open(client, host, GUEST, from, PORT);
}

/* What comes until nothing comes for a second; what came before is forgotten.
 */
static const char *hear(struct client *client)
{
    client->in_bytes = 0;
    client_read(client);
    return client->in;
}

static void ask(struct client *client, const char *request, const char *answer)
{
    client_say(client, request);
    assert_string_equal(hear(client), answer);
}

/* ---- Serving */

static void test_requests_are_answered_until_quit(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    ask(&client, "SET k v\r\nGET k\r\n", "+OK\r\n$1\r\nv\r\n");
    assert_int_equal(waiting(SERVER_IDLE), 1);
    ask(&client, "*2\r\n$3\r\nGE", "");
    assert_int_equal(waiting(SERVER_REQUEST), 1);
    ask(&client, "T\r\n$1\r\nk\r\nPING\r\n", "$1\r\nv\r\n+PONG\r\n");
    ask(&client, "QUIT\r\nPING\r\n", "+OK\r\n");
    assert_true(client.has_fin);
    client_end(&client);
    assert_false(client.has_rst);
    assert_int_equal(kv.nr_clients, 0);
    stop();
}

static void test_a_client_that_ends_is_answered(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    client_say(&client, "PING\r\nPING\r\n");
    lan_send_tcp(&client.c, FIN_ACK, NULL, 0);
    assert_string_equal(hear(&client), "+PONG\r\n+PONG\r\n");
    assert_true(client.has_fin);
    assert_int_equal(kv.nr_clients, 0);
    free(client.in);
    stop();
}

static void test_idle_clients_stay(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    ask(&client, "PING\r\n", "+PONG\r\n");
    lan_run(200 * NS_PER_S);
    ask(&client, "PING\r\n", "+PONG\r\n");
    client_end(&client);
    stop();
}

static void test_an_unfinished_request_has_an_end(void **state)
{
    struct client client, silent;

    (void)state;
    start(10);
    open_at(&client, 40000);
    open_at(&silent, 40001);
    ask(&client, "PING\r\n*1\r\n$4\r\nPI", "+PONG\r\n");
    lan_run(KV_REQUEST_NS);
    hear(&client);
    hear(&silent);
    assert_true(client.has_rst && silent.has_rst);
    assert_int_equal(tcp.server.stats.timed_out, 2);
    client_end(&client);
    client_end(&silent);
    stop();
}

/* The second half of a request waits in the ring while the guest is paused. */
static void test_half_a_request_during_a_pause(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    ask(&client, "PING\r\n*1\r\n$4\r\nPI", "+PONG\r\n");
    client_say(&client, "NG\r\n");
    fake_run_backends();
    fake_advance(KV_REQUEST_NS + 90 * NS_PER_S);
    assert_string_equal(hear(&client), "+PONG\r\n");
    assert_false(client.has_rst);
    assert_int_equal(tcp.server.stats.timed_out, 0);
    client_end(&client);
    stop();
}

/* What comes after the last answer does not keep a client here. */
static void test_who_sends_on_after_the_end_is_closed(void **state)
{
    static const char *const ends[] = {"*x\r\n", "QUIT\r\n"};
    static char more[1461];
    struct client client;

    (void)state;
    start(10);
    memset(more, 'x', 1460);
    for (unsigned i = 0; i < array_size(ends); i++) {
        open_at(&client, (uint16_t)(40000 + i));
        client_say(&client, ends[i]);
        for (uint64_t ns = 0; ns < KV_END_NS + NS_PER_S; ns += NS_PER_S / 2) {
            client_take(&client);
            client_say(&client, more);
            lan_run(NS_PER_S / 2);
        }
        hear(&client);
        assert_true(client.has_fin && client.has_rst);
        assert_int_equal(kv.nr_clients, 0);
        client_end(&client);
    }
    stop();
}

/* ---- Who does not read */

static void test_who_does_not_read_is_bounded_and_ended(void **state)
{
    struct client deaf, other;
    static char value[60001];

    (void)state;
    start(10);
    memset(value, 'v', 60000);
    assert_non_null(kv_store_set(&kv.store, KV_TEXT("big"),
                                 (struct kv_text){value, 60000}, 0));
    open_at(&deaf, 40000);
    open_at(&other, 40001);
    deaf.fills = true;
    for (unsigned i = 0; i < 100; i++) {
        client_say(&deaf, "GET big\r\nGET big\r\nGET big\r\nGET big\r\n");
        lan_run(NS_PER_MS);
        client_take(&deaf);
    }
    assert_true(kv.outputs.bytes < 20000);
    assert_int_equal(waiting(SERVER_SEND), 1);
    ask(&other, "PING\r\n", "+PONG\r\n");
    lan_run(KV_SEND_NS + NS_PER_S);
    hear(&deaf);
    assert_true(deaf.has_rst);
    assert_int_equal(tcp.server.stats.timed_out, 1);
    ask(&other, "PING\r\n", "+PONG\r\n");
    client_end(&deaf);
    client_end(&other);
    stop();
}

static void test_all_of_a_pipeline_arrives(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    ask(&client, "SETRANGE big 49999 x\r\n", ":50000\r\n");
    for (unsigned i = 0; i < 10; i++)
        client_say(&client, "GET big\r\nGET big\r\nPING\r\n");
    hear(&client);
    assert_int_equal(client.in_bytes, 20 * 50010 + 10 * 7);
    client_end(&client);
    stop();
}

/* ---- No place left */

static void test_past_the_limit_it_is_said_unless_one_gives_way(void **state)
{
    struct client one, two, three, four;

    (void)state;
    start(2);
    open_at(&one, 40000);
    ask(&one, "PING\r\n", "+PONG\r\n");
    open_at(&two, 40001);
    ask(&two, "PING\r\n", "+PONG\r\n");
    open_at(&three, 40002);
    assert_string_equal(hear(&three), "-ERR max number of clients reached\r\n");
    assert_true(three.has_fin);
    client_end(&three);
    assert_int_equal(tcp.server.stats.refused, 1);
    lan_run(KV_GRACE_NS);
    ask(&two, "PING\r\n", "+PONG\r\n");
    open_at(&four, 40003);
    ask(&four, "PING\r\n", "+PONG\r\n");
    hear(&one);
    assert_true(one.has_rst);
    assert_int_equal(tcp.server.stats.evicted, 1);
    ask(&two, "PING\r\n", "+PONG\r\n");
    client_end(&one);
    client_end(&two);
    client_end(&four);
    stop();
}

/* ---- Long commands, and the disk */

static void fill(unsigned nr)
{
    char key[16];

    for (unsigned i = 0; i < nr; i++) {
        struct kv_text name = {key,
                               (size_t)snprintf(key, sizeof(key), "k:%u", i)};

        assert_non_null(kv_store_set(&kv.store, name, name, 0));
    }
}

static void test_others_are_served_while_keys_goes_on(void **state)
{
    struct client client, other;

    (void)state;
    start(10);
    fill(20000);
    open_at(&client, 40000);
    open_at(&other, 40001);
    client_say(&client, "KEYS k:1999*\r\n");
    client_say(&other, "PING\r\n");
    lan_until(waiting(SERVER_WORK) == 1);
    lan_until(client_take(&other));
    assert_string_equal(other.in, "+PONG\r\n");
    assert_int_equal(waiting(SERVER_WORK), 1);
    assert_memory_equal(hear(&client), "*11\r\n", 5);
    client_say(&client, "KEYS *\r\n");
    lan_until(waiting(SERVER_WORK) == 1);
    lan_send_tcp(&client.c, LAN_RST, NULL, 0);
    ask(&other, "DBSIZE\r\n", ":20000\r\n");
    assert_int_equal(kv.nr_clients, 1);
    free(client.in);
    client_end(&other);
    stop();
}

/* An EXEC of many turns; returns when it has begun. */
static void say_long_exec(struct client *client)
{
    client_say(client, "MULTI\r\nSET a 1\r\nKEYS none\r\nKEYS none\r\nKEYS none"
                       "\r\nKEYS none\r\nSET b 1\r\nEXEC\r\n");
    lan_until(waiting(SERVER_WORK) == 1);
    assert_non_null(kv.exclusive);
}

static void test_a_long_exec_is_waited_for(void **state)
{
    struct client client, other, third;

    (void)state;
    start(10);
    fill(20000);
    open_at(&client, 40000);
    open_at(&other, 40001);
    open_at(&third, 40002);
    ask(&other, "PING\r\n", "+PONG\r\n");
    say_long_exec(&client);
    client_say(&other, "MGET a b\r\n");
    lan_until(waiting(SERVER_BLOCKED) == 1);
    assert_non_null(kv.exclusive);
    assert_string_equal(hear(&other), "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
    client_take(&client);
    assert_non_null(strstr(client.in, "*6\r\n+OK\r\n*0\r\n"));
    /* Who goes in the middle of it leaves it done, and nobody waiting. */
    ask(&third, "DEL b\r\n", ":1\r\n");
    say_long_exec(&third);
    client_say(&other, "MGET a b\r\n");
    lan_until(waiting(SERVER_BLOCKED) == 1);
    lan_send_tcp(&third.c, LAN_RST, NULL, 0);
    assert_string_equal(hear(&other), "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
    free(third.in);
    client_end(&client);
    client_end(&other);
    stop();
}

static void test_all_who_work_get_turns(void **state)
{
    struct client clients[3];

    (void)state;
    start(10);
    fill(20000);
    for (unsigned i = 0; i < array_size(clients); i++)
        open_at(&clients[i], (uint16_t)(40000 + i));
    for (unsigned i = 0; i < array_size(clients); i++)
        client_say(&clients[i], "KEYS k:1999*\r\n");
    lan_until(waiting(SERVER_WORK) == array_size(clients));
    assert_true(kv.steps_left > -100);
    for (unsigned i = 0; i < array_size(clients); i++) {
        assert_memory_equal(hear(&clients[i]), "*11\r\n", 5);
        client_end(&clients[i]);
    }
    stop();
}

static void test_clients_have_addresses(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    client_say(&client, "CLIENT LIST\r\n");
    assert_non_null(strstr(hear(&client),
                           "id=1 addr=192.0.2.9:40000 laddr=192.0.2.1:6379 "));
    client_end(&client);
    stop();
}

static void note_always(void)
{
    kv.journal.is_on = kv.journal.withholds = true;
    kv.journal.wake = wake;
}

static void take_batch(void)
{
    kv.journal.used = 0;
    kv.journal.is_taken = true;
    kv_tcp_batch_begins(&tcp);
}

static void test_answers_wait_for_the_disk(void **state)
{
    struct client client, other;

    (void)state;
    start(10);
    note_always();
    open_at(&client, 40000);
    open_at(&other, 40001);
    ask(&client, "SET k 1\r\n", "");
    ask(&other, "GET k\r\n", "");
    assert_int_equal(waiting(SERVER_BLOCKED), 2);
    take_batch();
    ask(&other, "SET k 2\r\n", "");
    kv.journal.is_taken = false;
    kv_tcp_batch_ends(&tcp, 0);
    assert_string_equal(hear(&client), "+OK\r\n");
    assert_string_equal(hear(&other), "$1\r\n1\r\n");
    take_batch();
    kv.journal.is_taken = false;
    kv_tcp_batch_ends(&tcp, 0);
    assert_string_equal(hear(&other), "+OK\r\n");
    client_end(&client);
    client_end(&other);
    stop();
}

static void test_who_waits_for_a_disk_that_fails_is_reset(void **state)
{
    struct client client, other;

    (void)state;
    start(10);
    note_always();
    open_at(&client, 40000);
    open_at(&other, 40001);
    ask(&other, "PING\r\n", "+PONG\r\n");
    ask(&client, "SET k 1\r\n", "");
    take_batch();
    kv.journal.error = -XEN_ENOSPC;
    kv_tcp_batch_ends(&tcp, -XEN_ENOSPC);
    hear(&client);
    assert_true(client.has_rst);
    ask(&other, "GET k\r\n", "$1\r\n1\r\n");
    client_end(&client);
    client_end(&other);
    stop();
}

LAN_TESTS(LAN_TEST(test_requests_are_answered_until_quit),
          LAN_TEST(test_a_client_that_ends_is_answered),
          LAN_TEST(test_idle_clients_stay),
          LAN_TEST(test_an_unfinished_request_has_an_end),
          LAN_TEST(test_half_a_request_during_a_pause),
          LAN_TEST(test_who_sends_on_after_the_end_is_closed),
          LAN_TEST(test_who_does_not_read_is_bounded_and_ended),
          LAN_TEST(test_all_of_a_pipeline_arrives),
          LAN_TEST(test_past_the_limit_it_is_said_unless_one_gives_way),
          LAN_TEST(test_others_are_served_while_keys_goes_on),
          LAN_TEST(test_a_long_exec_is_waited_for),
          LAN_TEST(test_all_who_work_get_turns),
          LAN_TEST(test_clients_have_addresses),
          LAN_TEST(test_answers_wait_for_the_disk),
          LAN_TEST(test_who_waits_for_a_disk_that_fails_is_reset))
