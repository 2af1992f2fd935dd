/* SPDX-License-Identifier: MIT */
/* Addresses: their sources, who is told of them, and routes. */
// sources: lan
#include "tests/unit/lan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/dns.h"
#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

#define SHOWN4 "attr/vif/0/ipv4/0"
#define SHOWN6 "attr/vif/0/ipv6/0"

static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};

static bool shows(const char *path, const char *value)
{
    const char *shown = fake_xs_get(path);

    return value ? shown && strcmp(shown, value) == 0 : !shown;
}

static bool is_protocol(const struct lan_packet *p, const void *arg)
{
    return p->protocol == *(const uint8_t *)arg;
}

static void check_ping(struct lan_host *host, const char *guest)
{
    struct lan_ip to = lan_ip(guest);
    uint8_t icmp[64] = {to.v6 ? 128 : 8};
    uint8_t protocol = to.v6 ? 58 : 1;

    lan_drop_all();
    lan_send_ip(host, &to, protocol, icmp, sizeof(icmp));
    lan_expect(is_protocol, &protocol);
    lan_drop_all();
}

/* ---- Static addresses */

static void test_static_addresses(void **state)
{
    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.gw=192.0.2.1 vif0.ip6=2001:DB8::5/64",
              1);
    assert_false(net_is_up());
    lan_up();
    lan_run(3 * NS_PER_S);
    assert_true(net_is_up());
    assert_true(lan_logged("net: vif0: 192.0.2.5/24 via 192.0.2.1 (static)"));
    assert_true(lan_logged("net: vif0: 2001:db8::5/64 (static)"));
    assert_true(lan_logged("net: vif0: fe80::216:3eff:fe00:0/64 (link-local)"));
    assert_true(shows(SHOWN4, "192.0.2.5"));
    assert_true(shows(SHOWN6, "2001:db8::5"));
    assert_true(shows("attr/vif/0/ipv6/1", "fe80::216:3eff:fe00:0"));
    assert_true(shows("attr/vif/0/ipv6/2", NULL));
    check_ping(lan_host(0, "192.0.2.9"), "192.0.2.5");
    check_ping(lan_host(0, "2001:db8::9"), "2001:db8::5");
    lan_stop();
}

static void test_nothing_at_all(void **state)
{
    (void)state;
    lan_start("vif0.ip=none vif0.ip6=none", 1);
    lan_up();
    lan_run(30 * NS_PER_S);
    assert_false(net_is_up());
    assert_int_equal(lan_captured(), 0);
    lan_stop();
}

static void refuse(const char *cmdline, const char *complaint)
{
    lan_machine(cmdline, 0, 0);
    assert_int_equal(lan_net_start(), -XEN_EINVAL);
    if (!lan_logged(complaint))
        fail_msg("%s: no \"%s\" in: %s", cmdline, complaint, lan_log());
    lan_abandon();
}

