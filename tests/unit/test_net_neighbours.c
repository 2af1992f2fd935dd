/* SPDX-License-Identifier: MIT */
/* Neighbours that move, die, or use our addresses; looped frames;
 * groups and tags. Each clause of RFC 4861, 4862, 7527 and 5227 is named where
 * it is tested. */
// sources: lan
#include "tests/unit/lan.h"

#include <stdio.h>
#include <string.h>

#include "lwip/ip6_addr.h"
#include "lwip/netif.h"
#include "lwip/udp.h"

#define GUEST4     "192.0.2.5"
#define GUEST6     "2001:db8::5"
#define LINK_LOCAL "fe80::216:3eff:fe00:0"
#define BOTH       "vif0.ip=192.0.2.5/24 vif0.ip6=2001:db8::5"
#define FAR        "2001:db8:77::1"

#define NS 135
#define NA 136

#define ROUTER    0x80
#define SOLICITED 0x40
#define OVERRIDE  0x20

static const uint8_t other_mac[6] = {2, 0, 0, 0, 9, 9};

static void start(const char *cmdline)
{
    lan_start(cmdline, 1);
    lan_up();
    lan_run(3 * NS_PER_S);
    lan_drop_all();
}

static void move(struct lan_host *host)
{
    memcpy(host->mac, other_mac, sizeof(other_mac));
}

/* ---- Messages */

static bool is_echo_reply(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 58 ? p->payload[0] == 129
                             : p->protocol == 1 && p->payload[0] == 0;
}

static void send_ping(struct lan_host *host, const char *guest)
{
    struct lan_ip to = lan_ip(guest);
    uint8_t icmp[64] = {to.v6 ? 128 : 8};

    lan_send_ip(host, &to, to.v6 ? 58 : 1, icmp, sizeof(icmp));
}

/* Ping; does the answer go to this MAC? */
static bool answers_to(struct lan_host *host, const char *guest,
                       const uint8_t mac[6])
{
    const struct lan_packet *p;

    lan_drop_all();
    send_ping(host, guest);
    lan_run(100 * NS_PER_MS);
    p = lan_take(is_echo_reply, NULL);
    return p && memcmp(p->frame, mac, 6) == 0;
}

static bool is_icmp6(const struct lan_packet *p, const void *arg)
{
    return p->protocol == 58 && p->payload[0] == *(const uint8_t *)arg;
}

static const struct lan_packet *take_icmp6(uint8_t type)
{
    return lan_take(is_icmp6, &type);
}

static unsigned count_solicitations(void)
{
    unsigned nr = 0;

    while (take_icmp6(NS))
        nr++;
    return nr;
}

/* NS or NA for `target`, with the host's MAC in an option unless it is 0. */
static void send_nd(struct lan_host *host, const char *to, uint8_t type,
                    uint8_t flags, const char *target, uint8_t option)
{
    struct lan_ip dest = lan_ip(to);
    uint8_t m[32] = {type, 0, 0, 0, flags};

    memcpy(m + 8, lan_ip(target).at, 16);
    m[24] = option;
    m[25] = 1;
    memcpy(m + 26, host->mac, 6);
    lan_send_ip(host, &dest, 58, m, option ? 32 : 24);
    lan_run(10 * NS_PER_MS);
}

static void advertise(struct lan_host *host, const char *to, uint8_t flags)
{
    char own[46];
    struct lan_ip ip = host->ip;

    snprintf(own, sizeof(own), "%x:%x::%x", lan_get16(ip.at),
             lan_get16(ip.at + 2), lan_get16(ip.at + 14));
    send_nd(host, to, NA, flags, own, 2);
}

static void announce(struct lan_host *router, uint16_t lifetime_s, bool option)
{
    uint8_t ra[24] = {134, 0, 0, 0, 64};
    struct lan_ip all = lan_ip("ff02::1");

    router->router = true;
    lan_put16(ra + 6, lifetime_s);
    memcpy(ra + 16, "\x01\x01", 2);
    memcpy(ra + 18, router->mac, 6);
    lan_send_ip(router, &all, 58, ra, option ? 24 : 16);
    lan_run(10 * NS_PER_MS);
}

