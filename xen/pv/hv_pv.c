/* SPDX-License-Identifier: MIT */
/*
 * The part of the seam (xen/hv.h) that only a PV guest needs: start_info, the
 * frames of the grant table, and memory. boot.S enters C in hv_entry.
 * hv_calls.c has the rest.
 *
 * Nothing here keeps state but hv: what start_info said, read once.
 */
#include "xen/hv.h"
#include "xen/pv/hypercall.h"
#include "xen/pv/layout.h"
#include "xen/pv/mm.h"
#include "xen/pv/traps.h"

#include <assert.h>
#include <string.h>

_Static_assert(LAYOUT_WINDOW_BYTES / XEN_PAGE_SIZE >=
                   LAYOUT_GRANTS + HV_GRANT_FRAMES_MAX,
               "the window holds all grant frames");

static struct hv_info hv;

/* The domain builder writes a magic into start_info: "xen-3.0-x86_64". */
static bool is_start_info(const start_info_t *si)
{
    return memcmp(si->magic, "xen-", 4) == 0;
}

/* The module's address is virtual: our ELF notes do not ask for its frame. */
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
        hv_shutdown(SHUTDOWN_crash); /* not Xen: no console to report to */
    mm_init(si);
    learn(mm_linear(si));
    traps_init();
    kernel_main();
}

const struct hv_info *hv_info(void)
{
    return &hv;
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
