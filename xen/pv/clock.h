/* SPDX-License-Identifier: MIT */
/*
 * The PV clock: Xen's time records turned into nanoseconds (xen.h,
 * vcpu_time_info and the wc_* fields of shared_info).
 */
#ifndef XEN_PV_CLOCK_H
#define XEN_PV_CLOCK_H

#include "xen/abi.h"

/* Nanoseconds since the host started, at TSC value tsc(). `tsc` is called
 * between the two reads of the record's version. */
uint64_t clock_system_ns(const vcpu_time_info_t *time, uint64_t (*tsc)(void));

/* Nanoseconds since 1970 UTC when the system time was 0. */
uint64_t clock_wall_base_ns(const shared_info_t *shared);

#endif
