/* SPDX-License-Identifier: MIT */
/*
 * The echo service (RFC 862) over TCP and UDP, on lwIP's raw API. Port 7, or
 * echo.port=PORT.
 *
 * What a client sends is returned as far as TCP has room for it; the rest stays
 * in the client's window. So a client that does not read can send no more than
 * one window plus UNDER_WAY, and costs no more memory than that. A client that
 * makes no progress at all for a while is cut off; one that is merely silent
 * may stay.
 */
// serves: tcp 7
#include "kernel/app.h"
#include "net/net.h"
#include "net/server.h"

#include <inttypes.h>

#include "lwip/udp.h"

#define DEFAULT_PORT 7

/* A client that owes us acknowledgements for this long is gone, or hostile. */
#define STUCK_NS  (120 * NS_PER_S)
/* The time for its last packet and its FIN to arrive. */
#define END_NS    (3 * NS_PER_S)
/* The most that one client may leave unacknowledged: enough for 100 Mbit/s at 5
 * ms. */
#define UNDER_WAY 65536
/* More are reset: each may cost its window and what is sent back. */
#define CLIENTS   10000
/* A silent client gets a keepalive probe after two hours (RFC 9293 3.8.4), and
 * may stay. */
#define PROBE_MS  7200000

struct client {
    struct server_client client;
    bool has_ended;
};

static struct echo {
    struct server server;
    uint64_t bytes;              /* TCP */
    uint64_t datagrams, dropped; /* UDP */
    uint16_t port;
} echo;

/* ---- TCP */

static bool begin(struct server_client *client)
{
    (void)client;
    return true;
}

static void end(struct server_client *client)
{
    (void)client;
}

/* What TCP has no room for stays in the client's window. */
static size_t receive(struct server_client *client, char *bytes, size_t len)
{
    size_t room = UNDER_WAY - client->in_flight;
    size_t sent = server_send(client, bytes, len < room ? len : room);

    echo.bytes += sent;
    return sent;
}

static bool output(struct server_client *client, char *buffer,
                   struct server_piece *piece)
{
    (void)client, (void)buffer, (void)piece;
    return false; /* receive has sent it */
}

static void taken(struct server_client *client, size_t len)
{
    (void)client, (void)len;
}

static void finish(struct server_client *client)
{
    container_of(client, struct client, client)->has_ended = true;
}

/* No connection is left: close it at once. */
static void refuse(struct server_client *client)
{
    finish(client);
}

static enum server_wait wait(const struct server_client *client)
{
    if (container_of(client, const struct client, client)->has_ended)
        return SERVER_END;
    return client->held ? SERVER_SEND : SERVER_IDLE;
}

static const struct server_protocol protocol = {
    .name = "echo",
    .client_bytes = sizeof(struct client),
    SERVER_CALLS,
};

static int listen_tcp(struct app *app)
{
    echo.server = (struct server){
        .protocol = &protocol,
        .loop = app->loop,
        .clients_max = CLIENTS,
        .in_flight_max = SIZE_MAX,
        .probe_idle_ms = PROBE_MS,
        .limits = {[SERVER_REQUEST].grace_ns = SERVER_STAYS,
                   [SERVER_IDLE].grace_ns = SERVER_STAYS,
                   [SERVER_SEND] = {STUCK_NS, SERVER_STAYS},
                   [SERVER_END].wait_ns = END_NS},
    };
    return server_start(&echo.server, echo.port);
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
    if (listen_tcp(app) || listen_udp()) {
        log_error("echo", "no memory to listen on port %u", echo.port);
        return 1;
    }
    log_info("echo", "TCP and UDP port %u", echo.port);
    error = app_run(app);
    log_info("echo",
             "%" PRIu64 " connections, %" PRIu64 " bytes, %" PRIu64
             " cut off; %" PRIu64 " datagrams, %" PRIu64 " dropped",
             echo.server.stats.accepted, echo.bytes,
             echo.server.stats.timed_out + echo.server.stats.pressed,
             echo.datagrams, echo.dropped);
    return error;
}
