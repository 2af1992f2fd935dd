/* SPDX-License-Identifier: MIT */
/*
 * Shells on the TCP server (net/server.h): who connects is a client of the
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
/* A client that says nothing for so long is asked whether it is there, and then
 * every so often: who is gone holds no lock for more than two minutes, and who
 * has only said its last command is seen to wait for the answer. */
#define SHELL_PROBE_NS    (10 * NS_PER_S)
/* With no place left, one that has not brought its first command in this time
 * gives way; one that thinks for this long between two, or that takes less of
 * an answer than SERVER_PROGRESS_BYTES in this time. */
#define SHELL_GRACE_NS    (5 * NS_PER_S)
#define SHELL_THINKING_NS (60 * NS_PER_S)
#define SHELL_SLOW_NS     (5 * NS_PER_S)
/* What one connection has under way at most: two of a shell's pieces. */
#define SHELL_SEND_MAX    16384

struct shell_tcp {
    /* The owner's: */
    struct shell_server *database;
    uint64_t idle_ns; /* how long a client may say nothing */
    unsigned clients_max;
    /* Its own: */
    struct server server;
};

/* Listen on every address. 0; -XEN_ENOMEM; -XEN_EBUSY: the port is taken. */
must_check int shell_tcp_start(struct shell_tcp *tcp, uint16_t port);

#endif