/* Somebody behind the router, whose packets come from its MAC. */
static struct lan_host *far_host(const struct lan_host *router)
{
    struct lan_host *far = lan_host(0, FAR);

    far->silent = true;
    memcpy(far->mac, router->mac, 6);
    return far;
}

/* ---- Neighbours that move */

/* 6.3.4: what an announcement says replaces what was known. */
static void test_router_with_another_mac(void **state)
{
    (void)state;
    start(BOTH);
    struct lan_host *router = lan_host(0, "fe80::1");
    struct lan_host *far = far_host(router);

    announce(router, 1800, true);
    assert_true(answers_to(far, GUEST6, router->mac));
    move(router);
    announce(router, 1800, true);
    assert_true(answers_to(far, GUEST6, other_mac));
    lan_stop();
}

/* 7.3.3: it tells nothing, but the old MAC is silent: three probes, then its
 * address is asked for by multicast. */
static void test_router_that_moved_in_silence(void **state)
{
    unsigned tries = 0;

    (void)state;
    start(BOTH);
    struct lan_host *router = lan_host(0, "fe80::1");
    struct lan_host *far = far_host(router);

    announce(router, 1800, true);
    assert_true(answers_to(far, GUEST6, router->mac));
    move(router);
    while (!answers_to(far, GUEST6, other_mac)) {
        assert_true(++tries < 60);
        lan_run(NS_PER_S);
    }
    lan_stop();
}

/* Nobody asks for a router that nobody needs, and the other one is taken. */
static void test_router_that_dies(void **state)
{
    unsigned tries = 0;

    (void)state;
    start(BOTH);
    struct lan_host *first = lan_host(0, "fe80::1");
    struct lan_host *second = lan_host(0, "fe80::2");
    struct lan_host *far = far_host(first);

    announce(first, 1800, true);
    assert_true(answers_to(far, GUEST6, first->mac));
    announce(second, 1800, true);
    first->silent = true;
    while (!answers_to(far, GUEST6, second->mac)) {
        assert_true(++tries < 60);
        lan_run(NS_PER_S);
    }
    lan_run(60 * NS_PER_S);
    lan_drop_all();
    lan_run(100 * NS_PER_S);
    assert_int_equal(count_solicitations(), 0);
    lan_stop();
}

static void test_only_router_that_dies(void **state)
{
    (void)state;
    start(BOTH);
    struct lan_host *router = lan_host(0, "fe80::1");
    struct lan_host *far = far_host(router);

    announce(router, 1800, true);
    assert_true(answers_to(far, GUEST6, router->mac));
    router->silent = true;
    for (unsigned i = 0; i < 60; i++) {
        send_ping(far, GUEST6);
        lan_run(NS_PER_S);
    }
    lan_drop_all();
    lan_run(100 * NS_PER_S);
    assert_true(count_solicitations() <= 3);
    router->silent = false; /* it comes back */
    send_ping(far, GUEST6);
    lan_run(NS_PER_S);
    assert_true(answers_to(far, GUEST6, router->mac));
    lan_stop();
}

/* 6.3.4: a lifetime of zero ends it at once. */
static void test_router_that_resigns(void **state)
{
    (void)state;
    start(BOTH);
    struct lan_host *router = lan_host(0, "fe80::1");
    struct lan_host *far = far_host(router);

    announce(router, 1800, false);
    lan_run(10 * NS_PER_S);
    assert_int_equal(count_solicitations(), 0); /* nothing to send it */
    send_ping(far, GUEST6);
    lan_run(100 * NS_PER_MS);
    assert_true(answers_to(far, GUEST6, router->mac));
    announce(router, 0, true);
    assert_false(answers_to(far, GUEST6, router->mac));
    announce(router, 0, true); /* nor does it come back so */
    assert_false(answers_to(far, GUEST6, router->mac));
    lan_stop();
}

