/* SPDX-License-Identifier: MIT */
/* TCP: connections one after the other and many at once, those that are never
 * finished, and what cannot be guessed about them (docs/hardening.md, A13,
 * B11). */
// sources: lan
#include "tests/unit/lan.h"

#include <stdlib.h>
#include <string.h>

#include "net/tcpguard.h"

#include "lwip/ip.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"

#define GUEST  "192.0.2.1"
#define STATIC "vif0.ip=192.0.2.1/24 vif0.gw=192.0.2.254 vif0.ip6=none"
#define PORT   80

#define SYN_ACK (LAN_SYN | LAN_ACK)
#define FIN_ACK (LAN_FIN | LAN_ACK)

/* ---- The guest's service */

static struct service {
    struct tcp_pcb *listener, *last;
    unsigned accepted, ended, errors;
    size_t received;
    bool close_first; /* answer each byte with the end of the connection */
    bool keep;        /* do not read */
    struct pbuf *kept;
} service;

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg;
    (void)err;
    if (!p) {
        service.ended++;
        return tcp_close(pcb);
    }
    service.received += p->tot_len;
    if (service.keep) {
        if (service.kept)
            pbuf_cat(service.kept, p);
        else
            service.kept = p;
        return ERR_OK;
    }
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    if (service.close_first) {
        tcp_recv(pcb, NULL);
        return tcp_close(pcb);
    }
    return ERR_OK;
}

static void on_err(void *arg, err_t err)
{
    (void)arg;
    (void)err;
    service.errors++;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    if (err != ERR_OK)
        return ERR_OK;
    service.accepted++;
    service.last = pcb;
    tcp_recv(pcb, on_recv);
    tcp_err(pcb, on_err);
    return ERR_OK;
}

static void serve(void)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);

    assert_int_equal(tcp_bind(pcb, IP_ANY_TYPE, PORT), ERR_OK);
    service.listener = tcp_listen(pcb);
    tcp_accept(service.listener, on_accept);
}

static struct lan_host *start_with(unsigned long pages)
{
    lan_machine(STATIC, 1, pages);
    assert_int_equal(lan_net_start(), 0);
    lan_up();
    lan_drop_all();
    serve();
    return lan_host(0, "192.0.2.9");
}

static struct lan_host *start(void)
{
    return start_with(0);
}

static void stop(void)
{
    if (service.kept)
        pbuf_free(service.kept);
    tcp_close(service.listener);
    lan_stop();
}

/* ---- Connections */

static void test_handshake_data_and_end(void **state)
{
    struct lan_conn c;
    struct lan_segment s;

    (void)state;
    struct lan_host *host = start();
    lan_open(&c, host, GUEST, 40000, PORT);
    assert_int_equal(c.guest_mss, 1460);
    lan_until(service.accepted == 1);
    lan_send_tcp(&c, LAN_PSH | LAN_ACK, "hello", 5);
    lan_expect_tcp(&c, &s);
    assert_int_equal(s.flags, LAN_ACK);
    assert_int_equal(s.ack, c.snd);
    assert_int_equal(service.received, 5);
    lan_send_tcp(&c, FIN_ACK, NULL, 0);
    lan_expect_tcp(&c, &s);
    assert_int_equal(s.flags, FIN_ACK);
    assert_int_equal(s.ack, c.snd);
    c.rcv = s.seq + 1;
    lan_send_tcp(&c, LAN_ACK, NULL, 0);
    lan_until(lan_count("tcp_connections", -1) == 0);
    assert_int_equal(service.ended, 1);
    assert_int_equal(lan_count("tcp_time_wait", -1), 0);
    stop();
}

static void test_mss_follows_the_mtu(void **state)
{
    struct lan_conn c;

    (void)state;
    lan_machine(STATIC, 1, 0);
    netback_offer(lan_netback(0))->mtu = "9000";
    assert_int_equal(lan_net_start(), 0);
    lan_up();
    serve();
    lan_open(&c, lan_host(0, "192.0.2.9"), GUEST, 40000, PORT);
    assert_int_equal(c.guest_mss, 8960);
    tcp_abort(service.last);
    stop();
}

