/* SPDX-License-Identifier: MIT */
/*
 * Formatted text that knows its limit.
 *
 * A growing text starts at TEXT_FIRST bytes and doubles; a page of a few KiB
 * is copied two or three times while it is made, which costs less than
 * formatting it once more to learn its length.
 */
#include "apps/http/http_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_FIRST                                             \
    2048 /* half a page; /metrics needs two doublings or three \
          */

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

void http_text_add(struct http_text *text, const char *format, ...)
{
    va_list args;
    int n;

    while (!text->failed) {
        va_start(args, format);
        n = vsnprintf(text->bytes ? text->bytes + text->used : NULL,
                      text->size - text->used, format, args);
        va_end(args);
        if (n >= 0 && (size_t)n < text->size - text->used) {
            text->used += (size_t)n;
            return;
        }
        text->failed = n < 0 || !grow(text);
    }
}

void http_text_add_char(struct http_text *text, char c)
{
    text->failed |= text->used == text->size && !grow(text);
    if (!text->failed)
        text->bytes[text->used++] = c;
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
            http_text_add(text, "%s", entity);
        else
            http_text_add_char(text, *string);
    }
}
