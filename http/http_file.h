/* SPDX-License-Identifier: MIT */
/*
 * The files of the site. tools/embed writes the table at build time from the
 * folder www/, sorted by path; it lives in read-only memory for ever, so it can
 * be sent without a copy.
 */
#ifndef HTTP_FILE_H
#define HTTP_FILE_H

#include <stddef.h>
#include <stdint.h>

/* tools/embed refuses a longer path; a redirect to one fits a response head. */
#define HTTP_FILE_PATH_MAX 200

struct http_file {
    const char *path; /* "/docs/index.html", decoded */
    const char *url;  /* the same, percent-encoded where necessary */
    const char *type; /* "text/html; charset=utf-8" */
    const char *etag; /* with its quotes; changes with contents and type */
    const char *data;
    size_t bytes;
};

extern const struct http_file http_files[];
extern const unsigned http_files_nr;

#endif
