/* SPDX-License-Identifier: MIT */
/*
 * Text that is put together piece by piece: response heads in a fixed buffer,
 * generated pages in memory that grows up to a limit. What does not fit sets
 * `failed`, once and for all, so only the end result needs a check. (Without
 * printf, which would take more time than all else that a request needs.)
 */
#ifndef HTTP_TEXT_H
#define HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_text {
    char *bytes; /* not NUL-terminated */
    size_t used, size;
    size_t limit; /* grows up to this many bytes; == size: fixed */
    bool failed;
};

/* Text in the caller's buffer. */
void http_text_fixed(struct http_text *text, char *buffer, size_t size);
/* Text in memory of its own, at most limit bytes; http_text_free it. */
void http_text_growing(struct http_text *text, size_t limit);
void http_text_free(struct http_text *text);

/* Strings, one after the other. */
#define http_text_add(text, ...) \
    http_text_add_all((text), __VA_ARGS__, (const char *)NULL)
void http_text_add_all(struct http_text *text, ...) __attribute__((sentinel));
void http_text_add_bytes(struct http_text *text, const char *bytes, size_t len);
void http_text_add_char(struct http_text *text, char c);
/* A decimal number of at least so many digits. */
void http_text_add_number(struct http_text *text, uint64_t value,
                          unsigned digits);
/* A text from anywhere, harmless between HTML tags and in attributes. */
void http_text_add_html(struct http_text *text, const char *string);

#endif
