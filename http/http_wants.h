/* SPDX-License-Identifier: MIT */
/*
 * What a request says about the answer besides its path: preconditions (RFC
 * 9110, 13), ranges (14), and accepted codings (12.5.3).
 */
#ifndef HTTP_WANTS_H
#define HTTP_WANTS_H

#include "http/http_date.h"
#include "http/http_field.h"

/* What an answer can carry: a file, or a page. */
struct http_content {
    const char *type;   /* media type */
    const char *etag;   /* with its quotes, and W/ if it is weak; NULL: the
                         * content is made anew each time, not stored */
    const char *coding; /* "gzip"; NULL: as it is */
    int64_t changed_s;  /* seconds since 1970; HTTP_NO_DATE: unknown */
    uint64_t bytes;     /* HTTP_UNKNOWN_BYTES: as many as there will be */
    bool varies;        /* with Accept-Encoding */
    /* changed_s is a strong validator (RFC 9110, 8.8.2.2). */
    bool has_strong_date;
};
#define HTTP_UNKNOWN_BYTES UINT64_MAX

/* Codings that a file may exist in, the smallest first. */
enum http_coding { HTTP_BR, HTTP_ZSTD, HTTP_GZIP, HTTP_CODINGS };

struct http_wants {
    /* The values; valid only as long as the request's bytes. */
    struct http_field if_match, if_none_match, if_range;
    int64_t if_modified_s, if_unmodified_s; /* HTTP_NO_DATE: not given */
    /* One range, [first, last]; or, if is_suffix, the last `last` bytes. Other
     * Range fields are ignored: the answer is then the whole content. */
    bool has_range, is_suffix, saw_range;
    uint64_t range_first, range_last;
    /* In thousandths, or HTTP_UNSAID. The last two are for "identity" (uncoded)
     * and "*". */
    int16_t quality[HTTP_CODINGS + 2];
};
#define HTTP_UNSAID (-1)

void http_wants_init(struct http_wants *wants);
/* Record one of the request's fields, if it is one of these. */
void http_wants_take(struct http_wants *wants, struct http_field name,
                     struct http_field value);

/* The part of the content that is sent: [first, end). */
struct http_part {
    uint64_t first, end;
};

/* The status to answer with, and which part of the content:
 *   200  all of it 304 nothing: the client has it
 *   206  one range 412 nothing: a precondition failed
 *                         416  nothing: it has no such range */
int http_wants_judge(const struct http_wants *wants,
                     const struct http_content *content, bool is_head,
                     struct http_part *part);

/* The accepted codings, best first, at most HTTP_CODINGS; returns how many. The
 * uncoded file is always accepted. */
unsigned http_wants_codings(const struct http_wants *wants,
                            enum http_coding codings[HTTP_CODINGS]);

#endif
