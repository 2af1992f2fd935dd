/* SPDX-License-Identifier: MIT */
/*
 * For fuzzers of lwIP without net/net.c and net/route.c: what those two do for
 * lwIP elsewhere, as little of it as there can be. A fuzzer has its own
 * net_random.
 */
#ifndef TESTS_FUZZ_LWIP_ALONE_H
#define TESTS_FUZZ_LWIP_ALONE_H

/* For timeouts_init: nothing is to be done every second. */
void lwip_alone_every_second(void);

#endif
