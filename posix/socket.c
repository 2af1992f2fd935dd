/* SPDX-License-Identifier: MIT */
/*
 * Sockets: what TCP and UDP have in common, and the parts of each call that
 * wait. socket_stream.c and socket_datagram.c are the kinds; in lwIP's
 * callbacks they record what happened, and wake the program (wait.h).
 */
#include "posix/socket.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "kernel/app.h"
#include "posix/program.h"
#include "posix/wait.h"
#include "net/loopback.h"
#include "net/net.h"

#include "lwip/ip.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"
#include "xen/hv.h"

/* At the end of the program: the interval of checks that all has arrived. */
#define LINGER_STEP_NS (10 * NS_PER_MS)

/* ---- Errors */

int socket_error(int err)
{
    static const int errors[] = {
        [-ERR_MEM] = XEN_ENOBUFS,         [-ERR_BUF] = XEN_ENOBUFS,
        [-ERR_TIMEOUT] = XEN_ETIMEDOUT,   [-ERR_RTE] = XEN_ENETUNREACH,
        [-ERR_INPROGRESS] = XEN_EALREADY, [-ERR_VAL] = XEN_EINVAL,
        [-ERR_WOULDBLOCK] = XEN_EAGAIN,   [-ERR_USE] = XEN_EADDRINUSE,
        [-ERR_ALREADY] = XEN_EALREADY,    [-ERR_ISCONN] = XEN_EISCONN,
        [-ERR_CONN] = XEN_ENOTCONN,       [-ERR_IF] = XEN_ENETDOWN,
        [-ERR_ABRT] = XEN_ECONNABORTED,   [-ERR_RST] = XEN_ECONNRESET,
        [-ERR_CLSD] = XEN_ECONNRESET,     [-ERR_ARG] = XEN_EINVAL,
    };

    return -errors[-err];
}

int socket_take_error(struct socket *socket)
{
    int error = socket->error;

    socket->error = 0;
    return error;
}

/* ---- The network */

static struct {
    bool awaited; /* once is enough */
} net;

static void net_changed(void *arg)
{
    (void)arg;
    wait_wake();
}

void socket_await_net(void)
{
    uint64_t due_ns = hv_now_ns() + SOCKET_NET_NS;
    int err = 0;

    while (!net.awaited && !net_is_up() && !err)
        err = wait_until(due_ns);
    net.awaited = true;
}

int sockets_start(struct app *app)
{
    int err;

    net.awaited = false;
    net_listen(net_changed, NULL);
    err = net_start(app);
    if (!err)
        loopback_start(app->loop);
    return err;
}

void sockets_stop(void)
{
    uint64_t due_ns = hv_now_ns() + SOCKET_LINGER_NS;
    int err = 0;

    while (stream_any_unsent() && hv_now_ns() < due_ns && err != -XEN_EAGAIN)
        err = wait_until(hv_now_ns() + LINGER_STEP_NS);
    net_stop();
}

/* ---- Descriptors */

static struct socket *socket_of(struct fd *fd)
{
    return container_of(fd, struct socket, fd);
}

static ssize_t socket_read(struct fd *fd, void *to, size_t bytes)
{
    struct iovec piece = {to, bytes};
    struct message message = {
        .pieces = &piece,
        .nr_pieces = 1,
        .bytes = bytes,
    };

    return socket_of(fd)->ops->receive(socket_of(fd), &message);
}

static ssize_t socket_write(struct fd *fd, const void *from, size_t bytes)
{
    struct iovec piece = {(void *)from, bytes};
    struct message message = {
        .pieces = &piece,
        .nr_pieces = 1,
        .bytes = bytes,
    };

    return socket_of(fd)->ops->send(socket_of(fd), &message);
}

static int socket_stat(struct fd *fd, struct stat *stat)
{
    (void)fd;
    stat->st_mode = S_IFSOCK | S_IRUSR | S_IWUSR;
    stat->st_blksize = TCP_MSS;
    return 0;
}

static int socket_waiting(struct fd *fd, int *bytes)
{
    *bytes = socket_of(fd)->ops->waiting(socket_of(fd));
    return 0;
}

static short socket_poll(struct fd *fd)
{
    return socket_of(fd)->ops->poll(socket_of(fd));
}

static int socket_close(struct fd *fd)
{
    struct socket *socket = socket_of(fd);

    socket->ops->close(socket);
    free(socket);
    return 0;
}

static ssize_t socket_writev(struct fd *fd, const struct iovec *pieces, int nr);

static const struct fd_ops fd_ops = {
    .read = socket_read,
    .write = socket_write,
    .writev = socket_writev,
    .stat = socket_stat,
    .waiting = socket_waiting,
    .poll = socket_poll,
    .close = socket_close,
};

struct socket *socket_make(const struct socket_ops *ops, bool v6)
{
    struct socket *socket = calloc(1, sizeof(*socket));

