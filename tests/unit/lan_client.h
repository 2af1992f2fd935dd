/* SPDX-License-Identifier: MIT */
/*
 * A TCP client on the fake LAN that keeps what it is sent, and acknowledges it
 * at once while its window (c.window) is open.
 */
#ifndef TESTS_UNIT_LAN_CLIENT_H
#define TESTS_UNIT_LAN_CLIENT_H

#include "tests/unit/lan.h"

/* More than this from the guest is a failure. */
#define CLIENT_IN_MAX 2000000

struct client {
    struct lan_conn c;
    char *in; /* a NUL behind what came */
    size_t in_bytes;
    size_t read; /* of those, what a test has looked at */
    /* The end of the window: it never moves back, as a kernel's does not. */
    uint32_t edge;
    bool fills; /* nobody reads: what comes makes the window smaller */
    bool has_fin, has_rst;
};

/* A handshake with the guest's port. */
void client_open(struct client *client, struct lan_host *host,
                 const char *guest, uint16_t from, uint16_t port);
void client_say(struct client *client, const char *text);
void client_send(struct client *client, const void *bytes, size_t len);
void client_ack(struct client *client);
/* Take what arrived. True: there was something. */
bool client_take(struct client *client);
/* Go on taking until nothing comes for a second. */
void client_read(struct client *client);
/* What came and was not looked at yet is exactly this. */
void client_hears(struct client *client, const char *text);
/* Its FIN, unless it was reset; its memory goes. */
void client_end(struct client *client);

#endif
