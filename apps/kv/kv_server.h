/* SPDX-License-Identifier: MIT */
/* The server of apps/kv/kv.c, assembled. */
#ifndef APPS_KV_SERVER_H
#define APPS_KV_SERVER_H

#include "apps/kv/kv_aof.h"
#include "apps/kv/kv_tcp.h"

struct app;

struct kv_server {
    struct app *app;
    struct kv kv;
    struct kv_tcp tcp;
    struct kv_aof aof;
    struct fs fs;
    struct timer expiry, deadline;
    struct task tidy;
    uint64_t port;
    uint64_t memory_bytes;
    bool has_failed; /* the file could not be read */
    bool has_closed, is_late;
};

/* Runs from options to shutdown; returns what app_main should. `server` is
 * zeroed. */
int kv_server_run(struct kv_server *server, struct app *app);

#endif
