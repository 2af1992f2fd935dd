/* SPDX-License-Identifier: MIT */
/* See lan.h. Offsets are those of the protocols' headers, by hand: a reader of
 * its own is part of the test. */
#include "tests/unit/lan.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/log.h"
#include "net/memory.h"
#include "xen/bus/gnttab.h"
#include "xen/bus/xs.h"

#define ETH_BYTES  14
#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define TCP_BYTES  20
#define UDP_BYTES  8

#define TYPE_IPV4 0x0800
#define TYPE_ARP  0x0806
#define TYPE_IPV6 0x86dd

#define PROTO_ICMP   1
#define PROTO_TCP    6
#define PROTO_UDP    17
#define PROTO_FRAG   44
#define PROTO_ICMPV6 58

static struct lan {
    struct loop loop;
    struct options options;
    struct pages pages;
    struct random random;
    struct gnttab gnttab;
    struct xs xs;
    struct app app;
    struct netback *netbacks[NET_VIFS_MAX];
    unsigned nr_vifs;
    struct lan_host *hosts;
    struct lan_packet *captured, **captured_tail, *taken;
    unsigned nr_captured;
    uint8_t last[LAN_BYTES_MAX];
    size_t last_bytes;
    bool hold, reflect, no_store;
    uint16_t ip_id;
    char log[1 << 20];
    size_t log_bytes;
} lan = {.captured_tail = &lan.captured};

/* ---- The test program */

/* A child's exit status after a failure that cmocka has told; what sanitizers
 * and leaks end with is another. */
#define TOLD 42

static bool run_one(const struct lan_test *test)
{
    const struct CMUnitTest unit = {test->name, test->fn, NULL, NULL, NULL};
    int status;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        const struct CMUnitTest group[] = {unit};

        exit(cmocka_run_group_tests_name(test->name, group, NULL, NULL) ? TOLD
                                                                        : 0);
    }
    waitpid(child, &status, 0);
    if (status != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == TOLD))
        printf("not ok - %s: ended with status 0x%x\n", test->name, status);
    return status == 0;
}

int lan_main(const struct lan_test *tests, unsigned nr, const char *only)
{
    bool good = true;

    for (unsigned i = 0; i < nr; i++) {
        if (!only || strcmp(only, tests[i].name) == 0)
            good &= run_one(&tests[i]);
    }
    return !good;
}

/* ---- Bytes */

uint16_t lan_get16(const void *at)
{
    const uint8_t *b = at;

    return (uint16_t)(b[0] << 8 | b[1]);
}

uint32_t lan_get32(const void *at)
{
    return (uint32_t)lan_get16(at) << 16 | lan_get16((const uint8_t *)at + 2);
}

void lan_put16(void *at, uint16_t value)
{
    uint8_t *b = at;

    b[0] = (uint8_t)(value >> 8);
    b[1] = (uint8_t)value;
}

void lan_put32(void *at, uint32_t value)
{
    lan_put16(at, (uint16_t)(value >> 16));
    lan_put16((uint8_t *)at + 2, (uint16_t)value);
}

