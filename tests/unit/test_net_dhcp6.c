/* SPDX-License-Identifier: MIT */
/* DHCPv6: an address when routers announce it, and its lifetimes. */
// sources: lan
#include "tests/unit/lan.h"

#include <string.h>

#include "lwip/dns.h"
#include "lwip/netif.h"

#define SHOWN   "attr/vif/0/ipv6/0"
#define GIVEN   "2001:db8::d6"
#define DUID    "\0\1\0\1server"
#define MANAGED 0x80

enum { SOLICIT = 1, ADVERTISE, REQUEST, RENEW = 5, REBIND, REPLY };

static struct server {
    struct lan_host *router;
    const char *ip;
    uint32_t t1_s, t2_s, preferred_s, valid_s;
    bool silent, deaf_to_renew;
    uint16_t status;  /* in the IA of the next REPLY */
    size_t cut;       /* answers are so many bytes shorter */
    const char *duid; /* of the client, when it is another's */
    uint8_t types[512];
    uint64_t at[512];
    unsigned nr;
} server;

static bool shows(const char *value)
{
    const char *shown = fake_xs_get(SHOWN);

    return value ? shown && strcmp(shown, value) == 0 : !shown;
}

static const uint8_t *option_of(const struct lan_packet *p, uint16_t code)
{
    const uint8_t *at = p->payload + 8 + 4,
                  *end = p->payload + p->payload_bytes;

    while (at + 4 <= end) {
        if (lan_get16(at) == code)
            return at + 4;
        at += 4 + lan_get16(at + 2);
    }
    return NULL;
}

static uint8_t *put_option(uint8_t *at, uint16_t code, const void *value,
                           size_t bytes)
{
    lan_put16(at, code);
    lan_put16(at + 2, (uint16_t)bytes);
    memcpy(at + 4, value, bytes);
    return at + 4 + bytes;
}

static uint8_t *put_ia(uint8_t *at, const struct lan_packet *p)
{
    uint8_t ia[200], address[24], status[2], *end = ia + 12;

    memcpy(ia, option_of(p, 3), 4);
    lan_put32(ia + 4, server.t1_s);
    lan_put32(ia + 8, server.t2_s);
    if (server.status) {
        lan_put16(status, server.status);
        end = put_option(end, 13, status, 2);
    } else {
        memcpy(address, lan_ip(server.ip).at, 16);
        lan_put32(address + 16, server.preferred_s);
        lan_put32(address + 20, server.valid_s);
        end = put_option(end, 5, address, 24);
    }
    return put_option(at, 3, ia, (size_t)(end - ia));
}

static void answer(const struct lan_packet *p, uint8_t type)
{
    const uint8_t *client = option_of(p, 1);
    struct lan_ip to = p->src;
    uint8_t m[400], *at = m + 4;

    memcpy(m, p->payload + 8, 4);
    m[0] = type;
    at = put_option(at, 1, server.duid ? server.duid : (const char *)client,
                    lan_get16(client - 2));
    at = put_option(at, 2, DUID, sizeof(DUID) - 1);
    at = put_ia(at, p);
    at = put_option(at, 23, lan_ip("2001:db8::53").at, 16);
    lan_send_udp(server.router, &to, 547, 546, m,
                 (size_t)(at - m) - server.cut);
}

static bool is_dhcp6(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 17 && lan_get16(p->payload + 2) == 547;
}

static bool serve(void *arg)
{
    const struct lan_packet *p = lan_take(is_dhcp6, arg);
    uint8_t type;

    if (!p)
        return false;
    type = p->payload[8];
    assert_true(server.nr < array_size(server.types));
    assert_true(lan_ip_is(&p->dest, "ff02::1:2"));
    assert_int_equal(lan_get16(p->payload), 546);
    server.at[server.nr] = fake_now();
    server.types[server.nr++] = type;
    if (type == REQUEST || type == RENEW)
        assert_memory_equal(option_of(p, 2), DUID, sizeof(DUID) - 1);
    if (!server.silent && !(type == RENEW && server.deaf_to_renew)) {
        answer(p, type == SOLICIT ? ADVERTISE : REPLY);
        server.status = 0;
    }
    return true;
}

