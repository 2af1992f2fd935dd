/* SPDX-License-Identifier: MIT */
/*
 * Texts, numbers, patterns.
 *
 * A pattern is matched without recursion: when something does not fit behind a
 * star, the star takes one byte more; only the last star need be remembered,
 * since what is before it has found its place and can only waste text by moving
 * on.
 */
#include "apps/kv/kv_text.h"

#include <string.h>

/* ---- Numbers */

bool kv_text_number(struct kv_text text, int64_t *number)
{
    bool negative = text.len && text.at[0] == '-';
    size_t at = negative;
    uint64_t value = 0;

    if (at == text.len || text.len >= KV_NUMBER_MAX)
        return false;
    if (text.at[at] == '0' && text.len > 1)
        return false;
    for (; at < text.len; at++) {
        unsigned digit = (unsigned)(text.at[at] - '0');

        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    if (value > (uint64_t)INT64_MAX + negative)
        return false;
    *number = (int64_t)(negative ? 0 - value : value);
    return true;
}

size_t kv_text_from_number(char buffer[KV_NUMBER_MAX], int64_t number)
{
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    char reversed[KV_NUMBER_MAX];
    size_t nr = 0, len;

    do {
        reversed[nr++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0)
        reversed[nr++] = '-';
    for (len = 0; len < nr; len++)
        buffer[len] = reversed[nr - 1 - len];
    buffer[len] = '\0';
    return len;
}

/* ---- Words */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool kv_text_is(struct kv_text text, const char *word)
{
    for (size_t i = 0; i < text.len; i++)
        if (!word[i] || lower(text.at[i]) != word[i])
            return false;
    return !word[text.len];
}

bool kv_text_equal(struct kv_text a, struct kv_text b)
{
    return a.len == b.len && !memcmp(a.at, b.at, a.len);
}

/* ---- Patterns */

static void skip(struct kv_text *text, size_t bytes)
{
    text->at += bytes;
    text->len -= bytes;
}

/* One byte of a pattern, which `\` may stand before. */
static char take_literal(struct kv_text *pattern)
{
    char c;

    if (pattern->at[0] == '\\' && pattern->len > 1)
        skip(pattern, 1);
    c = pattern->at[0];
    skip(pattern, 1);
    return c;
}

/* Behind '[': is c one of those? One that has no end ends with the pattern. */
static bool take_set(struct kv_text *pattern, unsigned char c)
{
    bool inverted = pattern->len && pattern->at[0] == '^', found = false;

    skip(pattern, inverted);
    while (pattern->len && pattern->at[0] != ']') {
        unsigned char first = (unsigned char)take_literal(pattern),
                      last = first;

        if (pattern->len > 1 && pattern->at[0] == '-') {
            skip(pattern, 1);
            last = (unsigned char)take_literal(pattern);
        }
        found |= (first <= c && c <= last) || (last <= c && c <= first);
    }
    skip(pattern, pattern->len > 0);
    return found != inverted;
}

/* Does one byte fit what is first in the pattern (no star)? That is taken. */
static bool take_one(struct kv_text *pattern, char c)
{
    switch (pattern->at[0]) {
    case '?':
        skip(pattern, 1);
        return true;
    case '[':
        skip(pattern, 1);
        return take_set(pattern, (unsigned char)c);
    default:
        return take_literal(pattern) == c;
    }
}

bool kv_text_matches(struct kv_text text, struct kv_text pattern)
{
    struct kv_text star = {0}, behind = {0};

    for (;;) {
        if (pattern.len && pattern.at[0] == '*') {
            skip(&pattern, 1);
            star = text;
            behind = pattern;
        } else if (!text.len) {
            return !pattern.len;
        } else if (pattern.len && take_one(&pattern, text.at[0])) {
            skip(&text, 1);
        } else if (behind.at && star.len) {
            skip(&star, 1);
            text = star;
            pattern = behind;
        } else {
            return false;
        }
    }
}