/* The sum of big-endian words, the way RFC 1071 writes it. */
static uint32_t sum16(uint32_t sum, const uint8_t *at, size_t bytes)
{
    for (; bytes > 1; at += 2, bytes -= 2)
        sum += lan_get16(at);
    if (bytes)
        sum += (uint32_t)*at << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static uint32_t pseudo_sum(const struct lan_ip *src, const struct lan_ip *dest,
                           uint8_t protocol, size_t bytes)
{
    size_t address = src->v6 ? 16 : 4;
    uint32_t sum = sum16(protocol, src->at, address);

    sum = sum16(sum, dest->at, address);
    return sum16(sum + (uint32_t)bytes, NULL, 0);
}

struct lan_ip lan_ip(const char *text)
{
    struct lan_ip ip = {.v6 = strchr(text, ':') != NULL};

    if (inet_pton(ip.v6 ? AF_INET6 : AF_INET, text, ip.at) != 1)
        fake_fail("%s is no address", text);
    return ip;
}

static bool same_ip(const struct lan_ip *a, const struct lan_ip *b)
{
    return a->v6 == b->v6 && memcmp(a->at, b->at, a->v6 ? 16 : 4) == 0;
}

bool lan_ip_is(const struct lan_ip *ip, const char *text)
{
    struct lan_ip other = lan_ip(text);

    return same_ip(ip, &other);
}

/* ---- What the guest sends */

/* Where a protocol keeps its checksum; 0: no checksum is known. */
static size_t checksum_at(uint8_t protocol)
{
    switch (protocol) {
    case PROTO_TCP:
        return 16;
    case PROTO_UDP:
        return 6;
    case PROTO_ICMP:
    case PROTO_ICMPV6:
        return 2;
    default:
        return 0;
    }
}

static uint32_t start_sum(uint8_t protocol, const struct lan_ip *src,
                          const struct lan_ip *dest, size_t bytes)
{
    return protocol == PROTO_ICMP ? 0 : pseudo_sum(src, dest, protocol, bytes);
}

static void check_checksum(const struct lan_packet *p)
{
    size_t at = checksum_at(p->protocol);
    uint32_t sum;

    if (!at || p->fragment)
        return;
    if (p->payload_bytes < at + 2)
        fake_fail("a packet of protocol %u is cut short", p->protocol);
    sum = start_sum(p->protocol, &p->src, &p->dest, p->payload_bytes);
    if (p->flags & NETBACK_CSUM_BLANK) {
        if (lan_get16(p->payload + at) != sum)
            fake_fail("a blank checksum is not the pseudo-header's");
        return;
    }
    if (p->protocol == PROTO_UDP && lan_get16(p->payload + at) == 0)
        fake_fail("UDP without a checksum");
    if (sum16(sum, p->payload, p->payload_bytes) != 0xffff)
        fake_fail("a checksum of protocol %u is wrong", p->protocol);
}

static void parse_ipv4(struct lan_packet *p)
{
    const uint8_t *ip = p->payload;

    if (p->payload_bytes < IPV4_BYTES || ip[0] != 0x45 ||
        lan_get16(ip + 2) > p->payload_bytes ||
        sum16(0, ip, IPV4_BYTES) != 0xffff)
        fake_fail("a bad IPv4 header");
    p->protocol = ip[9];
    p->fragment = lan_get16(ip + 6) & 0x3fff;
    memcpy(p->src.at, ip + 12, 4);
    memcpy(p->dest.at, ip + 16, 4);
    p->payload += IPV4_BYTES;
    p->payload_bytes = lan_get16(ip + 2) - IPV4_BYTES;
}

static void parse_ipv6(struct lan_packet *p)
{
    const uint8_t *ip = p->payload;

    if (p->payload_bytes < IPV6_BYTES || ip[0] >> 4 != 6 ||
        lan_get16(ip + 4) > p->payload_bytes - IPV6_BYTES)
        fake_fail("a bad IPv6 header");
    p->src.v6 = p->dest.v6 = true;
    p->protocol = ip[6];
    memcpy(p->src.at, ip + 8, 16);
    memcpy(p->dest.at, ip + 24, 16);
    p->payload += IPV6_BYTES;
    p->payload_bytes = lan_get16(ip + 4);
    if (p->protocol == 0) { /* hop-by-hop: MLD's router alert */
        p->protocol = p->payload[0];
        p->payload_bytes -= 8u + p->payload[1] * 8u;
        p->payload += 8u + p->payload[1] * 8u;
    }
    p->fragment = p->protocol == PROTO_FRAG;
}

static void parse(struct lan_packet *p)
{
    if (p->bytes < ETH_BYTES)
        fake_fail("a frame of %zu bytes", p->bytes);
    p->ethertype = lan_get16(p->frame + 12);
    p->payload = p->frame + ETH_BYTES;
    p->payload_bytes = p->bytes - ETH_BYTES;
    if (p->ethertype == TYPE_IPV4)
        parse_ipv4(p);
    else if (p->ethertype == TYPE_IPV6)
        parse_ipv6(p);
    check_checksum(p);
}

static bool answer(const struct lan_packet *p);

static void on_frame(void *arg, const void *frame, size_t bytes, unsigned flags)
{
    struct lan_packet *p = calloc(1, sizeof(*p) + bytes);

    p->vif = (unsigned)(uintptr_t)arg;
    p->flags = flags;
    p->bytes = bytes;
    memcpy(p->frame, frame, bytes);
    parse(p);
    if (lan.reflect && (p->frame[0] & 1))
        lan_send_frame(p->vif, p->frame, bytes, 0);
    if (answer(p)) {
        free(p);
        return;
    }
    *lan.captured_tail = p;
    lan.captured_tail = &p->next;
    lan.nr_captured++;
}

const struct lan_packet *lan_take(lan_match_fn *match, const void *arg)
{
    for (struct lan_packet **link = &lan.captured, *p; (p = *link) != NULL;
         link = &p->next) {
        if (!match(p, arg))
            continue;
        *link = p->next;
        if (!*link)
            lan.captured_tail = link;
        lan.nr_captured--;
        free(lan.taken);
        lan.taken = p;
        return p;
    }
    return NULL;
}

const struct lan_packet *lan_expect(lan_match_fn *match, const void *arg)
{
    const struct lan_packet *p = NULL;

    lan_until((p = lan_take(match, arg)) != NULL);
    return p;
}

static bool any_packet(const struct lan_packet *packet, const void *arg)
{
    (void)packet;
    (void)arg;
    return true;
}

void lan_drop_all(void)
{
    while (lan_take(any_packet, NULL))
        ;
}

unsigned lan_captured(void)
{
    return lan.nr_captured;
}

/* ---- Hosts */

struct lan_host *lan_host(unsigned vif, const char *ip)
{
    struct lan_host *host = calloc(1, sizeof(*host));

    host->vif = vif;
    host->ip = lan_ip(ip);
    host->mac[0] = 2;
    host->mac[4] = host->ip.v6;
    host->mac[5] = host->ip.at[host->ip.v6 ? 15 : 3];
    host->next = lan.hosts;
    lan.hosts = host;
    return host;
}

void lan_reflect(bool reflect)
{
    lan.reflect = reflect;
}

void lan_hold_frames(bool hold)
{
    lan.hold = hold;
}

const uint8_t *lan_last_frame(size_t *bytes)
{
    *bytes = lan.last_bytes;
    return lan.last;
}

void lan_send_frame(unsigned vif, const void *frame, size_t bytes,
                    unsigned flags)
{
    if (frame != lan.last)
        memcpy(lan.last, frame, bytes);
    lan.last_bytes = bytes;
    if (!lan.hold)
        netback_deliver(lan.netbacks[vif], lan.last, bytes, flags);
}

static const uint8_t *guest_mac(unsigned vif)
{
    static uint8_t mac[6] = {0, 0x16, 0x3e};

    mac[5] = (uint8_t)vif;
    return mac;
}

static const uint8_t *destination(const struct lan_host *host,
                                  const struct lan_ip *dest)
{
    static uint8_t group[6] = {0x33, 0x33};

    if (host->to)
        return host->to;
    if (dest->v6 && dest->at[0] == 0xff) {
        memcpy(group + 2, dest->at + 12, 4);
        return group;
    }
    return guest_mac(host->vif);
}

static void send_ethernet(const struct lan_host *host, const uint8_t to[6],
                          uint16_t type, const void *payload, size_t bytes,
                          unsigned flags)
{
    uint8_t frame[LAN_BYTES_MAX];

    if (bytes > sizeof(frame) - ETH_BYTES)
        fake_fail("a frame of %zu bytes", bytes);
    memcpy(frame, to, 6);
    memcpy(frame + 6, host->mac, 6);
    lan_put16(frame + 12, type);
    memcpy(frame + ETH_BYTES, payload, bytes);
    lan_send_frame(host->vif, frame, ETH_BYTES + bytes, flags);
}

static size_t put_ipv4(uint8_t *ip, const struct lan_host *host,
                       const struct lan_ip *dest, uint8_t protocol,
                       size_t bytes, unsigned fragment)
{
    memset(ip, 0, IPV4_BYTES);
    ip[0] = 0x45;
    lan_put16(ip + 2, (uint16_t)(IPV4_BYTES + bytes));
    lan_put16(ip + 4, lan.ip_id);
    lan_put16(ip + 6, (uint16_t)fragment);
    ip[8] = 64;
    ip[9] = protocol;
    memcpy(ip + 12, host->ip.at, 4);
    memcpy(ip + 16, dest->at, 4);
    lan_put16(ip + 10, (uint16_t)~sum16(0, ip, IPV4_BYTES));
    return IPV4_BYTES;
}

static size_t put_ipv6(uint8_t *ip, const struct lan_host *host,
                       const struct lan_ip *dest, uint8_t protocol,
                       size_t bytes)
{
    memset(ip, 0, IPV6_BYTES);
    ip[0] = 0x60;
    lan_put16(ip + 4, (uint16_t)bytes);
    ip[6] = protocol;
    ip[7] = 255; /* ND insists */
    memcpy(ip + 8, host->ip.at, 16);
    memcpy(ip + 24, dest->at, 16);
    return IPV6_BYTES;
}

/* Fill in the checksum of a whole payload; returns the frame's flags. */
static unsigned put_checksum(const struct lan_host *host,
                             const struct lan_ip *dest, uint8_t protocol,
                             uint8_t *payload, size_t bytes)
{
    size_t at = checksum_at(protocol);
    bool blank =
        host->blank && (protocol == PROTO_TCP || protocol == PROTO_UDP);

    if (!at || bytes < at + 2)
        return 0;
    lan_put16(payload + at, 0);
    uint32_t sum = start_sum(protocol, &host->ip, dest, bytes);
    if (!blank) {
        sum = ~sum16(sum, payload, bytes);
        if (protocol == PROTO_UDP && (uint16_t)sum == 0)
            sum = 0xffff;
    }
    lan_put16(payload + at, (uint16_t)(sum + host->bad_checksum));
    return blank ? NETBACK_CSUM_BLANK | NETBACK_CSUM_GOOD : 0;
}

void lan_send_ip(struct lan_host *host, const struct lan_ip *dest,
                 uint8_t protocol, const void *payload, size_t bytes)
{
    static uint8_t ip[LAN_BYTES_MAX + 1];
    size_t head;

    lan.ip_id++;
    if (host->ip.v6)
        head = put_ipv6(ip, host, dest, protocol, bytes);
    else
        head = put_ipv4(ip, host, dest, protocol, bytes, 0);
    memcpy(ip + head, payload, bytes);
    unsigned flags = put_checksum(host, dest, protocol, ip + head, bytes);
    send_ethernet(host, destination(host, dest),
                  host->ip.v6 ? TYPE_IPV6 : TYPE_IPV4, ip, head + bytes, flags);
}

static void send_fragment(struct lan_host *host, const struct lan_ip *dest,
                          uint8_t protocol, const uint8_t *payload,
                          size_t offset, size_t bytes, bool more)
{
    uint8_t ip[LAN_BYTES_MAX];
    size_t head;

    if (host->ip.v6) {
        head = put_ipv6(ip, host, dest, PROTO_FRAG, bytes + 8);
        memset(ip + head, 0, 8);
        ip[head] = protocol;
        lan_put16(ip + head + 2, (uint16_t)(offset | more));
        lan_put32(ip + head + 4, lan.ip_id);
        head += 8;
    } else {
        head = put_ipv4(ip, host, dest, protocol, bytes,
                        (unsigned)offset / 8 | (more ? 0x2000 : 0));
    }
    memcpy(ip + head, payload + offset, bytes);
    send_ethernet(host, destination(host, dest),
                  host->ip.v6 ? TYPE_IPV6 : TYPE_IPV4, ip, head + bytes, 0);
}

void lan_send_fragments(struct lan_host *host, const struct lan_ip *dest,
                        uint8_t protocol, const void *payload, size_t bytes,
                        size_t fragment_bytes, bool reversed)
{
    static uint8_t whole[LAN_BYTES_MAX];
    size_t nr = (bytes + fragment_bytes - 1) / fragment_bytes;

    lan.ip_id++;
    memcpy(whole, payload, bytes);
    put_checksum(host, dest, protocol, whole, bytes);
    for (size_t i = 0; i < nr; i++) {
        size_t n = reversed ? nr - 1 - i : i;
        size_t at = n * fragment_bytes;
        size_t part = n + 1 == nr ? bytes - at : fragment_bytes;

        send_fragment(host, dest, protocol, whole, at, part, n + 1 < nr);
    }
}

void lan_send_udp(struct lan_host *host, const struct lan_ip *dest,
                  uint16_t from_port, uint16_t to_port, const void *data,
                  size_t bytes)
{
    static uint8_t udp[LAN_BYTES_MAX];

    lan_put16(udp, from_port);
    lan_put16(udp + 2, to_port);
    lan_put16(udp + 4, (uint16_t)(UDP_BYTES + bytes));
    memcpy(udp + UDP_BYTES, data, bytes);
    lan_send_ip(host, dest, PROTO_UDP, udp, UDP_BYTES + bytes);
}

/* ---- What hosts answer by themselves */

static bool answer_arp(const struct lan_host *host, const struct lan_packet *p)
{
    const uint8_t *arp = p->payload;
    uint8_t reply[28];

    if (host->ip.v6 || lan_get16(arp + 6) != 1 ||
        memcmp(arp + 24, host->ip.at, 4) != 0)
        return false;
    memcpy(reply, arp, 8);
    reply[7] = 2;
    memcpy(reply + 8, host->mac, 6);
    memcpy(reply + 14, host->ip.at, 4);
    memcpy(reply + 18, arp + 8, 10);
    send_ethernet(host, p->frame + 6, TYPE_ARP, reply, sizeof(reply), 0);
    return true;
}

static bool answer_nd(struct lan_host *host, const struct lan_packet *p)
{
    static const struct lan_ip nobody = {.v6 = true};
    struct lan_ip to = p->src;
    uint8_t reply[32] = {136, 0, 0, 0, 0x60};

    if (!host->ip.v6 || p->payload_bytes < 24 || p->payload[0] != 135 ||
        memcmp(p->payload + 8, host->ip.at, 16) != 0)
        return false;
    memcpy(reply + 8, host->ip.at, 16);
    reply[24] = 2;
    reply[25] = 1;
    memcpy(reply + 26, host->mac, 6);
    if (same_ip(&to, &nobody)) { /* duplicate address detection */
        to = lan_ip("ff02::1");
        reply[4] = 0x20;
    }
    reply[4] |= host->router ? 0x80 : 0;
    lan_send_ip(host, &to, PROTO_ICMPV6, reply, sizeof(reply));
    return true;
}

static bool answer(const struct lan_packet *p)
{
    for (struct lan_host *host = lan.hosts; host; host = host->next) {
        if (host->vif != p->vif || host->silent ||
            (!(p->frame[0] & 1) && memcmp(p->frame, host->mac, 6) != 0))
            continue;
        if (p->ethertype == TYPE_ARP && answer_arp(host, p))
            return true;
        if (p->protocol == PROTO_ICMPV6 && answer_nd(host, p))
            return true;
    }
    return false;
}

/* ---- TCP */

void lan_conn(struct lan_conn *conn, struct lan_host *host, const char *guest,
              uint16_t port, uint16_t guest_port)
{
    *conn = (struct lan_conn){
        .host = host,
        .guest = lan_ip(guest),
        .port = port,
        .guest_port = guest_port,
        .snd = (uint32_t)fake_random(),
        .window = 65535,
    };
}

void lan_send_tcp(struct lan_conn *conn, uint8_t flags, const void *data,
                  size_t bytes)
{
    static uint8_t tcp[LAN_BYTES_MAX];
    size_t head = TCP_BYTES;

    memset(tcp, 0, TCP_BYTES);
    lan_put16(tcp, conn->port);
    lan_put16(tcp + 2, conn->guest_port);
    lan_put32(tcp + 4, conn->snd);
    lan_put32(tcp + 8, flags & LAN_ACK ? conn->rcv : 0);
    tcp[13] = flags;
    lan_put16(tcp + 14, conn->window);
    if (flags & LAN_SYN) {
        static const uint8_t mss[] = {2, 4, 1460 >> 8, 1460 & 0xff};

        memcpy(tcp + head, mss, sizeof(mss));
        head += sizeof(mss);
    }
    tcp[12] = (uint8_t)(head / 4 << 4);
    if (bytes)
        memcpy(tcp + head, data, bytes);
    lan_send_ip(conn->host, &conn->guest, PROTO_TCP, tcp, head + bytes);
    conn->snd += (uint32_t)bytes + !!(flags & LAN_SYN) + !!(flags & LAN_FIN);
}

static bool is_of_conn(const struct lan_packet *p, const void *arg)
{
    const struct lan_conn *conn = arg;

    return p->protocol == PROTO_TCP && !p->fragment &&
           p->vif == conn->host->vif && same_ip(&p->dest, &conn->host->ip) &&
           same_ip(&p->src, &conn->guest) &&
           lan_get16(p->payload) == conn->guest_port &&
           lan_get16(p->payload + 2) == conn->port;
}

static uint16_t mss_option(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at) {
        if (*at == 2)
            return lan_get16(at + 2);
        at += *at == 1 ? 1 : at[1];
    }
    return 0;
}

