/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor as everything above sees it: the seam.
 *
 * All that the kernel and the drivers ask of Xen is in this header. It has two
 * implementations: hv_pv.c turns each call into a hypercall; tests/fake/
 * keeps a whole machine, its backends and its clock inside one host process.
 *
 * Sleeping (hv_poll) is the only point where control leaves the guest, so it
 * is also the only point where another party's memory writes must be expected
 * to appear "by themselves". (A hostile backend runs on another CPU and may
 * write shared pages at any time: xen/bus/ring.h says how those are read.)
 *
 * Errors are negative XEN_E* numbers (xen/error.h).
 */
#ifndef XEN_HV_H
#define XEN_HV_H

#include "xen/base.h"

/* Defined in Xen's headers: see xen/abi.h. */
struct grant_entry_v1;
struct shared_info;

/* ---- What this guest is: constant from entry to shutdown. */

struct hv_info {
    struct shared_info *shared; /* pending bits, clocks; Xen writes them */
    const char *cmdline;        /* NUL-terminated; "" when there is none */
    unsigned long nr_pages;     /* pages that the domain owns */
    void *console_page;         /* struct xencons_interface, or NULL */
    evtchn_port_t console_port; /* 0 when console_page is NULL */
    void *store_page;           /* struct xenstore_domain_interface or NULL */
    evtchn_port_t store_port;   /* 0 when store_page is NULL */
    const void *module;         /* ramdisk= contents, or NULL */
    size_t module_bytes;
};

const struct hv_info *hv_info(void);

/* ---- Time. One clock, nanoseconds since the host started (xen.h,
 * vcpu_time_info); it never runs backwards. */

uint64_t hv_now_ns(void);

/* Wall-clock time at hv_now_ns() == 0, nanoseconds since 1970 UTC. */
uint64_t hv_wall_base_ns(void);

/* CPU time this guest has used since it was created, nanoseconds (vcpu.h,
 * RUNSTATE_running). A hypercall; not for the fast path. */
uint64_t hv_cpu_ns(void);

/* ---- Sleeping and event channels (sched.h SCHEDOP_poll, event_channel.h) */

/* Most ports that one sleep can wait for (xen/sched.h, do_poll). */
#define HV_POLL_PORTS_MAX 128

/* Sleep until one of ports[0..nr) is pending or hv_now_ns() >= until_ns.
 * until_ns 0 is already past; UINT64_MAX is never. Returns at once when a port
 * is pending, and may return early. Does not clear pending bits. */
void hv_poll(evtchn_port_t *ports, unsigned nr, uint64_t until_ns);

/* A new local port that domain `remote` may bind to. */
must_check int hv_evtchn_alloc_unbound(domid_t remote, evtchn_port_t *port);
void hv_evtchn_close(evtchn_port_t port);
/* Set the remote end's pending bit. A closed remote end is not an error. */
void hv_evtchn_notify(evtchn_port_t port);

/* ---- Grant table, version 1 (grant_table.h) */

/* Make the first nr_frames frames of the grant table accessible. *table is the
 * same address for every call, so growing moves nothing. -XEN_ENOMEM when Xen
 * or the address window (HV_GRANT_FRAMES_MAX) allows no more. */
#define HV_GRANT_FRAMES_MAX 64 /* Xen's default gnttab_max_frames */
must_check int hv_grant_frames(unsigned nr_frames,
                               struct grant_entry_v1 **table);

/* The frame number that a grant entry needs for this page. `page` is page
 * aligned and was handed out by kernel/page.h. */
uint32_t hv_page_frame(const void *page);

/* ---- Memory. Pages are numbered; kernel/page.c decides who owns which. */

/* Pages that are free at entry: not part of the image, the boot structures or
 * the page tables. They are ranges [*first, *end) for i = 0, 1, ..., in
 * ascending order, possibly empty; false past the last range. */
bool hv_free_range(unsigned i, unsigned long *first, unsigned long *end);

/* The address of page number `page`, mapped already or not. */
void *hv_page_address(unsigned long page);
unsigned long hv_page_number(const void *address);

/* Make free pages [first, first + nr) readable and writable, not executable;
 * they were not mapped before. Contents are undefined. New page tables are made
 * of pages that hv_free_range never returned. -XEN_ENOMEM when Xen
 * refuses. */
must_check int hv_map_pages(unsigned long first, unsigned long nr);

/* Make any access to this page of ours a fault, or undo that (the contents are
 * then undefined). Remove the guard before a page is freed or granted.
 * -XEN_ENOMEM when Xen refuses. */
must_check int hv_guard_page(void *page);
void hv_unguard_page(void *page);

/* ---- Entropy: 64 bits from the CPU's generator; false when it has none. */
bool hv_random(uint64_t *bits);

/* ---- The function that the platform calls once memory, traps and hv_info()
 * are ready: init/main.c. */
_Noreturn void kernel_main(void);

/* ---- The end. reason: SHUTDOWN_poweroff, _reboot, _crash (sched.h). */
_Noreturn void hv_shutdown(unsigned reason);

#endif
