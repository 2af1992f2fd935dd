/* SPDX-License-Identifier: MIT */
/*
 * Requests of the Redis protocol (RESP2), taken apart:
 *
 *     *2\r\n$3\r\nGET\r\n$1\r\nk\r\n      or, inline,      GET k\r\n
 *
 * The bytes may come in any pieces, as long as each call gets those of before
 * as well; they are not read twice.
 */
#ifndef APPS_KV_RESP_H
#define APPS_KV_RESP_H

#include "apps/kv/kv_text.h"

/* Words of a request: no command works long on so many. */
#define KV_WORDS_MAX  32768
/* The list has room for so many between requests: 16 KiB. */
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

/* A request of which a part is here; zeroed at its beginning. */
struct kv_resp {
    size_t at;      /* what was read of it */
    uint32_t left;  /* words that are still to come, with their lengths */
    uint32_t bytes; /* of the word that comes, if has_length */
    bool has_words; /* their number was read */
    bool has_length;
};

enum kv_resp_result {
    KV_RESP_MORE,  /* it goes on behind these bytes */
    KV_RESP_READY, /* it is complete */
    KV_RESP_BAD    /* it is none: nothing can be said of what comes after */
};

/* Read on in the request that begins at `bytes`. READY: `words` are its words,
 * within `bytes` (inline ones are written to: quotes go), and resp->at is its
 * length; there may be no words. BAD: *error is what Redis says. */
enum kv_resp_result kv_resp_read(struct kv_resp *resp, struct kv_words *words,
                                 char *bytes, size_t len,
                                 const struct kv_resp_limits *limits,
                                 const char **error);

/* Is it known how long the request is at least? Else 0. */
size_t kv_resp_expects(const struct kv_resp *resp);

/* Nobody needs the words any more: memory for very many goes back. */
void kv_words_trim(struct kv_words *words);
void kv_words_free(struct kv_words *words);

#endif
