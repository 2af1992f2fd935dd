/* SPDX-License-Identifier: MIT */
/*
 * Unpredictable numbers: a ChaCha20 generator (RFC 8439), keyed at boot from
 * the CPU's generator and timing, rekeyed from its own output after every
 * request so that a leaked state does not reveal the past.
 */
#ifndef KERNEL_RANDOM_H
#define KERNEL_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint32_t key[8];
    uint64_t counter;
    uint8_t pool[64]; /* output not handed out yet */
    size_t left;
    bool seeded;      /* false: the CPU has no generator; numbers are guessable
                       * by who knows the boot time. Logged as a warning. */
};

void random_init(struct random *random);
void random_bytes(struct random *random, void *out, size_t bytes);
uint32_t random_u32(struct random *random);

#endif
