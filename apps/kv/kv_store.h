/* SPDX-License-Identifier: MIT */
/*
 * Keys and values in memory: no network, no clock, no disk.
 *
 * A key with its value is one block of memory, the entry; what the caller gets
 * is the entry itself. It is good until the next call that changes that key,
 * unless it is held (kv_store_hold): then it stays as it is, and whoever
 * changes the key makes a new one.
 *
 * Times are milliseconds since 1970; the caller sets now_ms. A key whose time
 * has come is not there any more for any call but kv_store_next, and is removed
 * by who comes across it, or by kv_store_expire.
 *
 * No call takes longer for many keys: the table grows and shrinks by one bucket
 * at a time, and after kv_store_clear the old keys are freed by
 * kv_store_tidy, a few at a time.
 */
#ifndef APPS_KV_STORE_H
#define APPS_KV_STORE_H

#include "apps/kv/kv_hash.h"
#include "apps/kv/kv_text.h"
#include "kernel/page.h"

/* Keys are short things; a length takes two bytes in each entry. */
#define KV_KEY_MAX   65535
/* Redis' own limit. What memory there is, is another. */
#define KV_VALUE_MAX (512u << 20)

struct kv_entry {
    struct kv_entry *next; /* in its bucket */
    uint64_t expires_ms;   /* 0: never */
    uint32_t value_bytes;
    uint32_t holds; /* by kv_store_hold; the store's own does not count */
    uint16_t key_bytes;
    bool is_alone; /* no longer in the store: its holds keep it */
    char bytes[];  /* key, value */
};

/* Buckets by number, in pages. */
struct kv_table {
    struct kv_entry ***pages;
    size_t pages_room; /* elements of `pages` */
    uint64_t nr_buckets;
    uint64_t nr_keys, nr_expiring;
    struct kv_table *next; /* of those that were cleared */
};

struct kv_store {
    /* Set by the owner: */
    struct pages *memory;
    struct kv_hash_key hash_key;
    uint64_t now_ms;
    bool keeps_expired; /* none expires: while a log is replayed */
    /* A key is being set, removed or made to expire at another time; NULL:
     * nobody asks. kv_store_clear does not tell. */
    void (*changed)(struct kv_store *store, struct kv_text key);
    /* The store's: */
    struct kv_table table;
    struct kv_table *cleared; /* keys that kv_store_tidy is to free */
    size_t used_bytes;        /* memory of all of them */
    uint64_t nr_expired;      /* so far */
    uint64_t expire_at;       /* how far kv_store_expire is, a cursor */
};

/* `store` is zeroed but for the owner's fields. 0 or -XEN_ENOMEM. */
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

/* ---- Keys. Those have at most KV_KEY_MAX bytes, values KV_VALUE_MAX. */

/* NULL: there is none. */
struct kv_entry *kv_store_find(struct kv_store *store, struct kv_text key);

/* Make it, or replace its value; it never expires then unless expires_ms. The
 * value must not lie in the store, unless it is held. NULL: no memory, and
 * nothing has changed. */
struct kv_entry *kv_store_set(struct kv_store *store, struct kv_text key,
                              struct kv_text value, uint64_t expires_ms);

/* Write a piece of the key's value at this offset, or make the key; what is
 * between the value's end and the offset becomes zeros. The sum of offset and
 * piece must not be more than KV_VALUE_MAX. NULL as above. */
struct kv_entry *kv_store_patch(struct kv_store *store, struct kv_text key,
                                size_t offset, struct kv_text piece);

/* False: there was none. */
bool kv_store_remove(struct kv_store *store, struct kv_text key);

/* 0: it never does. */
void kv_store_set_expiry(struct kv_store *store, struct kv_entry *entry,
                         uint64_t expires_ms);

/* All keys go. 0 or -XEN_ENOMEM: then nothing has changed. */
must_check int kv_store_clear(struct kv_store *store);

/* ---- All keys, in steps
 *
 * A cursor begins as 0 and is 0 again at the end. What was there all the while
 * is seen once, whatever else comes and goes; what comes or goes meanwhile is
 * seen once or not. */

#define KV_CURSOR_BITS 48 /* so that it is exact in any client's numbers */

/* Call fn for each key of one bucket, expired or not; fn may remove that key,
 * and nothing else. Returns the next cursor. */
typedef void kv_store_fn(void *arg, struct kv_store *store,
                         struct kv_entry *entry);
uint64_t kv_store_next(struct kv_store *store, uint64_t cursor, kv_store_fn *fn,
                       void *arg);

/* ---- Work that is left over */

/* Look at so many buckets for keys whose time has come; returns how many. */
unsigned kv_store_expire(struct kv_store *store, unsigned nr_buckets);

/* Free some of what was cleared; false: nothing is left. */
bool kv_store_tidy(struct kv_store *store, unsigned nr_keys);

bool kv_store_has_expired(const struct kv_store *store,
                          const struct kv_entry *entry);

#endif
