/* SPDX-License-Identifier: MIT */
/*
 * Where the platform hands over: memory, traps and hv_info() are ready.
 */
#ifndef KERNEL_MAIN_H
#define KERNEL_MAIN_H

_Noreturn void kernel_main(void);

#endif
