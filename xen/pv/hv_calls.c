/* SPDX-License-Identifier: MIT */
/*
 * The part of the seam (xen/hv.h) that needs no page tables and so is the same
 * in every kind of guest: time, sleeping, event channels, entropy, shutdown.
 * Each is one hypercall, or a read of memory that Xen shares with us. hv_pv.c
 * has what only a PV guest needs.
 */
#include "kernel/log.h"
#include "xen/hv.h"
#include "xen/pv/clock.h"
#include "xen/pv/hypercall.h"

#include <assert.h>

/* ---- Time */

static uint64_t tsc(void)
{
    return __builtin_ia32_rdtsc();
}

uint64_t hv_now_ns(void)
{
    return clock_system_ns(&hv_info()->shared->vcpu_info[0].time, tsc);
}

uint64_t hv_wall_base_ns(void)
{
    return clock_wall_base_ns(hv_info()->shared);
}

uint64_t hv_cpu_ns(void)
{
    vcpu_runstate_info_t info = {0};

    if (hypercall_vcpu_op(VCPUOP_get_runstate_info, 0, &info))
        return 0;
    return info.time[RUNSTATE_running];
}

/* ---- Sleeping and event channels */

/* SCHEDOP_poll takes timeout 0 for "no timeout"; 1 is just as long past. */
static uint64_t poll_timeout(uint64_t until_ns)
{
    if (until_ns == UINT64_MAX)
        return 0;
    return until_ns ? until_ns : 1;
}

void hv_poll(evtchn_port_t *ports, unsigned nr, uint64_t until_ns)
{
    sched_poll_t poll = {.nr_ports = nr, .timeout = poll_timeout(until_ns)};

    assert(nr <= HV_POLL_PORTS_MAX);
    set_xen_guest_handle(poll.ports, ports);
    if (hypercall_sched_op(SCHEDOP_poll, &poll))
        panic("hv: Xen refuses to poll %u ports", nr);
}

int hv_evtchn_alloc_unbound(domid_t remote, evtchn_port_t *port)
{
    evtchn_alloc_unbound_t op = {.dom = DOMID_SELF, .remote_dom = remote};
    long err = hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &op);

    if (!err)
        *port = op.port;
    return (int)err;
}

void hv_evtchn_close(evtchn_port_t port)
{
    evtchn_close_t op = {.port = port};
    long err = hypercall_event_channel_op(EVTCHNOP_close, &op);

    assert(!err);
}

void hv_evtchn_notify(evtchn_port_t port)
{
    evtchn_send_t op = {.port = port};

    /* Fails when the other end is closed; xenbus will see its state. */
    (void)hypercall_event_channel_op(EVTCHNOP_send, &op);
}

/* ---- Entropy */

/* RDRAND may run dry for a moment (Intel SDM 7.3.17: retry ten times). */
#define RDRAND_TRIES 10

static bool has_rdrand(void)
{
    uint32_t a = 1, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c & (1u << 30); /* CPUID.01H:ECX.RDRAND */
}

bool hv_random(uint64_t *bits)
{
    bool ok = false;

    if (!has_rdrand())
        return false;
    for (int i = 0; i < RDRAND_TRIES && !ok; i++)
        __asm__ volatile("rdrand %0" : "=r"(*bits), "=@ccc"(ok));
    return ok;
}

/* ---- The end */

_Noreturn void hv_shutdown(unsigned reason)
{
    sched_shutdown_t op = {.reason = reason};

    for (;;)
        (void)hypercall_sched_op(SCHEDOP_shutdown, &op);
}
