/* SPDX-License-Identifier: MIT */
/*
 * Response heads (RFC 9110, RFC 9112).
 *
 * Files carry an ETag and "no-cache", which means: keep it, but ask each time
 * whether it is still good. The answer then is a 304 of one small packet, and
 * a new image is never hidden by an old page in somebody's cache. Generated
 * pages and errors are not stored at all.
 *
 * Pages may load nothing from elsewhere, be framed by nobody, and nothing is
 * sniffed into another type than it says. Inline styles are allowed, inline
 * scripts are not: docs/app.md says where to change that.
 */
#include "apps/http/http_reply.h"

#include <assert.h>
#include <string.h>
#include <time.h>

const struct http_status http_statuses[HTTP_STATUSES] = {
    {200, "200 OK"},
    {301, "301 Moved Permanently"},
    {304, "304 Not Modified"},
    {400, "400 Bad Request"},
    {404, "404 Not Found"},
    {405, "405 Method Not Allowed"},
    {408, "408 Request Timeout"},
    {413, "413 Content Too Large"},
    {414, "414 URI Too Long"},
    {417, "417 Expectation Failed"},
    {431, "431 Request Header Fields Too Large"},
    {501, "501 Not Implemented"},
    {503, "503 Service Unavailable"},
    {505, "505 HTTP Version Not Supported"},
};

#define POLICY                                                    \
    "default-src 'self'; style-src 'self' 'unsafe-inline'; "      \
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; " \
    "frame-ancestors 'none'"

unsigned http_status_index(int code)
{
    unsigned i = 0;

    while (http_statuses[i].code != code) {
        i++;
        assert(i < HTTP_STATUSES);
    }
    return i;
}

/* RFC 9110, 5.6.7. */
void http_reply_date(char date[HTTP_DATE_BYTES], int64_t wall_s)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed",
                                    "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr",
                                       "May", "Jun", "Jul", "Aug",
                                       "Sep", "Oct", "Nov", "Dec"};
    time_t when = (time_t)wall_s;
    struct http_text text;
    struct tm tm;

    gmtime_r(&when, &tm);
    http_text_fixed(&text, date, HTTP_DATE_BYTES);
    http_text_add(&text, days[tm.tm_wday], ", ");
    http_text_add_number(&text, (unsigned)tm.tm_mday, 2);
    http_text_add(&text, " ", months[tm.tm_mon], " ");
    http_text_add_number(&text, (unsigned)tm.tm_year + 1900, 4);
    http_text_add(&text, " ");
    http_text_add_number(&text, (unsigned)tm.tm_hour, 2);
    http_text_add(&text, ":");
    http_text_add_number(&text, (unsigned)tm.tm_min, 2);
    http_text_add(&text, ":");
    http_text_add_number(&text, (unsigned)tm.tm_sec, 2);
    http_text_add(&text, " GMT");
    http_text_add_char(&text, '\0');
}

/* Fields that some statuses oblige us to send, or that explain them. */
static void write_status_fields(const struct http_reply *reply,
                                struct http_text *text)
{
    if (reply->status == 405)
        http_text_add(text, "Allow: GET, HEAD\r\n");
    if (reply->status == 503)
        http_text_add(text, "Retry-After: 1\r\n");
    if (reply->location) {
        http_text_add(text, "Location: ");
        http_text_add_bytes(text, reply->location, reply->location_bytes);
        http_text_add(text, "\r\n");
    }
    if (reply->etag)
        http_text_add(text, "ETag: ", reply->etag,
                      "\r\nCache-Control: no-cache\r\n");
    else
        http_text_add(text, "Cache-Control: no-store\r\n");
}

static void write_content_fields(struct http_text *text, const char *type,
                                 size_t bytes)
{
    http_text_add(text, "Content-Type: ", type, "\r\nContent-Length: ");
    http_text_add_number(text, bytes, 1);
    http_text_add(text, "\r\nX-Content-Type-Options: nosniff\r\n");
    if (!strncmp(type, "text/html", 9))
        http_text_add(text, "Content-Security-Policy: " POLICY "\r\n");
}

static void write_connection(const struct http_reply *reply,
                             struct http_text *text)
{
    if (reply->close)
        http_text_add(text, "Connection: close\r\n");
    else if (reply->keep_alive_told)
        http_text_add(text, "Connection: keep-alive\r\n");
}

void http_reply_write(const struct http_reply *reply, struct http_text *text)
{
    const char *status = http_statuses[http_status_index(reply->status)].text;

    http_text_add(text, "HTTP/1.1 ", status, "\r\nServer: Xenolith\r\n");
    if (reply->date)
        http_text_add(text, "Date: ", reply->date, "\r\n");
    write_status_fields(reply, text);
    if (reply->type)
        write_content_fields(text, reply->type, reply->body_bytes);
    else if (reply->status != 304)
        write_content_fields(text, "text/plain; charset=utf-8",
                             strlen(status) + strlen("\n"));
    write_connection(reply, text);
    http_text_add(text, "\r\n");
    if (!reply->type && reply->status != 304 && !reply->is_head)
        http_text_add(text, status, "\n");
}