/* 7.2.3: what a solicitation says replaces what was known, in any state. */
static void test_neighbour_with_another_mac(void **state)
{
    (void)state;
    start(BOTH);
    struct lan_host *host = lan_host(0, "2001:db8::9");
    uint8_t old[6];

    for (unsigned wait_s = 0; wait_s < 40; wait_s += 8) {
        memcpy(old, host->mac, 6);
        send_ping(host, GUEST6);
        lan_run(NS_PER_S);
        assert_true(answers_to(host, GUEST6, old));
        lan_run(wait_s * NS_PER_S);
        host->mac[3]++;
        send_nd(host, wait_s % 16 ? GUEST6 : "ff02::1:ff00:5", NS, 0, GUEST6,
                1);
        assert_true(answers_to(host, GUEST6, host->mac));
    }
    lan_stop();
}

static void test_neighbour_that_moved_in_silence(void **state)
{
    unsigned tries = 0;

    (void)state;
    start(BOTH);
    struct lan_host *host = lan_host(0, "2001:db8::9");

    send_ping(host, GUEST6);
    lan_run(NS_PER_S);
    assert_true(answers_to(host, GUEST6, host->mac));
    move(host);
    while (!answers_to(host, GUEST6, other_mac)) {
        assert_true(++tries < 60);
        lan_run(NS_PER_S);
    }
    lan_stop();
}

/* 7.2.4: its sender knows our MAC and need not tell its own. */
static void test_solicitation_without_an_option(void **state)
{
    const struct lan_packet *p;

    (void)state;
    start(BOTH);
    struct lan_host *host = lan_host(0, "2001:db8::9");

    send_nd(host, GUEST6, NS, 0, GUEST6, 0);
    p = take_icmp6(NA);
    assert_non_null(p);
    assert_int_equal(p->payload[4], SOLICITED | OVERRIDE);
    assert_true(lan_ip_is(&p->dest, "2001:db8::9"));
    assert_memory_equal(p->frame, host->mac, 6);
    lan_stop();
}

/* 7.1.1: dropped. */
static void test_solicitations_that_are_wrong(void **state)
{
    struct lan_ip to = lan_ip(GUEST6);
    uint8_t m[32] = {NS};

    (void)state;
    start(BOTH);
    struct lan_host *host = lan_host(0, "2001:db8::9");
    struct lan_host *nobody = lan_host(0, "::");

    memcpy(m + 8, to.at, 16);
    m[24] = 1; /* an option of no length */
    lan_send_ip(host, &to, 58, m, sizeof(m));
    /* With a MAC, but without an address. */
    send_nd(nobody, "ff02::1:ff00:5", NS, 0, GUEST6, 1);
    lan_run(100 * NS_PER_MS);
    assert_null(take_icmp6(NA));
    lan_stop();
}

/* 7.2.5, state by state. */
static void test_advertisements(void **state)
{
    (void)state;
    start(BOTH);
    struct lan_host *host = lan_host(0, "2001:db8::9");
    uint8_t old[6];

    memcpy(old, host->mac, 6);
    send_ping(host, GUEST6);
    lan_run(NS_PER_S);
    assert_true(answers_to(host, GUEST6, old));

    move(host);
    host->silent = true;
    advertise(host, GUEST6, 0); /* may not override: doubted, but kept */
    assert_true(answers_to(host, GUEST6, old));
    advertise(host, GUEST6, SOLICITED);
    assert_true(answers_to(host, GUEST6, old));
    lan_run(20 * NS_PER_S);
    assert_true(count_solicitations() >= 3); /* the doubt was looked into */

    host->silent = false;
    send_ping(host, GUEST6);
    lan_run(NS_PER_S);
    assert_true(answers_to(host, GUEST6, other_mac));
    host->mac[5]++;
    advertise(host, "ff02::1", OVERRIDE | SOLICITED); /* contradicts itself */
    assert_true(answers_to(host, GUEST6, other_mac));
    advertise(host, "ff02::1", OVERRIDE);
    assert_true(answers_to(host, GUEST6, host->mac));
    lan_stop();
}

/* 7.2.5: a router that says it is none is none. */
static void test_router_that_is_a_host_now(void **state)
{
    (void)state;
    start(BOTH);
    struct lan_host *router = lan_host(0, "fe80::1");
    struct lan_host *far = far_host(router);

    announce(router, 1800, true);
    assert_true(answers_to(far, GUEST6, router->mac));
    send_nd(router, GUEST6, NA, ROUTER | SOLICITED | OVERRIDE, "fe80::1", 2);
    assert_true(answers_to(far, GUEST6, router->mac));
    send_nd(router, GUEST6, NA, SOLICITED | OVERRIDE, "fe80::1", 2);
    assert_false(answers_to(far, GUEST6, router->mac));
    lan_stop();
}

