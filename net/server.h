/* SPDX-License-Identifier: MIT */
/*
 * The TCP server that all protocols share: accepting, the connection limit,
 * eviction, held input, back-pressure, deadlines and an orderly close.
 *
 * A protocol is bytes in, bytes out. It knows nothing of the network:
 *
 *     begin      a connection is there
 *     receive    some bytes arrived: take what can be used now
 *     output     what is to be sent next ...
 *     taken      ... and how much of it was
 *     wait       what it waits for when it has nothing to send
 *     finish     the client has sent its last byte
 *     end        the connection is gone
 *
 * TLS belongs here: a protocol that wraps another one, decrypts for its receive
 * and encrypts its output.
 *
 * Each client waits for one thing at a time (enum server_wait), and for each
 * thing there is a limit. The protocol's structure for a client has
 * client_bytes bytes and begins with a struct server_client.
 */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "kernel/list.h"
#include "kernel/loop.h"

struct pbuf;
struct server;
struct tcp_pcb;

enum server_wait {
    SERVER_REQUEST, /* the first request, or the rest of one */
    SERVER_IDLE,    /* the next request */
    SERVER_SEND,    /* the client takes what was sent */
    SERVER_BLOCKED, /* what others must do first: a disk, a lock */
    SERVER_WORK,    /* a long command of its own */
    SERVER_END,     /* nothing more is sent: our FIN, then the client's */
    SERVER_WAITS,
    SERVER_RESET = SERVER_WAITS /* it cannot go on */
};

/* How long a client may wait for one thing; 0: for ever. When connections or
 * memory run out, a client that has waited in SERVER_REQUEST, _IDLE or _SEND
 * for longer than grace_ns is evicted for a new one; SERVER_STAYS: never. */
struct server_limit {
    uint64_t wait_ns, grace_ns;
};
#define SERVER_STAYS UINT64_MAX

/* A client that takes, or sends, this many bytes gets its full time again: less
 * than some hundred bytes a second does not justify a connection. */
#define SERVER_PROGRESS_BYTES 2048
/* What one connection may always have in flight: five packets of 1460. */
#define SERVER_SHARE_MIN      8192
/* Bytes of requests that wait for earlier answers: pipelines of hundreds. A
 * client that sends more without reading must retransmit it. */
#define SERVER_HELD_MAX       65536
/* Connections over the limit that get an error message; more are just reset. */
#define SERVER_REFUSING_MAX   16
/* When memory for input is short, clients whose input has waited for this long
 * are reset: a new client's SYN, retransmitted after a second, finds room. */
#define SERVER_PRESSURE_NS    (1 * NS_PER_S)
/* A client with less input waiting is not the cause: two packets. */
#define SERVER_PRESSURE_BYTES 2920
/* The buffer into which output() may write. */
#define SERVER_BUFFER_BYTES   2048

struct server_client {
    struct server *server;
    struct tcp_pcb *pcb;
    struct pbuf *held;     /* received; waits for an earlier answer */
    struct list_node node; /* in the queue of `wait` */
    uint64_t since_ns;     /* when it was queued, or last made progress */
    uint32_t in_flight;    /* bytes sent and not acknowledged */
    uint32_t progress;     /* bytes since since_ns */
    uint32_t held_ms;      /* when any of `held` was taken last; wraps */
    uint8_t wait;          /* enum server_wait */
    bool has_asked;        /* the protocol's: the first request has come */
    bool has_finished;     /* we sent FIN */
    bool has_eof;          /* the client did */
};

struct server_piece {
    const char *bytes; /* NULL: they must be fetched first */
    size_t len;        /* of those not yet fetched: the most */
    bool is_whole;     /* take all of it or nothing */
    bool is_forever;   /* it stays where it is: need not be copied */
    bool more;         /* another piece follows at once */
};

