/* SPDX-License-Identifier: MIT */
/*
 * What lwIP's TCP lacks to face the open Internet: limits on connections that
 * are opening or in TIME_WAIT, and sequence numbers that cannot be guessed.
 */
#ifndef NET_TCPGUARD_H
#define NET_TCPGUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "lwip/err.h"
#include "lwip/ip_addr.h"

struct loop;
struct random;
struct tcp_hdr;
struct tcp_pcb;

/* Connections being opened, of all listeners: beyond this the oldest is dropped
 * for the newest. At a SYN flood of 10,000 a second an honest client has 25 ms
 * to answer our SYN-ACK. Each connection takes about 700 bytes. */
#define TCPGUARD_OPENING_MAX 250

/* Closed connections that lwIP remembers (TIME_WAIT); beyond this the oldest is
 * forgotten: every lookup for a new connection walks past all of them. */
#define TCPGUARD_TIME_WAIT_MAX 256

void tcpguard_init(struct loop *loop, struct random *random);

/* lwIP's hooks (lwiphooks.h). */
uint32_t tcpguard_isn(const ip_addr_t *local_ip, uint16_t local_port,
                      const ip_addr_t *remote_ip, uint16_t remote_port);
err_t tcpguard_packet(struct tcp_pcb *pcb, const struct tcp_hdr *header);

/* There is room to send again: let connections continue until one of them
 * cannot. Each is limited by its window, so next time it is another's turn.
 */
void tcpguard_resume(void);

/* Free the out-of-order data of the connection that got the last segment. */
void tcpguard_drop_early(void);

struct tcpguard_counts {
    unsigned active, opening, time_wait; /* now */
    uint64_t syn_dropped;                /* oldest opening ones, given up */
    uint64_t syn_refused;                /* memory was short */
    uint64_t time_wait_dropped;          /* oldest ones, forgotten */
    uint64_t early_dropped;              /* times out-of-order data was freed */
};
void tcpguard_count(struct tcpguard_counts *counts);

#endif
