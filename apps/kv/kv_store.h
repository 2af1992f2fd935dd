/* SPDX-License-Identifier: MIT */
/*
 * Keys and values in memory: no network, no clock, no disk.
 *
 * A key with its value is one block of memory, the entry; callers get the entry
 * itself. It is valid until the next call that changes that key, unless it is
 * held (kv_store_hold): then it stays as it is, and a change of the key makes a
 * new entry.
 *
 * Times are milliseconds since 1970; the caller sets now_ms. An expired key no
 * longer exists for any call but kv_store_next; it is removed by the first call
 * that finds it, or by kv_store_expire.
 *
 * No call takes longer when there are many keys: the table grows and shrinks by
 * one bucket at a time, and after kv_store_clear the old keys are freed by
 * kv_store_tidy, a few at a time.
 */
#ifndef APPS_KV_STORE_H
#define APPS_KV_STORE_H

#include "apps/kv/kv_hash.h"
#include "apps/kv/kv_text.h"
#include "kernel/page.h"

/* Keys are short; their length takes two bytes in each entry. */
#define KV_KEY_MAX   65535
/* Redis' own limit; the available memory is another. */
#define KV_VALUE_MAX (512u << 20)

struct kv_entry {
    struct kv_entry *next; /* in its bucket */
    uint64_t expires_ms;   /* 0: never */
    uint32_t value_bytes;
    uint32_t holds; /* by kv_store_hold; the store's own does not count */
    uint16_t key_bytes;
    bool is_alone; /* no longer in the store: kept by its holds */
    char bytes[];  /* key, value */
};

/* Buckets by number, in pages. */
struct kv_table {
    struct kv_entry ***pages;
    size_t pages_room; /* elements of `pages` */
    uint64_t nr_buckets;
    uint64_t nr_keys, nr_expiring;
    struct kv_table *next; /* of the cleared table */
};

struct kv_store {
    /* Set by the owner: */
    struct pages *memory;
    struct kv_hash_key hash_key;
    uint64_t now_ms;
    bool keeps_expired; /* no key expires: while the file is replayed */
    /* Called when a key is being set or removed, or its expiry changed. May be
     * NULL. kv_store_clear does not call it. */
    void (*changed)(struct kv_store *store, struct kv_text key);
    /* Private to the store: */
    struct kv_table table;
    struct kv_table *cleared; /* keys that kv_store_tidy is to free */
    size_t used_bytes;        /* memory of all of them */
    uint64_t nr_expired;      /* so far */
    uint64_t expire_at;       /* how far kv_store_expire is, a cursor */
};

/* `store` is zeroed except for the owner's fields. 0 or -XEN_ENOMEM. */
must_check int kv_store_init(struct kv_store *store);
void kv_store_free(struct kv_store *store);

/* ---- Entries */

static inline struct kv_text kv_entry_key(const struct kv_entry *entry)
{
    return (struct kv_text){entry->bytes, entry->key_bytes};
}

static inline struct kv_text kv_entry_value(const struct kv_entry *entry)
{
    return (struct kv_text){entry->bytes + entry->key_bytes,
                            entry->value_bytes};
}

void kv_store_hold(struct kv_entry *entry);
void kv_store_release(struct kv_store *store, struct kv_entry *entry);

/* ---- Keys have at most KV_KEY_MAX bytes, values KV_VALUE_MAX. */

/* NULL: there is none. */
struct kv_entry *kv_store_find(struct kv_store *store, struct kv_text key);

/* Create the key or replace its value. expires_ms 0: it never expires. The
 * value must not lie in the store, unless its entry is held. NULL: no memory,
 * and nothing has changed. */
struct kv_entry *kv_store_set(struct kv_store *store, struct kv_text key,
                              struct kv_text value, uint64_t expires_ms);

/* Write `piece` into the key's value at this offset; create the key if needed;
 * a gap between the value's end and the offset becomes zeros. The sum of offset
 * and piece must not be more than KV_VALUE_MAX. NULL as above. */
struct kv_entry *kv_store_patch(struct kv_store *store, struct kv_text key,
                                size_t offset, struct kv_text piece);

/* False: there was no such key. */
bool kv_store_remove(struct kv_store *store, struct kv_text key);

/* 0: it never does. */
void kv_store_set_expiry(struct kv_store *store, struct kv_entry *entry,
                         uint64_t expires_ms);

/* Remove all keys. 0, or -XEN_ENOMEM: nothing has changed. */
must_check int kv_store_clear(struct kv_store *store);

/* ---- All keys, in steps
 *
 * A cursor starts at 0 and is 0 again at the end. Keys that exist all the time
 * are seen exactly once, whatever else is added or removed; keys that come or
 * go meanwhile are seen once or not at all. */

#define KV_CURSOR_BITS 48 /* so that it is exact in any client's numbers */

/* Call fn for each key of one bucket, expired or not; fn may remove that key,
 * and nothing else. Returns the next cursor. */
typedef void kv_store_fn(void *arg, struct kv_store *store,
                         struct kv_entry *entry);
uint64_t kv_store_next(struct kv_store *store, uint64_t cursor, kv_store_fn *fn,
                       void *arg);

/* ---- Deferred work */

/* Remove expired keys from this many buckets; returns how many. */
unsigned kv_store_expire(struct kv_store *store, unsigned nr_buckets);

/* Free some of the cleared keys; false: nothing is left. */
bool kv_store_tidy(struct kv_store *store, unsigned nr_keys);

bool kv_store_has_expired(const struct kv_store *store,
                          const struct kv_entry *entry);

#endif
