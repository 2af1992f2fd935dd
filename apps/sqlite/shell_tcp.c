/* SPDX-License-Identifier: MIT */
/*
 * A shell as a protocol of the TCP server.
 *
 * A peer is a connection; its client, the database's side of it, outlives it: a
 * running statement is ended first, in the database's fiber. A peer over the
 * limit has no client: it gets an error, and its input is discarded.
 *
 * server_pump also runs in the fiber, when the shell has something new.
 */
#include "apps/sqlite/shell_tcp.h"

#include <stdlib.h>

struct shell_peer {
    struct server_client peer;
    struct peer_client *client; /* NULL: refused */
    size_t refusal_taken;
};

/* A shell_client with the pointer to its owner that it lacks. */
struct peer_client {
    struct shell_client client;
    struct shell_peer *peer;
};

static const char refusal[] = "-- error: too many clients\n";
#define REFUSAL_BYTES (sizeof(refusal) - 1)

static struct shell_peer *of(struct server_client *client)
{
    return container_of(client, struct shell_peer, peer);
}

/* NULL: refused. */
static struct shell_client *client_of(struct server_client *client)
{
    struct peer_client *c = of(client)->client;

    return c ? &c->client : NULL;
}

static void on_changed(struct shell_client *client)
{
    server_pump(&container_of(client, struct peer_client, client)->peer->peer);
}

static bool begin(struct server_client *client)
{
    struct shell_tcp *tcp =
        container_of(client->server, struct shell_tcp, server);
    struct peer_client *c = calloc(1, sizeof(*c));

    if (!c || shell_server_join(tcp->database, &c->client)) {
        free(c);
        return false;
    }
    c->peer = of(client);
    c->client.changed = on_changed;
    of(client)->client = c;
    return true;
}

static void end(struct server_client *client)
{
    if (client_of(client))
        shell_server_leave(client_of(client));
}

/* The input of a peer without a client is discarded. */
static void refuse(struct server_client *client)
{
    (void)client;
}

static size_t receive(struct server_client *client, char *bytes, size_t len)
{
    struct shell_client *c = client_of(client);

    if (!c)
        return len;
    len = shell_receive(&c->shell, bytes, len);
    client->has_asked |= c->shell.input.command != SHELL_NONE;
    shell_server_wake(c);
    return len;
}

static bool output(struct server_client *client, char *buffer,
                   struct server_piece *piece)
{
    struct shell_client *c = client_of(client);

    (void)buffer;
    if (c)
        return shell_output(&c->shell, &piece->bytes, &piece->len);
    piece->bytes = refusal + of(client)->refusal_taken;
    piece->len = REFUSAL_BYTES - of(client)->refusal_taken;
    return piece->len > 0;
}

static void taken(struct server_client *client, size_t len)
{
    struct shell_client *c = client_of(client);

    if (c) {
        shell_taken(&c->shell, len);
        shell_server_wake(c);
    } else {
        of(client)->refusal_taken += len;
    }
}

static void finish(struct server_client *client)
{
    struct shell_client *c = client_of(client);

    if (!c || c->shell.has_finished)
        return;
    shell_finish(&c->shell);
    shell_server_wake(c);
}

/* A running statement has a limit of its own, in the database. */
static enum server_wait wait(const struct server_client *client)
{
    const struct peer_client *c =
        container_of(client, const struct shell_peer, peer)->client;

    if (!c || c->client.shell.is_over)
        return SERVER_END;
    if (c->client.shell.input.command != SHELL_NONE ||
        c->client.shell.has_finished)
        return SERVER_BLOCKED;
    return client->has_asked ? SERVER_IDLE : SERVER_REQUEST;
}

static const struct server_protocol protocol = {
    .name = "sqlite",
    .client_bytes = sizeof(struct shell_peer),
    SERVER_CALLS,
};

int shell_tcp_start(struct shell_tcp *tcp, uint16_t port)
{
    tcp->server = (struct server){
        .protocol = &protocol,
        .loop = tcp->database->app->loop,
        .clients_max = tcp->clients_max,
        .in_flight_max = (size_t)tcp->clients_max * SHELL_SEND_MAX,
        .probe_idle_ms = SHELL_PROBE_NS / NS_PER_MS,
        .probe_every_ms = SHELL_PROBE_NS / NS_PER_MS,
        .input_is_progress = true,
        .limits = {[SERVER_REQUEST] = {tcp->idle_ns, SHELL_GRACE_NS},
                   [SERVER_IDLE] = {tcp->idle_ns, SHELL_THINKING_NS},
                   [SERVER_SEND] = {SHELL_SEND_NS, SHELL_SLOW_NS},
                   [SERVER_END] = {SHELL_END_NS, SERVER_STAYS}},
    };
    return server_start(&tcp->server, port);
}
