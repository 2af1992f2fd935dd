/* SPDX-License-Identifier: MIT */
/*
 * Folders as HTML. Names are bytes from a disk: each is percent-encoded in its
 * link, and escaped between tags. Entries come in the disk's order, which in an
 * EROFS image is alphabetical.
 *
 * A chunk starts with its length in four digits, which are filled in at its
 * end.
 */
#include "apps/web/web_list.h"
#include "apps/web/web_path.h"

#include <string.h>

#define CHUNK_HEAD "0000\r\n"
#define CHUNK_END  "\r\n"
#define CHUNK_LAST "0\r\n\r\n"

/* The longest entry: each byte becomes three in the link and six between the
 * tags; plus the ends of the page and the chunk, which must always fit. */
#define ENTRY_BYTES_MAX (FS_NAME_MAX * 9 + 128)

static const char head_1[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<style>body{margin:2rem auto;max-width:60rem;padding:0 1.25rem;"
    "font:16px/1.6 system-ui,sans-serif}h1{font-size:1.25rem}"
    "li{list-style:none;overflow-wrap:anywhere}ul{padding:0}</style>\n"
    "<title>";

void web_list_begin(struct http_text *text, bool is_chunked)
{
    text->used = 0;
    if (is_chunked)
        http_text_add(text, CHUNK_HEAD);
}

void web_list_head(struct http_text *text, const char *path)
{
    while (strlen(path) > FS_NAME_MAX + strlen("//")) /* its end will do */
        path = strchr(path + 1, '/');
    http_text_add(text, head_1);
    http_text_add_html(text, path);
    http_text_add(text, "</title>\n<h1>");
    http_text_add_html(text, path);
    http_text_add(text, "</h1>\n<ul>\n");
    if (strcmp(path, "/") != 0)
        http_text_add(text, "<li><a href=\"../\">../</a>\n");
}

static void add_entry(struct http_text *text, const struct fs_entry *entry)
{
    const char *slash = entry->kind == FS_DIRECTORY ? "/" : "";

    if (web_path_is_hidden(entry->name, strlen(entry->name)))
        return;
    http_text_add(text, "<li><a href=\"");
    web_list_add_url(text, entry->name);
    http_text_add(text, slash, "\">");
    http_text_add_html(text, entry->name);
    http_text_add(text, slash, "</a>\n");
}

unsigned web_list_add(struct http_text *text, const struct fs_entry *entries,
                      unsigned nr)
{
    unsigned i;

    for (i = 0; i < nr && text->size - text->used >= ENTRY_BYTES_MAX; i++)
        add_entry(text, &entries[i]);
    return i;
}

void web_list_tail(struct http_text *text)
{
    http_text_add(text, "</ul>\n</html>\n");
}

bool web_list_end(struct http_text *text, bool is_chunked, bool is_last)
{
    static const char digits[] = "0123456789abcdef";
    size_t bytes = text->used - strlen(CHUNK_HEAD);

    if (!is_chunked)
        return text->used;
    if (!bytes)
        return false;
    for (unsigned i = 0; i < 4; i++)
        text->bytes[i] = digits[bytes >> (12 - 4 * i) & 0xf];
    http_text_add(text, CHUNK_END, is_last ? CHUNK_LAST : "");
    return true;
}

void web_list_add_url(struct http_text *text, const char *path)
{
    static const char digits[] = "0123456789ABCDEF";
    static const char plain[] = "-._~/";

    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                        (c >= 'a' && c <= 'z') || strchr(plain, c);

        if (!is_plain) {
            http_text_add_char(text, '%');
            http_text_add_char(text, digits[c >> 4]);
        }
        http_text_add_char(text, is_plain ? (char)c : digits[c & 0xf]);
    }
}
