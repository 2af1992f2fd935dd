/* SPDX-License-Identifier: MIT */
/*
 * Commands on keys: existence, expiry, renaming.
 */
#include "apps/kv/kv_command.h"
#include "apps/kv/kv_watch.h"

#define MS_PER_S 1000

static struct kv_entry *find(struct kv_call *call, unsigned word)
{
    return kv_store_find(&call->kv->store, call->words[word]);
}

/* ---- Existence */

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
    kv_watch_flush(call->kv);
    if (kv_store_clear(&call->kv->store)) {
        kv_command_no_memory(call);
        return;
    }
    kv_command_note(call, &word, 1);
    kv_output_ok(call->out);
}

/* ---- Expiry */

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

/* A key that never expires counts as expiring last. */
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

/* Read the second word as a time, counted from from_ms. */
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

/* Times in the past are kept while the file is read: later commands in it may
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

    if (!read_expire_options(call, &options) ||
        !read_time(call, unit_ms, from_ms, &time_ms))
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

/* ---- Renaming */

/* Make room in the journal, which so far has room for the request's own words,
 * but not for the value. False: no memory, and the error was sent. */
static bool has_room(struct kv_call *call, struct kv_text value)
{
    struct kv_text words[] = {call->words[0], call->words[2], value,
                              call->words[1]};

    if (kv_command_has_memory(call, value.len) &&
        kv_journal_reserve(&call->kv->journal, words, 4))
        return true;
    kv_command_no_memory(call);
    return false;
}

/* Move the value to another name, replacing a value there. */
static bool move(struct kv_call *call, struct kv_entry *entry)
{
    struct kv_store *store = &call->kv->store;
    struct kv_journal *journal = &call->kv->journal;
    struct kv_text removal[] = {KV_TEXT("DEL"), call->words[1]};
    bool done;

    kv_store_hold(entry);
    kv_journal_begin(journal);
    done = kv_command_set(call, call->words[2], kv_entry_value(entry),
                          entry->expires_ms);
    if (done) {
        kv_store_remove(store, call->words[1]);
        kv_command_note(call, removal, 2);
    }
    kv_journal_end(journal);
    kv_store_release(store, entry);
    return done;
}

/* False: not done, and answered. */
static bool rename_key(struct kv_call *call, bool only_new)
{
    struct kv_entry *entry = find(call, 1);

    if (!entry) {
        kv_output_error(call->out, "ERR no such key");
        return false;
    }
    if (only_new && find(call, 2)) {
        kv_output_number(call->out, 0);
        return false;
    }
    if (kv_text_equal(call->words[1], call->words[2]))
        return true;
    return has_room(call, kv_entry_value(entry)) && move(call, entry);
}

void kv_keys_rename(struct kv_call *call)
{
    if (rename_key(call, false))
        kv_output_ok(call->out);
}

void kv_keys_renamenx(struct kv_call *call)
{
    if (rename_key(call, true))
        kv_output_number(call->out, 1);
}
