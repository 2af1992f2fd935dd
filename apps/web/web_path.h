/* SPDX-License-Identifier: MIT */
/*
 * From a request's path to a file's path, and from its name to its media type.
 */
#ifndef APPS_WEB_PATH_H
#define APPS_WEB_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Append a request's normalised path to the root in `to`, which has room for
 * both. Repeated slashes become one. False: it names something hidden. */
bool web_path_add(char *to, const char *path);

/* Names that begin with a dot are hidden, except /.well-known (RFC 8615). */
bool web_path_is_hidden(const char *name, size_t bytes);

/* The media type. *is_packable: such files may also exist compressed. */
const char *web_path_type(const char *path, bool *is_packable);

#endif