bool lan_take_tcp(struct lan_conn *conn, struct lan_segment *segment)
{
    const struct lan_packet *p = lan_take(is_of_conn, conn);

    if (!p)
        return false;
    const uint8_t *tcp = p->payload;
    size_t head = (size_t)(tcp[12] >> 4) * 4;
    *segment = (struct lan_segment){
        .flags = tcp[13],
        .seq = lan_get32(tcp + 4),
        .ack = lan_get32(tcp + 8),
        .window = lan_get16(tcp + 14),
        .mss = mss_option(tcp + TCP_BYTES, tcp + head),
        .data = tcp + head,
        .bytes = p->payload_bytes - head,
        .frame_flags = p->flags,
    };
    conn->guest_acked = segment->ack;
    conn->guest_window = segment->window;
    return true;
}

void lan_expect_tcp(struct lan_conn *conn, struct lan_segment *segment)
{
    lan_until(lan_take_tcp(conn, segment));
}

void lan_handshake(struct lan_conn *conn)
{
    struct lan_segment s;

    lan_send_tcp(conn, LAN_SYN, NULL, 0);
    lan_expect_tcp(conn, &s);
    if (s.flags != (LAN_SYN | LAN_ACK) || s.ack != conn->snd)
        fake_fail("flags 0x%x, ack %u instead of SYN|ACK of %u", s.flags, s.ack,
                  conn->snd);
    conn->guest_mss = s.mss;
    conn->rcv = s.seq + 1;
    lan_send_tcp(conn, LAN_ACK, NULL, 0);
}

