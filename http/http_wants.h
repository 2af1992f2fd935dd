/* SPDX-License-Identifier: MIT */
/*
 * What a request says about the answer beside its path: on which conditions it
 * wants one (RFC 9110, 13), which part (14), and in which codings (12.5.3).
 */
#ifndef HTTP_WANTS_H
#define HTTP_WANTS_H

#include "http/http_date.h"
#include "http/http_field.h"

/* What an answer can carry: a file, or a page. */
struct http_content {
    const char *type;   /* media type */
    const char *etag;   /* with its quotes, and W/ if it is weak; NULL: the
                         * content is made anew each time, not to be stored */
    const char *coding; /* "gzip"; NULL: as it is */
    int64_t changed_s;  /* since 1970; HTTP_NO_DATE: unknown */
    uint64_t bytes;     /* HTTP_UNKNOWN_BYTES: as many as there will be */
    bool varies;        /* with Accept-Encoding */
    /* changed_s is a strong validator (RFC 9110, 8.8.2.2). */
    bool has_strong_date;
};
#define HTTP_UNKNOWN_BYTES UINT64_MAX

/* Codings that a file can be there in, the smallest first. */
enum http_coding { HTTP_BR, HTTP_ZSTD, HTTP_GZIP, HTTP_CODINGS };

struct http_wants {
    /* The values; only while the request's bytes are there. */
    struct http_field if_match, if_none_match, if_range;
    int64_t if_modified_s, if_unmodified_s; /* HTTP_NO_DATE: not said */
    /* One range, [first, last]; or, if is_suffix, the last so many bytes.
     * Other Range fields are left out: the answer then is all of it. */
    bool has_range, is_suffix, saw_range;
    uint64_t range_first, range_last;
    /* Thousandths; HTTP_UNSAID. The last two are those of "identity", the file
     * as it is, and of "*". */
    int16_t quality[HTTP_CODINGS + 2];
};
#define HTTP_UNSAID (-1)

void http_wants_init(struct http_wants *wants);
/* One of the request's fields, if it is one of these. */
void http_wants_take(struct http_wants *wants, struct http_field name,
                     struct http_field value);

/* The part of a content that is sent: [first, end). */
struct http_part {
    uint64_t first, end;
};

/* What such a content is answered with, and which part of it:
 *   200  all of it        304  nothing: the client has it already
 *   206  one range        412  nothing: it is not what the client wants
 *                         416  nothing: it has no such range */
int http_wants_judge(const struct http_wants *wants,
                     const struct http_content *content, bool is_head,
                     struct http_part *part);

/* The codings that are welcome, best first, at most HTTP_CODINGS; returns how
 * many. A file as it is always is. */
unsigned http_wants_codings(const struct http_wants *wants,
                            enum http_coding codings[HTTP_CODINGS]);

#endif
