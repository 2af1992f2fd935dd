/* SPDX-License-Identifier: MIT */
/*
 * Faults: one readable register dump, then the domain crashes. For xen/ only.
 */
#ifndef XEN_PV_TRAPS_H
#define XEN_PV_TRAPS_H

/* Tell Xen where the vectors of boot.S are. */
void traps_init(void);

#endif
