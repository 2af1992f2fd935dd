/* SPDX-License-Identifier: MIT */
/*
 * The list of devices of one type.
 *
 *     found(list, 0); found(list, 1); done(list, 0);    those there are now
 *     ...
 *     found(list, 2);                                   attached later
 *
 * Reports each child of "device/TYPE" whose name is a decimal number once, in
 * no particular order; other names are logged. A device that was detached and
 * comes back is not reported again: its xenbus_device notices both by itself.
 * Without "device/TYPE", or without a xenstore, there are no devices.
 */
#ifndef XEN_BUS_XENBUS_LIST_H
#define XEN_BUS_XENBUS_LIST_H

#include "xen/bus/xs.h"

/* Devices of one type; more are logged and not used. */
#define XENBUS_LIST_MAX 32

struct xenbus_list {
    void (*found)(struct xenbus_list *list, uint32_t index);
    /* Every device present at the start has been reported. May be NULL. */
    void (*done)(struct xenbus_list *list, int error);
    /* the list's: */
    struct xs *xs;
    const char *path;
    struct xs_request request;
    struct xs_watch watch;
    bool listed, watching;
    unsigned nr;
    uint32_t seen[XENBUS_LIST_MAX];
    char names[XENBUS_LIST_MAX * 12]; /* "4294967295" and its NUL, rounded up */
};

/* Begin. path: "device/vif", constant for the life of the list; the list is
 * never stopped. */
void xenbus_list(struct xenbus_list *list, struct xs *xs, const char *path,
                 void (*found)(struct xenbus_list *list, uint32_t index),
                 void (*done)(struct xenbus_list *list, int error));

#endif
