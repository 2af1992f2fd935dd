/* SPDX-License-Identifier: MIT */
/*
 * Shells over lwIP's raw TCP: who connects is a client of the database.
 */
#ifndef APPS_SQLITE_SHELL_TCP_H
#define APPS_SQLITE_SHELL_TCP_H

#include "apps/sqlite/shell_server.h"

struct tcp_pcb;
struct shell_peer;

/* The client must take something of an answer in this time. */
#define SHELL_SEND_NS  (20 * NS_PER_S)
/* After the last answer, time for it to arrive and for the client to close. */
#define SHELL_END_NS   (3 * NS_PER_S)
/* A client that says nothing for so long is asked whether it is there, and then
 * every so often: who is gone holds no lock for more than two minutes, and who
 * has only said its last command is seen to wait for the answer. */
#define SHELL_PROBE_NS (10 * NS_PER_S)
/* What one connection has under way at most: two of a shell's pieces. */
#define SHELL_SEND_MAX 16384

struct shell_tcp {
    /* The owner's: */
    struct shell_server *server;
    uint64_t idle_ns; /* how long a client may say nothing */
    /* Its own: */
    struct tcp_pcb *listener;
    struct shell_peer *peers;
    unsigned long accepted, refused, cut_off;
};

/* Listen on every address. 0; -XEN_ENOMEM; -XEN_EBUSY: the port is taken. */
must_check int shell_tcp_start(struct shell_tcp *tcp, uint16_t port);
/* Stop listening, and reset every connection. */
void shell_tcp_stop(struct shell_tcp *tcp);

#endif
