/* SPDX-License-Identifier: MIT */
/*
 * What the toolstack asks of a running guest: `xl shutdown`, `xl reboot`
 * (control/shutdown) and `xl sysrq` (control/sysrq), by xenstore watches
 * (docs/misc/xenstore-paths.pandoc of Xen). Each request is acknowledged by
 * clearing its node in a transaction.
 */
#ifndef XEN_CONTROL_H
#define XEN_CONTROL_H

#include "kernel/loop.h"
#include "xen/xs.h"

struct control {
    struct xs *xs;
    /* "poweroff", "halt" or "reboot" was asked for: reason is SHUTDOWN_poweroff
     * or SHUTDOWN_reboot. Other words are logged by name, cleared, and not
     * acted on. */
    void (*shutdown)(struct control *control, unsigned reason);
    /* `xl sysrq DOMAIN KEY` */
    void (*sysrq)(struct control *control, char key);
    struct xs_watch shutdown_watch, sysrq_watch;
    struct xs_request shutdown_read, sysrq_read;
    struct xs_update clear, features;
    struct xs_node nodes[4];
};

/* Announce control/feature-poweroff, -reboot and -sysrq, and watch. */
void control_start(struct control *control, struct xs *xs,
                   void (*shutdown)(struct control *control, unsigned reason),
                   void (*sysrq)(struct control *control, char key));

#endif
