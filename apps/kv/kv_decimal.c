/* SPDX-License-Identifier: MIT */
/*
 * One digit per byte, with a fixed point: slow, at a microsecond, but simple.
 */
#include "apps/kv/kv_decimal.h"

#include <string.h>

#define DIGITS       (KV_DECIMAL_WHOLE + KV_DECIMAL_PLACES + 1)
/* A larger exponent means 0, or a number that is too large. */
#define EXPONENT_MAX 100000

/* ---- Reading */

static bool is_digit(struct kv_text text, size_t at)
{
    return at < text.len && text.at[at] >= '0' && text.at[at] <= '9';
}

/* From `at` to the end, with a sign or without. */
static bool read_exponent(struct kv_text text, size_t at, long *exponent)
{
    bool is_negative = at < text.len && text.at[at] == '-';

    at += is_negative || (at < text.len && text.at[at] == '+');
    if (!is_digit(text, at))
        return false;
    for (*exponent = 0; is_digit(text, at); at++)
        if (*exponent < EXPONENT_MAX)
            *exponent = *exponent * 10 + text.at[at] - '0';
    if (is_negative)
        *exponent = -*exponent;
    return at == text.len;
}

/* Digits, with or without a point; `at` is moved after them. Returns how many
 * there are; *whole: how many come before the point. */
static size_t find_digits(struct kv_text text, size_t *at, size_t *whole)
{
    size_t nr = 0;
    bool has_point = false;

    for (*whole = 0; *at < text.len; ++*at) {
        if (is_digit(text, *at)) {
            nr++;
            *whole += !has_point;
        } else if (text.at[*at] == '.' && !has_point) {
            has_point = true;
        } else {
            break;
        }
    }
    return nr;
}

bool kv_decimal_read(struct kv_decimal *decimal, struct kv_text text)
{
    size_t at = text.len && (text.at[0] == '-' || text.at[0] == '+'),
           first = at, whole, nr = find_digits(text, &at, &whole);
    long exponent = 0, place;

    if (!nr || (at < text.len && (text.at[at] | 0x20) != 'e') ||
        (at < text.len && !read_exponent(text, at + 1, &exponent)))
        return false;
    *decimal = (struct kv_decimal){.is_negative = text.at[0] == '-'};
    place = KV_DECIMAL_WHOLE - (long)whole - exponent;
    for (; nr; first++) {
        unsigned char digit = (unsigned char)(text.at[first] - '0');

        if (text.at[first] == '.')
            continue;
        if (place < 0 && digit)
            return false;
        if (place >= 0 && place < DIGITS)
            decimal->digits[place] = digit;
        place++;
        nr--;
    }
    return true;
}

/* ---- Adding */

static bool add_digits(unsigned char *to, const unsigned char *digits)
{
    unsigned carry = 0;

    for (unsigned i = DIGITS; i--;) {
        unsigned sum = to[i] + digits[i] + carry;

        carry = sum > 9;
        to[i] = (unsigned char)(sum - 10 * carry);
    }
    return !carry;
}

/* The subtrahend is not larger than the minuend. */
static void subtract(unsigned char *to, const unsigned char *from,
                     const unsigned char *digits)
{
    unsigned borrow = 0;

    for (unsigned i = DIGITS; i--;) {
        unsigned less = digits[i] + borrow;

        borrow = from[i] < less;
        to[i] = (unsigned char)(from[i] + 10 * borrow - less);
    }
}

bool kv_decimal_add(struct kv_decimal *to, const struct kv_decimal *other)
{
    if (to->is_negative == other->is_negative)
        return add_digits(to->digits, other->digits);
    if (memcmp(to->digits, other->digits, DIGITS) >= 0) {
        subtract(to->digits, to->digits, other->digits);
        return true;
    }
    subtract(to->digits, other->digits, to->digits);
    to->is_negative = other->is_negative;
    return true;
}

/* ---- Writing */

size_t kv_decimal_write(struct kv_decimal *decimal, char text[KV_DECIMAL_TEXT])
{
    static const unsigned char one[DIGITS] = {[DIGITS - 2] = 1};
    unsigned first = 0, end = DIGITS - 1;
    size_t len = 0;

    if (decimal->digits[DIGITS - 1] > 4 && !add_digits(decimal->digits, one))
        return 0;
    while (first < KV_DECIMAL_WHOLE - 1 && !decimal->digits[first])
        first++;
    while (end > KV_DECIMAL_WHOLE && !decimal->digits[end - 1])
        end--;
    for (unsigned i = 0; i < end && !len; i++)
        if (decimal->digits[i] && decimal->is_negative)
            text[len++] = '-';
    for (unsigned i = first; i < end; i++) {
        if (i == KV_DECIMAL_WHOLE)
            text[len++] = '.';
        text[len++] = (char)('0' + decimal->digits[i]);
    }
    text[len] = '\0';
    return len;
}