/* A prefix that is on the link; with `flags` 0x40 addresses are made of it. */
static void announce(uint8_t managed, uint8_t flags)
{
    uint8_t ra[16 + 8 + 32] = {134, 0, 0, 0, 64, managed}, *at = ra + 16;
    struct lan_ip all = lan_ip("ff02::1");

    lan_put16(ra + 6, 9000);
    memcpy(at, "\x01\x01", 2);
    memcpy(at + 2, server.router->mac, 6);
    at += 8;
    memcpy(at, "\x03\x04\x40", 3);
    at[3] = 0x80 | flags;
    lan_put32(at + 4, 86400);
    lan_put32(at + 8, 86400);
    memcpy(at + 16, lan_ip("2001:db8::").at, 16);
    lan_send_ip(server.router, &all, 58, ra, sizeof(ra));
}

static void start(uint32_t preferred_s, uint32_t valid_s)
{
    lan_start("vif0.ip=none", 1);
    server.router = lan_host(0, "fe80::1");
    server.ip = GIVEN;
    server.preferred_s = preferred_s;
    server.valid_s = valid_s;
    fake_add_backend(serve, NULL);
    lan_up();
    lan_run(2 * NS_PER_S);
}

static void expect(const char *types)
{
    char all[array_size(server.types) + 1] = "";

    for (unsigned i = 0; i < server.nr; i++)
        all[i] = (char)('0' + server.types[i]);
    assert_string_equal(all, types);
}

static void test_an_address_is_asked_for(void **state)
{
    (void)state;
    start(3600, 7200);
    announce(MANAGED, 0);
    lan_until(shows(GIVEN));
    expect("13");
    assert_true(lan_logged("vif0: 2001:db8::d6/64 (dhcp)"));
    assert_true(net_is_up());
    assert_string_equal(ipaddr_ntoa(dns_getserver(0)), "2001:DB8::53");
    announce(MANAGED, 0);
    lan_run(100 * NS_PER_S);
    expect("13");
    lan_stop();
}

static void test_nothing_is_asked_unless_routers_say_so(void **state)
{
    (void)state;
    start(3600, 7200);
    announce(0, 0);
    lan_run(20 * NS_PER_S);
    announce(MANAGED, 0x40);
    lan_run(20 * NS_PER_S);
    assert_true(shows("2001:db8::216:3eff:fe00:0"));
    expect("");
    lan_stop();
}

static void test_renewed_and_rebound(void **state)
{
    (void)state;
    start(100, 200);
    announce(MANAGED, 0);
    lan_until(shows(GIVEN));
    lan_run(320 * NS_PER_S); /* T1 is 50 */
    expect("13555555");
    assert_in_range(server.at[3] - server.at[2], 50 * NS_PER_S, 51 * NS_PER_S);
    server.deaf_to_renew = true;
    lan_run(80 * NS_PER_S); /* T2 is 80 */
    assert_int_equal(server.types[server.nr - 1], REBIND);
    assert_true(shows(GIVEN));
    server.deaf_to_renew = false;
    server.silent = true;
    lan_run(150 * NS_PER_S);
    assert_true(shows(GIVEN));
    lan_run(60 * NS_PER_S);
    assert_true(shows("fe80::216:3eff:fe00:0"));
    lan_run(150 * NS_PER_S);
    assert_int_equal(server.types[server.nr - 1], SOLICIT);
    server.silent = false;
    for (unsigned i = 0; i < 30 && !shows(GIVEN); i++)
        lan_run(10 * NS_PER_S);
    assert_true(shows(GIVEN));
    lan_stop();
}

static void test_times_that_the_server_gives(void **state)
{
    (void)state;
    server.t1_s = 10;
    server.t2_s = 20;
    start(1000, 2000);
    announce(MANAGED, 0);
    lan_until(shows(GIVEN));
    lan_run(25 * NS_PER_S);
    expect("1355");
    lan_stop();
}