static void test_closed_port_is_reset(void **state)
{
    struct lan_conn c;
    struct lan_segment s;

    (void)state;
    struct lan_host *host = start();
    lan_conn(&c, host, GUEST, 40000, PORT + 1);
    lan_send_tcp(&c, LAN_SYN, NULL, 0);
    lan_expect_tcp(&c, &s);
    assert_int_equal(s.flags, LAN_RST | LAN_ACK);
    assert_int_equal(s.ack, c.snd);
    stop();
}

/* The guest ends the connection, so it is the one that remembers it. */
static void one_short_connection(struct lan_conn *c)
{
    struct lan_segment s;

    lan_handshake(c);
    lan_send_tcp(c, LAN_PSH | LAN_ACK, "x", 1);
    do
        lan_expect_tcp(c, &s);
    while (!(s.flags & LAN_FIN));
    c->rcv = s.seq + 1;
    lan_send_tcp(c, FIN_ACK, NULL, 0);
    lan_expect_tcp(c, &s);
    assert_int_equal(s.flags, LAN_ACK);
    assert_int_equal(s.ack, c->snd);
}

/* The client uses its port again at once, its sequence numbers moved on. */
static void test_time_wait_port_is_reused(void **state)
{
    struct lan_conn c;

    (void)state;
    struct lan_host *host = start();
    service.close_first = true;
    lan_conn(&c, host, GUEST, 40000, PORT);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t began = fake_now();

        one_short_connection(&c);
        assert_int_equal(lan_count("tcp_time_wait", -1), 1);
        assert_true(fake_now() - began < NS_PER_MS);
        c.snd += i ? fake_random_below(1u << 30) : 0; /* even by nothing */
    }
    assert_int_equal(service.accepted, 100);
    lan_run(70 * NS_PER_S);
    assert_int_equal(lan_count("tcp_time_wait", -1), 0);
    stop();
}

/* Its sequence numbers went back: the old connection is acknowledged, the
 * client resets that, and its next attempt is served. */
static void test_time_wait_ends_by_reset(void **state)
{
    struct lan_conn c;
    struct lan_segment s;

    (void)state;
    struct lan_host *host = start();
    service.close_first = true;
    lan_conn(&c, host, GUEST, 40000, PORT);
    one_short_connection(&c);
    uint32_t old = c.snd;

    c.snd = old - 1000000;
    lan_send_tcp(&c, LAN_SYN, NULL, 0);
    lan_expect_tcp(&c, &s);
    assert_int_equal(s.flags, LAN_ACK);
    assert_int_equal(s.ack, old);
    c.snd = s.ack;
    lan_send_tcp(&c, LAN_RST, NULL, 0);
    lan_until(lan_count("tcp_time_wait", -1) == 0);
    c.snd = old - 1000000;
    one_short_connection(&c);
    stop();
}

static void test_time_wait_survives_a_forged_reset(void **state)
{
    struct lan_conn c;

    (void)state;
    struct lan_host *host = start();
    service.close_first = true;
    lan_conn(&c, host, GUEST, 40000, PORT);
    one_short_connection(&c);
    c.snd += 1; /* in the window, but not exact */
    lan_send_tcp(&c, LAN_RST, NULL, 0);
    lan_run(NS_PER_MS);
    assert_int_equal(lan_count("tcp_time_wait", -1), 1);
    lan_run(70 * NS_PER_S);
    stop();
}

/* Many connections from one client, one after the other: none is refused, and
 * no more than so many are remembered. */
static void test_many_sequential_connections(void **state)
{
    struct lan_conn c;

    (void)state;
    struct lan_host *host = start();
    service.close_first = true;
    lan_conn(&c, host, GUEST, 0, PORT);
    for (unsigned i = 0; i < 100000; i++) {
        c.port = (uint16_t)(32768 + i % 28232);
        c.snd = i * 250000;
        one_short_connection(&c);
        assert_true(lan_count("tcp_time_wait", -1) <=
                    TCPGUARD_TIME_WAIT_MAX + 1);
    }
    assert_int_equal(service.accepted, 100000);
    assert_int_equal(lan_count("tcp_time_wait", -1),
                     TCPGUARD_TIME_WAIT_MAX + 1);
    assert_true(lan_count("tcp_time_wait_dropped", -1) > 99000);
    lan_run(70 * NS_PER_S);
    assert_int_equal(lan_count("memory_used_bytes", -1) < 4096, true);
    stop();
}

