/* SPDX-License-Identifier: MIT */
/*
 * Options of sockets. A table says which there are, for which kind, and how
 * each is read and set; what is not in it is XEN_ENOPROTOOPT. All values but
 * the times and SO_LINGER are an int.
 */
#include "posix/socket.h"

#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

#include "lwip/ip.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

struct option_kind {
    int level, name;
    bool stream_only;
    /* NULL: cannot be read, or set. -XEN_ENOTCONN when the pcb is gone. */
    int (*get)(struct socket *socket, int name);
    int (*set)(struct socket *socket, int name, int value);
};

/* ---- Flags of lwIP's */

static uint8_t flag_of(int name)
{
    if (name == SO_REUSEADDR)
        return SOF_REUSEADDR;
    return name == SO_KEEPALIVE ? SOF_KEEPALIVE : SOF_BROADCAST;
}

static int get_flag(struct socket *socket, int name)
{
    return !!ip_get_option(socket->pcb, flag_of(name));
}

static int set_flag(struct socket *socket, int name, int value)
{
    if (value)
        ip_set_option(socket->pcb, flag_of(name));
    else
        ip_reset_option(socket->pcb, flag_of(name));
    return 0;
}

/* ---- The kind of a socket */

static int get_type(struct socket *socket, int name)
{
    (void)name;
    return socket->ops == &socket_stream ? SOCK_STREAM : SOCK_DGRAM;
}

static int get_listening(struct socket *socket, int name)
{
    (void)name;
    return socket->stream.state == STREAM_LISTENING;
}

static int get_buffer(struct socket *socket, int name)
{
    if (socket->ops == &socket_datagram)
        return name == SO_RCVBUF ? (int)socket->datagram.bytes_max : 65535;
    return name == SO_RCVBUF ? (int)TCP_WND : (int)TCP_SND_BUF;
}

/* Ignored for TCP, whose buffers are set in lwipopts.h: POSIX allows that. */
static int set_buffer(struct socket *socket, int name, int value)
{
    if (socket->ops != &socket_datagram || name != SO_RCVBUF)
        return 0;
    if (value > SOCKET_DATAGRAM_BYTES_MAX)
        value = SOCKET_DATAGRAM_BYTES_MAX;
    socket->datagram.bytes_max = value < 1 ? 1 : (size_t)value;
    return 0;
}

static int get_v6_only(struct socket *socket, int name)
{
    (void)name;
    return socket->v6_only;
}

static int set_v6_only(struct socket *socket, int name, int value)
{
    (void)name;
    if (!socket->v6)
        return -XEN_ENOPROTOOPT;
    socket->v6_only = value;
    IP_SET_TYPE_VAL(socket->pcb->local_ip,
                    value ? IPADDR_TYPE_V6 : IPADDR_TYPE_ANY);
    IP_SET_TYPE_VAL(socket->pcb->remote_ip,
                    value ? IPADDR_TYPE_V6 : IPADDR_TYPE_ANY);
    return 0;
}

/* ---- IP */

static int get_ip(struct socket *socket, int name)
{
    return name == IP_TOS ? socket->pcb->tos : socket->pcb->ttl;
}

static int set_ip(struct socket *socket, int name, int value)
{
    if (value < 0 || value > UINT8_MAX)
        return -XEN_EINVAL;
    if (name == IP_TOS)
        socket->pcb->tos = (uint8_t)value;
    else
        socket->pcb->ttl = (uint8_t)value;
    return 0;
}

/* ---- TCP */

static int get_no_delay(struct socket *socket, int name)
{
    (void)name;
    return tcp_nagle_disabled(socket->tcp);
}

static int set_no_delay(struct socket *socket, int name, int value)
{
    (void)name;
    if (value)
        tcp_nagle_disable(socket->tcp);
    else
        tcp_nagle_enable(socket->tcp);
    return 0;
}

static int get_segment(struct socket *socket, int name)
{
    (void)name;
    return tcp_mss(socket->tcp);
}

static int get_keep(struct socket *socket, int name)
{
    const struct tcp_pcb *pcb = socket->tcp;

    if (name == TCP_KEEPCNT)
        return (int)pcb->keep_cnt;
    return (int)((name == TCP_KEEPIDLE ? pcb->keep_idle : pcb->keep_intvl) /
                 1000);
}

static int set_keep(struct socket *socket, int name, int value)
{
    if (value < 1 || value > INT_MAX / 1000)
        return -XEN_EINVAL;
    if (name == TCP_KEEPCNT)
        socket->tcp->keep_cnt = (uint32_t)value;
    else if (name == TCP_KEEPIDLE)
        socket->tcp->keep_idle = (uint32_t)value * 1000;
    else
        socket->tcp->keep_intvl = (uint32_t)value * 1000;
    return 0;
}

