/* SPDX-License-Identifier: MIT */
/*
 * A strict reader of HTTP responses, for the tests of http/: whatever the
 * server may never write is an error with a name.
 */
#ifndef TESTS_UNIT_HTTP_RESPONSE_H
#define TESTS_UNIT_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RESPONSE_FIELDS_MAX 16

struct response {
    int status;
    struct {
        const char *name, *value;
        size_t name_bytes, value_bytes;
    } fields[RESPONSE_FIELDS_MAX];
    unsigned nr_fields;
    const char *body;
    size_t body_bytes;
    size_t bytes;      /* all of it */
    bool is_chunked;   /* the body is, and so are its bytes */
    const char *error; /* NULL: it is in order */
};

/* The value, or NULL; *bytes is its length. */
static inline const char *response_field(const struct response *response,
                                         const char *name, size_t *bytes)
{
    for (unsigned i = 0; i < response->nr_fields; i++) {
        if (response->fields[i].name_bytes == strlen(name) &&
            !strncasecmp(response->fields[i].name, name, strlen(name))) {
            *bytes = response->fields[i].value_bytes;
            return response->fields[i].value;
        }
    }
    return NULL;
}

static inline bool response_has(const struct response *response,
                                const char *name, const char *value)
{
    size_t bytes;
    const char *found = response_field(response, name, &bytes);

    if (!found || !value)
        return (found != NULL) == (value != NULL);
    return bytes == strlen(value) && !memcmp(found, value, bytes);
}

/* The line at *at, without its CRLF; NULL: there is no whole one. */
static inline const char *response_line(const char **at, const char *end,
                                        size_t *bytes)
{
    const char *line = *at;
    const char *lf = memchr(line, '\n', (size_t)(end - line));

    if (!lf || lf == line || lf[-1] != '\r')
        return NULL;
    *bytes = (size_t)(lf - 1 - line);
    *at = lf + 1;
    for (size_t i = 0; i < *bytes; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            return NULL;
    return line;
}

static inline const char *response_take_field(struct response *response,
                                              const char *line, size_t bytes)
{
    const char *colon = memchr(line, ':', bytes);
    size_t ignored;
    char name[64];

    if (!colon || colon == line || (size_t)(colon - line) >= sizeof(name))
        return "a field without a name";
    if ((size_t)(colon - line) + 3 > bytes || colon[1] != ' ')
        return "a field without a value";
    snprintf(name, sizeof(name), "%.*s", (int)(colon - line), line);
    if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-") !=
        strlen(name))
        return "an odd field name";
    if (response_field(response, name, &ignored))
        return "a field twice";
    if (response->nr_fields == RESPONSE_FIELDS_MAX)
        return "too many fields";
    response->fields[response->nr_fields].name = line;
    response->fields[response->nr_fields].name_bytes = (size_t)(colon - line);
    response->fields[response->nr_fields].value = colon + 2;
    response->fields[response->nr_fields++].value_bytes =
        bytes - (size_t)(colon + 2 - line);
    return NULL;
}

/* What a status obliges the server to say, or not to say. */
static inline const char *response_check(const struct response *response)
{
    bool has_length = response_has(response, "Content-Length", NULL) == false;
    bool is_bare = response->status < 200 || response->status == 304;
    bool is_chunked = response_has(response, "Transfer-Encoding", "chunked");

    if (is_bare && (has_length || is_chunked))
        return "a length where there is no body";
    if (!is_bare && has_length == is_chunked)
        return "not one of Content-Length and chunks";
    if ((response->status == 206 || response->status == 416) ==
        response_has(response, "Content-Range", NULL))
        return "Content-Range not exactly with 206 and 416";
    if (response->status == 405 &&
        !response_has(response, "Allow", "GET, HEAD"))
        return "405 without Allow";
    if (response->status == 503 && response_has(response, "Retry-After", NULL))
        return "503 without Retry-After";
    if ((response->status == 301) == response_has(response, "Location", NULL))
        return "Location not exactly with 301";
    if (response->status >= 200 && response_has(response, "Server", NULL))
        return "no Server";
    if (!is_bare &&
        !response_has(response, "X-Content-Type-Options", "nosniff"))
        return "no nosniff";
    return NULL;
}

/* The bytes of a chunked body at the start of these, all of its framing
 * included; 0: it is none, or cut. */
static inline size_t response_chunks(const char *bytes, size_t len)
{
    const char *at = bytes, *end = bytes + len;
    size_t line_bytes, chunk;
    const char *line;

    do {
        line = response_line(&at, end, &line_bytes);
        if (!line || !line_bytes || line_bytes > 8)
            return 0;
        chunk = strtoul(line, NULL, 16);
        if (strspn(line, "0123456789abcdefABCDEF") != line_bytes ||
            chunk + 2 > (size_t)(end - at) ||
            memcmp(at + chunk, "\r\n", 2) != 0)
            return 0;
        at += chunk + 2;
    } while (chunk);
    return (size_t)(at - bytes);
}

/* Read one response at the start of bytes. is_head: it answers HEAD. */
static inline struct response response_read(const char *bytes, size_t len,
                                            bool is_head)
{
    struct response response = {.error = "not a status line"};
    const char *at = bytes, *end = bytes + len, *line, *value;
    size_t line_bytes, value_bytes;

    line = response_line(&at, end, &line_bytes);
    if (!line || line_bytes < 14 || memcmp(line, "HTTP/1.1 ", 9) ||
        line[12] != ' ')
        return response;
    response.status = atoi(line + 9);
    if (response.status < 100 || response.status > 599)
        return response;
    while ((line = response_line(&at, end, &line_bytes)) && line_bytes) {
        response.error = response_take_field(&response, line, line_bytes);
        if (response.error)
            return response;
    }
    response.error = line ? response_check(&response) : "a bad or cut head";
    if (response.error)
        return response;
    response.body = at;
    value = response_field(&response, "Content-Length", &value_bytes);
    if (value && !is_head)
        response.body_bytes = strtoul(value, NULL, 10);
    response.is_chunked =
        !value && response.status >= 200 && response.status != 304;
    if (response.is_chunked && !is_head) {
        response.body_bytes = response_chunks(at, (size_t)(end - at));
        if (!response.body_bytes)
            response.error = "bad chunks";
    }
    if (response.body_bytes > (size_t)(end - at))
        response.error = "a cut body";
    response.bytes = (size_t)(at - bytes) + response.body_bytes;
    return response;
}

#endif
