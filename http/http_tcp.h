/* SPDX-License-Identifier: MIT */
/*
 * HTTP connections on lwIP's raw TCP: accepting, feeding, sending with
 * back-pressure, and an end for everyone who is slow.
 */
#ifndef HTTP_TCP_H
#define HTTP_TCP_H

#include "http/http_conn.h"
#include "kernel/loop.h"

struct tcp_pcb;
struct http_client;

/* Every connection is in one queue, by what it is waited for. */
enum http_wait {
    HTTP_WAIT_IDLE,    /* the next request */
    HTTP_WAIT_REQUEST, /* the first request, or the rest of one */
    HTTP_WAIT_SEND,    /* the client to take what was sent */
    HTTP_WAIT_END,     /* the client's FIN */
    HTTP_WAITS
};

/* A complete request, head and body: a person's browser on a bad radio link
 * needs some seconds; who needs more is holding a place on purpose. */
#define HTTP_REQUEST_NS   (20 * NS_PER_S)
/* The client must take HTTP_SEND_BYTES of an answer, or what is left of it, in
 * this time: slower than 100 bytes a second is no reader. */
#define HTTP_SEND_NS      (20 * NS_PER_S)
#define HTTP_SEND_BYTES   2048
/* After the last answer, time for its last packet to arrive and for the client
 * to close. */
#define HTTP_END_NS       (3 * NS_PER_S)
/* With no place left, one that has not brought its first request in this time
 * gives way. A request follows its connection within a round trip. */
#define HTTP_GRACE_NS     (2 * NS_PER_S)
/* Connections beyond the limit that are told 503; more are just reset. */
#define HTTP_REFUSING_MAX 16
/* What one connection may always have under way: five packets of 1460. */
#define HTTP_SHARE_MIN    8192
/* Requests that wait for the answers before them, bytes: pipelines of hundreds.
 * A client that sends more without reading has to send it again. */
#define HTTP_HELD_MAX     65536

struct http_tcp {
    /* Set by the owner: */
    struct http_site *site;
    struct loop *loop;
    unsigned connections_max;
    uint64_t idle_ns;     /* a connection without a request is closed */
    size_t in_flight_max; /* bytes sent and not acknowledged, of all
                           * connections; each gets its share of it */
    /* The server's: */
    struct tcp_pcb *listener;
    struct timer timer;
    struct http_queue { /* ordered by due_ns, since the wait is constant */
        struct http_client *first, **last;
        unsigned nr;
    } queues[HTTP_WAITS];
    uint64_t warned_ns;
};

/* Listen on every address. 0; -XEN_ENOMEM; -XEN_EBUSY: the port is taken. */
must_check int http_tcp_start(struct http_tcp *tcp, uint16_t port);
/* Stop listening and reset every connection. */
void http_tcp_stop(struct http_tcp *tcp);

/* For http_site.access: one line at debug level. */
void http_tcp_log(const struct http_conn *conn, struct http_field line,
                  int status);

#endif
