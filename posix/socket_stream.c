/* SPDX-License-Identifier: MIT */
/*
 * TCP sockets. lwIP's callbacks record events in the struct socket, and the
 * calls read them there. The pcb belongs to the socket until lwIP frees it
 * (on_error) or the socket gives it up (let_go); then socket->tcp is NULL.
 *
 * Received pbufs are kept as they came and counted against the window until
 * they are read (tcp_recved): so a peer can make us keep one window, not more,
 * and PENDING_BYTES before it is accepted.
 * They are linked by `next` alone, since lwIP's total lengths have 16 bits.
 *
 * A listener's connections are sockets from their handshake on, in its list;
 * lwIP counts them against the backlog until they are accepted.
 */
#include "posix/socket.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "posix/wait.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"

/* When lwIP has no memory to send, there may be no acknowledgement to trigger a
 * retry; so lwIP's poll timer does, in units of half a second. */
#define RETRY_HALF_SECONDS 1
/* What is kept of a connection before it is accepted, plus one segment: not a
 * window, since there may be as many as the backlog, and they cost their peers
 * nothing. The start of a request fits. */
#define PENDING_BYTES      2048u
#define BACKLOG_MAX        255

/* ---- lwIP's callbacks */

/* The first pbuf is used up: go on to the next. */
static void drop_first(struct socket *socket)
{
    struct pbuf *p = socket->stream.first;

    socket->stream.first = p->next;
    socket->stream.taken = 0;
    p->next = NULL;
    pbuf_free(p);
}

static err_t on_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p,
                        err_t err)
{
    struct socket *socket = arg;

    (void)err;
    if (p && socket->stream.listener &&
        socket->stream.received >= PENDING_BYTES)
        return ERR_MEM; /* lwIP keeps this one, and drops what follows */
    if (!p) {
        socket->stream.ended = true;
    } else if (socket->reading_ended) {
        tcp_recved(pcb, p->tot_len);
        pbuf_free(p);
    } else {
        socket->stream.received += p->tot_len;
        if (socket->stream.first)
            socket->stream.last->next = p;
        else
            socket->stream.first = p;
        while (p->next)
            p = p->next;
        socket->stream.last = p;
    }
    wait_wake();
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, uint16_t bytes)
{
    (void)arg, (void)pcb, (void)bytes;
    wait_wake();
    return ERR_OK;
}

static err_t on_poll(void *arg, struct tcp_pcb *pcb)
{
    struct socket *socket = arg;

    (void)pcb;
    if (socket->stream.retry)
        wait_wake();
    socket->stream.retry = false;
    return ERR_OK;
}

/* The pcb of a connection that was not accepted is gone: free all of it, or a
 * peer could make us keep any number of them. */
static void forget_pending(struct socket *socket)
{
    struct socket **at = &socket->stream.listener->stream.pending;

    while (*at != socket)
        at = &(*at)->stream.next;
    *at = socket->stream.next;
    while (socket->stream.first)
        drop_first(socket);
    free(socket);
}

/* The pcb is gone already. */
static void on_error(void *arg, err_t err)
{
    struct socket *socket = arg;

    socket->tcp = NULL;
    if (socket->stream.listener) {
        forget_pending(socket);
        return;
    }
    socket->stream.ended = true;
    if (socket->stream.state == STREAM_CONNECTING)
        socket->error = err == ERR_RST ? -XEN_ECONNREFUSED : -XEN_ETIMEDOUT;
    else
        socket->error = err == ERR_ABRT ? -XEN_ETIMEDOUT : socket_error(err);
    socket->stream.state = STREAM_CONNECTED; /* it was */
    wait_wake();
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct socket *socket = arg;

    (void)pcb, (void)err;
    socket->stream.state = STREAM_CONNECTED;
    wait_wake();
    return ERR_OK;
}

