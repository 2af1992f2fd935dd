/* SPDX-License-Identifier: MIT */
/*
 * SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF"): without
 * knowing the key nobody can choose names that fall into one bucket.
 */
#ifndef APPS_KV_DB_HASH_H
#define APPS_KV_DB_HASH_H

#include <stddef.h>
#include <stdint.h>

struct kv_hash_key {
    uint64_t words[2];
};

/* SipHash-1-3: what hash tables use. */
uint64_t kv_hash(const struct kv_hash_key *key, const void *bytes, size_t len);

/* SipHash with other numbers of rounds, for the paper's test vectors. */
uint64_t kv_hash_rounds(const struct kv_hash_key *key, const void *bytes,
                        size_t len, unsigned rounds, unsigned final_rounds);

#endif
