/* SPDX-License-Identifier: MIT */
/*
 * Streams: a file's way from the file system to a connection.
 *
 *   open -> look for the file -> http_conn_found
 *   fetch -> wait for a buffer -> read -> http_conn_fetched -> ...
 *   close -> close the files -> gone
 *
 * A stream has one request, so it does one thing at a time. Requests cannot be
 * cancelled: a stream that is closed while one is under way ends when the
 * request is done, so every callback goes through answered() first.
 *
 * All streams wait for the few buffers in one queue: large files get one piece
 * in turn, and a small one is done after one turn. A buffer is free again when
 * http_conn_fetched returns, whether or not the client took its contents.
 */
#include "apps/web/web_tree.h"

#include <stdlib.h>
#include <string.h>

#include "apps/web/web_list.h"
#include "apps/web/web_path.h"
#include "kernel/log.h"

#define WARN_NS (60 * NS_PER_S) /* a failing disk: one line a minute */

/* Files open at once: the file at the path, and the one sent instead of it; or
 * the file, and for each coding a folder that has its name. */
#define FILES_MAX (1 + HTTP_CODINGS)
/* An ETag: four hexadecimal numbers, and what is around them. */
#define ETAG_MAX  (4 * 16 + 9)
#define ENTRIES   (HTTP_PIECE_BYTES / sizeof(struct fs_entry))

#define INDEX "index.html"
#define LOST  "/404.html"
static const char *const suffixes[HTTP_CODINGS] = {".br", ".zst", ".gz"};
static const char *const codings[HTTP_CODINGS] = {"br", "zstd", "gzip"};

struct web_stream {
    struct http_stream stream;
    struct web_tree *tree;
    struct list_node node; /* waits for a buffer */
    bool is_asking;
    struct web_buffer *buffer; /* that the request reads into */
    struct fs_request request;
    struct fs_file files[FILES_MAX];
    unsigned nr_files;
    struct fs_file *file; /* that is sent */
    uint64_t at;          /* what to read: a position, or the number of an */
    size_t bytes;         /* entry; and how much of it */
    enum http_coding codings[HTTP_CODINGS];
    unsigned nr_codings, coding;
    bool is_chunked;
    struct http_text text;   /* of a list, or a redirect */
    struct http_field query; /* the request's, for a redirect */
    char etag[ETAG_MAX];
    size_t claimed;    /* bytes of the site's budget */
    size_t path_bytes; /* of the file, without what is tried behind it */
    char path[];       /* with room for that; then copies of fields */
};

static struct web_tree *tree_of(struct http_tree *tree)
{
    return container_of(tree, struct web_tree, tree);
}

static void queue_start(struct web_tree *tree);

/* ---- The end of a stream */

static void buffer_release(struct web_tree *tree, struct web_buffer *buffer)
{
    buffer->is_used = false;
    queue_start(tree);
}

static void on_closed(struct fs_request *request);

static void stream_end(struct web_stream *s)
{
    struct web_tree *tree = s->tree;
    struct web_buffer *buffer = s->buffer;

    s->buffer = NULL;
    if (s->nr_files) {
        s->is_asking = true;
        fs_close(&s->request, &s->files[--s->nr_files], on_closed);
    } else {
        tree->stats.open--;
        http_text_free(&s->text);
        http_site_release(tree->site, s->claimed);
        free(s);
    }
    if (buffer)
        buffer_release(tree, buffer);
}

static void on_closed(struct fs_request *request)
{
    stream_end(container_of(request, struct web_stream, request));
}

/* The stream that a request belongs to; NULL: the stream was closed. */
static struct web_stream *answered(struct fs_request *request)
{
    struct web_stream *s = container_of(request, struct web_stream, request);

    s->is_asking = false;
    if (s->stream.conn)
        return s;
    stream_end(s);
    return NULL;
}

/* ---- Errors */

static void warn(struct web_stream *s, const char *what, int error)
{
    struct web_tree *tree = s->tree;
    uint64_t now = loop_now(tree->loop);

    if (tree->warned_ns && now - tree->warned_ns < WARN_NS)
        return;
    tree->warned_ns = now;
    log_warn("web", "%s %s: error %d (more are only counted for a minute)",
             s->path, what, error);
}

