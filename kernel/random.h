/* SPDX-License-Identifier: MIT */
/*
 * Unpredictable numbers: a ChaCha20 generator (RFC 8439), keyed at boot from
 * the CPU's generator and timing, rekeyed from its own output with every block
 * it makes, so that a leaked state does not reveal the past.
 */
#ifndef KERNEL_RANDOM_H
#define KERNEL_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANDOM_KEY_WORDS   8  /* ChaCha20: a 256-bit key... */
#define RANDOM_BLOCK_WORDS 16 /* ...makes blocks of 512 bits */

struct random {
    uint32_t key[RANDOM_KEY_WORDS];
    uint8_t pool[32]; /* output; the last `left` bytes are still unused, the
                       * others are zeroed */
    size_t left;
    bool seeded; /* false: the CPU has no generator; knowing the boot time,
                  * one can guess the numbers. The caller logs a warning. */
};

void random_init(struct random *random);
void random_bytes(struct random *random, void *out, size_t bytes);
uint32_t random_u32(struct random *random);

/* The ChaCha20 block function (RFC 8439, 2.3), for the RFC's test vectors.
 * `input` is the counter and the three words of the nonce. */
void random_block(const uint32_t key[RANDOM_KEY_WORDS], const uint32_t input[4],
                  uint32_t out[RANDOM_BLOCK_WORDS]);

#endif
