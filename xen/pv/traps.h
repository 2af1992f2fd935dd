/* SPDX-License-Identifier: MIT */
/*
 * Faults: one readable register dump, then the domain crashes. For xen/ only.
 */
#ifndef XEN_TRAPS_H
#define XEN_TRAPS_H

/* Tell Xen where the vectors of boot.S are. */
void traps_init(void);

#endif
