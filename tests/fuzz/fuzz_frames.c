/* SPDX-License-Identifier: MIT */
/*
 * The input is a series of frames with right headers around whatever follows,
 * and time between them: ARP, IP of both kinds and their fragments, ICMP, ND,
 * MLD, UDP, DHCP and DNS (TCP has fuzz_tcp). No checksum is looked at, and our
 * random numbers are a few, so that answers can be right. lwIP must not
 * assert or touch memory that is not its own, and when the interface is removed
 * nothing of it may be left.
 */
// sources: net/aging.c net/checksum.c net/lease.c net/memory.c net/tcpguard.c
// sources: net/lease6.c net/timeouts.c lwip
// sources: xen/evtchn.c kernel/loop.c kernel/log.c kernel/random.c
// sources: tests/fuzz/lwip_alone.c tests/fake/hv.c
#include "tests/fake/fake.h"
#include "tests/fuzz/lwip_alone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/loop.h"
#include "kernel/random.h"
#include "net/memory.h"
#include "net/tcpguard.h"
#include "net/timeouts.h"
#include "net/vif.h"

#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/init.h"
#include "lwip/ip6_addr.h"
#include "lwip/netif.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/udp.h"
#include "lwip/udp.h"

#include "lwiphooks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define OUR_RANDOM 0x5a5a5a5a
#define PORT       7
#define FRAME_MAX  1514
/* net/vif.c drops what is less. */
#define FRAME_MIN  (SIZEOF_ETH_HDR + IP_HLEN)

static uint32_t nr_randoms; /* asked for, by this input */

uint32_t net_random(void)
{
    return OUR_RANDOM + nr_randoms++ % 32; /* some must differ: ports, ids */
}

/* ---- The guest */

static struct loop loop;
static struct random random_state;
static struct vif vif;
static bool started;
static uint16_t last_port; /* that a UDP packet of ours came from */

static err_t output(struct netif *n, struct pbuf *p)
{
    const uint8_t *frame = p->payload;

    (void)n;
    if (p->len >= SIZEOF_ETH_HDR + IP_HLEN + UDP_HLEN && frame[23] == 17)
        last_port = (uint16_t)(frame[34] << 8 | frame[35]);
    return ERR_OK;
}

static err_t netif_started(struct netif *n)
{
    n->hwaddr_len = ETH_HWADDR_LEN;
    memcpy(n->hwaddr, "\2\0\0\0\0\1", ETH_HWADDR_LEN);
    n->mtu = 1500;
    n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
               NETIF_FLAG_MLD6;
    n->output = etharp_output;
    n->output_ip6 = ethip6_output;
    n->linkoutput = output;
    n->chksum_flags = NETIF_CHECKSUM_DISABLE_ALL;
    return ERR_OK;
}

static void on_udp(void *arg, struct udp_pcb *pcb, struct pbuf *p,
                   const ip_addr_t *from, u16_t port)
{
    (void)arg;
    udp_sendto(pcb, p, from, port);
    pbuf_free(p);
}

static void on_resolved(const char *name, const ip_addr_t *ip, void *arg)
{
    (void)name;
    (void)ip;
    (void)arg;
}

static struct udp_pcb *up(bool ask)
{
    ip_addr_t resolver = IPADDR4_INIT_BYTES(192, 0, 2, 53), ip;
    struct udp_pcb *pcb = udp_new_ip_type(IPADDR_TYPE_ANY);

    vif.loop = &loop;
    netif_add_noaddr(&vif.netif, &vif, netif_started, netif_input);
    netif_set_default(&vif.netif);
    netif_set_up(&vif.netif);
    netif_create_ip6_linklocal_address(&vif.netif, 1);
    netif_set_link_up(&vif.netif);
    if (ask) {
        dhcp_start(&vif.netif);
    } else {
        ip4_addr_t mask = {PP_HTONL(0xffffff00)}, gw = {PP_HTONL(0xc00002fe)};
        ip4_addr_t own = {PP_HTONL(0xc0000201)};

        netif_set_addr(&vif.netif, &own, &mask, &gw);
        dns_setserver(0, &resolver);
        dns_gethostbyname("a.example", &ip, on_resolved, NULL);
    }
    udp_bind(pcb, IP_ANY_TYPE, PORT);
    udp_recv(pcb, on_udp, NULL);
    timeouts_link_up();
    return pcb;
}

static void down(struct udp_pcb *pcb)
{
    udp_remove(pcb);
    dhcp_stop(&vif.netif);
    dhcp_cleanup(&vif.netif);
    lease6_stop(&vif);
    netif_remove(&vif.netif);
    fake_run_for(&loop, 90 * NS_PER_S); /* reassembly and DNS give up */
}

static void start(void)
{
    fake_start(&(struct fake_config){.seed = 1});
    loop_init(&loop);
    random_init(&random_state);
    timeouts_init(&loop, lwip_alone_every_second);
    tcpguard_init(&loop, &random_state);
    lwip_init();
    fake_run_for(&loop, NS_PER_S);
    down(up(false)); /* what lwIP keeps for ever is there now */
    down(up(true));
    started = true;
}

/* ---- Frames */

struct input {
    const uint8_t *at, *end;
};

static unsigned take(struct input *in, unsigned bytes)
{
    unsigned value = 0;

    while (bytes-- && in->at < in->end)
        value = value << 8 | *in->at++;
    return value;
}

static size_t take_bytes(struct input *in, uint8_t *to, size_t most)
{
    size_t bytes = take(in, 2) % (most + 1);

    memset(to, 0, bytes);
    for (size_t i = 0; i < bytes && in->at < in->end; i++)
        to[i] = *in->at++;
    return bytes;
}

