/* SPDX-License-Identifier: MIT */
/* Time that passed without lwIP's timers: the guest was paused. */
#ifndef NET_AGING_H
#define NET_AGING_H

#include <stdint.h>

/* All lifetimes of lwIP's see this time pass; what is over is not used again.
 * Those who wait for an answer go on waiting. */
void aging_pass(uint32_t seconds);

#endif
