/* SPDX-License-Identifier: MIT */
/*
 * A pattern is a sequence of positions with one item to match between each two:
 * a byte, any byte, one of a set. A star is not an item, but a position at
 * which the match may stay. All positions that the text so far can lead to are
 * kept as bits, so each byte of the text advances all of them at once:
 *
 *     at = (at & (fits[byte] | any)) << 1  |  (at & stars)
 *
 * Whatever the stars, no byte is looked at twice (Baeza-Yates and Gonnet 1992:
 * shift-and).
 */
#include "apps/kv/kv_glob.h"

#include <string.h>

#define WORD_BITS 64
#define WORDS_MAX (KV_PATTERN_MAX / WORD_BITS + 1)
#define BYTES     256 /* values of a byte */
/* Bytes of a text, times words, for one step. */
#define STEP_WORK 64

/* The rows of glob->bits: stars, any, and one for each byte. */
enum { STARS, ANY, FITS, ROWS = FITS + BYTES };

static unsigned words_for(struct kv_text pattern)
{
    return (unsigned)(pattern.len / WORD_BITS + 1);
}

size_t kv_glob_bytes(struct kv_text pattern)
{
    return sizeof(struct kv_glob) +
           sizeof(uint64_t) * ROWS * words_for(pattern);
}

unsigned kv_glob_steps(const struct kv_glob *glob, size_t len)
{
    return (unsigned)(len * glob->nr_words / STEP_WORK);
}

static void set(struct kv_glob *glob, unsigned row, unsigned place)
{
    glob->bits[row * glob->nr_words + place / WORD_BITS] |=
        UINT64_C(1) << place % WORD_BITS;
}

/* ---- Making one */

static unsigned char take(struct kv_text *pattern)
{
    unsigned char c = (unsigned char)pattern->at[0];

    pattern->at++;
    pattern->len--;
    return c;
}

/* Read a set after '[' as the bytes that are in it. A set without an end ends
 * with the pattern. */
static bool read_set(struct kv_text *pattern, bool in[BYTES])
{
    bool inverted = pattern->len && pattern->at[0] == '^';
    unsigned first, last;

    if (inverted)
        take(pattern);
    while (pattern->len) {
        first = last = take(pattern);
        if (first == ']')
            break;
        if (first == '\\' && pattern->len) {
            first = last = take(pattern);
        } else if (pattern->len >= 2 && pattern->at[0] == '-') {
            take(pattern);
            last = take(pattern);
        }
        if (first > last)
            memset(in + last, true, first - last + 1);
        else
            memset(in + first, true, last - first + 1);
    }
    return inverted;
}

static void add_set(struct kv_glob *glob, struct kv_text *pattern,
                    unsigned place)
{
    bool in[BYTES] = {false}, inverted = read_set(pattern, in);

    for (unsigned c = 0; c < BYTES; c++)
        if (in[c] != inverted)
            set(glob, FITS + c, place);
}

void kv_glob_init(struct kv_glob *glob, struct kv_text pattern)
{
    unsigned place = 0;

    memset(glob, 0, kv_glob_bytes(pattern));
    glob->nr_words = words_for(pattern);
    while (pattern.len) {
        unsigned char c = take(&pattern);

        if (c == '*') {
            set(glob, STARS, place);
            continue;
        }
        if (c == '?')
            set(glob, ANY, place);
        else if (c == '[')
            add_set(glob, &pattern, place);
        else
            set(glob, FITS + (c == '\\' && pattern.len ? take(&pattern) : c),
                place);
        place++;
    }
    glob->last = place;
}

/* ---- Matching */

static bool has(const uint64_t *bits, unsigned place)
{
    return bits[place / WORD_BITS] >> place % WORD_BITS & 1;
}

/* Advance by one byte; false: no position is left. */
static bool move(const struct kv_glob *glob, uint64_t *at, unsigned char byte)
{
    unsigned nr = glob->nr_words;
    const uint64_t *stars = glob->bits + STARS * nr,
                   *any = glob->bits + ANY * nr,
                   *fits = glob->bits + (FITS + byte) * nr;
    uint64_t carry = 0, left = 0;

    for (unsigned i = 0; i < nr; i++) {
        uint64_t go = at[i] & (fits[i] | any[i]);

        at[i] = go << 1 | carry | (at[i] & stars[i]);
        carry = go >> (WORD_BITS - 1);
        left |= at[i];
    }
    return left;
}

bool kv_glob_matches(const struct kv_glob *glob, struct kv_text text)
{
    bool is_open = has(glob->bits + STARS * glob->nr_words, glob->last);
    uint64_t at[WORDS_MAX] = {1};

    for (size_t i = 0; i < text.len; i++) {
        if (is_open && has(at, glob->last))
            return true; /* whatever follows */
        if (!move(glob, at, (unsigned char)text.at[i]))
            return false;
    }
    return has(at, glob->last);
}
