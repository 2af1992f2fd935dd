/* SPDX-License-Identifier: MIT */
/*
 * The exchange is SOLICIT, ADVERTISE, REQUEST, REPLY; from T1 on RENEW, to the
 * server that gave the address; from T2 on REBIND, to all servers. Each state's
 * message is retransmitted until it is answered, at RFC 8415's times (15).
 *
 * lwIP treats the address like one from autoconfiguration: it has a lifetime,
 * which lwIP counts and aging.c corrects after a pause. When it expires, we ask
 * anew. The first offer is taken, as with DHCPv4: waiting for a better one
 * would cost a second at each start.
 *
 * A server's messages are read through take_option(), which checks the bounds.
 */
#include "net/lease6.h"
#include "net/vif.h"

#include <string.h>

#include "kernel/log.h"

#include "lwip/dhcp6.h"
#include "lwip/dns.h"
#include "lwip/prot/ethernet.h"
#include "lwip/udp.h"

#define CLIENT_PORT 546
#define SERVER_PORT 547

enum { SOLICIT = 1, ADVERTISE, REQUEST, RENEW = 5, REBIND, REPLY };
enum {
    CLIENT_ID = 1,
    SERVER_ID,
    IA_NA,
    IA_ADDRESS = 5,
    WANTED,
    ELAPSED = 8,
    STATUS = 13,
    DNS_SERVERS = 23,
};

#define FOR_EVER      UINT32_MAX
#define CLIENT_BYTES  10 /* DUID-LL: 3, ethernet, the MAC (11.4) */
#define IA_BYTES      12 /* its id, T1, T2 */
#define ADDRESS_BYTES 24 /* the address, preferred and valid life */
/* The longest message that we send. */
#define MESSAGE_MAX                                                  \
    (4 + 4 + CLIENT_BYTES + 4 + LEASE6_DUID_MAX + 4 + IA_BYTES + 4 + \
     ADDRESS_BYTES + 4 + 2 + 4 + 2)

/* Times of 7.6; requests are given up after REQUEST_TRIES. */
#define START_NS       NS_PER_S
#define SOLICIT_MAX_NS (3600 * NS_PER_S)
#define REQUEST_MAX_NS (30 * NS_PER_S)
#define REQUEST_TRIES  10
#define RENEW_NS       (10 * NS_PER_S)
#define RENEW_MAX_NS   (600 * NS_PER_S)

static const struct state {
    uint8_t message;
    uint64_t first_ns, max_ns;
} states[] = {
    [LEASE6_SOLICIT] = {SOLICIT, START_NS, SOLICIT_MAX_NS},
    [LEASE6_REQUEST] = {REQUEST, START_NS, REQUEST_MAX_NS},
    [LEASE6_RENEW] = {RENEW, RENEW_NS, RENEW_MAX_NS},
    [LEASE6_REBIND] = {REBIND, RENEW_NS, RENEW_MAX_NS},
};

