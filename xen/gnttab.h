/* SPDX-License-Identifier: MIT */
/*
 * Grant references: letting another domain at one of our pages.
 *
 * A reference is taken once and bound to a page; the permission behind it is
 * then given and withdrawn as often as needed, at the cost of one memory write
 * each way and no hypercall (grant_table.h, "Introducing/Invalidating a valid
 * entry into the grant table").
 *
 * Withdrawing can fail: the other side may still have the page mapped, for
 * ever if it is hostile. Then the page is never reused for anything else:
 * gnttab_park takes page and reference and retries until it succeeds
 * (HARDENING.md A8).
 */
#ifndef XEN_GNTTAB_H
#define XEN_GNTTAB_H

#include "kernel/loop.h"
#include "kernel/page.h"
#include "xen/hv.h"

struct gnttab {
    struct loop *loop;
    struct pages *pages;
    grant_entry_v1_t *table;   /* shared with Xen; indexed by reference */
    struct gnttab_ref *refs;   /* ours: same index; never shared */
    unsigned nr_frames;        /* frames of the table in use so far */
    grant_ref_t free;          /* head of the free list, or GNTTAB_NONE */
    unsigned nr_live;          /* references in use, parked ones included */
    unsigned nr_parked;
    grant_ref_t parked;        /* head of the parked list */
    struct timer retry;
    uint64_t granted, busy;    /* counters */
};

#define GNTTAB_NONE UINT32_MAX

must_check int gnttab_init(struct gnttab *gt, struct loop *loop,
                           struct pages *pages);

/* Take a reference for this page (whole, zeroed, from kernel/page.h), for
 * domain `dom`. Nobody can use it until gnttab_give. -XEN_ENOSPC when the
 * table cannot grow, -XEN_ENOMEM without memory. */
must_check int gnttab_take(struct gnttab *gt, domid_t dom, void *page,
                           grant_ref_t *ref);

/* Let the other domain read (and write) the page from now on. */
void gnttab_give(struct gnttab *gt, grant_ref_t ref, bool readonly);

/* Withdraw the permission. 0: the page is private again. -XEN_EBUSY: it is
 * still mapped or in use; the permission stands. */
must_check int gnttab_withdraw(struct gnttab *gt, grant_ref_t ref);

/* Give the reference back; it must not be given to the other side. */
void gnttab_release(struct gnttab *gt, grant_ref_t ref);

/* The end of a shared page: withdraw, release the reference, free the page to
 * kernel/page.h; when the other side still holds it, later (parked). */
void gnttab_end(struct gnttab *gt, grant_ref_t ref);

#endif
