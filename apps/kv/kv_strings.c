/* SPDX-License-Identifier: MIT */
/*
 * Commands on values. Each journals the resulting value, with the time at which
 * the key expires: kv_journal.h says why.
 */
#include "apps/kv/kv_command.h"
#include "apps/kv/kv_decimal.h"

#include <string.h>

#define MS_PER_S 1000

/* ---- What they share */

static struct kv_entry *find(struct kv_call *call, unsigned word)
{
    return kv_store_find(&call->kv->store, call->words[word]);
}

static struct kv_entry *find_counted(struct kv_call *call, unsigned word)
{
    struct kv_entry *entry = find(call, word);
    struct kv_stats *stats = &call->kv->stats;

    *(entry ? &stats->hits : &stats->misses) += 1;
    return entry;
}

static void answer_entry(struct kv_call *call, struct kv_entry *entry)
{
    if (entry)
        kv_output_entry(call->out, entry);
    else
        kv_output_nil(call->out);
}

/* Redis' limit is 512 MiB; ours is that of the store. */
static bool check_key(struct kv_call *call, struct kv_text key)
{
    if (key.len <= KV_KEY_MAX)
        return true;
    kv_output_error(call->out, "ERR a key has at most %u bytes", KV_KEY_MAX);
    return false;
}

static void note_set(struct kv_call *call, struct kv_text key,
                     struct kv_text value, uint64_t expires_ms)
{
    char number[KV_NUMBER_MAX];
    struct kv_text words[] = {
        KV_TEXT("SET"), key, value, KV_TEXT("PXAT"), {number, 0}};

    words[4].len = kv_text_from_number(number, (int64_t)expires_ms);
    kv_command_note(call, words, expires_ms ? 5 : 3);
}

/* 0: the key no longer expires. */
static void note_expiry(struct kv_call *call, struct kv_text key,
                        uint64_t expires_ms)
{
    char number[KV_NUMBER_MAX];
    struct kv_text words[] = {KV_TEXT("PEXPIREAT"), key, {number, 0}};
    struct kv_text persist[] = {KV_TEXT("PERSIST"), key};

    words[2].len = kv_text_from_number(number, (int64_t)expires_ms);
    if (expires_ms)
        kv_command_note(call, words, 3);
    else
        kv_command_note(call, persist, 2);
}

bool kv_command_set(struct kv_call *call, struct kv_text key,
                    struct kv_text value, uint64_t expires_ms)
{
    if (!check_key(call, key))
        return false;
    if (!kv_store_set(&call->kv->store, key, value, expires_ms)) {
        kv_command_no_memory(call);
        return false;
    }
    note_set(call, key, value, expires_ms);
    return true;
}

/* ---- When a key expires */

static void answer_bad_expiry(struct kv_call *call)
{
    kv_output_error(call->out, "ERR invalid expire time in '%s' command",
                    call->name);
}

/* Read the word as a time in units of unit_ms, counted from from_ms. */
static bool read_expiry(struct kv_call *call, unsigned word, int64_t unit_ms,
                        uint64_t from_ms, uint64_t *expires_ms)
{
    int64_t number;

    if (!kv_command_number(call, word, &number))
        return false;
    if (number <= 0 || __builtin_mul_overflow(number, unit_ms, &number) ||
        __builtin_add_overflow(number, (int64_t)from_ms, &number)) {
        answer_bad_expiry(call);
        return false;
    }
    *expires_ms = (uint64_t)number;
    return true;
}

/* ---- SET */

struct set_options {
    bool only_new, only_old, keeps_expiry, gets, has_expiry;
    uint64_t expires_ms;
};

/* EX, PX, EXAT and PXAT: the number is the next word. */
static bool read_named_expiry(struct kv_call *call, unsigned word,
                              uint64_t *expires_ms)
{
    struct kv_text name = call->words[word];
    bool is_ms = (name.at[0] | 0x20) == 'p', is_absolute = name.len == 4;

    return read_expiry(call, word + 1, is_ms ? 1 : MS_PER_S,
                       is_absolute ? 0 : call->kv->store.now_ms, expires_ms);
}

static bool is_expiry(struct kv_text word)
{
    return kv_text_is(word, "ex") || kv_text_is(word, "px") ||
           kv_text_is(word, "exat") || kv_text_is(word, "pxat");
}

