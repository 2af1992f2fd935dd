/* SPDX-License-Identifier: MIT */
/*
 * Shells on the TCP server (net/server.h): each connection is a client of the
 * database.
 */
#ifndef APPS_SQLITE_SHELL_TCP_H
#define APPS_SQLITE_SHELL_TCP_H

#include "apps/sqlite/shell_server.h"
#include "net/server.h"

/* The client must take SERVER_PROGRESS_BYTES of an answer in this time. */
#define SHELL_SEND_NS     (20 * NS_PER_S)
/* After the last answer, time for it to arrive and for the client to close. */
#define SHELL_END_NS      (3 * NS_PER_S)
/* A silent client gets keepalive probes after this time, and then at this
 * interval: so a client that is gone holds no lock for more than two minutes,
 * and one that is still waiting for an answer is known to be there. */
#define SHELL_PROBE_NS    (10 * NS_PER_S)
/* When connections run out, a client is evicted that has not sent its first
 * command in this time, that has paused for this long between two commands, or
 * that takes less than SERVER_PROGRESS_BYTES of an answer in this time. */
#define SHELL_GRACE_NS    (5 * NS_PER_S)
#define SHELL_THINKING_NS (60 * NS_PER_S)
#define SHELL_SLOW_NS     (5 * NS_PER_S)
/* The most that one connection has in flight: two of a shell's pieces. */
#define SHELL_SEND_MAX    16384

struct shell_tcp {
    /* The owner's: */
    struct shell_server *database;
    uint64_t idle_ns; /* how long a client may be silent */
    unsigned clients_max;
    /* Its own: */
    struct server server;
};

/* Listen on every address. 0; -XEN_ENOMEM; -XEN_EBUSY: the port is taken. */
must_check int shell_tcp_start(struct shell_tcp *tcp, uint16_t port);

#endif
