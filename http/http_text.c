/* SPDX-License-Identifier: MIT */
/*
 * Text with a limit.
 *
 * A growing text starts at TEXT_FIRST bytes and doubles; a page of a few KiB is
 * copied two or three times while it is written, which costs less than writing
 * it twice to learn its length.
 */
#include "http/http_text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Half a page; /metrics needs two or three doublings. */
#define TEXT_FIRST 2048

void http_text_fixed(struct http_text *text, char *buffer, size_t size)
{
    *text = (struct http_text){.bytes = buffer, .size = size, .limit = size};
}

void http_text_growing(struct http_text *text, size_t limit)
{
    *text = (struct http_text){.limit = limit};
}

void http_text_free(struct http_text *text)
{
    free(text->bytes);
    *text = (struct http_text){.failed = true};
}

/* Make room for more than `size` bytes. */
static bool grow(struct http_text *text)
{
    size_t size = text->size ? 2 * text->size : TEXT_FIRST;
    char *bytes;

    if (size > text->limit)
        size = text->limit;
    if (size <= text->size)
        return false;
    bytes = realloc(text->bytes, size);
    if (!bytes)
        return false;
    text->bytes = bytes;
    text->size = size;
    return true;
}

void http_text_add_bytes(struct http_text *text, const char *bytes, size_t len)
{
    while (!text->failed && len > text->size - text->used)
        text->failed = !grow(text);
    if (text->failed || !len)
        return;
    memcpy(text->bytes + text->used, bytes, len);
    text->used += len;
}

void http_text_add_all(struct http_text *text, ...)
{
    const char *string;
    va_list args;

    va_start(args, text);
    while ((string = va_arg(args, const char *)))
        http_text_add_bytes(text, string, strlen(string));
    va_end(args);
}

void http_text_add_char(struct http_text *text, char c)
{
    http_text_add_bytes(text, &c, 1);
}

void http_text_add_number(struct http_text *text, uint64_t value,
                          unsigned digits)
{
    char reversed[20], number[20]; /* UINT64_MAX has 20 digits */
    unsigned n = 0, i;

    for (; value || n < digits; value /= 10)
        reversed[n++] = (char)('0' + value % 10);
    for (i = 0; i < n; i++)
        number[i] = reversed[n - 1 - i];
    http_text_add_bytes(text, number, n);
}

static const char *html_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void http_text_add_html(struct http_text *text, const char *string)
{
    const char *entity;

    for (; *string; string++) {
        entity = html_entity(*string);
        if (entity)
            http_text_add(text, entity);
        else
            http_text_add_char(text, *string);
    }
}
