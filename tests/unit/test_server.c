/* SPDX-License-Identifier: MIT */
/* The TCP server, with a protocol of a few letters, through the whole stack
 * down to a netback: back-pressure both ways, every time-out, who is evicted
 * when there is no place or no memory (docs/hardening.md, A13). What the
 * protocols do with it is in test_http_tcp.c, test_kv_tcp.c and
 * test_sqlite_tcp.c. */
// sources: tests/unit/lan_client.c lan
#include "tests/unit/lan_client.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/log.h"
#include "net/memory.h"
#include "net/server.h"

#define GUEST  "192.0.2.1"
#define STATIC "vif0.ip=192.0.2.1/24 vif0.gw=192.0.2.254 vif0.ip6=none"
#define PORT   80

/* ---- The protocol. A request is a letter and a dot:
 *
 *     a. to k.   so many hundreds of 'x', "a" is one
 *     L.         BIG_BYTES of 'x'
 *     D.         blocked until the test lets it go, then "d"
 *     W.         the same, as work of its own
 *     F.         cannot go on
 *     Q.         "bye", and it is over
 */

#define BIG_BYTES  200000
#define REQUEST_NS (20 * NS_PER_S)
#define IDLE_NS    (60 * NS_PER_S)
#define SEND_NS    (20 * NS_PER_S)
#define END_NS     (3 * NS_PER_S)
#define GRACE_NS   (2 * NS_PER_S)
#define SLOW_NS    (5 * NS_PER_S)

static char xs[BIG_BYTES];
static unsigned lates, ends;
static bool late_helps;

struct letter {
    struct server_client client;
    char request; /* incomplete, or 0 */
    enum server_wait stuck;
    const char *out;
    size_t out_bytes;
    bool is_over, has_failed;
};

static struct letter *of(struct server_client *client)
{
    return container_of(client, struct letter, client);
}

static void say(struct letter *letter, const char *text, size_t len)
{
    letter->out = text;
    letter->out_bytes = len;
}

static bool begin(struct server_client *client)
{
    (void)client;
    return true;
}

static void refuse(struct server_client *client)
{
    say(of(client), "no", 2);
    of(client)->is_over = true;
}

static void end(struct server_client *client)
{
    (void)client;
    ends++;
}

static void act(struct letter *letter)
{
    switch (letter->request) {
    case 'L':
        say(letter, xs, BIG_BYTES);
        break;
    case 'D':
        letter->stuck = SERVER_BLOCKED;
        break;
    case 'W':
        letter->stuck = SERVER_WORK;
        break;
    case 'F':
        letter->has_failed = true;
        break;
    case 'Q':
        say(letter, "bye", 3);
        letter->is_over = true;
        break;
    default:
        say(letter, xs, (size_t)(letter->request - 'a' + 1) * 100);
    }
    letter->request = 0;
}

static size_t receive(struct server_client *client, char *bytes, size_t len)
{
    struct letter *letter = of(client);
    size_t used = 0;

    if (letter->is_over)
        return len;
    while (used < len && !letter->out_bytes && !letter->stuck) {
        char c = bytes[used++];

        client->has_asked |= c == '.';
        if (c == '.')
            act(letter);
        else
            letter->request = c;
    }
    return used;
}

static bool output(struct server_client *client, char *buffer,
                   struct server_piece *piece)
{
    (void)buffer;
    piece->bytes = of(client)->out;
    piece->len = of(client)->out_bytes;
    piece->is_forever = true;
    return piece->len > 0;
}

static void taken(struct server_client *client, size_t len)
{
    of(client)->out += len;
    of(client)->out_bytes -= len;
}

static void finish(struct server_client *client)
{
    of(client)->is_over = true;
}

static enum server_wait wait(const struct server_client *client)
{
    const struct letter *letter =
        container_of(client, const struct letter, client);

    if (letter->has_failed)
        return SERVER_RESET;
    if (letter->stuck)
        return letter->stuck;
    if (letter->is_over)
        return SERVER_END;
    return client->has_asked && !letter->request ? SERVER_IDLE : SERVER_REQUEST;
}

static bool late(struct server_client *client)
{
    lates++;
    if (late_helps && client->wait == SERVER_REQUEST) {
        say(of(client), "late", 4);
        of(client)->is_over = true;
    }
    return late_helps;
}

