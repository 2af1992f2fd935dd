/* SPDX-License-Identifier: MIT */
/*
 * http_conn as a protocol of the TCP server.
 *
 * A client that waits for a file is blocked by the disk; all else follows from
 * the connection's state.
 */
#include "http/http_tcp.h"

#include "kernel/log.h"

struct http_client {
    struct server_client client;
    struct http_conn conn;
};

/* What 10,000 idle connections cost, beside lwIP's part. */
_Static_assert(sizeof(struct http_client) <= 192, "idle clients must be small");
_Static_assert(SERVER_BUFFER_BYTES >= HTTP_REPLY_MAX, "a head fits");

static struct http_conn *conn_of(struct server_client *client)
{
    return &container_of(client, struct http_client, client)->conn;
}

static bool begin(struct server_client *client)
{
    struct http_tcp *tcp =
        container_of(client->server, struct http_tcp, server);

    http_conn_init(conn_of(client), tcp->site);
    return true;
}

static void refuse(struct server_client *client)
{
    begin(client);
    http_conn_refuse(conn_of(client));
}

static void end(struct server_client *client)
{
    http_conn_end(conn_of(client));
}

static size_t receive(struct server_client *client, char *bytes, size_t len)
{
    size_t used = http_conn_receive(conn_of(client), bytes, len);

    client->has_asked |= conn_of(client)->state != HTTP_IDLE;
    return used;
}

static bool output(struct server_client *client, char *buffer,
                   struct server_piece *piece)
{
    if (!http_conn_output(conn_of(client), buffer, piece))
        return false;
    if (!piece->bytes && piece->len > HTTP_PIECE_BYTES)
        piece->len = HTTP_PIECE_BYTES;
    return true;
}

static void taken(struct server_client *client, size_t len)
{
    http_conn_taken(conn_of(client), len);
}

static void fetch(struct server_client *client, size_t len)
{
    http_conn_fetch(conn_of(client), len);
}

static void finish(struct server_client *client)
{
    http_conn_finish(conn_of(client));
}

static enum server_wait wait(const struct server_client *client)
{
    const struct http_conn *conn =
        &container_of(client, const struct http_client, client)->conn;

    if (http_conn_is_waiting(conn))
        return SERVER_BLOCKED;
    if (conn->state == HTTP_DONE)
        return SERVER_END;
    if (conn->state == HTTP_IDLE && client->has_asked)
        return SERVER_IDLE;
    return SERVER_REQUEST;
}

/* A client that sends no request in time gets an error; so does one whose file
 * does not arrive. */
static bool late(struct server_client *client)
{
    struct http_conn *conn = conn_of(client);

    if (client->wait == SERVER_SEND || client->wait == SERVER_BLOCKED)
        return conn->state == HTTP_FIND && http_conn_timeout(conn);
    if (!http_conn_timeout(conn))
        http_conn_finish(conn);
    return true;
}

static const struct server_protocol protocol = {
    .name = "http",
    .client_bytes = sizeof(struct http_client),
    SERVER_CALLS,
    .fetch = fetch,
    .late = late,
};

/* The tree has answered. */
static void on_wake(struct http_conn *conn)
{
    server_pump(&container_of(conn, struct http_client, conn)->client);
}

int http_tcp_start(struct http_tcp *tcp, uint16_t port)
{
    struct server_limit *limits = tcp->server.limits;

    tcp->site->wake = on_wake;
    tcp->server.protocol = &protocol;
    limits[SERVER_REQUEST] =
        (struct server_limit){HTTP_REQUEST_NS, HTTP_GRACE_NS};
    limits[SERVER_SEND] = (struct server_limit){HTTP_SEND_NS, HTTP_SLOW_NS};
    limits[SERVER_BLOCKED].wait_ns = HTTP_SEND_NS;
    limits[SERVER_END].wait_ns = HTTP_END_NS;
    return server_start(&tcp->server, port);
}

void http_tcp_log(const struct http_conn *conn, struct http_field line,
                  int status)
{
    const struct http_client *client =
        container_of(conn, struct http_client, conn);
    char address[SERVER_ADDRESS_BYTES];

    server_address(&client->client, address);
    if (line.at)
        log_debug("http", "%s \"%.*s\" %d", address, (int)line.bytes, line.at,
                  status);
    else
        log_debug("http", "%s no request %d", address, status);
}
