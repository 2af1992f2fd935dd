/* SPDX-License-Identifier: MIT */
/*
 * The layout of the guest's address space, for C, assembly and the linker
 * script (xen/pv/image.ld) alike.
 *
 *   0x00000000            nothing: NULL and its neighbours fault
 *   LAYOUT_P2M            the p2m list, put there by the domain builder
 *   LAYOUT_TOP - n * 2 M  the slot (one L1 table, 2 MiB) the image is in:
 *     + 0                 shared_info
 *     + 1 page            scratch window: a page table under construction
 *     + 2 pages           grant table frames
 *     ...                 unmapped
 *   layout_virt_base      the image: pages 0, 1, ... of the domain
 *   + LAYOUT_LINEAR       all pages of the domain, in order, without the
 * image's text and rodata
 *
 * Everything the code refers to by symbol lies below 2 GiB (-mcmodel=small);
 * linear memory grows upwards without that limit.
 */
#ifndef XEN_PV_LAYOUT_H
#define XEN_PV_LAYOUT_H

#define LAYOUT_P2M         0x200000 /* must be below virt_base (libxc) */
/* A multiple of the slot size, and within the image's gigabyte, which has an L2
 * table already. Limits the size of image and modules together. */
#define LAYOUT_LINEAR      0x20000000
#define LAYOUT_SLOT_BYTES  0x200000 /* what one L1 page table maps */
#define LAYOUT_SHARED_INFO 0        /* pages from the slot's start */
#define LAYOUT_SCRATCH     1
#define LAYOUT_GRANTS      2
/* The image must leave this much of its slot free below itself. */
#define LAYOUT_WINDOW_BYTES \
    0x48000 /* 2 + HV_GRANT_FRAMES_MAX pages, and a gap */

#define LAYOUT_TRAPS 20 /* vectors 0 to 19: all that a PV guest can receive */

/* Four times the deepest use seen, 4 KiB (selftest logs it). */
#define LAYOUT_STACK_BYTES 0x4000

#ifndef __ASSEMBLY__
/* From the linker script. These are addresses, not objects: only use & on
 * them. */
extern char layout_virt_base[];
extern char layout_text[], layout_text_end[];
extern char layout_rodata[], layout_rodata_end[];
extern char layout_data[], layout_stack_guard[], layout_stack[];
extern char layout_stack_top[], layout_end[];
#endif

#endif
