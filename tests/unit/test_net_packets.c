/* SPDX-License-Identifier: MIT */
/* Packets between the wire and lwIP: checksums both ways, pages, fragments,
 * and what malformed ones do (docs/hardening.md, A13). */
// sources: lan
#include "tests/unit/lan.h"

#include <stdlib.h>
#include <string.h>

#include "net/checksum.h"
#include "net/memory.h"

#include "lwip/icmp.h"
#include "lwip/ip.h"
#include "lwip/pbuf.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

#define GUEST4 "192.0.2.1"
#define GUEST6 "2001:db8::1"
#define BOTH   "vif0.ip=192.0.2.1/24 vif0.ip6=2001:db8::1/64"
#define PORT   5000

/* ---- A service that keeps, or echoes, what it gets by UDP */

static struct {
    unsigned datagrams;
    size_t bytes;
    bool echo, hold;
    struct pbuf *held[4096];
    unsigned nr_held;
} udp;

static void on_udp(void *arg, struct udp_pcb *pcb, struct pbuf *p,
                   const ip_addr_t *from, u16_t port)
{
    (void)arg;
    udp.datagrams++;
    udp.bytes += p->tot_len;
    if (udp.echo)
        udp_sendto(pcb, p, from, port);
    if (udp.hold)
        udp.held[udp.nr_held++] = p;
    else
        pbuf_free(p);
}

static struct udp_pcb *udp_service(void)
{
    struct udp_pcb *pcb = udp_new_ip_type(IPADDR_TYPE_ANY);

    assert_int_equal(udp_bind(pcb, IP_ANY_TYPE, PORT), ERR_OK);
    udp_recv(pcb, on_udp, NULL);
    return pcb;
}

static void udp_release(void)
{
    while (udp.nr_held)
        pbuf_free(udp.held[--udp.nr_held]);
}

/* IPv6 addresses are used a second or two after the link came up. */
static void start(void)
{
    lan_start(BOTH, 1);
    lan_up();
    lan_run(3 * NS_PER_S);
    lan_drop_all();
}

static bool is_protocol(const struct lan_packet *p, const void *arg)
{
    return p->protocol == *(const uint8_t *)arg;
}

static const struct lan_packet *expect(uint8_t protocol)
{
    return lan_expect(is_protocol, &protocol);
}

static bool none(uint8_t protocol)
{
    lan_run(100 * NS_PER_MS);
    return lan_take(is_protocol, &protocol) == NULL;
}

/* ---- Checksums */

static uint16_t slow_sum(const uint8_t *at, size_t bytes)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < bytes; i++)
        sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void test_checksum_of_every_length_and_alignment(void **state)
{
    uint8_t data[300];

    (void)state;
    fake_start(NULL);
    for (unsigned round = 0; round < 20; round++) {
        fake_random_fill(data, sizeof(data));
        if (round == 0)
            memset(data, 0xff, sizeof(data));
        if (round == 1)
            memset(data, 0, sizeof(data));
        for (size_t offset = 0; offset < 8; offset++) {
            for (size_t n = 0; n + offset <= 280; n++) {
                uint16_t sum = checksum_sum(data + offset, (int)n);

                assert_int_equal(lwip_htons(sum), slow_sum(data + offset, n));
            }
        }
    }
    fake_stop();
}

/* The fake checks the checksum of whatever the guest sends, so all these need
 * is that it sends. */
static void echo_udp(const char *peer, const char *guest, size_t bytes)
{
    struct lan_host *host = lan_host(0, peer);
    struct lan_ip to = lan_ip(guest);
    uint8_t *data = malloc(bytes + 1);
    unsigned before = udp.datagrams;

    fake_random_fill(data, bytes);
    lan_send_udp(host, &to, 1234, PORT, data, bytes);
    const struct lan_packet *p = expect(17);
    assert_int_equal(udp.datagrams, before + 1);
    assert_int_equal(p->payload_bytes, 8 + bytes);
    assert_memory_equal(p->payload + 8, data, bytes);
    host->silent = true;
    free(data);
}