/* IPv4: right from the beginning. */
static void send_arp(struct lan_host *host, const char *sender,
                     const char *target)
{
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    uint8_t frame[42] = {0};

    memcpy(frame, all, 6);
    memcpy(frame + 6, host->mac, 6);
    memcpy(frame + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
    memcpy(frame + 22, host->mac, 6);
    memcpy(frame + 28, lan_ip(sender).at, 4);
    memcpy(frame + 38, lan_ip(target).at, 4);
    lan_send_frame(host->vif, frame, sizeof(frame), 0);
    lan_run(10 * NS_PER_MS);
}

static void test_ipv4_neighbour_with_another_mac(void **state)
{
    (void)state;
    start("vif0.ip=192.0.2.5/24 vif0.gw=192.0.2.1 vif0.ip6=none");
    struct lan_host *host = lan_host(0, "192.0.2.9");
    struct lan_host *gateway = lan_host(0, "192.0.2.1");
    struct lan_host *far = lan_host(0, "198.51.100.7");

    far->silent = true;
    send_ping(host, GUEST4);
    send_ping(far, GUEST4);
    lan_run(NS_PER_S);
    assert_true(answers_to(host, GUEST4, host->mac));
    assert_true(answers_to(far, GUEST4, gateway->mac));
    host->mac[3] = gateway->mac[3] = 7;
    send_arp(host, "192.0.2.9", "192.0.2.9");    /* announced */
    send_arp(gateway, "192.0.2.1", "192.0.2.5"); /* asks for us */
    assert_true(answers_to(host, GUEST4, host->mac));
    assert_true(answers_to(far, GUEST4, gateway->mac));
    lan_stop();
}

/* ---- Our addresses, and others who use them */

static bool uses(const char *ip)
{
    ip6_addr_t address;

    assert_true(ip6addr_aton(ip, &address));
    for (unsigned i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        const struct netif *netif = net_vif(0);

        if (ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) &&
            ip6_addr_zoneless_eq(netif_ip6_addr(netif, i), &address))
            return true;
    }
    return false;
}

static unsigned nr_logged(const char *text)
{
    unsigned nr = 0;

    for (const char *at = lan_log(); (at = strstr(at, text)) != NULL; at++)
        nr++;
    return nr;
}

/* RFC 7527: a bridge that sends our question back. */
static void test_reflected_detection(void **state)
{
    (void)state;
    lan_start(BOTH, 1);
    lan_reflect(true);
    lan_up();
    lan_run(5 * NS_PER_S);
    assert_true(uses(GUEST6));
    assert_true(uses(LINK_LOCAL));
    /* What defends it comes back, too. */
    send_nd(lan_host(0, "::"), "ff02::1:ff00:5", NS, 0, GUEST6, 0);
    assert_non_null(take_icmp6(NA));
    assert_true(uses(GUEST6));
    assert_int_equal(nr_logged(", too: "), 0);
    lan_reflect(false);
    lan_stop();
}

/* RFC 4862, 5.4.3: two who want it at the same time; neither answers. */
static void test_detection_by_another(void **state)
{
    (void)state;
    lan_start(BOTH, 1);
    lan_up();
    struct lan_host *nobody = lan_host(0, "::");
    nobody->silent = true;
    send_nd(nobody, "ff02::1:ff00:5", NS, 0, GUEST6, 0);
    lan_run(5 * NS_PER_S);
    assert_false(uses(GUEST6));
    assert_true(uses(LINK_LOCAL));
    assert_null(take_icmp6(NA));
    assert_true(lan_logged(
        "vif0: another host uses 2001:db8::5, too: it is not used here"));
    lan_stop();
}

/* 5.4.4: somebody has it. */
static void test_static_address_of_another(void **state)
{
    (void)state;
    lan_start(BOTH, 1);
    lan_host(0, GUEST6);
    lan_up();
    lan_run(5 * NS_PER_S);
    assert_false(uses(GUEST6));
    assert_true(uses(LINK_LOCAL));
    assert_true(lan_logged("vif0: 02:00:00:00:01:05 uses 2001:db8::5, too: it "
                           "is not used here"));
    lan_stop();
}