static void test_bad_options_are_named(void **state)
{
    (void)state;
    refuse("vif0.ip=192.0.2.300/24", "vif0.ip=192.0.2.300/24: must be");
    refuse("vif1.ip=192.0.2.3", "vif1.ip=192.0.2.3: must be ADDRESS/BITS");
    refuse("vif0.ip=10.1/8", "vif0.ip=10.1/8");
    refuse("vif0.ip=192.0.2.3/33", "vif0.ip=192.0.2.3/33");
    refuse("vif0.ip=192.0.2.3/0", "vif0.ip=192.0.2.3/0");
    refuse("vif0.ip=192.0.2.3/", "vif0.ip=192.0.2.3/");
    refuse("vif0.ip=192.0.2.3/+8", "vif0.ip=192.0.2.3/+8");
    refuse("vif0.ip=192.0.2.3/8x", "vif0.ip=192.0.2.3/8x");
    refuse("vif0.ip=192.0.2.0/24", "must be a host's address");
    refuse("vif0.ip=192.0.2.255/24", "must be a host's address");
    refuse("vif0.ip=224.0.0.1/24", "vif0.ip=224.0.0.1/24");
    refuse("vif0.ip=127.0.0.1/8", "vif0.ip=127.0.0.1/8");
    refuse("vif0.ip=DHCP", "vif0.ip=DHCP: must be");
    refuse("vif0.ip=\"192.0.2.3/24 \"", "vif0.ip=192.0.2.3/24 : must be");
    refuse("vif0.ip=", "vif0.ip=: must be");
    refuse("vif0.ip", "vif0.ip");
    refuse("vif0.gw=192.0.2.1", "vif0.gw=192.0.2.1: must be given only with");
    refuse("vif0.ip=dhcp vif0.gw=192.0.2.1", "vif0.gw=");
    refuse("vif0.ip=192.0.2.3/24 vif0.gw=0.0.0.0", "vif0.gw=0.0.0.0");
    refuse("vif0.ip=192.0.2.3/24 vif0.gw=::1", "vif0.gw=::1");
    refuse("vif0.ip6=2001:db8::1/48", "vif0.ip6=2001:db8::1/48");
    refuse("vif0.ip6=2001:db8::1::2", "vif0.ip6=");
    refuse("vif0.ip6=2001:db8", "vif0.ip6=2001:db8");
    refuse("vif0.ip6=fe80::1", "vif0.ip6=fe80::1");
    refuse("vif0.ip6=ff02::1", "vif0.ip6=ff02::1");
    refuse("vif0.ip6=fe80::1%1", "vif0.ip6=fe80::1%1");
    refuse("vif0.ip6=none vif0.gw6=fe80::1", "vif0.gw6=fe80::1");
    refuse("vif0.gw6=192.0.2.1", "vif0.gw6=192.0.2.1");
    refuse("vif0.dns=resolver.example", "vif0.dns=resolver.example");
    refuse("vif0.dns=192.0.2.1,,192.0.2.2", "vif0.dns=");
    refuse("vif0.dns=192.0.2.1,", "vif0.dns=192.0.2.1,");
    refuse("vif0.dns=192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4",
           "up to three addresses");
    refuse("vif7.ip=x", "vif7.ip=x");
}

static void test_resolvers_are_set(void **state)
{
    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.dns=192.0.2.1,2001:db8::53", 1);
    lan_up();
    lan_run(NS_PER_S);
    assert_string_equal(ipaddr_ntoa(dns_getserver(0)), "192.0.2.1");
    assert_string_equal(ipaddr_ntoa(dns_getserver(1)), "2001:DB8::53");
    lan_stop();
}

static void test_xenstore_configuration(void **state)
{
    (void)state;
    lan_machine("", 1, 0);
    fake_xs_set("vm-data/vif0/ip", "192.0.2.7/25");
    fake_xs_set("vm-data/vif0/gw", "192.0.2.1");
    fake_xs_set("vm-data/vif0/dns", "192.0.2.2");
    fake_xs_set("vm-data/vif0/ip6", "none");
    assert_int_equal(lan_net_start(), 0);
    lan_up();
    lan_until(shows(SHOWN4, "192.0.2.7"));
    assert_true(lan_logged("vif0: 192.0.2.7/25 via 192.0.2.1 (static)"));
    lan_stop();
}

static void test_options_overrule_the_xenstore(void **state)
{
    (void)state;
    lan_machine("vif0.ip=192.0.2.8/24", 1, 0);
    fake_xs_set("vm-data/vif0/ip", "192.0.2.7/25");
    assert_int_equal(lan_net_start(), 0);
    lan_up();
    lan_until(shows(SHOWN4, "192.0.2.8"));
    lan_stop();
}

static void test_bad_xenstore_configuration(void **state)
{
    char huge[3000];

    (void)state;
    memset(huge, '1', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    lan_machine("", 1, 0);
    fake_xs_set("vm-data/vif0/ip", huge);
    assert_int_equal(lan_net_start(), 0);
    lan_up();
    lan_run(30 * NS_PER_S);
    assert_true(lan_logged("vm-data/vif0/ip=111"));
    assert_true(lan_logged("vif0: stays without addresses"));
    assert_int_equal(lan_captured(), 0);
    lan_stop();
}

/* ---- DHCP */

struct dhcp_server {
    struct lan_host *host;
    uint32_t lease_s;
    unsigned discovers, requests;
    bool nak;
    char hostname[64];
};

static const uint8_t *dhcp_option(const struct lan_packet *p, uint8_t code)
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
                           uint8_t bytes)
{
    *at++ = code;
    *at++ = bytes;
    memcpy(at, value, bytes);
    return at + bytes;
}

