/* SPDX-License-Identifier: MIT */
/*
 * UDP sockets. Received datagrams wait in the socket's queue, bounded by
 * SO_RCVBUF; more are dropped, as the network may do. Sent data is not copied:
 * lwIP and netfront are done with it when the call returns.
 */
#include "posix/socket.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "posix/wait.h"
#include "net/memory.h"

#include "lwip/udp.h"

/* The cost of a datagram besides its bytes: this, and a pbuf. */
#define OVERHEAD_BYTES 256

#define DATAGRAM_MAX 65535 /* with its headers; lwIP's lengths have 16 bits */

struct datagram {
    struct datagram *next;
    struct pbuf *p;
    ip_addr_t from;
    uint16_t port;
};

static size_t cost(const struct datagram *datagram)
{
    return OVERHEAD_BYTES + datagram->p->tot_len;
}

/* ---- Receiving */

static bool has_room(const struct socket *socket, const struct pbuf *p)
{
    return socket->datagram.bytes + p->tot_len + OVERHEAD_BYTES <=
               socket->datagram.bytes_max &&
           memory_for_received() && !socket->reading_ended;
}

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p,
                        const ip_addr_t *from, uint16_t port)
{
    struct socket *socket = arg;
    struct datagram *datagram =
        has_room(socket, p) ? malloc(sizeof(*datagram)) : NULL;

    (void)pcb;
    if (!datagram) {
        pbuf_free(p);
        return;
    }
    *datagram = (struct datagram){.p = p, .from = *from, .port = port};
    *socket->datagram.tail = datagram;
    socket->datagram.tail = &datagram->next;
    socket->datagram.bytes += cost(datagram);
    wait_wake();
}

static void drop_first(struct socket *socket)
{
    struct datagram *datagram = socket->datagram.first;

    socket->datagram.first = datagram->next;
    if (!datagram->next)
        socket->datagram.tail = &socket->datagram.first;
    socket->datagram.bytes -= cost(datagram);
    pbuf_free(datagram->p);
    free(datagram);
}

static uint16_t copy_out(struct pbuf *p, const struct message *message)
{
    struct iovec piece;
    uint16_t done = 0;
    size_t at = 0;

    while (done < p->tot_len && message_next(message, &at, &piece)) {
        uint16_t len = (uint16_t)(p->tot_len - done);

        if (len > piece.iov_len)
            len = (uint16_t)piece.iov_len;
        done += pbuf_copy_partial(p, piece.iov_base, len, done);
    }
    return done;
}

static ssize_t datagram_receive(struct socket *socket, struct message *message)
{
    struct datagram *datagram = socket->datagram.first;
    bool want_length = message->flags & MSG_TRUNC;
    uint16_t length, copied;

    if (!datagram)
        return socket->reading_ended ? 0 : -XEN_EAGAIN;
    length = datagram->p->tot_len;
    copied = copy_out(datagram->p, message);
    message->peer = datagram->from;
    message->port = datagram->port;
    message->has_peer = true;
    if (!(message->flags & MSG_PEEK))
        drop_first(socket);
    message->flags &= ~(MSG_TRUNC | MSG_WAITALL);
    if (copied < length)
        message->flags |= MSG_TRUNC;
    return want_length ? length : copied;
}

static int datagram_waiting(struct socket *socket)
{
    return socket->datagram.first ? socket->datagram.first->p->tot_len : 0;
}

/* ---- Sending */

/* The message as pbufs that refer to its segments. NULL: no memory. */
static struct pbuf *wrap(const struct message *message)
{
    struct pbuf *whole = NULL, *p;
    struct iovec piece;
    size_t at = 0;

    while (message_next(message, &at, &piece)) {
        p = pbuf_alloc_reference(piece.iov_base, (uint16_t)piece.iov_len,
                                 PBUF_REF);
        if (!p && whole)
            pbuf_free(whole);
        if (!p)
            return NULL;
        if (whole)
            pbuf_cat(whole, p);
        else
            whole = p;
    }
    return whole ? whole : pbuf_alloc(PBUF_TRANSPORT, 0, PBUF_RAM);
}

static ssize_t datagram_send(struct socket *socket,
                             const struct message *message)
{
    struct pbuf *p;
    int err;

    if (socket->writing_ended)
        return -XEN_EPIPE;
    if (!message->has_peer && !(udp_flags(socket->udp) & UDP_FLAGS_CONNECTED))
        return -XEN_EDESTADDRREQ;
    if (message->bytes > DATAGRAM_MAX - sizeof(struct udp_hdr))
        return -XEN_EMSGSIZE;
    p = wrap(message);
    if (!p)
        return -XEN_ENOBUFS;
    err = message->has_peer
              ? udp_sendto(socket->udp, p, &message->peer, message->port)
              : udp_send(socket->udp, p);
    pbuf_free(p);
    return err ? socket_error(err) : (ssize_t)message->bytes;
}

/* ---- The rest */

static int datagram_open(struct socket *socket)
{
    socket->udp =
        udp_new_ip_type(socket->v6 ? IPADDR_TYPE_ANY : IPADDR_TYPE_V4);
    if (!socket->udp)
        return -XEN_ENOBUFS;
    socket->datagram.tail = &socket->datagram.first;
    socket->datagram.bytes_max = SOCKET_DATAGRAM_BYTES;
    udp_recv(socket->udp, on_datagram, socket);
    return 0;
}

static int datagram_bind(struct socket *socket, const ip_addr_t *ip,
                         uint16_t port)
{
    if (socket->udp->local_port)
        return -XEN_EINVAL;
    return socket_error(udp_bind(socket->udp, ip, port));
}

static int datagram_connect(struct socket *socket, const ip_addr_t *ip,
                            uint16_t port)
{
    if (ip)
        return socket_error(udp_connect(socket->udp, ip, port));
    udp_disconnect(socket->udp);
    return 0;
}

static int datagram_peer(struct socket *socket, ip_addr_t *ip, uint16_t *port)
{
    if (!(udp_flags(socket->udp) & UDP_FLAGS_CONNECTED))
        return -XEN_ENOTCONN;
    ip_addr_copy(*ip, socket->udp->remote_ip);
    *port = socket->udp->remote_port;
    return 0;
}

static int datagram_shutdown(struct socket *socket, int how)
{
    if (!(udp_flags(socket->udp) & UDP_FLAGS_CONNECTED))
        return -XEN_ENOTCONN;
    socket->reading_ended |= how != SHUT_WR;
    socket->writing_ended |= how != SHUT_RD;
    return 0;
}

static short datagram_poll(struct socket *socket)
{
    short ready = POLLOUT | POLLWRNORM;

    if (socket->datagram.first || socket->reading_ended)
        ready |= POLLIN | POLLRDNORM;
    return ready;
}

static void datagram_close(struct socket *socket)
{
    udp_remove(socket->udp);
    while (socket->datagram.first)
        drop_first(socket);
}

const struct socket_ops socket_datagram = {
    .open = datagram_open,
    .bind = datagram_bind,
    .connect = datagram_connect,
    .peer = datagram_peer,
    .send = datagram_send,
    .receive = datagram_receive,
    .waiting = datagram_waiting,
    .shutdown = datagram_shutdown,
    .poll = datagram_poll,
    .close = datagram_close,
};
