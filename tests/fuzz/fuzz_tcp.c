/* SPDX-License-Identifier: MIT */
/*
 * The input is what a peer sends, what the app does, and how time passes, on a
 * few TCP connections at once; each command is a byte and its arguments. The
 * peer knows the sequence numbers, so that most of what it sends is near enough
 * to be taken seriously. Whatever it is, lwIP must not assert, and when all
 * connections are gone nothing of them is left.
 */
// sources: net/aging.c net/checksum.c net/lease.c net/memory.c net/tcpguard.c
// sources: net/lease6.c net/timeouts.c lwip
// sources: xen/evtchn.c kernel/loop.c kernel/log.c kernel/random.c
// sources: tests/fuzz/lwip_alone.c tests/fake/hv.c
#include "tests/fake/fake.h"
#include "tests/fuzz/lwip_alone.h"

#include <sanitizer/lsan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/loop.h"
#include "kernel/random.h"
#include "net/memory.h"
#include "net/tcpguard.h"
#include "net/timeouts.h"

#include "lwip/inet_chksum.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/tcp.h"

#include "lwiphooks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define CONNS 4
#define PORT  80
#define FIRST 1000 /* the peer's ports */

uint32_t net_random(void)
{
    return (uint32_t)fake_random();
}

/* ---- Both sides of each connection */

static struct conn {
    struct tcp_pcb *pcb; /* the app's; NULL: it has none */
    struct pbuf *kept;   /* received, not read */
    bool shut, fin;      /* the app's end was sent, the peer's came */
    uint32_t snd, rcv;   /* the peer's next, the guest's next */
} conns[CONNS];

static struct loop loop;
static struct random random_state;
static struct netif netif;
static struct tcp_pcb *listener;
static unsigned refuse; /* so many frames are not taken */
static unsigned reads;  /* what the app does with what it gets: bits */

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

/* ---- The guest's app */

static void forget(struct conn *c)
{
    c->pcb = NULL;
    if (c->kept)
        pbuf_free(c->kept);
    c->kept = NULL;
    c->shut = c->fin = false;
}

static void let_go(struct conn *c);

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    struct conn *c = arg;

    (void)err;
    if (!p) {
        c->fin = true;
        if (c->shut) /* lwIP would free it without a word */
            let_go(c);
        return ERR_OK;
    }
    /* lwIP leaks what is refused after both ends. */
    if ((reads & 3) == 3 && !c->shut)
        return ERR_MEM;
    if (reads & 1 || (c->kept && c->kept->tot_len > 40000)) {
        tcp_recved(pcb, p->tot_len);
        pbuf_free(p);
    } else if (c->kept) {
        pbuf_cat(c->kept, p);
    } else {
        c->kept = p;
    }
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t bytes)
{
    static const uint8_t data[3000];

    (void)arg;
    if (reads & 4)
        tcp_write(pcb, data, LWIP_MIN(bytes, sizeof(data)), 0);
    return ERR_OK;
}

static void on_err(void *arg, err_t err)
{
    (void)err;
    forget(arg);
}

static void own(struct conn *c, struct tcp_pcb *pcb)
{
    c->pcb = pcb;
    tcp_arg(pcb, c);
    tcp_recv(pcb, on_recv);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_err);
}

static void disown(struct conn *c)
{
    tcp_arg(c->pcb, NULL);
    tcp_recv(c->pcb, NULL);
    tcp_sent(c->pcb, NULL);
    tcp_err(c->pcb, NULL);
    forget(c);
}

/* As servers do: lwIP ends it. */
static void let_go(struct conn *c)
{
    struct tcp_pcb *pcb = c->pcb;

    disown(c);
    if (tcp_close(pcb) != ERR_OK)
        own(c, pcb); /* no memory */
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct conn *c = &conns[(unsigned)(pcb ? pcb->remote_port - FIRST : 0)];

    (void)arg;
    if (err != ERR_OK)
        return ERR_OK;
    if (c->pcb)
        return ERR_VAL;
    own(c, pcb);
    return ERR_OK;
}

