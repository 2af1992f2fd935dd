/* SPDX-License-Identifier: MIT */
/*
 * What the toolstack asks of a running guest: `xl shutdown`, `xl reboot`
 * (control/shutdown) and `xl sysrq` (control/sysrq), by xenstore watches
 * (docs/misc/xenstore-paths.pandoc of Xen). Each request is acknowledged by
 * clearing its node in a transaction.
 */
#ifndef XEN_BUS_CONTROL_H
#define XEN_BUS_CONTROL_H

#include "kernel/loop.h"
#include "xen/bus/xs.h"

#define CONTROL_WORD_MAX 16 /* the longest known word is "poweroff" */

struct control;

/* One node that requests appear in. */
struct control_node {
    struct control *control;
    const char *path;
    void (*act)(struct control *control, const char *word);
    struct xs_watch watch;
    struct xs_request request;
    bool again; /* the node changed while a request was handled */
    unsigned tries;
    xs_transaction_t t;
    char word[CONTROL_WORD_MAX];
};

struct control {
    struct xs *xs;
    /* "poweroff", "halt" or "reboot" was asked for: reason is SHUTDOWN_poweroff
     * or SHUTDOWN_reboot. Other words are logged by name, cleared, and not
     * acted on. */
    void (*shutdown)(struct control *control, unsigned reason);
    /* `xl sysrq DOMAIN KEY` */
    void (*sysrq)(struct control *control, char key);
    struct control_node shutdown_node, sysrq_node;
    struct xs_request features[2];
};

/* Announce control/feature-poweroff and -reboot, and watch. (libxl makes no
 * node that a guest could announce sysrq in, and sends it all the same.) */
void control_start(struct control *control, struct xs *xs,
                   void (*shutdown)(struct control *control, unsigned reason),
                   void (*sysrq)(struct control *control, char key));

#endif