static const struct server_protocol protocol = {
    .name = "letters",
    .client_bytes = sizeof(struct letter),
    SERVER_CALLS,
    .late = late,
};

/* ---- A guest, and its clients */

static struct server server;
static struct lan_host *host;

static void start(unsigned clients_max)
{
    memset(xs, 'x', sizeof(xs));
    lan_start(STATIC, 1);
    lan_up();
    lan_drop_all();
    host = lan_host(0, "192.0.2.9");
    late_helps = true;
    server = (struct server){
        .protocol = &protocol,
        .loop = lan_app()->loop,
        .clients_max = clients_max,
        .in_flight_max = 1 << 20,
        .limits = {[SERVER_REQUEST] = {REQUEST_NS, GRACE_NS},
                   [SERVER_IDLE] = {IDLE_NS, 0},
                   [SERVER_SEND] = {SEND_NS, SLOW_NS},
                   [SERVER_END] = {END_NS, 0}},
    };
    assert_int_equal(server_start(&server, PORT), 0);
}

static void stop(void)
{
    server_stop(&server);
    assert_int_equal(server.stats.open, 0);
    lan_drop_all();
    lan_stop();
}

static void open_at(struct client *client, uint16_t from)
{
    client_open(client, host, GUEST, from, PORT);
}

static unsigned waiting(enum server_wait wait_for)
{
    return server.queues[wait_for].nr;
}

/* Free what was bound to be reset. */
static void was_reset(struct client *client, bool expected)
{
    client_take(client);
    assert_int_equal(client->has_rst, expected);
    free(client->in);
}

static void assert_serves(uint16_t from)
{
    struct client client;

    open_at(&client, from);
    client_say(&client, "Q.");
    client_hears(&client, "bye");
    assert_true(client.has_fin);
    client_end(&client);
    assert_false(client.has_rst);
}

/* ---- Back-pressure */

static void test_pipeline_waits_for_a_reader(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    client.c.window = 0;
    client_ack(&client);
    for (unsigned i = 0; i < 100; i++) {
        client_say(&client, "k.k.k.k.k.k.k.k.k.k.");
        lan_run(NS_PER_MS);
    }
    client_take(&client);
    assert_in_range(client.in_bytes, 0, 3 * 1460); /* of 1,100,000 */
    client.c.window = 60000;
    client_ack(&client);
    client_read(&client);
    assert_int_equal(client.in_bytes, 100 * 10 * 1100);
    client_end(&client);
    stop();
}

static void test_slow_reader_is_bounded(void **state)
{
    struct client slow[20];

    (void)state;
    start(30);
    late_helps = false;
    server.in_flight_max = 100000;
    for (unsigned i = 0; i < 20; i++) {
        open_at(&slow[i], (uint16_t)(40000 + i));
        slow[i].c.window = 0;
        client_say(&slow[i], "L.");
        lan_run(10 * NS_PER_MS);
    }
    assert_int_equal(waiting(SERVER_SEND), 20);
    assert_true(memory_use().used < 20 * 6000 + 10000);
    assert_serves(41000);
    lan_run(SEND_NS);
    assert_int_equal(server.stats.open, 0);
    assert_int_equal(server.stats.timed_out, 20);
    for (unsigned i = 0; i < 20; i++)
        was_reset(&slow[i], true);
    stop();
}

/* The window closes after some of an answer, and probes of it are sent: the
 * reset has a number that the client takes. */
static void test_a_closed_window_takes_the_reset(void **state)
{
    struct client client;

    (void)state;
    start(10);
    late_helps = false;
    open_at(&client, 40000);
    client.fills = true;
    client_say(&client, "L.");
    for (unsigned i = 0; i < 2 * SEND_NS / NS_PER_S && !client.has_rst; i++) {
        client_take(&client);
        lan_run(NS_PER_S);
    }
    assert_int_equal(client.c.window, 0);
    assert_int_equal(server.stats.timed_out, 1);
    was_reset(&client, true);
    stop();
}

/* A slow link is not a slow reader: each 2,048 bytes give it time anew. */
static void test_slow_link_gets_its_answer(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    client.c.window = 3000;
    client_say(&client, "L.");
    for (unsigned i = 0; i < 300 && client.in_bytes < BIG_BYTES; i++) {
        client_take(&client);
        lan_run(SEND_NS / 4);
    }
    assert_int_equal(client.in_bytes, BIG_BYTES);
    assert_int_equal(server.stats.timed_out, 0);
    client_end(&client);
    stop();
}

