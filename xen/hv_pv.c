/* SPDX-License-Identifier: MIT */
/*
 * The seam (xen/hv.h) on a real Xen: each call is one hypercall, or a look at
 * memory that Xen shares with us. hv_entry is where boot.S enters C.
 *
 * Nothing here keeps state but hv: what start_info said, read once.
 */
#include "xen/hv.h"
#include "kernel/log.h"
#include "kernel/main.h"
#include "xen/clock.h"
#include "xen/hypercall.h"
#include "xen/layout.h"
#include "xen/mm.h"
#include "xen/traps.h"

#include <assert.h>
#include <string.h>

_Static_assert(LAYOUT_WINDOW_BYTES / XEN_PAGE_SIZE >=
                   LAYOUT_GRANTS + HV_GRANT_FRAMES_MAX,
               "the window holds all grant frames");

static struct hv_info hv;

/* Set by Xen, from the same tool as start_info: "xen-3.0-x86_64". */
static bool is_start_info(const start_info_t *si)
{
    return memcmp(si->magic, "xen-", 4) == 0;
}

/* The module's address is virtual: our notes do not ask for a frame number. */
static void learn(const start_info_t *si)
{
    hv.shared = mm_window(LAYOUT_SHARED_INFO);
    hv.cmdline = (const char *)si->cmd_line;
    hv.nr_pages = si->nr_pages;
    if (si->console.domU.mfn) {
        hv.console_page = mm_address(mm_page_of_frame(si->console.domU.mfn));
        hv.console_port = si->console.domU.evtchn;
    }
    if (si->store_mfn) {
        hv.store_page = mm_address(mm_page_of_frame(si->store_mfn));
        hv.store_port = si->store_evtchn;
    }
    hv.module = si->mod_len ? mm_linear((void *)si->mod_start) : NULL;
    hv.module_bytes = si->mod_len;
}

_Noreturn void hv_entry(const start_info_t *si);

_Noreturn void hv_entry(const start_info_t *si)
{
    if (!is_start_info(si))
        hv_shutdown(SHUTDOWN_crash); /* not Xen: there is nobody to tell */
    mm_init(si);
    learn(mm_linear(si));
    traps_init();
    kernel_main();
}

const struct hv_info *hv_info(void)
{
    return &hv;
}

/* ---- Time */

static uint64_t tsc(void)
{
    return __builtin_ia32_rdtsc();
}

uint64_t hv_now_ns(void)
{
    return clock_system_ns(&hv.shared->vcpu_info[0].time, tsc);
}

uint64_t hv_wall_base_ns(void)
{
    return clock_wall_base_ns(hv.shared);
}

uint64_t hv_cpu_ns(void)
{
    vcpu_runstate_info_t info = {0};

    if (hypercall_vcpu_op(VCPUOP_get_runstate_info, 0, &info))
        return 0;
    return info.time[RUNSTATE_running];
}

/* ---- Sleeping and event channels */

/* A timeout of 0 means "none" to SCHEDOP_poll: 1 is as much in the past. */
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

    /* Fails when the other end is closed: its state will tell. */
    (void)hypercall_event_channel_op(EVTCHNOP_send, &op);
}

/* ---- Grant table */

static int setup_frames(unsigned nr_frames, xen_pfn_t *frames)
{
    gnttab_setup_table_t op = {.dom = DOMID_SELF, .nr_frames = nr_frames};

    set_xen_guest_handle(op.frame_list, frames);
    if (hypercall_grant_table_op(GNTTABOP_setup_table, &op, 1) ||
        op.status != GNTST_okay)
        return -XEN_ENOMEM;
    return 0;
}

int hv_grant_frames(unsigned nr_frames, grant_entry_v1_t **table)
{
    xen_pfn_t frames[HV_GRANT_FRAMES_MAX];

    if (nr_frames > HV_GRANT_FRAMES_MAX || setup_frames(nr_frames, frames))
        return -XEN_ENOMEM;
    for (unsigned i = 0; i < nr_frames; i++)
        if (mm_map_window(LAYOUT_GRANTS + i, frames[i]))
            return -XEN_ENOMEM;
    *table = mm_window(LAYOUT_GRANTS);
    return 0;
}

uint32_t hv_page_frame(const void *page)
{
    return (uint32_t)mm_frame(mm_page(page));
}

/* ---- Memory */

bool hv_free_range(unsigned i, unsigned long *first, unsigned long *end)
{
    return mm_free_range(i, first, end);
}

void *hv_page_address(unsigned long page)
{
    return mm_address(page);
}

unsigned long hv_page_number(const void *address)
{
    return mm_page(address);
}

int hv_map_pages(unsigned long first, unsigned long nr)
{
    return mm_map_pages(first, nr);
}

int hv_guard_page(void *page)
{
    return mm_set_access(page, false);
}

void hv_unguard_page(void *page)
{
    int err = mm_set_access(page, true);

    assert(!err);
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
