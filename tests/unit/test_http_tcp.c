/* SPDX-License-Identifier: MIT */
/* HTTP on TCP, through the whole stack down to a netback: back-pressure both
 * ways, every wait's end, and who gives way when there is no place left
 * (docs/hardening.md, A13: slow loris, slow reader). */
// sources: http/http_conn.c http/http_request.c
// sources: http/http_chunk.c http/http_reply.c
// sources: http/http_field.c http/http_date.c
// sources: http/http_wants.c
// sources: http/http_site.c http/http_text.c
// sources: http/http_tcp.c pico
// sources: net/address.c net/checksum.c net/errorlimit.c net/memory.c
// sources: net/net.c net/route.c
// sources: net/tcpguard.c net/timeouts.c net/vif.c net/vifconfig.c lwip
// sources: netfront/netfront.c netfront/netfront_xs.c
// sources: xen/bus/xenbus.c xen/bus/xenbus_list.c xen/bus/xs.c
// sources: xen/bus/xs_update.c xen/bus/gnttab.c xen/bus/ring.c xen/evtchn.c
// sources: kernel/loop.c kernel/page.c kernel/log.c kernel/panic.c
// sources: kernel/options.c kernel/random.c
// sources: tests/fake/hv.c tests/fake/xenstored.c tests/fake/netback.c
// sources: tests/unit/lan.c
#include "tests/unit/lan.h"

#include <stdlib.h>
#include <string.h>

#include "http/http_tcp.h"
#include "kernel/log.h"
#include "net/memory.h"
#include "tests/unit/http_response.h"

#define GUEST  "192.0.2.1"
#define STATIC "vif0.ip=192.0.2.1/24 vif0.gw=192.0.2.254 vif0.ip6=none"
#define PORT   80

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define CLOSE(path) \
    "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
#define FIN_ACK (LAN_FIN | LAN_ACK)

/* ---- The server */

#define BIG_BYTES 200000

static char big[BIG_BYTES];

static const struct http_file files[] = {
    {"/big", "/big", "application/octet-stream", "\"b\"", big, BIG_BYTES},
    {"/index.html", "/index.html", "text/html", "\"i\"", "hello", 5},
};

static void write_page(struct http_text *text, void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 1000; i++) {
        http_text_add(text, "line ");
        http_text_add_number(text, i, 4);
        http_text_add(text, "\n");
    }
}

static const struct http_page pages[] = {{"/page", "text/plain", write_page}};

static struct http_site site;
static struct http_tcp tcp;
static struct lan_host *host;

static void start(unsigned connections_max)
{
    for (unsigned i = 0; i < BIG_BYTES; i++)
        big[i] = (char)(i * 7 + i / 251);
    lan_start(STATIC, 1);
    lan_up();
    lan_drop_all();
    host = lan_host(0, "192.0.2.9");
    site = (struct http_site){.files = files,
                              .nr_files = 2,
                              .pages = pages,
                              .nr_pages = 1,
                              .policy = HTTP_POLICY,
                              .access = http_tcp_log,
                              .buffers_max = 65536};
    tcp = (struct http_tcp){.site = &site,
                            .loop = lan_app()->loop,
                            .connections_max = connections_max,
                            .idle_ns = 60 * NS_PER_S,
                            .in_flight_max = 1 << 20};
    assert_int_equal(http_tcp_start(&tcp, PORT), 0);
}

static void stop(void)
{
    http_tcp_stop(&tcp);
    assert_int_equal(site.stats.open, 0);
    assert_int_equal(site.buffers, 0);
    lan_stop();
}

static unsigned waiting(enum http_wait wait)
{
    return tcp.queues[wait].nr;
}

/* ---- Clients: what they are sent is kept, and acknowledged at once. */

#define IN_MAX 2000000

struct client {
    struct lan_conn c;
    char *in;
    size_t in_bytes, read;
    bool has_fin, has_rst;
};

static void client_open(struct client *client, uint16_t port)
{
    *client = (struct client){.in = malloc(IN_MAX)};
    assert_non_null(client->in);
    lan_open(&client->c, host, GUEST, port, PORT);
}

static void client_say(struct client *client, const char *text)
{
    lan_send_tcp(&client->c, LAN_PSH | LAN_ACK, text, strlen(text));
}

static void client_ack(struct client *client)
{
    lan_send_tcp(&client->c, LAN_ACK, NULL, 0);
}

