/* SPDX-License-Identifier: MIT */
/* A guest that was paused: what expired meanwhile is not used, and neighbours
 * that could not be asked are not given up. test_net_dhcp.c has leases. */
// sources: lan
#include "tests/unit/lan.h"

#include <string.h>

#include "lwip/dns.h"
#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/tcp.h"

#define SHOWN6 "attr/vif/0/ipv6/0"
#define STATIC "vif0.ip=192.0.2.1/24 vif0.dns=192.0.2.53 vif0.ip6=none"
#define GUEST  "192.0.2.1"
#define HOURS  (3600 * NS_PER_S)

/* What hosts have sent lies in the ring; time passes; the guest goes on. */
static void pause_guest(uint64_t ns)
{
    fake_run_backends();
    fake_advance(ns);
}

static bool shows(const char *value)
{
    const char *shown = fake_xs_get(SHOWN6);

    return value ? shown && strcmp(shown, value) == 0 : !shown;
}

static bool is_icmp6(const struct lan_packet *p, const void *type)
{
    return p->protocol == 58 && p->payload[0] == *(const uint8_t *)type;
}

static bool is_query(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 17 && lan_get16(p->payload + 2) == 53;
}

static bool is_icmp(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 1;
}

static unsigned count(lan_match_fn *match, const void *arg)
{
    unsigned nr = 0;

    while (lan_take(match, arg))
        nr++;
    return nr;
}

/* ---- IPv6 */

static const uint8_t solicitation = 133, echo_reply = 129;

static void announce(struct lan_host *router, uint16_t router_s,
                     uint32_t prefix_s)
{
    uint8_t ra[16 + 8 + 32] = {134, 0, 0, 0, 64}, *at = ra + 16;
    struct lan_ip all = lan_ip("ff02::1");

    lan_put16(ra + 6, router_s);
    memcpy(at, "\x01\x01", 2);
    memcpy(at + 2, router->mac, 6);
    at += 8;
    memcpy(at, "\x03\x04\x40\xc0", 4);
    lan_put32(at + 4, prefix_s);
    lan_put32(at + 8, prefix_s);
    memcpy(at + 16, lan_ip("fec0::").at, 16);
    lan_send_ip(router, &all, 58, ra, sizeof(ra));
}

static void ping6(struct lan_host *host)
{
    struct lan_ip to = lan_ip("fec0::216:3eff:fe00:0");
    uint8_t icmp[64] = {128};

    lan_send_ip(host, &to, 58, icmp, sizeof(icmp));
}

static struct lan_host *start_ipv6(uint16_t router_s, uint32_t prefix_s)
{
    struct lan_host *router;

    lan_start("vif0.ip=none", 1);
    router = lan_host(0, "fe80::1");
    lan_up();
    lan_run(2 * NS_PER_S);
    announce(router, router_s, prefix_s);
    lan_until(shows("fec0::216:3eff:fe00:0"));
    return router;
}

/* The address is over before a ping that lay in the ring is looked at, and the
 * routers are asked anew. */
static void test_announced_addresses_end_during_a_pause(void **state)
{
    struct lan_host *host, *router;

    (void)state;
    router = start_ipv6(3600, 3600);
    host = lan_host(0, "fec0::9");
    lan_run(20 * NS_PER_S);
    lan_drop_all();
    ping6(host);
    pause_guest(2 * HOURS);
    lan_until(shows("fe80::216:3eff:fe00:0"));
    assert_false(net_is_up());
    lan_run(5 * NS_PER_S);
    assert_int_equal(count(is_icmp6, &echo_reply), 0);
    assert_true(count(is_icmp6, &solicitation) > 0);
    announce(router, 3600, 3600);
    lan_until(shows("fec0::216:3eff:fe00:0"));
    lan_stop();
}

static void test_announced_addresses_outlive_a_shorter_pause(void **state)
{
    struct lan_host *host;

    (void)state;
    start_ipv6(9000, 9000);
    host = lan_host(0, "fec0::9");
    lan_run(20 * NS_PER_S);
    lan_drop_all();
    ping6(host);
    pause_guest(2 * HOURS);
    lan_run(NS_PER_S);
    assert_int_equal(count(is_icmp6, &echo_reply), 1);
    assert_int_equal(count(is_icmp6, &solicitation), 0);
    pause_guest(HOURS / 2); /* and this is counted together */
    lan_run(NS_PER_S);
    assert_true(shows("fe80::216:3eff:fe00:0"));
    lan_stop();
}