static void dhcp_answer(struct dhcp_server *server, const struct lan_packet *p,
                        uint8_t type)
{
    uint8_t m[300] = {2, 1, 6}, *at = m + 236, lease[4];
    struct lan_ip to = lan_ip("255.255.255.255");

    memcpy(m + 4, p->payload + 8 + 4, 4);   /* xid */
    memcpy(m + 28, p->payload + 8 + 28, 6); /* chaddr */
    memcpy(m + 16, "\x0a\x00\x02\x05", 4);
    memcpy(at, "\x63\x82\x53\x63", 4);
    at = put_option(at + 4, 53, &type, 1);
    at = put_option(at, 54, server->host->ip.at, 4);
    if (type != 6) {
        lan_put32(lease, server->lease_s);
        at = put_option(at, 51, lease, 4);
        at = put_option(at, 1, "\xff\xff\xff\x00", 4);
        at = put_option(at, 3, "\x0a\x00\x02\x02", 4);
        at = put_option(at, 6, "\x0a\x00\x02\x03", 4);
    }
    *at++ = 255;
    server->host->to = everybody;
    lan_send_udp(server->host, &to, 67, 68, m, sizeof(m));
    server->host->to = NULL;
}

static bool dhcp_serve(struct dhcp_server *server)
{
    const struct lan_packet *p = lan_take(is_dhcp, NULL);
    const uint8_t *name;

    if (!p)
        return false;
    name = dhcp_option(p, 12);
    if (name) {
        memcpy(server->hostname, name + 1, *name);
        server->hostname[*name] = '\0';
    }
    switch (dhcp_option(p, 53)[1]) {
    case 1:
        server->discovers++;
        dhcp_answer(server, p, 2);
        break;
    case 3:
        server->requests++;
        dhcp_answer(server, p, server->nak ? 6 : 5);
        break;
    }
    return true;
}

static struct dhcp_server dhcp_server(void)
{
    return (struct dhcp_server){
        .host = lan_host(0, "10.0.2.2"),
        .lease_s = 86400,
    };
}

static bool dhcp_until(struct dhcp_server *server, const char *address)
{
    dhcp_serve(server);
    return shows(SHOWN4, address);
}

static void test_dhcp(void **state)
{
    (void)state;
    lan_machine("vif0.ip6=none", 1, 0);
    fake_xs_set("name", "web_1.example");
    assert_int_equal(lan_net_start(), 0);
    struct dhcp_server server = dhcp_server();
    lan_up();
    uint64_t began = fake_now();
    lan_until(dhcp_until(&server, "10.0.2.5"));
    assert_true(fake_now() - began < 10 * NS_PER_MS);
    assert_true(
        lan_logged("vif0: 10.0.2.5/24 via 10.0.2.2 (dhcp, lease 86400 s)"));
    assert_string_equal(server.hostname, "web-1-example");
    assert_string_equal(ipaddr_ntoa(dns_getserver(0)), "10.0.2.3");
    assert_int_equal(server.discovers, 1);
    assert_int_equal(server.requests, 1);
    check_ping(server.host, "10.0.2.5");
    lan_run(10 * NS_PER_S);
    assert_false(lan_logged("no DHCP server"));
    lan_stop();
}

static void test_dhcp_is_the_default(void **state)
{
    (void)state;
    lan_start("", 1);
    struct dhcp_server server = dhcp_server();
    lan_up();
    lan_until(dhcp_until(&server, "10.0.2.5"));
    lan_stop();
}

static void test_dhcp_without_an_answer(void **state)
{
    (void)state;
    lan_start("vif0.ip=dhcp vif0.ip6=none", 1);
    struct dhcp_server server = dhcp_server();
    lan_up();
    lan_run(4 * NS_PER_S);
    assert_false(lan_logged("no DHCP server"));
    lan_run(40 * NS_PER_S);
    const char *line = strstr(lan_log(), "no DHCP server has answered for 5 s");
    assert_non_null(line);
    assert_null(strstr(line + 1, "no DHCP server"));
    lan_drop_all();
    for (unsigned i = 0; i < 7 && !shows(SHOWN4, "10.0.2.5"); i++) {
        lan_run(10 * NS_PER_S);
        while (dhcp_serve(&server))
            lan_run(10 * NS_PER_MS);
    }
    assert_true(shows(SHOWN4, "10.0.2.5"));
    lan_stop();
}