/* The option that the word names, or NULL. */
static bool *find_option(struct set_options *options, struct kv_text word)
{
    if (kv_text_is(word, "nx"))
        return &options->only_new;
    if (kv_text_is(word, "xx"))
        return &options->only_old;
    if (kv_text_is(word, "keepttl"))
        return &options->keeps_expiry;
    if (kv_text_is(word, "get"))
        return &options->gets;
    return is_expiry(word) ? &options->has_expiry : NULL;
}

static bool read_set_options(struct kv_call *call, struct set_options *options)
{
    unsigned expiry = 0;

    *options = (struct set_options){0};
    for (unsigned i = 3; i < call->nr; i++) {
        bool *option = find_option(options, call->words[i]);
        bool is_second = option == &options->has_expiry && *option;

        if (option)
            *option = true;
        if (option == &options->has_expiry)
            expiry = i++;
        if (!option || i == call->nr || is_second ||
            (options->only_new && options->only_old) ||
            (options->keeps_expiry && options->has_expiry)) {
            kv_command_syntax(call);
            return false;
        }
    }
    return !expiry || read_named_expiry(call, expiry, &options->expires_ms);
}

void kv_strings_set(struct kv_call *call)
{
    struct set_options options;
    struct kv_entry *old;
    bool is_refused;

    if (!read_set_options(call, &options))
        return;
    old = find(call, 1);
    is_refused = old ? options.only_new : options.only_old;
    if (is_refused) {
        answer_entry(call, options.gets ? old : NULL);
        return;
    }
    if (options.keeps_expiry && old)
        options.expires_ms = old->expires_ms;
    if (old && options.gets)
        kv_store_hold(old);
    if (kv_command_set(call, call->words[1], call->words[2],
                       options.expires_ms)) {
        if (options.gets)
            answer_entry(call, old);
        else
            kv_output_ok(call->out);
    }
    if (old && options.gets)
        kv_store_release(&call->kv->store, old);
}

void kv_strings_setnx(struct kv_call *call)
{
    if (find(call, 1))
        kv_output_number(call->out, 0);
    else if (kv_command_set(call, call->words[1], call->words[2], 0))
        kv_output_number(call->out, 1);
}

static void set_expiring(struct kv_call *call, int64_t unit_ms)
{
    uint64_t expires_ms;

    if (read_expiry(call, 2, unit_ms, call->kv->store.now_ms, &expires_ms) &&
        kv_command_set(call, call->words[1], call->words[3], expires_ms))
        kv_output_ok(call->out);
}

void kv_strings_setex(struct kv_call *call)
{
    set_expiring(call, MS_PER_S);
}

void kv_strings_psetex(struct kv_call *call)
{
    set_expiring(call, 1);
}

void kv_strings_getset(struct kv_call *call)
{
    struct kv_entry *old = find_counted(call, 1);

    if (old)
        kv_store_hold(old);
    if (kv_command_set(call, call->words[1], call->words[2], 0))
        answer_entry(call, old);
    if (old)
        kv_store_release(&call->kv->store, old);
}

/* False: the error was sent. */
static bool set_all(struct kv_call *call)
{
    struct kv_store *store = &call->kv->store;
    unsigned nr = 1;

    while (nr < call->nr &&
           kv_store_set(store, call->words[nr], call->words[nr + 1], 0))
        nr += 2;
    /* What was set stays set: journal it. */
    if (nr > 1)
        kv_command_note_as(call, KV_TEXT("MSET"), call->words, nr);
    if (nr < call->nr)
        kv_command_no_memory(call);
    return nr == call->nr;
}
static bool check_pairs(struct kv_call *call)
{
    if (call->nr % 2 == 0) {
        kv_command_arity(call);
        return false;
    }
    for (unsigned i = 1; i < call->nr; i += 2)
        if (!check_key(call, call->words[i]))
            return false;
    return true;
}

void kv_strings_mset(struct kv_call *call)
{
    if (check_pairs(call) && set_all(call))
        kv_output_ok(call->out);
}

/* Journaled as MSET: replayed twice, MSETNX would do nothing the second time.
 */