/* Shared by all vifs that use DHCPv6. */
static struct udp_pcb *socket;
static unsigned nr_users;

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static uint8_t *put16(uint8_t *at, unsigned value)
{
    *at++ = (uint8_t)(value >> 8);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_option(uint8_t *at, unsigned code, const void *value,
                           size_t bytes)
{
    at = put16(put16(at, code), (unsigned)bytes);
    memcpy(at, value, bytes);
    return at + bytes;
}

/* From -10 % to +10 % of it. */
static uint64_t about(uint64_t ns)
{
    return ns + ns / 100 * (net_random() % 21) - ns / 10;
}

/* lwIP's number of the address, or -1. */
static int slot_of(const struct vif *vif)
{
    return netif_get_ip6_addr_match((struct netif *)&vif->netif,
                                    &vif->lease6.ip);
}

/* ---- Sending */

static void client_id(const struct vif *vif, uint8_t id[CLIENT_BYTES])
{
    memcpy(id, "\0\3\0\1", 4);
    memcpy(id + 4, vif->netif.hwaddr, ETH_HWADDR_LEN);
}

/* The address is named in all but SOLICIT. */
static uint8_t *put_ia(uint8_t *at, const struct vif *vif)
{
    uint8_t ia[IA_BYTES + 4 + ADDRESS_BYTES] = {0, 0, 0, (uint8_t)vif->index};
    uint8_t address[ADDRESS_BYTES] = {0};
    uint8_t *end = ia + IA_BYTES;

    if (vif->lease6.state != LEASE6_SOLICIT) {
        memcpy(address, vif->lease6.ip.addr, 16);
        end = put_option(end, IA_ADDRESS, address, sizeof(address));
    }
    return put_option(at, IA_NA, ia, (size_t)(end - ia));
}

static size_t write_message(const struct vif *vif, uint8_t *m)
{
    const struct lease6 *lease = &vif->lease6;
    uint64_t elapsed =
        (loop_now(vif->loop) - lease->began_ns) / (10 * NS_PER_MS);
    uint8_t client[CLIENT_BYTES], two[2], *at = m;

    *at++ = states[lease->state].message;
    *at++ = (uint8_t)(lease->xid >> 16);
    at = put16(at, (uint16_t)lease->xid);
    client_id(vif, client);
    at = put_option(at, CLIENT_ID, client, sizeof(client));
    if (lease->state == LEASE6_REQUEST || lease->state == LEASE6_RENEW)
        at = put_option(at, SERVER_ID, lease->server, lease->server_bytes);
    at = put_ia(at, vif);
    put16(two, elapsed < UINT16_MAX ? (unsigned)elapsed : UINT16_MAX);
    at = put_option(at, ELAPSED, two, 2);
    put16(two, DNS_SERVERS);
    at = put_option(at, WANTED, two, 2);
    return (size_t)(at - m);
}

static void send(struct vif *vif)
{
    ip_addr_t all = IPADDR6_INIT_HOST(0xff020000, 0, 0, 0x00010002);
    uint8_t m[MESSAGE_MAX];
    size_t bytes = write_message(vif, m);
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (uint16_t)bytes, PBUF_RAM);

    if (!p)
        return;
    pbuf_take(p, m, (uint16_t)bytes);
    ip6_addr_assign_zone(ip_2_ip6(&all), IP6_MULTICAST, &vif->netif);
    udp_sendto_if(socket, p, &all, SERVER_PORT, &vif->netif);
    pbuf_free(p);
}

/* ---- States */

static void on_timer(struct timer *timer);

static void wait(struct vif *vif, uint64_t until_ns)
{
    timer_start(vif->loop, &vif->lease6.timer, until_ns, on_timer);
}

static void send_and_wait(struct vif *vif)
{
    struct lease6 *lease = &vif->lease6;
    const struct state *state = &states[lease->state];
    uint64_t due_ns;

    send(vif);
    lease->wait_ns = lease->tries++ ? 2 * lease->wait_ns : state->first_ns;
    if (lease->wait_ns > state->max_ns)
        lease->wait_ns = state->max_ns;
    due_ns = loop_now(vif->loop) + about(lease->wait_ns);
    if (lease->state == LEASE6_RENEW && due_ns > lease->rebind_ns)
        due_ns = lease->rebind_ns;
    wait(vif, due_ns);
}

static void enter(struct vif *vif, enum lease6_state state)
{
    struct lease6 *lease = &vif->lease6;

    lease->state = state;
    lease->tries = 0;
    lease->xid = net_random() & 0xffffff;
    lease->began_ns = loop_now(vif->loop);
    send_and_wait(vif);
}

/* An address that routers let us make, or that the user gave. */
static bool has_other_address(const struct vif *vif)
{
    for (unsigned i = 1; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        if (!ip6_addr_isinvalid(netif_ip6_addr_state(&vif->netif, i)))
            return true;
    }
    return false;
}

/* Retransmit, or move to another state when that has become pointless. */
static void on_timer(struct timer *timer)
{
    struct vif *vif = container_of(timer, struct vif, lease6.timer);
    struct lease6 *lease = &vif->lease6;

    if (lease->state == LEASE6_OFF || lease->state == LEASE6_SOLICIT) {
        if (has_other_address(vif))
            lease->state = LEASE6_OFF;
        else if (lease->state == LEASE6_OFF)
            enter(vif, LEASE6_SOLICIT);
        else
            send_and_wait(vif);
    } else if (lease->state == LEASE6_REQUEST) {
        if (lease->tries < REQUEST_TRIES)
            send_and_wait(vif);
        else
            enter(vif, LEASE6_SOLICIT);
    } else if (slot_of(vif) < 0) {
        enter(vif, LEASE6_SOLICIT);
    } else if (loop_now(vif->loop) < lease->rebind_ns) {
        if (lease->state == LEASE6_BOUND)
            enter(vif, LEASE6_RENEW);
        else
            send_and_wait(vif);
    } else if (lease->state != LEASE6_REBIND) {
        enter(vif, LEASE6_REBIND);
    } else {
        send_and_wait(vif);
    }
}

