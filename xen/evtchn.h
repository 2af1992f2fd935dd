/* SPDX-License-Identifier: MIT */
/*
 * Event channels: the pending bits in shared_info (xen.h, 2-level ABI).
 *
 * Every port stays masked for ever: no upcall is registered, and hv_poll wakes
 * for masked ports too. So a port is two things: a pending bit that Xen sets
 * and we clear, and a notification that we send.
 */
#ifndef XEN_EVTCHN_H
#define XEN_EVTCHN_H

#include "xen/hv.h"

/* Test and clear the pending bit: true when it was set. What the other side
 * wrote before it notified is visible after this returns true. */
bool evtchn_take(evtchn_port_t port);

bool evtchn_is_pending(evtchn_port_t port);

#endif
