/* SPDX-License-Identifier: MIT */
/* The store of apps/kv against a model, at random; hashes, numbers, patterns.
 */
// sources: apps/kv/kv_store.c apps/kv/kv_hash.c apps/kv/kv_text.c
// sources: apps/kv/kv_glob.c
// sources: kernel/page.c xen/evtchn.c tests/fake/hv.c
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/kv/kv_glob.h"
#include "apps/kv/kv_store.h"

static struct pages pages;
static struct kv_store store;

static int setup(void **state)
{
    fake_setup(state);
    pages_init(&pages);
    store = (struct kv_store){.memory = &pages, .now_ms = 1000};
    fake_random_fill(&store.hash_key, sizeof(store.hash_key));
    return kv_store_init(&store);
}

static int teardown(void **state)
{
    kv_store_free(&store);
    assert_int_equal(store.used_bytes, 0);
    assert_int_equal(pages.nr_used, 0);
    return fake_teardown(state);
}

static struct kv_text text(const char *string)
{
    return (struct kv_text){string, strlen(string)};
}

static struct kv_text key_of(unsigned number)
{
    static char name[16];

    return (struct kv_text){
        name, (size_t)snprintf(name, sizeof(name), "key:%u", number)};
}

/* ---- What the store is made of */

static void siphash_gives_the_papers_values(void **state)
{
    struct kv_hash_key key;
    unsigned char bytes[16];

    (void)state;
    for (unsigned i = 0; i < 16; i++)
        bytes[i] = (unsigned char)i;
    memcpy(&key, bytes, sizeof(key));
    assert_true(kv_hash_rounds(&key, bytes, 15, 2, 4) == 0xa129ca6149be45e5);
    assert_true(kv_hash_rounds(&key, bytes, 0, 2, 4) == 0x726fdb47dd0e0e31);
    assert_true(kv_hash(&key, bytes, 15) ==
                kv_hash_rounds(&key, bytes, 15, 1, 3));
}

static void numbers_are_read_as_redis_does(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t number;
    } tries[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"-0", false, 0},
        {"01", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1a", false, 0},
        {"1.0", false, 0},
    };
    char buffer[KV_NUMBER_MAX];
    int64_t number;

    (void)state;
    for (unsigned i = 0; i < array_size(tries); i++) {
        assert_int_equal(kv_text_number(text(tries[i].text), &number),
                         tries[i].good);
        if (!tries[i].good)
            continue;
        assert_true(number == tries[i].number);
        kv_text_from_number(buffer, number);
        assert_string_equal(buffer, tries[i].text);
    }
}

static bool matches(struct kv_text string, struct kv_text pattern)
{
    struct kv_glob *glob = malloc(kv_glob_bytes(pattern));
    bool result;

    assert_non_null(glob);
    kv_glob_init(glob, pattern);
    result = kv_glob_matches(glob, string);
    free(glob);
    return result;
}

static void patterns_match_as_redis_does(void **state)
{
    static const struct {
        const char *text, *pattern;
        bool matches;
    } tries[] = {
        {"hello", "hello", true},
        {"hello", "hell", false},
        {"hell", "hello", false},
        {"", "", true},
        {"", "*", true},
        {"", "?", false},
        {"hello", "h?llo", true},
        {"hello", "h*o", true},
        {"hello", "h**", true},
        {"hello", "*l", false},
        {"hello", "*l*", true},
        {"hello", "h[ae]llo", true},
        {"hillo", "h[ae]llo", false},
        {"hello", "h[^e]llo", false},
        {"hbllo", "h[a-c]llo", true},
        {"hbllo", "h[c-a]llo", true},
        {"hdllo", "h[a-c]llo", false},
        {"h*llo", "h\\*llo", true},
        {"hello", "h\\*llo", false},
        {"a]", "a[\\]]", true},
        {"a", "[a", true},
        {"b", "[a", false},
        {"a\\", "a\\", true},
        {"aXbXc", "a*b*c", true},
        {"aXbXcX", "a*b*c", false},
        {"abcabcabd", "*abd", true},
        {"-", "[\\a-c]", true},
        {"b", "[\\a-c]", false},
        {"-", "[a-]", false},
        {"_", "[a-]", true},
        {"x", "[^]", true},
        {"x", "[]", false},
        {"]", "[]]", false},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(tries); i++)
        if (matches(text(tries[i].text), text(tries[i].pattern)) !=
            tries[i].matches)
            fail_msg("%s, %s", tries[i].text, tries[i].pattern);
}