/* Take what arrived. True: there was something. */
static bool client_take(struct client *client)
{
    struct lan_segment s;
    bool did = false;

    while (lan_take_tcp(&client->c, &s)) {
        did = true;
        client->has_rst |= s.flags & LAN_RST;
        if (s.seq != client->c.rcv || client->has_rst)
            continue;
        assert_true(client->in_bytes + s.bytes < IN_MAX);
        memcpy(client->in + client->in_bytes, s.data, s.bytes);
        client->in_bytes += s.bytes;
        client->c.rcv += (uint32_t)s.bytes;
        if (s.flags & LAN_FIN) {
            client->has_fin = true;
            client->c.rcv++;
        }
        if ((s.bytes || s.flags & LAN_FIN) && client->c.window)
            client_ack(client);
    }
    return did;
}

/* Reading goes on until nothing comes for a second. */
static void client_read(struct client *client)
{
    uint64_t quiet = fake_now();

    while (fake_now() - quiet < NS_PER_S) {
        if (client_take(client))
            quiet = fake_now();
        lan_run(NS_PER_MS);
    }
}

static struct response client_answer(struct client *client)
{
    struct response response;

    client_read(client);
    response = response_read(client->in + client->read,
                             client->in_bytes - client->read, false);
    if (response.error)
        fail_msg("%s in %zu bytes", response.error,
                 client->in_bytes - client->read);
    client->read += response.bytes;
    return response;
}

static void client_end(struct client *client)
{
    if (!client->has_rst)
        lan_send_tcp(&client->c, FIN_ACK, NULL, 0);
    client_read(client);
    free(client->in);
}

/* A client that is as it should be is served now. */
static void assert_serves(uint16_t port)
{
    struct client client;

    client_open(&client, port);
    client_say(&client, CLOSE("/"));
    assert_int_equal(client_answer(&client).status, 200);
    assert_true(client.has_fin);
    client_end(&client);
    assert_false(client.has_rst);
}

/* ---- Serving */

static void test_keep_alive_and_close(void **state)
{
    struct client client;

    (void)state;
    start(10);
    client_open(&client, 40000);
    for (unsigned i = 0; i < 3; i++) {
        client_say(&client, GET("/"));
        assert_int_equal(client_answer(&client).status, 200);
        assert_int_equal(waiting(HTTP_WAIT_IDLE), 1);
    }
    client_say(&client, CLOSE("/"));
    assert_int_equal(client_answer(&client).status, 200);
    assert_true(client.has_fin);
    assert_int_equal(waiting(HTTP_WAIT_END), 1);
    client_end(&client);
    assert_int_equal(site.stats.open, 0);
    assert_int_equal(site.stats.accepted, 1);
    assert_int_equal(lan_count("tcp_connections", -1), 0);
    stop();
}

static void test_client_ends_first(void **state)
{
    struct client client;

    (void)state;
    start(10);
    client_open(&client, 40000);
    client_say(&client, GET("/"));
    client_answer(&client);
    client_end(&client);
    assert_true(client.has_fin);
    assert_false(client.has_rst);
    assert_int_equal(site.stats.open, 0);
    assert_int_equal(lan_count("tcp_connections", -1), 0);
    stop();
}

static void test_request_byte_by_byte(void **state)
{
    static const char request[] = GET("/index.html");
    struct client client;

    (void)state;
    start(10);
    client_open(&client, 40000);
    for (unsigned i = 0; request[i]; i++) {
        lan_send_tcp(&client.c, LAN_PSH | LAN_ACK, request + i, 1);
        lan_run(NS_PER_MS);
    }
    assert_int_equal(client_answer(&client).status, 200);
    client_end(&client);
    stop();
}

static void test_large_file_and_page(void **state)
{
    struct response response;
    struct client client;

    (void)state;
    start(10);
    client_open(&client, 40000);
    client_say(&client, GET("/big") GET("/page") GET("/"));
    response = client_answer(&client);
    assert_int_equal(response.body_bytes, BIG_BYTES);
    assert_memory_equal(response.body, big, BIG_BYTES);
    response = client_answer(&client);
    assert_int_equal(response.body_bytes, 10000);
    assert_int_equal(client_answer(&client).body_bytes, 5);
    assert_int_equal(client.read, client.in_bytes);
    client_end(&client);
    stop();
}

