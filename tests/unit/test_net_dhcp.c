/* SPDX-License-Identifier: MIT */
/* DHCP: leases of every length, other servers, routes, retransmission times. */
// sources: lan
#include "tests/unit/lan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/lease.h"

#include "lwip/netif.h"
#include "lwip/tcp.h"

#define SHOWN4 "attr/vif/0/ipv4/0"
#define GUEST  "10.0.2.5"

static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};

/* ---- A server that answers by itself, at once */

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE };

#define NO_LEASE   UINT64_MAX /* the option is not there */
#define EVENTS_MAX 4096

struct event_of {
    uint64_t at;
    uint8_t type;
    bool broadcast;
};

static struct server {
    struct lan_host *host,
        *other; /* other: sends `wrong` first, if it is set */
    uint64_t lease_s;
    uint32_t t1_s, t2_s;      /* 0: not given */
    bool silent, deaf_to_one; /* answers nothing; nothing that was unicast */
    uint8_t refuse;           /* so many requests are refused */
    uint8_t wrong;
    const uint8_t *routes; /* option 121 */
    uint8_t routes_bytes, routes_split;
    const char *router; /* option 3; NULL: not there */
    const char *mask;
    uint8_t parameters[32]; /* what the guest asked for */
    struct event_of events[EVENTS_MAX];
    unsigned nr;
} server;

static bool shows(const char *value)
{
    const char *shown = fake_xs_get(SHOWN4);

    return value ? shown && strcmp(shown, value) == 0 : !shown;
}

static const uint8_t *option_of(const struct lan_packet *p, uint8_t code)
{
    const uint8_t *at = p->payload + 8 + 240;
    const uint8_t *end = p->payload + p->payload_bytes;

    while (at < end && *at != 255) {
        if (*at == code)
            return at + 1;
        at += *at ? 2 + at[1] : 1;
    }
    return NULL;
}

static bool is_dhcp(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 17 && lan_get16(p->payload + 2) == 67;
}

static uint8_t *put_option(uint8_t *at, uint8_t code, const void *value,
                           size_t bytes)
{
    *at++ = code;
    *at++ = (uint8_t)bytes;
    memcpy(at, value, bytes);
    return at + bytes;
}

static uint8_t *put_number(uint8_t *at, uint8_t code, uint32_t value)
{
    uint8_t number[4];

    lan_put32(number, value);
    return put_option(at, code, number, 4);
}

static uint8_t *put_lease(uint8_t *at)
{
    if (server.lease_s != NO_LEASE)
        at = put_number(at, 51, (uint32_t)server.lease_s);
    if (server.t1_s)
        at = put_number(at, 58, server.t1_s);
    if (server.t2_s)
        at = put_number(at, 59, server.t2_s);
    at = put_option(at, 1, lan_ip(server.mask).at, 4);
    if (server.routes_bytes) {
        size_t first =
            server.routes_split ? server.routes_split : server.routes_bytes;

        at = put_option(at, 121, server.routes, first);
        if (first < server.routes_bytes)
            at = put_option(at, 121, server.routes + first,
                            server.routes_bytes - first);
    }
    if (server.router)
        at = put_option(at, 3, lan_ip(server.router).at, 4);
    return at;
}

static void answer(struct lan_host *host, const struct lan_packet *p,
                   uint8_t type)
{
    uint8_t m[800] = {2, 1, 6}, *at = m + 236;
    struct lan_ip to = lan_ip("255.255.255.255");

    memcpy(m + 4, p->payload + 8 + 4, 4);   /* xid */
    memcpy(m + 28, p->payload + 8 + 28, 6); /* chaddr */
    memcpy(m + 16, lan_ip(GUEST).at, 4);
    memcpy(at, "\x63\x82\x53\x63", 4);
    at = put_option(at + 4, 53, &type, 1);
    at = put_option(at, 54, host->ip.at, 4);
    if (type != NAK)
        at = put_lease(at);
    *at++ = 255;
    host->to = everybody;
    lan_send_udp(host, &to, 67, 68, m, sizeof(m));
    host->to = NULL;
}

