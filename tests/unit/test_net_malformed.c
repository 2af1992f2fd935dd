/* SPDX-License-Identifier: MIT */
/* Messages that are nearly right: each kind that lwIP understands, with a few
 * bytes changed and the checksums put right again, so that what is wrong gets
 * as far as it can (docs/hardening.md, A13). Whatever becomes of the guest's
 * addresses and routes, it lives, it holds on to nothing, and what is right
 * still works afterwards. */
// sources: lan
#include "tests/unit/lan.h"

#include <stdio.h>
#include <string.h>

#include "lwip/dns.h"
#include "lwip/ip_addr.h"
#include "lwip/tcp.h"

#define ROUNDS 20000
#define PORT   80

static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};

/* Change some bytes, and now and then the length. */
static size_t spoil(uint8_t *message, size_t bytes, size_t from)
{
    static const uint8_t edges[] = {0, 1, 2, 3, 4, 127, 128, 254, 255};

    for (unsigned n = fake_random_below(5); n && bytes > from; n--) {
        size_t at = from + fake_random_below((unsigned)(bytes - from));

        message[at] = fake_chance(50) ? edges[fake_random_below(sizeof(edges))]
                                      : (uint8_t)fake_random();
    }
    return fake_chance(15) ? fake_random_below((unsigned)bytes + 1) : bytes;
}

static void rest(unsigned round)
{
    if (round % 32)
        return;
    lan_run(NS_PER_MS + fake_random_below(4) * 100 * NS_PER_MS);
    lan_drop_all();
}

static bool is_echo_reply(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 58 ? p->payload[0] == 129
                             : p->protocol == 1 && p->payload[0] == 0;
}

static void check_ping(struct lan_host *host, const char *guest)
{
    struct lan_ip to = lan_ip(guest);
    uint8_t icmp[64] = {to.v6 ? 128 : 8};

    lan_send_ip(host, &to, to.v6 ? 58 : 1, icmp, sizeof(icmp));
    lan_expect(is_echo_reply, NULL);
}

/* ---- DHCP */

static bool is_dhcp(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 17 && lan_get16(p->payload + 2) == 67;
}

static uint8_t *put(uint8_t *at, uint8_t code, const void *value, uint8_t bytes)
{
    *at++ = code;
    *at++ = bytes;
    memcpy(at, value, bytes);
    return at + bytes;
}

/* Of any type, to the last question that was asked. */
static size_t dhcp_message(uint8_t m[600], const struct lan_packet *question)
{
    uint8_t type = (uint8_t)(fake_chance(80) ? 2 + 3 * fake_random_below(2)
                                             : fake_random_below(9));
    uint8_t *at = m + 236;

    memset(m, 0, 600);
    memcpy(m, "\2\1\6", 3);
    memcpy(m + 4, question->payload + 8 + 4, 4);
    memcpy(m + 28, question->payload + 8 + 28, 6);
    memcpy(m + 16, "\x0a\x00\x02\x05", 4);
    memcpy(at, "\x63\x82\x53\x63", 4);
    at = put(at + 4, 53, &type, 1);
    at = put(at, 54, "\x0a\x00\x02\x02", 4);
    at = put(at, 51, "\x00\x00\x0e\x10", 4);
    at = put(at, 1, "\xff\xff\xff\x00", 4);
    at = put(at, 3, "\x0a\x00\x02\x02", 4);
    at = put(at, 6, "\x0a\x00\x02\x03\x0a\x00\x02\x04", 8);
    at = put(at, 52, fake_chance(50) ? "\1" : "\3", 1); /* overloaded fields */
    *at++ = 255;
    return (size_t)(at - m) + 60;
}

static void test_dhcp_answers(void **state)
{
    static uint8_t m[600];
    struct lan_ip to = lan_ip("255.255.255.255");
    unsigned questions = 0;

    (void)state;
    lan_start("vif0.ip=dhcp vif0.ip6=none", 1);
    struct lan_host *server = lan_host(0, "10.0.2.2");
    lan_up();
    server->to = everybody;
    for (unsigned i = 0; i < ROUNDS; i++) {
        const struct lan_packet *p = lan_take(is_dhcp, NULL);

        if (!p && i % 10) {
            lan_run(NS_PER_S);
            continue;
        }
        if (!p) { /* it has an address for long: then what if the link goes? */
            netback_close(lan_netback(0));
            lan_run(NS_PER_S);
            netback_start(lan_netback(0));
            lan_run(NS_PER_S);
            continue;
        }
        questions++;
        lan_send_udp(server, &to, 67, 68, m, spoil(m, dhcp_message(m, p), 240));
        lan_run(NS_PER_MS);
    }
    assert_true(questions > 1000);
    lan_stop();
}