static void app_writes(struct conn *c, struct input *in)
{
    static const uint8_t data[20000];
    unsigned bytes = take(in, 2) % sizeof(data), flags = take(in, 1) & 3;

    if (tcp_write(c->pcb, data, (u16_t)bytes, (u8_t)flags) == ERR_OK &&
        !(flags & TCP_WRITE_FLAG_MORE))
        tcp_output(c->pcb);
}

static void app_reads(struct conn *c)
{
    if (!c->kept)
        return;
    tcp_recved(c->pcb, c->kept->tot_len);
    pbuf_free(c->kept);
    c->kept = NULL;
}

static void app_ends(struct conn *c, unsigned how)
{
    if (how % 4 == 0) {
        tcp_abort(c->pcb); /* on_err forgets */
    } else if (how % 4 == 1 && !c->fin) {
        c->shut |= tcp_shutdown(c->pcb, 0, 1) == ERR_OK;
    } else {
        let_go(c);
    }
}

static void app_connects(struct conn *c)
{
    struct tcp_pcb *pcb = tcp_new();
    ip_addr_t to = IPADDR4_INIT_BYTES(192, 0, 2, 9);

    if (!pcb)
        return;
    own(c, pcb);
    if (tcp_bind(pcb, NULL, (u16_t)(2000 + (c - conns))) != ERR_OK ||
        tcp_connect(pcb, &to, (u16_t)(FIRST + (c - conns)), NULL) != ERR_OK)
        tcp_abort(pcb);
}

/* ---- The wire */

/* Learn the guest's sequence numbers from what it sends. */
static err_t output(struct netif *n, struct pbuf *p, const ip4_addr_t *to)
{
    const struct tcp_hdr *tcp = (void *)((uint8_t *)p->payload + IP_HLEN);
    unsigned i = lwip_ntohs(tcp->dest) - FIRST;

    (void)n;
    (void)to;
    if (refuse && refuse--)
        return ERR_MEM;
    if (p->len < IP_HLEN + TCP_HLEN || i >= CONNS)
        return ERR_OK;
    conns[i].rcv = lwip_ntohl(tcp->seqno) + p->tot_len - IP_HLEN -
                   TCPH_HDRLEN_BYTES(tcp) +
                   !!(TCPH_FLAGS(tcp) & (TCP_SYN | TCP_FIN));
    if (TCPH_FLAGS(tcp) & TCP_ACK)
        conns[i].snd = lwip_ntohl(tcp->ackno);
    return ERR_OK;
}

static err_t netif_started(struct netif *n)
{
    n->output = output;
    n->mtu = 1500;
    n->chksum_flags = NETIF_CHECKSUM_DISABLE_ALL;
    return ERR_OK;
}

static void put_ip(struct ip_hdr *ip, unsigned bytes)
{
    memset(ip, 0, IP_HLEN);
    IPH_VHL_SET(ip, 4, IP_HLEN / 4);
    IPH_LEN_SET(ip, lwip_htons((u16_t)bytes));
    IPH_TTL_SET(ip, 64);
    IPH_PROTO_SET(ip, IP_PROTO_TCP);
    ip->src.addr = PP_HTONL(0xc0000209);
    ip->dest.addr = PP_HTONL(0xc0000201);
}

/* Numbers near the right one: itself most of the time. */
static uint32_t near(struct input *in, uint32_t right)
{
    unsigned how = take(in, 1);

    if (how < 160)
        return right;
    int32_t shift = (int32_t)take(in, 2);
    return right + (uint32_t)(how & 1 ? shift : -shift);
}