static void serve(const struct lan_packet *p)
{
    uint8_t type = option_of(p, 53)[1];
    const uint8_t *parameters = option_of(p, 55);
    bool broadcast = lan_ip_is(&p->dest, "255.255.255.255");

    if (server.nr == EVENTS_MAX)
        fake_fail("more than %u DHCP messages", EVENTS_MAX);
    server.events[server.nr++] = (struct event_of){fake_now(), type, broadcast};
    if (parameters)
        memcpy(server.parameters, parameters, 1u + *parameters);
    if (server.silent || (!broadcast && server.deaf_to_one))
        return;
    if (type == DISCOVER) {
        answer(server.host, p, OFFER);
    } else if (type == REQUEST) {
        if (server.wrong)
            answer(server.other, p, server.wrong);
        if (server.refuse) {
            server.refuse--;
            answer(server.host, p, NAK);
        } else {
            answer(server.host, p, ACK);
        }
    }
}

static bool serve_step(void *arg)
{
    const struct lan_packet *p = lan_take(is_dhcp, arg);

    if (p)
        serve(p);
    return p;
}

static void start_server(void)
{
    lan_start("vif0.ip=dhcp vif0.ip6=none", 1);
    server.host = lan_host(0, "10.0.2.2");
    server.other = lan_host(0, "10.0.2.99");
    if (!server.mask)
        server.mask = "255.255.255.0";
    if (!server.routes_bytes)
        server.router = "10.0.2.2";
    fake_add_backend(serve_step, NULL);
    lan_up();
}

static void stop_server(void)
{
    lan_stop();
}

static unsigned nr_of(uint8_t type)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < server.nr; i++)
        nr += server.events[i].type == type;
    return nr;
}

/* ---- Leases of every length */

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t error)
{
    (void)arg;
    (void)pcb;
    return error;
}

/* A connection that must outlive every renewal. */
static struct lan_conn conn;
static struct tcp_pcb *listener;

static void open_connection(void)
{
    struct tcp_pcb *pcb = tcp_new();

    tcp_bind(pcb, IP_ANY_TYPE, 7);
    listener = tcp_listen(pcb);
    tcp_accept(listener, on_accept);
    lan_open(&conn, server.host, GUEST, 40000, 7);
}

static void check_connection(void)
{
    struct lan_segment s;

    lan_send_tcp(&conn, LAN_PSH | LAN_ACK, "x", 1);
    lan_expect_tcp(&conn, &s);
    assert_int_equal(s.flags & LAN_RST, 0);
    assert_int_equal(s.ack, conn.snd);
}

static void close_connection(void)
{
    lan_send_tcp(&conn, LAN_RST | LAN_ACK, NULL, 0);
    lan_run(NS_PER_S / 10);
    tcp_close(listener);
}

/* Renewed in time, again and again: each time between half of the lease less
 * a sixteenth of that, and half of it; no other message, the address stays. */
static void renews(uint64_t lease_s, uint64_t real_s)
{
    uint64_t length = real_s * NS_PER_S;
    unsigned rounds = 5;

    server.lease_s = lease_s;
    start_server();
    lan_until(shows(GUEST));
    open_connection();
    lan_run(length / 2 * rounds);
    assert_int_equal(nr_of(DISCOVER), 1);
    assert_in_range(nr_of(REQUEST), 1 + rounds, 2 + rounds);
    assert_int_equal(server.nr, 1 + nr_of(REQUEST));
    for (unsigned i = 2; i < server.nr; i++) {
        uint64_t took = server.events[i].at - server.events[i - 1].at;

        assert_false(server.events[i].broadcast);
        assert_in_range(took, length / 2 / 16 * 15, length / 2 + NS_PER_MS);
    }
    check_connection();
    close_connection();
    assert_true(shows(GUEST));
    assert_false(lan_logged("is gone"));
    stop_server();
}

static void test_lease_of_1_s(void **state)
{
    (void)state;
    renews(1, 1);
}

static void test_lease_of_0_s(void **state)
{
    (void)state;
    renews(0, 1);
}

static void test_lease_of_30_s(void **state)
{
    (void)state;
    renews(30, 30);
}

static void test_lease_of_60_s(void **state)
{
    (void)state;
    renews(60, 60);
}

static void test_lease_of_89_s(void **state)
{
    (void)state;
    renews(89, 89);
}

static void test_lease_of_an_hour(void **state)
{
    (void)state;
    renews(3600, 3600);
}

