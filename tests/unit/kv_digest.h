/* SPDX-License-Identifier: MIT */
/* All of a store in one number: two with the same keys, values and times have
 * the same, in whatever order they came. */
#ifndef TESTS_UNIT_KV_DIGEST_H
#define TESTS_UNIT_KV_DIGEST_H

#include "apps/kv/kv_hash.h"
#include "apps/kv/kv_store.h"

static void kv_digest_add(void *arg, struct kv_store *store,
                          struct kv_entry *entry)
{
    static const struct kv_hash_key key = {{1, 2}};
    uint64_t *sum = arg;

    (void)store;
    *sum += kv_hash(&key, entry->bytes,
                    (size_t)entry->key_bytes + entry->value_bytes) *
            (entry->expires_ms | 1);
}

static uint64_t kv_digest(struct kv_store *store)
{
    uint64_t sum = 0, cursor = 0;

    do
        cursor = kv_store_next(store, cursor, kv_digest_add, &sum);
    while (cursor);
    return sum;
}

#endif
