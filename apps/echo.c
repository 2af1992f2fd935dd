/* SPDX-License-Identifier: MIT */
/*
 * The echo service (RFC 862) over TCP and UDP, on lwIP's raw API. Port 7, or
 * echo.port=PORT.
 *
 * What a client sent stays counted against its window until it has acknowledged
 * the echo of it. So a client that does not read can send no more than one
 * window, whatever it tries, and that is all it costs. If it makes no progress
 * at all for a while it is cut off; a client that is merely silent may stay.
 */
// serves: tcp 7
#include "kernel/app.h"
#include "net/net.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lwip/tcp.h"
#include "lwip/udp.h"

#define DEFAULT_PORT 7

/* lwIP calls a connection's poll function in units of half a second. */
#define POLL_HALF_SECONDS 4
/* A client that owes us an acknowledgement for so long is gone, or means harm:
 * two minutes, as of the first poll without progress. */
#define STUCK_POLLS       (120 * 2 / POLL_HALF_SECONDS)

struct client {
    struct tcp_pcb *pcb;
    struct pbuf *pending; /* received, not yet given to TCP to send */
    uint32_t unacked;     /* bytes given to it, not acknowledged */
    unsigned stuck_polls;
    bool closing; /* the client sent its FIN */
};

static struct echo {
    uint16_t port;
    uint64_t connections, bytes, cut_off; /* TCP */
    uint64_t datagrams, dropped;          /* UDP */
} echo;

/* ---- TCP */

static void forget(struct client *client)
{
    if (client->pending)
        pbuf_free(client->pending);
    free(client);
}

static void let_go(struct client *client)
{
    struct tcp_pcb *pcb = client->pcb;

    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_poll(pcb, NULL, 0);
    forget(client);
}

/* Hand TCP as much as it takes. */
static void send_pending(struct client *client)
{
    struct pbuf *p;

    while ((p = client->pending) != NULL) {
        if (tcp_write(client->pcb, p->payload, p->len, TCP_WRITE_FLAG_COPY) !=
            ERR_OK)
            return; /* no memory; on_sent or on_poll tries again */
        client->unacked += p->len;
        echo.bytes += p->len;
        client->pending = p->next;
        if (p->next)
            pbuf_ref(p->next);
        pbuf_free(p);
    }
}

/* Only when all is acknowledged: lwIP takes an earlier end for the loss of what
 * was not yet counted as received, and resets. */
static void close_if_done(struct client *client)
{
    if (client->closing && !client->pending && !client->unacked &&
        tcp_close(client->pcb) == ERR_OK)
        let_go(client);
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    struct client *client = arg;

    (void)pcb;
    (void)err;
    if (!p) {
        client->closing = true;
    } else if (!client->pending) {
        client->pending = p;
    } else {
        if (client->pending->tot_len + p->tot_len > UINT16_MAX)
            return ERR_MEM; /* lwIP keeps it and asks again */
        pbuf_cat(client->pending, p);
    }
    send_pending(client);
    close_if_done(client);
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, uint16_t bytes)
{
    struct client *client = arg;

    client->unacked -= bytes;
    client->stuck_polls = 0;
    tcp_recved(pcb, bytes);
    send_pending(client);
    close_if_done(client);
    return ERR_OK;
}

static err_t on_poll(void *arg, struct tcp_pcb *pcb)
{
    struct client *client = arg;
    bool owes = client->unacked || client->pending;

    if (owes && ++client->stuck_polls > STUCK_POLLS) {
        echo.cut_off++;
        let_go(client);
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    send_pending(client);
    close_if_done(client);
    return ERR_OK;
}

/* The connection is gone already. */
static void on_error(void *arg, err_t err)
{
    (void)err;
    forget(arg);
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct client *client;

    (void)arg;
    if (err != ERR_OK)
        return ERR_OK; /* lwIP had no memory for a connection */
    client = calloc(1, sizeof(*client));
    if (!client)
        return ERR_MEM; /* lwIP resets it */
    client->pcb = pcb;
    echo.connections++;
    tcp_arg(pcb, client);
    tcp_recv(pcb, on_recv);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_poll(pcb, on_poll, POLL_HALF_SECONDS);
    tcp_nagle_disable(pcb);
    ip_set_option(pcb, SOF_KEEPALIVE);
    return ERR_OK;
}

static int listen_tcp(void)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
    struct tcp_pcb *listener;

    if (!pcb)
        return -1;
    if (tcp_bind(pcb, IP_ANY_TYPE, echo.port) != ERR_OK)
        goto failed;
    listener = tcp_listen(pcb);
    if (!listener)
        goto failed;
    tcp_accept(listener, on_accept);
    return 0;

failed:
    tcp_close(pcb);
    return -1;
}

/* ---- UDP */

/* Two echo services could answer each other for ever, and an answer to many
 * would be an amplifier. */
static bool is_answerable(uint16_t from_port)
{
    return from_port != echo.port && from_port != DEFAULT_PORT &&
           !ip_addr_ismulticast(ip_current_dest_addr()) &&
           !ip_addr_isbroadcast(ip_current_dest_addr(), ip_current_netif());
}

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p,
                        const ip_addr_t *from, uint16_t port)
{
    (void)arg;
    echo.datagrams++;
    if (!is_answerable(port) ||
        udp_sendto_if_src(pcb, p, from, port, ip_current_netif(),
                          ip_current_dest_addr()) != ERR_OK)
        echo.dropped++;
    pbuf_free(p);
}

static int listen_udp(void)
{
    struct udp_pcb *pcb = udp_new_ip_type(IPADDR_TYPE_ANY);

    if (!pcb)
        return -1;
    if (udp_bind(pcb, IP_ANY_TYPE, echo.port) != ERR_OK) {
        udp_remove(pcb);
        return -1;
    }
    udp_recv(pcb, on_datagram, NULL);
    return 0;
}

int app_main(struct app *app)
{
    uint64_t port = DEFAULT_PORT;
    int error;

    if (options_number(app->options, "echo.port", 1, UINT16_MAX, &port) < 0)
        return 1;
    echo.port = (uint16_t)port;
    error = net_start(app);
    if (error)
        return 1;
    if (listen_tcp() || listen_udp()) {
        log_error("echo", "no memory to listen on port %u", echo.port);
        return 1;
    }
    log_info("echo", "TCP and UDP port %u", echo.port);
    error = app_run(app);
    log_info("echo",
             "%" PRIu64 " connections, %" PRIu64 " bytes, %" PRIu64
             " cut off; %" PRIu64 " datagrams, %" PRIu64 " dropped",
             echo.connections, echo.bytes, echo.cut_off, echo.datagrams,
             echo.dropped);
    return error;
}