/* Nothing is renewed, nothing ends. */
static void stays(uint64_t lease_s)
{
    server.lease_s = lease_s;
    start_server();
    lan_until(shows(GUEST));
    lan_run(7200 * NS_PER_S);
    fake_advance(UINT64_C(40) * 365 * 86400 * NS_PER_S);
    lan_run(NS_PER_S);
    assert_int_equal(server.nr, 2);
    assert_true(shows(GUEST));
    assert_true(lan_logged("for ever") ==
                (lease_s == 0xffffffff || lease_s == NO_LEASE));
    stop_server();
}

static void test_lease_for_ever(void **state)
{
    (void)state;
    stays(0xffffffff);
}

static void test_no_lease_time_is_for_ever(void **state)
{
    (void)state;
    stays(NO_LEASE);
}

static void test_lease_of_136_years(void **state)
{
    (void)state;
    stays(0xfffffff0);
}

/* Too long to turn through: jumps to before T1, and behind it. */
static void long_lease(uint32_t lease_s)
{
    uint64_t length = lease_s * NS_PER_S;

    server.lease_s = lease_s;
    start_server();
    lan_until(shows(GUEST));
    fake_advance(length / 2 / 16 * 15 - 2 * NS_PER_S);
    lan_run(NS_PER_S);
    assert_int_equal(server.nr, 2);
    fake_advance(length / 32);
    lan_run(4 * NS_PER_S);
    assert_int_equal(nr_of(REQUEST), 2);
    assert_int_equal(server.nr, 3);
    assert_true(shows(GUEST));
    /* Nobody renews it: it ends. */
    server.silent = true;
    fake_advance(length / 8 * 7 - NS_PER_S);
    lan_run(3 * NS_PER_S);
    assert_true(server.events[3].broadcast); /* rebinding */
    assert_int_equal(nr_of(REQUEST), 3);
    assert_true(shows(GUEST));
    fake_advance(length / 8);
    lan_run(3 * NS_PER_S);
    assert_true(shows(NULL));
    assert_true(lan_logged("the lease of its address has ended"));
    assert_int_equal(nr_of(RELEASE), 0);
    stop_server();
}

static void test_lease_of_a_day(void **state)
{
    (void)state;
    long_lease(86400);
}

static void test_lease_of_a_year(void **state)
{
    (void)state;
    long_lease(365 * 86400);
}

/* ---- T1, T2 and the end */

/* The server is gone: it is asked alone until T2, then everybody is, the
 * address goes at the end, and is asked for anew. */
static void ends(uint32_t lease_s, unsigned least_tries)
{
    uint64_t length = lease_s * NS_PER_S, asked;
    unsigned tries = 0;

    server.lease_s = lease_s;
    start_server();
    lan_until(shows(GUEST));
    asked = server.events[1].at;
    server.silent = true;
    lan_until(server.nr > 1);
    lan_run(length - NS_PER_S / 10 - (fake_now() - asked));
    assert_true(shows(GUEST));
    for (unsigned i = 2; i < server.nr; i++, tries++) {
        uint64_t at = server.events[i].at - asked;

        assert_int_equal(server.events[i].type, REQUEST);
        if (at < length / 16 * 13)
            assert_false(server.events[i].broadcast);
        if (at > length / 8 * 7 + NS_PER_MS)
            assert_true(server.events[i].broadcast);
    }
    assert_true(server.events[server.nr - 1].broadcast);
    assert_in_range(tries, least_tries, 20);
    lan_run(NS_PER_S / 10 + NS_PER_MS);
    lan_until(shows(NULL));
    assert_in_range(fake_now() - asked, length, length + NS_PER_S / 50);
    assert_int_equal(nr_of(DISCOVER), 2);
    assert_int_equal(nr_of(RELEASE), 0);
    server.silent = false;
    lan_until(shows(GUEST));
    stop_server();
}

static void test_a_short_lease_ends(void **state)
{
    (void)state;
    ends(30, 3);
}

static void test_a_lease_of_a_second_ends(void **state)
{
    (void)state;
    ends(1, 3);
}

static void test_a_long_lease_ends(void **state)
{
    (void)state;
    ends(7200, 6);
}

static void test_times_that_the_server_gives(void **state)
{
    (void)state;
    server.lease_s = 1000;
    server.t1_s = 100;
    server.t2_s = 160;
    server.deaf_to_one = true;
    start_server();
    lan_until(shows(GUEST));
    lan_run(93 * NS_PER_S);
    assert_int_equal(server.nr, 2);
    lan_run(8 * NS_PER_S);
    assert_int_equal(server.nr, 3);
    assert_false(server.events[2].broadcast);
    lan_run(60 * NS_PER_S); /* rebound, by a broadcast: T1 counts anew */
    assert_int_equal(server.nr, 4);
    assert_true(server.events[3].broadcast);
    assert_true(shows(GUEST));
    stop_server();
}

