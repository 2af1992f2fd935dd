/* SPDX-License-Identifier: MIT */
/*
 * Reading requests. While a request is read, its words are collected in a list
 * that all connections share. The list is valid only if no other client was
 * served meanwhile: a request that came in several segments is read again when
 * it is complete (kv_resp_read, at its end).
 */
#include "apps/kv/kv_resp.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_FIRST                                 \
    64 /* initial room of the list; it then doubles \
        */

static const char no_memory[] = "no memory for so many words";

void kv_words_free(struct kv_words *words)
{
    free(words->at);
    *words = (struct kv_words){0};
}

void kv_words_trim(struct kv_words *words)
{
    if (words->room > KV_WORDS_KEPT)
        kv_words_free(words);
}

/* False: no memory. */
static bool note(struct kv_words *words, const char *at, size_t len)
{
    if (words->nr == words->room) {
        unsigned room = words->room ? 2 * words->room : WORDS_FIRST;
        struct kv_text *more = realloc(words->at, room * sizeof(*more));

        if (!more)
            return false;
        words->at = more;
        words->room = room;
    }
    words->at[words->nr++] = (struct kv_text){at, len};
    return true;
}

/* ---- Lengths, and words with a length */

/* The number after the sign at `at`; *line: the bytes of both, with CR LF. */
static enum kv_resp_result read_length(const char *at, size_t len,
                                       const char *too_long,
                                       const char *no_number, int64_t *number,
                                       size_t *line, const char **error)
{
    const char *end =
        memchr(at, '\r', len < KV_LENGTH_MAX ? len : KV_LENGTH_MAX);

    if (!end) {
        *error = too_long;
        return len < KV_LENGTH_MAX ? KV_RESP_MORE : KV_RESP_BAD;
    }
    *line = (size_t)(end - at) + 2;
    if (*line > len)
        return KV_RESP_MORE;
    *error = no_number;
    return kv_text_number((struct kv_text){at + 1, *line - 3}, number)
               ? KV_RESP_READY
               : KV_RESP_BAD;
}

static enum kv_resp_result read_count(struct kv_resp *resp, const char *bytes,
                                      size_t len,
                                      const struct kv_resp_limits *limits,
                                      const char **error)
{
    int64_t number;
    size_t line;
    enum kv_resp_result result = read_length(
        bytes, len, "Protocol error: too big mbulk count string",
        "Protocol error: invalid multibulk length", &number, &line, error);

    if (result != KV_RESP_READY)
        return result;
    if (number > limits->words) {
        if (number <= KV_WORDS_MAX)
            *error = "Protocol error: unauthenticated multibulk length";
        return KV_RESP_BAD;
    }
    resp->left = number > 0 ? (uint32_t)number : 0;
    resp->has_words = true;
    resp->at = line;
    return KV_RESP_READY;
}

static enum kv_resp_result read_word_length(struct kv_resp *resp,
                                            const char *at, size_t len,
                                            const struct kv_resp_limits *limits,
                                            const char **error)
{
    static char expected[] = "Protocol error: expected '$', got '?'";
    int64_t number;
    size_t line;
    enum kv_resp_result result;

    if (!len)
        return KV_RESP_MORE;
    if (at[0] != '$') {
        /* As in Redis, except for bytes that would end the line. */
        expected[sizeof(expected) - 3] =
            at[0] == '\r' || at[0] == '\n' ? ' ' : at[0];
        *error = expected;
        return KV_RESP_BAD;
    }
    result = read_length(at, len, "Protocol error: too big bulk count string",
                         "Protocol error: invalid bulk length", &number, &line,
                         error);
    if (result != KV_RESP_READY)
        return result;
    if (number < 0 || number > limits->word_bytes) {
        if (number >= 0 && limits->words < KV_WORDS_MAX)
            *error = "Protocol error: unauthenticated bulk length";
        return KV_RESP_BAD;
    }
    resp->bytes = (uint32_t)number;
    resp->has_length = true;
    resp->at += line;
    return KV_RESP_READY;
}

