/* SPDX-License-Identifier: MIT */
/*
 * A hash table that grows by linear hashing (Litwin 1980).
 *
 * With n buckets, 2^b <= n < 2^(b+1), a key is in the bucket of its hash's last
 * b+1 bits, or if there is no such bucket, of its last b bits. To add bucket n,
 * the bucket of n without its highest bit is split; to shrink, the last bucket
 * is merged back. So there is about one key per bucket, and the table is never
 * copied as a whole. Buckets are in pages that are found through one small
 * array.
 *
 * The hashes in a bucket end in the same bits, so with their bits reversed they
 * start alike: they are an interval of numbers. Splitting halves an interval,
 * merging joins two. A cursor is such a number: all keys below it were seen.
 */
#include "apps/kv/kv_store.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BUCKETS (XEN_PAGE_SIZE / sizeof(struct kv_entry *))
/* Shrink when one in this many buckets would do; by this many buckets with each
 * removed key, to keep up. */
#define SPARSE       4
/* A value that grows gets spare room: a quarter, at most this. */
#define MORE_MAX     (1u << 20)
/* A block with more waste than this is not reused. */
#define WASTE_MAX    64

/* ---- Buckets */

static struct kv_entry **bucket(const struct kv_table *table, uint64_t nr)
{
    return &table->pages[nr / PAGE_BUCKETS][nr % PAGE_BUCKETS];
}

/* The highest power of two that is not above nr. */
static uint64_t power_below(uint64_t nr)
{
    return UINT64_C(1) << (63 - __builtin_clzll(nr));
}

static uint64_t bucket_of(const struct kv_table *table, uint64_t hash)
{
    uint64_t power = power_below(table->nr_buckets);
    uint64_t nr = hash & (2 * power - 1);

    return nr < table->nr_buckets ? nr : nr & (power - 1);
}

static uint64_t hash_of(const struct kv_store *store, struct kv_text key)
{
    return kv_hash(&store->hash_key, key.at, key.len);
}

/* Make room for one more page of buckets. */
static bool add_page(struct kv_store *store, struct kv_table *table)
{
    size_t nr = table->nr_buckets / PAGE_BUCKETS, room = table->pages_room;
    struct kv_entry ***pages = table->pages;

    if (nr == room) {
        room = room ? 2 * room : 8;
        pages = realloc(pages, room * sizeof(*pages));
        if (!pages)
            return false;
        table->pages = pages;
        store->used_bytes += (room - table->pages_room) * sizeof(*pages);
        table->pages_room = room;
    }
    pages[nr] = page_alloc_zeroed(store->memory, 1);
    if (!pages[nr])
        return false;
    store->used_bytes += XEN_PAGE_SIZE;
    return true;
}

/* The last bucket is gone: free its page if that is empty. */
static void drop_page(struct kv_store *store, struct kv_table *table)
{
    if (table->nr_buckets % PAGE_BUCKETS)
        return;
    page_free(store->memory, table->pages[table->nr_buckets / PAGE_BUCKETS], 1);
    store->used_bytes -= XEN_PAGE_SIZE;
}

/* Without memory the table stays as it is: slower, but correct. */
static void grow(struct kv_store *store)
{
    struct kv_table *table = &store->table;
    uint64_t nr = table->nr_buckets;
    struct kv_entry **from, **to, *entry;

    if (nr % PAGE_BUCKETS == 0 && !add_page(store, table))
        return;
    from = bucket(table, nr & (power_below(nr) - 1));
    to = bucket(table, nr);
    *to = NULL;
    table->nr_buckets++;
    while ((entry = *from)) {
        if (bucket_of(table, hash_of(store, kv_entry_key(entry))) != nr) {
            from = &entry->next;
            continue;
        }
        *from = entry->next;
        entry->next = *to;
        *to = entry;
    }
}

/* The last bucket's chain goes before the other's: a walk along it
 * (kv_store_next) still reaches the end. */