static void test_no_memory_to_answer(void **state)
{
    struct client client;
    size_t limit;

    (void)state;
    start(10);
    open_at(&client, 40000);
    lan_run(10 * NS_PER_MS);
    limit = memory_use().limit;
    memory_set_limit(1);
    client_say(&client, "a.");
    lan_run(2 * NS_PER_S);
    client_take(&client);
    assert_int_equal(client.in_bytes, 0);
    memory_set_limit(limit);
    client_read(&client);
    assert_int_equal(client.in_bytes, 100);
    client_end(&client);
    stop();
}

/* ---- Deadlines */

static void test_late_request_is_told(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    for (unsigned i = 0; i < 9; i++) {
        client_say(&client, "a");
        lan_run(REQUEST_NS / 10);
    }
    assert_int_equal(waiting(SERVER_REQUEST), 1);
    lan_run(REQUEST_NS / 10);
    client_hears(&client, "late");
    assert_true(client.has_fin);
    assert_int_equal(server.stats.timed_out, 1);
    client_end(&client);
    stop();
}

/* Bytes of a request are progress where the protocol says so. */
static void test_input_is_progress(void **state)
{
    static char bytes[SERVER_PROGRESS_BYTES / 4];
    struct client client;

    (void)state;
    start(10);
    server.input_is_progress = true;
    memset(bytes, 'a', sizeof(bytes));
    open_at(&client, 40000);
    for (unsigned i = 0; i < 20; i++) {
        client_send(&client, bytes, sizeof(bytes));
        lan_run(REQUEST_NS / 5);
    }
    assert_int_equal(waiting(SERVER_REQUEST), 1);
    assert_int_equal(server.stats.timed_out, 0);
    client_end(&client);
    stop();
}

/* Whatever a client sends after its end: it keeps no place. */
static void test_the_end_is_the_end(void **state)
{
    static char bytes[1400];
    struct client client;
    uint64_t began;

    (void)state;
    start(10);
    server.input_is_progress = true;
    memset(bytes, 'a', sizeof(bytes));
    open_at(&client, 40000);
    client_say(&client, "Q.");
    client_hears(&client, "bye");
    began = fake_now();
    while (server.stats.open && fake_now() - began < 10 * NS_PER_S) {
        client_send(&client, bytes, sizeof(bytes));
        lan_run(NS_PER_S / 2);
        client_take(&client);
    }
    assert_in_range(fake_now() - began, NS_PER_S, END_NS + NS_PER_S);
    was_reset(&client, true);
    stop();
}

static void test_idle(void **state)
{
    struct client client;

    (void)state;
    start(10);
    late_helps = false;
    open_at(&client, 40000);
    client_say(&client, "a.");
    client_read(&client);
    assert_int_equal(client.in_bytes, 100);
    assert_int_equal(waiting(SERVER_IDLE), 1);
    lan_run(IDLE_NS - 2 * NS_PER_S);
    assert_int_equal(waiting(SERVER_IDLE), 1);
    lan_run(2 * NS_PER_S);
    assert_int_equal(server.stats.timed_out, 1);
    assert_false(server.timer.active);
    was_reset(&client, true);
    stop();
}

/* ---- What the protocol waits for itself */

static void test_blocked_and_working_have_no_limit(void **state)
{
    struct client clients[3];
    const char *const ask[] = {"D.a.", "W.a.", "D.a."};

    (void)state;
    start(10);
    for (unsigned i = 0; i < 3; i++) {
        open_at(&clients[i], (uint16_t)(40000 + i));
        client_say(&clients[i], ask[i]);
    }
    lan_run(10 * IDLE_NS);
    assert_int_equal(waiting(SERVER_BLOCKED), 2);
    assert_int_equal(waiting(SERVER_WORK), 1);
    list_each (struct server_client, c, &server.queues[SERVER_BLOCKED].list,
               node) {
        of(c)->stuck = SERVER_REQUEST;
        say(of(c), "d", 1);
    }
    server_pump_all(&server, SERVER_BLOCKED);
    assert_int_equal(waiting(SERVER_BLOCKED), 0);
    for (unsigned i = 0; i < 3; i++) {
        client_read(&clients[i]);
        assert_int_equal(clients[i].in_bytes, i == 1 ? 0 : 101);
        free(clients[i].in);
    }
    stop();
}

