/* SPDX-License-Identifier: MIT */
/*
 * Guards around lwIP's TCP, on its hooks and its lists of connections.
 *
 * lwIP puts a new connection at the front of its list and moves one to the
 * front when a segment arrives for it. So the last one that is still opening
 * has been silent longest, and the end of the TIME_WAIT list is the oldest: no
 * time stamps are needed to pick the one to drop.
 *
 * Both limits are enforced when a SYN arrives for a listener, the only moment
 * at which a peer can make either list longer; lwIP has just searched both, so
 * walking them again at most doubles the cost of a SYN.
 *
 * TIME_WAIT also ends when the peer resets it, as in Linux: a client that
 * reuses its port with a sequence number from the past gets our old
 * acknowledgement, answers it with RST, and its next SYN is then served. (A SYN
 * from the future is served at once: third_party/patches/lwip/0002 and 0014.)
 */
#include "net/tcpguard.h"

#include "kernel/loop.h"
#include "kernel/random.h"
#include "net/memory.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"

/* RFC 6528: the clock that moves sequence numbers on, every 4 us. */
#define ISN_TICK_NS 4000

static struct tcpguard {
    struct loop *loop;
    uint32_t secret[RANDOM_KEY_WORDS];
    struct tcpguard_counts counts;
} guard;

void tcpguard_init(struct loop *loop, struct random *random)
{
    guard.loop = loop;
    random_bytes(random, guard.secret, sizeof(guard.secret));
}

/* ---- Initial sequence numbers (RFC 6528): clock + F(addresses, ports, key).
 * F is the ChaCha20 block function, chained: each block's output is the key
 * of the next. It is the generator that the guest has anyway; the fixed length
 * of the chain is what makes chaining sound. */

static void chain(uint32_t key[RANDOM_BLOCK_WORDS], const uint32_t input[4])
{
    uint32_t out[RANDOM_BLOCK_WORDS];

    random_block(key, input, out);
    for (unsigned i = 0; i < RANDOM_BLOCK_WORDS; i++)
        key[i] = out[i];
}

static void chain_address(uint32_t key[RANDOM_BLOCK_WORDS], const ip_addr_t *ip)
{
    uint32_t input[4] = {0};

    if (IP_IS_V4(ip)) {
        input[0] = ip4_addr_get_u32(ip_2_ip4(ip));
    } else {
        for (unsigned i = 0; i < 4; i++)
            input[i] = ip_2_ip6(ip)->addr[i];
    }
    chain(key, input);
}

uint32_t tcpguard_isn(const ip_addr_t *local_ip, uint16_t local_port,
                      const ip_addr_t *remote_ip, uint16_t remote_port)
{
    uint32_t key[RANDOM_BLOCK_WORDS] = {0};
    uint32_t ports[4] = {
        (uint32_t)local_port << 16 | remote_port,
        IP_GET_TYPE(local_ip),
    };

    for (unsigned i = 0; i < RANDOM_KEY_WORDS; i++)
        key[i] = guard.secret[i];
    chain_address(key, local_ip);
    chain_address(key, remote_ip);
    chain(key, ports);
    return key[0] + (uint32_t)(loop_now(guard.loop) / ISN_TICK_NS);
}

/* ---- Limits */

/* The connection that is opening and was silent longest, and how many are. */
static struct tcp_pcb *oldest_opening(unsigned *nr)
{
    struct tcp_pcb *oldest = NULL;

    *nr = 0;
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        if (pcb->state == SYN_RCVD) {
            oldest = pcb;
            ++*nr;
        }
    }
    return oldest;
}

static void limit_opening(void)
{
    unsigned nr;
    struct tcp_pcb *oldest = oldest_opening(&nr);

    if (nr < TCPGUARD_OPENING_MAX)
        return;
    guard.counts.syn_dropped++;
    tcp_abandon(oldest, 0); /* silently: its peer may not even exist */
}

static void limit_time_wait(void)
{
    struct tcp_pcb *pcb = tcp_tw_pcbs;
    unsigned nr = 0;

    while (pcb) {
        struct tcp_pcb *next = pcb->next;

        if (++nr > TCPGUARD_TIME_WAIT_MAX) {
            guard.counts.time_wait_dropped++;
            tcp_abort(pcb); /* sends nothing in this state */
        }
        pcb = next;
    }
}

static err_t listener_packet(const struct tcp_hdr *header)
{
    if ((TCPH_FLAGS(header) & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return ERR_OK;
    if (TCPH_FLAGS(header) & TCP_FIN)
        return ERR_VAL; /* no client begins with FIN: it is a probe */
    limit_time_wait();
    limit_opening();
    if (memory_for_connections())
        return ERR_OK;
    guard.counts.syn_refused++; /* the client retries in a second */
    return ERR_MEM;
}

static err_t time_wait_packet(struct tcp_pcb *pcb, const struct tcp_hdr *header)
{
    if (!(TCPH_FLAGS(header) & TCP_RST) || header->seqno != pcb->rcv_nxt)
        return ERR_OK;
    tcp_abort(pcb);
    return ERR_ABRT;
}

/* Anything but ERR_OK: lwIP drops the segment. `header` is in host order. */
err_t tcpguard_packet(struct tcp_pcb *pcb, const struct tcp_hdr *header)
{
    switch (pcb->state) {
    case LISTEN:
        return listener_packet(header);
    case TIME_WAIT:
        return time_wait_packet(pcb, header);
    default:
        return ERR_OK;
    }
}

/* ---- The list of connections */

void tcpguard_drop_early(void)
{
    struct tcp_pcb *pcb = tcp_active_pcbs;

    if (!pcb || !pcb->ooseq)
        return;
    guard.counts.early_dropped++;
    tcp_free_ooseq(pcb);
}

void tcpguard_resume(void)
{
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        if (!pcb->unsent && !(pcb->flags & TF_ACK_NOW))
            continue;
        if (tcp_output(pcb) == ERR_MEM)
            return;
    }
}

void tcpguard_count(struct tcpguard_counts *counts)
{
    *counts = guard.counts;
    counts->active = counts->time_wait = 0;
    oldest_opening(&counts->opening);
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
        counts->active++;
    for (const struct tcp_pcb *pcb = tcp_tw_pcbs; pcb; pcb = pcb->next)
        counts->time_wait++;
}
