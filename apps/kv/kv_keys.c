/* SPDX-License-Identifier: MIT */
/*
 * Commands on keys: whether they are there, until when, and which.
 */
#include "apps/kv/kv_command.h"
#include "apps/kv/kv_conn.h"

#include <stdlib.h>
#include <string.h>

#define MS_PER_S         1000
/* Buckets that one SCAN looks at, at most, whatever its COUNT. */
#define SCAN_MAX         4096
#define SCAN_DEFAULT     10
/* Buckets that may be empty for each that SCAN is asked for. */
#define SCAN_EMPTY_TIMES 10

static struct kv_entry *find(struct kv_call *call, unsigned word)
{
    return kv_store_find(&call->kv->store, call->words[word]);
}

/* ---- There or not */

void kv_keys_del(struct kv_call *call)
{
    unsigned nr = 0;

    for (unsigned i = 1; i < call->nr; i++)
        nr += kv_store_remove(&call->kv->store, call->words[i]);
    if (nr)
        kv_command_note(call, call->words, call->nr);
    kv_output_number(call->out, nr);
}

void kv_keys_exists(struct kv_call *call)
{
    struct kv_stats *stats = &call->kv->stats;
    unsigned nr = 0;

    for (unsigned i = 1; i < call->nr; i++)
        nr += find(call, i) != NULL;
    stats->hits += nr;
    stats->misses += call->nr - 1 - nr;
    kv_output_number(call->out, nr);
}

void kv_keys_type(struct kv_call *call)
{
    kv_output_status(call->out, find(call, 1) ? "string" : "none");
}

void kv_keys_dbsize(struct kv_call *call)
{
    kv_output_number(call->out, (int64_t)call->kv->store.table.nr_keys);
}

/* FLUSHALL and FLUSHDB: there is one database. */
void kv_keys_flush(struct kv_call *call)
{
    struct kv_text word = KV_TEXT("FLUSHALL");

    if (call->nr > 2 || (call->nr == 2 && !kv_text_is(call->words[1], "sync") &&
                         !kv_text_is(call->words[1], "async"))) {
        kv_command_syntax(call);
        return;
    }
    if (kv_store_clear(&call->kv->store)) {
        kv_command_no_memory(call);
        return;
    }
    kv_command_note(call, &word, 1);
    kv_output_ok(call->out);
}

/* ---- Until when */

struct expire_options {
    bool if_none, if_some, if_later, if_earlier;
};

static bool read_expire_options(struct kv_call *call,
                                struct expire_options *options)
{
    *options = (struct expire_options){0};
    for (unsigned i = 3; i < call->nr; i++) {
        struct kv_text word = call->words[i];

        if (kv_text_is(word, "nx")) {
            options->if_none = true;
        } else if (kv_text_is(word, "xx")) {
            options->if_some = true;
        } else if (kv_text_is(word, "gt")) {
            options->if_later = true;
        } else if (kv_text_is(word, "lt")) {
            options->if_earlier = true;
        } else {
            kv_output_error(call->out, "ERR Unsupported option %.*s",
                            (int)(word.len < 128 ? word.len : 128), word.at);
            return false;
        }
    }
    if (options->if_none &&
        (options->if_some || options->if_later || options->if_earlier)) {
        kv_output_error(call->out, "ERR NX and XX, GT or LT options at the "
                                   "same time are not compatible");
        return false;
    }
    if (options->if_later && options->if_earlier) {
        kv_output_error(call->out, "ERR GT and LT options at the same time are "
                                   "not compatible");
        return false;
    }
    return true;
}

/* A key that never expires does so later than any other. */
static bool is_wanted(const struct expire_options *options, uint64_t old_ms,
                      int64_t new_ms)
{
    if (options->if_none && old_ms)
        return false;
    if (options->if_some && !old_ms)
        return false;
    if (options->if_later && (!old_ms || new_ms <= (int64_t)old_ms))
        return false;
    return !options->if_earlier || !old_ms || new_ms < (int64_t)old_ms;
}

