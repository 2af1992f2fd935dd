/* SPDX-License-Identifier: MIT */
/* HTTP without a network: what each request is answered with, however its
 * bytes arrive and however slowly the answer is taken. */
// sources: http/http_conn.c http/http_request.c
// sources: http/http_chunk.c http/http_reply.c
// sources: http/http_field.c http/http_date.c
// sources: http/http_wants.c
// sources: http/http_site.c http/http_text.c pico

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/http_conn.h"
#include "tests/unit/http_response.h"

/* ---- A site */

#define HTML "text/html; charset=utf-8"

static char big[100000];

static const struct http_file files[] = {
    {"/404.html", "/404.html", HTML, "\"e404\"", "lost\n", 5},
    {"/a b.txt", "/a%20b.txt", "text/plain", "\"eab\"", "blank", 5},
    {"/big", "/big", "application/octet-stream", "\"ebig\"", big, sizeof(big)},
    {"/docs/index.html", "/docs/index.html", HTML, "\"edocs\"", "docs", 4},
    {"/empty", "/empty", "text/plain", "\"eempty\"", "", 0},
    {"/index.html", "/index.html", HTML, "\"eindex\"", "hello", 5},
    {"/\xc3\xa4/index.html", "/%C3%A4/index.html", HTML, "\"eae\"", "ae", 2},
};

static void write_page(struct http_text *text, void *arg)
{
    http_text_add(text, "page ", (const char *)arg);
}

static void write_endless(struct http_text *text, void *arg)
{
    (void)arg;
    while (!text->failed)
        http_text_add(text, "more and more ");
}

static const struct http_page pages[] = {
    {"/status", HTML, write_page},
    {"/endless", HTML, write_endless},
};

static int64_t wall;

static int64_t wall_s(void)
{
    return wall;
}

static char accesses[4096];

static void access_note(const struct http_conn *c, struct http_field line,
                        int status)
{
    size_t used = strlen(accesses);

    (void)c;
    snprintf(accesses + used, sizeof(accesses) - used, "%.*s %d\n",
             line.at ? (int)line.bytes : 1, line.at ? line.at : "-", status);
}

static struct http_site site;
static struct http_conn conn;

/* What the connection sent, and how much of it the test has read. */
static char out[400000];
static size_t out_bytes, read_bytes;

static int setup(void **state)
{
    (void)state;
    memset(big, 'b', sizeof(big));
    wall = 0;
    accesses[0] = '\0';
    out_bytes = read_bytes = 0;
    site = (struct http_site){
        .files = files,
        .nr_files = sizeof(files) / sizeof(files[0]),
        .pages = pages,
        .nr_pages = sizeof(pages) / sizeof(pages[0]),
        .pages_arg = "seven",
        .wall_s = wall_s,
        .policy = HTTP_POLICY,
        .access = access_note,
        .buffers_max = 65536,
    };
    http_conn_init(&conn, &site);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_conn_end(&conn);
    assert_int_equal(site.buffers, 0);
    return 0;
}

/* ---- A client */

/* Take all there is to send, at most `step` bytes at a time. */
static void take_output(size_t step)
{
    char buffer[HTTP_REPLY_MAX];
    struct server_piece piece;
    size_t len;

    while (http_conn_output(&conn, buffer, &piece)) {
        assert_true(http_conn_has_output(&conn));
        assert_true(piece.len > 0);
        len = piece.is_whole || piece.len < step ? piece.len : step;
        assert_true(out_bytes + len < sizeof(out));
        memcpy(out + out_bytes, piece.bytes, len);
        out_bytes += len;
        http_conn_taken(&conn, len);
    }
    assert_false(http_conn_has_output(&conn));
    out[out_bytes] = '\0';
}

/* Send the bytes in pieces of `split`, taking every answer at once. */
static void say_split(const char *bytes, size_t len, size_t split)
{
    size_t used, n;
    char *copy;

    while (len) {
        n = len < split ? len : split;
        copy = malloc(n); /* reading past it is seen */
        memcpy(copy, bytes, n);
        used = 0;
        while (used < n) {
            used += http_conn_receive(&conn, copy + used, n - used);
            assert_true(used == n || http_conn_has_output(&conn));
            take_output(SIZE_MAX);
        }
        free(copy);
        bytes += n;
        len -= n;
    }
}

static void say(const char *text)
{
    say_split(text, strlen(text), SIZE_MAX);
}

/* The next answer in what was sent. */
static struct response answer(bool is_head)
{
    struct response response =
        response_read(out + read_bytes, out_bytes - read_bytes, is_head);

    if (response.error)
        fail_msg("%s in:\n%s", response.error, out + read_bytes);
    read_bytes += response.bytes;
    return response;
}

static void restart(void)
{
    http_conn_end(&conn);
    http_conn_init(&conn, &site);
    out_bytes = read_bytes = 0;
    out[0] = '\0';
}

/* The only answer to a text on a new connection. */
static struct response ask(const char *text)
{
    struct response response;

    restart();
    say(text);
    response = answer(!strncmp(text, "HEAD ", 5));
    if (read_bytes != out_bytes)
        fail_msg("a second answer:\n%s", out + read_bytes);
    return response;
}

#define H         "Host: x\r\n"
#define END       "\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H END

static void assert_body(const struct response *response, const char *body)
{
    assert_int_equal(response->body_bytes, strlen(body));
    assert_memory_equal(response->body, body, strlen(body));
}

static void assert_field(const struct response *response, const char *name,
                         const char *value)
{
    if (!response_has(response, name, value))
        fail_msg("%s is not \"%s\" in:\n%s", name, value, out);
}