/* ---- DNS */

static bool is_query(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 17 && lan_get16(p->payload + 2) == 53;
}

static unsigned resolved;

static void on_resolved(const char *name, const ip_addr_t *ip, void *arg)
{
    (void)name;
    (void)ip;
    (void)arg;
    resolved++;
}

static size_t dns_message(uint8_t *m, const struct lan_packet *query)
{
    static const uint8_t records[] = {
        0xc0, 12,   0,  5, 0, 1, 0, 0, 1, 0, 0, 7, 5, 'o', 't', 'h', 'e', 'r',
        0,    0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 203, 0,   113, 7,
    };
    size_t bytes = query->payload_bytes - 8;

    memcpy(m, query->payload + 8, bytes);
    lan_put16(m + 2, 0x8180);
    lan_put16(m + 6, 2);
    memcpy(m + bytes, records, sizeof(records));
    return bytes + sizeof(records);
}

static void test_dns_answers(void **state)
{
    static uint8_t m[600];
    unsigned asked = 0;

    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.dns=192.0.2.53 vif0.ip6=none", 1);
    struct lan_host *resolver = lan_host(0, "192.0.2.53");
    lan_up();
    lan_run(NS_PER_S);
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        char name[32];
        ip_addr_t ip;

        snprintf(name, sizeof(name), "host%u.example", i);
        if (dns_gethostbyname(name, &ip, on_resolved, NULL) == ERR_INPROGRESS)
            asked++;
        lan_run(NS_PER_MS);
        const struct lan_packet *p = lan_take(is_query, NULL);
        if (!p) {
            lan_run(10 * NS_PER_S);
            continue;
        }
        struct lan_ip to = p->src;
        uint16_t port = lan_get16(p->payload);
        for (unsigned k = 0; k < 4; k++) {
            size_t bytes = spoil(m, dns_message(m, p), 2);

            lan_send_udp(resolver, &to, 53, port, m, bytes);
        }
        lan_run(NS_PER_MS);
    }
    lan_run(60 * NS_PER_S);
    assert_int_equal(resolved, asked);
    lan_stop();
}

/* ---- IPv6: router and neighbour messages, MLD */

static size_t router_advertisement(uint8_t *m)
{
    static const uint8_t text[] =
        {
            134,  0,    0,    0,    64, 0,  7,  8,   0, 0, 0, 0,    0,
            0,    0,    0,    1,    1,  2,  0,  0,   0, 0, 1, /* link-layer
                                                                 address */
            5,    1,    0,    0,    0,  0,  5,  220,          /* MTU */
            3,    4,    64,   0xc0, 0,  1,  0,  0,   0, 1, 0, 0,    0,
            0,    0,    0, /* prefix
                            */
            0xfe, 0xc0, 0,    0,    0,  0,  0,  0,   0, 0, 0, 0,    0,
            0,    0,    0,    24,   2,  48, 0,  0,   0, 7, 8, 0x20, 1,
            13,   184,  0,    0,    0,  0,          /* route
                                                     */
            25,   3,    0,    0,    0,  0,  14, 16, /* resolver */
            0xfe, 0xc0, 0,    0,    0,  0,  0,  0,   0, 0, 0, 0,    0,
            0,    0,    0x53,
        };

    memcpy(m, text, sizeof(text));
    return sizeof(text);
}

static size_t neighbour_message(uint8_t *m)
{
    memset(m, 0, 48);
    m[0] = (uint8_t)(135 + fake_random_below(3)); /* and redirects */
    m[4] = (uint8_t)(fake_random_below(8) << 5);
    memcpy(m + 8, lan_ip(fake_chance(50) ? "2001:db8::1" : "fe80::9").at, 16);
    m[24] = (uint8_t)(1 + fake_random_below(2));
    m[25] = 1;
    memcpy(m + 26, "\2\0\0\0\1\x09", 6);
    return m[0] == 137 ? 48 : 32;
}