static void test_times_that_make_no_sense(void **state)
{
    (void)state;
    server.lease_s = 1000;
    server.t1_s = 999;
    server.t2_s = 2000;
    start_server();
    lan_until(shows(GUEST));
    lan_run(465 * NS_PER_S);
    assert_int_equal(server.nr, 2);
    lan_run(40 * NS_PER_S);
    assert_int_equal(server.nr, 3);
    stop_server();
}

/* ---- A pause */

static bool is_icmp(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 1;
}

/* The lease ended meanwhile: a ping that lay in the ring is not answered, and
 * an address is asked for at once. */
static void test_a_lease_ends_during_a_pause(void **state)
{
    struct lan_ip to = lan_ip(GUEST);
    uint8_t icmp[64] = {8};

    (void)state;
    server.lease_s = 3600;
    start_server();
    lan_until(shows(GUEST));
    lan_run(20 * NS_PER_S);
    lan_send_ip(server.host, &to, 1, icmp, sizeof(icmp));
    server.silent = true;
    fake_run_backends();
    fake_advance(7200 * NS_PER_S);
    lan_until(shows(NULL));
    lan_run(NS_PER_S);
    assert_null(lan_take(is_icmp, NULL));
    assert_int_equal(server.nr, 3);
    assert_int_equal(server.events[2].type, DISCOVER);
    assert_int_equal(nr_of(RELEASE), 0);
    server.silent = false;
    lan_until(shows(GUEST));
    stop_server();
}

/* The answer to a renewal lies in the ring, and the lease it gives is not over.
 */
static void test_a_renewal_during_a_pause(void **state)
{
    (void)state;
    server.lease_s = 3600;
    start_server();
    lan_until(shows(GUEST));
    fake_advance(1800 * NS_PER_S);
    lan_until(server.nr == 3);
    fake_run_backends();
    fake_advance(1650 * NS_PER_S);
    lan_run(NS_PER_S);
    assert_true(shows(GUEST));
    assert_int_equal(server.nr, 3);
    fake_advance(200 * NS_PER_S);
    lan_run(NS_PER_S);
    assert_true(shows(GUEST));
    assert_int_equal(nr_of(REQUEST), 3);
    assert_false(lan_logged("is gone"));
    stop_server();
}

/* ---- Refusals */

static void test_a_refused_renewal(void **state)
{
    (void)state;
    server.lease_s = 60;
    start_server();
    lan_until(shows(GUEST));
    server.refuse = 1;
    lan_run(27 * NS_PER_S);
    fake_set_limit(fake_now() + 5 * NS_PER_S);
    while (!shows(NULL))
        loop_turn(lan_app()->loop);
    fake_set_limit(UINT64_MAX);
    lan_until(shows(GUEST)); /* at once */
    assert_true(lan_logged("vif0: 10.0.2.5/24 via 10.0.2.2 is gone"));
    assert_int_equal(nr_of(DISCOVER), 2);
    assert_int_equal(nr_of(REQUEST), 3);
    stop_server();
}

static void test_others_have_no_say_while_requesting(void **state)
{
    (void)state;
    server.lease_s = 60;
    server.wrong = NAK;
    start_server();
    lan_until(shows(GUEST));
    lan_run(300 * NS_PER_S); /* nor while renewing */
    assert_int_equal(nr_of(DISCOVER), 1);
    assert_false(lan_logged("is gone"));
    stop_server();
}

static void test_a_server_that_always_refuses_makes_no_loop(void **state)
{
    (void)state;
    server.lease_s = 60;
    server.refuse = 200;
    start_server();
    lan_run(120 * NS_PER_S);
    assert_in_range(nr_of(REQUEST), 2, 8);
    server.refuse = 0;
    lan_run(70 * NS_PER_S);
    assert_true(shows(GUEST));
    stop_server();
}

/* ---- Asking again */

/* When the guest asked, in this process. */
static void ask(uint64_t times[], unsigned nr)
{
    server.silent = true;
    start_server();
    while (server.nr < nr)
        lan_run(NS_PER_S);
    for (unsigned i = 0; i < nr; i++)
        times[i] = server.events[i].at;
    stop_server();
}