/* ---- Files and pages */

static void test_get_file(void **state)
{
    struct response response = ask(GET("/index.html"));

    (void)state;
    assert_int_equal(response.status, 200);
    assert_body(&response, "hello");
    assert_field(&response, "Content-Type", HTML);
    assert_field(&response, "ETag", "\"eindex\"");
    assert_field(&response, "Cache-Control", "no-cache");
    assert_field(&response, "Connection", NULL);
    assert_field(&response, "Date", NULL);
    assert_int_equal(conn.state, HTTP_IDLE);
    assert_false(response_has(&response, "Content-Security-Policy", NULL));
}

static void test_head_has_no_body(void **state)
{
    static const char *const paths[] = {"/", "/big", "/missing", "/docs",
                                        "/status"};
    char request[64];
    size_t length;

    (void)state;
    for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        snprintf(request, sizeof(request), "HEAD %s HTTP/1.1\r\n" H END,
                 paths[i]);
        ask(request);
        assert_int_equal(conn.state, HTTP_IDLE);
    }
    length = out_bytes;
    ask(GET("/status"));
    assert_int_equal(out_bytes, length + strlen("page seven"));
}

static void test_lost_page(void **state)
{
    struct response response = ask(GET("/missing"));

    (void)state;
    assert_int_equal(response.status, 404);
    assert_body(&response, "lost\n");
    assert_field(&response, "ETag", NULL);
    assert_field(&response, "Cache-Control", "no-store");
    assert_field(&response, "Connection", NULL);
}

static void test_lost_without_a_page(void **state)
{
    struct response response;

    (void)state;
    site.files++;
    site.nr_files--;
    response = ask(GET("/missing"));
    assert_int_equal(response.status, 404);
    assert_body(&response, "404 Not Found\n");
    assert_field(&response, "Content-Type", "text/plain; charset=utf-8");
}

static void test_folder_redirects(void **state)
{
    struct response response = ask(GET("/docs"));

    (void)state;
    assert_int_equal(response.status, 301);
    assert_field(&response, "Location", "/docs/");
    response = ask(GET("/%c3%a4?x=1"));
    assert_field(&response, "Location", "/%C3%A4/?x=1");
    assert_int_equal(site.buffers, 0);
    response = ask(GET("/docs?"));
    assert_field(&response, "Location", "/docs/?");
    response = ask(GET("/docs?a=%22&b=/../x?%zz"));
    assert_field(&response, "Location", "/docs/?a=%22&b=/../x?%zz");
    response = ask(GET("http://x/docs?q"));
    assert_field(&response, "Location", "/docs/?q");
}

/* A redirect that would be longer than heads are. */
static void test_redirect_with_a_long_query(void **state)
{
    char request[HTTP_TARGET_MAX + 100];
    struct response response;

    (void)state;
    for (int bytes = 900; bytes < HTTP_TARGET_MAX - 10; bytes += 41) {
        snprintf(request, sizeof(request), "GET /docs?%0*d HTTP/1.1\r\n" H END,
                 bytes, 0);
        response = ask(request);
        assert_int_equal(response.status,
                         bytes + 7 < HTTP_LOCATION_MAX ? 301 : 414);
        assert_int_equal(site.buffers, 0);
    }
    site.buffers_max = 1000;
    assert_int_equal(ask(GET("/docs?q")).status, 503);
}

static void test_empty_file(void **state)
{
    struct response response = ask(GET("/empty"));

    (void)state;
    assert_int_equal(response.status, 200);
    assert_field(&response, "Content-Length", "0");
    assert_int_equal(conn.state, HTTP_IDLE);
}

static void test_generated_page(void **state)
{
    struct response response = ask(GET("/status"));

    (void)state;
    assert_int_equal(response.status, 200);
    assert_body(&response, "page seven");
    assert_field(&response, "Cache-Control", "no-store");
    assert_field(&response, "ETag", NULL);
    assert_int_equal(site.buffers, 0);
}

static void test_page_too_large_or_no_budget(void **state)
{
    (void)state;
    assert_int_equal(ask(GET("/endless")).status, 503);
    assert_int_equal(site.buffers, 0);
    site.buffers_max = HTTP_PAGE_MAX - 1;
    assert_int_equal(ask(GET("/status")).status, 503);
    assert_int_equal(ask(GET("/")).status, 200);
}