static void hear(struct socket *socket)
{
    tcp_arg(socket->tcp, socket);
    tcp_recv(socket->tcp, on_receive);
    tcp_sent(socket->tcp, on_sent);
    tcp_err(socket->tcp, on_error);
    tcp_poll(socket->tcp, on_poll, RETRY_HALF_SECONDS);
}

/* Give up the pcb: from now on it is not ours. */
static struct tcp_pcb *let_go(struct socket *socket)
{
    struct tcp_pcb *pcb = socket->tcp;

    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_poll(pcb, NULL, 0);
    socket->tcp = NULL;
    return pcb;
}

/* ---- Opening, binding, connecting */

static int stream_open(struct socket *socket)
{
    socket->tcp =
        tcp_new_ip_type(socket->v6 ? IPADDR_TYPE_ANY : IPADDR_TYPE_V4);
    if (!socket->tcp)
        return -XEN_ENOBUFS;
    hear(socket);
    return 0;
}

static int stream_bind(struct socket *socket, const ip_addr_t *ip,
                       uint16_t port)
{
    if (!socket->tcp || socket->stream.state != STREAM_NEW ||
        socket->tcp->local_port)
        return -XEN_EINVAL;
    return socket_error(tcp_bind(socket->tcp, ip, port));
}

static int stream_connect(struct socket *socket, const ip_addr_t *ip,
                          uint16_t port)
{
    int err;

    if (socket->stream.state == STREAM_CONNECTING)
        return -XEN_EALREADY;
    if (socket->stream.state != STREAM_NEW)
        return socket->error ? socket_take_error(socket) : -XEN_EISCONN;
    if (!ip)
        return -XEN_EAFNOSUPPORT;
    err = tcp_connect(socket->tcp, ip, port, on_connected);
    if (err)
        return socket_error(err);
    socket->stream.state = STREAM_CONNECTING;
    ip_addr_copy(socket->stream.peer, *ip);
    socket->stream.peer_port = port;
    return -XEN_EINPROGRESS;
}

static int stream_peer(struct socket *socket, ip_addr_t *ip, uint16_t *port)
{
    if (socket->stream.state != STREAM_CONNECTED || !socket->tcp)
        return -XEN_ENOTCONN;
    ip_addr_copy(*ip, socket->stream.peer);
    *port = socket->stream.peer_port;
    return 0;
}

/* ---- Listening */

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct socket *listener = arg, *socket, **at;

    if (err != ERR_OK || !pcb)
        return ERR_VAL; /* lwIP had no memory for a connection */
    socket = socket_make(&socket_stream, listener->v6);
    if (!socket)
        return ERR_MEM; /* lwIP resets it */
    socket->tcp = pcb;
    socket->stream.listener = listener;
    socket->stream.state = STREAM_CONNECTED;
    ip_addr_copy(socket->stream.peer, pcb->remote_ip);
    socket->stream.peer_port = pcb->remote_port;
    hear(socket);
    tcp_backlog_delayed(pcb);
    for (at = &listener->stream.pending; *at; at = &(*at)->stream.next)
        ;
    *at = socket;
    wait_wake();
    return ERR_OK;
}

int stream_listen(struct socket *socket, int backlog)
{
    struct tcp_pcb *listener;
    err_t err;

    if (socket->stream.state == STREAM_LISTENING)
        return 0;
    if (socket->stream.state != STREAM_NEW)
        return -XEN_EINVAL;
    if (!socket->tcp->local_port) {
        err = tcp_bind(socket->tcp, &socket->tcp->local_ip, 0);
        if (err)
            return socket_error(err);
    }
    if (backlog < 1 || backlog > BACKLOG_MAX)
        backlog = backlog < 1 ? 1 : BACKLOG_MAX;
    listener =
        tcp_listen_with_backlog_and_err(socket->tcp, (uint8_t)backlog, &err);
    if (!listener)
        return socket_error(err);
    socket->tcp = listener;
    socket->stream.state = STREAM_LISTENING;
    tcp_arg(listener, socket);
    tcp_accept(listener, on_accept);
    return 0;
}

