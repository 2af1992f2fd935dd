/* SPDX-License-Identifier: MIT */
/*
 * Clients on the TCP server (net/server.h): their limits, long commands, and
 * waiting for the disk.
 */
#ifndef APPS_KV_TCP_H
#define APPS_KV_TCP_H

#include "apps/kv/kv_conn.h"
#include "net/server.h"

/* SERVER_PROGRESS_BYTES of a request, or the first request, must arrive in this
 * time: a slower client is gone, or occupies a connection on purpose. */
#define KV_REQUEST_NS   (60 * NS_PER_S)
/* The same for taking what was sent. */
#define KV_SEND_NS      (60 * NS_PER_S)
/* After the last answer, time for it to arrive and for the client to close. */
#define KV_END_NS       (3 * NS_PER_S)
/* When connections run out, clients that were idle or without progress for this
 * long are evicted, longest first: a pool's connections are used more often. */
#define KV_GRACE_NS     (20 * NS_PER_S)
/* Interval of an idle client's keepalive probes (as in Redis). */
#define KV_KEEPALIVE_MS 300000

struct kv_tcp {
    /* Set by the owner: */
    struct kv *kv;
    struct loop *loop;
    uint64_t idle_ns;     /* after it an idle client is closed; 0: never */
    size_t in_flight_max; /* bytes sent and not acknowledged, of all */
    /* Its own: */
    struct server server;
    struct task task;   /* for clients in SERVER_WORK */
    bool was_exclusive; /* a transaction took several turns */
};

/* Listen on every address. 0; -XEN_ENOMEM; -XEN_EBUSY: the port is taken. */
must_check int kv_tcp_start(struct kv_tcp *tcp, uint16_t port);
/* Stop listening and reset every connection. */
void kv_tcp_stop(struct kv_tcp *tcp);

/* For kv_aof: a batch of the journal was taken; it was written (0), or not:
 * then clients that wait for it are reset, since its fate is unknown. */
void kv_tcp_batch_begins(struct kv_tcp *tcp);
void kv_tcp_batch_ends(struct kv_tcp *tcp, int status);

#endif