static void test_paths(void **state)
{
    static const struct {
        const char *target;
        int status;
    } cases[] = {
        {"/", 200},
        {"/?query", 200},
        {"/index.html?a=b&c=%zz", 200},
        {"/docs/", 200},
        {"/docs/index.html", 200},
        {"/docs/.", 200},
        {"/docs/./", 200},
        {"/docs/../docs/", 200},
        {"/docs/..", 200},
        {"/docs/../", 200},
        {"/docs/../index.html", 200},
        {"/x/y/../../index.html", 200},
        {"/%69ndex.html", 200},
        {"/docs%2Findex.html", 200},
        {"/a%20b.txt", 200},
        {"/%C3%a4/", 200},
        {"/.", 200},
        {"/./index.html", 200},
        {"http://x/", 200},
        {"http://x", 200},
        {"HTTP://x:80/index.html", 200},
        {"http://[::1]:80/index.html", 200},
        {"http://x?query", 200},
        {"/404.html", 200},
        {"//", 404},
        {"//index.html", 404},
        {"/index.html/", 404},
        {"/INDEX.HTML", 404},
        {"/a+b.txt", 404},
        {"/...", 404},
        {"/..x", 404},
        {"/docs\\index.html", 404},
        {"/%01", 404},
        {"/status/", 404},
        {"/..", 400},
        {"/../", 400},
        {"/../index.html", 400},
        {"/docs/../../index.html", 400},
        {"/%2e%2e/index.html", 400},
        {"/%2E./index.html", 400},
        {"/docs%2f..%2F..%2findex.html", 400},
        {"/.././../etc/passwd", 400},
        {"/%", 400},
        {"/%2", 400},
        {"/%2x", 400},
        {"/%00", 400},
        {"/index.html%00.txt", 400},
        {"/#x", 400},
        {"*", 400},
        {"index.html", 400},
        {"?", 400},
        {"http://", 400},
        {"http:///", 400},
        {"http://user@x/", 400},
        {"https://x/", 400},
        {"ftp://x/", 400},
        {"/\xc3\xa4/", 400},
        {"/\xb6", 400},
        {"/?\xb6", 400},
        {"/?\xc3\xa4", 400},
        {"/?a\"b", 400},
        {"/?<b>", 400},
        {"/?a#b", 400},
        {"/\"", 400},
        {"/<>", 400},
        {"http://x/?\xff", 400},
        {"/?[a]={b|c}^`\\'~!$&()*+,;:@%zz%", 200}, /* browsers do */
        {"/a|b", 404},
    };
    char request[256];

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct response response;

        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" H END,
                 cases[i].target);
        response = ask(request);
        if (response.status != cases[i].status)
            fail_msg("%s: %d", cases[i].target, response.status);
    }
}

static void test_if_none_match(void **state)
{
    static const struct {
        const char *value;
        int status;
    } cases[] = {
        {"\"eindex\"", 304},
        {"W/\"eindex\"", 304},
        {"\"other\", \"eindex\"", 304},
        {" \"other\" ,W/\"eindex\" ", 304},
        {"*", 304},
        {"\"other\"", 200},
        {"eindex", 200},
        {"\"eindex", 200},
        {"\"\"", 200},
        {",,,", 200},
        {"", 200},
    };
    char request[256];

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct response response;

        snprintf(request, sizeof(request),
                 "GET / HTTP/1.1\r\n" H "If-None-Match: %s\r\n\r\n",
                 cases[i].value);
        response = ask(request);
        if (response.status != cases[i].status)
            fail_msg("%s: %d", cases[i].value, response.status);
        assert_field(&response, "ETag", "\"eindex\"");
        assert_int_equal(response.body_bytes, cases[i].status == 200 ? 5 : 0);
    }
    assert_int_equal(
        ask("GET /missing HTTP/1.1\r\n" H "If-None-Match: *\r\n\r\n").status,
        404);
}

/* ---- Parts and conditions */

static struct response ask_with(const char *target, const char *fields)
{
    char request[600];

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" H "%s" END, target,
             fields);
    return ask(request);
}

static void test_ranges(void **state)
{
    static const struct {
        const char *range;
        int status;
        const char *body, *content_range;
    } cases[] = {
        {"bytes=0-0", 206, "h", "bytes 0-0/5"},
        {"bytes=1-3", 206, "ell", "bytes 1-3/5"},
        {"bytes=2-", 206, "llo", "bytes 2-4/5"},
        {"bytes=4-4000", 206, "o", "bytes 4-4/5"},
        {"bytes=-2", 206, "lo", "bytes 3-4/5"},
        {"bytes=-9", 206, "hello", "bytes 0-4/5"},
        {"bytes=0-99999999999999999999999", 206, "hello", "bytes 0-4/5"},
        {"BYTES = 1-1", 206, "e", "bytes 1-1/5"},
        {"bytes=5-", 416, NULL, "bytes */5"},
        {"bytes=99999999999999999999999-", 416, NULL, "bytes */5"},
        {"bytes=-0", 416, NULL, "bytes */5"},
        {"bytes=0-1,3-4", 200, "hello", NULL},
        {"bytes=3-1", 200, "hello", NULL},
        {"bytes=", 200, "hello", NULL},
        {"bytes=-", 200, "hello", NULL},
        {"bytes=a-", 200, "hello", NULL},
        {"bytes=1-2x", 200, "hello", NULL},
        {"bytes", 200, "hello", NULL},
        {"lines=0-1", 200, "hello", NULL},
        {"bytes=0-1\r\nRange: bytes=2-3", 200, "hello", NULL},
    };
    char field[100];

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct response response;

        snprintf(field, sizeof(field), "Range: %s\r\n", cases[i].range);
        response = ask_with("/", field);
        if (response.status != cases[i].status)
            fail_msg("%s: %d", cases[i].range, response.status);
        if (cases[i].body)
            assert_body(&response, cases[i].body);
        assert_field(&response, "Content-Range", cases[i].content_range);
        assert_field(&response, "ETag",
                     cases[i].status == 416 ? NULL : "\"eindex\"");
    }
}

static void test_ranges_where_there_are_none(void **state)
{
    struct response response;

    (void)state;
    response = ask("HEAD / HTTP/1.1\r\n" H "Range: bytes=1-2\r\n" END);
    assert_int_equal(response.status, 200);
    assert_field(&response, "Content-Length", "5");
    assert_field(&response, "Accept-Ranges", "bytes");
    response = ask_with("/status", "Range: bytes=1-2\r\n");
    assert_int_equal(response.status, 200);
    assert_field(&response, "Accept-Ranges", NULL);
    response = ask_with("/missing", "Range: bytes=1-2\r\n");
    assert_int_equal(response.status, 404);
    assert_body(&response, "lost\n");
    assert_int_equal(ask_with("/empty", "Range: bytes=0-\r\n").status, 416);
    assert_int_equal(ask_with("/empty", "Range: bytes=-1\r\n").status, 200);
}

