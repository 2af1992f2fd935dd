/* SPDX-License-Identifier: MIT */
/*
 * The protocol's state machine (enum http_state in the header).
 *
 *   IDLE -> HEAD -> BODY -> FIND -> REPLY -> IDLE ...   or -> DONE
 *
 * HEAD is skipped when a head arrives whole, which is nearly always: it is
 * parsed in place. BODY is skipped when there is none, FIND when the answer
 * does not come from a tree. The answer is decided, or asked for, when the head
 * is complete, and sent when the body was read. If the body may never come (the
 * client asked first, with Expect) or is too large, it is sent at once, and the
 * connection ends.
 *
 * A file of the tree is answered once its first piece was read: the piece is
 * sent with the head, and if it cannot be read, an error status can still be
 * sent. When a later piece cannot be read, the connection ends, and the body is
 * shorter than the head announced.
 *
 * An orderly close means to go on reading for a while (DONE): closing a TCP
 * connection with unread input resets it, and the reset can overtake the
 * answer. The caller decides for how long.
 */
#include "http/http_conn.h"

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

/* Forget what was to be answered. */
static void answer_drop(struct http_conn *conn)
{
    http_site_release(conn->site, conn->text.size);
    http_text_free(&conn->text);
    if (conn->stream)
        conn->site->tree->close(conn->stream);
    conn->stream = NULL;
    conn->page = NULL;
    conn->file = NULL;
}

void http_conn_end(struct http_conn *conn)
{
    head_drop(conn);
    answer_drop(conn);
}

/* ---- Answers. */

/* The content that the answer carries, or would; false: a sentence. */
static bool content_of(const struct http_conn *conn,
                       struct http_content *content)
{
    const struct http_file *file = conn->file;

    *content = (struct http_content){.changed_s = HTTP_NO_DATE};
    if (conn->page) {
        content->type = conn->page->type;
        content->bytes = conn->text.used;
    } else if (conn->stream) {
        *content = conn->stream->content;
    } else if (file) {
        content->type = file->type;
        content->etag = file->etag;
        content->bytes = file->bytes;
    }
    if (conn->status == 404) /* it replaces other content */
        content->etag = NULL;
    return content->type;
}

/* The status is known: decide which part of the content is sent with it. */
static void answer_set(struct http_conn *conn, int status,
                       const struct http_part *part)
{
    bool has_body = http_reply_carries(status) && !conn->is_head;

    conn->status = (uint16_t)status;
    conn->body = has_body ? *part : (struct http_part){0};
    /* Without chunks, a body of unknown length ends with the FIN. */
    if (part->end == HTTP_UNKNOWN_BYTES && conn->is_http10)
        conn->close = true;
}

static void answer_log(const struct http_conn *conn, struct http_field line)
{
    if (conn->site->access)
        conn->site->access(conn, line, conn->status);
}

static void reply_start(struct http_conn *conn)
{
    conn->state = HTTP_REPLY;
    conn->head_due = true;
    conn->continue_due = false;
    conn->site->stats.replies[http_status_index(conn->status)]++;
}

/* An error other than those found in a head. It ends the connection. */
static void reply_error(struct http_conn *conn, int status)
{
    head_drop(conn);
    answer_drop(conn);
    if (conn->state < HTTP_BODY) /* else the request's head was understood */
        conn->is_head = conn->is_http10 = false;
    answer_set(conn, status, &(struct http_part){0});
    conn->close = true;
    answer_log(conn, (struct http_field){0});
    reply_start(conn);
}

/* Write the page now, so that the head can give its length. */
static int page_make(struct http_conn *conn, const struct http_page *page,
                     struct http_part *part)
{
    if (!http_site_claim(conn->site, HTTP_PAGE_MAX))
        return 503;
    http_text_growing(&conn->text, HTTP_PAGE_MAX);
    page->write(&conn->text, conn->site->pages_arg);
    http_site_release(conn->site, HTTP_PAGE_MAX - conn->text.size);
    conn->page = page;
    part->end = conn->text.used;
    if (!conn->text.failed)
        return 200;
    answer_drop(conn);
    return 503;
}

