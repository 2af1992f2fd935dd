/* SPDX-License-Identifier: MIT */
/* The echo app: all that is sent comes back, and nobody can make it keep more
 * than a window. */
// sources: apps/echo.c lan
#include "tests/unit/lan.h"

#include <stdlib.h>
#include <string.h>

#define GUEST  "192.0.2.1"
#define STATIC "vif0.ip=192.0.2.1/24 vif0.ip6=none"

static void (*script)(struct lan_host *host);

/* The app's loop is the test. */
int app_run(struct app *app)
{
    (void)app;
    lan_up();
    lan_drop_all();
    script(lan_host(0, "192.0.2.9"));
    return 0;
}

static void run(const char *cmdline, void (*fn)(struct lan_host *host))
{
    script = fn;
    lan_machine(cmdline, 1, 0);
    assert_int_equal(app_main(lan_app()), 0);
    lan_stop();
}

static bool is_udp(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 17;
}

static void end_connection(struct lan_conn *c)
{
    lan_send_tcp(c, LAN_RST, NULL, 0);
    lan_until(lan_count("tcp_connections", -1) == 0);
}

static void lines(struct lan_host *host)
{
    struct lan_conn c;
    struct lan_segment s;
    char got[16];

    lan_open(&c, host, GUEST, 40000, 7);
    for (unsigned i = 0; i < 100; i++) {
        lan_send_tcp(&c, LAN_PSH | LAN_ACK, "hello, echo", 11);
        lan_read(&c, got, 11);
        assert_memory_equal(got, "hello, echo", 11);
    }
    lan_send_tcp(&c, LAN_FIN | LAN_ACK, NULL, 0);
    do
        lan_expect_tcp(&c, &s);
    while (!(s.flags & LAN_FIN));
    c.rcv = s.seq + 1;
    lan_send_tcp(&c, LAN_ACK, NULL, 0);
    lan_until(lan_count("tcp_connections", -1) == 0);
}

static void test_lines_come_back(void **state)
{
    (void)state;
    run(STATIC, lines);
    assert_true(lan_logged("echo: TCP and UDP port 7"));
    assert_true(lan_logged("echo: 1 connections, 1100 bytes, 0 cut off; "
                           "0 datagrams, 0 dropped"));
}

/* The client's end comes with its last data, before any of it came back. */
static void early_end(struct lan_host *host)
{
    static uint8_t data[1400];
    struct lan_conn c;
    struct lan_segment s;
    size_t got = 0;

    lan_open(&c, host, GUEST, 40000, 7);
    for (unsigned i = 0; i < 10; i++)
        lan_send_tcp(&c, LAN_ACK, data, sizeof(data));
    lan_send_tcp(&c, LAN_FIN | LAN_ACK, NULL, 0);
    do {
        lan_expect_tcp(&c, &s);
        assert_false(s.flags & LAN_RST);
        if (s.seq == c.rcv) { /* or it was sent again */
            got += s.bytes;
            c.rcv += (uint32_t)s.bytes + !!(s.flags & LAN_FIN);
        }
        lan_send_tcp(&c, LAN_ACK, NULL, 0);
    } while (!(s.flags & LAN_FIN));
    assert_int_equal(got, 14000);
    lan_until(lan_count("tcp_connections", -1) == 0);
}

static void test_early_end_loses_nothing(void **state)
{
    (void)state;
    run(STATIC, early_end);
}

/* Writes all it can and never reads: it gets no further than a window. */
static size_t fill(struct lan_conn *c)
{
    static uint8_t data[1400];
    struct lan_segment s;
    size_t sent = 0;
    unsigned idle = 0;

    c->window = 1000;
    while (idle < 5) {
        uint32_t right = c->guest_acked + c->guest_window;

        while (lan_take_tcp(c, &s))
            ;
        if ((int32_t)(right - c->snd) < (int32_t)sizeof(data)) {
            lan_run(100 * NS_PER_MS);
            idle++;
            continue;
        }
        lan_send_tcp(c, LAN_ACK, data, sizeof(data));
        sent += sizeof(data);
        lan_run(100 * NS_PER_US);
        idle = 0;
    }
    return sent;
}

