/* SPDX-License-Identifier: MIT */
/*
 * The device handshake that all frontends share (xen/io/xenbus.h).
 *
 *   read   our node: where the backend is and which domain serves it
 *   wait   until the backend is InitWait (or already further)
 *   learn  what it offers: the keys the driver asked for
 *   open   the driver makes rings and ports and names the keys to publish
 *   tell   publish them and our state in one transaction
 *   wait   until the backend is Connected -> the driver is told
 *   then   watch it: Closing, Closed or a vanished node -> the driver is told
 *          to close; when the backend comes back, all of it again.
 *
 * The driver supplies a table of functions and keys; one state machine here
 * does the rest. A backend that never appears is reported once, after
 * XENBUS_SLOW_NS, with the key that is waited for; the wait goes on.
 */
#ifndef XEN_XENBUS_H
#define XEN_XENBUS_H

#include "kernel/loop.h"
#include "xen/hv.h"
#include "xen/xs.h"

#define XENBUS_SLOW_NS   (5 * NS_PER_S) /* "still no backend" is then news */
#define XENBUS_PATH_MAX  96   /* /local/domain/N/backend/TYPE/N/N and a key */
#define XENBUS_KEYS_MAX  24   /* keys one frontend publishes or reads */
#define XENBUS_VALUE_MAX 64   /* text of one published value */

struct xenbus_device;

/* A key of the backend's node to read before opening. Text values are copied
 * (cut: error). A missing key, or one that is no number, gives `fallback` and,
 * unless it was just missing, a log line that names it. */
struct xenbus_key {
    const char *name;
    uint32_t fallback;
    uint32_t max;      /* larger values are cut down to this, and logged */
    uint32_t *value;   /* number goes here, or... */
    char *text;        /* ...text goes here, text_bytes with its NUL; a missing
                        * key gives "" */
    size_t text_bytes;
    bool own;          /* read from the frontend's node instead */
};

struct xenbus_ops {
    /* Read these before open; fixed for the life of the device. */
    const struct xenbus_key *(*keys)(struct xenbus_device *dev, unsigned *nr);
    /* Make rings, ports, grants, and xenbus_publish() each key. Negative: the
     * device is given up, with that error, in state Closed. */
    int (*open)(struct xenbus_device *dev);
    /* Both ends are Connected: data may flow. */
    void (*connected)(struct xenbus_device *dev);
    /* The backend is gone or going, or xenbus_fail was called: stop using
     * rings, end grants, close ports. Called once for each successful open. */
    void (*close)(struct xenbus_device *dev);
};

struct xenbus_device {
    const struct xenbus_ops *ops;
    struct xs *xs;
    struct loop *loop;
    char node[XENBUS_PATH_MAX];    /* "device/vif/0" */
    char backend[XENBUS_PATH_MAX]; /* "/local/domain/0/backend/vif/5/0" */
    domid_t backend_dom;
    bool connected, opened, broken;
    uint64_t reconnects;
    /* the machine's: see xenbus.c */
    unsigned step;
    enum xenbus_state backend_state;
    struct xs_request request;
    struct xs_update update;
    struct xs_watch watch;
    struct timer slow;
    struct task step_task;
    unsigned at;
    char path[XENBUS_PATH_MAX], state_path[XENBUS_PATH_MAX];
    struct xs_node nodes[XENBUS_KEYS_MAX];
    char names[XENBUS_KEYS_MAX][XENBUS_PATH_MAX];
    char values[XENBUS_KEYS_MAX][XENBUS_VALUE_MAX];
    unsigned nr_nodes;
};

/* Begin the handshake for the device at `node` ("device/vif/0"). */
void xenbus_start(struct xenbus_device *dev, struct xs *xs, struct loop *loop,
                  const char *node, const struct xenbus_ops *ops);

/* Inside open(): publish "NODE/name" = text (printf-like). */
__attribute__((format(printf, 3, 4))) void
xenbus_publish(struct xenbus_device *dev, const char *name, const char *format,
               ...);

/* The backend broke the protocol: log why, close, state Closed. The device
 * stays down until the backend leaves and comes back. Never nests: close() is
 * called from the loop. */
__attribute__((format(printf, 2, 3))) void
xenbus_fail(struct xenbus_device *dev, const char *format, ...);

/* Close for good (guest shutdown, device removed); safe in every state. */
void xenbus_stop(struct xenbus_device *dev);

#endif
