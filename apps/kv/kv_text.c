/* SPDX-License-Identifier: MIT */
/* Texts and numbers. */
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