static void test_half_close(void **state)
{
    struct client client;

    (void)state;
    start(10);
    client_open(&client, 40000);
    client.c.window = 4000;
    client_say(&client, GET("/big"));
    lan_send_tcp(&client.c, FIN_ACK, NULL, 0);
    assert_int_equal(client_answer(&client).body_bytes, BIG_BYTES);
    assert_true(client.has_fin);
    assert_false(client.has_rst);
    assert_int_equal(site.stats.open, 0);
    free(client.in);
    stop();
}

static void test_client_resets(void **state)
{
    struct client client;

    (void)state;
    start(10);
    client_open(&client, 40000);
    client_say(&client, GET("/page") GET("/big") GET("/") "GET ");
    lan_run(10 * NS_PER_MS);
    lan_send_tcp(&client.c, LAN_RST, NULL, 0);
    lan_run(10 * NS_PER_MS);
    assert_int_equal(site.stats.open, 0);
    assert_int_equal(site.buffers, 0);
    free(client.in);
    stop();
}

/* A body is thrown away after its answer, without a reset that could overtake
 * it. */
static void test_refused_upload(void **state)
{
    static char data[1401];
    struct client client;

    (void)state;
    start(10);
    memset(data, 'x', 1400);
    client_open(&client, 40000);
    client_say(&client, "POST / HTTP/1.1\r\nHost: x\r\n"
                        "Content-Length: 1000000\r\n\r\n");
    for (unsigned i = 0; i < 50; i++) {
        client_say(&client, data);
        lan_run(NS_PER_MS);
        client_take(&client);
        assert_false(client.has_rst);
    }
    assert_int_equal(client_answer(&client).status, 413);
    assert_true(client.has_fin);
    client_end(&client);
    assert_int_equal(site.stats.open, 0);
    stop();
}

/* ---- Back-pressure */

static void test_pipeline_waits_for_a_reader(void **state)
{
    struct client client;

    (void)state;
    start(10);
    client_open(&client, 40000);
    client.c.window = 0;
    client_ack(&client);
    for (unsigned i = 0; i < 100; i++) {
        client_say(&client, GET("/page"));
        lan_run(NS_PER_MS);
    }
    client_take(&client);
    assert_true(site.stats.sent_bytes < 100 * 10000);
    assert_true(site.buffers <= HTTP_PAGE_MAX);
    client.c.window = 60000;
    client_ack(&client);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(client_answer(&client).body_bytes, 10000);
    client_end(&client);
    stop();
}

static void test_slow_reader_is_bounded(void **state)
{
    struct client slow[20];

    (void)state;
    start(30);
    tcp.in_flight_max = 100000;
    for (unsigned i = 0; i < 20; i++) {
        client_open(&slow[i], (uint16_t)(40000 + i));
        slow[i].c.window = 0;
        client_say(&slow[i], GET("/big"));
        lan_run(10 * NS_PER_MS);
    }
    assert_int_equal(waiting(HTTP_WAIT_SEND), 20);
    assert_true(memory_use().used < 20 * 6000 + 10000);
    assert_serves(41000);
    lan_run(HTTP_SEND_NS);
    assert_int_equal(site.stats.open, 0);
    assert_int_equal(site.stats.timed_out, 20);
    for (unsigned i = 0; i < 20; i++) {
        client_take(&slow[i]);
        assert_true(slow[i].has_rst);
        free(slow[i].in);
    }
    stop();
}

/* A slow link is not a slow reader. */
static void test_slow_link_gets_its_file(void **state)
{
    struct client client;

    (void)state;
    start(10);
    client_open(&client, 40000);
    client.c.window = 1000;
    client_say(&client, GET("/big"));
    for (unsigned i = 0; client.in_bytes < BIG_BYTES && i < 1000; i++) {
        lan_run(NS_PER_S / 2);
        client_take(&client);
    }
    assert_int_equal(client_answer(&client).body_bytes, BIG_BYTES);
    assert_int_equal(site.stats.timed_out, 0);
    client_end(&client);
    stop();
}

static void test_no_memory_to_answer(void **state)
{
    struct client client;
    size_t limit;

    (void)state;
    start(10);
    client_open(&client, 40000);
    lan_run(10 * NS_PER_MS);
    limit = memory_use().limit;
    memory_set_limit(1);
    client_say(&client, GET("/"));
    lan_run(2 * NS_PER_S);
    client_take(&client);
    assert_int_equal(client.in_bytes, 0);
    memory_set_limit(limit);
    assert_int_equal(client_answer(&client).status, 200);
    client_end(&client);
    stop();
}

/* ---- Deadlines */