static void test_an_address_for_ever(void **state)
{
    (void)state;
    start(0xffffffff, 0xffffffff);
    announce(MANAGED, 0);
    lan_until(shows(GIVEN));
    fake_advance(UINT64_C(1000) * 86400 * NS_PER_S);
    lan_run(20 * NS_PER_S);
    expect("13");
    assert_true(shows(GIVEN));
    lan_stop();
}

static void test_another_address_at_a_renewal(void **state)
{
    (void)state;
    start(100, 200);
    announce(MANAGED, 0);
    lan_until(shows(GIVEN));
    server.ip = "2001:db8::d7";
    lan_run(60 * NS_PER_S);
    assert_true(shows("2001:db8::d7"));
    assert_true(shows("2001:db8::d7"));
    assert_true(lan_logged("vif0: 2001:db8::d6/64 is gone"));
    lan_stop();
}

static void test_the_server_forgot_us(void **state)
{
    (void)state;
    start(100, 200);
    announce(MANAGED, 0);
    lan_until(shows(GIVEN));
    server.status = 3; /* NoBinding */
    lan_run(60 * NS_PER_S);
    expect("1353");
    assert_true(shows(GIVEN));
    lan_stop();
}

static void test_asking_again_takes_longer_each_time(void **state)
{
    (void)state;
    start(100, 200);
    server.silent = true;
    announce(MANAGED, 0);
    lan_run(200 * NS_PER_S);
    assert_in_range(server.nr, 7, 9);
    for (unsigned i = 1; i < server.nr; i++) {
        uint64_t base = NS_PER_S << (i - 1);

        assert_in_range(server.at[i] - server.at[i - 1], base / 10 * 9,
                        base / 10 * 11);
    }
    lan_stop();
}

static void test_the_address_ends_during_a_pause(void **state)
{
    (void)state;
    start(3600, 7200);
    announce(MANAGED, 0);
    lan_until(shows(GIVEN));
    server.silent = true;
    fake_run_backends();
    fake_advance(8000 * NS_PER_S);
    lan_run(2 * NS_PER_S);
    assert_true(shows("fe80::216:3eff:fe00:0"));
    assert_int_equal(server.types[server.nr - 1], SOLICIT);
    lan_stop();
}

/* Cut short anywhere, or for somebody else: nothing comes of it. */
static void test_bad_answers(void **state)
{
    (void)state;
    start(3600, 7200);
    announce(MANAGED, 0);
    for (server.cut = 92; server.cut > 20; server.cut--)
        lan_run(60 * NS_PER_S);
    assert_null(strstr(lan_log(), GIVEN));
    server.cut = 0;
    server.duid = "\0\3\0\1\2\2\2\2\2";
    lan_run(7200 * NS_PER_S);
    assert_null(strstr(lan_log(), GIVEN));
    lan_stop();
}

static void test_the_link_goes_and_comes(void **state)
{
    (void)state;
    start(3600, 7200);
    announce(MANAGED, 0);
    lan_until(shows(GIVEN));
    netback_close(lan_netback(0));
    lan_until(shows(NULL));
    netback_start(lan_netback(0));
    lan_run(3 * NS_PER_S);
    expect("136");
    assert_true(shows(GIVEN));
    lan_stop();
}

LAN_TESTS(LAN_TEST(test_an_address_is_asked_for),
          LAN_TEST(test_nothing_is_asked_unless_routers_say_so),
          LAN_TEST(test_renewed_and_rebound),
          LAN_TEST(test_times_that_the_server_gives),
          LAN_TEST(test_an_address_for_ever),
          LAN_TEST(test_another_address_at_a_renewal),
          LAN_TEST(test_the_server_forgot_us),
          LAN_TEST(test_asking_again_takes_longer_each_time),
          LAN_TEST(test_the_address_ends_during_a_pause),
          LAN_TEST(test_bad_answers), LAN_TEST(test_the_link_goes_and_comes))