void lan_open(struct lan_conn *conn, struct lan_host *host, const char *guest,
              uint16_t port, uint16_t guest_port)
{
    lan_conn(conn, host, guest, port, guest_port);
    lan_handshake(conn);
}

void lan_read(struct lan_conn *conn, void *data, size_t bytes)
{
    struct lan_segment s;

    for (size_t at = 0; at < bytes;) {
        lan_expect_tcp(conn, &s);
        if (s.seq != conn->rcv || s.bytes > bytes - at) {
            if (s.bytes)
                fake_fail("segment of %zu at %u instead of %u", s.bytes, s.seq,
                          conn->rcv);
            continue;
        }
        if (!s.bytes)
            continue;
        memcpy((uint8_t *)data + at, s.data, s.bytes);
        at += s.bytes;
        conn->rcv += (uint32_t)s.bytes;
        lan_send_tcp(conn, LAN_ACK, NULL, 0);
    }
}

/* ---- The guest */

static void keep_line(void *arg, const char *line, size_t len)
{
    (void)arg;
    if (lan.log_bytes + len >= sizeof(lan.log))
        lan.log_bytes = 0;
    memcpy(lan.log + lan.log_bytes, line, len);
    lan.log_bytes += len;
    lan.log[lan.log_bytes] = '\0';
}

