/* SPDX-License-Identifier: MIT */
/*
 * Event channels: the pending bits that Xen sets and we clear (xen.h, struct
 * shared_info).
 *
 * Xen sets bits of the same word at any time from another CPU, so clearing is
 * an atomic operation. Testing first avoids that (locked) operation in the
 * usual case, in which nothing is pending.
 */
#include "xen/evtchn.h"
#include "xen/abi.h"

#define WORD_BITS (8 * sizeof(xen_ulong_t))

static xen_ulong_t *word_of(evtchn_port_t port)
{
    return &hv_info()->shared->evtchn_pending[port / WORD_BITS];
}

static xen_ulong_t bit_of(evtchn_port_t port)
{
    return (xen_ulong_t)1 << (port % WORD_BITS);
}

bool evtchn_is_pending(evtchn_port_t port)
{
    return __atomic_load_n(word_of(port), __ATOMIC_RELAXED) & bit_of(port);
}

bool evtchn_take(evtchn_port_t port)
{
    xen_ulong_t bit = bit_of(port);

    if (!evtchn_is_pending(port))
        return false;
    /* Acquire: what the sender wrote before it notified is visible after this.
     * Pairs with the atomic bit set of EVTCHNOP_send in Xen. */
    return __atomic_fetch_and(word_of(port), ~bit, __ATOMIC_ACQUIRE) & bit;
}
