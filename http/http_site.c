/* SPDX-License-Identifier: MIT */
/*
 * Finding what a path names. Paths arrive decoded and normalised, and names are
 * only compared with the table: there is no tree to climb out of.
 *
 * A folder's path serves its index.html; without the slash it is redirected, so
 * that relative links in the index work.
 */
#include "http/http_site.h"

#include <assert.h>
#include <string.h>

static const struct http_file *find_file(const struct http_site *site,
                                         const char *path)
{
    unsigned low = 0, high = site->nr_files, middle;
    int order;

    while (low < high) {
        middle = low + (high - low) / 2;
        order = strcmp(path, site->files[middle].path);
        if (order == 0)
            return &site->files[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct http_page *http_site_page(const struct http_site *site,
                                       const char *path)
{
    unsigned i;

    for (i = 0; i < site->nr_pages; i++)
        if (!strcmp(site->pages[i].path, path))
            return &site->pages[i];
    return NULL;
}

struct http_target http_site_find(const struct http_site *site,
                                  struct http_request *request)
{
    char *path = request->path, *end = path + strlen(path);
    bool is_folder = end[-1] == '/';
    struct http_target target = {.status = 200};

    target.file = find_file(site, path);
    if (target.file)
        return target;
    strcpy(end, is_folder ? "index.html" : "/index.html");
    target.file = find_file(site, path);
    *end = '\0';
    if (target.file) {
        target.status = is_folder ? 200 : 301;
        return target;
    }
    target.status = 404;
    target.file = find_file(site, "/404.html");
    return target;
}

const char *http_site_date(struct http_site *site)
{
    int64_t now_s = site->wall_s ? site->wall_s() : 0;

    if (now_s && now_s != site->date_s)
        http_date_write(site->date, now_s);
    site->date_s = now_s;
    return now_s ? site->date : NULL;
}

bool http_site_claim(struct http_site *site, size_t bytes)
{
    if (bytes > site->buffers_max - site->buffers)
        return false;
    site->buffers += bytes;
    return true;
}

void http_site_release(struct http_site *site, size_t bytes)
{
    assert(site->buffers >= bytes);
    site->buffers -= bytes;
}