/* Beyond the router's life there is no way out, though the prefix lives on. */
static void test_a_router_ends_during_a_pause(void **state)
{
    struct lan_host *far;

    (void)state;
    start_ipv6(1800, 0xffffffff);
    far = lan_host(0, "2001:db8::7");
    far->silent = true;
    lan_run(20 * NS_PER_S);
    ping6(far);
    lan_run(NS_PER_S);
    assert_int_equal(count(is_icmp6, &echo_reply), 1);
    pause_guest(HOURS);
    ping6(far);
    lan_run(NS_PER_S);
    assert_true(shows("fec0::216:3eff:fe00:0"));
    assert_int_equal(count(is_icmp6, &echo_reply), 0);
    lan_stop();
}

/* ---- Neighbours and names */

static void ping(struct lan_host *host)
{
    struct lan_ip to = lan_ip(GUEST);
    uint8_t icmp[64] = {8};

    lan_send_ip(host, &to, 1, icmp, sizeof(icmp));
}

static void test_neighbours_are_asked_for_after_a_pause(void **state)
{
    struct lan_host *host;

    (void)state;
    lan_start(STATIC, 1);
    host = lan_host(0, "192.0.2.9");
    lan_up();
    for (unsigned i = 0; i < 2; i++) {
        ping(host);
        lan_run(NS_PER_S);
        assert_int_equal(count(is_icmp, NULL), 1);
    }
    pause_guest(1000 * NS_PER_S);
    host->mac[0] = 6; /* moved meanwhile; says nothing by itself */
    host->mac[5] = 0x99;
    ping(host);
    lan_run(NS_PER_S / 10);
    const struct lan_packet *p = lan_take(is_icmp, NULL);
    assert_non_null(p);
    assert_memory_equal(p->frame, host->mac, 6);
    lan_stop();
}

static void answer_query(struct lan_host *resolver,
                         const struct lan_packet *query)
{
    static const uint8_t record[16] = {0xc0, 12, 0, 1, 0,   1, 0,   0,
                                       1,    0,  0, 4, 203, 0, 113, 7};
    size_t bytes = query->payload_bytes - 8;
    uint16_t port = lan_get16(query->payload);
    struct lan_ip to = query->src;
    uint8_t m[600];

    memcpy(m, query->payload + 8, bytes);
    lan_put16(m + 2, 0x8180);
    lan_put16(m + 6, 1);
    memcpy(m + bytes, record, sizeof(record)); /* true for 256 s */
    lan_send_udp(resolver, &to, 53, port, m, bytes + sizeof(record));
}

static unsigned nr_resolved;

static void on_resolved(const char *name, const ip_addr_t *ip, void *arg)
{
    (void)name;
    (void)arg;
    nr_resolved += ip != NULL;
}

static void test_names_end_and_queries_do_not(void **state)
{
    struct lan_host *resolver;
    ip_addr_t ip;

    (void)state;
    lan_start(STATIC, 1);
    resolver = lan_host(0, "192.0.2.53");
    lan_up();
    lan_run(NS_PER_S);
    dns_gethostbyname("a.example", &ip, on_resolved, NULL);
    answer_query(resolver, lan_expect(is_query, NULL));
    lan_until(nr_resolved == 1);
    pause_guest(250 * NS_PER_S);
    lan_run(NS_PER_S);
    assert_int_equal(dns_gethostbyname("a.example", &ip, on_resolved, NULL),
                     ERR_OK);
    pause_guest(10 * NS_PER_S);
    lan_run(NS_PER_S / 2);
    assert_int_equal(dns_gethostbyname("a.example", &ip, on_resolved, NULL),
                     ERR_INPROGRESS);
    /* The answer comes in time; the guest looks late. */
    answer_query(resolver, lan_expect(is_query, NULL));
    pause_guest(HOURS);
    lan_until(nr_resolved == 2);
    lan_stop();
}

/* ---- TCP */

static struct tcp_pcb *listener, *accepted;
static unsigned nr_errors;

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg;
    (void)err;
    if (!p)
        return tcp_close(pcb);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static void on_err(void *arg, err_t err)
{
    (void)arg;
    (void)err;
    nr_errors++;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    accepted = pcb;
    tcp_recv(pcb, on_recv);
    tcp_err(pcb, on_err);
    return err;
}

