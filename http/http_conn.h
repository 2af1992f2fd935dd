/* SPDX-License-Identifier: MIT */
/*
 * One HTTP/1.1 connection, without a network: bytes in, bytes out.
 *
 *     http_conn_receive   give it what arrived; it takes what it can use now
 *     http_conn_output    what is to be sent next...
 *     http_conn_taken     ...and how much of it was
 *
 * One answer at a time: while an answer is not taken, receive takes nothing
 * of the next request, so pipelining is bounded by what the caller can hold.
 * An idle connection is this struct and nothing else. An incomplete request
 * head is kept in memory of the site's budget, and so is a generated page until
 * it is taken; embedded files are sent in place, those of a tree are fetched
 * piece by piece (http_stream.h).
 */
#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include "http/http_chunk.h"
#include "http/http_site.h"
#include "net/server.h"

enum http_state {
    HTTP_IDLE,  /* between requests: nothing of the next one has come */
    HTTP_HEAD,  /* a request head is incomplete */
    HTTP_BODY,  /* a request body is being skipped; the answer is decided */
    HTTP_FIND,  /* the tree is asked for a file */
    HTTP_REPLY, /* an answer is to be taken */
    HTTP_DONE   /* nothing more is sent; input is discarded */
};

struct http_conn {
    struct http_site *site;
    char *head;                   /* incomplete request head, or NULL */
    const struct http_file *file; /* of the answer, or NULL */
    const struct http_page *page; /* of the answer, or NULL */
    struct http_stream *stream;   /* of the answer, or NULL */
    struct http_text text;        /* the page's contents, or redirect target */
    struct http_part body;        /* of the answer, not taken yet */
    uint32_t skip_bytes;          /* of the request's body, not chunked */
    struct http_chunk chunk;
    uint16_t head_bytes, head_size;
    uint16_t status; /* of the answer; 0: not known yet */
    uint8_t state;   /* enum http_state */
    bool is_chunked : 1;
    bool is_head : 1; /* the answer has no body */
    bool is_http10 : 1;
    bool close : 1;        /* done after this answer */
    bool head_due : 1;     /* the answer's head was not taken yet */
    bool continue_due : 1; /* "100 Continue" is to be sent */
};

void http_conn_init(struct http_conn *conn, struct http_site *site);
void http_conn_end(struct http_conn *conn);

/* Returns how many of the bytes were taken. Less than len: an answer must be
 * sent first. */
size_t http_conn_receive(struct http_conn *conn, const char *bytes, size_t len);

/* The next bytes to send; false: nothing now. Heads are written to buffer
 * (HTTP_REPLY_MAX bytes) and are always whole. Calling it twice changes
 * nothing. */
bool http_conn_output(struct http_conn *conn, char *buffer,
                      struct server_piece *piece);
/* The first len bytes of that piece were taken. What is left of a fetched piece
 * when site->wake returns is fetched again. */
void http_conn_taken(struct http_conn *conn, size_t len);

/* There is room for len bytes: fetch them; then site->wake is called. */
void http_conn_fetch(struct http_conn *conn, size_t len);

/* Nothing more comes from the client, or will be read: an answer that is due is
 * still sent, then the connection is over. */
void http_conn_finish(struct http_conn *conn);
/* The request, or the file it asks for, takes too long: answer 408 or 503.
 * False: there is no request. */
bool http_conn_timeout(struct http_conn *conn);
/* Answer 503 before any request. */
void http_conn_refuse(struct http_conn *conn);

/* An answer, or a part of one, waits to be sent. */
bool http_conn_has_output(const struct http_conn *conn);
/* The connection waits for a file; site->wake will be called. */
bool http_conn_is_waiting(const struct http_conn *conn);

#endif