/* ---- Floods */

static void flood(struct lan_host *host, unsigned nr)
{
    struct lan_conn c;

    for (unsigned i = 0; i < nr; i++) {
        lan_conn(&c, host, GUEST, (uint16_t)(1024 + fake_random_below(60000)),
                 PORT);
        lan_send_tcp(&c, LAN_SYN, NULL, 0);
        if (i % 32 == 31)
            lan_run(100 * NS_PER_US);
    }
    lan_run(NS_PER_MS);
}

/* SYNs that nobody follows up: an honest client is served between them, what
 * is kept for them is bounded, and afterwards it is all gone. */
static void test_syn_flood(void **state)
{
    struct lan_conn c;
    struct lan_segment s;

    (void)state;
    struct lan_host *attacker = start();
    struct lan_host *honest = lan_host(0, "192.0.2.10");

    flood(attacker, 3000);
    assert_int_equal(lan_count("tcp_opening", -1), TCPGUARD_OPENING_MAX);
    assert_true(lan_count("tcp_syn_dropped", -1) > 1000);
    uint64_t used = lan_count("memory_used_bytes", -1);
    for (unsigned i = 0; i < 20; i++) {
        flood(attacker, 200);
        lan_conn(&c, honest, GUEST, (uint16_t)(40000 + i), PORT);
        lan_send_tcp(&c, LAN_SYN, NULL, 0);
        flood(attacker, 100); /* while its answer is under way */
        lan_expect_tcp(&c, &s);
        c.rcv = s.seq + 1;
        lan_send_tcp(&c, LAN_ACK, NULL, 0);
        lan_until(service.accepted == i + 1);
        tcp_abort(service.last);
        lan_drop_all();
    }
    assert_true(lan_count("memory_used_bytes", -1) < used * 11 / 10);
    lan_run(120 * NS_PER_S);
    assert_int_equal(lan_count("tcp_opening", -1), 0);
    stop();
}

/* Segments that leave a gap, on many connections, and never fill it. */
static void test_out_of_order_flood(void **state)
{
    static uint8_t data[1460];
    struct lan_conn c[64];

    (void)state;
    struct lan_host *host = start();
    for (unsigned i = 0; i < array_size(c); i++)
        lan_open(&c[i], host, GUEST, (uint16_t)(40000 + i), PORT);
    for (unsigned k = 0; k < 60; k++) {
        for (unsigned i = 0; i < array_size(c); i++) {
            c[i].snd += 1;
            lan_send_tcp(&c[i], LAN_ACK, data, sizeof(data));
        }
        lan_run(NS_PER_MS);
        lan_drop_all();
    }
    assert_int_equal(service.received, 0);
    assert_true(lan_count("tcp_early_dropped", -1) > 0);
    assert_true(lan_count("memory_used_bytes", -1) <=
                lan_count("memory_limit_bytes", -1));
    /* Somebody else is served all the same. */
    struct lan_conn d;
    lan_open(&d, lan_host(0, "192.0.2.10"), GUEST, 50000, PORT);
    lan_send_tcp(&d, LAN_PSH | LAN_ACK, "hello", 5);
    lan_until(service.received == 5);
    for (unsigned i = 0; i < array_size(c); i++) {
        c[i].snd -= 60 * 1461;
        lan_send_tcp(&c[i], LAN_RST, NULL, 0);
        lan_run(NS_PER_MS);
    }
    lan_send_tcp(&d, LAN_RST, NULL, 0);
    lan_until(lan_count("tcp_connections", -1) == 0);
    assert_int_equal(lan_count("rx_pages_held", 0), 0);
    stop();
}

/* An app that does not read stops its sender, not the others. */
static void test_window_closes_and_opens(void **state)
{
    static uint8_t data[1460];
    struct lan_conn c;
    struct lan_segment s;

    (void)state;
    struct lan_host *host = start();
    lan_open(&c, host, GUEST, 40000, PORT);
    service.keep = true;
    while (!lan_take_tcp(&c, &s) || s.window > sizeof(data)) {
        lan_send_tcp(&c, LAN_ACK, data, sizeof(data));
        lan_run(NS_PER_MS);
    }
    assert_true(service.received >= 60000);
    size_t kept = service.received;
    for (size_t left = kept; left;) {
        uint16_t part = (uint16_t)(left < 30000 ? left : 30000);

        tcp_recved(service.last, part);
        left -= part;
    }
    do
        lan_expect_tcp(&c, &s);
    while (s.window < 60000);
    lan_send_tcp(&c, LAN_RST, NULL, 0);
    lan_until(service.errors == 1);
    stop();
}