static void test_range_of_a_large_file(void **state)
{
    struct response response;

    (void)state;
    for (unsigned i = 0; i < sizeof(big); i++)
        big[i] = (char)(i % 251);
    response = ask_with("/big", "Range: bytes=1000-99998\r\n");
    assert_int_equal(response.status, 206);
    assert_int_equal(response.body_bytes, 98999);
    assert_memory_equal(response.body, big + 1000, 98999);
}

static void test_conditions(void **state)
{
    static const struct {
        const char *fields;
        int status;
    } cases[] = {
        {"If-Match: \"eindex\"\r\n", 200},
        {"If-Match: *\r\n", 200},
        {"If-Match: \"a\", \"eindex\"\r\n", 200},
        {"If-Match: W/\"eindex\"\r\n", 412}, /* a strong comparison */
        {"If-Match: \"other\"\r\n", 412},
        {"If-Match: \"other\"\r\nIf-None-Match: \"eindex\"\r\n", 412},
        {"If-Match: \"eindex\"\r\nIf-None-Match: \"eindex\"\r\n", 304},
        {"If-Match: \"other\"\r\nRange: bytes=1-2\r\n", 412},
        {"If-None-Match: \"eindex\"\r\nRange: bytes=1-2\r\n", 304},
        {"If-Range: \"eindex\"\r\nRange: bytes=1-2\r\n", 206},
        {"If-Range: W/\"eindex\"\r\nRange: bytes=1-2\r\n", 200},
        {"If-Range: \"other\"\r\nRange: bytes=1-2\r\n", 200},
        {"If-Range: \"other\"\r\nRange: bytes=9-\r\n", 200},
        {"If-Range: \r\nRange: bytes=1-2\r\n", 200},
        {"If-Range: \"eindex\"\r\n", 200},
        /* An embedded file has no date. */
        {"If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT\r\n", 200},
        {"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 200},
        {"If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\nRange: bytes=1-2\r\n",
         200},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (ask_with("/", cases[i].fields).status != cases[i].status)
            fail_msg("not %d: %s", cases[i].status, cases[i].fields);
}

static void test_date(void **state)
{
    struct response response;

    (void)state;
    wall = 1795237315;
    response = ask(GET("/"));
    assert_field(&response, "Date", "Sat, 21 Nov 2026 05:01:55 GMT");
    wall = 951782400;
    response = ask(GET("/missing"));
    assert_field(&response, "Date", "Tue, 29 Feb 2000 00:00:00 GMT");
}

/* ---- Methods, versions, fields */

static void test_statuses(void **state)
{
    static const struct {
        const char *request;
        int status;
        bool close;
    } cases[] = {
        /* Methods: a sound request costs no connection. */
        {"POST / HTTP/1.1\r\n" H END, 405, false},
        {"PUT /x HTTP/1.1\r\n" H END, 405, false},
        {"DELETE / HTTP/1.1\r\n" H END, 405, false},
        {"OPTIONS * HTTP/1.1\r\n" H END, 405, false},
        {"CONNECT x:443 HTTP/1.1\r\n" H END, 405, false},
        {"TRACE / HTTP/1.1\r\n" H END, 405, false},
        {"PATCH / HTTP/1.1\r\n" H END, 405, false},
        {"BREW / HTTP/1.1\r\n" H END, 501, false},
        {"get / HTTP/1.1\r\n" H END, 501, false},
        {"M-SEARCH * HTTP/1.1\r\n" H END, 501, false},
        {"GE(T / HTTP/1.1\r\n" H END, 400, true},
        {"G\xc3\xa4T / HTTP/1.1\r\n" H END, 400, true},
        /* Versions */
        {"GET / HTTP/2.0\r\n" H END, 505, true},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, true},
        {"GET / HTTP/0.9\r\n" H END, 505, true},
        {"GET / HTTP/3.1\r\n" H END, 505, true},
        {"GET / HTTP/1.2\r\n" H END, 200, false},
        {"GET / HTTP/1.11\r\n" H END, 400, true},
        {"GET / http/1.1\r\n" H END, 400, true},
        {"GET / HTTP/1.x\r\n" H END, 400, true},
        {"GET /\r\n\r\n", 400, true},
        {"GET / \r\n\r\n", 400, true},
        {"GET / H\r\n\r\n", 400, true},
        {"GET / HTTP/1.1 \r\n" H END, 400, true},
        {"GET  / HTTP/1.1\r\n" H END, 400, true},
        {" GET / HTTP/1.1\r\n" H END, 400, true},
        {"GET\t/ HTTP/1.1\r\n" H END, 400, true},
        {"\x16\x03\x01\x02\x01\x01\xfc\x03\x03", 400, true}, /* TLS */
        /* Before a request empty lines are nothing. */
        {"\r\n\r\n\n" GET("/"), 200, false},
        /* Host */
        {"GET / HTTP/1.1\r\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\n" H H END, 400, true},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\nHost: u@b\r\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 200, false},
        {"GET / HTTP/1.1\r\nHOST:\t[::1]:80\t \r\n\r\n", 200, false},
        {"GET / HTTP/1.0\r\n" H H END, 400, true},
        /* Connection */
        {"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 200, true},
        {"GET / HTTP/1.1\r\n" H "Connection: x, CLOSE\r\n\r\n", 200, true},
        {"GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n", 200, false},
        {"GET / HTTP/1.0\r\n\r\n", 200, true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", 200, true},
        /* Fields */
        {"GET / HTTP/1.1\r\n" H "X: \xff\x80\t ok\r\n\r\n", 200, false},
        {"GET / HTTP/1.1\r\n" H "X\xff: 1\r\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\n" H "X : 1\r\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\n" H ": 1\r\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\n" H "X\r\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\n X: a\r\n" H END, 400, true},
        {"GET / HTTP/1.1\n" H END, 400, true},
        {"GET / HTTP/1.1\r\nHost: x\n\r\n", 400, true},
        {"GET / HTTP/1.1\r\n" H "\n", 400, true},
        {"GET / HTTP/1.1\r\n" H "Expect: a-miracle\r\n\r\n", 417, true},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct response response = ask(cases[i].request);

        if (response.status != cases[i].status)
            fail_msg("%s%d", cases[i].request, response.status);
        if (cases[i].close != (conn.state == HTTP_DONE) ||
            cases[i].close != response_has(&response, "Connection", "close"))
            fail_msg("%sclose: %d", cases[i].request, conn.state);
    }
}

static void test_nul_is_refused(void **state)
{
    static const char in_field[] = "GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n";
    static const char in_line[] = "GET /\0 HTTP/1.1\r\n" H "\r\n";

    (void)state;
    say_split(in_field, sizeof(in_field) - 1, SIZE_MAX);
    assert_int_equal(answer(false).status, 400);
    restart();
    say_split(in_line, sizeof(in_line) - 1, SIZE_MAX);
    assert_int_equal(answer(false).status, 400);
}

static void test_http10_is_told_that_it_goes_on(void **state)
{
    struct response response =
        ask("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");

    (void)state;
    assert_field(&response, "Connection", "keep-alive");
}

/* ---- Limits */

/* A head of exactly `bytes`, filled up with a field. */
static void head_of(char *head, size_t bytes, const char *start)
{
    size_t used = (size_t)sprintf(head, "%sX: ", start);

    memset(head + used, 'x', bytes - used - 4);
    strcpy(head + bytes - 4, "\r\n\r\n");
}

static void test_head_limit(void **state)
{
    static char head[HTTP_HEAD_MAX + 2];

    (void)state;
    head_of(head, HTTP_HEAD_MAX, "GET / HTTP/1.1\r\n" H);
    assert_int_equal(ask(head).status, 200);
    head_of(head, HTTP_HEAD_MAX + 1, "GET / HTTP/1.1\r\n" H);
    assert_int_equal(ask(head).status, 431);
    assert_int_equal(conn.state, HTTP_DONE);
    restart();
    say_split(head, HTTP_HEAD_MAX + 1, 7);
    assert_int_equal(answer(false).status, 431);
}

static void test_target_limit(void **state)
{
    static char request[3 * HTTP_HEAD_MAX];
    size_t used = (size_t)sprintf(request, "GET /?");

    (void)state;
    memset(request + used, 'q', HTTP_TARGET_MAX - 2);
    strcpy(request + used + HTTP_TARGET_MAX - 2, " HTTP/1.1\r\n" H END);
    assert_int_equal(ask(request).status, 200);
    memset(request + used, 'q', HTTP_TARGET_MAX - 1);
    strcpy(request + used + HTTP_TARGET_MAX - 1, " HTTP/1.1\r\n" H END);
    assert_int_equal(ask(request).status, 414);
    assert_int_equal(conn.state, HTTP_IDLE);
    memset(request + used, 'q', 2 * HTTP_HEAD_MAX); /* no end of line */
    request[used + 2 * HTTP_HEAD_MAX] = '\0';
    assert_int_equal(ask(request).status, 414);
    assert_int_equal(conn.state, HTTP_DONE);
}

static void test_path_fills_its_buffer(void **state)
{
    static char request[2 * HTTP_TARGET_MAX];
    size_t used = (size_t)sprintf(request, "GET /");

    (void)state;
    memset(request + used, 'p', HTTP_TARGET_MAX - 1);
    strcpy(request + used + HTTP_TARGET_MAX - 1, " HTTP/1.1\r\n" H END);
    assert_int_equal(ask(request).status, 404);
}

static void test_fields_limit(void **state)
{
    static char request[HTTP_HEAD_MAX];
    unsigned nr;

    (void)state;
    for (nr = HTTP_FIELDS_MAX - 1; nr <= HTTP_FIELDS_MAX; nr++) {
        strcpy(request, "GET / HTTP/1.1\r\n" H);
        for (unsigned i = 0; i < nr; i++)
            strcat(request, "X: y\r\n");
        strcat(request, "\r\n");
        assert_int_equal(ask(request).status, nr < HTTP_FIELDS_MAX ? 200 : 431);
    }
}

static void test_heads_share_a_budget(void **state)
{
    static char head[HTTP_HEAD_MAX];

    (void)state;
    head_of(head, 4000, "GET / HTTP/1.1\r\n" H);
    say_split(head, 3999, 100);
    assert_int_equal(conn.state, HTTP_HEAD);
    assert_in_range(site.buffers, 3999, 4096);
    say_split(head + 3999, 1, 1);
    assert_int_equal(answer(false).status, 200);
    assert_int_equal(site.buffers, 0);

    restart();
    site.buffers_max = 2048;
    say_split(head, 4000, 1000);
    assert_int_equal(answer(false).status, 503);
    assert_int_equal(conn.state, HTTP_DONE);
    assert_int_equal(site.buffers, 0);
    restart();
    site.buffers_max = 0;
    say_split(head, 4000, 1000);
    assert_int_equal(answer(false).status, 503);
}

/* ---- Bodies */

static void test_body_is_skipped(void **state)
{
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nGET /" GET("/"),
        "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n"
        "\r\nabcde" GET("/"),
        "POST / HTTP/1.1\r\n" H "Content-Length:  00005 \r\n\r\nabcde" GET("/"),
        "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n" GET("/"),
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n"
        "5\r\nGET /\r\n0\r\n\r\n" GET("/"),
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
        "00a;x=\"y\"\r\n0\r\n\r\n0\r\n\r\n\r\n1;a\r\nx\r\n"
        "1 ; a\t;b=c;d = e ;f=\"\"\r\nx\r\n"
        "1;g=\"\\\"; h=\\\\\t\xb6\";i=\"j\" \t;k\r\nx\r\n"
        "0;last\r\nTrailer: 1\r\nX:\r\n\r\n" GET("/"),
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        for (size_t split = 1; split < 40; split++) {
            restart();
            say_split(requests[i], strlen(requests[i]), split);
            assert_int_equal(answer(false).status, 405);
            assert_int_equal(answer(false).status, 200);
            assert_int_equal(read_bytes, out_bytes);
            assert_int_equal(conn.state, HTTP_IDLE);
        }
    }
}

/* Each could be read in two ways: one answer, and nothing after it is read. */
static void test_smuggling(void **state)
{
#define POST "POST / HTTP/1.1\r\n" H
#define TE   "Transfer-Encoding: chunked\r\n"
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {POST TE "Content-Length: 5\r\n\r\n0\r\n\r\n", 400},
        {POST "Content-Length: 5\r\n" TE "\r\n0\r\n\r\n", 400},
        {POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400},
        {POST "Content-Length: 5, 5\r\n\r\nabcde", 400},
        {POST "Content-Length: +5\r\n\r\nabcde", 400},
        {POST "Content-Length: -5\r\n\r\nabcde", 400},
        {POST "Content-Length: 0x5\r\n\r\nabcde", 400},
        {POST "Content-Length: 5 5\r\n\r\nabcde", 400},
        {POST "Content-Length:\r\n\r\n", 400},
        {POST "Content-Length: 18446744073709551621\r\n\r\nabcde", 413},
        {POST "Content-Length : 5\r\n\r\nabcde", 400},
        {POST TE TE "\r\n0\r\n\r\n", 400},
        {POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
        {POST "Transfer-Encoding: gzip\r\n" TE "\r\n0\r\n\r\n", 501},
        {POST "Transfer-Encoding: ,gzip,, chunked ,\r\n\r\n0\r\n\r\n", 501},
        {POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400},
        {POST TE "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 400},
        {POST TE "Transfer-Encoding:\r\nContent-Length: 5\r\n\r\n", 400},
        {POST "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 400},
        {POST "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n", 400},
        {POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400},
        {POST "Transfer-Encoding: gzip, chunked, chunked\r\n\r\n0\r\n", 400},
        {POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400},
        {POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400},
        {POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400},
        {POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
        {POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400},
        {POST "Transfer-Encoding: ,\r\n\r\n0\r\n\r\n", 400},
        {POST "Transfer-Encoding: \x0b"
              "chunked\r\n\r\n0\r\n\r\n",
         400},
        {POST "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST / HTTP/1.0\r\n" H TE "\r\n0\r\n\r\n", 400},
        /* Chunked framing */
        {POST TE "\r\n5\nabcde\r\n0\r\n\r\n", 400},
        {POST TE "\r\n5;x\nabcde\r\n0\r\n\r\n", 400},
        {POST TE "\r\n5\r\nabcdef\r\n0\r\n\r\n", 400},
        {POST TE "\r\n5\r\nabcde\n0\r\n\r\n", 400},
        {POST TE "\r\n5\r\nabcde\r\r\n0\r\n\r\n", 400},
        {POST TE "\r\n 5\r\nabcde\r\n0\r\n\r\n", 400},
        {POST TE "\r\n5 \r\nabcde\r\n0\r\n\r\n", 400},
        {POST TE "\r\n-1\r\n", 400},
        {POST TE "\r\n0x5\r\nabcde\r\n0\r\n\r\n", 400},
        {POST TE "\r\n\r\n", 400},
        {POST TE "\r\n;x\r\n", 400},
        {POST TE "\r\n00000000000000000\r\n\r\n", 400},
        {POST TE "\r\nfffffffffffffffff\r\n", 413},
        {POST TE "\r\n20000\r\n", 413},
        {POST TE "\r\n0\r\nX: \x01\r\n\r\n", 400},
        {POST TE "\r\n0\r\nX: y\n\r\n", 400},
        {POST TE "\r\n0\r\n\n", 400},
        /* Chunk extensions, and trailers */
        {POST TE "\r\n2;\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2; \r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;;a\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;=b\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;a=\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;a=;b\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;a=\"\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;a=\"b\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;a=b\"\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;a=\"b\\\"\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;a=\"b\"c\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;\"a\"=b\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;a b\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;a=b=c\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;a \r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;a=b \r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2;\xb6\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n2 3\r\nab\r\n0\r\n\r\n", 400},
        {POST TE "\r\n0;\r\n\r\n", 400},
        {POST TE "\r\n0\r\nnothing\r\n\r\n", 400},
        {POST TE "\r\n0\r\n: x\r\n\r\n", 400},
        {POST TE "\r\n0\r\nX : y\r\n\r\n", 400},
        {POST TE "\r\n0\r\nX: y\r\n z\r\n\r\n", 400},
    };
    char request[512];

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t split = 1; split < sizeof(request); split += split) {
            struct response response;

            snprintf(request, sizeof(request), "%s%s", cases[i].request,
                     GET("/"));
            restart();
            say_split(request, strlen(request), split);
            response = answer(false);
            if (response.status != cases[i].status)
                fail_msg("%s%d", request, response.status);
            if (read_bytes != out_bytes || conn.state != HTTP_DONE)
                fail_msg("%sa second answer", request);
            assert_field(&response, "Connection", "close");
        }
    }
}

static void test_body_limit(void **state)
{
    static char body[2 * HTTP_BODY_MAX];
    char head[128];

    (void)state;
    memset(body, 'x', sizeof(body));
    snprintf(head, sizeof(head), POST "Content-Length: %d\r\n\r\n",
             HTTP_BODY_MAX);
    restart();
    say(head);
    say_split(body, HTTP_BODY_MAX, 1460);
    assert_int_equal(answer(false).status, 405);
    assert_int_equal(conn.state, HTTP_IDLE);

    snprintf(head, sizeof(head), POST "Content-Length: %d\r\n\r\n",
             HTTP_BODY_MAX + 1);
    assert_int_equal(ask(head).status, 413);
    assert_int_equal(conn.state, HTTP_DONE);
    say_split(body, sizeof(body), 1460); /* thrown away, not answered */
    assert_int_equal(read_bytes, out_bytes);

    restart();
    say(POST TE "\r\n10000\r\n");
    say_split(body, sizeof(body), 1460);
    assert_int_equal(answer(false).status, 413);
    assert_int_equal(read_bytes, out_bytes);

    restart(); /* all framing, no content */
    say(POST TE "\r\n1;");
    say_split(body, sizeof(body), 1460);
    assert_int_equal(answer(false).status, 413);
}

static void test_expect_continue(void **state)
{
    (void)state;
    say("GET / HTTP/1.1\r\n" H
        "Expect: 100-Continue\r\nContent-Length: 4\r\n\r\n");
    assert_int_equal(answer(false).status, 100);
    assert_int_equal(read_bytes, out_bytes);
    say("abcd" GET("/docs/"));
    assert_int_equal(answer(false).status, 200);
    assert_int_equal(answer(false).status, 200);
    assert_int_equal(read_bytes, out_bytes);

    /* The body came at once: nobody needs to be asked for it. */
    restart();
    say("GET / HTTP/1.1\r\n" H
        "Expect: 100-continue\r\nContent-Length: 4\r\n\r\nabcd");
    assert_int_equal(answer(false).status, 200);
    assert_int_equal(read_bytes, out_bytes);

    /* Without a body there is nothing to wait for; 1.0 knows no such thing. */
    assert_int_equal(
        ask("GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n").status, 200);
    restart();
    say("GET / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\n");
    assert_int_equal(out_bytes, 0);
    say("x");
    assert_int_equal(answer(false).status, 200);
}

/* An error is told at once, and the body may or may not come. */
static void test_expect_refused(void **state)
{
    static const char *const requests[] = {
        POST "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n",
        POST TE "Expect: 100-continue\r\n\r\n",
        "GET /missing HTTP/1.1\r\n" H
        "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_in_range(ask(requests[i]).status, 404, 405);
        assert_int_equal(conn.state, HTTP_DONE);
    }
}

/* ---- In pieces */

static void test_split_anywhere(void **state)
{
    static const char *const requests[] = {
        GET("/"),
        "\r\n" GET("/big") "HEAD /docs HTTP/1.1\r\n" H END GET("/x"),
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET("/status"),
        "GET / HTTP/2.0\r\n" H END,
        "GET / H\r\n\r\n",
        "BREW / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc" GET("/empty"),
        "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n" GET("/"),
        "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\n" H H "\r\n",
        "GET / HTTP/1.1\n" H END,
    };
    static char whole[sizeof(out)];
    size_t whole_bytes, len;

    (void)state;
    for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        len = strlen(requests[i]);
        restart();
        say(requests[i]);
        memcpy(whole, out, out_bytes);
        whole_bytes = out_bytes;
        assert_true(whole_bytes > 0);
        for (size_t at = 0; at <= len; at++) {
            restart();
            say_split(requests[i], at, SIZE_MAX);
            say_split(requests[i] + at, len - at, at ? SIZE_MAX : 1);
            assert_int_equal(out_bytes, whole_bytes);
            assert_memory_equal(out, whole, whole_bytes);
            assert_int_equal(site.buffers, 0);
        }
    }
}

static void test_pipeline_waits_for_its_answers(void **state)
{
    static const char two[] = GET("/big") GET("/docs/");
    const size_t one = strlen(GET("/big"));
    struct response response;
    char buffer[HTTP_REPLY_MAX];
    struct server_piece piece;

    (void)state;
    assert_int_equal(http_conn_receive(&conn, two, strlen(two)), one);
    assert_int_equal(http_conn_receive(&conn, two + one, 5), 0);
    assert_true(http_conn_output(&conn, buffer, &piece));
    assert_true(piece.is_whole && piece.more && !piece.is_forever);
    http_conn_taken(&conn, piece.len);
    assert_int_equal(http_conn_receive(&conn, two + one, 5), 0);
    for (size_t at = 0; at < sizeof(big); at += 1000) {
        assert_true(http_conn_output(&conn, buffer, &piece));
        assert_true(piece.is_forever && !piece.is_whole);
        assert_ptr_equal(piece.bytes, big + at);
        assert_int_equal(piece.len, sizeof(big) - at);
        http_conn_taken(&conn, 1000);
    }
    assert_false(http_conn_has_output(&conn));
    say(two + one);
    response = response_read(out, out_bytes, false);
    assert_body(&response, "docs");
}

static void test_output_in_small_steps(void **state)
{
    struct response response;

    (void)state;
    assert_int_equal(
        http_conn_receive(&conn, GET("/status"), strlen(GET("/status"))),
        strlen(GET("/status")));
    take_output(1);
    response = answer(false);
    assert_body(&response, "page seven");
    assert_int_equal(site.stats.sent_bytes, out_bytes);
}

/* ---- The end */

static void test_timeout(void **state)
{
    struct response response;

    (void)state;
    assert_false(http_conn_timeout(&conn));
    say("HEAD / HTTP/1.1\r\n" H END);
    answer(true);
    say("GET / HT");
    assert_true(http_conn_timeout(&conn));
    take_output(SIZE_MAX);
    response = answer(false);
    assert_int_equal(response.status, 408);
    assert_body(&response, "408 Request Timeout\n");
    assert_int_equal(conn.state, HTTP_DONE);
    assert_int_equal(site.buffers, 0);

    restart();
    say("HEAD / HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nabc");
    assert_true(http_conn_timeout(&conn));
    take_output(SIZE_MAX);
    assert_int_equal(answer(true).status, 408);
    assert_int_equal(read_bytes, out_bytes);
}

static void test_finish(void **state)
{
    (void)state;
    http_conn_receive(&conn, GET("/"), strlen(GET("/")));
    http_conn_finish(&conn);
    take_output(SIZE_MAX);
    assert_int_equal(answer(false).status, 200);
    assert_int_equal(conn.state, HTTP_DONE);
    restart();
    say("GET / HT");
    http_conn_finish(&conn);
    assert_int_equal(conn.state, HTTP_DONE);
    assert_false(http_conn_has_output(&conn));
}

static void test_refuse(void **state)
{
    struct response response;

    (void)state;
    http_conn_refuse(&conn);
    /* The answer is the last: nothing has to wait for it. */
    assert_int_equal(http_conn_receive(&conn, GET("/"), strlen(GET("/"))),
                     strlen(GET("/")));
    take_output(SIZE_MAX);
    say(GET("/"));
    response = answer(false);
    assert_int_equal(response.status, 503);
    assert_field(&response, "Connection", "close");
    assert_int_equal(read_bytes, out_bytes);
}

static void test_ending_with_answers_not_taken(void **state)
{
    static const char *const requests[] = {GET("/status"), GET("/big"),
                                           "GET / HTTP/1.1\r\nX"};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        http_conn_receive(&conn, requests[i], strlen(requests[i]));
        http_conn_end(&conn);
        assert_int_equal(site.buffers, 0);
        http_conn_init(&conn, &site);
    }
}