static void test_asking_again_takes_longer_each_time(void **state)
{
    uint64_t base = 4 * NS_PER_S, times[8];
    unsigned exact = 0;

    (void)state;
    ask(times, 8);
    for (unsigned i = 1; i < 8; i++) {
        uint64_t took = times[i] - times[i - 1];

        assert_in_range(took, base - NS_PER_S, base + NS_PER_S);
        exact += took % (NS_PER_S / 2) == 0;
        if (base < 64 * NS_PER_S)
            base *= 2;
    }
    assert_true(exact < 3);
}

static void ask_with_seed(const char *seed, uint64_t times[], unsigned nr)
{
    size_t bytes = nr * sizeof(times[0]);
    int ends[2];
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        setenv("SEED", seed, 1);
        ask(times, nr);
        _exit(write(ends[1], times, bytes) == (ssize_t)bytes ? 0 : 1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], times, bytes), (ssize_t)bytes);
    close(ends[0]);
    waitpid(child, NULL, 0);
}

static void test_two_guests_do_not_ask_in_step(void **state)
{
    uint64_t a[6], b[6];
    unsigned near = 0;

    (void)state;
    ask_with_seed("11", a, 6);
    ask_with_seed("12", b, 6);
    assert_int_equal(a[0], b[0]); /* they were started together */
    for (unsigned i = 1; i < 6; i++)
        near += a[i] / (NS_PER_S / 50) == b[i] / (NS_PER_S / 50);
    assert_true(near < 3);
}

/* ---- Option 121 */

/* Where a ping of this host's is sent: its answer's MAC. */
static const uint8_t *way_to(const char *from)
{
    struct lan_host *far = lan_host(0, from);
    struct lan_ip to = lan_ip(GUEST);
    uint8_t icmp[64] = {8};
    static uint8_t mac[6];

    far->silent = true;
    for (unsigned i = 0; i < 3; i++) {
        const struct lan_packet *p;
        uint64_t until = fake_now() + NS_PER_S;

        lan_send_ip(far, &to, 1, icmp, sizeof(icmp));
        while (fake_now() < until) {
            lan_run(10 * NS_PER_MS);
            p = lan_take(is_icmp, NULL);
            if (p)
                return memcpy(mac, p->frame, 6);
        }
    }
    return NULL;
}

/* A gateway that is not on our network either, as clouds have it: 10.9.9.9/32
 * is on the link, everything is behind it. Then, 10.7.0.0/16 behind 10.0.2.7,
 * 10.7.7.0/25 behind 10.0.2.8. */
static const uint8_t cloud[] = {
    32, 10, 9,  9, 9, 0, 0,  0,  0, 0, 10, 9,  9, 9, 16,
    10, 7,  10, 0, 2, 7, 25, 10, 7, 7, 0,  10, 0, 2, 8,
};

static void check_cloud(void)
{
    struct lan_host *gateway = lan_host(0, "10.9.9.9");
    struct lan_host *seven = lan_host(0, "10.0.2.7");
    struct lan_host *eight = lan_host(0, "10.0.2.8");

    lan_until(shows(GUEST));
    assert_true(lan_logged("vif0: 10.0.2.5/32 via 10.9.9.9 (dhcp"));
    memcpy(gateway->mac, "\2\0\0\0\7\1", 6);
    memcpy(seven->mac, "\2\0\0\0\7\7", 6);
    memcpy(eight->mac, "\2\0\0\0\7\x8", 6);
    assert_memory_equal(way_to("203.0.113.1"), gateway->mac, 6);
    assert_memory_equal(way_to("10.7.7.128"), seven->mac, 6);
    assert_memory_equal(way_to("10.7.7.127"), eight->mac, 6);
}

static void use_cloud(void)
{
    server.lease_s = 3600;
    server.routes = cloud;
    server.routes_bytes = sizeof(cloud);
}

static void test_the_router_stands_only_in_option_121(void **state)
{
    const uint8_t *route, *router;

    (void)state;
    use_cloud();
    server.mask = "255.255.255.255";
    start_server();
    check_cloud();
    route = memchr(server.parameters + 1, 121, server.parameters[0]);
    router = memchr(server.parameters + 1, 3, server.parameters[0]);
    assert_true(route && router && route < router);
    stop_server();
}

