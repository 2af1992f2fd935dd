/* SPDX-License-Identifier: MIT */
/*
 * Fast key erasure: each block that ChaCha20 makes from the key is split in
 * two. One half replaces the key before anything is handed out; the other half
 * is the output. Each key is used once, so counter and nonce may be anything:
 * at the start they mix the clocks into the key, later they are zero.
 */
#include "kernel/random.h"

#include <string.h>

#include "xen/hv.h"

/* Intel: a generator that fails ten times in a row is broken. */
#define DRAW_TRIES 10

/* With -Os these would be calls, and the square would be kept in memory. */
#define INLINE static inline __attribute__((always_inline))

/* The block is a square of 4 x 4 words; this is one row. */
typedef uint32_t row __attribute__((vector_size(16)));

INLINE row rotate(row words, int bits)
{
    return words << bits | words >> (32 - bits);
}

/* RFC 8439, 2.1, on all four columns at once. */
INLINE void quarter_rounds(row square[4])
{
    row a = square[0], b = square[1], c = square[2], d = square[3];

    a += b;
    d = rotate(d ^ a, 16);
    c += d;
    b = rotate(b ^ c, 12);
    a += b;
    d = rotate(d ^ a, 8);
    c += d;
    b = rotate(b ^ c, 7);
    square[0] = a;
    square[1] = b;
    square[2] = c;
    square[3] = d;
}

/* Row i moves left by i words, which makes columns of the diagonals. */
INLINE void skew(row square[4])
{
    row b = square[1], c = square[2], d = square[3];

    square[1] = __builtin_shufflevector(b, b, 1, 2, 3, 0);
    square[2] = __builtin_shufflevector(c, c, 2, 3, 0, 1);
    square[3] = __builtin_shufflevector(d, d, 3, 0, 1, 2);
}

/* RFC 8439, 2.3: columns then diagonals, ten times. Four skews cancel out. */
void random_block(const uint32_t key[RANDOM_KEY_WORDS], const uint32_t input[4],
                  uint32_t out[RANDOM_BLOCK_WORDS])
{
    row start[4] = {{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}};
    row square[4];

    memcpy(&start[1], key, 2 * sizeof(row));
    memcpy(&start[3], input, sizeof(row));
    memcpy(square, start, sizeof(square));
    for (unsigned i = 0; i < 10; i++) {
        quarter_rounds(square);
        skew(square);
        quarter_rounds(square);
        skew(square);
        skew(square);
        skew(square);
    }
    for (unsigned i = 0; i < 4; i++)
        square[i] += start[i];
    memcpy(out, square, sizeof(square));
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

/* The clocks are mixed in even if the CPU's generator works, because nobody can
 * inspect that generator. */
void random_init(struct random *random)
{
    uint64_t clocks[2] = {hv_now_ns(), hv_wall_base_ns()};
    uint32_t input[4];

    random->seeded = true;
    for (unsigned i = 0; i < RANDOM_KEY_WORDS; i += 2) {
        uint64_t bits = 0;
        random->seeded &= draw(&bits);
        bits ^= hv_now_ns(); /* how long that took */
        memcpy(&random->key[i], &bits, sizeof(bits));
    }
    memcpy(input, clocks, sizeof(input));
    refill(random, input);
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
