/* SPDX-License-Identifier: MIT */
/*
 * Grant references (grant_table.h, version 1).
 *
 * Two arrays with the same index. The entry, in the table that Xen shares with
 * us, says what the other domain may do; only Xen and we can write it. The
 * gnttab_ref beside it is ours: which page it is for, and a link.
 *
 *     fresh/free --take--> taken --give--> given --withdraw--> taken
 *                            |                |
 *                         release            end, while still mapped
 *                            v                v
 *                          free <--retry-- parked
 *
 * Domain and frame of an entry are written when it is taken; its flags alone
 * make it valid. While the other side uses the page, Xen keeps GTF_reading and
 * GTF_writing set in them. A page still in use when we end it is parked: nobody
 * gets it until these bits are clear. Its reference is in a list of the device
 * that shared it (a hoard) or, once the device is gone, in the orphans' list.
 *
 * References are never moved, and the table never shrinks: its size is the
 * largest number of references that was ever needed at once.
 */
#include "xen/bus/gnttab.h"
#include "xen/abi.h"
#include "xen/hv.h"

#include <assert.h>

#define REFS_PER_FRAME (XEN_PAGE_SIZE / sizeof(grant_entry_v1_t))

_Static_assert(REFS_PER_FRAME * sizeof(struct gnttab_ref) == XEN_PAGE_SIZE,
               "a frame's references fill one page");

void gnttab_init(struct gnttab *gt, struct loop *loop, struct pages *pages)
{
    *gt = (struct gnttab){
        .loop = loop,
        .pages = pages,
        .fresh = GNTTAB_NR_RESERVED_ENTRIES,
        .free = GNTTAB_NONE,
    };
    gnttab_hoard_init(&gt->orphans, gt);
}

static struct gnttab_ref *ref_at(struct gnttab *gt, grant_ref_t ref)
{
    return &gt->refs[ref / REFS_PER_FRAME][ref % REFS_PER_FRAME];
}

static struct gnttab_ref *live_ref(struct gnttab *gt, grant_ref_t ref)
{
    assert(ref >= GNTTAB_NR_RESERVED_ENTRIES && ref < gt->fresh);
    assert(ref_at(gt, ref)->page);
    return ref_at(gt, ref);
}

/* The flags that Xen reads, and in which it sets GTF_reading and _writing. */
static uint16_t *live_flags(struct gnttab *gt, grant_ref_t ref)
{
    live_ref(gt, ref);
    return &gt->table[ref].flags;
}

/* ---- Taking and releasing references */

static int grow(struct gnttab *gt)
{
    struct gnttab_ref *refs;

    if (gt->nr_frames == HV_GRANT_FRAMES_MAX)
        return -XEN_ENOSPC;
    refs = page_alloc(gt->pages, 1);
    if (!refs)
        return -XEN_ENOMEM;
    if (hv_grant_frames(gt->nr_frames + 1, &gt->table)) {
        page_free(gt->pages, refs, 1);
        return -XEN_ENOSPC;
    }
    gt->refs[gt->nr_frames++] = refs;
    return 0;
}

static int pop_free(struct gnttab *gt, grant_ref_t *ref)
{
    int error;

    if (gt->free != GNTTAB_NONE) {
        *ref = gt->free;
        gt->free = ref_at(gt, *ref)->next;
        return 0;
    }
    if (gt->fresh >= gt->nr_frames * REFS_PER_FRAME) {
        error = grow(gt);
        if (error)
            return error;
    }
    *ref = gt->fresh++;
    return 0;
}

int gnttab_take(struct gnttab *gt, domid_t dom, void *page, grant_ref_t *ref)
{
    int error = pop_free(gt, ref);

    if (error)
        return error;
    ref_at(gt, *ref)->page = (uint32_t)hv_page_number(page);
    gt->table[*ref].domid = dom;
    gt->table[*ref].frame = hv_page_frame(page);
    gt->nr_live++;
    return 0;
}

