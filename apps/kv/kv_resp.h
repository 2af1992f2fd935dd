/* SPDX-License-Identifier: MIT */
/*
 * A parser for requests of the Redis protocol (RESP2):
 *
 *     *2\r\n$3\r\nGET\r\n$1\r\nk\r\n      or, inline,      GET k\r\n
 *
 * The bytes may arrive in any segments, as long as each call gets the earlier
 * ones as well; those are not read twice.
 */
#ifndef APPS_KV_RESP_H
#define APPS_KV_RESP_H

#include "apps/kv/kv_text.h"

/* Words of a request: few enough that no command takes long. */
#define KV_WORDS_MAX  32768
/* The list keeps room for this many between requests: 16 KiB. */
#define KV_WORDS_KEPT 1024
/* An inline request, as in Redis. */
#define KV_INLINE_MAX 65536
/* The number behind a '*' or '$', and its sign. */
#define KV_LENGTH_MAX 32

struct kv_words {
    struct kv_text *at;
    unsigned nr, room;
};

/* The longest request that is accepted. */
struct kv_resp_limits {
    uint32_t words, word_bytes;
};

/* A partly received request; zeroed at its start. */
struct kv_resp {
    size_t at;      /* bytes read so far */
    uint32_t left;  /* words still to come, with their lengths */
    uint32_t bytes; /* of the next word, if has_length */
    bool has_words; /* their number was read */
    bool has_length;
};

enum kv_resp_result {
    KV_RESP_MORE,  /* the request continues after these bytes */
    KV_RESP_READY, /* the request is complete */
    KV_RESP_BAD    /* invalid: the bytes after it are meaningless */
};

/* Continue reading the request that begins at `bytes`. READY: `words` are its
 * words, within `bytes` (inline requests are modified: quotes are removed), and
 * resp->at is its length; there may be no words. BAD: *error is Redis' message.
 */
enum kv_resp_result kv_resp_read(struct kv_resp *resp, struct kv_words *words,
                                 char *bytes, size_t len,
                                 const struct kv_resp_limits *limits,
                                 const char **error);

/* The request's minimum length, if known; else 0. */
size_t kv_resp_expects(const struct kv_resp *resp);

/* The words are no longer needed: free the memory if they were very many. */
void kv_words_trim(struct kv_words *words);
void kv_words_free(struct kv_words *words);

#endif
