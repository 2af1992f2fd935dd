/* SPDX-License-Identifier: MIT */
/*
 * Any bytes, split anywhere, their answers taken in any steps: what comes out
 * is always a row of whole, well-formed responses, memory stays within the
 * site's budget, and all of it comes back.
 *
 * Input: up to the first NUL, one byte each for what happens next (how much
 * arrives, how much is taken, the clock, the end); after it, what the client
 * sends. The plan is repeated while there is something to send.
 */
// sources: http/http_conn.c http/http_request.c
// sources: http/http_chunk.c http/http_reply.c
// sources: http/http_field.c http/http_date.c
// sources: http/http_wants.c
// sources: http/http_site.c http/http_text.c pico

#include <stdint.h>

#include "http/http_conn.h"
#include "tests/unit/http_response.h"

#define BUFFERS_MAX (HTTP_PAGE_MAX + 4096)

#define check(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

static const struct http_file files[] = {
    {"/404.html", "/404.html", "text/html", "\"e404\"", "lost\n", 5},
    {"/d/index.html", "/d/index.html", "text/html", "\"ed\"", "docs", 4},
    {"/index.html", "/index.html", "text/html", "\"ei\"", "hello there", 11},
    {"/z", "/z", "text/plain", "\"ez\"", "", 0},
};

static void write_page(struct http_text *text, void *arg)
{
    (void)arg;
    http_text_add(text, "some page");
}

static const struct http_page pages[] = {{"/s", "text/plain", write_page}};

static struct http_site site;
static struct http_conn conn;

/* What was sent and not yet looked at; the response it belongs to. */
static char out[HTTP_REPLY_MAX + HTTP_PAGE_MAX];
static size_t out_bytes;
static bool is_head;

/* A response is complete: it must be one, and nothing else. */
static void check_response(void)
{
    struct response response = response_read(out, out_bytes, is_head);

    if (response.error || response.bytes != out_bytes)
        fprintf(stderr, "%s in:\n%.*s", response.error, (int)out_bytes, out);
    check(!response.error && response.bytes == out_bytes);
    out_bytes = 0;
}

static void take(size_t step)
{
    char buffer[HTTP_REPLY_MAX];
    struct server_piece piece;
    size_t len;

    if (!http_conn_output(&conn, buffer, &piece)) {
        check(!http_conn_has_output(&conn));
        return;
    }
    check(http_conn_has_output(&conn) && piece.len > 0);
    len = piece.is_whole || piece.len < step ? piece.len : step;
    check(out_bytes + len <= sizeof(out));
    memcpy(out + out_bytes, piece.bytes, len);
    out_bytes += len;
    is_head = conn.is_head;
    http_conn_taken(&conn, len);
    if (!http_conn_has_output(&conn))
        check_response();
}

static size_t receive(const uint8_t *bytes, size_t len)
{
    char *copy = malloc(len); /* so that reading past it is seen */
    size_t used;

    check(copy || !len);
    if (len)
        memcpy(copy, bytes, len);
    used = http_conn_receive(&conn, copy, len);
    check(used <= len);
    check(used == len || http_conn_has_output(&conn));
    free(copy);
    return used;
}

/* One step of the plan. Returns how many bytes were received. */
static size_t act(uint8_t what, const uint8_t *bytes, size_t len)
{
    size_t n = what & 0x3f;

    switch (what >> 6) {
    case 0:
        return receive(bytes, n + 1 < len ? n + 1 : len);
    case 1:
        return receive(bytes, 64 * (n + 1) < len ? 64 * (n + 1) : len);
    case 2:
        take(n + 1);
        return 0;
    default:
        if (n == 0)
            http_conn_timeout(&conn);
        if (n == 1)
            http_conn_finish(&conn);
        take(SIZE_MAX);
        return 0;
    }
}

static void run(const uint8_t *plan, size_t plan_len, const uint8_t *bytes,
                size_t len)
{
    size_t used = 0;

    for (size_t i = 0; used < len; i++) {
        used += act(plan[i % plan_len], bytes + used, len - used);
        check(site.buffers <= BUFFERS_MAX);
        if (i % plan_len == plan_len - 1) { /* any plan gets on */
            take(SIZE_MAX);
            used += receive(bytes + used, len - used ? 1 : 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t whole[] = {0x7f, 0xff};
    const uint8_t *nul = memchr(data, 0, size);
    size_t plan_len = nul ? (size_t)(nul - data) : 0;

    site = (struct http_site){
        .files = files,
        .nr_files = sizeof(files) / sizeof(files[0]),
        .pages = pages,
        .nr_pages = 1,
        .policy = HTTP_POLICY,
        .buffers_max = BUFFERS_MAX,
    };
    out_bytes = 0;
    http_conn_init(&conn, &site);
    if (nul && plan_len)
        run(data, plan_len, nul + 1, size - plan_len - 1);
    else
        run(whole, sizeof(whole), data, size);
    while (http_conn_has_output(&conn))
        take(SIZE_MAX);
    http_conn_end(&conn);
    check(site.buffers == 0);
    return 0;
}