/* The redirect's target, with the request's query. */
static int redirect_make(struct http_conn *conn,
                         const struct http_request *request)
{
    const char *url = conn->file->url;

    if (!http_site_claim(conn->site, HTTP_LOCATION_MAX))
        return 503;
    http_text_growing(&conn->text, HTTP_LOCATION_MAX);
    http_text_add_bytes(&conn->text, url, strlen(url) - strlen("index.html"));
    http_text_add_bytes(&conn->text, request->query.at, request->query.bytes);
    http_site_release(conn->site, HTTP_LOCATION_MAX - conn->text.size);
    if (!conn->text.failed)
        return 301;
    answer_drop(conn);
    return 414;
}

static int file_find(struct http_conn *conn, struct http_request *request,
                     struct http_part *part)
{
    struct http_target target = http_site_find(conn->site, request);
    struct http_content content;

    conn->file = target.file;
    if (!content_of(conn, &content))
        return target.status;
    part->end = content.bytes;
    if (target.status == 301)
        return redirect_make(conn, request);
    if (target.status != 200)
        return target.status;
    return http_wants_judge(&request->wants, &content, request->is_head, part);
}

/* The status, or 0: the tree was asked. */
static int decide(struct http_conn *conn, struct http_request *request,
                  struct http_part *part)
{
    struct http_site *site = conn->site;
    const struct http_page *page;

    *part = (struct http_part){0};
    if (request->status)
        return request->status;
    page = http_site_page(site, request->path);
    if (page)
        return page_make(conn, page, part);
    if (!site->tree)
        return file_find(conn, request, part);
    return site->tree->open(site->tree, conn, request, &conn->stream);
}

/* The request is complete. */
static void request_end(struct http_conn *conn)
{
    if (conn->status)
        reply_start(conn);
    else
        conn->state = HTTP_FIND;
}

/* A head is complete: decide the answer, then see to the body. */
static void request_start(struct http_conn *conn, struct http_request *request)
{
    bool has_body = request->body_bytes || request->is_chunked;
    struct http_part part;
    int status;

    conn->file = NULL;
    conn->is_head = request->is_head;
    conn->is_http10 = request->is_http10;
    conn->status = 0;
    status = decide(conn, request, &part);
    conn->close =
        request->close || (request->expects_continue && status >= 400);
    answer_set(conn, status, &part);
    if (status)
        answer_log(conn, http_request_line(request));
    if (!has_body || (conn->close && status >= 400)) {
        request_end(conn);
        return;
    }
    conn->state = HTTP_BODY;
    conn->continue_due = request->expects_continue;
    conn->is_chunked = request->is_chunked;
    conn->skip_bytes = request->body_bytes;
    conn->chunk = (struct http_chunk){0};
}

/* ---- Input. Each consumes some of the bytes and returns how many. */

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
            request_end(conn);
        return used;
    }
    conn->skip_bytes -= (uint32_t)used;
    if (!conn->skip_bytes)
        request_end(conn);
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
    case HTTP_FIND:
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

static void reply_describe(const struct http_conn *conn,
                           const struct http_content *content,
                           struct http_reply *reply)
{
    *reply = (struct http_reply){
        .status = conn->status,
        .is_head = conn->is_head,
        .is_http10 = conn->is_http10,
        .close = conn->close,
        .content = content->type ? content : NULL,
        .part = conn->body,
        .policy = conn->site->policy,
        .date = http_site_date(conn->site),
    };
    if (conn->is_head) /* no range: HEAD does not have them */
        reply->part.end = content->bytes;
    if (conn->status != 301)
        return;
    if (conn->stream)
        reply->location = conn->stream->folder;
    else
        reply->location =
            (struct http_field){conn->text.bytes, conn->text.used};
}

static void head_output(struct http_conn *conn, char *buffer,
                        struct server_piece *piece)
{
    struct http_content content;
    struct http_reply reply;
    struct http_text text;

    content_of(conn, &content);
    reply_describe(conn, &content, &reply);
    http_text_fixed(&text, buffer, HTTP_REPLY_MAX);
    http_reply_write(&reply, &text);
    assert(!text.failed);
    *piece = (struct server_piece){
        .bytes = buffer,
        .len = text.used,
        .is_whole = true,
        .more = conn->body.first < conn->body.end,
    };
}

static void body_output(const struct http_conn *conn,
                        struct server_piece *piece)
{
    uint64_t len = conn->body.end - conn->body.first;

