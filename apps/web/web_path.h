/* SPDX-License-Identifier: MIT */
/*
 * From a request's path to a file's, and to what its name says of it.
 */
#ifndef APPS_WEB_PATH_H
#define APPS_WEB_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Append a request's path, which is normalised, to the root in `to`, which has
 * room for both. Slashes that follow each other become one. False: it names
 * something hidden. */
bool web_path_add(char *to, const char *path);

/* Names that begin with a dot are not for visitors; but /.well-known is
 * (RFC 8615). */
bool web_path_is_hidden(const char *name, size_t bytes);

/* The media type. *is_packable: its files may be there compressed as well. */
const char *web_path_type(const char *path, bool *is_packable);

#endif
