/* SPDX-License-Identifier: MIT */
/*
 * A slice of a request's head: a pointer to a field's value or one element of
 * it.
 */
#ifndef HTTP_FIELD_H
#define HTTP_FIELD_H

#include <stdbool.h>
#include <stddef.h>

struct http_field {
    const char *at; /* NULL: the field is not there */
    size_t bytes;
};

/* May this character be in a token (RFC 9110, 5.6.2)? */
bool http_field_is_token(unsigned char c);
/* Is the field this word, ignoring case? */
bool http_field_is(struct http_field field, const char *word);
/* Without blanks at both ends. */
struct http_field http_field_trim(struct http_field field);
/* Take the text before the next `end`, or all of it; trimmed. False: there is
 * nothing left. */
bool http_field_next(struct http_field *list, char end,
                     struct http_field *element);

#endif