static void with_offload(bool ipv4, bool ipv6)
{
    lan_machine(BOTH, 1, 0);
    netback_offer(lan_netback(0))->csum_ipv4 = ipv4;
    netback_offer(lan_netback(0))->csum_ipv6 = ipv6;
    assert_int_equal(lan_net_start(), 0);
    lan_up();
    lan_run(3 * NS_PER_S);
    lan_drop_all();
    struct udp_pcb *pcb = udp_service();
    udp.echo = true;
    for (size_t bytes = 0; bytes < 9; bytes++) {
        echo_udp("192.0.2.9", GUEST4, bytes);
        echo_udp("2001:db8::9", GUEST6, bytes);
    }
    echo_udp("192.0.2.9", GUEST4, 1472);
    echo_udp("2001:db8::9", GUEST6, 1452);
    udp_remove(pcb);
    lan_stop();
}

static void test_transmit_checksums_offloaded(void **state)
{
    (void)state;
    with_offload(true, true);
}

static void test_transmit_checksums_offloaded_for_ipv4_only(void **state)
{
    (void)state;
    with_offload(true, false);
}

static void test_transmit_checksums_offloaded_for_ipv6_only(void **state)
{
    (void)state;
    with_offload(false, true);
}

static void test_transmit_checksums_in_software(void **state)
{
    (void)state;
    with_offload(false, false);
}

/* Pieces of odd length, so that the rest of the sum is shifted by a byte. */
static void test_software_checksum_of_odd_pieces(void **state)
{
    static const char text[] = "a datagram that was put together from pieces";
    ip_addr_t to = IPADDR4_INIT_BYTES(192, 0, 2, 9);

    (void)state;
    lan_machine(BOTH, 1, 0);
    netback_offer(lan_netback(0))->csum_ipv4 = false;
    assert_int_equal(lan_net_start(), 0);
    lan_up();
    lan_drop_all();
    struct udp_pcb *pcb = udp_service();
    lan_host(0, "192.0.2.9");
    for (size_t first = 1; first < 12; first++) {
        struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)first, PBUF_RAM);
        struct pbuf *q = pbuf_alloc(PBUF_RAW, 3, PBUF_RAM);
        struct pbuf *r =
            pbuf_alloc(PBUF_RAW, (u16_t)(sizeof(text) - first - 3), PBUF_RAM);

        pbuf_cat(p, q);
        pbuf_cat(p, r);
        pbuf_take(p, text, sizeof(text));
        assert_int_equal(udp_sendto(pcb, p, &to, 1), ERR_OK);
        pbuf_free(p);
        assert_memory_equal(expect(17)->payload + 8, text, sizeof(text));
    }
    udp_remove(pcb);
    lan_stop();
}

static void test_blank_flag_is_used_where_offered(void **state)
{
    (void)state;
    start();
    struct udp_pcb *pcb = udp_service();
    struct lan_host *host = lan_host(0, "192.0.2.9");
    struct lan_ip to = lan_ip(GUEST4);

    udp.echo = true;
    lan_send_udp(host, &to, 1234, PORT, "hello", 5);
    assert_true(expect(17)->flags & NETBACK_CSUM_BLANK);
    udp_remove(pcb);
    lan_stop();
}

static void test_received_blank_checksum_is_accepted(void **state)
{
    (void)state;
    start();
    struct udp_pcb *pcb = udp_service();
    struct lan_host *a = lan_host(0, "192.0.2.9");
    struct lan_host *b = lan_host(0, "2001:db8::9");
    struct lan_ip to4 = lan_ip(GUEST4), to6 = lan_ip(GUEST6);

    a->blank = b->blank = true;
    lan_send_udp(a, &to4, 1, PORT, "hello", 5);
    lan_send_udp(b, &to6, 1, PORT, "hello", 5);
    lan_until(udp.datagrams == 2);
    udp_remove(pcb);
    lan_stop();
}

