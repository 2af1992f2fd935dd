/* SPDX-License-Identifier: MIT */
/*
 * Commands that look at many keys: KEYS, SCAN, RANDOMKEY. Each walks over the
 * buckets with a cursor, one per step, and collects the keys until their number
 * is known.
 */
#include "apps/kv/kv_work.h"

#include "apps/kv/kv_glob.h"

/* The most buckets that one SCAN looks at, whatever its COUNT. */
#define SCAN_MAX         4096
#define SCAN_DEFAULT     10
/* Empty buckets that SCAN may look at for each key of COUNT. */
#define SCAN_EMPTY_TIMES 10
/* Bytes of a key that cost a step: they are hashed, and perhaps copied. */
#define STEP_BYTES       64

struct kv_scan {
    struct kv_work work;
    bool is_keys;    /* KEYS: all keys, and no cursor in the answer */
    bool wants_none; /* TYPE is not string: no key fits */
    bool has_glob;   /* else all */
    uint64_t cursor, count, turns;
    uint64_t nr; /* found */
    struct kv_glob glob;
};

static struct kv_scan *of(struct kv_work *work)
{
    return container_of(work, struct kv_scan, work);
}

/* ---- A step */

static void add_key(void *arg, struct kv_store *store, struct kv_entry *entry)
{
    struct kv_scan *scan = arg;
    struct kv_text key = kv_entry_key(entry);

    kv_work_spend(&scan->work, (unsigned)(1 + key.len / STEP_BYTES));
    scan->count -= scan->count > 0;
    if (kv_store_has_expired(store, entry) || scan->wants_none)
        return;
    if (scan->has_glob) {
        kv_work_spend(&scan->work, kv_glob_steps(&scan->glob, key.len));
        if (!kv_glob_matches(&scan->glob, key))
            return;
    }
    kv_output_bulk(&scan->work.found, key);
    scan->nr++;
}

static void answer(struct kv_scan *scan)
{
    struct kv_output *out = scan->work.out;
    char number[KV_NUMBER_MAX];
    size_t len = kv_text_from_number(number, (int64_t)scan->cursor);

    if (!scan->is_keys) {
        kv_output_array(out, 2);
        kv_output_bulk(out, (struct kv_text){number, len});
    }
    kv_output_array(out, scan->nr);
    kv_output_move(out, &scan->work.found);
}

static bool step(struct kv_work *work)
{
    struct kv_scan *scan = of(work);

    kv_work_spend(work, 1);
    scan->cursor = kv_store_next(&work->kv->store, scan->cursor, add_key, scan);
    if (scan->cursor && !work->found.has_failed &&
        (scan->is_keys || (scan->count && --scan->turns)))
        return true;
    answer(scan);
    return false;
}

/* ---- RANDOMKEY: from a random bucket on, the first that has keys. */

struct random {
    struct kv_work work;
    uint64_t begin, cursor;
    bool is_round; /* it wrapped around at the end */
    unsigned nr;   /* keys seen; one of them is chosen */
    struct kv_text key;
};

static uint64_t chance(struct kv *kv)
{
    kv->nr_chances++;
    return kv_hash(&kv->store.hash_key, &kv->nr_chances,
                   sizeof(kv->nr_chances));
}

/* Choose one of the bucket's keys, each with the same probability. */
static void choose(void *arg, struct kv_store *store, struct kv_entry *entry)
{
    struct random *random = arg;

    kv_work_spend(&random->work, 1);
    if (!kv_store_has_expired(store, entry) &&
        chance(random->work.kv) % ++random->nr == 0)
        random->key = kv_entry_key(entry);
}

static bool random_step(struct kv_work *work)
{
    struct random *random = container_of(work, struct random, work);

    kv_work_spend(work, 1);
    random->cursor =
        kv_store_next(&work->kv->store, random->cursor, choose, random);
    if (random->nr) {
        kv_output_bulk(work->out, random->key);
        return false;
    }
    if (!random->cursor && !random->is_round) {
        random->is_round = true;
        return true;
    }
    if (random->is_round &&
        (!random->cursor || random->cursor > random->begin)) {
        kv_output_nil(work->out);
        return false;
    }
    return true;
}

void kv_scan_randomkey(struct kv_call *call)
{
    struct kv_work *work =
        kv_work_make(call, sizeof(struct random), random_step, NULL);
    struct random *random;

    if (!work)
        return;
    random = container_of(work, struct random, work);
    random->begin = random->cursor = chance(call->kv) >> (64 - KV_CURSOR_BITS);
}

/* ---- The beginning */

/* A pattern of only stars matches every key. */
static bool fits_all(struct kv_text pattern)
{
    return pattern.len == 1 && pattern.at[0] == '*';
}

/* Begin, with the pattern unless it is NULL. Returns NULL: the error was sent.
 */
static struct kv_scan *begin(struct kv_call *call,
                             const struct kv_text *pattern)
{
    bool has_glob = pattern && !fits_all(*pattern);
    size_t bytes = sizeof(struct kv_scan);
    struct kv_scan *scan;
    struct kv_work *work;

    if (has_glob && !kv_command_pattern(call, *pattern))
        return NULL;
    if (has_glob)
        bytes = offsetof(struct kv_scan, glob) + kv_glob_bytes(*pattern);
    work = kv_work_make(call, bytes, step, NULL);
    if (!work)
        return NULL;
    scan = of(work);
    scan->has_glob = has_glob;
    if (!has_glob)
        return scan;
    kv_glob_init(&scan->glob, *pattern);
    kv_work_spend(work, (unsigned)(bytes / STEP_BYTES));
    return scan;
}

void kv_scan_keys(struct kv_call *call)
{
    struct kv_scan *scan = begin(call, &call->words[1]);

    if (scan)
        scan->is_keys = true;
}

struct options {
    const struct kv_text *pattern;
    bool wants_none;
    int64_t count;
};

static bool read_options(struct kv_call *call, struct options *options)
{
    *options = (struct options){.count = SCAN_DEFAULT};
    for (unsigned i = 2; i < call->nr; i += 2) {
        struct kv_text word = call->words[i];
        bool has_value = i + 1 < call->nr;

        if (has_value && kv_text_is(word, "match")) {
            options->pattern = &call->words[i + 1];
        } else if (has_value && kv_text_is(word, "type")) {
            options->wants_none = !kv_text_is(call->words[i + 1], "string");
        } else if (has_value && kv_text_is(word, "count")) {
            if (!kv_command_number(call, i + 1, &options->count))
                return false;
            if (options->count < 1) {
                kv_command_syntax(call);
                return false;
            }
        } else {
            kv_command_syntax(call);
            return false;
        }
    }
    return true;
}

/* Redis accepts any 64-bit number. */
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

void kv_scan_scan(struct kv_call *call)
{
    struct options options;
    struct kv_scan *scan;
    uint64_t cursor;

    if (!read_cursor(call->words[1], &cursor)) {
        kv_output_error(call->out, "ERR invalid cursor");
        return;
    }
    if (!read_options(call, &options))
        return;
    scan = begin(call, options.pattern);
    if (!scan)
        return;
    scan->cursor = cursor;
    scan->wants_none = options.wants_none;
    scan->count =
        (uint64_t)(options.count < SCAN_MAX ? options.count : SCAN_MAX);
    scan->turns = scan->count * SCAN_EMPTY_TIMES;
}
