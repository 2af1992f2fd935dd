/* SPDX-License-Identifier: MIT */
/*
 * Skipping a chunked body (RFC 9112, 7.1), strictly: every line ends in CRLF,
 * every chunk is as long as it says. A decoder that is lenient about line ends
 * would let two parties disagree on where the next request begins.
 */
#ifndef HTTP_CHUNK_H
#define HTTP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

struct http_chunk {
    uint32_t total; /* bytes so far, framing included */
    uint32_t left;  /* bytes left of the chunk, or its size so far */
    uint8_t state, digits;
};

/* Zero-fill to begin. Takes *used of the bytes. Returns 1: the body ended,
 * 0: more is needed (all were taken), or a negative status: -400, or -413 when
 * the body with its framing is larger than HTTP_BODY_MAX. */
int http_chunk_skip(struct http_chunk *chunk, const char *bytes, size_t len,
                    size_t *used);

#endif