static size_t put_ethernet(uint8_t *frame, uint16_t type, bool group)
{
    struct eth_hdr *eth = (void *)frame;

    memcpy(&eth->dest, group ? "\x33\x33\0\0\0\1" : "\2\0\0\0\0\1", 6);
    memcpy(&eth->src, "\2\0\0\0\0\x09", 6);
    eth->type = lwip_htons(type);
    return SIZEOF_ETH_HDR;
}

static size_t put_ipv4(uint8_t *at, struct input *in, uint8_t protocol,
                       size_t bytes)
{
    unsigned shape = take(in, 1);
    struct ip_hdr *ip = (void *)at;

    memset(ip, 0, IP_HLEN);
    IPH_VHL_SET(ip, 4, IP_HLEN / 4);
    IPH_LEN_SET(ip, lwip_htons((u16_t)(IP_HLEN + bytes)));
    if (shape & 1)
        IPH_OFFSET_SET(ip, lwip_htons((u16_t)((shape >> 2 & 31) |
                                              (shape & 2 ? IP_MF : 0))));
    IPH_TTL_SET(ip, 64);
    IPH_PROTO_SET(ip, protocol);
    ip->src.addr = PP_HTONL(0xc0000235);
    ip->dest.addr =
        shape & 0x80 ? PP_HTONL(0xffffffff) : netif_ip4_addr(&vif.netif)->addr;
    return IP_HLEN;
}

static size_t put_ipv6(uint8_t *at, struct input *in, uint8_t protocol,
                       size_t bytes)
{
    unsigned shape = take(in, 1);
    struct ip6_hdr *ip = (void *)at;
    ip6_addr_t all, peer;

    ip6addr_aton(shape & 1 ? "ff02::1" : "fe80::ff:fe00:1", &all);
    ip6addr_aton(shape & 2 ? "2001:db8::9" : "fe80::9", &peer);
    memset(ip, 0, IP6_HLEN);
    IP6H_VTCFL_SET(ip, 6, 0, 0);
    IP6H_PLEN_SET(ip, (u16_t)bytes);
    IP6H_NEXTH_SET(ip, protocol);
    IP6H_HOPLIM_SET(ip, shape & 4 ? 1 : 255);
    ip6_addr_copy_to_packed(ip->src, peer);
    ip6_addr_copy_to_packed(ip->dest, all);
    return IP6_HLEN;
}

/* The ports of a service of ours, or of an answer to us. */
static size_t put_udp(uint8_t *at, unsigned which, size_t bytes)
{
    static const uint16_t from[4] = {67, 53, 1000, 53};
    const uint16_t to[4] = {68, last_port, PORT, (uint16_t)(which << 8)};

    at[0] = (uint8_t)(from[which & 3] >> 8);
    at[1] = (uint8_t)from[which & 3];
    at[2] = (uint8_t)(to[which & 3] >> 8);
    at[3] = (uint8_t)to[which & 3];
    at[4] = (uint8_t)((UDP_HLEN + bytes) >> 8);
    at[5] = (uint8_t)(UDP_HLEN + bytes);
    return UDP_HLEN;
}

static void deliver(const uint8_t *frame, size_t bytes)
{
    struct pbuf *p;

    if (bytes < FRAME_MIN)
        return;
    p = pbuf_alloc(PBUF_RAW, (u16_t)bytes, PBUF_RAM);
    pbuf_take(p, frame, (u16_t)bytes);
    if (vif.netif.input(p, &vif.netif) != ERR_OK)
        pbuf_free(p);
    timeouts_kick();
}

static void frame(struct input *in, unsigned kind)
{
    static const uint16_t types[4] = {ETHTYPE_IP, ETHTYPE_IPV6, ETHTYPE_ARP,
                                      ETHTYPE_IP};
    static const uint8_t protocols[8] = {17, 1, 58, 44, 0, 17, 6, 43};
    uint8_t f[FRAME_MAX], payload[FRAME_MAX - 100];
    unsigned which = take(in, 1);
    uint16_t type = types[kind & 3];
    uint8_t protocol = protocols[kind >> 2 & 7];
    size_t bytes = take_bytes(in, payload, sizeof(payload));
    size_t at = put_ethernet(f, type, which & 0x80);
    size_t udp = protocol == 17 ? UDP_HLEN : 0;

    if (type == ETHTYPE_IP)
        at += put_ipv4(f + at, in, protocol, udp + bytes);
    else if (type == ETHTYPE_IPV6)
        at += put_ipv6(f + at, in, protocol, udp + bytes);
    if (type != ETHTYPE_ARP && udp) {
        memset(f + at, 0, UDP_HLEN);
        at += put_udp(f + at, which, bytes);
    }
    memcpy(f + at, payload, bytes);
    deliver(f, at + bytes);
}

static void command(struct input *in)
{
    unsigned what = take(in, 1);
    uint8_t raw[FRAME_MAX];
    ip_addr_t ip;

    switch (what % 8) {
    case 0:
        fake_run_for(&loop, take(in, 1) * 100 * NS_PER_MS + 1);
        break;
    case 1:
        deliver(raw, take_bytes(in, raw, sizeof(raw)));
        break;
    case 2:
        dns_gethostbyname(what & 8 ? "b.example" : "c.example", &ip,
                          on_resolved, NULL);
        break;
    default:
        frame(in, what >> 3);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input in = {data, data + bytes};

    if (!started)
        start();
    size_t used = memory_use().used;
    nr_randoms = 0;
    struct udp_pcb *pcb = up(take(&in, 1) & 1);
    while (in.at < in.end)
        command(&in);
    down(pcb);
    if (memory_use().used > used) {
        fprintf(stderr, "%zu bytes are left\n", memory_use().used - used);
        abort();
    }
    return 0;
}
