/* SPDX-License-Identifier: MIT */
/*
 * What every file may rely on: a few macros that C lacks, and the few types of
 * Xen's that our own headers name. It includes no Xen header, so a header that
 * needs no more than this includes none either.
 */
#ifndef XEN_BASE_H
#define XEN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xen/error.h"

/* The same as in event_channel.h, grant_table.h and xen.h. */
typedef uint32_t evtchn_port_t;
typedef uint32_t grant_ref_t;
typedef uint16_t domid_t;

#define XEN_PAGE_SHIFT 12
#define XEN_PAGE_SIZE  4096u /* every frame a grant can name (grant_table.h) */

/* The caller must check the result of these functions for errors. */
#define must_check __attribute__((warn_unused_result))

/* The structure that embeds member MEMBER at PTR. */
#define container_of(ptr, type, member) \
    ((type *)((char *)(ptr)-offsetof(type, member)))

#define array_size(a) (sizeof(a) / sizeof((a)[0]))

#endif
