/* SPDX-License-Identifier: MIT */
/*
 * One state per position in the grammar; a byte that is not allowed there is an
 * error. Framing counts against the limit, so that a body of extensions and
 * trailers ends as well.
 */
#include "http/http_chunk.h"

#include <stdbool.h>

#include "http/http_request.h"

enum {
    SIZE,
    SIZE_BLANK, /* after a size or an extension: only another one follows */
    NAME_START,
    NAME,
    NAME_BLANK,
    VALUE_START,
    VALUE,
    QUOTED,
    ESCAPED,
    QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE,
    TRAILER_NAME,
    TRAILER,
    TRAILER_LF,
    END_LF,
    END,
    BAD
};

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

/* What may follow a size, or a complete extension. */
static int size_end(unsigned char c)
{
    return c == ';'      ? NAME_START
           : c == '\r'   ? SIZE_LF
           : is_blank(c) ? SIZE_BLANK
                         : BAD;
}

static int size_step(struct http_chunk *chunk, unsigned char c)
{
    int digit = hex_digit(c);

    if (digit >= 0) {
        if (chunk->left > HTTP_BODY_MAX || chunk->digits == 16)
            return BAD;
        chunk->left = chunk->left * 16 + (uint32_t)digit;
        chunk->digits++;
        return SIZE;
    }
    if (!chunk->digits || chunk->left > HTTP_BODY_MAX)
        return BAD;
    chunk->digits = 0;
    return size_end(c);
}

/* ;name, ;name=token, ;name="quoted", with blanks around ';' and '='. */
static int extension_step(int state, unsigned char c)
{
    bool is_token = http_field_is_token(c);

    switch (state) {
    case SIZE_BLANK:
        return c == ';' ? NAME_START : is_blank(c) ? SIZE_BLANK : BAD;
    case NAME_START:
        return is_token ? NAME : is_blank(c) ? NAME_START : BAD;
    case NAME:
        return is_token      ? NAME
               : c == '='    ? VALUE_START
               : is_blank(c) ? NAME_BLANK
                             : size_end(c);
    case NAME_BLANK:
        return c == '='      ? VALUE_START
               : c == ';'    ? NAME_START
               : is_blank(c) ? NAME_BLANK
                             : BAD;
    case VALUE_START:
        return c == '"'      ? QUOTED
               : is_token    ? VALUE
               : is_blank(c) ? VALUE_START
                             : BAD;
    case VALUE:
        return is_token ? VALUE : size_end(c);
    case QUOTED:
        return c == '"'     ? QUOTED_END
               : c == '\\'  ? ESCAPED
               : is_text(c) ? QUOTED
                            : BAD;
    case ESCAPED:
        return is_text(c) ? QUOTED : BAD;
    default: /* QUOTED_END */
        return size_end(c);
    }
}

/* The state after this byte. */
static int step(struct http_chunk *chunk, unsigned char c)
{
    switch (chunk->state) {
    case SIZE:
        return size_step(chunk, c);
    case SIZE_LF:
        return c != '\n' ? BAD : chunk->left ? DATA : LINE;
    case DATA:
        return --chunk->left ? DATA : DATA_CR;
    case DATA_CR:
        return c == '\r' ? DATA_LF : BAD;
    case DATA_LF:
        return c == '\n' ? SIZE : BAD;
    case LINE:
        return c == '\r' ? END_LF : http_field_is_token(c) ? TRAILER_NAME : BAD;
    case TRAILER_NAME:
        return c == ':' ? TRAILER : http_field_is_token(c) ? TRAILER_NAME : BAD;
    case TRAILER:
        return c == '\r' ? TRAILER_LF : is_text(c) ? TRAILER : BAD;
    case TRAILER_LF:
        return c == '\n' ? LINE : BAD;
    case END_LF:
        return c == '\n' ? END : BAD;
    case BAD:
        return BAD;
    default:
        return extension_step(chunk->state, c);
    }
}

int http_chunk_skip(struct http_chunk *chunk, const char *bytes, size_t len,
                    size_t *used)
{
    for (*used = 0; *used < len;) {
        chunk->state = (uint8_t)step(chunk, (unsigned char)bytes[(*used)++]);
        if (chunk->state == BAD)
            return chunk->left > HTTP_BODY_MAX ? -413 : -400;
        if (chunk->state == END)
            return 1;
        if (++chunk->total > HTTP_BODY_MAX)
            return -413;
    }
    return 0;
}
