/* SPDX-License-Identifier: MIT */
/*
 * Sockets on lwIP's raw API: TCP and UDP, IPv4 and IPv6.
 *
 * An IPv6 socket serves IPv4 as well, with mapped addresses (RFC 4291,
 * 2.5.5.2), unless IPV6_V6ONLY. A call that needs an
 * address of this guest's (connect, sendto and their likes) waits for one, once
 * and at most SOCKET_NET_NS, since DHCP takes time.
 *
 * Limits on what peers can make a socket keep: for TCP its window (lwipopts.h),
 * for UDP SO_RCVBUF bytes, for a listener its backlog; for all together
 * net/memory.c's limit.
 *
 * Results are 0 or more, or a negative XEN_E*. The POSIX names are
 * in posix_sockets.c.
 */
#ifndef POSIX_SOCKET_H
#define POSIX_SOCKET_H

/* We declare the C library's names for these. */
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS
#include <netinet/in.h>
#include <sys/socket.h>

#include "posix/fd.h"

#include "lwip/ip_addr.h"

/* DHCP and SLAAC take a second or two. */
#define SOCKET_NET_NS             (10 * NS_PER_S)
/* At the end of the program: how long sent data may take to arrive. */
#define SOCKET_LINGER_NS          (5 * NS_PER_S)
/* Initial SO_RCVBUF of a UDP socket: some 40 datagrams of 1500 bytes. */
#define SOCKET_DATAGRAM_BYTES     (64 * 1024)
#define SOCKET_DATAGRAM_BYTES_MAX (4 * 1024 * 1024)

struct pbuf;
struct tcp_pcb;
struct udp_pcb;
struct socket;

/* A message to send or receive: its iovec, and its peer. */
struct message {
    const struct iovec *pieces;
    int nr_pieces;
    size_t bytes;   /* of all pieces */
    size_t done;    /* of them, by earlier calls */
    ip_addr_t peer; /* to send to, if has_peer; or received from */
    uint16_t port;
    bool has_peer;
    int flags; /* MSG_*; those of msghdr when received */
};

/* TCP or UDP. None waits: see fd.h. */
struct socket_ops {
    int (*open)(struct socket *socket);
    int (*bind)(struct socket *socket, const ip_addr_t *ip, uint16_t port);
    /* -XEN_EINPROGRESS: socket->stream.state will tell. ip NULL: undo it. */
    int (*connect)(struct socket *socket, const ip_addr_t *ip, uint16_t port);
    int (*peer)(struct socket *socket, ip_addr_t *ip, uint16_t *port);
    /* Returns the bytes sent, from message->done on. */
    ssize_t (*send)(struct socket *socket, const struct message *message);
    ssize_t (*receive)(struct socket *socket, struct message *message);
    int (*waiting)(struct socket *socket);
    int (*shutdown)(struct socket *socket, int how);
    short (*poll)(struct socket *socket);
    void (*close)(struct socket *socket);
};

/* Iterate over a message's iovec from `done` bytes on: sets *piece to the next
 * segment. *at is message->done at first; false: no more. */
bool message_next(const struct message *message, size_t *at,
                  struct iovec *piece);

struct datagram;

struct socket {
    struct fd fd;
    const struct socket_ops *ops;
    bool v6, v6_only;
    bool reading_ended, writing_ended; /* by shutdown */
    int error; /* SO_ERROR: negative, reported once; 0: none */
    union {
        struct ip_pcb *pcb; /* what both begin with; NULL: no pcb */
        struct tcp_pcb *tcp;
        struct udp_pcb *udp;
    };
    union {
        struct {
            enum {
                STREAM_NEW,
                STREAM_CONNECTING,
                STREAM_CONNECTED,
                STREAM_LISTENING,
            } state;
            bool ended;                /* the peer sends no more */
            bool reset_close;          /* SO_LINGER with 0 */
            bool retry;                /* lwIP had no memory to send */
            struct pbuf *first, *last; /* received; linked by next alone */
            size_t taken;              /* bytes of the first */
            size_t received;           /* bytes not taken */
            /* Connections not yet accepted; in each of them, the next one. */
            struct socket *pending, *next;
            struct socket *listener; /* not yet accepted from this one */
            ip_addr_t peer;
            uint16_t peer_port;
        } stream;
        struct {
            struct datagram *first, **tail;
            size_t bytes, bytes_max;
        } datagram;
    };
};

/* ---- The calls */

int socket_open(int family, int type, int protocol);
int socket_bind(int nr, const struct sockaddr *address, socklen_t len);
int socket_listen(int nr, int backlog);
int socket_accept(int nr, struct sockaddr *address, socklen_t *len, int flags);
int socket_connect(int nr, const struct sockaddr *address, socklen_t len);
int socket_shutdown(int nr, int how);
int socket_name(int nr, struct sockaddr *address, socklen_t *len);
int socket_peer(int nr, struct sockaddr *address, socklen_t *len);
ssize_t socket_send(int nr, const struct msghdr *message, int flags);
ssize_t socket_receive(int nr, struct msghdr *message, int flags);

/* socket_options.c */
int socket_get(int nr, int level, int name, void *value, socklen_t *len);
int socket_set(int nr, int level, int name, const void *value, socklen_t len);

/* Wait for an address, if there is none; also for name lookups. */
void socket_await_net(void);

/* ---- Between the files */

extern const struct socket_ops socket_stream, socket_datagram;

/* NULL: no memory. */
struct socket *socket_make(const struct socket_ops *ops, bool v6);
/* -XEN_EBADF, -XEN_ENOTSOCK. */
int socket_find(int nr, struct socket **socket);
/* Return the pending error and clear it; or 0. */
int socket_take_error(struct socket *socket);
/* lwIP's errors. */
int socket_error(int err);

/* socket_stream.c */
int stream_listen(struct socket *socket, int backlog);
/* -XEN_EAGAIN: none is there. */
int stream_accept(struct socket *listener, struct socket **socket);
/* Is any sent data still unacknowledged? */
bool stream_any_unsent(void);

/* socket_address.c: between sockaddr and lwIP's. */
int address_take(const struct socket *socket, const struct sockaddr *address,
                 socklen_t len, ip_addr_t *ip, uint16_t *port);
/* As in POSIX: truncated at *len, which is set to the true length. */
void address_give(bool v6, const ip_addr_t *ip, uint16_t port,
                  struct sockaddr *address, socklen_t *len);
/* The same, without truncation. Returns the length. */
socklen_t address_fill(bool v6, const ip_addr_t *ip, uint16_t port,
                       struct sockaddr_storage *address);

#endif