/* RFC 9293, 3.10.7.4: an acknowledgement at the next byte is acceptable even to
 * a window of zero, and what is acceptable is not answered. */
static void test_acks_at_a_closed_window(void **state)
{
    static uint8_t data[65535];
    struct lan_conn c;
    struct lan_segment s;

    (void)state;
    struct lan_host *host = start();
    lan_open(&c, host, GUEST, 40000, PORT);
    service.keep = true;
    lan_until(service.accepted == 1);
    unsigned left = service.last->rcv_wnd;
    while (left) {
        unsigned part = left < 1460 ? left : 1460;

        lan_send_tcp(&c, LAN_ACK, data, part);
        lan_run(NS_PER_MS);
        left -= part;
    }
    lan_run(NS_PER_S);
    while (lan_take_tcp(&c, &s))
        assert_int_equal(c.rcv, s.seq);
    assert_int_equal(s.window, 0);
    for (unsigned i = 0; i < 50; i++) {
        lan_send_tcp(&c, LAN_ACK, NULL, 0);
        lan_run(NS_PER_MS);
    }
    assert_false(lan_take_tcp(&c, &s));
    c.snd++; /* beyond the window: that is answered */
    lan_send_tcp(&c, LAN_ACK, NULL, 0);
    lan_expect_tcp(&c, &s);
    assert_int_equal(s.ack, c.snd - 1);
    tcp_abort(service.last);
    stop();
}

/* A SYN that nobody takes leaves the old connection's memory alone. */
static void test_time_wait_without_a_listener(void **state)
{
    struct lan_conn c;
    struct lan_segment s;

    (void)state;
    struct lan_host *host = start();
    service.close_first = true;
    lan_conn(&c, host, GUEST, 40000, PORT);
    one_short_connection(&c);
    lan_send_tcp(&c, LAN_SYN | LAN_FIN, NULL, 0); /* nor is this one taken */
    lan_run(NS_PER_MS);
    assert_int_equal(lan_count("tcp_time_wait", -1), 1);
    while (lan_take_tcp(&c, &s))
        assert_false(s.flags & LAN_SYN);
    tcp_close(service.listener);
    lan_send_tcp(&c, LAN_SYN, NULL, 0);
    lan_expect_tcp(&c, &s);
    assert_int_equal(s.flags, LAN_RST | LAN_ACK);
    assert_int_equal(lan_count("tcp_time_wait", -1), 1);
    lan_run(70 * NS_PER_S);
    assert_int_equal(lan_count("tcp_time_wait", -1), 0);
    lan_stop();
}

static void test_syn_with_fin(void **state)
{
    struct lan_conn c;
    struct lan_segment s;

    (void)state;
    struct lan_host *host = start();
    lan_conn(&c, host, GUEST, 40000, PORT);
    lan_send_tcp(&c, LAN_SYN | LAN_FIN, NULL, 0);
    lan_run(3 * NS_PER_S);
    assert_false(lan_take_tcp(&c, &s));
    assert_int_equal(lan_count("tcp_opening", -1), 0);
    stop();
}

static void test_ten_thousand_idle_connections(void **state)
{
    struct lan_conn c;

    (void)state;
    struct lan_host *hosts[2] = {start_with(16384)};

    hosts[1] = lan_host(0, "192.0.2.10");
    uint64_t before = lan_count("memory_used_bytes", -1);
    for (unsigned i = 0; i < 10000; i++)
        lan_open(&c, hosts[i % 2], GUEST, (uint16_t)(1024 + i), PORT);
    lan_until(service.accepted == 10000);
    uint64_t each = (lan_count("memory_used_bytes", -1) - before) / 10000;
    print_message("# %u bytes a connection\n", (unsigned)each);
    assert_true(each < 400);
    lan_run(10 * NS_PER_S);
    assert_int_equal(lan_count("tcp_connections", -1), 10000);
    lan_open(&c, hosts[0], GUEST, 60000, PORT);
    lan_send_tcp(&c, LAN_PSH | LAN_ACK, "hello", 5);
    lan_until(service.received == 5);
    lan_abandon(); /* closing them one by one is another test's business */
}

