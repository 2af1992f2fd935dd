/* SPDX-License-Identifier: MIT */
/*
 * Words of fields. Case and blanks around a word are ignored (RFC 9110, 5.6);
 * empty elements of a list are returned like any other and equal no word.
 */
#include "http/http_field.h"

#include <string.h>
#include <strings.h>

bool http_field_is(struct http_field field, const char *word)
{
    return field.bytes == strlen(word) &&
           strncasecmp(field.at, word, field.bytes) == 0;
}

bool http_field_is_token(unsigned char c)
{
    return c > ' ' && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct http_field http_field_trim(struct http_field field)
{
    while (field.bytes && is_blank(field.at[0])) {
        field.at++;
        field.bytes--;
    }
    while (field.bytes && is_blank(field.at[field.bytes - 1]))
        field.bytes--;
    return field;
}

bool http_field_next(struct http_field *list, char end,
                     struct http_field *element)
{
    const char *found;

    if (!list->bytes)
        return false;
    found = memchr(list->at, end, list->bytes);
    element->at = list->at;
    element->bytes = found ? (size_t)(found - list->at) : list->bytes;
    list->at += element->bytes + (found != NULL);
    list->bytes -= element->bytes + (found != NULL);
    *element = http_field_trim(*element);
    return true;
}