void kv_strings_msetnx(struct kv_call *call)
{
    if (!check_pairs(call))
        return;
    for (unsigned i = 1; i < call->nr; i += 2)
        if (find(call, i)) {
            kv_output_number(call->out, 0);
            return;
        }
    if (set_all(call))
        kv_output_number(call->out, 1);
}

/* ---- Getting */

void kv_strings_get(struct kv_call *call)
{
    answer_entry(call, find_counted(call, 1));
}

void kv_strings_mget(struct kv_call *call)
{
    kv_output_array(call->out, call->nr - 1);
    for (unsigned i = 1; i < call->nr; i++)
        answer_entry(call, find_counted(call, i));
}

void kv_strings_strlen(struct kv_call *call)
{
    struct kv_entry *entry = find_counted(call, 1);

    kv_output_number(call->out, entry ? entry->value_bytes : 0);
}

/* Remove the key and journal that. Output that holds the value keeps it. */
static void remove_noted(struct kv_call *call)
{
    struct kv_text words[] = {KV_TEXT("DEL"), call->words[1]};

    kv_store_remove(&call->kv->store, call->words[1]);
    kv_command_note(call, words, 2);
}

void kv_strings_getdel(struct kv_call *call)
{
    struct kv_entry *entry = find_counted(call, 1);

    answer_entry(call, entry);
    if (entry)
        remove_noted(call);
}

/* Are the words after the key valid? */
static bool check_getex(struct kv_call *call)
{
    bool good = call->nr == 2 ||
                (call->nr == 3 && kv_text_is(call->words[2], "persist")) ||
                (call->nr == 4 && is_expiry(call->words[2]));

    if (!good)
        kv_command_syntax(call);
    return good;
}

void kv_strings_getex(struct kv_call *call)
{
    struct kv_text key = call->words[1];
    struct kv_entry *entry;
    uint64_t expires_ms = 0;

    if (!check_getex(call))
        return;
    entry = find_counted(call, 1);
    if (entry && call->nr == 4 && !read_named_expiry(call, 2, &expires_ms))
        return;
    answer_entry(call, entry);
    if (!entry || call->nr == 2)
        return;
    if (expires_ms && expires_ms <= call->kv->store.now_ms &&
        !call->kv->store.keeps_expired) {
        remove_noted(call);
    } else if (expires_ms || entry->expires_ms) {
        kv_store_set_expiry(&call->kv->store, entry, expires_ms);
        note_expiry(call, key, expires_ms);
    }
}

/* A number as a position in `len` bytes: from the end, if negative. */
static int64_t place_of(int64_t number, int64_t len)
{
    if (number < 0)
        number = number < -len ? 0 : number + len;
    return number;
}

void kv_strings_getrange(struct kv_call *call)
{
    int64_t first, last, len;
    struct kv_entry *entry;
    struct kv_text value = KV_TEXT("");

    if (!kv_command_number(call, 2, &first) ||
        !kv_command_number(call, 3, &last))
        return;
    entry = find_counted(call, 1);
    if (entry)
        value = kv_entry_value(entry);
    len = (int64_t)value.len;
    if (first < 0 && last < 0 && first > last)
        len = 0;
    first = place_of(first, (int64_t)value.len);
    last = place_of(last, (int64_t)value.len);
    if (last >= len)
        last = len - 1;
    if (first == 0 && last == (int64_t)value.len - 1 && entry)
        answer_entry(call, entry);
    else if (first > last)
        kv_output_string(call->out, "");
    else
        kv_output_bulk(call->out, (struct kv_text){value.at + first,
                                                   (size_t)(last - first + 1)});
}

/* ---- Counting */

