/* SPDX-License-Identifier: MIT */
/*
 * Response heads (RFC 9110, RFC 9112).
 *
 * Files carry an ETag and "no-cache", which means: keep the file, but check
 * each time whether it is still current. The answer is then a 304 of one small
 * packet, and an old page in a cache never hides a new image. Generated pages
 * and errors are not stored at all.
 *
 * Pages may not load anything from elsewhere or be framed, and browsers may not
 * guess another type than the one given. Inline styles are allowed, inline
 * scripts are not; http.policy can change that.
 */
#include "http/http_reply.h"

#include <assert.h>
#include <string.h>

const struct http_status http_statuses[HTTP_STATUSES] = {
    {200, "200 OK"},
    {206, "206 Partial Content"},
    {301, "301 Moved Permanently"},
    {304, "304 Not Modified"},
    {400, "400 Bad Request"},
    {404, "404 Not Found"},
    {405, "405 Method Not Allowed"},
    {408, "408 Request Timeout"},
    {412, "412 Precondition Failed"},
    {413, "413 Content Too Large"},
    {414, "414 URI Too Long"},
    {416, "416 Range Not Satisfiable"},
    {417, "417 Expectation Failed"},
    {431, "431 Request Header Fields Too Large"},
    {500, "500 Internal Server Error"},
    {501, "501 Not Implemented"},
    {503, "503 Service Unavailable"},
    {505, "505 HTTP Version Not Supported"},
};

unsigned http_status_index(int code)
{
    unsigned i = 0;

    while (http_statuses[i].code != code) {
        i++;
        assert(i < HTTP_STATUSES);
    }
    return i;
}

bool http_reply_carries(int status)
{
    return status == 200 || status == 206 || status == 404;
}

/* Fields that some statuses require, or that explain them. */
static void write_status_fields(const struct http_reply *reply,
                                struct http_text *text)
{
    if (reply->status == 405)
        http_text_add(text, "Allow: GET, HEAD\r\n");
    if (reply->status == 503)
        http_text_add(text, "Retry-After: 1\r\n");
    if (reply->location.at) {
        http_text_add(text, "Location: ");
        http_text_add_bytes(text, reply->location.at, reply->location.bytes);
        http_text_add(text, "\r\n");
    }
    if (reply->status == 416) {
        http_text_add(text, "Content-Range: bytes */");
        http_text_add_number(text, reply->content->bytes, 1);
        http_text_add(text, "\r\n");
    }
}

/* What a client needs for a conditional request. */
static void write_validators(const struct http_content *content,
                             struct http_text *text)
{
    char date[HTTP_DATE_BYTES];

    if (!content || !content->etag) {
        http_text_add(text, "Cache-Control: no-store\r\n");
        return;
    }
    http_text_add(text, "ETag: ", content->etag,
                  "\r\nCache-Control: no-cache\r\n");
    if (content->changed_s != HTTP_NO_DATE) {
        http_date_write(date, content->changed_s);
        http_text_add(text, "Last-Modified: ", date, "\r\n");
    }
    if (content->varies)
        http_text_add(text, "Vary: Accept-Encoding\r\n");
}

static void write_type(const struct http_reply *reply, struct http_text *text,
                       const char *type)
{
    http_text_add(text, "Content-Type: ", type,
                  "\r\nX-Content-Type-Options: nosniff\r\n");
    if (reply->policy && !strncmp(type, "text/html", 9))
        http_text_add(text, "Content-Security-Policy: ", reply->policy, "\r\n");
}

static void write_length(struct http_text *text, uint64_t bytes)
{
    http_text_add(text, "Content-Length: ");
    http_text_add_number(text, bytes, 1);
    http_text_add(text, "\r\n");
}

static void write_range(const struct http_reply *reply, struct http_text *text)
{
    http_text_add(text, "Content-Range: bytes ");
    http_text_add_number(text, reply->part.first, 1);
    http_text_add(text, "-");
    http_text_add_number(text, reply->part.end - 1, 1);
    http_text_add(text, "/");
    http_text_add_number(text, reply->content->bytes, 1);
    http_text_add(text, "\r\n");
}

static void write_content_fields(const struct http_reply *reply,
                                 struct http_text *text)
{
    const struct http_content *content = reply->content;

    write_type(reply, text, content->type);
    if (content->coding)
        http_text_add(text, "Content-Encoding: ", content->coding, "\r\n");
    if (content->etag)
        http_text_add(text, "Accept-Ranges: bytes\r\n");
    if (reply->status == 206)
        write_range(reply, text);
    if (content->bytes != HTTP_UNKNOWN_BYTES)
        write_length(text, reply->part.end - reply->part.first);
    else if (!reply->is_http10)
        http_text_add(text, "Transfer-Encoding: chunked\r\n");
}

static void write_connection(const struct http_reply *reply,
                             struct http_text *text)
{
    if (reply->close)
        http_text_add(text, "Connection: close\r\n");
    else if (reply->is_http10)
        http_text_add(text, "Connection: keep-alive\r\n");
}

void http_reply_write(const struct http_reply *reply, struct http_text *text)
{
    const char *status = http_statuses[http_status_index(reply->status)].text;
    bool carries = reply->content && http_reply_carries(reply->status);
    bool is_sentence = !carries && reply->status != 304;

    http_text_add(text, "HTTP/1.1 ", status, "\r\nServer: Xenolith\r\n");
    if (reply->date)
        http_text_add(text, "Date: ", reply->date, "\r\n");
    write_status_fields(reply, text);
    write_validators(is_sentence ? NULL : reply->content, text);
    if (carries)
        write_content_fields(reply, text);
    if (is_sentence) {
        write_type(reply, text, "text/plain; charset=utf-8");
        write_length(text, strlen(status) + strlen("\n"));
    }
    write_connection(reply, text);
    http_text_add(text, "\r\n");
    if (is_sentence && !reply->is_head)
        http_text_add(text, status, "\n");
}