/* Word for word what a pattern means: slow, and plain. */
static bool means(struct kv_text t, struct kv_text p)
{
    struct kv_text rest = {p.at + 1, p.len - 1}, next = {t.at + 1, t.len - 1};

    if (!p.len)
        return !t.len;
    if (p.at[0] == '*')
        return means(t, rest) || (t.len && means(next, p));
    if (!t.len)
        return false;
    if (p.at[0] == '[') { /* [a-c] or [^a-c] here */
        bool inverted = p.at[1] == '^';
        const char *set = p.at + 1 + inverted;

        rest = (struct kv_text){set + 4, p.len - 5 - inverted};
        return (t.at[0] >= set[0] && t.at[0] <= set[2]) != inverted &&
               means(next, rest);
    }
    return (p.at[0] == '?' || p.at[0] == t.at[0]) && means(next, rest);
}

static size_t make_pattern(char *to, unsigned pieces)
{
    static const char *const kinds[] = {"a", "b",     "c",     "?",
                                        "*", "[a-b]", "[^b-c]"};
    size_t len = 0;

    for (; pieces; pieces--) {
        const char *piece = kinds[fake_random_below(array_size(kinds))];

        memcpy(to + len, piece, strlen(piece));
        len += strlen(piece);
    }
    return len;
}

static void patterns_match_as_they_mean_at_random(void **state)
{
    unsigned nr_matching = 0;
    char string[16], pattern[128];

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        struct kv_text t = {string, fake_random_below(10)},
                       p = {pattern,
                            make_pattern(pattern, fake_random_below(9))};

        for (size_t at = 0; at < t.len; at++)
            string[at] = (char)('a' + fake_random_below(3));
        nr_matching += means(t, p);
        assert_int_equal(matches(t, p), means(t, p));
    }
    assert_in_range(nr_matching, 1000, 19000);
}

/* However the stars stand, a byte costs the same: so many words of places. */
static void a_long_pattern_costs_its_length(void **state)
{
    static char as[32768], stars[KV_PATTERN_MAX];
    struct kv_text string = {as, sizeof(as)}, pattern = {stars, sizeof(stars)};
    struct kv_glob *glob = malloc(kv_glob_bytes(pattern));

    (void)state;
    assert_non_null(glob);
    memset(as, 'a', sizeof(as));
    for (unsigned i = 0; i < sizeof(stars); i += 2)
        memcpy(stars + i, "*a", 2);
    assert_true(matches(string, pattern));
    stars[sizeof(stars) - 1] = 'b';
    assert_false(matches(string, pattern));
    kv_glob_init(glob, pattern);
    assert_true(kv_glob_bytes(pattern) < 36 * 1024);
    assert_true(kv_glob_steps(glob, sizeof(as)) <= 17 * sizeof(as) / 64);
    free(glob);
    memset(stars, '?', sizeof(stars));
    assert_true(matches((struct kv_text){as, sizeof(stars)}, pattern));
    assert_false(matches((struct kv_text){as, sizeof(stars) - 1}, pattern));
    assert_false(matches((struct kv_text){as, sizeof(stars) + 1}, pattern));
}

/* ---- Against a model */

#define NAMES     4000
#define VALUE_MAX 200

static struct model {
    bool is_there;
    size_t len;
    char value[VALUE_MAX];
    uint64_t expires_ms;
} model[NAMES];

static void check_key(unsigned number)
{
    struct model *m = &model[number];
    struct kv_entry *entry = kv_store_find(&store, key_of(number));
    struct kv_text value;

    if (m->is_there && m->expires_ms && m->expires_ms <= store.now_ms)
        m->is_there = false;
    assert_int_equal(entry != NULL, m->is_there);
    if (!entry)
        return;
    value = kv_entry_value(entry);
    assert_int_equal(value.len, m->len);
    assert_memory_equal(value.at, m->value, m->len);
    assert_true(entry->expires_ms == m->expires_ms);
}

