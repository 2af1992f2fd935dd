/* SPDX-License-Identifier: MIT */
/* Slices of text, without a NUL: words of a command, numbers in them. */
#ifndef APPS_KV_TEXT_H
#define APPS_KV_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kv_text {
    const char *at;
    size_t len;
};

#define KV_TEXT(literal) ((struct kv_text){(literal), sizeof(literal) - 1})

/* Digits of the longest number, its sign and a NUL. */
#define KV_NUMBER_MAX 21

/* Read a number as Redis does: decimal, with at most a '-', no leading zeros,
 * nothing before or after. */
bool kv_text_number(struct kv_text text, int64_t *number);
/* Returns the length. */
size_t kv_text_from_number(char buffer[KV_NUMBER_MAX], int64_t number);

/* Compare, ignoring ASCII case; `word` is in lower case. */
bool kv_text_is(struct kv_text text, const char *word);
bool kv_text_equal(struct kv_text a, struct kv_text b);

#endif