/* 5.4.5: then the MAC is another's, too. */
static void test_link_local_address_of_another(void **state)
{
    (void)state;
    lan_start(BOTH, 1);
    lan_host(0, LINK_LOCAL);
    lan_up();
    lan_run(5 * NS_PER_S);
    assert_false(uses(GUEST6));
    assert_false(uses(LINK_LOCAL));
    assert_true(lan_logged("uses fe80::216:3eff:fe00:0, too: no IPv6 on this "
                           "vif until it has another MAC"));
    lan_stop();
}

/* An address in use is not lost to whoever claims it, but told. */
static void test_address_in_use_is_kept(void **state)
{
    (void)state;
    start(BOTH);
    struct lan_host *host = lan_host(0, "2001:db8::9");

    for (unsigned i = 0; i < 20; i++) {
        send_nd(host, "ff02::1", NA, OVERRIDE, GUEST6, 2);
        lan_run(NS_PER_S);
    }
    assert_true(uses(GUEST6));
    assert_int_equal(nr_logged("vif0: 02:00:00:00:01:09 uses 2001:db8::5, "
                               "too: one of the two must get another"),
                     1);
    lan_run(60 * NS_PER_S);
    send_nd(host, "ff02::1", NA, OVERRIDE, GUEST6, 2);
    assert_int_equal(nr_logged("too: one of the two"), 2);
    lan_stop();
}

static bool is_arp_announcement(const struct lan_packet *p, const void *arg)
{
    const uint8_t *ip = lan_ip(GUEST4).at;

    (void)arg;
    return p->ethertype == 0x0806 && p->frame[0] == 255 &&
           memcmp(p->payload + 14, ip, 4) == 0 &&
           memcmp(p->payload + 24, ip, 4) == 0;
}

/* RFC 5227, 2.4: one announcement in ten seconds, and a line. */
static void test_ipv4_address_is_defended(void **state)
{
    unsigned nr = 0;

    (void)state;
    start("vif0.ip=192.0.2.5/24 vif0.ip6=none");
    struct lan_host *host = lan_host(0, "192.0.2.9");

    send_arp(host, "0.0.0.0", GUEST4); /* a probe, which is answered */
    assert_int_equal(nr_logged(", too: "), 0);
    lan_drop_all();
    for (unsigned i = 0; i < 20; i++) {
        send_arp(host, GUEST4, GUEST4);
        lan_run(NS_PER_S);
    }
    while (lan_take(is_arp_announcement, NULL))
        nr++;
    assert_int_equal(nr, 2);
    assert_int_equal(nr_logged("vif0: 02:00:00:00:00:09 uses 192.0.2.5, too: "
                               "it is announced as ours"),
                     1);
    assert_true(answers_to(host, GUEST4, host->mac));
    lan_stop();
}

static void test_reflected_arp(void **state)
{
    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.ip6=none", 1);
    lan_reflect(true);
    lan_up();
    lan_run(5 * NS_PER_S);
    assert_int_equal(nr_logged(", too: "), 0);
    lan_reflect(false);
    lan_stop();
}

/* ---- Groups, tags and names */

static void test_ping_of_all_nodes(void **state)
{
    const struct lan_packet *p;

    (void)state;
    start(BOTH);
    struct lan_host *host = lan_host(0, "fe80::9");

    send_ping(host, "ff02::1");
    p = lan_expect(is_echo_reply, NULL);
    assert_true(lan_ip_is(&p->src, LINK_LOCAL));
    lan_stop();
}

static unsigned nr_datagrams;

static void on_udp(void *arg, struct udp_pcb *pcb, struct pbuf *p,
                   const ip_addr_t *from, u16_t port)
{
    (void)arg;
    (void)pcb;
    (void)from;
    (void)port;
    nr_datagrams++;
    pbuf_free(p);
}

