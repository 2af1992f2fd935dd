/* SPDX-License-Identifier: MIT */
/*
 * Numbers with a point, for INCRBYFLOAT: decimal, not binary, so that 0.1 plus
 * 0.2 is 0.3. Digits beyond the 17th after the point are rounded, as in Redis.
 */
#ifndef APPS_KV_DECIMAL_H
#define APPS_KV_DECIMAL_H

#include "apps/kv/kv_text.h"

#define KV_DECIMAL_WHOLE                                 \
    309 /* digits before the point: the range of doubles \
         */
#define KV_DECIMAL_PLACES 17
#define KV_DECIMAL_TEXT   (1 + KV_DECIMAL_WHOLE + 1 + KV_DECIMAL_PLACES + 1)

struct kv_decimal {
    bool is_negative;
    /* The highest first; one more than is shown, for rounding. */
    unsigned char digits[KV_DECIMAL_WHOLE + KV_DECIMAL_PLACES + 1];
};

/* False: not a number, or too large. */
bool kv_decimal_read(struct kv_decimal *decimal, struct kv_text text);
/* False: the sum is too large. */
bool kv_decimal_add(struct kv_decimal *to, const struct kv_decimal *other);
/* Rounds. Returns the length; 0: too large after rounding. */
size_t kv_decimal_write(struct kv_decimal *decimal, char text[KV_DECIMAL_TEXT]);

#endif