static void shrink(struct kv_store *store)
{
    struct kv_table *table = &store->table;
    uint64_t nr = --table->nr_buckets;
    struct kv_entry **to = bucket(table, nr & (power_below(nr) - 1)),
                    *first = *bucket(table, nr), **end = &first;

    while (*end)
        end = &(*end)->next;
    *end = *to;
    *to = first;
    drop_page(store, table);
}

static void fit_table(struct kv_store *store)
{
    const struct kv_table *table = &store->table;

    if (table->nr_keys > table->nr_buckets)
        grow(store);
    for (unsigned i = 0; i < SPARSE && table->nr_buckets > PAGE_BUCKETS &&
                         table->nr_keys < table->nr_buckets / SPARSE;
         i++)
        shrink(store);
}

static int table_init(struct kv_store *store, struct kv_table *table)
{
    *table = (struct kv_table){0};
    if (!add_page(store, table)) {
        store->used_bytes -= table->pages_room * sizeof(*table->pages);
        free(table->pages);
        return -XEN_ENOMEM;
    }
    table->nr_buckets = PAGE_BUCKETS;
    return 0;
}

int kv_store_init(struct kv_store *store)
{
    return table_init(store, &store->table);
}

/* ---- Entries */

static size_t bytes_of(struct kv_entry *entry)
{
    return malloc_usable_size(entry);
}

static size_t bytes_for(size_t key_bytes, size_t value_bytes)
{
    size_t bytes = offsetof(struct kv_entry, bytes) + key_bytes + value_bytes;

    return bytes > sizeof(struct kv_entry) ? bytes : sizeof(struct kv_entry);
}

static char *value_at(struct kv_entry *entry)
{
    return entry->bytes + entry->key_bytes;
}

/* `room` is for key and value; the caller fills in the bytes. */
static struct kv_entry *make_entry(struct kv_store *store, struct kv_text key,
                                   size_t room)
{
    struct kv_entry *entry = malloc(bytes_for(0, room));

    if (!entry)
        return NULL;
    *entry = (struct kv_entry){.key_bytes = (uint16_t)key.len};
    memcpy(entry->bytes, key.at, key.len);
    store->used_bytes += bytes_of(entry);
    return entry;
}

static void free_entry(struct kv_store *store, struct kv_entry *entry)
{
    store->used_bytes -= bytes_of(entry);
    free(entry);
}

/* The entry is no longer in the store. */
static void leave_entry(struct kv_store *store, struct kv_entry *entry)
{
    entry->is_alone = true;
    if (!entry->holds)
        free_entry(store, entry);
}

void kv_store_hold(struct kv_entry *entry)
{
    entry->holds++;
}

void kv_store_release(struct kv_store *store, struct kv_entry *entry)
{
    if (!--entry->holds && entry->is_alone)
        free_entry(store, entry);
}

static void tell(struct kv_store *store, struct kv_text key)
{
    if (store->changed)
        store->changed(store, key);
}

static void set_expiry(struct kv_table *table, struct kv_entry *entry,
                       uint64_t expires_ms)
{
    table->nr_expiring += (expires_ms != 0) - (entry->expires_ms != 0);
    entry->expires_ms = expires_ms;
}

void kv_store_set_expiry(struct kv_store *store, struct kv_entry *entry,
                         uint64_t expires_ms)
{
    tell(store, kv_entry_key(entry));
    set_expiry(&store->table, entry, expires_ms);
}

bool kv_store_has_expired(const struct kv_store *store,
                          const struct kv_entry *entry)
{
    return entry->expires_ms && entry->expires_ms <= store->now_ms &&
           !store->keeps_expired;
}

/* ---- Finding and removing */

/* The link to the key's entry, or to the NULL at its bucket's end. */
static struct kv_entry **link_of(struct kv_store *store, struct kv_text key)
{
    struct kv_entry **link =
        bucket(&store->table, bucket_of(&store->table, hash_of(store, key)));

    while (*link && !kv_text_equal(kv_entry_key(*link), key))
        link = &(*link)->next;
    return link;
}

