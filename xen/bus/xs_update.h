/* SPDX-License-Identifier: MIT */
/*
 * Several nodes of the xenstore, written atomically.
 */
#ifndef XEN_BUS_XS_UPDATE_H
#define XEN_BUS_XS_UPDATE_H

#include "xen/bus/xs.h"

/* A transaction, repeated while xenstored says
 * EAGAIN (XS_UPDATE_TRIES_MAX times, then -XEN_EAGAIN). The writes are sent
 * without waiting for each other. A single node needs no transaction. The
 * nodes must stay until `done`. */
struct xs_node {
    const char *path;  /* absolute, or relative to the domain's own */
    const char *value; /* NUL-terminated; NULL: remove the node */
    /* the client's: */
    struct xs_update *update;
    struct xs_request request;
};
#define XS_UPDATE_TRIES_MAX 32

struct xs_update {
    void (*done)(struct xs_update *update, int error); /* may be NULL */
    /* the client's: */
    struct xs *xs;
    struct xs_node *nodes;
    unsigned nr_nodes, pending, tries;
    xs_transaction_t t;
    int error;
    struct xs_request request;
};
void xs_update(struct xs *xs, struct xs_update *u, struct xs_node *nodes,
               unsigned nr_nodes);

#endif
