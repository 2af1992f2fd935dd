/* SPDX-License-Identifier: MIT */
/*
 * A folder as a page, written a few entries at a time: its size does not
 * matter.
 */
#ifndef APPS_WEB_LIST_H
#define APPS_WEB_LIST_H

#include "http/http_text.h"
#include "fs/fs.h"

/* What is written at once. */
#define WEB_LIST_BYTES 8192

/* The text, of WEB_LIST_BYTES and empty, begins with a chunk, if the client
 * knows those (RFC 9112, 7.1). */
void web_list_begin(struct http_text *text, bool is_chunked);
/* The page's head; path is the folder's, as the client sees it. */
void web_list_head(struct http_text *text, const char *path);
/* As many of the entries as there is room for; returns how many. */
unsigned web_list_add(struct http_text *text, const struct fs_entry *entries,
                      unsigned nr);
/* The page's end. */
void web_list_tail(struct http_text *text);
/* End the chunk. False: there is nothing in it; the text is empty then. */
bool web_list_end(struct http_text *text, bool is_chunked, bool is_last);

/* A path for a URL or an href: all but letters, digits, '-', '.', '_', '~' and
 * '/' as percent and two digits. */
void web_list_add_url(struct http_text *text, const char *path);

#endif