static void test_received_wrong_checksum_is_dropped(void **state)
{
    (void)state;
    start();
    struct udp_pcb *pcb = udp_service();
    struct lan_host *a = lan_host(0, "192.0.2.9");
    struct lan_host *b = lan_host(0, "2001:db8::9");
    struct lan_ip to4 = lan_ip(GUEST4), to6 = lan_ip(GUEST6);

    a->bad_checksum = b->bad_checksum = true;
    lan_send_udp(a, &to4, 1, PORT, "hello", 5);
    lan_send_udp(b, &to6, 1, PORT, "hello", 5);
    lan_run(NS_PER_S);
    assert_int_equal(udp.datagrams, 0);
    assert_int_equal(lan_count("udp_checksum_errors", -1), 2);
    udp_remove(pcb);
    lan_stop();
}

/* Whoever sends fragments flagged as good knows nothing of the whole. */
static void test_good_flag_does_not_cover_fragments(void **state)
{
    uint8_t payload[2048] = {0};
    size_t bytes;

    (void)state;
    start();
    struct udp_pcb *pcb = udp_service();
    struct lan_host *a = lan_host(0, "192.0.2.9");
    struct lan_ip to = lan_ip(GUEST4);

    lan_put16(payload + 2, PORT);
    lan_put16(payload + 4, sizeof(payload));
    a->bad_checksum = true;
    lan_hold_frames(true);
    lan_send_fragments(a, &to, 17, payload, sizeof(payload), 1024, false);
    const uint8_t *second = lan_last_frame(&bytes);
    uint8_t kept[1100];
    memcpy(kept, second, bytes);
    size_t kept_bytes = bytes;
    lan_send_fragments(a, &to, 17, payload, sizeof(payload), 1024, true);
    const uint8_t *first = lan_last_frame(&bytes);
    uint8_t copy[1100];
    memcpy(copy, first, bytes);
    /* The same identification: the second batch's first fragment. */
    memcpy(copy + 18, kept + 18, 2);
    lan_put16(copy + 24, 0);
    lan_put16(copy + 24, (uint16_t)~slow_sum(copy + 14, 20));
    lan_hold_frames(false);
    lan_send_frame(0, kept, kept_bytes, NETBACK_CSUM_GOOD);
    lan_send_frame(0, copy, bytes, NETBACK_CSUM_GOOD);
    lan_run(NS_PER_S);
    assert_int_equal(udp.datagrams, 0);
    assert_int_equal(lan_count("udp_checksum_errors", -1), 1);
    udp_remove(pcb);
    lan_stop();
}

/* ---- ICMP */

struct icmp {
    uint8_t protocol, type;
};

/* The guest also asks for routers and neighbours. */
static bool is_icmp(const struct lan_packet *p, const void *arg)
{
    const struct icmp *icmp = arg;

    return p->protocol == icmp->protocol && p->payload[0] == icmp->type;
}

static void ping(const char *peer, const char *guest, uint8_t protocol,
                 uint8_t request, uint8_t reply, size_t bytes)
{
    struct lan_host *host = lan_host(0, peer);
    struct lan_ip to = lan_ip(guest);
    uint8_t *icmp = malloc(8 + bytes);

    fake_random_fill(icmp, 8 + bytes);
    icmp[0] = request;
    icmp[1] = 0;
    lan_send_ip(host, &to, protocol, icmp, 8 + bytes);
    const struct lan_packet *p =
        lan_expect(is_icmp, &(struct icmp){protocol, reply});
    assert_int_equal(p->payload_bytes, 8 + bytes);
    assert_memory_equal(p->payload + 4, icmp + 4, 4 + bytes);
    host->silent = true;
    free(icmp);
}

static void test_ping_of_every_size(void **state)
{
    (void)state;
    start();
    for (size_t bytes = 0; bytes <= 1452; bytes += 11) {
        ping("192.0.2.9", GUEST4, 1, 8, 0, bytes);
        ping("2001:db8::9", GUEST6, 58, 128, 129, bytes);
    }
    lan_stop();
}