static void set_randomly(unsigned number)
{
    struct model *m = &model[number];

    m->is_there = true;
    m->len = fake_random_below(VALUE_MAX / 2);
    fake_random_fill(m->value, m->len);
    m->expires_ms =
        fake_chance(20) ? store.now_ms + 1 + fake_random_below(500) : 0;
    assert_non_null(kv_store_set(&store, key_of(number),
                                 (struct kv_text){m->value, m->len},
                                 m->expires_ms));
}

static void patch_randomly(unsigned number)
{
    struct model *m = &model[number];
    size_t offset = fake_random_below(VALUE_MAX / 2),
           len = 1 + fake_random_below(VALUE_MAX / 2 - 1);
    char piece[VALUE_MAX];

    if (m->is_there && m->expires_ms && m->expires_ms <= store.now_ms)
        m->is_there = false;
    if (!m->is_there)
        *m = (struct model){.is_there = true};
    fake_random_fill(piece, len);
    assert_non_null(kv_store_patch(&store, key_of(number), offset,
                                   (struct kv_text){piece, len}));
    if (m->len < offset)
        memset(m->value + m->len, 0, offset - m->len);
    memcpy(m->value + offset, piece, len);
    if (m->len < offset + len)
        m->len = offset + len;
}

static void do_randomly(void)
{
    unsigned number = fake_random_below(NAMES), what = fake_random_below(100);
    struct kv_entry *entry;

    check_key(number);
    if (what < 50) {
        set_randomly(number);
    } else if (what < 65) {
        patch_randomly(number);
    } else if (what < 85) {
        assert_int_equal(kv_store_remove(&store, key_of(number)),
                         model[number].is_there);
        model[number].is_there = false;
    } else if (what < 95) {
        entry = kv_store_find(&store, key_of(number));
        if (entry) {
            model[number].expires_ms = store.now_ms + 300;
            kv_store_set_expiry(&store, entry, store.now_ms + 300);
        }
    } else {
        store.now_ms += fake_random_below(4);
        kv_store_expire(&store, 16);
    }
    check_key(number);
}

static void it_is_as_a_model_at_random(void **state)
{
    (void)state;
    memset(model, 0, sizeof(model));
    for (unsigned i = 0; i < 60000; i++) {
        do_randomly();
        if (i % 20000 == 19999) {
            assert_int_equal(kv_store_clear(&store), 0);
            memset(model, 0, sizeof(model));
        }
        kv_store_tidy(&store, 3);
    }
    for (unsigned i = 0; i < NAMES; i++)
        check_key(i);
}

/* ---- All keys, while they come and go */

static unsigned char seen[20000];

static void see(void *arg, struct kv_store *s, struct kv_entry *entry)
{
    unsigned number;

    (void)arg;
    (void)s;
    assert_int_equal(sscanf(entry->bytes, "key:%u", &number), 1);
    seen[number]++;
}

/* Keys 0 to 999 stay; `change` is called between two steps. */
static void walk(void (*change)(unsigned step))
{
    uint64_t cursor = 0;
    unsigned step = 0;

    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < 1000; i++)
        kv_store_set(&store, key_of(i), text("x"), 0);
    do {
        cursor = kv_store_next(&store, cursor, see, NULL);
        change(step++);
    } while (cursor);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(seen[i], 1);
    for (unsigned i = 1000; i < array_size(seen); i++)
        assert_true(seen[i] <= 1);
}

static void change_nothing(unsigned step)
{
    (void)step;
}

static void add_some(unsigned step)
{
    for (unsigned i = 0; i < 20 && step < 900; i++)
        kv_store_set(&store, key_of(1000 + step * 20 + i), text("x"), 0);
}

static void remove_some(unsigned step)
{
    for (unsigned i = 0; i < 40 && step < 450; i++)
        kv_store_remove(&store, key_of(1000 + step * 40 + i));
}

static void what_stays_is_seen_once_while_others_come(void **state)
{
    (void)state;
    walk(change_nothing);
    walk(add_some);
    assert_true(store.table.nr_buckets > 10000);
}

static void what_stays_is_seen_once_while_others_go(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 19000; i++)
        kv_store_set(&store, key_of(i), text("x"), 0);
    walk(remove_some);
    assert_true(store.table.nr_buckets < 10000);
}