const char *lan_log(void)
{
    return lan.log;
}

bool lan_logged(const char *text)
{
    return strstr(lan.log, text) != NULL;
}

static void make_guest(const char *cmdline, const struct fake_config *config)
{
    log_set_sink(keep_line, NULL);
    fake_start(config);
    lan.no_store = config->no_store;
    if (!lan.no_store)
        fake_xs_start();
    pages_init(&lan.pages);
    loop_init(&lan.loop);
    options_parse(&lan.options, cmdline);
    random_init(&lan.random);
    gnttab_init(&lan.gnttab, &lan.loop, &lan.pages);
    xs_init(&lan.xs, &lan.loop);
    lan.app = (struct app){
        .name = "test",
        .loop = &lan.loop,
        .options = &lan.options,
        .pages = &lan.pages,
        .random = &lan.random,
        .gnttab = &lan.gnttab,
        .xs = &lan.xs,
    };
}

struct app *lan_machine_without_store(void)
{
    make_guest("", &(struct fake_config){.no_store = true});
    return &lan.app;
}

struct app *lan_machine(const char *cmdline, unsigned nr_vifs,
                        unsigned long pages)
{
    make_guest(cmdline, &(struct fake_config){.pages = pages});
    lan.nr_vifs = nr_vifs;
    for (unsigned i = 0; i < nr_vifs; i++)
        lan_attach(i);
    return &lan.app;
}

