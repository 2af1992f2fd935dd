/* SPDX-License-Identifier: MIT */
/*
 * One request head, understood: what is asked for, how its body is framed, and
 * whether the connection can be trusted to carry another one after it.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "http/http_wants.h"

/* Request line and fields together: what common servers allow (8 KiB); a
 * browser with many cookies stays below. More is answered 431 (or 414). */
#define HTTP_HEAD_MAX   8192
/* Fields: three times what browsers send; 32 bytes of stack each. */
#define HTTP_FIELDS_MAX 64
/* The target: no path here is longer than HTTP_FILE_PATH_MAX; the rest is for
 * the query strings that people's links carry. More is answered 414. */
#define HTTP_TARGET_MAX 2048
/* A body is skipped, since nothing here takes one, so that the client hears
 * the answer; uploading more than this is a mistake and answered 413. */
#define HTTP_BODY_MAX   65536

struct http_request {
    int status;   /* 0: serve it; else the error to answer with */
    bool is_head; /* HEAD: the answer has no body */
    bool is_http10;
    bool close;            /* no further request after this one */
    bool expects_continue; /* the client waits for 100 before the body */
    bool is_chunked;
    uint32_t body_bytes; /* when not chunked */
    /* Method and target as they were sent; only while the bytes are there. */
    const char *method, *target;
    size_t method_bytes, target_bytes;
    struct http_field query; /* of the target, with its '?'; or not there */
    struct http_wants wants;
    /* the parser's: */
    bool has_length, has_host, keep_alive;
    bool has_coding, is_coded; /* Transfer-Encoding: any; other than chunked */
    /* Decoded, normalised, begins with '/'; it has no NUL inside, no "." or
     * ".." segment. Set when status is 0. There is room to add an index. */
    char path[HTTP_TARGET_MAX + sizeof("/index.html")];
};

/* Parse the head at the start of bytes[0..len). `seen`: how many of them an
 * earlier call found incomplete. Returns the head's length, or len when the
 * rest can no longer be understood (status and close are set then), or 0: it
 * is not complete, and shorter than HTTP_HEAD_MAX. */
size_t http_request_parse(struct http_request *request, const char *bytes,
                          size_t len, size_t seen);

/* Method and target as they were sent, for the log; not there when that was
 * not understood. */
struct http_field http_request_line(const struct http_request *request);

#endif
