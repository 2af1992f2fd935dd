/* SPDX-License-Identifier: MIT */
/*
 * kv_conn as a protocol of the TCP server.
 *
 * A client that waits for the disk, or for another's transaction, is blocked;
 * one with a long command waits in SERVER_WORK, and continues a little in each
 * turn. Neither has a deadline: it waits for us.
 */
#include "apps/kv/kv_tcp.h"

#include <stdio.h>

#include "apps/kv/kv_work.h"
#include "lwip/tcp.h"

struct kv_client {
    struct server_client client;
    struct kv_conn conn;
};

static struct kv_tcp *tcp_of(const struct server_client *client)
{
    return container_of(client->server, struct kv_tcp, server);
}

static struct kv_conn *conn_of(struct server_client *client)
{
    return &container_of(client, struct kv_client, client)->conn;
}

static bool begin(struct server_client *client)
{
    kv_conn_init(conn_of(client), tcp_of(client)->kv);
    return true;
}

static void refuse(struct server_client *client)
{
    begin(client);
    kv_conn_refuse(conn_of(client));
}

static void end(struct server_client *client)
{
    kv_conn_end(conn_of(client));
}

static void on_task(struct task *task);

static size_t receive(struct server_client *client, char *bytes, size_t len)
{
    struct kv_tcp *tcp = tcp_of(client);
    struct kv_conn *conn = conn_of(client);
    size_t used;

    tcp->kv->begins(tcp->kv);
    used = kv_conn_receive(conn, bytes, len);
    tcp->kv->ends(tcp->kv);
    tcp->kv->stats.in_bytes += used;
    client->has_asked |= !kv_conn_has_part(conn);
    if (kv_conn_is_working(conn)) {
        tcp->was_exclusive |= tcp->kv->exclusive != NULL;
        task_start(tcp->loop, &tcp->task, on_task);
    }
    return used;
}

static bool output(struct server_client *client, char *buffer,
                   struct server_piece *piece)
{
    struct kv_text text;

    (void)buffer;
    if (!kv_conn_output(conn_of(client), &text))
        return false;
    piece->bytes = text.at;
    piece->len = text.len;
    return true;
}

static void taken(struct server_client *client, size_t len)
{
    kv_conn_taken(conn_of(client), len);
}

static void finish(struct server_client *client)
{
    kv_conn_finish(conn_of(client));
}

static enum server_wait wait(const struct server_client *client)
{
    const struct kv_conn *conn =
        &container_of(client, const struct kv_client, client)->conn;

    if (kv_conn_has_failed(conn))
        return SERVER_RESET;
    if (kv_conn_is_working(conn))
        return SERVER_WORK;
    if (kv_conn_is_withheld(conn))
        return SERVER_BLOCKED;
    if (conn->is_closing && kv_conn_is_idle(conn))
        return SERVER_END;
    if (client->held)
        return SERVER_BLOCKED; /* a full journal, or another's EXEC */
    if (!client->has_asked || kv_conn_has_part(conn))
        return SERVER_REQUEST;
    return SERVER_IDLE;
}

static const struct server_protocol protocol = {
    .name = "kv",
    .client_bytes = sizeof(struct kv_client),
    SERVER_CALLS,
};

/* ---- Long commands */

/* A transaction of several turns has ended, perhaps with its client: clients
 * that waited for it continue. */
static void end_exclusive(struct kv_tcp *tcp)
{
    if (!tcp->was_exclusive || tcp->kv->exclusive)
        return;
    tcp->was_exclusive = false;
    server_pump_all(&tcp->server, SERVER_BLOCKED);
}

/* A turn's steps go to the first clients in the queue; those that got none are
 * first in the next turn. */
static void on_task(struct task *task)
{
    struct kv_tcp *tcp = container_of(task, struct kv_tcp, task);
    struct server *server = &tcp->server;
    struct server_client *client;

    tcp->kv->begins(tcp->kv);
    kv_work_turn(tcp->kv);
    for (unsigned nr = server->queues[SERVER_WORK].nr;
         nr && tcp->kv->steps_left > 0 &&
         (client = server_first(server, SERVER_WORK));
         nr--) {
        kv_conn_continue(conn_of(client));
        server_pump_next(server, SERVER_WORK);
    }
    tcp->kv->ends(tcp->kv);
    end_exclusive(tcp);
    if (server_first(server, SERVER_WORK))
        task_start(tcp->loop, task, on_task);
}

/* ---- The disk */

/* Clients that may wait for the disk are in one of these queues. */
static const enum server_wait withheld[] = {SERVER_SEND, SERVER_BLOCKED};

void kv_tcp_batch_begins(struct kv_tcp *tcp)
{
    for (unsigned i = 0; i < array_size(withheld); i++)
        list_each (struct server_client, client,
                   &tcp->server.queues[withheld[i]].list, node)
            kv_conn_batch_begins(conn_of(client));
}

static void end_batch(struct server_client *client, int status)
{
    if (!status)
        kv_conn_batch_ends(conn_of(client));
    else if (kv_conn_is_withheld(conn_of(client)))
        server_reset(client);
}

void kv_tcp_batch_ends(struct kv_tcp *tcp, int status)
{
    struct server_client *client, *next;

    for (unsigned i = 0; i < array_size(withheld); i++) {
        client = server_first(&tcp->server, withheld[i]);
        for (; client; client = next) {
            next = list_entry(client->node.next, struct server_client, node);
            end_batch(client, status);
        }
    }
    server_pump_all(&tcp->server, SERVER_BLOCKED);
}

/* ---- The server */

static void put_address(char text[KV_ADDRESS_MAX], const ip_addr_t *address,
                        uint16_t port)
{
    char host[IPADDR_STRLEN_MAX];

    ipaddr_ntoa_r(address, host, sizeof(host));
    snprintf(text, KV_ADDRESS_MAX, IP_IS_V6(address) ? "[%s]:%u" : "%s:%u",
             host, port);
}

static void addresses(const struct kv_conn *conn, char from[KV_ADDRESS_MAX],
                      char to[KV_ADDRESS_MAX])
{
    const struct tcp_pcb *pcb =
        container_of(conn, const struct kv_client, conn)->client.pcb;

    put_address(from, &pcb->remote_ip, pcb->remote_port);
    put_address(to, &pcb->local_ip, pcb->local_port);
}

int kv_tcp_start(struct kv_tcp *tcp, uint16_t port)
{
    tcp->kv->addresses = addresses;
    tcp->server = (struct server){
        .protocol = &protocol,
        .loop = tcp->loop,
        .clients_max = tcp->kv->clients_max,
        .in_flight_max = tcp->in_flight_max,
        .input_is_progress = true,
        .probe_idle_ms = KV_KEEPALIVE_MS,
        .limits = {[SERVER_REQUEST] = {KV_REQUEST_NS, KV_GRACE_NS},
                   [SERVER_IDLE] = {tcp->idle_ns, KV_GRACE_NS},
                   [SERVER_SEND] = {KV_SEND_NS, KV_GRACE_NS},
                   [SERVER_END] = {KV_END_NS, SERVER_STAYS}},
    };
    return server_start(&tcp->server, port);
}

void kv_tcp_stop(struct kv_tcp *tcp)
{
    server_stop(&tcp->server);
    task_stop(tcp->loop, &tcp->task);
}