struct netback *lan_attach(unsigned vif)
{
    lan.netbacks[vif] = netback_new(vif);
    netback_on_frame(lan.netbacks[vif], on_frame, (void *)(uintptr_t)vif);
    return lan.netbacks[vif];
}

int lan_net_start(void)
{
    return net_start(&lan.app);
}

struct app *lan_start(const char *cmdline, unsigned nr_vifs)
{
    lan_machine(cmdline, nr_vifs, 0);
    assert_int_equal(lan_net_start(), 0);
    return &lan.app;
}

static bool all_connected(void)
{
    for (unsigned i = 0; i < lan.nr_vifs; i++) {
        if (!netback_connected(lan.netbacks[i]))
            return false;
    }
    return true;
}

void lan_up(void)
{
    for (unsigned i = 0; i < lan.nr_vifs; i++)
        netback_start(lan.netbacks[i]);
    lan_until(all_connected());
    for (unsigned i = 0; i < lan.nr_vifs; i++)
        lan_until(lan_count("link_up", (int)i));
}

static void free_netbacks(void)
{
    for (unsigned i = 0; i < NET_VIFS_MAX; i++) {
        if (lan.netbacks[i])
            netback_free(lan.netbacks[i]);
    }
}

static void free_script(void)
{
    lan_drop_all();
    free(lan.taken);
    lan.taken = NULL;
    while (lan.hosts) {
        struct lan_host *host = lan.hosts;

        lan.hosts = host->next;
        free(host);
    }
}