int stream_accept(struct socket *listener, struct socket **socket)
{
    struct socket *next = listener->stream.pending;

    if (listener->stream.state != STREAM_LISTENING)
        return -XEN_EINVAL;
    if (!next)
        return -XEN_EAGAIN;
    listener->stream.pending = next->stream.next;
    next->stream.next = next->stream.listener = NULL;
    tcp_backlog_accepted(next->tcp);
    if (next->tcp->refused_data)
        (void)tcp_process_refused_data(next->tcp);
    *socket = next;
    return 0;
}

/* ---- Receiving */

/* The bytes were read: the peer may send as many more. */
static void count_taken(struct socket *socket, size_t bytes)
{
    socket->stream.received -= bytes;
    while (bytes && socket->tcp) {
        uint16_t part = bytes < UINT16_MAX ? (uint16_t)bytes : UINT16_MAX;

        tcp_recved(socket->tcp, part);
        bytes -= part;
    }
}

static size_t take_into(struct socket *socket, char *to, size_t bytes)
{
    size_t done = 0;

    while (done < bytes && socket->stream.first) {
        struct pbuf *p = socket->stream.first;
        size_t len = p->len - socket->stream.taken;

        if (len > bytes - done)
            len = bytes - done;
        memcpy(to + done, (char *)p->payload + socket->stream.taken, len);
        socket->stream.taken += len;
        done += len;
        if (socket->stream.taken == p->len)
            drop_first(socket);
    }
    return done;
}

/* The same, without removing it. */
static size_t peek(const struct socket *socket, char *to, size_t bytes)
{
    const struct pbuf *p = socket->stream.first;
    size_t done = 0, skip = socket->stream.taken;

    for (; p && done < bytes; p = p->next) {
        size_t len = p->len - skip;

        if (len > bytes - done)
            len = bytes - done;
        memcpy(to + done, (const char *)p->payload + skip, len);
        done += len;
        skip = 0;
    }
    return done;
}

static ssize_t nothing_received(struct socket *socket)
{
    if (socket->error)
        return socket_take_error(socket);
    if (socket->stream.ended || socket->reading_ended)
        return 0;
    return socket->stream.state == STREAM_CONNECTED ? -XEN_EAGAIN
                                                    : -XEN_ENOTCONN;
}

static ssize_t stream_receive(struct socket *socket, struct message *message)
{
    size_t done = 0, at = message->done;
    struct iovec piece;

    if (!message->bytes)
        return 0;
    if (!socket->stream.first)
        return nothing_received(socket);
    if (message->flags & MSG_PEEK) {
        message->flags &= ~MSG_WAITALL;
        if (message_next(message, &at, &piece))
            done = peek(socket, piece.iov_base, piece.iov_len);
        return (ssize_t)done;
    }
    while (socket->stream.first && message_next(message, &at, &piece))
        done += take_into(socket, piece.iov_base, piece.iov_len);
    count_taken(socket, done);
    return (ssize_t)done;
}

static int stream_waiting(struct socket *socket)
{
    return (int)socket->stream.received;
}

/* ---- Sending */

static int can_send(struct socket *socket)
{
    if (socket->error)
        return socket_take_error(socket);
    if (socket->writing_ended)
        return -XEN_EPIPE;
    if (socket->stream.state != STREAM_CONNECTED)
        return socket->stream.state == STREAM_CONNECTING ? -XEN_EAGAIN
                                                         : -XEN_ENOTCONN;
    return socket->tcp ? 0 : -XEN_EPIPE;
}

/* Hand a segment to lwIP; returns how much it took. */
static size_t give(struct socket *socket, const struct iovec *piece)
{
    size_t len = piece->iov_len, room = tcp_sndbuf(socket->tcp);

    if (len > room)
        len = room;
    if (len > UINT16_MAX)
        len = UINT16_MAX;
    if (!len || tcp_write(socket->tcp, piece->iov_base, (uint16_t)len,
                          TCP_WRITE_FLAG_COPY) == ERR_OK)
        return len;
    socket->stream.retry = true;
    return 0;
}

