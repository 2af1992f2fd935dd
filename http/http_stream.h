/* SPDX-License-Identifier: MIT */
/*
 * Files that lie elsewhere than in the image: they are asked for, and are
 * there later. http_conn is one side of this, the owner of a tree of files
 * (apps/web) the other; a stream is one answer on its way between them.
 *
 *     http_conn                     tree
 *     open          ->
 *                                   http_conn_found
 *     fetch         ->
 *                                   http_conn_fetched, or _failed
 *     ...
 *     close         ->
 *
 * Nothing is answered inside a call, and in an answer's callback any call may
 * come. A client that reads slowly costs no buffer: what was fetched lies in
 * the tree's memory, and what is not taken at once is fetched again.
 */
#ifndef HTTP_STREAM_H
#define HTTP_STREAM_H

#include "http/http_wants.h"

struct http_conn;
struct http_request;

/* The most that is fetched at once. Small, so that a large file holds up the
 * others for no longer than it takes to read this much; large enough that what
 * a read costs beside its bytes does not matter, which is most where files are
 * compressed: to begin in the middle of a block is to unpack it from its
 * start. */
#define HTTP_PIECE_BYTES 32768

/* Embedded in the tree's own. */
struct http_stream {
    /* The tree's: */
    struct http_conn *conn;      /* NULL: it was closed */
    struct http_wants wants;     /* the request's, with copies of the values */
    struct http_field line;      /* its first line, for the log; or not there */
    struct http_field folder;    /* of a redirect: where to */
    struct http_content content; /* .type NULL: there is none */
    struct http_field piece;     /* fetched, and not yet taken */
    bool has_ended;              /* of unknown length: nothing follows it */
    /* http_conn's: */
    bool is_fetching;
};

struct http_tree {
    /* Look for request->path. 0: *stream is looking; else the status to answer
     * with. */
    int (*open)(struct http_tree *tree, struct http_conn *conn,
                const struct http_request *request,
                struct http_stream **stream);
    /* The next bytes from `at` on, at most so many. */
    void (*fetch)(struct http_stream *stream, uint64_t at, size_t bytes);
    /* At any time; the last call. */
    void (*close)(struct http_stream *stream);
};

/* It is, or is not, there: 200, and stream->content is set; 301, and folder
 * is; 404, with a content or without; 500 or 503. */
void http_conn_found(struct http_conn *conn, int status);
/* stream->piece is set; it need only stay until this returns. */
void http_conn_fetched(struct http_conn *conn);
/* It could not be read, or is no longer what it was when it was found. */
void http_conn_failed(struct http_conn *conn);

#endif
