/* SPDX-License-Identifier: MIT */
/*
 * One parsed request head: what is asked for, how its body is framed, and
 * whether another request can safely follow on the connection.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "http/http_wants.h"

/* Request line and fields together: what common servers allow (8 KiB); a
 * browser with many cookies stays below that. More is answered 431 (or 414). */
#define HTTP_HEAD_MAX   8192
/* Fields: three times what browsers send; 32 bytes of stack each. */
#define HTTP_FIELDS_MAX 64
/* The target: no path here is longer than HTTP_FILE_PATH_MAX; the rest is for
 * query strings. More is answered 414. */
#define HTTP_TARGET_MAX 2048
/* Bodies are not used, but skipped, so that the client gets the answer; a
 * longer upload is a mistake and answered 413. */
#define HTTP_BODY_MAX   65536

struct http_request {
    int status;   /* 0: serve it; else the error to answer with */
    bool is_head; /* HEAD: the answer has no body */
    bool is_http10;
    bool close;            /* no further request after this one */
    bool expects_continue; /* the client waits for 100 before the body */
    bool is_chunked;
    uint32_t body_bytes; /* when not chunked */
    /* Method and target as they were sent; valid only as long as the bytes. */
    const char *method, *target;
    size_t method_bytes, target_bytes;
    struct http_field query; /* of the target, with its '?'; may be missing */
    struct http_wants wants;
    /* the parser's: */
    bool has_length, has_host, keep_alive;
    bool has_coding, is_coded; /* Transfer-Encoding: any; other than chunked */
    /* Decoded, normalised, begins with '/'; it has no NUL inside, no "." or
     * ".." segment. Set when status is 0. There is room to append an index. */
    char path[HTTP_TARGET_MAX + sizeof("/index.html")];
};

/* Parse the head at the start of bytes[0..len). `seen`: how many of them an
 * earlier call found incomplete. Returns the head's length, or len when the
 * rest cannot be parsed (status and close are set then), or 0: the head is
 * incomplete, and shorter than HTTP_HEAD_MAX. */
size_t http_request_parse(struct http_request *request, const char *bytes,
                          size_t len, size_t seen);

/* Method and target as they were sent, for the log; missing when they could not
 * be parsed. */
struct http_field http_request_line(const struct http_request *request);

#endif