static ssize_t stream_send(struct socket *socket, const struct message *message)
{
    size_t done = 0, at = message->done;
    struct iovec piece;
    int err = can_send(socket);

    if (err)
        return err;
    while (message_next(message, &at, &piece)) {
        size_t len = give(socket, &piece);

        done += len;
        if (len < piece.iov_len) {
            at = message->done + done;
            if (!len)
                break;
        }
    }
    if (done)
        tcp_output(socket->tcp);
    return done || !message->bytes ? (ssize_t)done : -XEN_EAGAIN;
}

/* ---- The rest */

static void forget_received(struct socket *socket)
{
    while (socket->stream.first)
        drop_first(socket);
    count_taken(socket, socket->stream.received);
}

static int stream_shutdown(struct socket *socket, int how)
{
    if (socket->stream.state != STREAM_CONNECTED || !socket->tcp)
        return -XEN_ENOTCONN;
    if (how != SHUT_WR) {
        socket->reading_ended = true;
        forget_received(socket);
    }
    if (how == SHUT_RD || socket->writing_ended)
        return 0;
    socket->writing_ended = true;
    return socket_error(tcp_shutdown(socket->tcp, 0, 1));
}

static bool is_writable(const struct socket *socket)
{
    return socket->tcp && tcp_sndbuf(socket->tcp) &&
           tcp_sndqueuelen(socket->tcp) < TCP_SND_QUEUELEN &&
           !socket->stream.retry;
}

static short poll_connected(const struct socket *socket)
{
    bool ended = socket->stream.ended || socket->reading_ended;
    short ready = 0;

    if (socket->stream.first || ended)
        ready |= POLLIN | POLLRDNORM;
    if (is_writable(socket) || socket->writing_ended || !socket->tcp)
        ready |= POLLOUT | POLLWRNORM;
    if (!socket->tcp || (ended && socket->writing_ended))
        ready |= POLLHUP;
    return ready;
}

static short stream_poll(struct socket *socket)
{
    short error = socket->error ? POLLERR : 0;

    switch (socket->stream.state) {
    case STREAM_LISTENING:
        return socket->stream.pending ? POLLIN | POLLRDNORM : 0;
    case STREAM_CONNECTED:
        return error | poll_connected(socket);
    case STREAM_CONNECTING:
        return 0;
    default:
        return POLLOUT | POLLHUP;
    }
}

static void close_connection(struct socket *socket)
{
    struct tcp_pcb *pcb;
    bool reset = socket->stream.reset_close || socket->stream.first;

    while (socket->stream.first)
        drop_first(socket);
    if (!socket->tcp)
        return;
    pcb = let_go(socket);
    if (reset)
        tcp_abort(pcb); /* RFC 1122, 4.2.2.13: unread data */
    else
        (void)tcp_close(pcb); /* without memory, lwIP tries again itself */
}

static void close_pending(struct socket *listener)
{
    struct socket *socket;

    while ((socket = listener->stream.pending)) {
        listener->stream.pending = socket->stream.next;
        socket->stream.reset_close = true;
        close_connection(socket);
        free(socket);
    }
}

static void stream_close(struct socket *socket)
{
    if (socket->stream.state != STREAM_LISTENING) {
        close_connection(socket);
        return;
    }
    close_pending(socket);
    tcp_arg(socket->tcp, NULL);
    tcp_accept(socket->tcp, NULL);
    (void)tcp_close(socket->tcp);
}

const struct socket_ops socket_stream = {
    .open = stream_open,
    .bind = stream_bind,
    .connect = stream_connect,
    .peer = stream_peer,
    .send = stream_send,
    .receive = stream_receive,
    .waiting = stream_waiting,
    .shutdown = stream_shutdown,
    .poll = stream_poll,
    .close = stream_close,
};

bool stream_any_unsent(void)
{
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
        if (pcb->unsent || pcb->unacked)
            return true;
    return false;
}
