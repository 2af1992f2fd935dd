/* SPDX-License-Identifier: MIT */
/*
 * A folder as a page, written a few entries at a time, so it may have any size.
 */
#ifndef APPS_WEB_LIST_H
#define APPS_WEB_LIST_H

#include "http/http_text.h"
#include "fs/fs.h"

/* The most that is written at once. */
#define WEB_LIST_BYTES 8192

/* Begin an empty text of WEB_LIST_BYTES; with a chunk, if the client knows
 * chunks (RFC 9112, 7.1). */
void web_list_begin(struct http_text *text, bool is_chunked);
/* The page's head; path is the folder's, as the client sees it. */
void web_list_head(struct http_text *text, const char *path);
/* Add as many of the entries as fit; returns how many. */
unsigned web_list_add(struct http_text *text, const struct fs_entry *entries,
                      unsigned nr);
/* The page's end. */
void web_list_tail(struct http_text *text);
/* End the chunk. False: the chunk was empty, and so is the text now. */
bool web_list_end(struct http_text *text, bool is_chunked, bool is_last);

/* Add a path for a URL or an href: all but letters, digits, '-', '.', '_', '~'
 * and '/' is percent-encoded. */
void web_list_add_url(struct http_text *text, const char *path);

#endif