static void remove_at(struct kv_store *store, struct kv_entry **link)
{
    struct kv_entry *entry = *link;

    tell(store, kv_entry_key(entry));
    *link = entry->next;
    set_expiry(&store->table, entry, 0);
    store->table.nr_keys--;
    leave_entry(store, entry);
    fit_table(store);
}

/* The link to an existing, unexpired key, or NULL. */
static struct kv_entry **live_link(struct kv_store *store, struct kv_text key)
{
    struct kv_entry **link = link_of(store, key);

    if (!*link)
        return NULL;
    if (!kv_store_has_expired(store, *link))
        return link;
    store->nr_expired++;
    remove_at(store, link);
    return NULL;
}

struct kv_entry *kv_store_find(struct kv_store *store, struct kv_text key)
{
    struct kv_entry **link = live_link(store, key);

    return link ? *link : NULL;
}

bool kv_store_remove(struct kv_store *store, struct kv_text key)
{
    struct kv_entry **link = live_link(store, key);

    if (link)
        remove_at(store, link);
    return link;
}

/* ---- Setting */

/* May this entry be overwritten, and is its size right? */
static bool can_reuse(struct kv_entry *entry, size_t bytes)
{
    size_t room = bytes_of(entry);

    return !entry->holds && room >= bytes && room <= 2 * bytes + WASTE_MAX;
}

static void put_new(struct kv_store *store, struct kv_entry **link,
                    struct kv_entry *entry)
{
    struct kv_entry *old = *link;

    *link = entry;
    entry->next = old ? old->next : NULL;
    if (old) {
        set_expiry(&store->table, entry, old->expires_ms);
        set_expiry(&store->table, old, 0);
        leave_entry(store, old);
        return;
    }
    store->table.nr_keys++;
    fit_table(store);
}

struct kv_entry *kv_store_set(struct kv_store *store, struct kv_text key,
                              struct kv_text value, uint64_t expires_ms)
{
    struct kv_entry **link = link_of(store, key), *entry = *link;

    if (!entry || !can_reuse(entry, bytes_for(key.len, value.len))) {
        entry = make_entry(store, key, key.len + value.len);
        if (!entry)
            return NULL;
        put_new(store, link, entry);
    }
    memcpy(value_at(entry), value.at, value.len);
    entry->value_bytes = (uint32_t)value.len;
    kv_store_set_expiry(store, entry, expires_ms);
    return entry;
}

/* Bytes for key and value, and spare room for appending. */
static size_t room_for_more(size_t key_bytes, size_t value_bytes)
{
    size_t more = value_bytes / 4;

    return key_bytes + value_bytes + (more < MORE_MAX ? more : MORE_MAX);
}

/* A new entry with the same contents, and room for `room` bytes. */
static struct kv_entry *make_room(struct kv_store *store, struct kv_text key,
                                  size_t bytes)
{
    struct kv_entry **link = live_link(store, key), *old = link ? *link : NULL,
                    *entry;

    if (old && !old->holds && bytes_of(old) >= bytes_for(key.len, bytes))
        return old;
    entry = make_entry(store, key,
                       old ? room_for_more(key.len, bytes) : key.len + bytes);
    if (!entry)
        return NULL;
    if (old) {
        memcpy(value_at(entry), value_at(old), old->value_bytes);
        entry->value_bytes = old->value_bytes;
    }
    put_new(store, link ? link : link_of(store, key), entry);
    return entry;
}

struct kv_entry *kv_store_patch(struct kv_store *store, struct kv_text key,
                                size_t offset, struct kv_text piece)
{
    struct kv_entry *entry = make_room(store, key, offset + piece.len);
    size_t end;

    if (!entry)
        return NULL;
    tell(store, key);
    end = entry->value_bytes;
    if (end < offset)
        memset(value_at(entry) + end, 0, offset - end);
    memcpy(value_at(entry) + offset, piece.at, piece.len);
    if (end < offset + piece.len)
        entry->value_bytes = (uint32_t)(offset + piece.len);
    return entry;
}