static void test_dhcp_renewal_and_refusal(void **state)
{
    (void)state;
    lan_start("vif0.ip=dhcp vif0.ip6=none", 1);
    struct dhcp_server server = dhcp_server();
    server.lease_s = 600;
    lan_up();
    lan_until(dhcp_until(&server, "10.0.2.5"));
    for (unsigned i = 0; i < 400 && server.requests == 1; i++) {
        lan_run(NS_PER_S);
        dhcp_serve(&server);
    }
    assert_int_equal(server.requests, 2); /* at half of the lease */
    lan_run(NS_PER_S);
    server.nak = true;
    for (unsigned i = 0; i < 400 && !shows(SHOWN4, NULL); i++) {
        lan_run(NS_PER_S);
        dhcp_serve(&server);
    }
    assert_true(shows(SHOWN4, NULL));
    assert_true(lan_logged("vif0: 10.0.2.5/24 via 10.0.2.2 is gone"));
    assert_false(net_is_up());
    server.nak = false;
    for (unsigned i = 0; i < 400 && shows(SHOWN4, NULL); i++) {
        lan_run(NS_PER_S);
        dhcp_serve(&server);
    }
    assert_true(net_is_up());
    lan_stop();
}

static void test_dhcp_on_a_late_link(void **state)
{
    (void)state;
    lan_start("vif0.ip=dhcp vif0.ip6=none", 1);
    struct dhcp_server server = dhcp_server();
    lan_run(20 * NS_PER_S);
    assert_false(lan_logged("no DHCP server"));
    lan_up();
    lan_until(dhcp_until(&server, "10.0.2.5"));
    lan_stop();
}

/* ---- DNS */

static bool is_query(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 17 && lan_get16(p->payload + 2) == 53;
}

static ip_addr_t resolved;
static unsigned nr_resolved;

static void on_resolved(const char *name, const ip_addr_t *ip, void *arg)
{
    (void)name;
    (void)arg;
    nr_resolved++;
    if (ip)
        resolved = *ip;
}

static void dns_answer(struct lan_host *resolver,
                       const struct lan_packet *query, uint16_t id,
                       uint16_t port)
{
    static const uint8_t record[16] = {0xc0, 12, 0, 1, 0,   1, 0,   0,
                                       1,    0,  0, 4, 203, 0, 113, 7};
    const uint8_t *dns = query->payload + 8;
    size_t bytes = query->payload_bytes - 8;
    uint8_t m[600];
    struct lan_ip to = query->src;

    memcpy(m, dns, bytes);
    lan_put16(m, id);
    lan_put16(m + 2, 0x8180);
    lan_put16(m + 6, 1);
    memcpy(m + bytes, record, sizeof(record));
    lan_send_udp(resolver, &to, 53, port, m, bytes + sizeof(record));
}

static void test_names_are_resolved(void **state)
{
    uint16_t last_id = 0, last_port = 0;
    unsigned near = 0;

    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.dns=192.0.2.53 vif0.ip6=none", 1);
    struct lan_host *resolver = lan_host(0, "192.0.2.53");
    lan_up();
    lan_run(NS_PER_S);
    for (unsigned i = 0; i < 60; i++) {
        char name[32];
        ip_addr_t ip;

        snprintf(name, sizeof(name), "host%u.example", i);
        assert_int_equal(dns_gethostbyname(name, &ip, on_resolved, NULL),
                         ERR_INPROGRESS);
        const struct lan_packet *p = lan_expect(is_query, NULL);
        uint16_t id = lan_get16(p->payload + 8);
        uint16_t port = lan_get16(p->payload);
        near += abs(id - last_id) < 256 || abs(port - last_port) < 64;
        last_id = id;
        last_port = port;
        dns_answer(resolver, p, (uint16_t)(id + 1), port); /* a guess */
        dns_answer(resolver, p, id, port);
        lan_until(nr_resolved == i + 1);
        assert_string_equal(ipaddr_ntoa(&resolved), "203.0.113.7");
    }
    assert_true(near < 6);
    lan_stop();
}

static void test_name_without_an_answer(void **state)
{
    ip_addr_t ip;

    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.dns=192.0.2.53 vif0.ip6=none", 1);
    lan_up();
    lan_run(NS_PER_S);
    assert_int_equal(dns_gethostbyname("host.example", &ip, on_resolved, NULL),
                     ERR_INPROGRESS);
    lan_run(60 * NS_PER_S);
    assert_int_equal(nr_resolved, 1);
    assert_true(ip_addr_isany(&resolved));
    lan_stop();
}

