/* SPDX-License-Identifier: MIT */
/*
 * Xen's public ABI, as libxen-dev ships it. Only this file includes it.
 *
 * Names that are not in our own headers (start_info_t, shared_info_t,
 * grant_entry_v1_t, XenbusState, ...) are Xen's and are documented in Xen's
 * public headers (xen/xen.h, xen/grant_table.h, ...).
 */
#ifndef XEN_ABI_H
#define XEN_ABI_H

#include "xen/base.h"

/* The oldest interface that has what we use. Newer headers then give us the
 * structures of exactly this version, whichever libxen-dev is installed. */
#define __XEN_INTERFACE_VERSION__ 0x00040e00

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/io/blkif.h>
#include <xen/io/console.h>
#include <xen/io/netif.h>
#include <xen/io/protocols.h>
#include <xen/io/ring.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>

/* Our list of error numbers has all of Xen's. */
#define XEN_ERRNO(name, value) \
    _Static_assert((int)XEN_##name == (value), "xen/error.h and xen/errno.h");
#include <xen/errno.h>

#endif