static enum kv_resp_result
read_array(struct kv_resp *resp, struct kv_words *words, const char *bytes,
           size_t len, const struct kv_resp_limits *limits, const char **error)
{
    enum kv_resp_result result = KV_RESP_READY;

    if (!resp->has_words)
        result = read_count(resp, bytes, len, limits, error);
    while (result == KV_RESP_READY && resp->left) {
        if (!resp->has_length)
            result = read_word_length(resp, bytes + resp->at, len - resp->at,
                                      limits, error);
        if (result != KV_RESP_READY)
            break;
        if (len - resp->at < (size_t)resp->bytes + 2)
            return KV_RESP_MORE;
        *error = no_memory;
        if (!note(words, bytes + resp->at, resp->bytes))
            return KV_RESP_BAD;
        resp->at += resp->bytes + 2;
        resp->has_length = false;
        resp->left--;
    }
    return result;
}

/* ---- Inline */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that an escape after a backslash in double quotes stands for. */
static char read_escape(const char **at, const char *end)
{
    static const char letters[] = "nrtba", meant[] = "\n\r\t\b\a";
    const char *letter;
    char c = *(*at)++;

    if (c == 'x' && end - *at >= 2 && hex((*at)[0]) >= 0 &&
        hex((*at)[1]) >= 0) {
        c = (char)(hex((*at)[0]) * 16 + hex((*at)[1]));
        *at += 2;
        return c;
    }
    letter = c ? strchr(letters, c) : NULL;
    return letter ? meant[letter - letters] : c;
}

/* From after the opening quote to after the closing one; false: it is missing.
 */
static bool read_quoted(const char **at, const char *end, char **to)
{
    char quote = (*at)[-1];

    while (*at < end) {
        char c = *(*at)++;

        if (c == quote)
            return *at == end || strchr(" \t\r", **at);
        if (c == '\\' && *at < end && (quote == '"' || **at == '\''))
            c = quote == '"' ? read_escape(at, end) : *(*at)++;
        *(*to)++ = c;
    }
    return false;
}

/* Words are written over the line that they come from: they are never longer
 * than their quoted form. */
static const char *read_inline_words(struct kv_words *words, char *line,
                                     const char *end)
{
    const char *at = line;
    char *to = line, *word;

    for (;;) {
        while (at < end && strchr(" \t\r", *at) && *at)
            at++;
        if (at == end)
            return NULL;
        for (word = to; at < end && !(strchr(" \t\r", *at) && *at);) {
            char c = *at++;

            if (c != '"' && c != '\'')
                *to++ = c;
            else if (!read_quoted(&at, end, &to))
                return "Protocol error: unbalanced quotes in request";
        }
        if (words->nr == KV_WORDS_MAX ||
            !note(words, word, (size_t)(to - word)))
            return no_memory;
    }
}

static enum kv_resp_result read_inline(struct kv_resp *resp,
                                       struct kv_words *words, char *bytes,
                                       size_t len, const char **error)
{
    char *end = memchr(bytes + resp->at, '\n', len - resp->at);

    if (!end) {
        resp->at = len;
        *error = "Protocol error: too big inline request";
        return len < KV_INLINE_MAX ? KV_RESP_MORE : KV_RESP_BAD;
    }
    resp->at = (size_t)(end - bytes) + 1;
    *error = read_inline_words(words, bytes, end);
    return *error ? KV_RESP_BAD : KV_RESP_READY;
}

/* ---- Both */

enum kv_resp_result kv_resp_read(struct kv_resp *resp, struct kv_words *words,
                                 char *bytes, size_t len,
                                 const struct kv_resp_limits *limits,
                                 const char **error)
{
    bool was_begun = resp->at;
    enum kv_resp_result result;

    if (!len)
        return KV_RESP_MORE;
    words->nr = 0;
    if (bytes[0] != '*')
        return read_inline(resp, words, bytes, len, error);
    result = read_array(resp, words, bytes, len, limits, error);
    if (result != KV_RESP_READY || !was_begun)
        return result;
    *resp = (struct kv_resp){0};
    words->nr = 0;
    return read_array(resp, words, bytes, len, limits, error);
}

size_t kv_resp_expects(const struct kv_resp *resp)
{
    return resp->has_length ? resp->at + resp->bytes + 2 : 0;
}