static void segment(struct conn *c, struct input *in)
{
    static const uint8_t flags[16] = {0x10, 0x10, 0x10, 0x18, 0x11, 0x02,
                                      0x12, 0x04, 0x14, 0x00, 0x03, 0x31,
                                      0x10, 0x10, 0x18, 0xff};
    unsigned kind = take(in, 1), ports = take(in, 1);
    uint32_t seq = near(in, c->snd), ack = near(in, c->rcv);
    unsigned options = kind & 0x10 ? (kind >> 5) * 4 + 4 : 0;
    unsigned bytes = kind & 0x80 ? take(in, 2) % 1460 : 0;
    unsigned all = IP_HLEN + TCP_HLEN + options + bytes;
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)all, PBUF_RAM);

    if (!p)
        return;
    memset(p->payload, 0, all);
    put_ip(p->payload, all);
    struct tcp_hdr *tcp = (void *)((uint8_t *)p->payload + IP_HLEN);
    tcp->src = lwip_htons((u16_t)(FIRST + (c - conns)));
    tcp->dest = lwip_htons((u16_t)(ports & 1 ? 2000 + (c - conns) : PORT));
    tcp->seqno = lwip_htonl(seq);
    tcp->ackno = lwip_htonl(ack);
    TCPH_HDRLEN_FLAGS_SET(tcp, (TCP_HLEN + options) / 4, flags[kind & 15]);
    /* Windows: closed, tiny, or anything. */
    tcp->wnd = lwip_htons((u16_t)(ports & 2   ? 0
                                  : ports & 4 ? ports >> 3
                                              : take(in, 2)));
    for (unsigned i = 0; i < options; i++)
        ((uint8_t *)(tcp + 1))[i] = (uint8_t)take(in, 1);
    if (netif.input(p, &netif) != ERR_OK)
        pbuf_free(p);
}

/* ---- The run */

static void command(struct input *in)
{
    unsigned what = take(in, 1);
    struct conn *c = &conns[what >> 6];

    switch (what % 16) {
    case 0:
        fake_run_for(&loop, take(in, 1) * 50 * NS_PER_MS + 1);
        break;
    case 1:
        if (c->pcb)
            app_writes(c, in);
        break;
    case 2:
        if (c->pcb)
            app_reads(c);
        break;
    case 3:
        if (c->pcb)
            app_ends(c, take(in, 1));
        break;
    case 4:
        reads = take(in, 1);
        break;
    case 5:
        refuse = take(in, 1) % 8;
        break;
    case 6:
        memory_set_limit(memory_use().used + take(in, 2) * 16);
        break;
    case 7:
        if (!c->pcb)
            app_connects(c);
        break;
    case 8:
        tcpguard_resume();
        break;
    case 9:
        tcpguard_drop_early();
        break;
    default:
        segment(c, in);
    }
}

static void start(void)
{
    ip4_addr_t ip, mask, gw;

    fake_start(&(struct fake_config){.seed = 1});
    loop_init(&loop);
    random_init(&random_state);
    timeouts_init(&loop, lwip_alone_every_second);
    tcpguard_init(&loop, &random_state);
    lwip_init();
    IP4_ADDR(&ip, 192, 0, 2, 1);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gw, 0, 0, 0, 0);
    netif_add(&netif, &ip, &mask, &gw, NULL, netif_started, ip_input);
    netif_set_up(&netif);
    netif_set_link_up(&netif);
    listener = tcp_new();
    tcp_bind(listener, NULL, PORT);
    listener = tcp_listen(listener);
    tcp_accept(listener, on_accept);
    fake_run_for(&loop, NS_PER_S);
}

static void stop(size_t used)
{
    memory_set_limit(SIZE_MAX);
    refuse = reads = 0;
    for (struct conn *c = conns; c < conns + CONNS; c++) {
        if (c->pcb)
            tcp_abort(c->pcb);
    }
    while (tcp_active_pcbs)
        tcp_abandon(tcp_active_pcbs, 0);
    while (tcp_tw_pcbs)
        tcp_abort(tcp_tw_pcbs);
    if (memory_use().used != used || tcp_bound_pcbs) {
        fprintf(stderr, "%zu bytes are left\n", memory_use().used - used);
        __lsan_do_leak_check(); /* says whose, if nobody holds them */
        abort();
    }
    memset(conns, 0, sizeof(conns));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input in = {data, data + bytes};

    if (!listener)
        start();
    size_t used = memory_use().used;
    while (in.at < in.end)
        command(&in);
    stop(used);
    return 0;
}