static void slow_readers(struct lan_host *host)
{
    struct lan_conn c[8], other;
    struct lan_segment s;
    char got[5];

    for (unsigned i = 0; i < array_size(c); i++) {
        lan_conn(&c[i], host, GUEST, (uint16_t)(40000 + i), 7);
        lan_send_tcp(&c[i], LAN_SYN, NULL, 0);
        lan_expect_tcp(&c[i], &s);
        c[i].rcv = s.seq + 1;
        c[i].guest_acked = s.ack;
        c[i].window = 1000;
        lan_send_tcp(&c[i], LAN_ACK, NULL, 0);
        assert_in_range(fill(&c[i]), 10000, 140000);
    }
    assert_true(lan_count("memory_used_bytes", -1) <
                lan_count("memory_limit_bytes", -1) * 3 / 4);
    lan_open(&other, lan_host(0, "192.0.2.10"), GUEST, 50000, 7);
    lan_send_tcp(&other, LAN_PSH | LAN_ACK, "hello", 5);
    lan_read(&other, got, 5);
    lan_send_tcp(&other, LAN_RST, NULL, 0);
    /* They are cut off in the end. */
    lan_run(400 * NS_PER_S);
    assert_int_equal(lan_count("tcp_connections", -1), 0);
    assert_true(lan_count("memory_used_bytes", -1) < 20000);
}

static void test_slow_readers_are_bounded_and_cut_off(void **state)
{
    (void)state;
    run(STATIC, slow_readers);
    assert_true(lan_logged(" 8 cut off;"));
}

static void silent_client(struct lan_host *host)
{
    struct lan_conn c;
    char got[5];

    lan_open(&c, host, GUEST, 40000, 7);
    lan_run(600 * NS_PER_S);
    lan_send_tcp(&c, LAN_PSH | LAN_ACK, "hello", 5);
    lan_read(&c, got, 5);
    end_connection(&c);
}

static void test_silent_client_may_stay(void **state)
{
    (void)state;
    run(STATIC, silent_client);
}

static void datagrams(struct lan_host *host)
{
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    static uint8_t data[1472];
    struct lan_ip to = lan_ip(GUEST), everybody = lan_ip("192.0.2.255");

    for (size_t n = 0; n <= sizeof(data); n += 92) {
        lan_send_udp(host, &to, 4000, 7, data, n);
        const struct lan_packet *p = lan_expect(is_udp, NULL);
        assert_int_equal(p->payload_bytes, 8 + n);
        assert_int_equal(lan_get16(p->payload), 7);
        assert_int_equal(lan_get16(p->payload + 2), 4000);
    }
    lan_send_udp(host, &to, 7, 7, "loop", 4);
    host->to = all;
    lan_send_udp(host, &everybody, 4000, 7, "amplify", 7);
    lan_run(NS_PER_S);
    assert_null(lan_take(is_udp, NULL));
}

static void test_datagrams_come_back(void **state)
{
    (void)state;
    run(STATIC, datagrams);
    assert_true(lan_logged("19 datagrams, 2 dropped"));
}

static void other_port(struct lan_host *host)
{
    struct lan_conn c;
    char got[5];

    lan_open(&c, host, GUEST, 40000, 7007);
    lan_send_tcp(&c, LAN_PSH | LAN_ACK, "hello", 5);
    lan_read(&c, got, 5);
    end_connection(&c);
}

static void test_port_option(void **state)
{
    (void)state;
    run(STATIC " echo.port=7007", other_port);
}

static void test_bad_port_stops_the_guest(void **state)
{
    (void)state;
    lan_machine("echo.port=0", 0, 0);
    assert_int_not_equal(app_main(lan_app()), 0);
    assert_true(lan_logged("echo.port=0"));
    lan_abandon();
}

static void test_bad_address_stops_the_guest(void **state)
{
    (void)state;
    lan_machine("vif0.ip=nonsense", 0, 0);
    assert_int_not_equal(app_main(lan_app()), 0);
    lan_abandon();
}

LAN_TESTS(LAN_TEST(test_lines_come_back),
          LAN_TEST(test_early_end_loses_nothing),
          LAN_TEST(test_slow_readers_are_bounded_and_cut_off),
          LAN_TEST(test_silent_client_may_stay),
          LAN_TEST(test_datagrams_come_back), LAN_TEST(test_port_option),
          LAN_TEST(test_bad_port_stops_the_guest),
          LAN_TEST(test_bad_address_stops_the_guest))