static void test_ping_with_wrong_checksum_is_not_answered(void **state)
{
    uint8_t icmp[64] = {8};

    (void)state;
    start();
    struct lan_host *host = lan_host(0, "192.0.2.9");
    struct lan_ip to = lan_ip(GUEST4);

    host->bad_checksum = true;
    lan_send_ip(host, &to, 1, icmp, sizeof(icmp));
    assert_true(none(1));
    lan_stop();
}

static void test_broadcast_ping_is_not_answered(void **state)
{
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    uint8_t icmp[64] = {8};

    (void)state;
    start();
    struct lan_host *host = lan_host(0, "192.0.2.9");
    struct lan_ip to = lan_ip("192.0.2.255");

    host->to = all;
    lan_send_ip(host, &to, 1, icmp, sizeof(icmp));
    assert_true(none(1));
    lan_stop();
}

/* What the guest sends to one tells nobody how much it sends to others. (A
 * pong has its ping's, which tells nothing either.) */
static void test_identifications(void **state)
{
    uint16_t last = 0;
    unsigned near = 0;

    (void)state;
    start();
    struct udp_pcb *pcb = udp_service();
    struct lan_host *host = lan_host(0, "192.0.2.9");
    struct lan_ip to = lan_ip(GUEST4);

    udp.echo = true;
    for (unsigned i = 0; i < 200; i++) {
        lan_send_udp(host, &to, 1234, PORT, "?", 1);
        const uint8_t *ip = expect(17)->frame + 14;
        uint16_t id = lan_get16(ip + 4);

        assert_int_equal(ip[6] & 0x40, 0); /* may be fragmented */
        near += (uint16_t)(id - last + 128) < 256;
        last = id;
    }
    assert_true(near < 10);
    udp_remove(pcb);
    lan_stop();
}

/* Datagrams for ports that nobody listens on, from all over the place. */
static void unreachable(const char *peer, const char *guest)
{
    struct lan_host *host = lan_host(0, peer);
    struct lan_ip to = lan_ip(guest);
    const struct icmp error = {to.v6 ? 58 : 1, to.v6 ? 1 : 3};
    unsigned nr = 0;

    lan_run(NS_PER_S);
    for (unsigned i = 0; i < 2000; i++) { /* in two seconds */
        lan_send_udp(host, &to, 1, (uint16_t)(10000 + i), "?", 1);
        lan_run(NS_PER_MS);
        while (lan_take(is_icmp, &error))
            nr++;
    }
    assert_in_range(nr, 240, 260); /* 50 at once, and 100 a second */
    ping(to.v6 ? "2001:db8::8" : "192.0.2.8", guest, error.protocol,
         to.v6 ? 128 : 8, to.v6 ? 129 : 0, 56);
}

static void test_errors_are_limited(void **state)
{
    (void)state;
    start();
    unreachable("192.0.2.9", GUEST4);
    unreachable("2001:db8::9", GUEST6);
    assert_in_range(lan_count("tx_limited", 0), 3400, 3600);
    lan_stop();
}

/* ---- Fragments */

struct whole {
    uint8_t data[65535];
    size_t got, total;
};

/* Collect the fragments of one packet that the guest sends, in order. */
static void collect(struct whole *whole, bool v6)
{
    bool more = true;

    whole->got = 0;
    while (more) {
        const struct lan_packet *p = expect(v6 ? 44 : 17);
        const uint8_t *at = p->payload;
        size_t bytes = p->payload_bytes;
        unsigned offset;

        assert_true(p->fragment);
        if (v6) {
            offset = lan_get16(at + 2) & ~7u;
            more = lan_get16(at + 2) & 1;
            at += 8;
            bytes -= 8;
        } else {
            uint16_t field = lan_get16(p->frame + 14 + 6);

            offset = (field & 0x1fff) * 8u;
            more = field & 0x2000;
        }
        assert_int_equal(offset, whole->got);
        memcpy(whole->data + offset, at, bytes);
        whole->got += bytes;
    }
}