    if (!socket)
        return NULL;
    socket->fd = (struct fd){.ops = &fd_ops, .flags = O_RDWR};
    socket->ops = ops;
    socket->v6 = v6;
    return socket;
}

int socket_find(int nr, struct socket **socket)
{
    struct fd *fd = fd_get(nr);

    if (!fd)
        return -XEN_EBADF;
    if (fd->ops != &fd_ops)
        return -XEN_ENOTSOCK;
    *socket = socket_of(fd);
    return 0;
}

/* ---- Making and naming */

static const struct socket_ops *ops_of(int type, int protocol)
{
    if (type == SOCK_STREAM && (!protocol || protocol == IPPROTO_TCP))
        return &socket_stream;
    if (type == SOCK_DGRAM && (!protocol || protocol == IPPROTO_UDP))
        return &socket_datagram;
    return NULL;
}

static int add(struct socket *socket, int flags)
{
    int nr = fd_add(&socket->fd, 0);

    if (nr < 0) {
        (void)socket_close(&socket->fd);
        return nr;
    }
    if (flags & SOCK_NONBLOCK)
        socket->fd.flags |= O_NONBLOCK;
    fd_set_close_on_exec(nr, flags & SOCK_CLOEXEC);
    return nr;
}

int socket_open(int family, int type, int protocol)
{
    int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    const struct socket_ops *ops = ops_of(type & ~flags, protocol);
    struct socket *socket;
    int err = wait_needed("sockets");

    if (err)
        return err;
    if (family != AF_INET && family != AF_INET6)
        return -XEN_EAFNOSUPPORT;
    if (!ops)
        return -XEN_EPROTONOSUPPORT;
    socket = socket_make(ops, family == AF_INET6);
    if (!socket)
        return -XEN_ENOMEM;
    err = ops->open(socket);
    if (err) {
        free(socket);
        return err;
    }
    return add(socket, flags);
}

int socket_bind(int nr, const struct sockaddr *address, socklen_t len)
{
    struct socket *socket;
    ip_addr_t ip;
    uint16_t port;
    int err = socket_find(nr, &socket);

    if (!err)
        err = address_take(socket, address, len, &ip, &port);
    if (err)
        return err;
    if (socket->v6 && !socket->v6_only && ip_addr_isany(&ip))
        ip_addr_copy(ip, *IP_ANY_TYPE);
    return socket->ops->bind(socket, &ip, port);
}

int socket_listen(int nr, int backlog)
{
    struct socket *socket;
    int err = socket_find(nr, &socket);

    if (err)
        return err;
    if (socket->ops != &socket_stream)
        return -XEN_EOPNOTSUPP;
    return stream_listen(socket, backlog);
}

int socket_accept(int nr, struct sockaddr *address, socklen_t *len, int flags)
{
    struct socket *listener, *socket = NULL;
    unsigned tries = 0;
    uint64_t due_ns;
    int err = socket_find(nr, &listener);

    if (err)
        return err;
    if (listener->ops != &socket_stream)
        return -XEN_EOPNOTSUPP;
    due_ns = fd_due(listener->fd.read_limit_ns);
    do {
        err = stream_accept(listener, &socket);
        if (err == -XEN_EAGAIN)
            err = fd_again(fd_waits(&listener->fd), due_ns, &tries);
    } while (!err && !socket);
    if (err)
        return err;
    address_give(socket->v6, &socket->stream.peer, socket->stream.peer_port,
                 address, len);
    return add(socket, flags);
}

/* Wait until a connection attempt has succeeded or failed. */
static int await_connected(struct socket *socket)
{
    uint64_t due_ns = fd_due(socket->fd.write_limit_ns);
    int err = 0;

    while (socket->stream.state == STREAM_CONNECTING && !err)
        err = wait_until(due_ns);
    if (err)
        return err == -XEN_ETIMEDOUT || err == -XEN_EAGAIN ? -XEN_EINPROGRESS
                                                           : err;
    return socket_take_error(socket);
}

int socket_connect(int nr, const struct sockaddr *address, socklen_t len)
{
    struct socket *socket;
    ip_addr_t ip;
    uint16_t port;
    int err = socket_find(nr, &socket);

    if (err)
        return err;
    if (address && len >= sizeof(sa_family_t) &&
        address->sa_family == AF_UNSPEC)
        return socket->ops->connect(socket, NULL, 0);
    err = address_take(socket, address, len, &ip, &port);
    if (err)
        return err;
    if (!ip_addr_isloopback(&ip))
        socket_await_net();
    err = socket->ops->connect(socket, &ip, port);
    if (err != -XEN_EINPROGRESS || socket->fd.flags & O_NONBLOCK)
        return err;
    return await_connected(socket);
}

int socket_shutdown(int nr, int how)
{
    struct socket *socket;
    int err = socket_find(nr, &socket);

    if (err)
        return err;
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -XEN_EINVAL;
    return socket->ops->shutdown(socket, how);
}