static void add(struct kv_call *call, int64_t by)
{
    struct kv_entry *entry = find(call, 1);
    int64_t number = 0;
    char text[KV_NUMBER_MAX];
    struct kv_text value = {text, 0};

    if (entry && !kv_text_number(kv_entry_value(entry), &number)) {
        kv_output_error(call->out,
                        "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(number, by, &number)) {
        kv_output_error(call->out, "ERR increment or decrement would overflow");
        return;
    }
    value.len = kv_text_from_number(text, number);
    if (kv_command_set(call, call->words[1], value,
                       entry ? entry->expires_ms : 0))
        kv_output_number(call->out, number);
}

void kv_strings_incr(struct kv_call *call)
{
    add(call, 1);
}

void kv_strings_decr(struct kv_call *call)
{
    add(call, -1);
}

void kv_strings_incrby(struct kv_call *call)
{
    int64_t by;

    if (kv_command_number(call, 2, &by))
        add(call, by);
}

void kv_strings_decrby(struct kv_call *call)
{
    int64_t by;

    if (!kv_command_number(call, 2, &by))
        return;
    if (by == INT64_MIN)
        kv_output_error(call->out, "ERR decrement would overflow");
    else
        add(call, -by);
}

void kv_strings_incrbyfloat(struct kv_call *call)
{
    struct kv_entry *entry = find(call, 1);
    struct kv_decimal number = {0}, by;
    char text[KV_DECIMAL_TEXT];
    struct kv_text value = {text, 0};

    if (!kv_decimal_read(&by, call->words[2]) ||
        (entry && !kv_decimal_read(&number, kv_entry_value(entry)))) {
        kv_output_error(call->out, "ERR value is not a valid float");
        return;
    }
    if (kv_decimal_add(&number, &by))
        value.len = kv_decimal_write(&number, text);
    if (!value.len)
        kv_output_error(call->out,
                        "ERR increment would produce NaN or Infinity");
    else if (kv_command_set(call, call->words[1], value,
                            entry ? entry->expires_ms : 0))
        kv_output_bulk(call->out, value);
}

/* ---- Parts of values */

static bool check_value(struct kv_call *call, uint64_t bytes)
{
    if (bytes <= (call->conn ? call->kv->word_max : KV_VALUE_MAX))
        return true;
    kv_output_error(call->out, "ERR string exceeds maximum allowed size "
                               "(proto-max-bulk-len)");
    return false;
}

/* A write beyond the value's end needs memory for the gap, too. */
static bool check_memory(struct kv_call *call, uint64_t bytes)
{
    if (kv_command_has_memory(call, bytes))
        return true;
    kv_command_no_memory(call);
    return false;
}

/* On replay the key may have another expiry, or be gone and be created again by
 * this: so the expiry is journaled as well. */
static void note_patch(struct kv_call *call, const struct kv_entry *entry,
                       size_t offset, struct kv_text piece, bool is_new)
{
    char number[KV_NUMBER_MAX];
    struct kv_text key = call->words[1];
    struct kv_text removal[] = {KV_TEXT("DEL"), key};
    struct kv_text words[] = {KV_TEXT("SETRANGE"), key, {number, 0}, piece};
    bool is_one = !is_new && !entry->expires_ms;

    words[2].len = kv_text_from_number(number, (int64_t)offset);
    if (!is_one)
        kv_journal_begin(&call->kv->journal);
    if (is_new)
        kv_command_note(call, removal, 2);
    kv_command_note(call, words, 4);
    if (entry->expires_ms)
        note_expiry(call, key, entry->expires_ms);
    if (!is_one)
        kv_journal_end(&call->kv->journal);
}

static void patch(struct kv_call *call, struct kv_entry *old, size_t offset,
                  struct kv_text piece)
{
    struct kv_entry *entry;

    if (!check_key(call, call->words[1]))
        return;
    entry = kv_store_patch(&call->kv->store, call->words[1], offset, piece);
    if (!entry) {
        kv_command_no_memory(call);
        return;
    }
    note_patch(call, entry, offset, piece, !old);
    kv_output_number(call->out, entry->value_bytes);
}

void kv_strings_append(struct kv_call *call)
{
    struct kv_entry *old = find(call, 1);
    size_t offset = old ? old->value_bytes : 0;

    if (check_value(call, (uint64_t)offset + call->words[2].len))
        patch(call, old, offset, call->words[2]);
}

void kv_strings_setrange(struct kv_call *call)
{
    struct kv_entry *old = find(call, 1);
    size_t bytes = old ? old->value_bytes : 0;
    struct kv_text piece = call->words[3];
    int64_t offset;

    if (!kv_command_number(call, 2, &offset))
        return;
    if (offset < 0)
        kv_output_error(call->out, "ERR offset is out of range");
    else if (!piece.len)
        kv_output_number(call->out, (int64_t)bytes);
    else if (check_value(call, (uint64_t)offset + piece.len) &&
             check_memory(call, (uint64_t)offset + piece.len))
        patch(call, old, (size_t)offset, piece);
}