/* The last frame again, with a tag. */
static void send_tagged(uint16_t tag, unsigned flags)
{
    uint8_t frame[200];
    size_t bytes;
    const uint8_t *last = lan_last_frame(&bytes);

    memcpy(frame, last, 12);
    lan_put16(frame + 12, 0x8100);
    lan_put16(frame + 14, tag);
    memcpy(frame + 16, last + 12, bytes - 12);
    lan_send_frame(0, frame, bytes + 4, flags);
    lan_run(100 * NS_PER_MS);
}

static void send_datagram(const char *from, const char *to, uint16_t tag,
                          unsigned flags)
{
    struct lan_host *host = lan_host(0, from);
    struct lan_ip dest = lan_ip(to);

    host->blank = flags != 0;
    lan_hold_frames(true);
    lan_send_udp(host, &dest, 1, 5000, "hello", 5);
    lan_hold_frames(false);
    send_tagged(tag, flags);
}

/* 802.1Q: a tag of VLAN 0 has a priority, and is otherwise as none. */
static void test_priority_tags(void **state)
{
    const unsigned blank = NETBACK_CSUM_BLANK | NETBACK_CSUM_GOOD;

    (void)state;
    start(BOTH);
    struct udp_pcb *pcb = udp_new_ip_type(IPADDR_TYPE_ANY);

    assert_int_equal(udp_bind(pcb, IP_ANY_TYPE, 5000), ERR_OK);
    udp_recv(pcb, on_udp, NULL);
    send_datagram("192.0.2.9", GUEST4, 5 << 13, 0);
    send_datagram("2001:db8::9", GUEST6, 0, 0);
    assert_int_equal(nr_datagrams, 2);
    send_datagram("192.0.2.9", GUEST4, 0, blank);
    send_datagram("2001:db8::9", GUEST6, 7 << 13, blank);
    assert_int_equal(nr_datagrams, 4);
    send_datagram("192.0.2.9", GUEST4, 7, 0); /* of another VLAN */
    send_datagram("2001:db8::9", GUEST6, 0xe001, 0);
    assert_int_equal(nr_datagrams, 4);
    udp_remove(pcb);
    lan_stop();
}

static void check_name(const char *domain, const char *host)
{
    lan_machine("vif0.ip=none vif0.ip6=none", 1, 0);
    fake_xs_set("name", domain);
    assert_int_equal(lan_net_start(), 0);
    lan_up();
    assert_string_equal(net_hostname(), host);
    lan_stop();
}

static void test_name_with_hyphens_at_its_ends(void **state)
{
    (void)state;
    check_name("-_web.1_-", "web-1");
}

/* 32 characters, of which the last is none that may end it. */
static void test_name_that_is_cut(void **state)
{
    (void)state;
    check_name("abcdefghijklmnopqrstuvwxyz01234_more",
               "abcdefghijklmnopqrstuvwxyz01234");
}

static void test_name_of_hyphens(void **state)
{
    (void)state;
    check_name("-_-", "");
}

LAN_TESTS(LAN_TEST(test_router_with_another_mac),
          LAN_TEST(test_router_that_moved_in_silence),
          LAN_TEST(test_router_that_dies), LAN_TEST(test_only_router_that_dies),
          LAN_TEST(test_router_that_resigns),
          LAN_TEST(test_neighbour_with_another_mac),
          LAN_TEST(test_neighbour_that_moved_in_silence),
          LAN_TEST(test_solicitation_without_an_option),
          LAN_TEST(test_solicitations_that_are_wrong),
          LAN_TEST(test_advertisements),
          LAN_TEST(test_router_that_is_a_host_now),
          LAN_TEST(test_ipv4_neighbour_with_another_mac),
          LAN_TEST(test_reflected_detection),
          LAN_TEST(test_detection_by_another),
          LAN_TEST(test_static_address_of_another),
          LAN_TEST(test_link_local_address_of_another),
          LAN_TEST(test_address_in_use_is_kept),
          LAN_TEST(test_ipv4_address_is_defended), LAN_TEST(test_reflected_arp),
          LAN_TEST(test_ping_of_all_nodes), LAN_TEST(test_priority_tags),
          LAN_TEST(test_name_with_hyphens_at_its_ends),
          LAN_TEST(test_name_that_is_cut), LAN_TEST(test_name_of_hyphens))
