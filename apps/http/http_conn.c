/* SPDX-License-Identifier: MIT */
/*
 * The protocol's state machine (enum http_state in the header).
 *
 *   IDLE -> HEAD -> BODY -> REPLY -> IDLE ...   or -> DONE
 *
 * HEAD is skipped when a head arrives whole, which is nearly always: it is
 * parsed where it lies. BODY is skipped when there is none. The answer is
 * decided when the head is complete and given when the body was read, except
 * when the body may never come (the client asked first, with Expect) or is
 * too large: then at once, and the connection ends.
 *
 * Ending politely means to go on reading for a while (DONE): closing a TCP
 * connection with unread input resets it, and the reset can overtake the
 * answer. The caller decides for how long.
 */
#include "apps/http/http_conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Request heads grow in these steps: most incomplete ones need one. */
#define HEAD_STEP 1024

static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

void http_conn_init(struct http_conn *conn, struct http_site *site)
{
    *conn = (struct http_conn){.site = site};
}

static void head_drop(struct http_conn *conn)
{
    free(conn->head);
    http_site_release(conn->site, conn->head_size);
    conn->head = NULL;
    conn->head_bytes = conn->head_size = 0;
}

static void page_drop(struct http_conn *conn)
{
    http_site_release(conn->site, conn->text.size);
    http_text_free(&conn->text);
    conn->page = NULL;
}

void http_conn_end(struct http_conn *conn)
{
    head_drop(conn);
    page_drop(conn);
}

/* ---- Answers. */

static void reply_start(struct http_conn *conn)
{
    conn->state = HTTP_REPLY;
    conn->head_due = true;
    conn->continue_due = false;
    conn->body_at = 0;
    conn->site->stats.replies[http_status_index(conn->status)]++;
}

/* An error that ends the connection, but for those that the head tells of. */
static void reply_error(struct http_conn *conn, int status)
{
    head_drop(conn);
    page_drop(conn);
    if (conn->state != HTTP_BODY) /* else the request's head was understood */
        conn->is_head = conn->is_http10 = false;
    conn->file = NULL;
    conn->status = (uint16_t)status;
    conn->close = true;
    if (conn->site->access)
        conn->site->access(conn, NULL, status);
    reply_start(conn);
}

/* Write the page now, so that its length can stand in the head. */
static int page_make(struct http_conn *conn, const struct http_page *page)
{
    if (!http_site_claim(conn->site, HTTP_PAGE_MAX))
        return 503;
    http_text_growing(&conn->text, HTTP_PAGE_MAX);
    page->write(&conn->text, conn->site->pages_arg);
    http_site_release(conn->site, HTTP_PAGE_MAX - conn->text.size);
    conn->page = page;
    if (!conn->text.failed)
        return 200;
    page_drop(conn);
    return 503;
}

static int decide(struct http_conn *conn, struct http_request *request)
{
    struct http_target target;

    if (request->status)
        return request->status;
    target = http_site_find(conn->site, request);
    if (target.page)
        return page_make(conn, target.page);
    conn->file = target.file;
    if (target.status == 200 &&
        http_request_has_etag(request, target.file->etag))
        return 304;
    return target.status;
}

/* A head is complete: decide the answer, then see to the body. */
static void request_start(struct http_conn *conn, struct http_request *request)
{
    bool has_body = request->body_bytes || request->is_chunked;

    conn->file = NULL;
    conn->is_head = request->is_head;
    conn->is_http10 = request->is_http10;
    conn->status = (uint16_t)decide(conn, request);
    conn->close =
        request->close || (request->expects_continue && conn->status >= 400);
    if (conn->site->access)
        conn->site->access(conn, request, conn->status);
    if (!has_body || (conn->close && conn->status >= 400)) {
        reply_start(conn);
        return;
    }
    conn->state = HTTP_BODY;
    conn->continue_due = request->expects_continue;
    conn->is_chunked = request->is_chunked;
    conn->skip_bytes = request->body_bytes;
    conn->chunk = (struct http_chunk){0};
}

/* ---- Input. Each takes some of the bytes and returns how many. */

static size_t head_keep(struct http_conn *conn, const char *bytes, size_t len)
{
    size_t size = (conn->head_bytes + len + HEAD_STEP - 1) & -HEAD_STEP;
    char *head = conn->head;

    if (size > conn->head_size) {
        if (!http_site_claim(conn->site, size - conn->head_size))
            return 0;
        head = realloc(conn->head, size);
        if (!head) {
            http_site_release(conn->site, size - conn->head_size);
            return 0;
        }
        conn->head = head;
        conn->head_size = (uint16_t)size;
    }
    memcpy(head + conn->head_bytes, bytes, len);
    conn->head_bytes += (uint16_t)len;
    conn->state = HTTP_HEAD;
    return len;
}

/* More of a head that is already in memory. */
static size_t head_continue(struct http_conn *conn, const char *bytes,
                            size_t len)
{
    struct http_request request;
    size_t seen = conn->head_bytes, used;

    if (len > HTTP_HEAD_MAX - seen)
        len = HTTP_HEAD_MAX - seen;
    if (!head_keep(conn, bytes, len)) {
        reply_error(conn, 503);
        return len;
    }
    used = http_request_parse(&request, conn->head, conn->head_bytes, seen);
    if (!used)
        return len;
    request_start(conn, &request);
    head_drop(conn);
    return used - seen;
}

