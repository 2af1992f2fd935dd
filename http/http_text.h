/* SPDX-License-Identifier: MIT */
/*
 * Text that is put together piece by piece: response heads in a fixed buffer,
 * generated pages in memory that grows up to a limit. When something does not
 * fit, `failed` is set and stays set, so only the end result needs a check.
 * (printf is not used: it would take more time than the rest of a request.)
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
/* Text in allocated memory, at most limit bytes; free with http_text_free. */
void http_text_growing(struct http_text *text, size_t limit);
void http_text_free(struct http_text *text);

/* Append strings, one after the other. */
#define http_text_add(text, ...) \
    http_text_add_all((text), __VA_ARGS__, (const char *)NULL)
void http_text_add_all(struct http_text *text, ...) __attribute__((sentinel));
void http_text_add_bytes(struct http_text *text, const char *bytes, size_t len);
void http_text_add_char(struct http_text *text, char c);
/* Append a decimal number, with at least so many digits. */
void http_text_add_number(struct http_text *text, uint64_t value,
                          unsigned digits);
/* Append untrusted text, escaped for use between HTML tags and in attributes.
 */
void http_text_add_html(struct http_text *text, const char *string);

#endif