/* ---- IPv6 by announcement */

static void announce(struct lan_host *router, uint16_t lifetime_s,
                     uint32_t valid_s)
{
    uint8_t ra[16 + 8 + 32 + 24] = {134, 0, 0, 0, 64}, *at = ra + 16;
    struct lan_ip all = lan_ip("ff02::1");

    router->router = true;
    lan_put16(ra + 6, lifetime_s);
    memcpy(at, "\x01\x01", 2); /* source link-layer address */
    memcpy(at + 2, router->mac, 6);
    at += 8;
    memcpy(at, "\x03\x04\x40\xc0", 4); /* prefix, /64, on link, autonomous */
    lan_put32(at + 4, valid_s);
    lan_put32(at + 8, valid_s);
    memcpy(at + 16, lan_ip("fec0::").at, 16);
    at += 32;
    memcpy(at, "\x19\x03\x00\x00\x00\x00\x0e\x10", 8); /* RDNSS, 3600 s */
    memcpy(at + 8, lan_ip("fec0::53").at, 16);
    lan_send_ip(router, &all, 58, ra, sizeof(ra));
}

static bool is_solicitation(const struct lan_packet *p, const void *arg)
{
    (void)arg;
    return p->protocol == 58 && p->payload[0] == 133;
}

static void test_slaac(void **state)
{
    (void)state;
    lan_start("vif0.ip=none", 1);
    struct lan_host *router = lan_host(0, "fe80::1");
    lan_up();
    uint64_t began = fake_now();
    lan_expect(is_solicitation, NULL);
    announce(router, 1800, 86400);
    lan_until(shows(SHOWN6, "fec0::216:3eff:fe00:0"));
    assert_true(fake_now() - began < 3 * NS_PER_S);
    assert_true(lan_logged("vif0: fec0::216:3eff:fe00:0/64 (slaac)"));
    assert_true(net_is_up());
    assert_string_equal(ipaddr_ntoa(dns_getserver(0)), "FEC0::53");
    check_ping(lan_host(0, "fec0::9"), "fec0::216:3eff:fe00:0");

    /* Somebody far away is reached by the router's MAC. */
    struct lan_host *far = lan_host(0, "2001:db8::77");
    far->silent = true;
    check_ping(far, "fec0::216:3eff:fe00:0");
    lan_stop();
}

static void test_slaac_address_expires(void **state)
{
    (void)state;
    lan_start("vif0.ip=none", 1);
    struct lan_host *router = lan_host(0, "fe80::1");
    lan_up();
    announce(router, 1800, 60);
    lan_until(shows(SHOWN6, "fec0::216:3eff:fe00:0"));
    lan_run(70 * NS_PER_S);
    assert_true(shows(SHOWN6, "fe80::216:3eff:fe00:0"));
    assert_true(shows("attr/vif/0/ipv6/1", NULL));
    assert_true(lan_logged("vif0: fec0::216:3eff:fe00:0/64 is gone"));
    assert_false(net_is_up());
    lan_stop();
}

static void test_static_ipv6_gateway(void **state)
{
    (void)state;
    lan_start("vif0.ip=none vif0.ip6=2001:db8::5 vif0.gw6=fe80::1", 1);
    struct lan_host *router = lan_host(0, "fe80::1");
    struct lan_host *far = lan_host(0, "2001:db8:77::1");
    struct lan_ip to = lan_ip("2001:db8::5");
    uint8_t icmp[64] = {128}, protocol = 58;

    far->silent = true;
    memcpy(far->mac, router->mac, 6);
    lan_up();
    lan_run(3 * NS_PER_S);
    lan_drop_all();
    lan_send_ip(far, &to, 58, icmp, sizeof(icmp));
    const struct lan_packet *p = lan_expect(is_protocol, &protocol);
    assert_true(lan_ip_is(&p->dest, "2001:db8:77::1"));
    assert_memory_equal(p->frame, router->mac, 6);
    lan_stop();
}

/* ---- Comings and goings */

