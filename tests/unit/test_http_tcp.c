/* SPDX-License-Identifier: MIT */
/* HTTP on TCP, through the whole stack down to a netback: what is served, and
 * what those are told who are late or too many. test_server.c has the rest
 * (docs/hardening.md, A13). */
// sources: http/http_conn.c http/http_request.c http/http_chunk.c
// sources: http/http_reply.c http/http_field.c http/http_date.c
// sources: http/http_wants.c http/http_site.c http/http_text.c http/http_tcp.c
// sources: pico tests/unit/lan_client.c lan
#include "tests/unit/lan_client.h"

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
    tcp = (struct http_tcp){
        .site = &site,
        .server = {.loop = lan_app()->loop,
                   .clients_max = connections_max,
                   .limits[SERVER_IDLE].wait_ns = 60 * NS_PER_S,
                   .in_flight_max = 1 << 20},
    };
    assert_int_equal(http_tcp_start(&tcp, PORT), 0);
}

static void stop(void)
{
    server_stop(&tcp.server);
    assert_int_equal(tcp.server.stats.open, 0);
    assert_int_equal(site.buffers, 0);
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

/* A client that is as it should be is served now. */
static void assert_serves(uint16_t port)
{
    struct client client;

    open_at(&client, port);
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
    open_at(&client, 40000);
    for (unsigned i = 0; i < 3; i++) {
        client_say(&client, GET("/"));
        assert_int_equal(client_answer(&client).status, 200);
        assert_int_equal(waiting(SERVER_IDLE), 1);
    }
    client_say(&client, CLOSE("/"));
    assert_int_equal(client_answer(&client).status, 200);
    assert_true(client.has_fin);
    assert_int_equal(waiting(SERVER_END), 1);
    client_end(&client);
    assert_int_equal(tcp.server.stats.open, 0);
    assert_int_equal(tcp.server.stats.accepted, 1);
    assert_int_equal(lan_count("tcp_connections", -1), 0);
    stop();
}

static void test_client_ends_first(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    client_say(&client, GET("/"));
    client_answer(&client);
    client_end(&client);
    assert_true(client.has_fin);
    assert_false(client.has_rst);
    assert_int_equal(tcp.server.stats.open, 0);
    assert_int_equal(lan_count("tcp_connections", -1), 0);
    stop();
}

static void test_request_byte_by_byte(void **state)
{
    static const char request[] = GET("/index.html");
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
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
    open_at(&client, 40000);
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
    open_at(&client, 40000);
    client.c.window = 4000;
    client_say(&client, GET("/big"));
    lan_send_tcp(&client.c, FIN_ACK, NULL, 0);
    assert_int_equal(client_answer(&client).body_bytes, BIG_BYTES);
    assert_true(client.has_fin);
    assert_false(client.has_rst);
    assert_int_equal(tcp.server.stats.open, 0);
    free(client.in);
    stop();
}

static void test_client_resets(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    client_say(&client, GET("/page") GET("/big") GET("/") "GET ");
    lan_run(10 * NS_PER_MS);
    lan_send_tcp(&client.c, LAN_RST, NULL, 0);
    lan_run(10 * NS_PER_MS);
    assert_int_equal(tcp.server.stats.open, 0);
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
    open_at(&client, 40000);
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
    assert_int_equal(tcp.server.stats.open, 0);
    stop();
}

/* ---- Deadlines */

static void test_slow_loris(void **state)
{
    struct client silent, slow;

    (void)state;
    start(10);
    open_at(&silent, 40000);
    open_at(&slow, 40001);
    for (unsigned i = 0; i < HTTP_REQUEST_NS / NS_PER_S; i++) {
        client_say(&slow, i ? "x" : "GET /");
        lan_run(NS_PER_S);
    }
    assert_int_equal(client_answer(&slow).status, 408);
    assert_true(slow.has_fin);
    client_read(&silent);
    assert_true(silent.has_fin);
    assert_int_equal(silent.in_bytes, 0);
    assert_int_equal(tcp.server.stats.timed_out, 2);
    client_end(&silent);
    client_end(&slow);
    assert_int_equal(tcp.server.stats.open, 0);
    stop();
}

static void test_slow_body(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    client_say(&client, "GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                        "Content-Length: 5\r\n\r\n");
    assert_int_equal(client_answer(&client).status, 100);
    assert_int_equal(waiting(SERVER_REQUEST), 1);
    lan_run(HTTP_REQUEST_NS);
    assert_int_equal(client_answer(&client).status, 408);
    client_end(&client);
    stop();
}

/* The guest is paused: what the client sends waits in the ring. */
static void pause_guest(uint64_t ns)
{
    fake_run_backends();
    fake_advance(ns);
}

/* A request that came in time is answered, however late the guest looks. */
static void test_a_request_during_a_pause(void **state)
{
    struct client idle, slow;

    (void)state;
    start(10);
    open_at(&idle, 40000);
    client_say(&idle, GET("/"));
    client_answer(&idle);
    open_at(&slow, 40001);
    client_say(&slow, "GET / HTTP/1.1\r\n");
    lan_run(NS_PER_S);
    client_say(&idle, GET("/"));
    client_say(&slow, "Host: x\r\n\r\n");
    pause_guest(90 * NS_PER_S);
    assert_int_equal(client_answer(&idle).status, 200);
    assert_int_equal(client_answer(&slow).status, 200);
    assert_false(idle.has_fin || idle.has_rst);
    assert_false(slow.has_fin || slow.has_rst);
    assert_int_equal(tcp.server.stats.timed_out, 0);
    client_end(&idle);
    client_end(&slow);
    stop();
}

/* An idle connection ends politely; a client that does not close its end is
 * not waited for. */
static void test_idle(void **state)
{
    struct client client;

    (void)state;
    start(10);
    open_at(&client, 40000);
    client_say(&client, GET("/"));
    client_answer(&client);
    lan_run(tcp.server.limits[SERVER_IDLE].wait_ns - 5 * NS_PER_S);
    assert_false(client_take(&client));
    lan_run(5 * NS_PER_S);
    client_take(&client);
    assert_true(client.has_fin);
    assert_false(client.has_rst);
    assert_int_equal(waiting(SERVER_END), 1);
    lan_run(HTTP_END_NS + NS_PER_S);
    client_take(&client);
    assert_true(client.has_rst);
    assert_int_equal(tcp.server.stats.open, 0);
    assert_int_equal(tcp.server.stats.timed_out, 1);
    assert_false(tcp.server.timer.active);
    free(client.in);
    stop();
}

/* ---- No place left */

static void test_too_many_are_told_then_reset(void **state)
{
    enum { NR = 2 + SERVER_REFUSING_MAX + 2 };
    struct client clients[NR];

    (void)state;
    start(2);
    for (unsigned i = 0; i < NR; i++) {
        open_at(&clients[i], (uint16_t)(40000 + i));
        clients[i].c.window = 0; /* a full answer is under way for ever */
        client_say(&clients[i], GET("/big"));
        lan_run(NS_PER_MS);
    }
    assert_int_equal(tcp.server.stats.open, 2 + SERVER_REFUSING_MAX);
    assert_int_equal(tcp.server.stats.refused, SERVER_REFUSING_MAX + 2);
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

/* ---- The rest */

static void test_access_log(void **state)
{
    struct client client;

    (void)state;
    log_set_level(LOG_DEBUG);
    start(10);
    open_at(&client, 40000);
    client_say(&client, GET("/a?b") "GET /\x1b[31m HTTP/1.1\r\n\r\n");
    client_answer(&client);
    client_end(&client);
    assert_true(lan_logged("http: 192.0.2.9 \"GET /a?b\" 404\n"));
    assert_true(lan_logged("http: 192.0.2.9 no request 400\n"));
    assert_false(lan_logged("\x1b"));
    stop();
}

LAN_TESTS(LAN_TEST(test_keep_alive_and_close), LAN_TEST(test_client_ends_first),
          LAN_TEST(test_request_byte_by_byte),
          LAN_TEST(test_large_file_and_page), LAN_TEST(test_half_close),
          LAN_TEST(test_client_resets), LAN_TEST(test_refused_upload),
          LAN_TEST(test_slow_loris), LAN_TEST(test_slow_body),
          LAN_TEST(test_a_request_during_a_pause), LAN_TEST(test_idle),
          LAN_TEST(test_too_many_are_told_then_reset),
          LAN_TEST(test_access_log))
