/* SPDX-License-Identifier: MIT */
/*
 * The head of an answer, and everything there is to say about status codes.
 */
#ifndef APPS_HTTP_REPLY_H
#define APPS_HTTP_REPLY_H

#include "apps/http/http_text.h"

#include <stdint.h>

/* The longest head, with the sentence an error carries as its body: a redirect
 * of HTTP_FILE_PATH_MAX bytes, or an HTML page's, and some room to change. */
#define HTTP_REPLY_MAX 1024

/* Every status this server answers with. */
#define HTTP_STATUSES 14
struct http_status {
    uint16_t code;
    const char *text; /* "200 OK" */
};
extern const struct http_status http_statuses[HTTP_STATUSES];
/* The index of a code in http_statuses. Assert: it is there. */
unsigned http_status_index(int code);

struct http_reply {
    int status;
    bool is_head;         /* the request was HEAD: no body follows */
    bool close;           /* the connection ends after this answer */
    bool keep_alive_told; /* HTTP/1.0 must be told that it goes on */
    const char *type;     /* NULL: the status as a sentence is the body */
    const char *etag;     /* NULL: the body is not to be stored */
    const char *location; /* of a redirect */
    size_t location_bytes;
    size_t body_bytes; /* when type is set */
    const char *date;  /* by http_reply_date(); NULL: nobody knows */
};

/* "Sat, 21 Nov 2026 05:01:55 GMT" of seconds since 1970. */
#define HTTP_DATE_BYTES 30
void http_reply_date(char date[HTTP_DATE_BYTES], int64_t wall_s);

/* Write the head; with the body as well when it is just a sentence. */
void http_reply_write(const struct http_reply *reply, struct http_text *text);

#endif
