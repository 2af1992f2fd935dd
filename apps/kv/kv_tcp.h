/* SPDX-License-Identifier: MIT */
/*
 * Clients on the TCP server (net/server.h): their limits, long commands, and
 * who waits for the disk.
 */
#ifndef APPS_KV_TCP_H
#define APPS_KV_TCP_H

#include "apps/kv/kv_conn.h"
#include "net/server.h"

/* SERVER_PROGRESS_BYTES of a request must come in this time, or the first
 * request, else its place goes to others: who needs longer is holding it on
 * purpose, or gone. */
#define KV_REQUEST_NS   (60 * NS_PER_S)
/* The same for taking what was sent. */
#define KV_SEND_NS      (60 * NS_PER_S)
/* After the last answer, time for it to arrive and for the client to close. */
#define KV_END_NS       (3 * NS_PER_S)
/* With no place left, a client that has been idle, or without progress, for so
 * long gives way, the one that was longest first: connections that a pool uses
 * are younger. */
#define KV_GRACE_NS     (20 * NS_PER_S)
/* An idle client is asked so often whether it is still there (as Redis does).
 */
#define KV_KEEPALIVE_MS 300000

struct kv_tcp {
    /* Set by the owner: */
    struct kv *kv;
    struct loop *loop;
    uint64_t idle_ns;     /* after it an idle client is closed; 0: never */
    size_t in_flight_max; /* bytes sent and not acknowledged, of all */
    /* Its own: */
    struct server server;
    struct task task;   /* for those who wait for SERVER_WORK */
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