int socket_name(int nr, struct sockaddr *address, socklen_t *len)
{
    struct socket *socket;
    int err = socket_find(nr, &socket);

    if (err)
        return err;
    if (!socket->pcb)
        return -XEN_EINVAL;
    address_give(socket->v6, &socket->pcb->local_ip,
                 socket->ops == &socket_stream ? socket->tcp->local_port
                                               : socket->udp->local_port,
                 address, len);
    return 0;
}

int socket_peer(int nr, struct sockaddr *address, socklen_t *len)
{
    struct socket *socket;
    int err = socket_find(nr, &socket);
    ip_addr_t ip;
    uint16_t port;

    if (!err)
        err = socket->ops->peer(socket, &ip, &port);
    if (!err)
        address_give(socket->v6, &ip, port, address, len);
    return err;
}

/* ---- Sending and receiving */

bool message_next(const struct message *message, size_t *at,
                  struct iovec *piece)
{
    size_t begin = 0;

    for (int i = 0; i < message->nr_pieces; i++) {
        size_t len = message->pieces[i].iov_len, skip = *at - begin;

        if (*at < begin + len) {
            piece->iov_base = (char *)message->pieces[i].iov_base + skip;
            piece->iov_len = len - skip;
            *at = begin + len;
            return true;
        }
        begin += len;
    }
    return false;
}

static bool may_wait(const struct socket *socket, const struct message *message)
{
    return fd_waits(&socket->fd) && !(message->flags & MSG_DONTWAIT);
}

static int take_pieces(struct message *message, const struct iovec *pieces,
                       size_t nr)
{
    if (nr > FD_PIECES_MAX)
        return -XEN_EMSGSIZE;
    message->pieces = pieces;
    message->nr_pieces = (int)nr;
    for (size_t i = 0; i < nr; i++)
        if (__builtin_add_overflow(message->bytes, pieces[i].iov_len,
                                   &message->bytes))
            return -XEN_EINVAL;
    return message->bytes <= INT_MAX ? 0 : -XEN_EINVAL;
}

static ssize_t send_all(struct socket *socket, struct message *message)
{
    uint64_t due_ns = fd_due(socket->fd.write_limit_ns);
    unsigned tries = 0;

    do {
        ssize_t n = socket->ops->send(socket, message);

        if (n >= 0)
            message->done += (size_t)n;
        else if (n == -XEN_EAGAIN)
            n = fd_again(may_wait(socket, message), due_ns, &tries);
        if (n < 0)
            return message->done ? (ssize_t)message->done : n;
    } while (message->done < message->bytes);
    return (ssize_t)message->done;
}

static ssize_t socket_writev(struct fd *fd, const struct iovec *pieces, int nr)
{
    struct message message = {.flags = 0};
    int err = nr < 0 ? -XEN_EINVAL : take_pieces(&message, pieces, (size_t)nr);

    return err ? err : send_all(socket_of(fd), &message);
}

ssize_t socket_send(int nr, const struct msghdr *header, int flags)
{
    struct message message = {.flags = flags};
    struct socket *socket;
    int err = socket_find(nr, &socket);

    if (!err)
        err = take_pieces(&message, header->msg_iov, header->msg_iovlen);
    if (!err && header->msg_name) {
        message.has_peer = true;
        err = address_take(socket, header->msg_name, header->msg_namelen,
                           &message.peer, &message.port);
    }
    if (err)
        return err;
    if (message.has_peer && !ip_addr_isloopback(&message.peer))
        socket_await_net();
    return send_all(socket, &message);
}

/* Wait until something came; with MSG_WAITALL, until all came, or the end. */
static ssize_t receive(struct socket *socket, struct message *message)
{
    uint64_t due_ns = fd_due(socket->fd.read_limit_ns);
    unsigned tries = 0;
    ssize_t n;

    do {
        n = socket->ops->receive(socket, message);
        if (n == -XEN_EAGAIN) {
            n = fd_again(may_wait(socket, message), due_ns, &tries);
            if (!n)
                continue;
        }
        if (n <= 0)
            return message->done ? (ssize_t)message->done : n;
        message->done += (size_t)n;
        if (!(message->flags & MSG_WAITALL))
            break;
    } while (message->done < message->bytes);
    return (ssize_t)message->done;
}

ssize_t socket_receive(int nr, struct msghdr *header, int flags)
{
    struct message message = {.flags = flags};
    struct socket *socket;
    int err = socket_find(nr, &socket);
    ssize_t n;

    if (!err)
        err = take_pieces(&message, header->msg_iov, header->msg_iovlen);
    if (err)
        return err;
    n = receive(socket, &message);
    if (n < 0)
        return n;
    header->msg_controllen = 0;
    header->msg_flags = message.flags & MSG_TRUNC;
    if (!message.has_peer)
        header->msg_namelen = 0;
    else
        address_give(socket->v6, &message.peer, message.port, header->msg_name,
                     &header->msg_namelen);
    return n;
}
