/* SPDX-License-Identifier: MIT */
/* A TCP client on the fake LAN: see lan_client.h. */
#include "tests/unit/lan_client.h"

#include <stdlib.h>
#include <string.h>

void client_open(struct client *client, struct lan_host *host,
                 const char *guest, uint16_t from, uint16_t port)
{
    *client = (struct client){.in = malloc(CLIENT_IN_MAX)};
    assert_non_null(client->in);
    lan_open(&client->c, host, guest, from, port);
    client->edge = client->c.rcv + client->c.window;
}

void client_send(struct client *client, const void *bytes, size_t len)
{
    lan_send_tcp(&client->c, LAN_PSH | LAN_ACK, bytes, len);
}

void client_say(struct client *client, const char *text)
{
    client_send(client, text, strlen(text));
}

static void move_edge(struct client *client)
{
    uint32_t edge = client->c.rcv + client->c.window;

    if ((int32_t)(edge - client->edge) > 0)
        client->edge = edge;
}

void client_ack(struct client *client)
{
    move_edge(client);
    lan_send_tcp(&client->c, LAN_ACK, NULL, 0);
}

static void keep(struct client *client, const struct lan_segment *s)
{
    assert_true(client->in_bytes + s->bytes < CLIENT_IN_MAX);
    memcpy(client->in + client->in_bytes, s->data, s->bytes);
    client->in_bytes += s->bytes;
    client->c.rcv += (uint32_t)s->bytes;
    if (s->flags & LAN_FIN) {
        client->has_fin = true;
        client->c.rcv++;
    }
    if (client->fills)
        client->c.window = (uint16_t)(client->edge - client->c.rcv);
    if ((s->bytes || s->flags & LAN_FIN) && (client->c.window || client->fills))
        client_ack(client);
}

bool client_take(struct client *client)
{
    struct lan_segment s;
    bool did = false;

    while (lan_take_tcp(&client->c, &s)) {
        did = true;
        /* Outside of the window it is no reset (RFC 9293, 3.10.7.4). */
        client->has_rst |=
            s.flags & LAN_RST &&
            s.seq - client->c.rcv <= client->edge - client->c.rcv;
        if (s.seq == client->c.rcv && s.bytes <= client->edge - client->c.rcv &&
            !client->has_rst)
            keep(client, &s);
    }
    client->in[client->in_bytes] = '\0';
    return did;
}

void client_read(struct client *client)
{
    uint64_t quiet = fake_now();

    while (fake_now() - quiet < NS_PER_S) {
        if (client_take(client))
            quiet = fake_now();
        lan_run(NS_PER_MS);
    }
}

void client_hears(struct client *client, const char *text)
{
    size_t len = strlen(text);

    client_read(client);
    assert_int_equal(client->in_bytes - client->read, len);
    assert_memory_equal(client->in + client->read, text, len);
    client->read += len;
}

void client_end(struct client *client)
{
    if (!client->has_rst)
        lan_send_tcp(&client->c, LAN_FIN | LAN_ACK, NULL, 0);
    client_read(client);
    free(client->in);
}