static void test_link_down_and_up(void **state)
{
    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.ip6=none", 1);
    struct lan_host *host = lan_host(0, "192.0.2.9");
    lan_up();
    for (unsigned i = 0; i < 5; i++) {
        lan_until(shows(SHOWN4, "192.0.2.5"));
        check_ping(host, "192.0.2.5");
        netback_close(lan_netback(0));
        lan_until(shows(SHOWN4, NULL));
        assert_false(net_is_up());
        netback_start(lan_netback(0));
    }
    lan_until(shows(SHOWN4, "192.0.2.5"));
    lan_stop();
}

static void test_dhcp_again_after_the_link_was_down(void **state)
{
    (void)state;
    lan_start("vif0.ip=dhcp vif0.ip6=none", 1);
    struct dhcp_server server = dhcp_server();
    lan_up();
    lan_until(dhcp_until(&server, "10.0.2.5"));
    netback_vanish(lan_netback(0));
    lan_until(shows(SHOWN4, NULL));
    lan_run(20 * NS_PER_S);
    netback_start(lan_netback(0));
    lan_until(dhcp_until(&server, "10.0.2.5"));
    lan_run(20 * NS_PER_S);
    while (dhcp_serve(&server))
        lan_run(NS_PER_S);
    assert_true(server.requests > 1); /* the address was confirmed */
    assert_false(lan_logged("(static)"));
    lan_stop();
}

/* As `xl network-attach` does it when no MAC is given. */
static void plug_another(void)
{
    netback_vanish(lan_netback(0));
    lan_until(shows(SHOWN4, NULL));
    netback_offer(lan_netback(0))->mac = "00:16:3e:00:00:77";
    netback_start(lan_netback(0));
}

static void test_another_mac_gets_addresses_of_its_own(void **state)
{
    (void)state;
    lan_start("", 1);
    struct dhcp_server server = dhcp_server();
    struct lan_host *router = lan_host(0, "fe80::1");
    lan_up();
    lan_until(dhcp_until(&server, "10.0.2.5"));
    lan_run(2 * NS_PER_S);
    announce(router, 1800, 86400);
    lan_until(shows(SHOWN6, "fec0::216:3eff:fe00:0"));

    plug_another();
    lan_until(dhcp_until(&server, "10.0.2.5"));
    assert_int_equal(server.discovers, 2);
    lan_run(2 * NS_PER_S);
    assert_true(shows(SHOWN6, "fe80::216:3eff:fe00:77"));
    assert_true(shows("attr/vif/0/ipv6/1", NULL));
    announce(router, 1800, 86400);
    lan_until(shows(SHOWN6, "fec0::216:3eff:fe00:77"));
    assert_true(shows("attr/vif/0/ipv6/2", NULL));
    assert_false(lan_logged("(static)"));
    lan_stop();
}

static void test_static_addresses_stay_with_another_mac(void **state)
{
    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.ip6=2001:db8::5/64", 1);
    lan_up();
    lan_until(shows(SHOWN6, "2001:db8::5"));
    plug_another();
    lan_until(shows(SHOWN6, "2001:db8::5"));
    assert_true(shows(SHOWN4, "192.0.2.5"));
    assert_true(shows("attr/vif/0/ipv6/1", "fe80::216:3eff:fe00:77"));
    assert_true(shows("attr/vif/0/ipv6/2", NULL));
    lan_stop();
}

static unsigned heard;

static void on_change(void *arg)
{
    assert_ptr_equal(arg, &heard);
    heard++;
}

static void test_listener(void **state)
{
    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.ip6=none", 1);
    net_listen(on_change, &heard);
    lan_up();
    lan_run(NS_PER_S);
    assert_in_range(heard, 1, 3);
    net_listen(NULL, NULL);
    lan_stop();
}

static void test_no_vif(void **state)
{
    (void)state;
    lan_start("", 0);
    lan_run(NS_PER_S);
    assert_true(lan_logged("this domain has no vif"));
    assert_null(net_vif(0));
    lan_stop();
}

static void test_no_xenstore(void **state)
{
    (void)state;
    lan_machine_without_store();
    assert_int_equal(lan_net_start(), 0);
    lan_run(NS_PER_S);
    assert_true(lan_logged("this domain has no vif"));
    lan_abandon();
}

static void test_too_little_memory(void **state)
{
    (void)state;
    lan_machine("", 0, 64);
    assert_int_equal(lan_net_start(), -XEN_ENOMEM);
    assert_true(lan_logged("TCP/IP needs"));
    lan_abandon();
}