static void check_whole(const struct whole *whole, const char *src,
                        const char *dest, const uint8_t *data, size_t bytes)
{
    struct lan_ip from = lan_ip(src), to = lan_ip(dest);
    size_t n = from.v6 ? 16 : 4;
    uint8_t pseudo[36 + 65535];

    assert_int_equal(whole->got, 8 + bytes);
    assert_memory_equal(whole->data + 8, data, bytes);
    memcpy(pseudo, from.at, n);
    memcpy(pseudo + n, to.at, n);
    lan_put16(pseudo + 2 * n, 17);
    lan_put16(pseudo + 2 * n + 2, (uint16_t)whole->got);
    memcpy(pseudo + 2 * n + 4, whole->data, whole->got);
    assert_int_equal(slow_sum(pseudo, 2 * n + 4 + whole->got), 0xffff);
}

static void echo_fragmented(const char *peer, const char *guest, size_t bytes,
                            bool reversed)
{
    static struct whole whole;
    static uint8_t datagram[65535];
    struct lan_host *host = lan_host(0, peer);
    struct lan_ip to = lan_ip(guest);

    fake_random_fill(datagram, 8 + bytes);
    lan_put16(datagram, 1234);
    lan_put16(datagram + 2, PORT);
    lan_put16(datagram + 4, (uint16_t)(8 + bytes));
    lan_send_fragments(host, &to, 17, datagram, 8 + bytes, 1448, reversed);
    collect(&whole, to.v6);
    check_whole(&whole, guest, peer, datagram + 8, bytes);
    host->silent = true;
}

static void test_fragments_both_ways(void **state)
{
    (void)state;
    start();
    struct udp_pcb *pcb = udp_service();

    udp.echo = true;
    echo_udp("192.0.2.9", GUEST4, 1); /* an unknown neighbour costs packets */
    echo_udp("2001:db8::9", GUEST6, 1);
    for (size_t bytes = 1473; bytes < 60000; bytes += 7919) {
        echo_fragmented("192.0.2.9", GUEST4, bytes, false);
        echo_fragmented("192.0.2.9", GUEST4, bytes, true);
        echo_fragmented("2001:db8::9", GUEST6, bytes, false);
        echo_fragmented("2001:db8::9", GUEST6, bytes, true);
    }
    udp_remove(pcb);
    lan_stop();
}

/* MTUs at which a fragment cannot be full: lengths around its end. */
static void test_fragments_of_an_odd_mtu(void **state)
{
    static struct whole whole;
    static uint8_t data[3000];
    ip_addr_t to = IPADDR4_INIT_BYTES(192, 0, 2, 9);

    (void)state;
    lan_machine(BOTH, 1, 0);
    netback_offer(lan_netback(0))->mtu = "1407"; /* 1384 + 3, and a header */
    assert_int_equal(lan_net_start(), 0);
    lan_up();
    lan_drop_all();
    struct udp_pcb *pcb = udp_service();
    lan_host(0, "192.0.2.9");
    fake_random_fill(data, sizeof(data));
    for (size_t bytes = 2 * 1384 - 16; bytes < 2 * 1384 + 16; bytes++) {
        struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)bytes, PBUF_RAM);

        pbuf_take(p, data, (u16_t)bytes);
        assert_int_equal(udp_sendto(pcb, p, &to, 1), ERR_OK);
        pbuf_free(p);
        collect(&whole, false);
        check_whole(&whole, GUEST4, "192.0.2.9", data, bytes);
    }
    udp_remove(pcb);
    lan_stop();
}

/* First fragments that never get a second: what is kept is bounded, other
 * traffic goes on, and in the end everything is given back. */