static void test_option_121_beats_the_router_and_may_be_split(void **state)
{
    (void)state;
    use_cloud();
    server.routes_split = 7;
    server.mask = "255.255.255.255";
    server.router = "10.0.2.66";
    start_server();
    check_cloud();
    stop_server();
}

static void test_option_121_without_a_router(void **state)
{
    static const uint8_t one[] = {8, 10, 10, 0, 2, 7};

    (void)state;
    server.lease_s = 3600;
    server.routes = one;
    server.routes_bytes = sizeof(one);
    server.router = "10.0.2.66"; /* to be ignored */
    start_server();
    lan_until(shows(GUEST));
    struct lan_host *seven = lan_host(0, "10.0.2.7");
    assert_true(lan_logged("vif0: 10.0.2.5/24 (dhcp"));
    assert_memory_equal(way_to("10.7.7.128"), seven->mac, 6);
    assert_null(way_to("203.0.113.1"));
    stop_server();
}

static void refuse_routes(const void *bytes, size_t nr)
{
    server.lease_s = 3600;
    server.routes = bytes;
    server.routes_bytes = (uint8_t)nr;
    server.router = "10.0.2.2";
    start_server();
    lan_until(shows(GUEST));
    assert_true(lan_logged("(option 121) are not used"));
    assert_true(lan_logged("vif0: 10.0.2.5/24 via 10.0.2.2 (dhcp"));
    stop_server();
}

static void test_option_121_that_is_cut_short(void **state)
{
    (void)state;
    refuse_routes("\x18\x0a\x07\x07\x0a\x00\x02", 7);
}

static void test_option_121_with_33_bits(void **state)
{
    (void)state;
    refuse_routes(
        "\x00\x0a\x00\x02\x07\x21\x0a\x07\x07\x07\x0a\x00\x02\x02\x01", 15);
}

static void test_more_routes_than_there_is_room(void **state)
{
    uint8_t many[LEASE_ROUTES_MAX * 6 + 5 + 6] = {0};

    (void)state;
    for (unsigned i = 0; i <= LEASE_ROUTES_MAX; i++)
        memcpy(many + 6 * i, (uint8_t[]){8, (uint8_t)(20 + i), 10, 0, 2, 7}, 6);
    memcpy(many + 6 * (LEASE_ROUTES_MAX + 1), "\x00\x0a\x00\x02\x02", 5);
    server.lease_s = 3600;
    server.routes = many;
    server.routes_bytes = sizeof(many);
    start_server();
    lan_until(shows(GUEST));
    assert_true(lan_logged("of the routes that DHCP gives, 8 are used"));
    assert_true(lan_logged("vif0: 10.0.2.5/24 via 10.0.2.2 (dhcp"));
    stop_server();
}

LAN_TESTS(LAN_TEST(test_lease_of_0_s), LAN_TEST(test_lease_of_1_s),
          LAN_TEST(test_lease_of_30_s), LAN_TEST(test_lease_of_60_s),
          LAN_TEST(test_lease_of_89_s), LAN_TEST(test_lease_of_an_hour),
          LAN_TEST(test_lease_of_a_day), LAN_TEST(test_lease_of_a_year),
          LAN_TEST(test_lease_of_136_years), LAN_TEST(test_lease_for_ever),
          LAN_TEST(test_no_lease_time_is_for_ever),
          LAN_TEST(test_a_short_lease_ends),
          LAN_TEST(test_a_lease_of_a_second_ends),
          LAN_TEST(test_a_long_lease_ends),
          LAN_TEST(test_times_that_the_server_gives),
          LAN_TEST(test_times_that_make_no_sense),
          LAN_TEST(test_a_lease_ends_during_a_pause),
          LAN_TEST(test_a_renewal_during_a_pause),
          LAN_TEST(test_a_refused_renewal),
          LAN_TEST(test_others_have_no_say_while_requesting),
          LAN_TEST(test_a_server_that_always_refuses_makes_no_loop),
          LAN_TEST(test_asking_again_takes_longer_each_time),
          LAN_TEST(test_two_guests_do_not_ask_in_step),
          LAN_TEST(test_the_router_stands_only_in_option_121),
          LAN_TEST(test_option_121_beats_the_router_and_may_be_split),
          LAN_TEST(test_option_121_without_a_router),
          LAN_TEST(test_option_121_that_is_cut_short),
          LAN_TEST(test_option_121_with_33_bits),
          LAN_TEST(test_more_routes_than_there_is_room))