/* The second word as a time; from_ms: it counts from then. */
static bool read_time(struct kv_call *call, int64_t unit_ms, uint64_t from_ms,
                      int64_t *time_ms)
{
    if (!kv_command_number(call, 2, time_ms))
        return false;
    if (!__builtin_mul_overflow(*time_ms, unit_ms, time_ms) &&
        !__builtin_add_overflow(*time_ms, (int64_t)from_ms, time_ms))
        return true;
    kv_output_error(call->out, "ERR invalid expire time in '%s' command",
                    call->name);
    return false;
}

/* Times of the past are kept while the file is read: what comes later in it may
 * still change them. */
static void set_expiry(struct kv_call *call, struct kv_entry *entry,
                       int64_t time_ms)
{
    struct kv_store *store = &call->kv->store;
    char number[KV_NUMBER_MAX];
    struct kv_text key = call->words[1];
    struct kv_text words[] = {KV_TEXT("PEXPIREAT"), key, {number, 0}};
    struct kv_text removal[] = {KV_TEXT("DEL"), key};

    if (time_ms <= (int64_t)store->now_ms && !store->keeps_expired) {
        kv_store_remove(store, key);
        kv_command_note(call, removal, 2);
        return;
    }
    kv_store_set_expiry(store, entry, time_ms > 0 ? (uint64_t)time_ms : 1);
    words[2].len = kv_text_from_number(number, time_ms);
    kv_command_note(call, words, 3);
}

static void expire(struct kv_call *call, int64_t unit_ms, uint64_t from_ms)
{
    struct expire_options options;
    struct kv_entry *entry;
    int64_t time_ms;
    bool done;

    if (!read_time(call, unit_ms, from_ms, &time_ms) ||
        !read_expire_options(call, &options))
        return;
    entry = find(call, 1);
    done = entry && is_wanted(&options, entry->expires_ms, time_ms);
    if (done)
        set_expiry(call, entry, time_ms);
    kv_output_number(call->out, done);
}

void kv_keys_expire(struct kv_call *call)
{
    expire(call, MS_PER_S, call->kv->store.now_ms);
}

void kv_keys_pexpire(struct kv_call *call)
{
    expire(call, 1, call->kv->store.now_ms);
}

void kv_keys_expireat(struct kv_call *call)
{
    expire(call, MS_PER_S, 0);
}

void kv_keys_pexpireat(struct kv_call *call)
{
    expire(call, 1, 0);
}

void kv_keys_persist(struct kv_call *call)
{
    struct kv_entry *entry = find(call, 1);
    struct kv_text words[] = {KV_TEXT("PERSIST"), call->words[1]};

    if (!entry || !entry->expires_ms) {
        kv_output_number(call->out, 0);
        return;
    }
    kv_store_set_expiry(&call->kv->store, entry, 0);
    kv_command_note(call, words, 2);
    kv_output_number(call->out, 1);
}

static void answer_ttl(struct kv_call *call, uint64_t unit_ms)
{
    struct kv_entry *entry = find(call, 1);
    uint64_t left_ms;

    if (!entry || !entry->expires_ms) {
        kv_output_number(call->out, entry ? -1 : -2);
        return;
    }
    left_ms = entry->expires_ms - call->kv->store.now_ms;
    kv_output_number(call->out, (int64_t)((left_ms + unit_ms / 2) / unit_ms));
}

void kv_keys_ttl(struct kv_call *call)
{
    answer_ttl(call, MS_PER_S);
}

void kv_keys_pttl(struct kv_call *call)
{
    answer_ttl(call, 1);
}

/* ---- Which */

struct scan {
    struct kv_text pattern; /* at NULL: all */
    bool wants_none;        /* of another type than strings */
    struct kv_output found;
    uint64_t nr, count;
};