static void test_one_that_cannot_go_on_is_reset(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    client_say(&client, "F.");
    client_read(&client);
    was_reset(&client, true);
    assert_int_equal(server.stats.dropped, 1);
    stop();
}

/* ---- No place left */

static void test_idle_ones_give_way(void **state)
{
    struct client clients[4];

    (void)state;
    start(3);
    for (unsigned i = 0; i < 3; i++) {
        open_at(&clients[i], (uint16_t)(40000 + i));
        client_say(&clients[i], "a.");
        client_read(&clients[i]);
    }
    client_say(&clients[0], "a."); /* now the second is idle longest */
    client_read(&clients[0]);
    open_at(&clients[3], 40003);
    client_say(&clients[3], "a.");
    client_read(&clients[3]);
    assert_int_equal(clients[3].in_bytes, 100);
    assert_int_equal(server.stats.evicted, 1);
    assert_int_equal(server.stats.open, 3);
    for (unsigned i = 0; i < 4; i++)
        was_reset(&clients[i], i == 1);
    stop();
}

static void test_silent_ones_give_way_after_a_while(void **state)
{
    struct client silent[2], late_one;

    (void)state;
    start(2);
    open_at(&silent[0], 40000);
    open_at(&silent[1], 40001);
    open_at(&late_one, 40002);
    client_hears(&late_one, "no");
    client_end(&late_one);
    lan_run(GRACE_NS);
    assert_serves(40003);
    was_reset(&silent[0], true);
    was_reset(&silent[1], false);
    assert_int_equal(server.stats.evicted, 1);
    stop();
}

/* One that takes 2 KiB each SEND_NS keeps its place only while there are
 * others. */
static void test_slow_readers_give_way(void **state)
{
    struct client slow;

    (void)state;
    start(1);
    open_at(&slow, 40000);
    slow.c.window = 3000; /* two packets */
    client_say(&slow, "L.");
    for (unsigned i = 0; i < 5; i++) {
        lan_run(SEND_NS - NS_PER_S);
        client_take(&slow);
    }
    assert_int_equal(waiting(SERVER_SEND), 1);
    lan_run(SLOW_NS + NS_PER_S);
    assert_serves(40001);
    was_reset(&slow, true);
    assert_int_equal(server.stats.evicted, 1);
    stop();
}

static void test_too_many_are_told_then_reset(void **state)
{
    enum { NR = 2 + SERVER_REFUSING_MAX + 2 };
    struct client clients[NR];

    (void)state;
    start(2);
    late_helps = false;
    for (unsigned i = 0; i < NR; i++) {
        open_at(&clients[i], (uint16_t)(40000 + i));
        clients[i].c.window = 0; /* a full answer is under way for ever */
        client_say(&clients[i], "L.");
        lan_run(NS_PER_MS);
    }
    assert_int_equal(server.stats.open, 2 + SERVER_REFUSING_MAX);
    assert_int_equal(server.stats.refused, SERVER_REFUSING_MAX + 2);
    assert_true(lan_logged("refusing connections: 2 are open"));
    for (unsigned i = 0; i < NR; i++) {
        client_take(&clients[i]);
        assert_int_equal(clients[i].has_rst, i >= NR - 2);
    }
    clients[2].c.window = 60000;
    client_ack(&clients[2]);
    client_hears(&clients[2], "no");
    lan_run(SEND_NS + NS_PER_S);
    assert_serves(41000);
    for (unsigned i = 0; i < NR; i++)
        free(clients[i].in);
    stop();
}

/* ---- No memory left */

/* No limit on connections would do: idle ones go when memory gets short, and
 * nobody is kept out. */
