/* SPDX-License-Identifier: MIT */
/*
 * The device handshake that all frontends share (xen/io/xenbus.h).
 *
 *   find   our node: where the backend is and which domain serves it
 *   wait   until the backend is InitWait
 *   learn  what it offers: the keys the driver asked for
 *   open   the driver makes rings and ports and names the keys to publish
 *   tell   publish them and our state in one transaction
 *   wait   until the backend is Connected -> the driver is told
 *   then   watch it: Closing, Closed or a vanished node -> the driver is told
 *          to close; when the backend comes back, all of it again.
 *
 * The driver supplies a table of functions and keys; one state machine here
 * does the rest. A backend that never appears is reported once, after
 * XENBUS_SLOW_NS, with the key that is waited for and the state it was seen
 * in; the wait goes on.
 *
 * xenbus_list finds the devices of one type, now and when `xl ...-attach`
 * brings more.
 */
#ifndef XEN_BUS_XENBUS_H
#define XEN_BUS_XENBUS_H

#include "kernel/loop.h"
#include "xen/abi.h"
#include "xen/hv.h"
#include "xen/bus/xs_update.h"

#define XENBUS_SLOW_NS  (5 * NS_PER_S) /* "still no backend" is then news */
#define XENBUS_RETRY_NS NS_PER_S       /* the least time between two attempts */
#define XENBUS_STARVED_NS                                                 \
    (2 * NS_PER_S)          /* a device that could not be opened for lack \
                             * of memory: a handshake is some 20 messages */
#define XENBUS_PATH_MAX  96 /* /local/domain/N/backend/TYPE/N/N and a key */
#define XENBUS_NAME_MAX  40 /* of that: a slash and a key */
#define XENBUS_KEYS_MAX  24 /* keys one frontend publishes, or reads */
#define XENBUS_VALUE_MAX 64 /* text of one published value */

struct xenbus_device;

/* A key of the backend's node to read. Text values are copied. A missing key
 * gives `fallback` (text: ""). So does one that is no decimal number, a text
 * that does not fit or that holds a NUL, and a log line names the key. */
struct xenbus_key {
    const char *name;
    uint32_t fallback;
    uint32_t max;    /* larger values are cut down to this, and logged */
    uint32_t *value; /* number goes here, or... */
    char *text;      /* ...text goes here, text_bytes with its NUL */
    size_t text_bytes;
    bool own; /* read from the frontend's node instead */
};

/* A driver. Everything is called on the loop, never from inside a call to
 * this header; what may be NULL says so. */
struct xenbus_ops {
    /* Read these before open. NULL: none. */
    const struct xenbus_key *(*keys)(struct xenbus_device *dev, unsigned *nr);
    /* Make rings, ports, grants, and xenbus_publish() each key. Negative: the
     * device is given up until the backend leaves and comes back; -XEN_ENOMEM
     * and -XEN_ENOSPC, which pass: it is tried again every XENBUS_STARVED_NS.
     * Both are logged. */
    int (*open)(struct xenbus_device *dev);
    /* The state told along with the keys. XenbusStateConnected: all is said
     * (netif.h). XenbusStateInitialised: the backend has more to say first
     * (blkif.h); it is read (connected_keys), connected() is called, and then
     * our state becomes Connected. */
    enum xenbus_state tell_state;
    /* Read these when the backend is Connected. NULL: none. */
    const struct xenbus_key *(*connected_keys)(struct xenbus_device *dev,
                                               unsigned *nr);
    /* The backend is Connected: data may flow. */
    void (*connected)(struct xenbus_device *dev);
    /* The backend, still Connected, wrote its state again: it has changed what
     * it says (blkif.h: a disk's size), and connected_keys were read anew.
     * NULL: no matter. */
    void (*changed)(struct xenbus_device *dev);
    /* The backend is gone or going, or xenbus_fail or xenbus_stop was called:
     * stop using rings, end grants, close ports. Called once for each
     * successful open. */
    void (*close)(struct xenbus_device *dev);
    /* xenbus_stop is complete: the memory of `dev` may go. NULL: it stays. */
    void (*stopped)(struct xenbus_device *dev);
};