/* Memory for some only: the rest are not answered, those there are stay. */
static void test_connections_beyond_memory(void **state)
{
    struct lan_conn c, first;
    struct lan_segment s;
    unsigned answered = 0;

    (void)state;
    struct lan_host *host = start_with(512);
    lan_open(&first, host, GUEST, 1000, PORT);
    for (unsigned i = 0; i < 6000; i++) {
        lan_conn(&c, host, GUEST, (uint16_t)(1024 + i), PORT);
        lan_send_tcp(&c, LAN_SYN, NULL, 0);
        lan_run(100 * NS_PER_US);
        if (!lan_take_tcp(&c, &s))
            continue;
        c.rcv = s.seq + 1;
        lan_send_tcp(&c, LAN_ACK, NULL, 0);
        lan_run(100 * NS_PER_US);
        answered++;
    }
    assert_in_range(answered, 500, 5900);
    assert_true(lan_count("tcp_syn_refused", -1) > 0);
    lan_send_tcp(&first, LAN_PSH | LAN_ACK, "hello", 5);
    lan_until(service.received == 5);
    lan_abandon();
}

/* ---- Sending */

static uint8_t stream(size_t at)
{
    return (uint8_t)(at * 2654435761u >> 13);
}

struct sender {
    struct tcp_pcb *pcb;
    size_t at, total;
};

static void send_more(struct sender *sender)
{
    static uint8_t data[65535];

    while (sender->at < sender->total) {
        size_t n = tcp_sndbuf(sender->pcb);

        if (n > sender->total - sender->at)
            n = sender->total - sender->at;
        if (n > sizeof(data))
            n = sizeof(data);
        for (size_t i = 0; i < n; i++)
            data[i] = stream(sender->at + i);
        if (n == 0 || tcp_write(sender->pcb, data, (u16_t)n,
                                TCP_WRITE_FLAG_COPY) != ERR_OK)
            break;
        sender->at += n;
    }
    tcp_output(sender->pcb);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t bytes)
{
    (void)pcb;
    (void)bytes;
    send_more(arg);
    return ERR_OK;
}

static void start_sending(struct sender *sender, struct tcp_pcb *pcb,
                          size_t total)
{
    *sender = (struct sender){.pcb = pcb, .total = total};
    tcp_arg(pcb, sender);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, NULL);
    send_more(sender);
}

/* A client that takes a stream as it comes. */
struct taker {
    struct lan_conn conn;
    size_t at;
    unsigned owed; /* segments not acknowledged yet */
};

/* Take what is there, acknowledging every nth segment, and the last. */
static void take_some(struct taker *t, unsigned nth)
{
    struct lan_segment s;

    while (lan_take_tcp(&t->conn, &s)) {
        if (s.seq != t->conn.rcv) {
            assert_true((int32_t)(s.seq - t->conn.rcv) < 0);
            continue; /* sent again, since we were slow */
        }
        for (size_t i = 0; i < s.bytes; i++)
            assert_int_equal(s.data[i], stream(t->at + i));
        t->at += s.bytes;
        t->conn.rcv += (uint32_t)s.bytes;
        if (++t->owed >= nth) {
            t->owed = 0;
            lan_send_tcp(&t->conn, LAN_ACK, NULL, 0);
        }
    }
    if (t->owed) {
        t->owed = 0;
        lan_send_tcp(&t->conn, LAN_ACK, NULL, 0);
    }
}

static bool take_until(struct taker *t, unsigned nth, size_t total)
{
    take_some(t, nth);
    return t->at == total;
}

static void end_connection(struct lan_conn *c)
{
    unsigned before = (unsigned)lan_count("tcp_connections", -1);

    lan_send_tcp(c, LAN_RST, NULL, 0);
    lan_until(lan_count("tcp_connections", -1) < before);
}