static size_t mld_query(uint8_t *m)
{
    memset(m, 0, 28);
    m[0] = (uint8_t)(130 + fake_random_below(3));
    lan_put16(m + 4, (uint16_t)fake_random());
    if (fake_chance(50))
        memcpy(m + 8, lan_ip("ff02::1:ff00:1").at, 16);
    return fake_chance(50) ? 24 : 28;
}

static size_t icmp_error(uint8_t *m)
{
    memset(m, 0, 8 + 40 + 20);
    m[0] = (uint8_t)(1 + fake_random_below(4));
    lan_put32(m + 4, fake_random_below(2000));
    m[8] = 0x60;
    m[14] = 6;
    memcpy(m + 16, lan_ip("2001:db8::1").at, 16);
    memcpy(m + 32, lan_ip("2001:db8::9").at, 16);
    return 8 + 40 + 20;
}

static void test_ipv6_messages(void **state)
{
    static size_t (*const makers[])(uint8_t * m) = {
        router_advertisement, neighbour_message, mld_query, icmp_error};
    static uint8_t m[600];
    struct lan_ip guest = lan_ip("2001:db8::1"), all = lan_ip("ff02::1");

    (void)state;
    lan_start("vif0.ip=none vif0.ip6=2001:db8::1", 1);
    lan_up();
    struct lan_host *router = lan_host(0, "fe80::9");
    struct lan_host *other = lan_host(0, "2001:db8::9");
    lan_run(3 * NS_PER_S);
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        size_t bytes = makers[fake_random_below(4)](m);

        lan_send_ip(fake_chance(70) ? router : other,
                    fake_chance(50) ? &guest : &all, 58, m, spoil(m, bytes, 1));
        rest(i);
    }
    lan_run(600 * NS_PER_S);
    lan_drop_all();
    assert_int_equal(lan_count("rx_pages_held", 0), 0);
    /* Its own address may have been taken for a duplicate; the other not. */
    check_ping(router, "fe80::216:3eff:fe00:0");
    lan_stop();
}

/* Extension headers: chains of them, and what is behind them. */
static void test_ipv6_extension_headers(void **state)
{
    static const uint8_t kinds[] = {0, 43, 44, 59, 60, 6, 17, 58, 135, 255};
    static uint8_t m[1400];
    struct lan_ip guest = lan_ip("2001:db8::1");

    (void)state;
    lan_start("vif0.ip=none vif0.ip6=2001:db8::1", 1);
    lan_up();
    struct lan_host *other = lan_host(0, "2001:db8::9");
    lan_run(3 * NS_PER_S);
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        size_t bytes = 8 + 8 * fake_random_below(20);
        uint8_t first = kinds[fake_random_below(sizeof(kinds))];

        for (size_t at = 0; at < bytes; at += 8) {
            fake_random_fill(m + at, 8);
            m[at] = kinds[fake_random_below(sizeof(kinds))];
            m[at + 1] = (uint8_t)(fake_chance(70) ? 0 : fake_random_below(8));
        }
        lan_send_ip(other, &guest, first, m, spoil(m, bytes, 0));
        rest(i);
    }
    lan_run(60 * NS_PER_S);
    lan_drop_all();
    assert_int_equal(lan_count("rx_pages_held", 0), 0);
    check_ping(other, "2001:db8::1");
    lan_stop();
}

/* ---- ARP */

static void test_arp(void **state)
{
    uint8_t frame[64] = {0};

    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.ip6=none", 1);
    lan_up();
    for (unsigned i = 0; i < ROUNDS; i++) {
        memcpy(frame, everybody, 6);
        memcpy(frame + 6, "\2\0\0\0\0\x09", 6);
        memcpy(frame + 12, "\x08\x06\0\1\x08\0\6\4\0", 9);
        frame[21] = (uint8_t)(1 + fake_random_below(2));
        memcpy(frame + 22, "\2\0\0\0\0", 5);
        frame[27] = (uint8_t)fake_random();
        memcpy(frame + 28, "\xc0\0\2", 3);
        frame[31] = (uint8_t)fake_random();
        memcpy(frame + 38, "\xc0\0\2\5", 4);
        size_t bytes = spoil(frame, 42, 12);
        if (bytes >= 14)
            lan_send_frame(0, frame, bytes, 0);
        rest(i);
    }
    lan_run(600 * NS_PER_S);
    lan_drop_all();
    check_ping(lan_host(0, "192.0.2.9"), "192.0.2.5");
    lan_stop();
}