static void test_counts_and_accesses(void **state)
{
    (void)state;
    ask(GET("/"));
    ask(GET("/x y"));
    ask("BREW /pot HTTP/1.1\r\n" H END);
    http_conn_refuse(&conn);
    assert_string_equal(accesses, "GET / 200\n"
                                  "GET /x 400\n"
                                  "BREW /pot 501\n"
                                  "- 503\n");
    assert_int_equal(site.stats.replies[http_status_index(200)], 1);
    assert_int_equal(site.stats.replies[http_status_index(400)], 1);
    assert_int_equal(site.stats.replies[http_status_index(501)], 1);
}

/* The longest answer that can be made fits its buffer. */
static void test_longest_redirect_fits(void **state)
{
    static char url[HTTP_FILE_PATH_MAX + 1];
    static const struct http_file folder = {"/f/index.html", url, HTML,
                                            "\"e\"",         "",  0};
    struct response response;

    (void)state;
    wall = 1795237315;
    memset(url, 'u', HTTP_FILE_PATH_MAX);
    site.files = &folder;
    site.nr_files = 1;
    response = ask("GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_int_equal(response.status, 301);
    assert_true(out_bytes < HTTP_REPLY_MAX - 200);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_get_file),
        test(test_head_has_no_body),
        test(test_lost_page),
        test(test_lost_without_a_page),
        test(test_folder_redirects),
        test(test_redirect_with_a_long_query),
        test(test_empty_file),
        test(test_generated_page),
        test(test_page_too_large_or_no_budget),
        test(test_paths),
        test(test_if_none_match),
        test(test_ranges),
        test(test_ranges_where_there_are_none),
        test(test_range_of_a_large_file),
        test(test_conditions),
        test(test_date),
        test(test_statuses),
        test(test_nul_is_refused),
        test(test_http10_is_told_that_it_goes_on),
        test(test_head_limit),
        test(test_target_limit),
        test(test_path_fills_its_buffer),
        test(test_fields_limit),
        test(test_heads_share_a_budget),
        test(test_body_is_skipped),
        test(test_smuggling),
        test(test_body_limit),
        test(test_expect_continue),
        test(test_expect_refused),
        test(test_split_anywhere),
        test(test_pipeline_waits_for_its_answers),
        test(test_output_in_small_steps),
        test(test_timeout),
        test(test_finish),
        test(test_refuse),
        test(test_ending_with_answers_not_taken),
        test(test_counts_and_accesses),
        test(test_longest_redirect_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