static void test_bulk_transfer(void **state)
{
    const size_t total = 4 << 20;
    struct sender sender;

    (void)state;
    struct lan_host *host = start();
    for (unsigned nth = 1; nth <= 4; nth++) {
        struct taker t = {.at = 0};

        lan_open(&t.conn, host, GUEST, (uint16_t)(40000 + nth), PORT);
        lan_until(service.accepted == nth);
        start_sending(&sender, service.last, total);
        lan_until(take_until(&t, nth, total));
        end_connection(&t.conn);
    }
    stop();
}

/* A ring that nobody empties: no connection gives up or loses its place, and
 * when the backend goes on, so do all of them, at about the same pace. */
static void test_full_ring(void **state)
{
    const size_t warm = 300000, total = 1500000;
    struct taker t[24] = {{.at = 0}};
    struct sender sender[24];
    size_t begin[24], least, most = 0;

    (void)state;
    struct lan_host *host = start_with(16384);
    for (unsigned i = 0; i < array_size(t); i++) {
        lan_open(&t[i].conn, host, GUEST, (uint16_t)(40000 + i), PORT);
        lan_until(service.accepted == i + 1);
        start_sending(&sender[i], service.last, total);
    }
    for (unsigned i = 0; i < array_size(t); i++)
        lan_until((take_some(&t[i], 1), t[i].at >= warm));
    lan_run(NS_PER_MS); /* now all have a full window under way */
    netback_manner(lan_netback(0))->hold_tx = true;
    for (unsigned i = 0; i < array_size(t); i++)
        begin[i] = t[i].at;
    for (unsigned i = 0; i < array_size(t); i++)
        take_some(&t[i], 2);
    lan_run(10 * NS_PER_MS);
    assert_true(lan_count("tx_full", 0) > 0);
    netback_manner(lan_netback(0))->hold_tx = false;
    while (most < 400000) {
        least = total;
        lan_run(10 * NS_PER_US);
        for (unsigned i = 0; i < array_size(t); i++) {
            take_some(&t[i], 2);
            size_t done = t[i].at - begin[i];
            least = done < least ? done : least;
            most = done > most ? done : most;
        }
    }
    assert_true(least > most / 2);
    for (unsigned i = 0; i < array_size(t); i++)
        lan_until(take_until(&t[i], 2, total));
    for (unsigned i = 0; i < array_size(t); i++)
        end_connection(&t[i].conn);
    stop();
}

/* ---- What cannot be guessed */

static bool is_syn(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 6 && p->payload[13] == LAN_SYN;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    (void)pcb;
    (void)err;
    return ERR_OK;
}

static void test_outgoing_ports_are_unpredictable(void **state)
{
    unsigned above = 0, near = 0;
    uint16_t last = 0;

    (void)state;
    start();
    for (unsigned i = 0; i < 200; i++) {
        struct tcp_pcb *pcb = tcp_new();
        ip_addr_t to = IPADDR4_INIT_BYTES(192, 0, 2, 9);

        assert_int_equal(tcp_connect(pcb, &to, 80, on_connected), ERR_OK);
        const struct lan_packet *p = lan_expect(is_syn, NULL);
        uint16_t port = lan_get16(p->payload);
        above += port > last;
        near += abs(port - last) < 64;
        last = port;
        tcp_abort(pcb);
    }
    assert_in_range(above, 60, 140);
    assert_true(near < 10);
    stop();
}

/* For different ports they are unrelated; for the same connection they move on
 * with the clock (RFC 6528). */
static void test_sequence_numbers(void **state)
{
    uint32_t last = 0, first = 0;
    unsigned above = 0, near = 0;
    struct lan_conn c;
    struct lan_segment s;

    (void)state;
    struct lan_host *host = start();
    for (unsigned i = 0; i < 200; i++) {
        lan_conn(&c, host, GUEST, (uint16_t)(40000 + i), PORT);
        lan_send_tcp(&c, LAN_SYN, NULL, 0);
        lan_expect_tcp(&c, &s);
        above += s.seq > last;
        near += s.seq - last + 1000000 < 2000000;
        last = s.seq;
        if (i == 0)
            first = s.seq;
        lan_send_tcp(&c, LAN_RST, NULL, 0);
        lan_until(lan_count("tcp_opening", -1) == 0);
    }
    assert_in_range(above, 60, 140);
    assert_true(near < 5);
    lan_run(40 * NS_PER_MS);
    lan_conn(&c, host, GUEST, 40000, PORT);
    lan_send_tcp(&c, LAN_SYN, NULL, 0);
    lan_expect_tcp(&c, &s);
    assert_in_range(s.seq - first, 10000, 20000);
    lan_send_tcp(&c, LAN_RST, NULL, 0);
    lan_until(lan_count("tcp_opening", -1) == 0);
    stop();
}