/* ---- TCP on a connection that exists */

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg;
    (void)err;
    if (!p)
        return tcp_close(pcb);
    tcp_write(pcb, p->payload, p->len, TCP_WRITE_FLAG_COPY);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    if (err == ERR_OK)
        tcp_recv(pcb, on_recv);
    return ERR_OK;
}

/* Options of all kinds, of right and of wrong lengths. */
static size_t put_options(uint8_t *at)
{
    size_t bytes = 4 * fake_random_below(11);

    for (size_t i = 0; i < bytes; i++)
        at[i] =
            (uint8_t)(fake_chance(60) ? fake_random_below(12) : fake_random());
    return bytes;
}

static void some_segment(struct lan_conn *c, struct lan_host *host)
{
    static uint8_t tcp[1500];
    static const uint8_t flags[] = {0x10, 0x18, 0x11, 0x14, 0x02, 0x12,
                                    0x04, 0x31, 0x00, 0xff, 0x10, 0x10};
    size_t options = put_options(tcp + 20);
    size_t data = fake_chance(60) ? fake_random_below(1400) : 0;
    uint32_t shift = fake_chance(50) ? fake_random_below(4000) : 0;

    lan_put16(tcp, c->port);
    lan_put16(tcp + 2, c->guest_port);
    lan_put32(tcp + 4, c->snd + (fake_chance(50) ? shift : -shift));
    lan_put32(tcp + 8,
              c->rcv + (fake_chance(90) ? 0 : fake_random_below(3000)));
    tcp[12] =
        (uint8_t)(fake_chance(95) ? (20 + options) / 4 << 4 : fake_random());
    tcp[13] = flags[fake_random_below(sizeof(flags))];
    lan_put16(tcp + 14, (uint16_t)fake_random());
    lan_put16(tcp + 18, (uint16_t)fake_random());
    lan_send_ip(host, &c->guest, 6, tcp, 20 + options + data);
}

static void test_tcp_segments(void **state)
{
    struct lan_conn c[4];
    struct lan_segment s;

    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.ip6=none", 1);
    struct lan_host *host = lan_host(0, "192.0.2.9");
    struct tcp_pcb *listener = tcp_new();
    tcp_bind(listener, NULL, PORT);
    listener = tcp_listen(listener);
    tcp_accept(listener, on_accept);
    lan_up();
    for (unsigned i = 0; i < 4; i++)
        lan_conn(&c[i], host, "192.0.2.5", (uint16_t)(40000 + i), PORT);
    for (unsigned i = 0; i < 3 * ROUNDS; i++) {
        struct lan_conn *one = &c[fake_random_below(4)];

        if (fake_chance(3)) { /* a connection that all of this can meet */
            lan_send_tcp(one, LAN_SYN, NULL, 0);
            lan_run(100 * NS_PER_US);
            while (lan_take_tcp(one, &s)) {
                one->rcv = s.seq + 1;
                if (s.flags & LAN_ACK)
                    one->snd = s.ack;
            }
            lan_send_tcp(one, LAN_ACK, NULL, 0);
        }
        some_segment(one, host);
        rest(i);
    }
    lan_run(400 * NS_PER_S);
    for (unsigned i = 0; i < 4; i++) { /* what is left of them */
        lan_send_tcp(&c[i], LAN_SYN, NULL, 0);
        lan_run(NS_PER_MS);
        while (lan_take_tcp(&c[i], &s))
            c[i].snd = s.ack;
        lan_send_tcp(&c[i], LAN_RST, NULL, 0);
        lan_run(NS_PER_MS);
    }
    lan_run(400 * NS_PER_S);
    lan_drop_all();
    assert_int_equal(lan_count("tcp_connections", -1), 0);
    assert_int_equal(lan_count("rx_pages_held", 0), 0);
    check_ping(host, "192.0.2.5");
    tcp_close(listener);
    lan_stop();
}

LAN_TESTS(LAN_TEST(test_dhcp_answers), LAN_TEST(test_dns_answers),
          LAN_TEST(test_ipv6_messages), LAN_TEST(test_ipv6_extension_headers),
          LAN_TEST(test_arp), LAN_TEST(test_tcp_segments))