struct server_protocol {
    const char *name; /* for the log */
    size_t client_bytes;
    /* The rest of the client is zero. False: there is no room for it. */
    bool (*begin)(struct server_client *client);
    /* No room for this client: send an error before the close. */
    void (*refuse)(struct server_client *client);
    /* The connection is gone; the client's memory is freed after this. */
    void (*end)(struct server_client *client);
    /* Returns how many of the bytes were taken; they may be written to. Less
     * than len: an answer must be sent first. */
    size_t (*receive)(struct server_client *client, char *bytes, size_t len);
    /* The next bytes to send; false: nothing now. buffer
     * (SERVER_BUFFER_BYTES) may be used until taken. */
    bool (*output)(struct server_client *client, char *buffer,
                   struct server_piece *piece);
    void (*taken)(struct server_client *client, size_t len);
    /* output() gave a piece that has no bytes yet, and there is room for len:
     * fetch them, and call server_pump. NULL: there are no such pieces. */
    void (*fetch)(struct server_client *client, size_t len);
    /* The client sent its FIN, and all before it was taken. May be called
     * again. */
    void (*finish)(struct server_client *client);
    /* What the client waits for, assuming that there is nothing to send.
     * SERVER_WORK counts even if there is. */
    enum server_wait (*wait)(const struct server_client *client);
    /* The limit of client->wait has passed. True: the client is told, go on;
     * false, or NULL: reset it. */
    bool (*late)(struct server_client *client);
};

/* The calls that every protocol has, for a file that defines static functions
 * of these names. */
#define SERVER_CALLS                                                  \
    .begin = begin, .refuse = refuse, .end = end, .receive = receive, \
    .output = output, .taken = taken, .finish = finish, .wait = wait

struct server_stats {
    uint64_t accepted;  /* connections, also those refused at once */
    uint64_t refused;   /* error sent, or reset: too many, or no memory */
    uint64_t evicted;   /* closed to make room for others */
    uint64_t timed_out; /* waited too long */
    uint64_t pressed;   /* reset because their input filled the memory */
    uint64_t dropped;   /* SERVER_RESET */
    unsigned open;      /* connections now */
};

struct server {
    /* Set by the owner: */
    const struct server_protocol *protocol;
    struct loop *loop;
    struct server_limit limits[SERVER_WAITS];
    unsigned clients_max;
    size_t in_flight_max;    /* bytes sent and not acknowledged, of all clients;
                              * each gets its share of it */
    bool input_is_progress;  /* bytes of a request give it time anew */
    uint32_t probe_idle_ms;  /* silence before a keepalive probe */
    uint32_t probe_every_ms; /* 0: TCP's default */
    /* The server's: */
    struct tcp_pcb *listener;
    struct timer timer, pressure;
    struct server_queue { /* in order of arrival */
        struct list list;
        unsigned nr;
    } queues[SERVER_WAITS];
    uint64_t warned_ns;
    struct server_stats stats;
};

/* Listen on every address. 0; -XEN_ENOMEM; -XEN_EBUSY: the port is taken. */
must_check int server_start(struct server *server, uint16_t port);
/* Stop listening and reset every connection. Not started: nothing happens. */
void server_stop(struct server *server);

/* Something that the server cannot see has changed for this client: there is
 * output, or room for input. The client may be gone afterwards. */
void server_pump(struct server_client *client);
/* The client that has been in this wait for longest, or NULL. */
struct server_client *server_first(const struct server *server,
                                   enum server_wait wait);
/* server_pump() for the client that has been in this wait for longest, which
 * then moves behind the others. There must be one. */
void server_pump_next(struct server *server, enum server_wait wait);
/* server_pump() for all that are in this wait now, each once, in order. */
void server_pump_all(struct server *server, enum server_wait wait);
/* Reset the connection: end() is called. Not from receive, output or taken. */
void server_reset(struct server_client *client);

/* Only inside receive(): hand these bytes to TCP now. Returns how many it
 * took. */
size_t server_send(struct server_client *client, const char *bytes, size_t len);

/* The client's address as text, for the log. */
#define SERVER_ADDRESS_BYTES 46
void server_address(const struct server_client *client,
                    char text[SERVER_ADDRESS_BYTES]);

#endif
