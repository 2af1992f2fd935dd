/* SPDX-License-Identifier: MIT */
/* Time that passed without lwIP's timers: the guest was paused. */
#ifndef NET_AGING_H
#define NET_AGING_H

#include <stdint.h>

/* Age all of lwIP's lifetimes by this time; what has expired is not used again.
 * Exchanges that wait for an answer go on waiting. */
void aging_pass(uint32_t seconds);

#endif
