/* SPDX-License-Identifier: MIT */
/*
 * The head of an answer, and the table of status codes.
 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "http/http_text.h"
#include "http/http_wants.h"

/* A redirect's target, percent-encoded. */
#define HTTP_LOCATION_MAX 1024
/* A Content-Security-Policy; real ones have half of this. */
#define HTTP_POLICY_MAX   512
#define HTTP_POLICY                                               \
    "default-src 'self'; style-src 'self' 'unsafe-inline'; "      \
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; " \
    "frame-ancestors 'none'"
/* The longest head, including the sentence that is an error's body: that of a
 * redirect or an HTML page, with room for changes. */
#define HTTP_REPLY_MAX 2048

/* The number of statuses this server answers with. */
#define HTTP_STATUSES 18
struct http_status {
    uint16_t code;
    const char *text; /* "200 OK" */
};
extern const struct http_status http_statuses[HTTP_STATUSES];
/* The index of a code in http_statuses; the code must be there. */
unsigned http_status_index(int code);

struct http_reply {
    int status;
    bool is_head;   /* the request was HEAD: no body follows */
    bool is_http10; /* the client does not know chunks */
    bool close;     /* the connection ends after this answer */
    /* The content sent or, for a 304 or 416, requested. NULL: the body is the
     * status as a sentence. */
    const struct http_content *content;
    struct http_part part;      /* of the content */
    struct http_field location; /* of a redirect */
    const char *policy; /* for HTML, at most HTTP_POLICY_MAX; NULL: none */
    const char *date;   /* NULL: unknown */
};

/* Does an answer of this status carry its content, if there is one? */
bool http_reply_carries(int status);

/* Write the head; also the body, when that is just a sentence. */
void http_reply_write(const struct http_reply *reply, struct http_text *text);

#endif