void lan_abandon(void)
{
    free_netbacks();
    free_script();
    if (!lan.no_store)
        fake_xs_stop();
    fake_stop();
}

void lan_stop(void)
{
    /* Let the last frames go: the guest's timers run on whole milliseconds. */
    lan_run(100 * NS_PER_MS + NS_PER_MS / 2);
    net_stop();
    lan_run(NS_PER_S);
    free_netbacks();
    lan_run(NS_PER_S);
    if (lan.gnttab.nr_live)
        fake_fail("%u grant references are left", lan.gnttab.nr_live);
    if (lan.pages.nr_used != lan.gnttab.nr_frames)
        fake_fail("%lu pages are lost",
                  lan.pages.nr_used - lan.gnttab.nr_frames);
    free_script();
    fake_xs_stop();
    fake_stop();
    fake_check_clean();
}

struct netback *lan_netback(unsigned vif)
{
    return lan.netbacks[vif];
}

struct app *lan_app(void)
{
    return &lan.app;
}

void lan_run(uint64_t ns)
{
    fake_run_for(&lan.loop, ns);
}

/* ---- Counters */

struct wanted {
    const char *name;
    int vif;
    bool found;
    uint64_t value;
};

static void on_number(void *arg, const struct net_number *number)
{
    struct wanted *wanted = arg;

    if (number->vif == wanted->vif && strcmp(number->name, wanted->name) == 0) {
        wanted->found = true;
        wanted->value = number->value;
    }
}

uint64_t lan_count(const char *name, int vif)
{
    struct wanted wanted = {.name = name, .vif = vif};

    net_numbers(on_number, &wanted);
    if (!wanted.found && strcmp(name, "link_up") != 0)
        fake_fail("no counter %s of vif %d", name, vif);
    return wanted.value;
}
