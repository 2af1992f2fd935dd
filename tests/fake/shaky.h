/* SPDX-License-Identifier: MIT */
/*
 * Memory that changes between two reads: a backend on another CPU, at its
 * worst. Each word that the guest reads in it is overwritten right after the
 * instruction that read it, so whoever reads twice always sees two values.
 *
 *     shaky_start(ring->ring, sizeof(slots), ~0u);
 *     ... turns of the loop ...
 *     assert_int_equal(shaky_stop(), 2 * NR);      so many reads
 *
 * While the guest sleeps, in hv_poll, the memory is quiet: backend steps may
 * use it as they like. A test must not touch it between start and stop.
 */
#ifndef TESTS_FAKE_SHAKY_H
#define TESTS_FAKE_SHAKY_H

#include <stddef.h>
#include <stdint.h>

#define SHAKY_MAX 4 /* places at once */

/* From now on a word (32 bits, aligned) that was read in [memory, memory +
 * bytes) becomes larger by `step`, modulo 2^32. What else lies in its pages is
 * left alone. */
void shaky_start(void *memory, size_t bytes, uint32_t step);

/* The end of all of it. How many words were read. */
unsigned long shaky_stop(void);

#endif