static void any_number_is_a_cursor(void **state)
{
    (void)state;
    walk(add_some);
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < 100000; i++)
        kv_store_next(&store, fake_random(), see, NULL);
}

/* No bucket is long, and growing takes one step at a time. */
static void the_table_grows_by_one_bucket(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t before = store.table.nr_buckets;

        kv_store_set(&store, key_of(i), text("x"), 0);
        assert_in_range(store.table.nr_buckets - before, 0, 1);
    }
    assert_in_range(store.table.nr_buckets, 19999, 20001);
}

/* ---- Entries that are held */

static void what_is_held_stays_as_it_is(void **state)
{
    struct kv_entry *entry = kv_store_set(&store, text("k"), text("old"), 0);

    (void)state;
    kv_store_hold(entry);
    kv_store_set(&store, text("k"), text("new"), 0);
    assert_memory_equal(kv_entry_value(entry).at, "old", 3);
    kv_store_release(&store, entry);
    entry = kv_store_find(&store, text("k"));
    kv_store_hold(entry);
    kv_store_patch(&store, text("k"), 3, text("er"));
    assert_int_equal(entry->value_bytes, 3);
    assert_int_equal(kv_store_find(&store, text("k"))->value_bytes, 5);
    assert_true(kv_store_remove(&store, text("k")));
    assert_memory_equal(kv_entry_value(entry).at, "new", 3);
    kv_store_release(&store, entry);
}

static void what_is_held_stays_when_all_is_cleared(void **state)
{
    struct kv_entry *entry = kv_store_set(&store, text("k"), text("old"), 0);

    (void)state;
    kv_store_hold(entry);
    assert_int_equal(kv_store_clear(&store), 0);
    while (kv_store_tidy(&store, 100))
        ;
    assert_memory_equal(kv_entry_value(entry).at, "old", 3);
    kv_store_release(&store, entry);
}

/* ---- Expiry */

static void what_has_expired_is_gone_and_counted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        kv_store_set(&store, key_of(i), text("x"), i % 2 ? 2000 : 0);
    assert_int_equal(store.table.nr_expiring, 500);
    store.now_ms = 1999;
    assert_int_equal(kv_store_expire(&store, 4096), 0);
    store.now_ms = 2000;
    assert_null(kv_store_find(&store, key_of(1)));
    assert_int_equal(kv_store_expire(&store, 4096), 499);
    assert_int_equal(store.table.nr_keys, 500);
    assert_int_equal(store.table.nr_expiring, 0);
    assert_int_equal(store.nr_expired, 500);
}

/* ---- No memory for the table: slower, and right. */

static void without_pages_nothing_is_lost(void **state)
{
    static void *taken[FAKE_PAGES_MAX];
    unsigned long nr = 0;

    (void)state;
    while ((taken[nr] = page_alloc(&pages, 1)))
        nr++;
    for (unsigned i = 0; i < 5000; i++)
        assert_non_null(kv_store_set(&store, key_of(i), text("x"), 0));
    assert_int_equal(store.table.nr_buckets, 512);
    assert_int_equal(kv_store_clear(&store), -XEN_ENOMEM);
    for (unsigned i = 0; i < 5000; i++)
        assert_non_null(kv_store_find(&store, key_of(i)));
    while (nr)
        page_free(&pages, taken[--nr], 1);
}

int main(void)
{
#define with_store(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_papers_values),
        cmocka_unit_test(numbers_are_read_as_redis_does),
        cmocka_unit_test(patterns_match_as_redis_does),
        cmocka_unit_test(patterns_match_as_they_mean_at_random),
        cmocka_unit_test(a_long_pattern_costs_its_length),
        with_store(it_is_as_a_model_at_random),
        with_store(what_stays_is_seen_once_while_others_come),
        with_store(what_stays_is_seen_once_while_others_go),
        with_store(any_number_is_a_cursor),
        with_store(the_table_grows_by_one_bucket),
        with_store(what_is_held_stays_as_it_is),
        with_store(what_is_held_stays_when_all_is_cleared),
        with_store(what_has_expired_is_gone_and_counted),
        with_store(without_pages_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