/* The status for an error of the file system. */
static int status_of(int error)
{
    switch (error) {
    case -XEN_ENOENT:
    case -XEN_ENOTDIR:
    case -XEN_ENAMETOOLONG:
    case -XEN_EINVAL:
    case -XEN_ELOOP:
        return 404;
    case -XEN_ENOMEM:
        return 503;
    default:
        return 500;
    }
}

static void fail(struct web_stream *s, int error)
{
    s->tree->stats.failed++;
    warn(s, "cannot be read", error);
    http_conn_failed(s->stream.conn);
}

/* ---- The file that was found */

static void add_hex(struct http_text *text, uint64_t value)
{
    static const char digits[] = "0123456789abcdef";
    int shift = 60;

    while (shift && !(value >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        http_text_add_char(text, digits[value >> shift & 0xf]);
}

static int64_t now_s(const struct web_tree *tree)
{
    return tree->site->wall_s ? tree->site->wall_s() : 0;
}

/* Does each version of the file surely have a tag of its own (RFC 9110, 8.8.1)?
 * In an image, if the image has an id; otherwise by size and time, once the
 * second of the last change is over. */
static bool is_strong(const struct web_stream *s)
{
    const struct fs_mount *mount = s->file->mount;
    uint64_t changed = s->file->stat.changed_s;

    if (mount->is_image)
        return mount->image_id;
    return changed && (int64_t)changed + 1 < now_s(s->tree);
}

static void tag_write(struct web_stream *s)
{
    const struct fs_mount *mount = s->file->mount;
    const struct fs_stat *stat = &s->file->stat;
    struct http_text text;

    http_text_fixed(&text, s->etag, sizeof(s->etag));
    http_text_add(&text, is_strong(s) ? "\"" : "W/\"");
    add_hex(&text, stat->id);
    http_text_add(&text, "-");
    add_hex(&text, stat->bytes);
    http_text_add(&text, "-");
    add_hex(&text, stat->changed_s);
    if (mount->image_id) {
        http_text_add(&text, "-");
        add_hex(&text, mount->image_id);
    }
    http_text_add(&text, "\"");
    http_text_add_char(&text, '\0');
}

/* A date for Last-Modified: never in the future (RFC 9110, 8.8.2.1). */
static int64_t changed_s(const struct web_stream *s)
{
    uint64_t changed = s->file->stat.changed_s;
    uint64_t now = (uint64_t)now_s(s->tree);

    if (!changed || changed > HTTP_DATE_MAX)
        return HTTP_NO_DATE;
    return (int64_t)(now && changed > now ? now : changed);
}

/* s->file is what will be sent. */
static void found(struct web_stream *s, int status)
{
    struct http_content *content = &s->stream.content;

    s->tree->stats.opened++;
    tag_write(s);
    content->etag = s->etag;
    content->bytes = s->file->stat.bytes;
    content->changed_s = changed_s(s);
    content->has_strong_date = is_strong(s) && !s->file->mount->is_image;
    http_conn_found(s->stream.conn, status);
}

/* ---- Lookup. Each of these opens one path and continues in its callback. */

static void ask_open(struct web_stream *s, fs_done *done)
{
    s->is_asking = true;
    fs_open(s->tree->fs, &s->request, &s->files[s->nr_files], s->path, FS_READ,
            done);
}

/* The file just opened; NULL: there is none. */
static struct fs_file *opened(struct web_stream *s, enum fs_kind kind)
{
    struct fs_file *file = &s->files[s->nr_files];

    if (s->request.status)
        return NULL;
    s->nr_files++;
    return file->stat.kind == kind ? file : NULL;
}

static void on_lost(struct fs_request *request)
{
    struct web_stream *s = answered(request);
    bool ignored;

    if (!s)
        return;
    s->file = opened(s, FS_FILE);
    if (!s->file) {
        http_conn_found(s->stream.conn, 404);
        return;
    }
    s->stream.content.type = web_path_type(s->path, &ignored);
    found(s, 404);
}

/* The file cannot be opened: answer with a status, or /404.html if not found.
 */
static void lose(struct web_stream *s, int error)
{
    int status = status_of(error);

    if (status == 500) {
        s->tree->stats.failed++;
        warn(s, "cannot be opened", error);
    }
    if (status != 404) {
        http_conn_found(s->stream.conn, status);
        return;
    }
    strcpy(s->path, s->tree->root);
    strcat(s->path, LOST);
    ask_open(s, on_lost);
}

static void on_coded(struct fs_request *request);

/* Try the next coding that the client accepts. */
static void look_coded(struct web_stream *s)
{
    s->path[s->path_bytes] = '\0';
    if (s->coding == s->nr_codings) {
        found(s, 200);
        return;
    }
    strcpy(s->path + s->path_bytes, suffixes[s->codings[s->coding]]);
    ask_open(s, on_coded);
}

static void on_coded(struct fs_request *request)
{
    struct web_stream *s = answered(request);
    struct fs_file *file;

    if (!s)
        return;
    file = opened(s, FS_FILE);
    if (!file) {
        s->coding++;
        look_coded(s);
        return;
    }
    s->file = file;
    s->stream.content.coding = codings[s->codings[s->coding]];
    s->tree->stats.packed++;
    found(s, 200);
}

static void found_file(struct web_stream *s, struct fs_file *file)
{
    struct http_content *content = &s->stream.content;

    s->file = file;
    s->path_bytes = strlen(s->path);
    content->type = web_path_type(s->path, &content->varies);
    if (content->varies)
        s->nr_codings = http_wants_codings(&s->stream.wants, s->codings);
    look_coded(s);
}

static void on_folder(struct fs_request *request)
{
    struct web_stream *s = answered(request);

    if (!s)
        return;
    s->file = opened(s, FS_DIRECTORY);
    if (!s->file) {
        lose(s, request->status ? request->status : -XEN_ENOTDIR);
        return;
    }
    s->text.bytes = malloc(WEB_LIST_BYTES);
    if (!s->text.bytes) {
        http_conn_found(s->stream.conn, 503);
        return;
    }
    http_text_fixed(&s->text, s->text.bytes, WEB_LIST_BYTES);
    s->tree->stats.opened++;
    s->tree->stats.listed++;
    s->stream.content.type = "text/html; charset=utf-8";
    s->stream.content.bytes = HTTP_UNKNOWN_BYTES;
    http_conn_found(s->stream.conn, 200);
}

static void on_index(struct fs_request *request)
{
    struct web_stream *s = answered(request);
    struct fs_file *file;

    if (!s)
        return;
    file = opened(s, FS_FILE);
    s->path[s->path_bytes] = '\0';
    if (file) {
        strcat(s->path, INDEX);
        found_file(s, file);
    } else if (request->status && request->status != -XEN_ENOENT) {
        lose(s, request->status);
    } else if (s->tree->lists) {
        ask_open(s, on_folder);
    } else {
        lose(s, -XEN_ENOENT);
    }
}

/* A folder without its slash: redirect the client to the path with it, so that
 * relative links work. The query is kept. */
static void redirect(struct web_stream *s)
{
    struct http_text *text = &s->text;

    http_text_growing(text, HTTP_LOCATION_MAX);
    web_list_add_url(text, s->path + strlen(s->tree->root));
    http_text_add(text, "/");
    http_text_add_bytes(text, s->query.at, s->query.bytes);
    s->stream.folder = (struct http_field){text->bytes, text->used};
    http_conn_found(s->stream.conn, text->failed ? 414 : 301);
}

static void on_path(struct fs_request *request)
{
    struct web_stream *s = answered(request);
    struct fs_file *file;

    if (!s)
        return;
    file = opened(s, FS_FILE);
    if (file)
        found_file(s, file);
    else if (request->status)
        lose(s, request->status);
    else if (s->files[0].stat.kind == FS_DIRECTORY)
        redirect(s);
    else
        lose(s, -XEN_ENOENT);
}

static void look(struct web_stream *s)
{
    s->path_bytes = strlen(s->path);
    if (s->path[s->path_bytes - 1] == '/') {
        strcat(s->path, INDEX);
        ask_open(s, on_index);
    } else {
        ask_open(s, on_path);
    }
}

/* ---- Reading */

static void queue_put(struct web_stream *s)
{
    list_append(&s->tree->waiting, &s->node);
    queue_start(s->tree);
}

/* Hand over the buffer's contents; the buffer is free afterwards. */
static void hand_over(struct web_stream *s)
{
    struct web_tree *tree = s->tree;
    struct web_buffer *buffer = s->buffer;

    tree->stats.pieces++;
    tree->stats.read_bytes += s->bytes;
    s->buffer = NULL;
    s->stream.piece = (struct http_field){buffer->bytes, s->bytes};
    http_conn_fetched(s->stream.conn);
    /* The stream may have been closed, but exists until its file is closed. */
    s->stream.piece.bytes = 0;
    buffer_release(tree, buffer);
}

/* The file is no longer what the head announced: the client must not take new
 * contents for the rest of it. */
static void change(struct web_stream *s)
{
    s->tree->stats.changed++;
    warn(s, "changed while it was read", 0);
    http_conn_failed(s->stream.conn);
}

static void on_compared(struct fs_request *request)
{
    struct web_stream *s = answered(request);
    const struct http_content *content;

    if (!s)
        return;
    content = &s->stream.content;
    if (request->status < 0)
        fail(s, request->status);
    else if (s->file->stat.bytes != content->bytes ||
             changed_s(s) != content->changed_s)
        change(s);
    else
        hand_over(s);
}

static void on_read(struct fs_request *request)
{
    struct web_stream *s = answered(request);

    if (!s)
        return;
    if (request->status < 0) {
        fail(s, request->status);
    } else if ((size_t)request->status < s->bytes) {
        change(s);
    } else if (s->file->mount->read_only) {
        hand_over(s);
    } else {
        s->is_asking = true;
        fs_fstat(&s->request, s->file, on_compared);
    }
}

/* A few more entries of a folder: s->at of them were listed. */
static void on_entries(struct fs_request *request)
{
    struct web_stream *s = answered(request);
    struct http_text *text;
    struct web_buffer *buffer;
    bool is_last;

    if (!s)
        return;
    if (request->status < 0) {
        fail(s, request->status);
        return;
    }
    text = &s->text;
    buffer = s->buffer;
    is_last = request->status == 0;
    web_list_begin(text, s->is_chunked);
    if (s->at == 0)
        web_list_head(text, s->path + strlen(s->tree->root));
    s->at += web_list_add(text, (const struct fs_entry *)buffer->bytes,
                          (unsigned)request->status);
    if (is_last)
        web_list_tail(text);
    s->buffer = NULL;
    if (web_list_end(text, s->is_chunked, is_last)) {
        s->stream.piece = (struct http_field){text->bytes, text->used};
        s->stream.has_ended = is_last;
        http_conn_fetched(s->stream.conn);
    } else {
        queue_put(s); /* they were all hidden */
    }
    buffer_release(s->tree, buffer);
}

static void ask_read(struct web_stream *s)
{
    s->is_asking = true;
    if (s->file->stat.kind == FS_DIRECTORY)
        fs_readdir(&s->request, s->file, (struct fs_entry *)s->buffer->bytes,
                   ENTRIES, s->at, on_entries);
    else
        fs_pread(&s->request, s->file, s->buffer->bytes, s->bytes, s->at,
                 on_read);
}

/* Give free buffers to waiting streams. */
static void queue_start(struct web_tree *tree)
{
    for (unsigned i = 0; i < WEB_BUFFERS; i++) {
        struct web_stream *s;

        if (tree->buffers[i].is_used)
            continue;
        s = list_take(&tree->waiting, struct web_stream, node);
        if (!s)
            return;
        tree->buffers[i].is_used = true;
        s->buffer = &tree->buffers[i];
        ask_read(s);
    }
}

/* Pieces end where those of a whole file would: so each block is read once. */
static void tree_fetch(struct http_stream *stream, uint64_t at, size_t bytes)
{
    struct web_stream *s = container_of(stream, struct web_stream, stream);
    size_t most = HTTP_PIECE_BYTES - at % HTTP_PIECE_BYTES;

    if (s->file->stat.kind == FS_FILE) {
        s->at = at;
        s->bytes = bytes < most ? bytes : most;
    }
    queue_put(s);
}

/* ---- The beginning of a stream */

static size_t fields_bytes(const struct http_wants *wants)
{
    return wants->if_match.bytes + wants->if_none_match.bytes +
           wants->if_range.bytes;
}

/* Copy the field's value to *to, and advance *to. */
static void keep(char **to, struct http_field *field)
{
    if (!field->at)
        return;
    memcpy(*to, field->at, field->bytes);
    field->at = *to;
    *to += field->bytes;
}

static struct web_stream *stream_create(struct web_tree *tree,
                                        struct http_conn *conn,
                                        const struct http_request *request)
{
    const struct http_wants *wants = &request->wants;
    struct http_field line = {NULL, 0};
    size_t path_room = strlen(tree->root) + strlen(request->path) +
                       sizeof("/" INDEX) + sizeof(LOST),
           size;
    struct web_stream *s;
    char *rest;

    if (tree->site->access)
        line = http_request_line(request);
    size = sizeof(*s) + path_room + fields_bytes(wants) + line.bytes +
           request->query.bytes;
    if (!http_site_claim(tree->site, size))
        return NULL;
    s = calloc(1, size);
    if (!s) {
        http_site_release(tree->site, size);
        return NULL;
    }
    s->tree = tree;
    s->claimed = size;
    s->is_chunked = !request->is_http10;
    s->stream.conn = conn;
    s->stream.wants = *wants;
    s->stream.line = line;
    s->query = request->query;
    s->stream.content.changed_s = HTTP_NO_DATE;
    rest = s->path + path_room;
    keep(&rest, &s->stream.wants.if_match);
    keep(&rest, &s->stream.wants.if_none_match);
    keep(&rest, &s->stream.wants.if_range);
    keep(&rest, &s->stream.line);
    keep(&rest, &s->query);
    strcpy(s->path, tree->root);
    tree->stats.open++;
    return s;
}

static int tree_open(struct http_tree *http_tree, struct http_conn *conn,
                     const struct http_request *request,
                     struct http_stream **stream)
{
    struct web_tree *tree = tree_of(http_tree);
    struct web_stream *s;

    if (tree->status)
        return 503;
    if (fields_bytes(&request->wants) > WEB_FIELDS_MAX)
        return 431;
    s = stream_create(tree, conn, request);
    if (!s)
        return 503;
    *stream = &s->stream;
    if (web_path_add(s->path, request->path))
        look(s);
    else
        lose(s, -XEN_ENOENT);
    return 0;
}

static void tree_close(struct http_stream *stream)
{
    struct web_stream *s = container_of(stream, struct web_stream, stream);

    s->stream.conn = NULL;
    if (list_has(&s->node))
        list_remove(&s->tree->waiting, &s->node);
    if (!s->is_asking)
        stream_end(s);
}

int web_tree_init(struct web_tree *tree, struct pages *pages)
{
    tree->tree = (struct http_tree){tree_open, tree_fetch, tree_close};
    list_init(&tree->waiting);
    for (unsigned i = 0; i < WEB_BUFFERS; i++) {
        tree->buffers[i].bytes =
            page_alloc(pages, HTTP_PIECE_BYTES / XEN_PAGE_SIZE);
        if (!tree->buffers[i].bytes) {
            web_tree_end(tree, pages);
            return -XEN_ENOMEM;
        }
    }
    return 0;
}

void web_tree_end(struct web_tree *tree, struct pages *pages)
{
    for (unsigned i = 0; i < WEB_BUFFERS; i++)
        if (tree->buffers[i].bytes)
            page_free(pages, tree->buffers[i].bytes,
                      HTTP_PIECE_BYTES / XEN_PAGE_SIZE);
    *tree = (struct web_tree){.status = -XEN_ENODEV};
}