/* Our side: what we said last, and whether the driver is open. Each has a
 * double that is given up until the backend comes back. */
enum xenbus_phase {
    XENBUS_NEW,       /* not open; nothing is said, or it is no longer true */
    XENBUS_BEGUN,     /* not open; said Initialising */
    XENBUS_OPEN,      /* open() succeeded; the keys are published */
    XENBUS_CONNECTED, /* and connected() was called */
    XENBUS_CLOSED,    /* not open; said Closed */
    XENBUS_GIVEN_UP,  /* the distance to the double */
    XENBUS_NEW_GIVEN_UP = XENBUS_GIVEN_UP,
    XENBUS_BEGUN_GIVEN_UP,
    XENBUS_OPEN_GIVEN_UP, /* close() is called on the next turn */
    XENBUS_CONNECTED_GIVEN_UP,
    XENBUS_CLOSED_GIVEN_UP,
    XENBUS_PHASES
};

/* What happened and is still to be dealt with. */
enum xenbus_wanted {
    XENBUS_STOP = 1,        /* xenbus_stop was called */
    XENBUS_FIND = 2,        /* NODE/backend was written */
    XENBUS_LOOK = 4,        /* BACKEND/state was written */
    XENBUS_ANSWER = 8,      /* the backend said Closing */
    XENBUS_TELL_CHANGE = 16 /* changed() is due when the keys are read */
};

struct xenbus_device {
    const struct xenbus_ops *ops;
    struct xs *xs;
    struct loop *loop;
    char node[XENBUS_PATH_MAX];    /* "device/vif/0" */
    char backend[XENBUS_PATH_MAX]; /* "/local/domain/0/backend/vif/5/0", or "":
                                    * no such device (yet, or any more) */
    domid_t backend_dom;
    enum xenbus_phase phase;
    uint64_t reconnects;
    /* the machine's: see xenbus.c */
    enum xenbus_state backend_state; /* as read */
    unsigned wanted;                 /* enum xenbus_wanted */
    bool busy;                       /* an answer of xenstored is on its way */
    bool learned;                    /* the keys are read and still true */
    bool online;  /* a Closed backend waits for us to begin again */
    bool starved; /* open() failed for lack of memory: time mends that */
    bool left;    /* since we gave up, the backend went away */
    uint64_t connects;
    uint64_t retry_ns;
    const struct xenbus_key *keys;
    unsigned nr_pending, nr_nodes;
    struct xs_request request, slow_request;
    struct xs_update update;
    struct xs_watch node_watch, state_watch;
    struct timer slow, retry;
    struct task task;
    char path[XENBUS_PATH_MAX]; /* what is read or written */
    char slow_path[XENBUS_PATH_MAX];
    char node_path[XENBUS_PATH_MAX], state_path[XENBUS_PATH_MAX];
    struct xs_node nodes[XENBUS_KEYS_MAX + 1]; /* the keys and our state */
    char names[XENBUS_KEYS_MAX + 1][XENBUS_PATH_MAX];
    char values[XENBUS_KEYS_MAX + 1][XENBUS_VALUE_MAX];
};

/* Begin the handshake for the device at `node` ("device/vif/0"). It need not
 * exist yet. */
void xenbus_start(struct xenbus_device *dev, struct xs *xs, struct loop *loop,
                  const char *node, const struct xenbus_ops *ops);

/* Inside open(): publish "NODE/name" = text (printf-like). Assert: it fits,
 * and at most XENBUS_KEYS_MAX of them. */
__attribute__((format(printf, 3, 4))) void
xenbus_publish(struct xenbus_device *dev, const char *name, const char *format,
               ...);

/* The backend broke the protocol: log why, close, state Closed. The device
 * stays down until the backend leaves and comes back. close() is called on the
 * next turn. */
__attribute__((format(printf, 2, 3))) void
xenbus_fail(struct xenbus_device *dev, const char *format, ...);

/* Close for good, in whatever state: close() if it is open, state Closed, then
 * stopped(). Until stopped() the memory of `dev` must stay (if xenstored does
 * not answer: for ever). */
void xenbus_stop(struct xenbus_device *dev);

#endif