static void test_idle_ones_give_way_to_memory(void **state)
{
    struct client clients[100];

    (void)state;
    start(1000);
    memory_set_limit(memory_use().used + 20000);
    for (unsigned i = 0; i < 100; i++) {
        open_at(&clients[i], (uint16_t)(40000 + i));
        client_say(&clients[i], "a.");
        lan_until(client_take(&clients[i]) && clients[i].in_bytes >= 100);
        lan_run(NS_PER_MS);
    }
    assert_in_range(server.stats.evicted, 50, 90);
    assert_int_equal(server.stats.evicted + server.stats.open, 100);
    assert_int_equal(lan_count("tcp_syn_refused", -1), 0);
    for (unsigned i = 0; i < 100; i++)
        free(clients[i].in);
    stop();
}

/* One host asks for much, closes its window and keeps sending, over many
 * connections: what it sent fills the memory for what arrives. Another host's
 * SYN is answered within three seconds all the same. */
static void test_held_input_keeps_nobody_out(void **state)
{
    enum { NR = 60 };
    static struct client press[NR];
    static char bytes[1400];
    struct client other;

    (void)state;
    start(1000);
    memset(bytes, 'a', sizeof(bytes));
    memory_set_limit(memory_use().used + 600000);
    for (unsigned i = 0; i < NR; i++)
        open_at(&press[i], (uint16_t)(40000 + i));
    for (unsigned i = 0; i < NR; i++) {
        press[i].c.window = 0;
        client_say(&press[i], "L.");
        for (unsigned k = 0; k < 30; k++)
            client_send(&press[i], bytes, sizeof(bytes));
        lan_run(NS_PER_MS);
    }
    assert_false(memory_for_received());
    lan_run(2 * NS_PER_S);
    assert_true(memory_for_received());
    assert_in_range(server.stats.pressed, 1, NR);
    lan_drop_all();
    client_open(&other, lan_host(0, "192.0.2.10"), GUEST, 50000, PORT);
    client_say(&other, "Q.");
    client_hears(&other, "bye");
    client_end(&other);
    for (unsigned i = 0; i < NR; i++)
        free(press[i].in);
    stop();
}

/* ---- The rest */

static void test_port_is_taken(void **state)
{
    struct server second = {.protocol = &protocol};

    (void)state;
    start(10);
    second.loop = server.loop;
    assert_int_equal(server_start(&second, PORT), -XEN_EBUSY);
    server_stop(&second); /* never started: nothing happens */
    stop();
}

/* Stopping with a connection in each state leaves nothing behind. */
static void test_stop(void **state)
{
    static const char *const says[] = {"", "a.", "L.", "D.", "W.", "Q."};
    struct client clients[SERVER_WAITS];

    (void)state;
    start(10);
    ends = 0;
    for (unsigned i = 0; i < SERVER_WAITS; i++) {
        open_at(&clients[i], (uint16_t)(40000 + i));
        clients[i].c.window = says[i][0] == 'L' ? 0 : 60000;
        client_say(&clients[i], says[i]);
        lan_run(10 * NS_PER_MS);
        client_take(&clients[i]);
    }
    lan_run(10 * NS_PER_MS);
    for (unsigned i = 0; i < SERVER_WAITS; i++)
        assert_int_equal(waiting((enum server_wait)i), 1);
    server_stop(&server);
    assert_int_equal(ends, SERVER_WAITS);
    for (unsigned i = 0; i < SERVER_WAITS; i++)
        free(clients[i].in);
    stop();
}

LAN_TESTS(LAN_TEST(test_pipeline_waits_for_a_reader),
          LAN_TEST(test_slow_reader_is_bounded),
          LAN_TEST(test_a_closed_window_takes_the_reset),
          LAN_TEST(test_slow_link_gets_its_answer),
          LAN_TEST(test_no_memory_to_answer),
          LAN_TEST(test_late_request_is_told), LAN_TEST(test_input_is_progress),
          LAN_TEST(test_the_end_is_the_end), LAN_TEST(test_idle),
          LAN_TEST(test_blocked_and_working_have_no_limit),
          LAN_TEST(test_one_that_cannot_go_on_is_reset),
          LAN_TEST(test_idle_ones_give_way),
          LAN_TEST(test_silent_ones_give_way_after_a_while),
          LAN_TEST(test_slow_readers_give_way),
          LAN_TEST(test_too_many_are_told_then_reset),
          LAN_TEST(test_idle_ones_give_way_to_memory),
          LAN_TEST(test_held_input_keeps_nobody_out),
          LAN_TEST(test_port_is_taken), LAN_TEST(test_stop))
