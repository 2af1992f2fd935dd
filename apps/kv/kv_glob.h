/* SPDX-License-Identifier: MIT */
/*
 * Patterns of KEYS, SCAN and CONFIG GET, as in Redis: ? * [ab] [^a] [a-z] and \
 * before any of them. A pattern is compiled once; matching a text then takes
 * time in proportion to its length, times a 64th of the pattern's.
 */
#ifndef APPS_KV_GLOB_H
#define APPS_KV_GLOB_H

#include "apps/kv/kv_text.h"

/* The longest pattern: compiled it has at most 35 KiB. */
#define KV_PATTERN_MAX 1024

struct kv_glob {
    unsigned nr_words; /* words of 64 positions, including the final one */
    unsigned last;     /* the final position */
    uint64_t bits[];   /* nr_words each: kv_glob.c */
};

/* The memory that a compiled pattern takes. */
size_t kv_glob_bytes(struct kv_text pattern);
/* Compile into that many bytes. The pattern has at most KV_PATTERN_MAX. */
void kv_glob_init(struct kv_glob *glob, struct kv_text pattern);

bool kv_glob_matches(const struct kv_glob *glob, struct kv_text text);

/* The most steps (kv_work.h) that matching a text of this length takes. */
unsigned kv_glob_steps(const struct kv_glob *glob, size_t len);

#endif