static void test_fragment_flood_is_bounded(void **state)
{
    uint8_t payload[1448] = {0};

    (void)state;
    start();
    struct udp_pcb *pcb = udp_service();
    struct lan_ip to4 = lan_ip(GUEST4), to6 = lan_ip(GUEST6);
    struct lan_host *a = lan_host(0, "192.0.2.9");
    struct lan_host *b = lan_host(0, "2001:db8::9");

    for (unsigned i = 0; i < 2000; i++) {
        lan_send_fragments(a, &to4, 17, payload, 1448, 724, false);
        lan_send_fragments(b, &to6, 17, payload, 1448, 724, true);
        lan_hold_frames(i % 2); /* now and then one is missing its half */
        if (i % 50 == 0)
            lan_run(10 * NS_PER_MS);
    }
    lan_hold_frames(false);
    lan_run(NS_PER_S);
    assert_true(lan_count("rx_pages_held", 0) <=
                lan_count("rx_pages", 0) / 4 * 3);
    udp.datagrams = 0;
    lan_send_udp(a, &to4, 1, PORT, "hello", 5);
    lan_until(udp.datagrams == 1);
    lan_run(30 * NS_PER_S);
    assert_int_equal(lan_count("rx_pages_held", 0), 0);
    udp_remove(pcb);
    lan_stop();
}

/* ---- Memory */

static void test_memory_limit(void **state)
{
    (void)state;
    size_t used = memory_use().used;
    uint64_t refused = memory_use().refused;

    memory_set_limit(used + 1000);
    void *a = net_malloc(600);
    assert_non_null(a);
    assert_int_equal(memory_use().used, used + 600);
    assert_null(net_malloc(401));
    assert_null(net_malloc(SIZE_MAX - 8));
    assert_int_equal(memory_use().refused, refused + 2);
    uint8_t *b = net_calloc(4, 100);
    assert_non_null(b);
    for (unsigned i = 0; i < 400; i++)
        assert_int_equal(b[i], 0);
    assert_null(net_malloc(1));
    memory_set_limit(used);
    assert_null(net_malloc(1));
    net_free(a);
    net_free(b);
    net_free(NULL);
    assert_int_equal(memory_use().used, used);
    assert_int_equal(memory_use().used_max, used + 1000);
}

/* ---- Pages */

static void test_pages_are_handed_over_then_copied(void **state)
{
    (void)state;
    start();
    struct udp_pcb *pcb = udp_service();
    struct lan_host *a = lan_host(0, "192.0.2.9");
    struct lan_ip to = lan_ip(GUEST4);
    unsigned pages = (unsigned)lan_count("rx_pages", 0);

    udp.hold = true;
    for (unsigned i = 0; i < pages / 2; i++)
        lan_send_udp(a, &to, 1, PORT, "hello", 5);
    lan_until(udp.nr_held == pages / 2);
    assert_int_equal(lan_count("rx_pages_held", 0), pages / 2);
    assert_int_equal(lan_count("rx_copied", 0), 0);
    for (unsigned i = 0; i < pages; i++)
        lan_send_udp(a, &to, 1, PORT, "hello", 5);
    lan_until(udp.nr_held == pages / 2 + pages);
    assert_int_equal(lan_count("rx_pages_held", 0), pages / 2);
    assert_int_equal(lan_count("rx_copied", 0), pages);
    udp_release();
    assert_int_equal(lan_count("rx_pages_held", 0), 0);
    udp_remove(pcb);
    lan_stop();
}

/* An app that never gives anything back: the rest of the guest is not
 * affected, and ping still works, since it needs no memory for long. */