static size_t head_take(struct http_conn *conn, const char *bytes, size_t len)
{
    struct http_request request;
    size_t used;

    if (conn->state == HTTP_HEAD)
        return head_continue(conn, bytes, len);
    if (bytes[0] == '\r' || bytes[0] == '\n') /* RFC 9112, 2.2 */
        return 1;
    used = http_request_parse(&request, bytes, len, 0);
    if (used) {
        request_start(conn, &request);
        return used;
    }
    if (!head_keep(conn, bytes, len))
        reply_error(conn, 503);
    return len;
}

static size_t body_take(struct http_conn *conn, const char *bytes, size_t len)
{
    size_t used = len < conn->skip_bytes ? len : conn->skip_bytes;
    int status;

    if (conn->is_chunked) {
        status = http_chunk_skip(&conn->chunk, bytes, len, &used);
        if (status < 0)
            reply_error(conn, -status);
        else if (status > 0)
            reply_start(conn);
        return used;
    }
    conn->skip_bytes -= (uint32_t)used;
    if (!conn->skip_bytes)
        reply_start(conn);
    return used;
}

static size_t take(struct http_conn *conn, const char *bytes, size_t len)
{
    switch (conn->state) {
    case HTTP_IDLE:
    case HTTP_HEAD:
        return head_take(conn, bytes, len);
    case HTTP_BODY:
        return body_take(conn, bytes, len);
    case HTTP_REPLY:
        return conn->close ? len : 0;
    default:
        return len;
    }
}

size_t http_conn_receive(struct http_conn *conn, const char *bytes, size_t len)
{
    size_t used = 0, n = 1;

    while (used < len && n) {
        n = take(conn, bytes + used, len - used);
        used += n;
    }
    return used;
}

/* ---- Output. */

/* The answer's body, but for a sentence that comes with its head. */
static size_t reply_body(const struct http_conn *conn, const char **bytes)
{
    if (conn->page) {
        *bytes = conn->text.bytes;
        return conn->text.used;
    }
    if (conn->file && conn->status != 301 && conn->status != 304) {
        *bytes = conn->file->data;
        return conn->file->bytes;
    }
    return 0;
}

static void reply_describe(const struct http_conn *conn,
                           struct http_reply *reply)
{
    const struct http_file *file = conn->file;
    const char *bytes;

    *reply = (struct http_reply){
        .status = conn->status,
        .is_head = conn->is_head,
        .close = conn->close,
        .keep_alive_told = conn->is_http10,
        .body_bytes = reply_body(conn, &bytes),
        .date = http_site_date(conn->site),
    };
    if (conn->page)
        reply->type = conn->page->type;
    if (!file)
        return;
    if (conn->status == 301) {
        reply->location = file->url;
        reply->location_bytes = strlen(file->url) - strlen("index.html");
        return;
    }
    if (conn->status != 304)
        reply->type = file->type;
    if (conn->status != 404)
        reply->etag = file->etag;
}

static void head_output(struct http_conn *conn, char *buffer,
                        struct http_piece *piece)
{
    struct http_reply reply;
    struct http_text text;

    reply_describe(conn, &reply);
    http_text_fixed(&text, buffer, HTTP_REPLY_MAX);
    http_reply_write(&reply, &text);
    assert(!text.failed);
    *piece = (struct http_piece){
        .bytes = buffer,
        .len = text.used,
        .is_whole = true,
        .more = reply.body_bytes && !conn->is_head,
    };
}

bool http_conn_output(struct http_conn *conn, char *buffer,
                      struct http_piece *piece)
{
    const char *bytes;
    size_t len;

    if (conn->continue_due) {
        *piece = (struct http_piece){.bytes = interim,
                                     .len = sizeof(interim) - 1,
                                     .is_whole = true,
                                     .is_forever = true};
        return true;
    }
    if (conn->state != HTTP_REPLY)
        return false;
    if (conn->head_due) {
        head_output(conn, buffer, piece);
        return true;
    }
    len = reply_body(conn, &bytes);
    *piece = (struct http_piece){.bytes = bytes + conn->body_at,
                                 .len = len - conn->body_at,
                                 .is_forever = !conn->page};
    return true;
}

/* The answer is complete when its body is, or has none. */
static void reply_check_end(struct http_conn *conn)
{
    const char *bytes;

    if (!conn->is_head && conn->body_at < reply_body(conn, &bytes))
        return;
    page_drop(conn);
    conn->file = NULL;
    conn->state = conn->close ? HTTP_DONE : HTTP_IDLE;
}

void http_conn_taken(struct http_conn *conn, size_t len)
{
    conn->site->stats.sent_bytes += len;
    if (conn->continue_due) {
        conn->continue_due = false;
        return;
    }
    if (conn->head_due)
        conn->head_due = false;
    else
        conn->body_at += len;
    reply_check_end(conn);
}

bool http_conn_has_output(const struct http_conn *conn)
{
    return conn->continue_due || conn->state == HTTP_REPLY;
}

/* ---- From outside. */

void http_conn_finish(struct http_conn *conn)
{
    if (conn->state == HTTP_REPLY)
        conn->close = true;
    else
        conn->state = HTTP_DONE;
}

bool http_conn_timeout(struct http_conn *conn)
{
    if (conn->state != HTTP_HEAD && conn->state != HTTP_BODY)
        return false;
    reply_error(conn, 408);
    return true;
}

void http_conn_refuse(struct http_conn *conn)
{
    reply_error(conn, 503);
}