/* ---- Answers */

struct option {
    unsigned code, bytes;
    const uint8_t *data;
};

/* The next option; false: there is none, or it is truncated. */
static bool take_option(const uint8_t **at, const uint8_t *end,
                        struct option *option)
{
    if (end - *at < 4)
        return false;
    option->code = (unsigned)(*at)[0] << 8 | (*at)[1];
    option->bytes = (unsigned)(*at)[2] << 8 | (*at)[3];
    option->data = *at + 4;
    if (end - option->data < (ptrdiff_t)option->bytes)
        return false;
    *at = option->data + option->bytes;
    return true;
}

/* Status codes are of 16 bits, and 0 is success (21.13). */
static bool is_failure(const struct option *status)
{
    return status->bytes < 2 || status->data[0] || status->data[1];
}

struct answer {
    bool is_ours, has_address, refused;
    struct option server, dns;
    uint32_t t1_s, t2_s, preferred_s, valid_s;
    ip6_addr_t ip;
};

static void read_ia(struct answer *answer, const struct option *ia)
{
    const uint8_t *at = ia->data + IA_BYTES, *end = ia->data + ia->bytes;
    struct option option;

    answer->t1_s = get32(ia->data + 4);
    answer->t2_s = get32(ia->data + 8);
    while (take_option(&at, end, &option)) {
        if (option.code == IA_ADDRESS && option.bytes >= ADDRESS_BYTES &&
            !answer->has_address) {
            memcpy(answer->ip.addr, option.data, 16);
            answer->preferred_s = get32(option.data + 16);
            answer->valid_s = get32(option.data + 20);
            answer->has_address =
                answer->valid_s != 0 && answer->preferred_s <= answer->valid_s;
        } else if (option.code == STATUS) {
            answer->refused |= is_failure(&option);
        }
    }
}

static void read_answer(const struct vif *vif, struct answer *answer,
                        const uint8_t *at, const uint8_t *end)
{
    uint8_t client[CLIENT_BYTES];
    struct option option;

    *answer = (struct answer){.is_ours = false};
    client_id(vif, client);
    while (take_option(&at, end, &option)) {
        if (option.code == CLIENT_ID)
            answer->is_ours = option.bytes == CLIENT_BYTES &&
                              !memcmp(option.data, client, CLIENT_BYTES);
        else if (option.code == SERVER_ID)
            answer->server = option;
        else if (option.code == DNS_SERVERS)
            answer->dns = option;
        else if (option.code == IA_NA && option.bytes >= IA_BYTES &&
                 get32(option.data) == vif->index)
            read_ia(answer, &option);
        else if (option.code == STATUS)
            answer->refused |= is_failure(&option);
    }
}

/* Append them to those already known, without duplicates. */
static void use_resolvers(const struct option *dns)
{
    for (unsigned at = 0; at + 16 <= dns->bytes; at += 16) {
        ip_addr_t ip = IPADDR6_INIT(0, 0, 0, 0);
        uint8_t i = 0;

        memcpy(ip_2_ip6(&ip)->addr, dns->data + at, 16);
        while (i < DNS_MAX_SERVERS && !ip_addr_isany(dns_getserver(i)) &&
               !ip_addr_eq(dns_getserver(i), &ip))
            i++;
        if (i < DNS_MAX_SERVERS)
            dns_setserver(i, &ip);
    }
}

/* Set the address, with these lifetimes; false: lwIP has no room for it. */
static bool use_address(struct vif *vif, const struct answer *answer)
{
    struct netif *netif = &vif->netif;
    int slot = slot_of(vif);
    s8_t new;

    if (slot >= 0 && !ip6_addr_zoneless_eq(&vif->lease6.ip, &answer->ip)) {
        netif_ip6_addr_set_state(netif, (s8_t)slot, IP6_ADDR_INVALID);
        slot = -1;
    }
    vif->lease6.ip = answer->ip;
    if (slot < 0) {
        if (netif_add_ip6_address(netif, &vif->lease6.ip, &new) != ERR_OK)
            return false;
        slot = new;
    }
    netif_ip6_addr_set_valid_life(netif, slot, answer->valid_s);
    netif_ip6_addr_set_pref_life(netif, slot, answer->preferred_s);
    return true;
}

