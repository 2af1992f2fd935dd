/* SPDX-License-Identifier: MIT */
/*
 * What is served: files, generated pages, the limits that all connections
 * share, and the counters. One per server; it outlives its connections.
 */
#ifndef HTTP_SITE_H
#define HTTP_SITE_H

#include "http/http_file.h"
#include "http/http_reply.h"
#include "http/http_request.h"
#include "http/http_stream.h"
#include "http/http_text.h"

/* A generated page: /metrics of eight vifs is half of this. */
#define HTTP_PAGE_MAX 32768

/* A page that is written anew for each request. */
struct http_page {
    const char *path; /* "/status" */
    const char *type;
    void (*write)(struct http_text *text, void *arg);
};

struct http_stats {
    uint64_t replies[HTTP_STATUSES]; /* by index of http_statuses */
    uint64_t sent_bytes;
};

struct http_conn;

struct http_site {
    /* Set by the owner: */
    const struct http_file *files; /* sorted by path */
    unsigned nr_files;
    struct http_tree *tree; /* used instead of files; NULL: none */
    const struct http_page *pages;
    unsigned nr_pages;
    void *pages_arg;
    int64_t (*wall_s)(void); /* seconds since 1970, 0: unknown; may be NULL */
    const char *policy;      /* Content-Security-Policy of HTML, or NULL */
    /* Called for each answer when it is decided; the request line is missing
     * when it was invalid or did not come. May be NULL. */
    void (*access)(const struct http_conn *conn, struct http_field line,
                   int status);
    /* A connection that waited for the tree can continue: there is output, or
     * it is over. May be NULL without a tree. */
    void (*wake)(struct http_conn *conn);
    /* The most that incomplete request heads and generated pages may take
     * together; beyond that, requests that need some are answered 503. */
    size_t buffers_max;
    /* Private to the server: */
    size_t buffers; /* bytes in use */
    int64_t date_s; /* what `date` says */
    char date[HTTP_DATE_BYTES];
    struct http_stats stats;
};

/* The embedded file that a path leads to. */
struct http_target {
    int status;                   /* 200, 301 or 404 */
    const struct http_file *file; /* for 301: the target folder's index.
                                   * NULL: none */
};

/* The page with this path, or NULL. */
const struct http_page *http_site_page(const struct http_site *site,
                                       const char *path);

/* Look up request->path (its end is used as scratch space). */
struct http_target http_site_find(const struct http_site *site,
                                  struct http_request *request);

/* The date for an answer's head, written once a second. NULL: unknown. */
const char *http_site_date(struct http_site *site);

/* Claim bytes of the shared budget; false: there is no room. */
bool http_site_claim(struct http_site *site, size_t bytes);
void http_site_release(struct http_site *site, size_t bytes);

#endif
