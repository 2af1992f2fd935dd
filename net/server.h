/* SPDX-License-Identifier: MIT */
/*
 * One TCP server for all that serve: accepting, the limit on connections, who
 * gives way, held input, back-pressure, deadlines, and the end.
 *
 * A protocol is bytes in, bytes out. It knows no network:
 *
 *     begin      a connection is there
 *     receive    some bytes arrived: take what can be used now
 *     output     what is to be sent next ...
 *     taken      ... and how much of it was
 *     wait       what it waits for when it has nothing to send
 *     finish     the client has sent its last byte
 *     end        the connection is gone
 *
 * This is where TLS goes: a protocol that has another one inside, decrypts for
 * its receive and encrypts its output.
 *
 * Each client waits for one thing at a time (enum server_wait), and for each
 * thing there is a limit. A client is a structure of the protocol's, of
 * client_bytes, that begins with a struct server_client.
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
    SERVER_END,     /* nothing more is said: our FIN, then the client's */
    SERVER_WAITS,
    SERVER_RESET = SERVER_WAITS /* it cannot go on */
};

/* How long a client may wait for one thing; 0: for ever. With no place or
 * memory left, one that has waited for SERVER_REQUEST, _IDLE or _SEND for
 * longer than grace_ns gives way to a new one; SERVER_STAYS: never. */
struct server_limit {
    uint64_t wait_ns, grace_ns;
};
#define SERVER_STAYS UINT64_MAX

/* A client that takes, or brings, so many bytes has its time anew: slower than
 * some hundred bytes a second is no use of a place. */
#define SERVER_PROGRESS_BYTES 2048
/* What one connection may always have under way: five packets of 1460. */
#define SERVER_SHARE_MIN      8192
/* Requests that wait for the answers before them, bytes: pipelines of hundreds.
 * A client that sends more without reading has to send it again. */
#define SERVER_HELD_MAX       65536
/* Connections beyond the limit that are told so; more are just reset. */
#define SERVER_REFUSING_MAX   16
/* When memory for what arrives is short, clients whose input has waited for so
 * long are reset: a new client's SYN, sent again after a second, finds room. */
#define SERVER_PRESSURE_NS    (1 * NS_PER_S)
/* A client that has less than this waiting is no cause of it: two packets. */
#define SERVER_PRESSURE_BYTES 2920
/* Where output() may write a piece of its own. */
#define SERVER_BUFFER_BYTES   2048

struct server_client {
    struct server *server;
    struct tcp_pcb *pcb;
    struct pbuf *held;     /* received; an answer has to go first */
    struct list_node node; /* in the queue of `wait` */
    uint64_t since_ns;     /* in this queue, or of the last progress */
    uint32_t in_flight;    /* bytes sent and not acknowledged */
    uint32_t progress;     /* bytes since since_ns */
    uint32_t held_ms;      /* when any of `held` was taken last; wraps */
    uint8_t wait;          /* enum server_wait */
    bool has_asked;        /* the protocol's: its first request was here */
    bool has_finished;     /* we sent FIN */
    bool has_eof;          /* the client did */
};

struct server_piece {
    const char *bytes; /* NULL: they have to be fetched first */
    size_t len;        /* of those, the most there will be */
    bool is_whole;     /* take all of it or nothing */
    bool is_forever;   /* it stays where it is: need not be copied */
    bool more;         /* another piece follows at once */
};

struct server_protocol {
    const char *name; /* for the log */
    size_t client_bytes;
    /* The rest of the client is zero. False: there is no place for it. */
    bool (*begin)(struct server_client *client);
    /* There is no place, whoever found that: what is said before the end. */
    void (*refuse)(struct server_client *client);
    /* The connection is gone; the client's memory goes after it. */
    void (*end)(struct server_client *client);
    /* Returns how many of the bytes were taken; they may be written to. Less
     * than len: an answer is in the way. */
    size_t (*receive)(struct server_client *client, char *bytes, size_t len);
    /* The next bytes to send; false: nothing now. buffer
     * (SERVER_BUFFER_BYTES) may be used until taken. */
    bool (*output)(struct server_client *client, char *buffer,
                   struct server_piece *piece);
    void (*taken)(struct server_client *client, size_t len);
    /* There is room for len bytes of a piece without bytes: have them fetched,
     * and call server_pump. NULL: there are no such pieces. */
    void (*fetch)(struct server_client *client, size_t len);
    /* The client sent its FIN, and all before it was taken. May be called
     * again. */
    void (*finish)(struct server_client *client);
    /* What is waited for, were there nothing to send. SERVER_WORK counts even
     * if there is. */
    enum server_wait (*wait)(const struct server_client *client);
    /* The limit of client->wait is over. True: it was told, go on; false, or
     * NULL: reset it. */
    bool (*late)(struct server_client *client);
};

/* The calls that every protocol has, in a file where they are static functions
 * of these names. */
#define SERVER_CALLS                                                  \
    .begin = begin, .refuse = refuse, .end = end, .receive = receive, \
    .output = output, .taken = taken, .finish = finish, .wait = wait

struct server_stats {
    uint64_t accepted;  /* connections, also those refused at once */
    uint64_t refused;   /* told so, or reset: too many, or no memory */
    uint64_t evicted;   /* gave way to others */
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
    uint32_t probe_idle_ms;  /* a silent client is asked whether it is there */
    uint32_t probe_every_ms; /* 0: TCP's default */
    /* The server's: */
    struct tcp_pcb *listener;
    struct timer timer, pressure;
    struct server_queue { /* in the order in which they came */
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

/* Something has changed for this client that the server cannot see: there is
 * output, or room for input. The client may be gone afterwards. */
void server_pump(struct server_client *client);
/* The one that has waited for this longest, or NULL. */
struct server_client *server_first(const struct server *server,
                                   enum server_wait wait);
/* The same for the one that has waited for this longest; then it stands behind
 * the others. There must be one. */
void server_pump_next(struct server *server, enum server_wait wait);
/* The same for all that wait for this now, each once; they stand in line. */
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
