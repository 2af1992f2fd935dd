/* SPDX-License-Identifier: MIT */
/*
 * Numbers with a point, for INCRBYFLOAT: decimals, not binary, so that 0.1 and
 * 0.2 are 0.3. What does not reach the 17th place behind the point is rounded,
 * as in Redis.
 */
#ifndef APPS_KV_DECIMAL_H
#define APPS_KV_DECIMAL_H

#include "apps/kv/kv_text.h"

#define KV_DECIMAL_WHOLE                                 \
    309 /* digits before the point: as far as doubles go \
         */
#define KV_DECIMAL_PLACES 17
#define KV_DECIMAL_TEXT   (1 + KV_DECIMAL_WHOLE + 1 + KV_DECIMAL_PLACES + 1)

struct kv_decimal {
    bool is_negative;
    /* The highest first; one more than is shown, to round by. */
    unsigned char digits[KV_DECIMAL_WHOLE + KV_DECIMAL_PLACES + 1];
};

/* False: it is none, or too large. */
bool kv_decimal_read(struct kv_decimal *decimal, struct kv_text text);
/* False: the sum is too large. */
bool kv_decimal_add(struct kv_decimal *to, const struct kv_decimal *other);
/* Rounded. Returns the length; 0: it is too large then. */
size_t kv_decimal_write(struct kv_decimal *decimal, char text[KV_DECIMAL_TEXT]);

#endif