/* ---- All keys */

static uint64_t reverse(uint64_t number)
{
    number = __builtin_bswap64(number);
    number = (number >> 4 & 0x0f0f0f0f0f0f0f0f) | (number & 0x0f0f0f0f0f0f0f0f)
                                                      << 4;
    number = (number >> 2 & 0x3333333333333333) | (number & 0x3333333333333333)
                                                      << 2;
    number = (number >> 1 & 0x5555555555555555) | (number & 0x5555555555555555)
                                                      << 1;
    return number >> (64 - KV_CURSOR_BITS);
}

/* How much of the range of cursors a bucket covers. */
static uint64_t interval_of(const struct kv_table *table, uint64_t nr)
{
    uint64_t power = power_below(table->nr_buckets);
    bool is_split = nr >= power || nr < table->nr_buckets - power;

    return (UINT64_C(1) << KV_CURSOR_BITS) / (is_split ? 2 * power : power);
}

uint64_t kv_store_next(struct kv_store *store, uint64_t cursor, kv_store_fn *fn,
                       void *arg)
{
    const struct kv_table *table = &store->table;
    uint64_t last = (UINT64_C(1) << KV_CURSOR_BITS) - 1, nr, end, at;
    struct kv_entry *entry, *next;

    cursor &= last;
    nr = bucket_of(table, reverse(cursor));
    end = reverse(nr) + interval_of(table, nr);
    for (entry = *bucket(table, nr); entry; entry = next) {
        next = entry->next;
        at = reverse(hash_of(store, kv_entry_key(entry)));
        if (at >= cursor && at < end)
            fn(arg, store, entry);
    }
    return end > last ? 0 : end;
}

/* ---- Work that is left over */

static void remove_expired(void *arg, struct kv_store *store,
                           struct kv_entry *entry)
{
    unsigned *nr = arg;

    if (!kv_store_has_expired(store, entry))
        return;
    remove_at(store, link_of(store, kv_entry_key(entry)));
    store->nr_expired++;
    ++*nr;
}

unsigned kv_store_expire(struct kv_store *store, unsigned nr_buckets)
{
    unsigned nr = 0;

    while (nr_buckets-- && store->table.nr_expiring)
        store->expire_at =
            kv_store_next(store, store->expire_at, remove_expired, &nr);
    return nr;
}

int kv_store_clear(struct kv_store *store)
{
    struct kv_table *old = malloc(sizeof(*old)), fresh;

    if (!old || table_init(store, &fresh)) {
        free(old);
        return -XEN_ENOMEM;
    }
    *old = store->table;
    old->next = store->cleared;
    store->cleared = old;
    store->table = fresh;
    return 0;
}

/* Free the table's last key, or the last bucket when that is empty; false: all
 * is gone. */
static bool drop_one(struct kv_store *store, struct kv_table *table)
{
    struct kv_entry **link, *entry;

    if (!table->nr_buckets)
        return false;
    link = bucket(table, table->nr_buckets - 1);
    entry = *link;
    if (entry) {
        *link = entry->next;
        leave_entry(store, entry);
        return true;
    }
    table->nr_buckets--;
    drop_page(store, table);
    return true;
}

static void free_table(struct kv_store *store, struct kv_table *table)
{
    store->used_bytes -= table->pages_room * sizeof(*table->pages);
    free(table->pages);
}

bool kv_store_tidy(struct kv_store *store, unsigned nr)
{
    struct kv_table *table;

    while (nr-- && (table = store->cleared)) {
        if (drop_one(store, table))
            continue;
        store->cleared = table->next;
        free_table(store, table);
        free(table);
    }
    return store->cleared;
}

void kv_store_free(struct kv_store *store)
{
    while (kv_store_tidy(store, UINT32_MAX))
        ;
    while (drop_one(store, &store->table))
        ;
    free_table(store, &store->table);
}
