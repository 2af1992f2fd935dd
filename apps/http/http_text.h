/* SPDX-License-Identifier: MIT */
/*
 * Text that is put together piece by piece: response heads in a fixed buffer,
 * generated pages in memory that grows up to a limit. What does not fit sets
 * `failed`, once and for all, so only the end result needs a check.
 */
#ifndef APPS_HTTP_TEXT_H
#define APPS_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct http_text {
    char *bytes; /* not NUL-terminated once failed */
    size_t used, size;
    size_t limit; /* grows up to this many bytes; == size: fixed */
    bool failed;
};

/* Text in the caller's buffer. */
void http_text_fixed(struct http_text *text, char *buffer, size_t size);
/* Text in memory of its own, at most limit bytes; http_text_free it. */
void http_text_growing(struct http_text *text, size_t limit);
void http_text_free(struct http_text *text);

__attribute__((format(printf, 2, 3))) void
http_text_add(struct http_text *text, const char *format, ...);
void http_text_add_char(struct http_text *text, char c);
/* A text from anywhere, harmless between HTML tags and in attributes. */
void http_text_add_html(struct http_text *text, const char *string);

#endif