static void test_vif_that_is_attached_later(void **state)
{
    (void)state;
    lan_start("vif1.ip=198.51.100.5/24 vif1.ip6=none", 0);
    lan_run(NS_PER_S);
    netback_start(lan_attach(1));
    lan_until(shows("attr/vif/1/ipv4/0", "198.51.100.5"));
    assert_non_null(net_vif(0));
    lan_stop();
}

static void test_vif_with_too_high_a_number(void **state)
{
    (void)state;
    lan_machine("", 0, 0);
    struct netback *far = netback_new(9); /* not one that lan.c can close */
    netback_start(far);
    assert_int_equal(lan_net_start(), 0);
    lan_run(NS_PER_S);
    assert_true(lan_logged("vif9 is not used"));
    assert_null(net_vif(0));
    netback_free(far);
    lan_stop();
}

/* ---- Several vifs */

static struct netif *route(const char *src, const char *dest)
{
    ip_addr_t from, to;

    assert_true(ipaddr_aton(src, &from));
    assert_true(ipaddr_aton(dest, &to));
    return ip_route(&from, &to);
}

static void test_routes_of_two_vifs(void **state)
{
    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.ip6=2001:db8:0::5 "
              "vif1.ip=198.51.100.5/24 vif1.gw=198.51.100.1 "
              "vif1.ip6=2001:db8:1::5 vif1.gw6=fe80::1",
              2);
    lan_up();
    lan_run(3 * NS_PER_S);
    struct netif *a = net_vif(0), *b = net_vif(1);

    assert_string_equal(ip4addr_ntoa(netif_ip4_addr(a)), "192.0.2.5");
    assert_ptr_equal(route("0.0.0.0", "192.0.2.9"), a);
    assert_ptr_equal(route("0.0.0.0", "198.51.100.9"), b);
    assert_ptr_equal(route("0.0.0.0", "203.0.113.1"), b);
    assert_ptr_equal(route("198.51.100.5", "203.0.113.1"), b);
    assert_ptr_equal(route("198.51.100.5", "192.0.2.9"), a);
    assert_ptr_equal(route("192.0.2.5", "203.0.113.1"), b); /* a has none */
    assert_ptr_equal(route("::", "2001:db8::9"), a);
    assert_ptr_equal(route("::", "2001:db8:1::9"), b);
    assert_ptr_equal(route("::", "2001:db8:77::1"), b);
    assert_ptr_equal(route("2001:db8:1::5", "2001:db8:77::1"), b);
    assert_true(shows("attr/vif/1/ipv4/0", "198.51.100.5"));
    check_ping(lan_host(0, "192.0.2.9"), "192.0.2.5");
    check_ping(lan_host(1, "198.51.100.9"), "198.51.100.5");
    lan_stop();
}

static void test_answer_leaves_by_the_vif_that_was_asked(void **state)
{
    (void)state;
    lan_start("vif0.ip=192.0.2.5/24 vif0.gw=192.0.2.1 vif0.ip6=none "
              "vif1.ip=198.51.100.5/24 vif1.gw=198.51.100.1 vif1.ip6=none",
              2);
    lan_up();
    struct lan_host *gateway = lan_host(1, "198.51.100.1");
    struct lan_host *far = lan_host(1, "203.0.113.9");
    struct lan_ip to = lan_ip("198.51.100.5");
    uint8_t icmp[64] = {8}, protocol = 1;

    far->silent = true;
    lan_drop_all();
    lan_send_ip(far, &to, 1, icmp, sizeof(icmp));
    const struct lan_packet *p = lan_expect(is_protocol, &protocol);
    assert_int_equal(p->vif, 1);
    assert_memory_equal(p->frame, gateway->mac, 6);
    assert_ptr_equal(route("0.0.0.0", "203.0.113.9"), net_vif(0));
    assert_ptr_equal(route("198.51.100.5", "203.0.113.9"), net_vif(1));
    lan_stop();
}

/* ---- Events that are never sent (docs/hardening.md, A7) */