/* ---- Numbers */

static struct seen {
    struct net_number number;
    bool fell;
} seen[128];
static unsigned nr_seen, at_seen;

static void see(void *arg, const struct net_number *number)
{
    struct seen *was = &seen[at_seen++];

    (void)arg;
    assert_true(at_seen <= array_size(seen));
    if (at_seen > nr_seen) {
        nr_seen = at_seen;
    } else if (number->value < was->number.value) {
        assert_string_equal(number->name, was->number.name);
        if (number->is_counter)
            fake_fail("%s fell", number->name);
        was->fell = true;
    }
    was->number = *number;
}

static void see_numbers(void)
{
    at_seen = 0;
    net_numbers(see, NULL);
}

static bool fell(const char *name)
{
    for (unsigned i = 0; i < nr_seen; i++) {
        if (strcmp(seen[i].number.name, name) == 0)
            return seen[i].fell;
    }
    return false;
}

static void test_what_falls_is_no_counter(void **state)
{
    struct lan_conn c;

    (void)state;
    struct lan_host *host = start();
    service.keep = true;
    lan_open(&c, host, GUEST, 40000, PORT);
    lan_send_tcp(&c, LAN_PSH | LAN_ACK, "hello", 5);
    lan_until(service.received == 5);
    see_numbers();
    pbuf_free(service.kept);
    service.kept = NULL;
    tcp_close(service.last);
    see_numbers();
    lan_run(300 * NS_PER_S);
    see_numbers();
    netback_close(lan_netback(0));
    lan_run(NS_PER_S);
    see_numbers();
    assert_true(fell("link_up"));
    assert_true(fell("rx_pages_held"));
    assert_true(fell("memory_used_bytes"));
    assert_true(fell("tcp_connections"));
    assert_false(fell("rx_frames"));
    stop();
}

/* ---- lwIP's timers */

static unsigned fired;

static void on_timeout(void *arg)
{
    assert_ptr_equal(arg, &fired);
    fired++;
}

static void test_timeouts(void **state)
{
    (void)state;
    start();
    for (unsigned i = 0; i < 10; i++)
        sys_timeout(100 + 100 * i, on_timeout, &fired);
    uint64_t began = fake_now();
    lan_until(fired == 1);
    assert_int_equal(fake_now() - began, 100 * NS_PER_MS);
    sys_untimeout(on_timeout, &fired);
    sys_untimeout(on_timeout, NULL); /* there is none */
    lan_run(2 * NS_PER_S);
    assert_int_equal(fired, 9);
    stop();
}

LAN_TESTS(
    LAN_TEST(test_full_ring), LAN_TEST(test_outgoing_ports_are_unpredictable),
    LAN_TEST(test_sequence_numbers), LAN_TEST(test_timeouts),
    LAN_TEST(test_what_falls_is_no_counter),
    LAN_TEST(test_handshake_data_and_end), LAN_TEST(test_mss_follows_the_mtu),
    LAN_TEST(test_closed_port_is_reset), LAN_TEST(test_acks_at_a_closed_window),
    LAN_TEST(test_time_wait_without_a_listener), LAN_TEST(test_syn_with_fin),
    LAN_TEST(test_time_wait_port_is_reused),
    LAN_TEST(test_time_wait_ends_by_reset),
    LAN_TEST(test_time_wait_survives_a_forged_reset),
    LAN_TEST(test_many_sequential_connections), LAN_TEST(test_syn_flood),
    LAN_TEST(test_out_of_order_flood), LAN_TEST(test_window_closes_and_opens),
    LAN_TEST(test_ten_thousand_idle_connections),
    LAN_TEST(test_connections_beyond_memory), LAN_TEST(test_bulk_transfer))
