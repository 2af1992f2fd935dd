/* SPDX-License-Identifier: MIT */
/*
 * Clients on lwIP's raw TCP: accepting, feeding, sending with back-pressure,
 * and an end for everyone who is in the way of others.
 */
#ifndef APPS_KV_TCP_H
#define APPS_KV_TCP_H

#include "apps/kv/kv_conn.h"
#include "kernel/loop.h"

struct tcp_pcb;
struct kv_client;

/* Every client is in one queue, by what it is waited for. */
enum kv_wait {
    KV_WAIT_IDLE,    /* the next request */
    KV_WAIT_REQUEST, /* the first request, or the rest of one */
    KV_WAIT_SEND,    /* the client to take what was sent */
    KV_WAIT_DISK,    /* a batch of the journal to be written */
    KV_WAIT_WORK,    /* a command that takes long */
    KV_WAIT_END,     /* the client's FIN */
    KV_WAITS
};

/* A part of a request must come in this time, or the first request, else its
 * place goes to others: who needs longer for KV_PROGRESS_BYTES is holding it on
 * purpose, or gone. */
#define KV_REQUEST_NS     (60 * NS_PER_S)
/* The same for taking what was sent. */
#define KV_SEND_NS        (60 * NS_PER_S)
#define KV_PROGRESS_BYTES 2048
/* After the last answer, time for it to arrive and for the client to close. */
#define KV_END_NS         (3 * NS_PER_S)
/* With no place left, a client that has been idle for so long gives way, the
 * one that was longest first: connections that a pool uses are younger. */
#define KV_GRACE_NS       (20 * NS_PER_S)
/* An idle client is asked so often whether it is still there (as Redis does).
 */
#define KV_KEEPALIVE_MS   300000
/* Clients beyond the limit that are told so; more are just reset. */
#define KV_REFUSING_MAX   16
/* What one client may always have under way: five packets of 1460. */
#define KV_SHARE_MIN      8192
/* Requests that wait for the answers before them, bytes. */
#define KV_WAITING_MAX    65536

struct kv_tcp {
    /* Set by the owner: */
    struct kv *kv;
    struct loop *loop;
    uint64_t idle_ns;     /* after it an idle client is closed; 0: never */
    size_t in_flight_max; /* bytes sent and not acknowledged, of all */
    /* The server's: */
    struct tcp_pcb *listener;
    struct timer timer;
    struct task task; /* for those who WAIT_WORK */
    struct kv_queue { /* in the order in which they came */
        struct kv_client *first, **last;
        unsigned nr;
    } queues[KV_WAITS];
    uint64_t warned_ns;
    bool was_exclusive; /* a transaction went on for several turns */
};

/* Listen on every address. 0; -XEN_ENOMEM; -XEN_EBUSY: the port is taken. */
must_check int kv_tcp_start(struct kv_tcp *tcp, uint16_t port);
/* Stop listening and reset every connection. */
void kv_tcp_stop(struct kv_tcp *tcp);

/* For kv_aof: a batch of the journal was taken; it was written (0), or not: who
 * waits for it is reset, since nobody can tell him what became of it. */
void kv_tcp_batch_begins(struct kv_tcp *tcp);
void kv_tcp_batch_ends(struct kv_tcp *tcp, int status);

#endif
