/* SPDX-License-Identifier: MIT */
/*
 * Files outside of the image: they are requested, and arrive later. http_conn
 * is one side of this interface, the owner of a tree of files (apps/web) the
 * other; a stream is one answer on its way between them.
 *
 *     http_conn                     tree
 *     open          ->
 *                                   http_conn_found
 *     fetch         ->
 *                                   http_conn_fetched, or _failed
 *     ...
 *     close         ->
 *
 * The tree never answers inside a call, and must accept any call in an answer's
 * callback. A slow client costs no buffer: fetched bytes are in the tree's
 * memory, and what is not taken at once is fetched again.
 */
#ifndef HTTP_STREAM_H
#define HTTP_STREAM_H

#include "http/http_wants.h"

struct http_conn;
struct http_request;

/* The most that is fetched at once. Small, so that a large file does not hold
 * up the others for long; large enough that the fixed cost of a read does not
 * matter, which is highest where files are compressed: a read in the middle of
 * a block unpacks it from its start. */
#define HTTP_PIECE_BYTES 32768

/* Embedded in the tree's own structure. */
struct http_stream {
    /* Set by the tree: */
    struct http_conn *conn;      /* NULL: the stream was closed */
    struct http_wants wants;     /* the request's, with copies of the values */
    struct http_field line;      /* the request line, for the log; or empty */
    struct http_field folder;    /* a redirect's target */
    struct http_content content; /* .type NULL: there is none */
    struct http_field piece;     /* fetched, and not yet taken */
    bool has_ended;              /* of unknown length: this is the last piece */
    /* Private to http_conn: */
    bool is_fetching;
};

struct http_tree {
    /* Look up request->path. 0: the lookup has begun in *stream; else the
     * status to answer with. */
    int (*open)(struct http_tree *tree, struct http_conn *conn,
                const struct http_request *request,
                struct http_stream **stream);
    /* Read from `at` on, at most `bytes`. */
    void (*fetch)(struct http_stream *stream, uint64_t at, size_t bytes);
    /* May be called at any time; it is the last call. */
    void (*close)(struct http_stream *stream);
};

/* The result of open: 200, stream->content is set; 301, stream->folder is set;
 * 404, with content or without; 500 or 503. */
void http_conn_found(struct http_conn *conn, int status);
/* stream->piece is set; it need only be valid until this returns. */
void http_conn_fetched(struct http_conn *conn);
/* The file could not be read, or has changed since it was found. */
void http_conn_failed(struct http_conn *conn);

#endif
