/* SPDX-License-Identifier: MIT */
/*
 * Grant references: giving another domain access to one of our pages.
 *
 * A reference is taken once and bound to a page; the permission behind it is
 * then given and withdrawn as often as needed, at the cost of one memory write
 * each way and no hypercall (grant_table.h, "Introducing/Invalidating a valid
 * entry into the grant table").
 *
 * Withdrawing can fail: the other side may still have the page mapped (for
 * ever, if it is hostile). The page is then not reused for anything else:
 * gnttab_end takes page and reference and retries until it succeeds
 * (docs/hardening.md, A8).
 */
#ifndef XEN_BUS_GNTTAB_H
#define XEN_BUS_GNTTAB_H

#include "kernel/loop.h"
#include "kernel/page.h"
#include "xen/hv.h"

#define GNTTAB_NONE UINT32_MAX

struct gnttab;

/* Pages of one device that a backend still holds. Whoever gives a device pages
 * checks this count, so that a device's backends can hold only so many, and
 * what they hold costs other devices nothing. */
struct gnttab_hoard {
    struct gnttab *gt;
    unsigned nr;       /* parked pages */
    grant_ref_t first; /* head of their list */
    struct timer retry;
};

/* Interval between retries for a page that is still held: a slow backend lets
 * go within milliseconds, and one that never does costs little. */
#define GNTTAB_RETRY_NS (100 * NS_PER_MS)

struct gnttab_ref {
    uint32_t page;    /* the number of its page; 0: not in use (page 0 is never
                       * free memory, for NULL must not be mapped) */
    grant_ref_t next; /* on the free list, or the parked list */
};

struct gnttab {
    struct loop *loop;
    struct pages *pages;
    struct grant_entry_v1 *table; /* shared with Xen; indexed by reference */
    struct gnttab_ref *refs[HV_GRANT_FRAMES_MAX]; /* ours: one page for each of
                                                   * the table's frames */
    unsigned nr_frames;          /* frames of the table in use so far */
    grant_ref_t fresh;           /* references from here on were never used */
    grant_ref_t free;            /* head of the list of those used before */
    unsigned nr_live;            /* references in use, parked ones included */
    unsigned nr_parked;          /* pages in all hoards */
    struct gnttab_hoard orphans; /* of devices that are gone */
    uint64_t granted, busy; /* permissions given; withdrawals that failed */
};

/* Makes no hypercall yet: a guest without devices needs no grant table. */
void gnttab_init(struct gnttab *gt, struct loop *loop, struct pages *pages);

/* Take a reference for this page (whole, zeroed, from kernel/page.h), for
 * domain `dom`. Nobody can use it until gnttab_give. -XEN_ENOSPC when the
 * table cannot grow, -XEN_ENOMEM without memory. */
must_check int gnttab_take(struct gnttab *gt, domid_t dom, void *page,
                           grant_ref_t *ref);

/* Let the other domain read (and write) the page from now on. Assert: it has
 * no permission yet. */
void gnttab_give(struct gnttab *gt, grant_ref_t ref, bool readonly);

/* Withdraw the permission, if it was given. 0: the page is private again, and
 * what the other side wrote to it is visible. -XEN_EBUSY: it is still mapped
 * or in use; the permission stands. */
must_check int gnttab_withdraw(struct gnttab *gt, grant_ref_t ref);

/* Give the reference back, but not the page. Assert: withdrawn. */
void gnttab_release(struct gnttab *gt, grant_ref_t ref);

void gnttab_hoard_init(struct gnttab_hoard *hoard, struct gnttab *gt);

/* Stop sharing a page: withdraw, release the reference, free the page to
 * kernel/page.h. If the other side still holds the page, it is parked in the
 * hoard until that succeeds. */
void gnttab_end(struct gnttab_hoard *hoard, grant_ref_t ref);

/* The device goes away: its hoard becomes empty and may be freed. The pages
 * that were in it are still retried, as orphans. */
void gnttab_hoard_end(struct gnttab_hoard *hoard);

#endif