    *piece = (struct server_piece){
        .len = len < SIZE_MAX ? (size_t)len : SIZE_MAX,
        .is_forever = conn->file,
    };
    if (conn->page)
        piece->bytes = conn->text.bytes + conn->body.first;
    else if (conn->file)
        piece->bytes = conn->file->data + conn->body.first;
    else if (conn->stream->piece.bytes) {
        piece->bytes = conn->stream->piece.at;
        piece->len = conn->stream->piece.bytes;
    }
}

bool http_conn_output(struct http_conn *conn, char *buffer,
                      struct server_piece *piece)
{
    if (conn->continue_due) {
        *piece = (struct server_piece){.bytes = interim,
                                       .len = sizeof(interim) - 1,
                                       .is_whole = true,
                                       .is_forever = true};
        return true;
    }
    if (conn->state != HTTP_REPLY)
        return false;
    if (conn->head_due)
        head_output(conn, buffer, piece);
    else
        body_output(conn, piece);
    return true;
}

/* The answer is complete when its body is, or has none. */
static void reply_check_end(struct http_conn *conn)
{
    const struct http_stream *stream = conn->stream;
    bool has_ended = stream && stream->has_ended && !stream->piece.bytes;

    if (conn->body.first < conn->body.end && !has_ended)
        return;
    answer_drop(conn);
    conn->state = conn->close ? HTTP_DONE : HTTP_IDLE;
}

void http_conn_taken(struct http_conn *conn, size_t len)
{
    conn->site->stats.sent_bytes += len;
    if (conn->continue_due) {
        conn->continue_due = false;
        return;
    }
    if (conn->head_due) {
        conn->head_due = false;
    } else {
        conn->body.first += len;
        if (conn->stream) {
            conn->stream->piece.at += len;
            conn->stream->piece.bytes -= len;
        }
    }
    reply_check_end(conn);
}

bool http_conn_has_output(const struct http_conn *conn)
{
    return conn->continue_due || conn->state == HTTP_REPLY;
}

bool http_conn_is_waiting(const struct http_conn *conn)
{
    return conn->state == HTTP_FIND ||
           (conn->stream && conn->stream->is_fetching);
}

/* ---- The tree. */

void http_conn_fetch(struct http_conn *conn, size_t len)
{
    struct http_stream *stream = conn->stream;
    uint64_t left = conn->body.end - conn->body.first;

    if (stream->is_fetching)
        return;
    stream->is_fetching = true;
    conn->site->tree->fetch(stream, conn->body.first,
                            len < left ? len : (size_t)left);
}

void http_conn_found(struct http_conn *conn, int status)
{
    struct http_stream *stream = conn->stream;
    struct http_part part = {0,
                             stream->content.type ? stream->content.bytes : 0};

    if (status == 200)
        status = http_wants_judge(&stream->wants, &stream->content,
                                  conn->is_head, &part);
    answer_set(conn, status, &part);
    answer_log(conn, stream->line);
    if (conn->body.first < conn->body.end) {
        http_conn_fetch(conn, HTTP_PIECE_BYTES);
        return;
    }
    if (conn->state == HTTP_FIND)
        reply_start(conn);
    conn->site->wake(conn);
}

void http_conn_fetched(struct http_conn *conn)
{
    conn->stream->is_fetching = false;
    if (conn->state == HTTP_FIND)
        reply_start(conn);
    conn->site->wake(conn);
}

void http_conn_failed(struct http_conn *conn)
{
    if (conn->state == HTTP_REPLY && !conn->head_due) {
        answer_drop(conn);
        conn->state = HTTP_DONE;
    } else {
        reply_error(conn, 500);
    }
    conn->site->wake(conn);
}

/* ---- From outside. */

void http_conn_finish(struct http_conn *conn)
{
    if (conn->state == HTTP_REPLY || conn->state == HTTP_FIND)
        conn->close = true;
    else
        conn->state = HTTP_DONE;
}

bool http_conn_timeout(struct http_conn *conn)
{
    if (conn->state < HTTP_HEAD || conn->state > HTTP_FIND)
        return false;
    reply_error(conn, conn->state == HTTP_FIND ? 503 : 408);
    return true;
}

void http_conn_refuse(struct http_conn *conn)
{
    reply_error(conn, 503);
}