static void test_app_that_holds_everything(void **state)
{
    uint8_t data[1400] = {0};

    (void)state;
    start();
    struct udp_pcb *pcb = udp_service();
    struct lan_host *a = lan_host(0, "192.0.2.9");
    struct lan_ip to = lan_ip(GUEST4);

    udp.hold = true;
    for (unsigned i = 0; i < 3500; i++) {
        lan_send_udp(a, &to, 1, PORT, data, sizeof(data));
        if (i % 20 == 0)
            lan_run(NS_PER_MS);
    }
    lan_run(NS_PER_S);
    assert_true(lan_count("rx_no_room", 0) > 0);
    assert_true(lan_count("memory_used_bytes", -1) <=
                lan_count("memory_limit_bytes", -1));
    udp_release();
    ping("192.0.2.8", GUEST4, 1, 8, 0, 56);
    udp_remove(pcb);
    lan_stop();
}

/* ---- Malformed (A13) */

/* Every field of every kind of packet, wrong in every way that chance finds;
 * afterwards all is as it was. */
static size_t some_packet(struct lan_host *a, struct lan_host *b, uint8_t *to)
{
    static const uint8_t protocols[] = {1, 2, 6, 17, 41, 44, 58, 0, 60, 43};
    static uint8_t payload[3000];
    struct lan_ip to4 = lan_ip(GUEST4), to6 = lan_ip(GUEST6);
    size_t bytes = fake_random_below(fake_chance(80) ? 100 : 1400);
    uint8_t protocol = protocols[fake_random_below(sizeof(protocols))];
    struct lan_conn conn;

    fake_random_fill(payload, bytes);
    if (fake_chance(50) && bytes) /* a message type that exists */
        payload[0] = (uint8_t)(128 + fake_random_below(12));
    switch (fake_random_below(5)) {
    case 0:
        lan_send_ip(a, &to4, protocol, payload, bytes);
        break;
    case 1:
        lan_send_ip(b, &to6, protocol, payload, bytes);
        break;
    case 2:
        lan_send_udp(fake_chance(50) ? a : b, fake_chance(50) ? &to4 : &to6,
                     fake_chance(50) ? 67 : 53, fake_chance(50) ? 68 : PORT,
                     payload, bytes);
        break;
    case 3:
        lan_conn(&conn, fake_chance(50) ? a : b, GUEST4,
                 (uint16_t)fake_random(), PORT);
        conn.guest = conn.host->ip.v6 ? to6 : to4;
        lan_send_tcp(&conn, (uint8_t)fake_random(), payload, bytes);
        break;
    default:
        lan_send_fragments(fake_chance(50) ? a : b,
                           fake_chance(50) ? &to4 : &to6, protocol, payload,
                           bytes + 8, 8 + fake_random_below(64) * 8, false);
        break;
    }
    const uint8_t *frame = lan_last_frame(&bytes);
    memcpy(to, frame, bytes);
    return bytes;
}

static size_t mutate(uint8_t *frame, size_t bytes)
{
    for (unsigned n = fake_random_below(6); n; n--)
        frame[fake_random_below((unsigned)bytes)] ^=
            (uint8_t)(1u << fake_random_below(8));
    if (fake_chance(30)) /* headers are where it matters */
        frame[12 + fake_random_below(48) % (bytes - 12)] =
            (uint8_t)fake_random();
    return fake_chance(20) ? 14 + fake_random_below((unsigned)bytes - 13)
                           : bytes;
}

static err_t accept_and_echo(void *arg, struct tcp_pcb *pcb, err_t err);

static err_t echo_tcp(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg;
    (void)err;
    if (!p) {
        tcp_close(pcb);
        return ERR_OK;
    }
    tcp_write(pcb, p->payload, p->len, TCP_WRITE_FLAG_COPY);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t accept_and_echo(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    if (err != ERR_OK)
        return ERR_OK;
    tcp_recv(pcb, echo_tcp);
    return ERR_OK;
}

static struct tcp_pcb *tcp_service(void)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);

    assert_int_equal(tcp_bind(pcb, IP_ANY_TYPE, PORT), ERR_OK);
    pcb = tcp_listen(pcb);
    tcp_accept(pcb, accept_and_echo);
    return pcb;
}

