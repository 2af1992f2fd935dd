/* SPDX-License-Identifier: MIT */
/*
 * A piece of a request's head: bytes that lie elsewhere, a field's value or
 * one element of it.
 */
#ifndef HTTP_FIELD_H
#define HTTP_FIELD_H

#include <stdbool.h>
#include <stddef.h>

struct http_field {
    const char *at; /* NULL: the field is not there */
    size_t bytes;
};

/* May it be in a token (RFC 9110, 5.6.2)? */
bool http_field_is_token(unsigned char c);
/* Is it this word, in whatever case? */
bool http_field_is(struct http_field field, const char *word);
/* Without blanks at both ends. */
struct http_field http_field_trim(struct http_field field);
/* Take what stands before the next `end`, or all of it; trimmed. False: there
 * is nothing left. */
bool http_field_next(struct http_field *list, char end,
                     struct http_field *element);

#endif
