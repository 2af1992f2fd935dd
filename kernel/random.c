/* SPDX-License-Identifier: MIT */
/*
 * Fast key erasure: each block that ChaCha20 makes from the key is cut in two.
 * One half replaces the key before anything is handed out, the other half is
 * the output. The key is used once, so counter and nonce are free: at the
 * start they carry the clocks into the key, later they are zero.
 */
#include "kernel/random.h"

#include <string.h>

#include "xen/hv.h"

/* Intel: a generator that fails ten times in a row is broken. */
#define DRAW_TRIES 10

static uint32_t rotate(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

/* RFC 8439, 2.1 */
static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b;
    *d = rotate(*d ^ *a, 16);
    *c += *d;
    *b = rotate(*b ^ *c, 12);
    *a += *b;
    *d = rotate(*d ^ *a, 8);
    *c += *d;
    *b = rotate(*b ^ *c, 7);
}

/* RFC 8439, 2.3: ten times four columns, then four diagonals. Step i works on
 * column i % 4; a diagonal is a column whose lower rows are shifted. */
void random_block(const uint32_t key[RANDOM_KEY_WORDS], const uint32_t input[4],
                  uint32_t out[RANDOM_BLOCK_WORDS])
{
    uint32_t start[RANDOM_BLOCK_WORDS] = {0x61707865, 0x3320646e, 0x79622d32,
                                          0x6b206574};

    memcpy(start + 4, key, RANDOM_KEY_WORDS * sizeof(*key));
    memcpy(start + 12, input, 4 * sizeof(*input));
    memcpy(out, start, sizeof(start));
    for (unsigned i = 0; i < 80; i++) {
        unsigned shift = i / 4 % 2;
        quarter_round(&out[i % 4], &out[4 + (i + shift) % 4],
                      &out[8 + (i + 2 * shift) % 4],
                      &out[12 + (i + 3 * shift) % 4]);
    }
    for (unsigned i = 0; i < RANDOM_BLOCK_WORDS; i++)
        out[i] += start[i];
}

static void refill(struct random *random, const uint32_t input[4])
{
    uint32_t block[RANDOM_BLOCK_WORDS];

    random_block(random->key, input, block);
    memcpy(random->key, block, sizeof(random->key));
    memcpy(random->pool, block + RANDOM_KEY_WORDS, sizeof(random->pool));
    random->left = sizeof(random->pool);
}

static bool draw(uint64_t *bits)
{
    for (unsigned i = 0; i < DRAW_TRIES; i++) {
        if (hv_random(bits))
            return true;
    }
    return false;
}

/* The clocks are stirred in even when the CPU's generator works: nobody can
 * inspect that one. */
void random_init(struct random *random)
{
    random->seeded = true;
    memset(random->key, 0, sizeof(random->key));
    for (unsigned i = 0; i < RANDOM_KEY_WORDS; i += 2) {
        uint64_t bits = 0;
        uint64_t clocks[2] = {hv_now_ns(), hv_wall_base_ns()};
        uint32_t input[4];

        random->seeded &= draw(&bits);
        random->key[i] ^= (uint32_t)bits;
        random->key[i + 1] ^= (uint32_t)(bits >> 32);
        memcpy(input, clocks, sizeof(input));
        refill(random, input);
    }
}

void random_bytes(struct random *random, void *out, size_t bytes)
{
    static const uint32_t nothing[4];
    uint8_t *to = out;

    while (bytes > 0) {
        if (random->left == 0)
            refill(random, nothing);
        size_t len = bytes < random->left ? bytes : random->left;
        uint8_t *from = random->pool + sizeof(random->pool) - random->left;
        memcpy(to, from, len);
        memset(from, 0, len);
        random->left -= len;
        to += len;
        bytes -= len;
    }
}

uint32_t random_u32(struct random *random)
{
    uint32_t number;

    random_bytes(random, &number, sizeof(number));
    return number;
}
