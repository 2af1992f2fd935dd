/* SPDX-License-Identifier: MIT */
/*
 * SipHash as in the paper: four words of state, mixed with each word of input;
 * the last word has the rest of the bytes, and the length on top.
 */
#include "apps/kv/kv_hash.h"

#include <string.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void mix(struct state *s, unsigned rounds)
{
    while (rounds--) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static inline void absorb(struct state *s, uint64_t word, unsigned rounds)
{
    s->v3 ^= word;
    mix(s, rounds);
    s->v0 ^= word;
}

/* The guest is little-endian, as SipHash is. */
static inline uint64_t word_at(const char *at, size_t len)
{
    uint64_t word = 0;

    memcpy(&word, at, len);
    return word;
}

static inline uint64_t hash(const struct kv_hash_key *key, const char *at,
                            size_t len, unsigned rounds, unsigned final_rounds)
{
    uint64_t k0 = key->words[0], k1 = key->words[1];
    struct state s = {
        k0 ^ 0x736f6d6570736575,
        k1 ^ 0x646f72616e646f6d,
        k0 ^ 0x6c7967656e657261,
        k1 ^ 0x7465646279746573,
    };
    const char *end = at + len / 8 * 8;

    for (; at < end; at += 8)
        absorb(&s, word_at(at, 8), rounds);
    absorb(&s, word_at(at, len % 8) | (uint64_t)len << 56, rounds);
    s.v2 ^= 0xff;
    mix(&s, final_rounds);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t kv_hash(const struct kv_hash_key *key, const void *bytes, size_t len)
{
    return hash(key, bytes, len, 1, 3);
}

uint64_t kv_hash_rounds(const struct kv_hash_key *key, const void *bytes,
                        size_t len, unsigned rounds, unsigned final_rounds)
{
    return hash(key, bytes, len, rounds, final_rounds);
}
