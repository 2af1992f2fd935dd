/* SPDX-License-Identifier: MIT */
/*
 * A transaction that writes several nodes:
 *
 *     begin -> started -> every node written -> end -> result
 *
 * EAGAIN leads back to begin. Each stage is entered by the answer to a request
 * of the stage before. The writes are sent together, their answers counted.
 */
#include "xen/bus/xs_update.h"

#include <assert.h>
#include <string.h>

static void update_begin(struct xs_update *u);

static void update_result(struct xs_update *u, int error)
{
    if (error == -XEN_EAGAIN && ++u->tries < XS_UPDATE_TRIES_MAX) {
        update_begin(u);
        return;
    }
    if (u->done)
        u->done(u, error);
}

static void update_ended(struct xs_request *r)
{
    struct xs_update *u = container_of(r, struct xs_update, request);

    update_result(u, u->error ? u->error : r->error);
}

static void update_end(struct xs_update *u)
{
    u->request.done = update_ended;
    xs_transaction_end(u->xs, &u->request, u->t, u->error != 0);
}

static void update_wrote(struct xs_request *r)
{
    struct xs_node *node = container_of(r, struct xs_node, request);
    struct xs_update *u = node->update;
    bool gone = r->error == -XEN_ENOENT && !node->value;

    if (!u->error && !gone)
        u->error = r->error;
    if (--u->pending)
        return;
    if (u->t)
        update_end(u);
    else
        update_result(u, u->error);
}

static void update_write(struct xs_update *u, xs_transaction_t t)
{
    u->t = t;
    u->pending = u->nr_nodes;
    for (unsigned i = 0; i < u->nr_nodes; i++) {
        struct xs_node *node = &u->nodes[i];

        node->update = u;
        node->request.done = update_wrote;
        if (node->value)
            xs_write(u->xs, &node->request, t, node->path, node->value,
                     strlen(node->value));
        else
            xs_rm(u->xs, &node->request, t, node->path);
    }
}

static void update_started(struct xs_request *r)
{
    struct xs_update *u = container_of(r, struct xs_update, request);
    xs_transaction_t t = r->error ? XS_NO_TRANSACTION : xs_transaction_id(r);

    if (t)
        update_write(u, t);
    else
        update_result(u, r->error ? r->error : -XEN_EIO);
}

static void update_begin(struct xs_update *u)
{
    u->error = 0;
    u->request.done = update_started;
    if (u->nr_nodes == 1)
        update_write(u, XS_NO_TRANSACTION);
    else
        xs_transaction_start(u->xs, &u->request);
}

void xs_update(struct xs *xs, struct xs_update *u, struct xs_node *nodes,
               unsigned nr_nodes)
{
    assert(nr_nodes > 0);
    u->xs = xs;
    u->nodes = nodes;
    u->nr_nodes = nr_nodes;
    u->tries = 0;
    update_begin(u);
}