void gnttab_release(struct gnttab *gt, grant_ref_t ref)
{
    struct gnttab_ref *r = live_ref(gt, ref);

    assert(*live_flags(gt, ref) == GTF_invalid);
    r->page = 0;
    r->next = gt->free;
    gt->free = ref;
    gt->nr_live--;
}

/* ---- Giving and withdrawing the permission */

void gnttab_give(struct gnttab *gt, grant_ref_t ref, bool readonly)
{
    uint16_t *flags = live_flags(gt, ref);

    assert(*flags == GTF_invalid);
    gt->granted++;
    /* Release: domain, frame and the page's contents come before. Pairs with
     * Xen's read of the flags when the other side maps or copies. */
    __atomic_store_n(flags, GTF_permit_access | (readonly ? GTF_readonly : 0),
                     __ATOMIC_RELEASE);
}

int gnttab_withdraw(struct gnttab *gt, grant_ref_t ref)
{
    uint16_t *flags = live_flags(gt, ref);
    uint16_t seen = __atomic_load_n(flags, __ATOMIC_RELAXED);

    /* If the flags changed, Xen has just set or cleared a use. Try only once,
     * so that the other side cannot keep us here.
     * Acquire: what it wrote to the page is visible after this. Pairs with
     * Xen's clearing of GTF_writing when it unmaps or has copied. */
    if (seen & (GTF_reading | GTF_writing) ||
        !__atomic_compare_exchange_n(flags, &seen, GTF_invalid, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        gt->busy++;
        return -XEN_EBUSY;
    }
    return 0;
}

/* ---- Ending a share; pages that the other side still holds */

/* True: withdrawn, released and freed. */
static bool try_end(struct gnttab *gt, grant_ref_t ref)
{
    void *page = hv_page_address(live_ref(gt, ref)->page);

    if (gnttab_withdraw(gt, ref))
        return false;
    gnttab_release(gt, ref);
    page_free(gt->pages, page, 1);
    return true;
}

static void retry_parked(struct timer *timer);

static void retry_later(struct gnttab_hoard *hoard)
{
    struct loop *loop = hoard->gt->loop;

    if (!hoard->retry.active)
        timer_start(loop, &hoard->retry, loop_now(loop) + GNTTAB_RETRY_NS,
                    retry_parked);
}

static void park(struct gnttab_hoard *hoard, grant_ref_t ref)
{
    ref_at(hoard->gt, ref)->next = hoard->first;
    hoard->first = ref;
    hoard->nr++;
    hoard->gt->nr_parked++;
}

/* Retry everything in `from`. */
static void end_all(struct gnttab_hoard *hoard, struct gnttab_hoard *from)
{
    struct gnttab *gt = hoard->gt;
    grant_ref_t ref = from->first;

    gt->nr_parked -= from->nr;
    from->first = GNTTAB_NONE;
    from->nr = 0;
    while (ref != GNTTAB_NONE) {
        grant_ref_t next = ref_at(gt, ref)->next;

        gnttab_end(hoard, ref);
        ref = next;
    }
}

static void retry_parked(struct timer *timer)
{
    struct gnttab_hoard *hoard =
        container_of(timer, struct gnttab_hoard, retry);

    end_all(hoard, hoard);
}

void gnttab_hoard_init(struct gnttab_hoard *hoard, struct gnttab *gt)
{
    *hoard = (struct gnttab_hoard){.gt = gt, .first = GNTTAB_NONE};
}

void gnttab_end(struct gnttab_hoard *hoard, grant_ref_t ref)
{
    if (try_end(hoard->gt, ref))
        return;
    park(hoard, ref);
    retry_later(hoard);
}

void gnttab_hoard_end(struct gnttab_hoard *hoard)
{
    timer_stop(hoard->gt->loop, &hoard->retry);
    end_all(&hoard->gt->orphans, hoard);
}