static void test_malformed_packets(void **state)
{
    static uint8_t frame[65535];

    (void)state;
    start();
    struct udp_pcb *pcb = udp_service();
    struct tcp_pcb *listener = tcp_service();
    struct lan_host *a = lan_host(0, "192.0.2.9");
    struct lan_host *b = lan_host(0, "2001:db8::9");

    udp.echo = true;
    for (unsigned i = 0; i < 60000; i++) {
        lan_hold_frames(true);
        size_t bytes = mutate(frame, some_packet(a, b, frame));
        lan_hold_frames(false);
        /* Half of them without checksums to hide behind. */
        lan_send_frame(0, frame, bytes,
                       fake_chance(50) ? NETBACK_CSUM_GOOD : 0);
        if (i % 64 == 0) {
            lan_run(NS_PER_MS);
            lan_drop_all();
        }
    }
    lan_run(120 * NS_PER_S);
    lan_drop_all();
    ping("192.0.2.8", GUEST4, 1, 8, 0, 56);
    ping("2001:db8::8", GUEST6, 58, 128, 129, 56);
    assert_int_equal(lan_count("rx_pages_held", 0), 0);
    tcp_close(listener);
    udp_remove(pcb);
    lan_stop();
}

/* A "packet too big" that claims an MTU at which nothing fits. */
static void test_packet_too_big_has_a_floor(void **state)
{
    static uint8_t data[4000];
    uint8_t ptb[8 + 40 + 8] = {2, 0, 0, 0, 0, 0, 0, 52};

    (void)state;
    start();
    struct udp_pcb *pcb = udp_service();
    struct lan_host *b = lan_host(0, "2001:db8::9");
    struct lan_ip to = lan_ip(GUEST6);

    udp.echo = true;
    lan_send_udp(b, &to, 1, PORT, "hello", 5);
    expect(17);
    ptb[8] = 0x60;
    memcpy(ptb + 8 + 8, to.at, 16);
    memcpy(ptb + 8 + 24, b->ip.at, 16);
    lan_send_ip(b, &to, 58, ptb, sizeof(ptb));
    lan_run(NS_PER_MS);
    uint8_t datagram[8 + sizeof(data)] = {0};
    lan_put16(datagram, 1);
    lan_put16(datagram + 2, PORT);
    lan_put16(datagram + 4, sizeof(datagram));
    lan_send_fragments(b, &to, 17, datagram, sizeof(datagram), 1448, false);
    const struct lan_packet *p = expect(44);
    assert_true(p->bytes > 1280);
    udp_remove(pcb);
    lan_stop();
}

LAN_TESTS(LAN_TEST(test_checksum_of_every_length_and_alignment),
          LAN_TEST(test_transmit_checksums_offloaded),
          LAN_TEST(test_transmit_checksums_offloaded_for_ipv4_only),
          LAN_TEST(test_transmit_checksums_offloaded_for_ipv6_only),
          LAN_TEST(test_transmit_checksums_in_software),
          LAN_TEST(test_software_checksum_of_odd_pieces),
          LAN_TEST(test_memory_limit),
          LAN_TEST(test_blank_flag_is_used_where_offered),
          LAN_TEST(test_received_blank_checksum_is_accepted),
          LAN_TEST(test_received_wrong_checksum_is_dropped),
          LAN_TEST(test_good_flag_does_not_cover_fragments),
          LAN_TEST(test_ping_of_every_size),
          LAN_TEST(test_ping_with_wrong_checksum_is_not_answered),
          LAN_TEST(test_broadcast_ping_is_not_answered),
          LAN_TEST(test_identifications), LAN_TEST(test_fragments_both_ways),
          LAN_TEST(test_fragments_of_an_odd_mtu),
          LAN_TEST(test_errors_are_limited),
          LAN_TEST(test_fragment_flood_is_bounded),
          LAN_TEST(test_pages_are_handed_over_then_copied),
          LAN_TEST(test_app_that_holds_everything),
          LAN_TEST(test_malformed_packets),
          LAN_TEST(test_packet_too_big_has_a_floor))