/* T1 and T2 as given, or else as 14.2 has them. */
static void bind(struct vif *vif, const struct answer *answer)
{
    struct lease6 *lease = &vif->lease6;
    uint32_t life_s =
        answer->preferred_s ? answer->preferred_s : answer->valid_s;
    uint64_t t1 = answer->t1_s * NS_PER_S, t2 = answer->t2_s * NS_PER_S;

    if (!use_address(vif, answer))
        return;
    use_resolvers(&answer->dns);
    if (t2 == 0 || answer->t2_s > answer->valid_s)
        t2 = life_s * NS_PER_S / 5 * 4;
    if (t1 == 0 || t1 > t2)
        t1 = t2 / 8 * 5;
    lease->state = LEASE6_BOUND;
    lease->rebind_ns = lease->began_ns + t2;
    timer_stop(vif->loop, &lease->timer);
    if (answer->valid_s != FOR_EVER)
        wait(vif, lease->began_ns + t1);
}

static bool is_of_server(const struct lease6 *lease,
                         const struct option *server)
{
    return server->bytes == lease->server_bytes &&
           !memcmp(server->data, lease->server, server->bytes);
}

static void on_answer(struct vif *vif, uint8_t type,
                      const struct answer *answer)
{
    struct lease6 *lease = &vif->lease6;
    bool good = answer->has_address && !answer->refused;

    if (type == ADVERTISE && lease->state == LEASE6_SOLICIT && good) {
        lease->ip = answer->ip;
        lease->server_bytes = (uint16_t)answer->server.bytes;
        memcpy(lease->server, answer->server.data, answer->server.bytes);
        enter(vif, LEASE6_REQUEST);
        return;
    }
    if (type != REPLY || lease->state == LEASE6_SOLICIT ||
        lease->state == LEASE6_BOUND)
        return;
    if (lease->state != LEASE6_REBIND && !is_of_server(lease, &answer->server))
        return;
    lease->server_bytes = (uint16_t)answer->server.bytes;
    memcpy(lease->server, answer->server.data, answer->server.bytes);
    if (good)
        bind(vif, answer);
    else if (lease->state !=
             LEASE6_REQUEST) /* it is no longer ours: request it */
        enter(vif, LEASE6_REQUEST);
}

static void on_message(void *arg, struct udp_pcb *pcb, struct pbuf *p,
                       const ip_addr_t *from, u16_t port)
{
    struct vif *vif = ip_current_input_netif()->state;
    const uint8_t *m = p->payload;
    struct answer answer;

    (void)arg;
    (void)pcb;
    (void)from;
    (void)port;
    if (vif->lease6.state != LEASE6_OFF && p->len == p->tot_len &&
        p->len >= 4 && (get32(m) & 0xffffff) == vif->lease6.xid) {
        read_answer(vif, &answer, m + 4, m + p->len);
        if (answer.is_ours && answer.server.bytes &&
            answer.server.bytes <= LEASE6_DUID_MAX)
            on_answer(vif, m[0], &answer);
    }
    pbuf_free(p);
}

/* ---- From outside */

static bool open_socket(struct lease6 *lease)
{
    if (!socket) {
        socket = udp_new_ip6();
        if (!socket)
            return false;
        udp_bind(socket, IP6_ADDR_ANY, CLIENT_PORT);
        udp_recv(socket, on_message, NULL);
    }
    nr_users += !lease->has_socket;
    lease->has_socket = true;
    return true;
}

static void close_socket(struct lease6 *lease)
{
    if (!lease->has_socket)
        return;
    lease->has_socket = false;
    if (--nr_users)
        return;
    udp_remove(socket);
    socket = NULL;
}

/* Each RA comes here, before its prefixes. The first message waits for up to a
 * second (18.2.1), which shows whether there is a prefix. */
void dhcp6_nd6_ra_trigger(struct netif *netif, u8_t managed, u8_t other)
{
    struct vif *vif = netif->state;
    struct lease6 *lease = &vif->lease6;

    (void)other;
    if (!managed || !netif->ip6_autoconfig_enabled || lease->timer.active ||
        lease->state != LEASE6_OFF || !open_socket(lease))
        return;
    wait(vif, loop_now(vif->loop) + about(START_NS / 2));
}

void lease6_link_up(struct vif *vif)
{
    if (vif->lease6.state >= LEASE6_BOUND)
        enter(vif, LEASE6_REBIND);
}

void lease6_stop(struct vif *vif)
{
    timer_stop(vif->loop, &vif->lease6.timer);
    vif->lease6.state = LEASE6_OFF;
    close_socket(&vif->lease6);
}