static void start_tcp(struct lan_conn *conn)
{
    lan_start(STATIC, 1);
    lan_up();
    struct tcp_pcb *pcb = tcp_new();
    tcp_bind(pcb, IP_ANY_TYPE, 7);
    listener = tcp_listen(pcb);
    tcp_accept(listener, on_accept);
    lan_open(conn, lan_host(0, "192.0.2.9"), GUEST, 40000, 7);
    lan_until(accepted);
}

static void stop_tcp(struct lan_conn *conn)
{
    lan_send_tcp(conn, LAN_RST | LAN_ACK, NULL, 0);
    lan_run(NS_PER_S / 10);
    tcp_close(listener);
    lan_stop();
}

static void test_time_wait_ends_during_a_pause(void **state)
{
    struct lan_conn conn;

    (void)state;
    start_tcp(&conn);
    tcp_close(accepted);
    struct lan_segment s;
    lan_expect_tcp(&conn, &s);
    conn.rcv++;
    lan_send_tcp(&conn, LAN_FIN | LAN_ACK, NULL, 0);
    lan_run(NS_PER_S);
    assert_int_equal(lan_count("tcp_time_wait", -1), 1);
    pause_guest(70 * NS_PER_S);
    lan_run(NS_PER_S);
    assert_int_equal(lan_count("tcp_time_wait", -1), 0);
    stop_tcp(&conn);
}

/* Data is on its way when the guest is paused: it is sent again soon, and the
 * pause is no round trip, which would make the next loss cost minutes. */
static void test_a_pause_is_no_round_trip(void **state)
{
    struct lan_conn conn;
    struct lan_segment s;
    unsigned again = 0;

    (void)state;
    start_tcp(&conn);
    lan_run(3 * NS_PER_S); /* lwIP takes a round trip from tick 0 for none */
    tcp_write(accepted, "abc", 3, TCP_WRITE_FLAG_COPY);
    tcp_output(accepted);
    lan_expect_tcp(&conn, &s);
    conn.rcv += 3;
    lan_send_tcp(&conn, LAN_ACK, NULL, 0);
    pause_guest(2 * HOURS);
    lan_run(NS_PER_S);
    while (lan_take_tcp(&conn, &s))
        ;
    tcp_write(accepted, "def", 3, TCP_WRITE_FLAG_COPY);
    tcp_output(accepted);
    for (unsigned i = 0; i < 80; i++) {
        lan_run(NS_PER_S / 10);
        while (lan_take_tcp(&conn, &s))
            again += s.bytes == 3;
    }
    assert_in_range(again, 3, 5);
    conn.rcv += 3;
    assert_int_equal(nr_errors, 0);
    stop_tcp(&conn);
}

/* Keepalive gives up who was asked and is silent, not who was never asked. */
static void test_a_silent_peer_is_asked_after_a_pause(void **state)
{
    struct lan_conn conn;
    struct lan_segment s;
    unsigned probes = 0;

    (void)state;
    start_tcp(&conn);
    ip_set_option(accepted, SOF_KEEPALIVE);
    accepted->keep_idle = 60000;
    accepted->keep_intvl = 10000;
    accepted->keep_cnt = 3;
    lan_run(NS_PER_S);
    lan_drop_all();
    pause_guest(2 * HOURS);
    lan_run(4 * NS_PER_S);
    while (lan_take_tcp(&conn, &s)) {
        assert_int_equal(s.flags & LAN_RST, 0);
        probes++;
    }
    assert_int_equal(probes, 1);
    lan_send_tcp(&conn, LAN_ACK, NULL, 0);
    lan_run(50 * NS_PER_S);
    assert_int_equal(nr_errors, 0);
    /* Now it is silent. */
    lan_run(45 * NS_PER_S);
    pause_guest(2 * HOURS);
    lan_run(45 * NS_PER_S);
    assert_int_equal(nr_errors, 1);
    stop_tcp(&conn);
}

LAN_TESTS(LAN_TEST(test_announced_addresses_end_during_a_pause),
          LAN_TEST(test_announced_addresses_outlive_a_shorter_pause),
          LAN_TEST(test_a_router_ends_during_a_pause),
          LAN_TEST(test_neighbours_are_asked_for_after_a_pause),
          LAN_TEST(test_names_end_and_queries_do_not),
          LAN_TEST(test_time_wait_ends_during_a_pause),
          LAN_TEST(test_a_pause_is_no_round_trip),
          LAN_TEST(test_a_silent_peer_is_asked_after_a_pause))
