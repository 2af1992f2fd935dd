/* SPDX-License-Identifier: MIT */
/*
 * HTTP on the TCP server (net/server.h): its clients' limits, and the answer
 * when one is exceeded.
 */
#ifndef HTTP_TCP_H
#define HTTP_TCP_H

#include "http/http_conn.h"
#include "net/server.h"

/* The time for a complete request, head and body: a browser on a bad radio link
 * needs some seconds; a client that needs more occupies a connection on
 * purpose. */
#define HTTP_REQUEST_NS (20 * NS_PER_S)
/* The client must take SERVER_PROGRESS_BYTES of an answer, or the rest of it,
 * in this time: a real reader takes more than 100 bytes a second. The same
 * limit holds for the disk. */
#define HTTP_SEND_NS    (20 * NS_PER_S)
/* After the last answer, time for its last packet to arrive and for the client
 * to close. */
#define HTTP_END_NS     (3 * NS_PER_S)
/* When connections run out, a client that has not sent its first request in
 * this time is evicted. A request normally follows within a round trip. */
#define HTTP_GRACE_NS   (2 * NS_PER_S)
/* So is one that takes less than SERVER_PROGRESS_BYTES in this time. */
#define HTTP_SLOW_NS    (5 * NS_PER_S)

/* The owner sets `site` and, in `server`, loop, clients_max, in_flight_max and
 * limits[SERVER_IDLE].wait_ns. */
struct http_tcp {
    struct http_site *site;
    struct server server;
};

/* Listen on every address. 0; -XEN_ENOMEM; -XEN_EBUSY: the port is taken. */
must_check int http_tcp_start(struct http_tcp *tcp, uint16_t port);

/* For http_site.access: one line at debug level. */
void http_tcp_log(const struct http_conn *conn, struct http_field line,
                  int status);

#endif