static const struct option_kind kinds[] = {
    {SOL_SOCKET, SO_REUSEADDR, false, get_flag, set_flag},
    {SOL_SOCKET, SO_KEEPALIVE, true, get_flag, set_flag},
    {SOL_SOCKET, SO_BROADCAST, false, get_flag, set_flag},
    {SOL_SOCKET, SO_TYPE, false, get_type, NULL},
    {SOL_SOCKET, SO_ACCEPTCONN, true, get_listening, NULL},
    {SOL_SOCKET, SO_RCVBUF, false, get_buffer, set_buffer},
    {SOL_SOCKET, SO_SNDBUF, false, get_buffer, set_buffer},
    {IPPROTO_IP, IP_TOS, false, get_ip, set_ip},
    {IPPROTO_IP, IP_TTL, false, get_ip, set_ip},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, false, get_ip, set_ip},
    {IPPROTO_IPV6, IPV6_V6ONLY, false, get_v6_only, set_v6_only},
    {IPPROTO_TCP, TCP_NODELAY, true, get_no_delay, set_no_delay},
    {IPPROTO_TCP, TCP_MAXSEG, true, get_segment, NULL},
    {IPPROTO_TCP, TCP_KEEPIDLE, true, get_keep, set_keep},
    {IPPROTO_TCP, TCP_KEEPINTVL, true, get_keep, set_keep},
    {IPPROTO_TCP, TCP_KEEPCNT, true, get_keep, set_keep},
};

static const struct option_kind *find(const struct socket *socket, int level,
                                      int name)
{
    for (unsigned i = 0; i < array_size(kinds); i++)
        if (kinds[i].level == level && kinds[i].name == name &&
            (!kinds[i].stream_only || socket->ops == &socket_stream))
            return &kinds[i];
    return NULL;
}

/* ---- Options that are not an int */

static uint64_t *limit_of(struct socket *socket, int level, int name)
{
    if (level == SOL_SOCKET && name == SO_RCVTIMEO)
        return &socket->fd.read_limit_ns;
    if (level == SOL_SOCKET && name == SO_SNDTIMEO)
        return &socket->fd.write_limit_ns;
    return NULL;
}

static int give(void *to, socklen_t *len, const void *from, size_t bytes)
{
    if (*len > bytes)
        *len = (socklen_t)bytes;
    memcpy(to, from, *len);
    return 0;
}

static int set_limit(uint64_t *limit_ns, const void *value, socklen_t len)
{
    struct timeval time;

    if (len < sizeof(time))
        return -XEN_EINVAL;
    memcpy(&time, value, sizeof(time));
    if (time.tv_sec < 0 || time.tv_usec < 0 || time.tv_usec >= 1000000)
        return -XEN_EDOM;
    *limit_ns =
        (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_usec * NS_PER_US;
    return 0;
}

/* Off, or reset the connection on close. Waiting on close is not supported:
 * sent data is delivered in the background. */
static int set_linger(struct socket *socket, const void *value, socklen_t len)
{
    struct linger linger;

    if (len < sizeof(linger))
        return -XEN_EINVAL;
    memcpy(&linger, value, sizeof(linger));
    if (socket->ops != &socket_stream || (linger.l_onoff && linger.l_linger))
        return -XEN_ENOPROTOOPT;
    socket->stream.reset_close = linger.l_onoff;
    return 0;
}

/* ---- The calls */

static int get_int(struct socket *socket, int level, int name)
{
    const struct option_kind *kind = find(socket, level, name);

    if (level == SOL_SOCKET && name == SO_ERROR)
        return -socket_take_error(socket);
    if (!kind)
        return -XEN_ENOPROTOOPT;
    return socket->pcb ? kind->get(socket, name) : -XEN_EINVAL;
}

int socket_get(int nr, int level, int name, void *value, socklen_t *len)
{
    struct socket *socket;
    int err = socket_find(nr, &socket), result;
    uint64_t *limit_ns;

    if (err)
        return err;
    limit_ns = limit_of(socket, level, name);
    if (limit_ns) {
        struct timeval time = {
            .tv_sec = (time_t)(*limit_ns / NS_PER_S),
            .tv_usec = (suseconds_t)(*limit_ns % NS_PER_S / NS_PER_US),
        };

        return give(value, len, &time, sizeof(time));
    }
    result = get_int(socket, level, name);
    return result < 0 ? result : give(value, len, &result, sizeof(result));
}

int socket_set(int nr, int level, int name, const void *value, socklen_t len)
{
    const struct option_kind *kind;
    struct socket *socket;
    int err = socket_find(nr, &socket), number;

    if (err)
        return err;
    if (limit_of(socket, level, name))
        return set_limit(limit_of(socket, level, name), value, len);
    if (level == SOL_SOCKET && name == SO_LINGER)
        return set_linger(socket, value, len);
    kind = find(socket, level, name);
    if (!kind || !kind->set)
        return -XEN_ENOPROTOOPT;
    if (!socket->pcb || len < sizeof(number))
        return -XEN_EINVAL;
    memcpy(&number, value, sizeof(number));
    return kind->set(socket, name, number);
}
