/* SPDX-License-Identifier: MIT */
/*
 * The guest's page tables. For files of xen/ only: the rest of the guest sees
 * pages through kernel/page.h.
 */
#ifndef XEN_PV_MM_H
#define XEN_PV_MM_H

#include "xen/abi.h"

/* Take over from the domain builder: give the image its access rights, move all
 * other memory to its linear address, not executable, and unmap NULL and the
 * stack guard. Needs only start_info. */
void mm_init(const start_info_t *si);

/* After mm_init: the new address of something that the builder placed. */
const void *mm_linear(const void *address);

/* See hv_free_range (xen/hv.h). */
bool mm_free_range(unsigned i, unsigned long *first, unsigned long *end);

/* See hv_map_pages (xen/hv.h). */
must_check int mm_map_pages(unsigned long first, unsigned long nr);

/* See hv_guard_page (xen/hv.h). */
must_check int mm_set_access(const void *page, bool access);

/* Map a frame that is not ours (grant table) into the window, read-write. */
must_check int mm_map_window(unsigned window_page, uint64_t mfn);
void *mm_window(unsigned window_page);

void *mm_address(unsigned long page);
unsigned long mm_page(const void *address);
/* The machine frame behind a page of ours. */
uint64_t mm_frame(unsigned long page);
/* The page of ours that a machine frame backs (the builder's own tables). */
unsigned long mm_page_of_frame(uint64_t mfn);

#endif