static void test_slow_loris(void **state)
{
    struct client silent, slow;

    (void)state;
    start(10);
    client_open(&silent, 40000);
    client_open(&slow, 40001);
    for (unsigned i = 0; i < HTTP_REQUEST_NS / NS_PER_S; i++) {
        client_say(&slow, i ? "x" : "GET /");
        lan_run(NS_PER_S);
    }
    assert_int_equal(client_answer(&slow).status, 408);
    assert_true(slow.has_fin);
    client_read(&silent);
    assert_true(silent.has_fin);
    assert_int_equal(silent.in_bytes, 0);
    assert_int_equal(site.stats.timed_out, 2);
    client_end(&silent);
    client_end(&slow);
    assert_int_equal(site.stats.open, 0);
    stop();
}

static void test_slow_body(void **state)
{
    struct client client;

    (void)state;
    start(10);
    client_open(&client, 40000);
    client_say(&client, "GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                        "Content-Length: 5\r\n\r\n");
    assert_int_equal(client_answer(&client).status, 100);
    assert_int_equal(waiting(HTTP_WAIT_REQUEST), 1);
    lan_run(HTTP_REQUEST_NS);
    assert_int_equal(client_answer(&client).status, 408);
    client_end(&client);
    stop();
}

/* An idle connection ends politely; a client that does not close its end is
 * not waited for. */
static void test_idle(void **state)
{
    struct client client;

    (void)state;
    start(10);
    client_open(&client, 40000);
    client_say(&client, GET("/"));
    client_answer(&client);
    lan_run(tcp.idle_ns - 5 * NS_PER_S);
    assert_false(client_take(&client));
    lan_run(5 * NS_PER_S);
    client_take(&client);
    assert_true(client.has_fin);
    assert_false(client.has_rst);
    assert_int_equal(waiting(HTTP_WAIT_END), 1);
    lan_run(HTTP_END_NS + NS_PER_S);
    client_take(&client);
    assert_true(client.has_rst);
    assert_int_equal(site.stats.open, 0);
    assert_int_equal(site.stats.timed_out, 1);
    assert_false(tcp.timer.active);
    free(client.in);
    stop();
}

/* ---- No place left */

static void test_idle_ones_give_way(void **state)
{
    struct client clients[4];

    (void)state;
    start(3);
    for (unsigned i = 0; i < 3; i++) {
        client_open(&clients[i], (uint16_t)(40000 + i));
        client_say(&clients[i], GET("/"));
        client_answer(&clients[i]);
    }
    client_say(&clients[0], GET("/")); /* now the second is idle longest */
    client_answer(&clients[0]);
    client_open(&clients[3], 40003);
    client_say(&clients[3], GET("/"));
    assert_int_equal(client_answer(&clients[3]).status, 200);
    client_take(&clients[1]);
    assert_true(clients[1].has_rst);
    assert_int_equal(site.stats.evicted, 1);
    assert_int_equal(site.stats.open, 3);
    for (unsigned i = 0; i < 4; i++)
        client_end(&clients[i]);
    assert_false(clients[0].has_rst || clients[2].has_rst);
    stop();
}

static void test_silent_ones_give_way_after_a_while(void **state)
{
    struct client silent[2], late;

    (void)state;
    start(2);
    client_open(&silent[0], 40000);
    client_open(&silent[1], 40001);
    client_open(&late, 40002);
    assert_int_equal(client_answer(&late).status, 503);
    client_end(&late);
    lan_run(HTTP_GRACE_NS);
    assert_serves(40003);
    client_take(&silent[0]);
    assert_true(silent[0].has_rst);
    client_end(&silent[0]);
    client_end(&silent[1]);
    assert_false(silent[1].has_rst);
    assert_int_equal(site.stats.evicted, 1);
    stop();
}

static void test_too_many_are_told_then_reset(void **state)
{
    enum { NR = 2 + HTTP_REFUSING_MAX + 2 };
    struct client clients[NR];

    (void)state;
    start(2);
    for (unsigned i = 0; i < NR; i++) {
        client_open(&clients[i], (uint16_t)(40000 + i));
        clients[i].c.window = 0; /* a full answer is under way for ever */
        client_say(&clients[i], GET("/big"));
        lan_run(NS_PER_MS);
    }
    assert_int_equal(site.stats.open, 2 + HTTP_REFUSING_MAX);
    assert_int_equal(site.stats.refused, HTTP_REFUSING_MAX + 2);
    assert_true(lan_logged("refusing connections: 2 are open"));
    for (unsigned i = 0; i < NR; i++) {
        client_take(&clients[i]);
        assert_int_equal(clients[i].has_rst, i >= NR - 2);
    }
    clients[2].c.window = 60000;
    client_ack(&clients[2]);
    assert_int_equal(client_answer(&clients[2]).status, 503);
    lan_run(HTTP_SEND_NS + NS_PER_S);
    assert_serves(41000);
    for (unsigned i = 0; i < NR; i++)
        free(clients[i].in);
    lan_drop_all();
    stop();
}

/* No limit on connections would do: idle ones go when memory gets short, and
 * nobody is kept out. */
static void test_idle_ones_give_way_to_memory(void **state)
{
    struct client clients[100];

    (void)state;
    start(1000);
    memory_set_limit(memory_use().used + 20000);
    for (unsigned i = 0; i < 100; i++) {
        client_open(&clients[i], (uint16_t)(40000 + i));
        client_say(&clients[i], GET("/"));
        lan_until(client_take(&clients[i]) && clients[i].in_bytes > 300);
        lan_run(NS_PER_MS);
    }
    assert_int_equal(site.stats.replies[http_status_index(200)], 100);
    assert_in_range(site.stats.evicted, 50, 90);
    assert_int_equal(site.stats.evicted + site.stats.open, 100);
    assert_int_equal(lan_count("tcp_syn_refused", -1), 0);
    for (unsigned i = 0; i < 100; i++)
        free(clients[i].in);
    stop();
}

/* ---- The rest */

static void test_access_log(void **state)
{
    struct client client;

    (void)state;
    log_set_level(LOG_DEBUG);
    start(10);
    client_open(&client, 40000);
    client_say(&client, GET("/a?b") "GET /\x1b[31m HTTP/1.1\r\n\r\n");
    client_answer(&client);
    client_end(&client);
    assert_true(lan_logged("http: 192.0.2.9 \"GET /a?b\" 404\n"));
    assert_true(lan_logged("http: 192.0.2.9 no request 400\n"));
    assert_false(lan_logged("\x1b"));
    stop();
}

static void test_port_is_taken(void **state)
{
    struct http_tcp second = {.site = &site};

    (void)state;
    start(10);
    second.loop = tcp.loop;
    assert_int_equal(http_tcp_start(&second, PORT), -XEN_EBUSY);
    stop();
}

/* Stopping with a connection in each state leaves nothing behind. */
static void test_stop(void **state)
{
    struct client clients[4];

    (void)state;
    start(10);
    for (unsigned i = 0; i < 4; i++)
        client_open(&clients[i], (uint16_t)(40000 + i));
    client_say(&clients[1], GET("/"));
    client_say(&clients[2], CLOSE("/"));
    clients[3].c.window = 0;
    client_say(&clients[3], GET("/page"));
    lan_run(10 * NS_PER_MS);
    for (unsigned i = 0; i < 4; i++)
        client_take(&clients[i]);
    lan_run(10 * NS_PER_MS);
    for (unsigned i = 0; i < HTTP_WAITS; i++)
        assert_int_equal(waiting((enum http_wait)i), 1);
    http_tcp_stop(&tcp);
    for (unsigned i = 0; i < 4; i++)
        free(clients[i].in);
    assert_int_equal(site.stats.open, 0);
    lan_stop();
}

LAN_TESTS(LAN_TEST(test_keep_alive_and_close), LAN_TEST(test_client_ends_first),
          LAN_TEST(test_request_byte_by_byte),
          LAN_TEST(test_large_file_and_page), LAN_TEST(test_half_close),
          LAN_TEST(test_client_resets), LAN_TEST(test_refused_upload),
          LAN_TEST(test_pipeline_waits_for_a_reader),
          LAN_TEST(test_slow_reader_is_bounded),
          LAN_TEST(test_slow_link_gets_its_file),
          LAN_TEST(test_no_memory_to_answer), LAN_TEST(test_slow_loris),
          LAN_TEST(test_slow_body), LAN_TEST(test_idle),
          LAN_TEST(test_idle_ones_give_way),
          LAN_TEST(test_silent_ones_give_way_after_a_while),
          LAN_TEST(test_too_many_are_told_then_reset),
          LAN_TEST(test_idle_ones_give_way_to_memory),
          LAN_TEST(test_access_log), LAN_TEST(test_port_is_taken),
          LAN_TEST(test_stop))