static void test_backend_that_sends_no_events(void **state)
{
    (void)state;
    lan_start("vif0.ip=192.0.2.1/24 vif0.ip6=none", 1);
    lan_up();
    struct lan_host *host = lan_host(0, "192.0.2.9");
    check_ping(host, "192.0.2.1");
    lan_run(5 * NS_PER_S);
    netback_manner(lan_netback(0))->mute = true;
    for (unsigned i = 0; i < 10; i++) {
        uint64_t before = fake_now();
        check_ping(host, "192.0.2.1");
        assert_true(fake_now() - before <= NS_PER_S);
        lan_run(fake_random_below(NS_PER_S));
    }
    lan_stop();
}

/* ---- Addresses as text: inet_addr and inet_aton of programs */

static void test_addresses_as_text(void **state)
{
    static const struct {
        const char *text;
        uint32_t address; /* 0: it is none */
    } rows[] = {
        {"1.2.3.4", 0x01020304},
        {"1.2.3", 0x01020003},
        {"1.2", 0x01000002},
        {"4294967295", 0xffffffff},
        {"0x7f.0.0.010", 0x7f000008},
        {"0xffffffff", 0xffffffff},
        {"037777777777", 0xffffffff},
        {"1.2.4294967296.3", 0},
        {"4294967296", 0},
        {"4294967297.2.3.4", 0},
        {"0x100000001", 0},
        {"040000000001", 0},
        {"1.2.3.99999999999999999999", 0},
        {"1.2.3.256", 0},
        {"1.256.3.4", 0},
        {"1.2.65536", 0},
        {"1.16777216", 0},
        {"0x", 0},
        {"0xg", 0},
        {"1.2.3.4.5", 0},
        {"08.1.1.1", 0},
        {"1.2.3.", 0},
        {"", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        ip4_addr_t address = {0};
        int is_one = ip4addr_aton(rows[i].text, &address);

        if (is_one != (rows[i].address != 0) ||
            lwip_ntohl(address.addr) != rows[i].address)
            fail_msg("\"%s\": %d, %08x", rows[i].text, is_one,
                     lwip_ntohl(address.addr));
    }
}

/* ---- Idle */

static void test_idle_guest_wakes_once_a_second(void **state)
{
    (void)state;
    lan_start("", 1);
    struct dhcp_server server = dhcp_server();
    lan_up();
    announce(lan_host(0, "fe80::1"), 1800, 86400);
    lan_until(dhcp_until(&server, "10.0.2.5"));
    lan_run(20 * NS_PER_S);
    unsigned long before = fake_calls(FAKE_POLL);
    lan_run(100 * NS_PER_S);
    print_message("# %lu sleeps in 100 s\n", fake_calls(FAKE_POLL) - before);
    assert_true(fake_calls(FAKE_POLL) - before < 110);
    lan_stop();
}

LAN_TESTS(
    LAN_TEST(test_static_addresses), LAN_TEST(test_nothing_at_all),
    LAN_TEST(test_bad_options_are_named), LAN_TEST(test_resolvers_are_set),
    LAN_TEST(test_xenstore_configuration),
    LAN_TEST(test_options_overrule_the_xenstore),
    LAN_TEST(test_bad_xenstore_configuration), LAN_TEST(test_dhcp),
    LAN_TEST(test_dhcp_is_the_default), LAN_TEST(test_dhcp_without_an_answer),
    LAN_TEST(test_dhcp_renewal_and_refusal), LAN_TEST(test_dhcp_on_a_late_link),
    LAN_TEST(test_names_are_resolved), LAN_TEST(test_name_without_an_answer),
    LAN_TEST(test_slaac), LAN_TEST(test_slaac_address_expires),
    LAN_TEST(test_static_ipv6_gateway), LAN_TEST(test_link_down_and_up),
    LAN_TEST(test_dhcp_again_after_the_link_was_down),
    LAN_TEST(test_another_mac_gets_addresses_of_its_own),
    LAN_TEST(test_static_addresses_stay_with_another_mac),
    LAN_TEST(test_listener), LAN_TEST(test_no_vif), LAN_TEST(test_no_xenstore),
    LAN_TEST(test_too_little_memory), LAN_TEST(test_vif_that_is_attached_later),
    LAN_TEST(test_vif_with_too_high_a_number),
    LAN_TEST(test_routes_of_two_vifs),
    LAN_TEST(test_answer_leaves_by_the_vif_that_was_asked),
    LAN_TEST(test_backend_that_sends_no_events),
    LAN_TEST(test_addresses_as_text),
    LAN_TEST(test_idle_guest_wakes_once_a_second))