static void add_key(void *arg, struct kv_store *store, struct kv_entry *entry)
{
    struct scan *scan = arg;
    struct kv_text key = kv_entry_key(entry);

    scan->count -= scan->count > 0;
    if (kv_store_has_expired(store, entry) || scan->wants_none ||
        (scan->pattern.at && !kv_text_matches(key, scan->pattern)))
        return;
    kv_output_bulk(&scan->found, key);
    scan->nr++;
}

static bool read_scan_options(struct kv_call *call, struct scan *scan)
{
    int64_t count = SCAN_DEFAULT;

    for (unsigned i = 2; i < call->nr; i += 2) {
        struct kv_text word = call->words[i];
        bool has_value = i + 1 < call->nr;

        if (has_value && kv_text_is(word, "match")) {
            scan->pattern = call->words[i + 1];
        } else if (has_value && kv_text_is(word, "type")) {
            scan->wants_none = !kv_text_is(call->words[i + 1], "string");
        } else if (has_value && kv_text_is(word, "count")) {
            if (!kv_command_number(call, i + 1, &count))
                return false;
            if (count < 1) {
                kv_command_syntax(call);
                return false;
            }
        } else {
            kv_command_syntax(call);
            return false;
        }
    }
    scan->count = (uint64_t)(count < SCAN_MAX ? count : SCAN_MAX);
    return true;
}

/* Redis takes any number of 64 bits. */
static bool read_cursor(struct kv_text word, uint64_t *cursor)
{
    *cursor = 0;
    for (size_t i = 0; i < word.len; i++) {
        unsigned digit = (unsigned)(word.at[i] - '0');

        if (digit > 9 || __builtin_mul_overflow(*cursor, 10, cursor) ||
            __builtin_add_overflow(*cursor, digit, cursor))
            return false;
    }
    return word.len > 0;
}

void kv_keys_scan(struct kv_call *call)
{
    struct scan scan = {0};
    char number[KV_NUMBER_MAX];
    uint64_t cursor, turns;
    size_t len;

    if (!read_cursor(call->words[1], &cursor)) {
        kv_output_error(call->out, "ERR invalid cursor");
        return;
    }
    if (!read_scan_options(call, &scan))
        return;
    kv_output_init(&scan.found, call->out->all);
    turns = scan.count * SCAN_EMPTY_TIMES;
    do
        cursor = kv_store_next(&call->kv->store, cursor, add_key, &scan);
    while (cursor && scan.count && --turns);
    len = kv_text_from_number(number, (int64_t)cursor);
    kv_output_array(call->out, 2);
    kv_output_bulk(call->out, (struct kv_text){number, len});
    kv_output_array(call->out, scan.nr);
    kv_output_move(call->out, &scan.found);
}

/* KEYS takes as long as there are keys, so it is done in steps: what it has
 * found is kept until the number is known. */
struct kv_keys {
    struct scan scan;
    uint64_t cursor;
    char pattern[];
};

void kv_keys_keys(struct kv_call *call)
{
    struct kv_text pattern = call->words[1];
    struct kv_keys *keys = malloc(sizeof(*keys) + pattern.len);

    if (!keys) {
        kv_command_no_memory(call);
        return;
    }
    *keys = (struct kv_keys){
        .scan.pattern = {keys->pattern, pattern.len},
    };
    memcpy(keys->pattern, pattern.at, pattern.len);
    kv_output_init(&keys->scan.found, call->out->all);
    kv_conn_work(call->conn, keys);
}

bool kv_keys_continue(struct kv_keys *keys, struct kv_store *store,
                      unsigned nr_buckets, struct kv_output *out)
{
    do
        keys->cursor = kv_store_next(store, keys->cursor, add_key, &keys->scan);
    while (keys->cursor && --nr_buckets);
    if (keys->cursor && !keys->scan.found.has_failed)
        return true;
    kv_output_array(out, keys->scan.nr);
    kv_output_move(out, &keys->scan.found);
    return false;
}

void kv_keys_free(struct kv_keys *keys)
{
    if (keys)
        kv_output_free(&keys->scan.found);
    free(keys);
}
