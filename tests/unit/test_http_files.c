/* SPDX-License-Identifier: MIT */
/*
 * Files of a file system over HTTP, without a network: EROFS images that
 * mkfs.erofs made (tests/unit/images), through all of fs/, apps/web and
 * http_conn, to clients who take what they like.
 */
// sources: apps/web/web_tree.c apps/web/web_list.c apps/web/web_path.c
// sources: http/http_conn.c http/http_request.c http/http_chunk.c
// sources: http/http_reply.c http/http_field.c http/http_date.c
// sources: http/http_wants.c http/http_site.c http/http_text.c pico fs/fs.c
// sources: fs/requests.c fs/mounts.c fs/cache.c disk/volume.c disk/ramdisk.c
// sources: fs/erofs.c fs/littlefs.c fs/littlefs_disk.c disk/disks.c
// sources: disk/hotplug.c disk/disk.c disk/partition.c blkfront/blkfront.c
// sources: blkfront/blkfront_xs.c kernel/fiber.c kernel/fiber_switch.c
// sources: kernel/loop.c kernel/page.c kernel/options.c kernel/log.c
// sources: xen/bus/xenbus.c xen/bus/xs.c xen/bus/xs_update.c xen/bus/gnttab.c
// sources: xen/bus/ring.c xen/evtchn.c tests/fake/fiber.c tests/fake/hv.c erofs
// sources: lfs
#include "tests/unit/test.h"

#include "kernel/app.h"
#include "http/http_conn.h"
#include "apps/web/web_path.h"
#include "apps/web/web_tree.h"
#include "fs/type.h"
#include "tests/unit/http_response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HTML          "text/html; charset=utf-8"
#define NUMBERS_BYTES 1000003 /* tests/unit/images: 125000 lines and "end" */
#define NOW_S         1795237315
#define CHANGED       "Tue, 14 Nov 2023 22:13:20 GMT" /* 1700000000 */

static struct loop loop;
static struct pages pages;
static struct options options;
static struct app app = {.loop = &loop, .pages = &pages, .options = &options};
static struct fs fs;
static struct http_site site;
static struct web_tree tree;
static char *image;
static size_t image_bytes;
static bool is_ready, is_stopped;
static void (*edit)(void); /* an image before it is mounted */

/* ---- A machine that serves an image */

static void load(const char *name)
{
    char path[100];
    FILE *file;

    snprintf(path, sizeof(path), "build/host/images/%s.erofs", name);
    file = fopen(path, "rb");
    if (!file)
        fail_msg("%s is not there: make unit makes it", path);
    free(image);
    fseek(file, 0, SEEK_END);
    image_bytes = (size_t)ftell(file);
    rewind(file);
    image = malloc(image_bytes);
    assert_int_equal(fread(image, 1, image_bytes, file), image_bytes);
    fclose(file);
}

static void note_ready(struct fs *f, int status)
{
    (void)f;
    is_ready = true;
    tree.status = status;
}

static void note_stopped(struct fs *f)
{
    (void)f;
    is_stopped = true;
}

static int64_t wall_s(void)
{
    return NOW_S;
}

static void write_page(struct http_text *text, void *arg)
{
    (void)arg;
    http_text_add(text, "status");
}

static const struct http_page site_pages[] = {{"/status", HTML, write_page}};

static void on_wake(struct http_conn *conn);

/* Up to the point where the mount begins. */
static void boot(const char *name, const char *root)
{
    struct fake_config config = {0};

    load(name);
    if (edit)
        edit();
    config.module = image;
    config.module_bytes = image_bytes;
    fake_start(&config);
    loop_init(&loop);
    pages_init(&pages);
    options_parse(&options, hv_info()->cmdline);
    is_ready = is_stopped = false;
    assert_int_equal(fs_start(&fs, &app, note_ready), 0);
    site = (struct http_site){
        .tree = &tree.tree,
        .pages = site_pages,
        .nr_pages = 1,
        .wall_s = wall_s,
        .wake = on_wake,
        .policy = HTTP_POLICY,
        .buffers_max = 1 << 20,
    };
    tree = (struct web_tree){.fs = &fs,
                             .site = &site,
                             .loop = &loop,
                             .root = root,
                             .lists = true,
                             .status = -XEN_EAGAIN};
    assert_int_equal(web_tree_init(&tree, &pages), 0);
}

static void start(const char *name)
{
    boot(name, "");
    fake_run_until(&loop, is_ready, NS_PER_S);
    assert_int_equal(tree.status, 0);
}

/* Nothing is left: no stream, no byte of the budget, no page. */
static void stop(void)
{
    fake_run_until(&loop, tree.stats.open == 0, 100 * NS_PER_S);
    assert_int_equal(site.buffers, 0);
    assert_true(list_is_empty(&tree.waiting));
    for (unsigned i = 0; i < WEB_BUFFERS; i++)
        assert_false(tree.buffers[i].is_used);
    web_tree_end(&tree, &pages);
    fs_stop(&fs, note_stopped);
    fake_run_until(&loop, is_stopped, NS_PER_S);
    assert_int_equal(pages.nr_used, 0);
    fake_check_clean();
    fake_stop();
}

/* ---- Clients */

#define OUT_MAX 2000000

struct client {
    struct http_conn conn;
    char *out; /* what was sent to it */
    size_t used, read;
    size_t room;  /* it takes so much more; SIZE_MAX: all */
    size_t piece; /* of a file at most so much at once */
};

static void take(struct client *client)
{
    char buffer[HTTP_REPLY_MAX];
    struct server_piece piece;
    size_t len;

    while (http_conn_output(&client->conn, buffer, &piece)) {
        if (!piece.bytes) {
            if (client->room)
                http_conn_fetch(&client->conn, client->piece);
            return;
        }
        assert_true(piece.len > 0);
        len = piece.len < client->room ? piece.len : client->room;
        if (!len || (piece.is_whole && len < piece.len))
            return;
        assert_true(client->used + len < OUT_MAX);
        memcpy(client->out + client->used, piece.bytes, len);
        client->used += len;
        client->out[client->used] = '\0';
        if (client->room != SIZE_MAX)
            client->room -= len;
        http_conn_taken(&client->conn, len);
    }
}

static void on_wake(struct http_conn *conn)
{
    take(container_of(conn, struct client, conn));
}

static void client_open(struct client *client)
{
    *client = (struct client){
        .out = malloc(OUT_MAX), .room = SIZE_MAX, .piece = HTTP_PIECE_BYTES};
    client->out[0] = '\0';
    http_conn_init(&client->conn, &site);
}

static void client_close(struct client *client)
{
    http_conn_end(&client->conn);
    free(client->out);
}

static void client_say(struct client *client, const char *text)
{
    size_t len = strlen(text);

    assert_int_equal(http_conn_receive(&client->conn, text, len), len);
    take(client);
}

static bool is_resting(const struct client *client)
{
    return client->conn.state == HTTP_IDLE || client->conn.state == HTTP_DONE;
}

static void client_wait(struct client *client)
{
    fake_run_until(&loop, is_resting(client), 100 * NS_PER_S);
}

/* The one client of most tests. */
static struct client it;
static struct response answer;

static void ask_as(const char *method, const char *path, const char *fields)
{
    char text[3000];

    snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method,
             path, fields);
    if (it.out)
        client_close(&it);
    client_open(&it);
    client_say(&it, text);
    client_wait(&it);
    answer = response_read(it.out, it.used, !strcmp(method, "HEAD"));
    if (answer.error || answer.bytes != it.used)
        fail_msg("%s: %s in:\n%.2000s", path, answer.error, it.out);
}

static int get(const char *path)
{
    ask_as("GET", path, "");
    return answer.status;
}

static int get_with(const char *path, const char *fields)
{
    ask_as("GET", path, fields);
    return answer.status;
}

static void finish(void)
{
    if (it.out)
        client_close(&it);
    it.out = NULL;
    stop();
}

static void assert_body(const char *body)
{
    if (answer.body_bytes != strlen(body) ||
        memcmp(answer.body, body, answer.body_bytes) != 0)
        fail_msg("not \"%s\" in:\n%s", body, it.out);
}

static void assert_field(const char *name, const char *value)
{
    if (!response_has(&answer, name, value))
        fail_msg("%s is not \"%s\" in:\n%s", name, value, it.out);
}

/* A field's value, for the next request. */
static const char *field_of(const char *name)
{
    static char text[200];
    size_t bytes;
    const char *value = response_field(&answer, name, &bytes);

    assert_non_null(value);
    snprintf(text, sizeof(text), "%.*s", (int)bytes, value);
    return text;
}

static bool is_in_body(const char *text)
{
    return strstr(answer.body, text);
}

/* The contents of /numbers at an offset. */
static void check_numbers(const char *got, size_t len, uint64_t at)
{
    for (size_t i = 0; i < len; i++, at++) {
        char line[9], want;

        snprintf(line, sizeof(line), "%07u\n", (unsigned)(at / 8));
        want = at < NUMBERS_BYTES - 3 ? line[at % 8]
                                      : "end"[at - (NUMBERS_BYTES - 3)];
        if (got[i] != want)
            fail_msg("byte %u is wrong", (unsigned)at);
    }
}

/* ---- Files */

static void files_are_served(void **state)
{
    (void)state;
    start("site");
    assert_int_equal(get("/"), 200);
    assert_body("<h1>Home</h1>\n");
    assert_field("Content-Type", HTML);
    assert_field("Last-Modified", CHANGED);
    assert_field("Cache-Control", "no-cache");
    assert_field("Accept-Ranges", "bytes");
    assert_field("Vary", "Accept-Encoding");
    assert_field("Content-Security-Policy", HTTP_POLICY);
    assert_int_equal(get("/index.html"), 200);
    assert_int_equal(get("/docs/"), 200);
    assert_body("docs");
    assert_int_equal(get("/empty"), 200);
    assert_field("Content-Length", "0");
    assert_field("Content-Type", "application/octet-stream");
    assert_field("Vary", NULL);
    assert_int_equal(get("/link"), 200);
    assert_body("page as it is");
    assert_int_equal(get("/folder-link/"), 200);
    assert_body("docs");
    assert_int_equal(get("/names/%C3%A4"), 200);
    assert_int_equal(get("/names/%3Ci%3E&%22'"), 200);
    assert_int_equal(get("/status"), 200);
    assert_body("status");
    finish();
}

static void a_root_is_where_the_site_begins(void **state)
{
    (void)state;
    boot("site", "/names");
    fake_run_until(&loop, is_ready, NS_PER_S);
    assert_int_equal(get("/a%20b"), 200);
    assert_body("names/a b" + strlen("names/"));
    assert_int_equal(get("/page.html"), 404);
    assert_int_equal(get("/folder"), 301);
    assert_field("Location", "/folder/");
    assert_int_equal(get("/"), 200);
    assert_true(is_in_body("<h1>/</h1>"));
    finish();
}

static void head_says_what_get_would(void **state)
{
    static const char *const paths[] = {"/", "/page.html", "/none", "/docs",
                                        "/names/"};
    char *head;

    (void)state;
    start("site");
    for (unsigned i = 0; i < array_size(paths); i++) {
        get(paths[i]);
        head = strndup(it.out, (size_t)(answer.body - it.out));
        ask_as("HEAD", paths[i], "Range: bytes=1-2\r\n");
        assert_string_equal(it.out, head);
        free(head);
    }
    finish();
}

static void what_is_lost_has_a_page(void **state)
{
    static const char *const paths[] = {
        "/none",          "/none/",      "/docs/none", "/page.html/",
        "/page.html/x",   "/loop",       "/.secret",   "/.git/config",
        "/names/.hidden", "/docs/.../x", "/%2esecret", "/a\\b",
    };
    char path[1500] = "/";

    (void)state;
    start("site");
    for (unsigned i = 0; i < array_size(paths); i++) {
        if (get(paths[i]) != 404)
            fail_msg("%s: %d", paths[i], answer.status);
        assert_body("lost\n");
        assert_field("Content-Type", HTML);
        assert_field("ETag", NULL);
        assert_field("Cache-Control", "no-store");
    }
    memset(path + 1, 'x', sizeof(path) - 2);
    assert_int_equal(get(path), 404);
    assert_int_equal(get("/.well-known/security.txt"), 200);
    assert_int_equal(get("/../x"), 400);
    assert_int_equal(get("/x%00"), 400);
    assert_int_equal(tree.stats.failed, 0);
    finish();
    start("plain");
    assert_int_equal(get("/none"), 404);
    assert_body("404 Not Found\n");
    assert_int_equal(get("/dangling"), 404);
    finish();
}

static void folders_are_redirected(void **state)
{
    (void)state;
    start("site");
    assert_int_equal(get("/docs"), 301);
    assert_field("Location", "/docs/");
    assert_int_equal(get("/docs?query=%22&b"), 301);
    assert_field("Location", "/docs/?query=%22&b");
    assert_int_equal(get("/./names//folder"), 301);
    assert_field("Location", "/names/folder/");
    /* Never to another host. */
    assert_int_equal(get("//evil.test"), 301);
    assert_field("Location", "/evil.test/");
    assert_int_equal(get("/%2fevil.test"), 301);
    assert_field("Location", "/evil.test/");
    finish();
}

/* The client's tree, at any speed, in the lz4 image: each byte is right. */
static void large_files_are_whole(void **state)
{
    (void)state;
    start("lz4hc");
    assert_int_equal(get("/numbers"), 200);
    assert_int_equal(answer.body_bytes, NUMBERS_BYTES);
    check_numbers(answer.body, NUMBERS_BYTES, 0);
    assert_int_equal(tree.stats.read_bytes, NUMBERS_BYTES);
    assert_int_equal(tree.stats.pieces, NUMBERS_BYTES / HTTP_PIECE_BYTES + 1);
    finish();
}

/* A client that takes some bytes now and then gets them all, in order; what it
 * did not take is read again. */
static void slow_clients_get_all(void **state)
{
    (void)state;
    start("lz4");
    client_open(&it);
    it.room = 0;
    it.piece = 10000;
    client_say(&it, "GET /numbers HTTP/1.1\r\nHost: x\r\n\r\n");
    while (!is_resting(&it)) {
        it.room += fake_random_below(20000);
        take(&it);
        fake_run_until(&loop, !http_conn_is_waiting(&it.conn), NS_PER_S);
        for (unsigned i = 0; i < WEB_BUFFERS; i++)
            assert_false(tree.buffers[i].is_used);
    }
    answer = response_read(it.out, it.used, false);
    assert_null(answer.error);
    assert_int_equal(answer.body_bytes, NUMBERS_BYTES);
    check_numbers(answer.body, NUMBERS_BYTES, 0);
    assert_true(tree.stats.read_bytes > NUMBERS_BYTES);
    finish();
}

static void pipelines_are_answered_in_order(void **state)
{
    static const char requests[] = "GET /docs/ HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /none HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "HEAD /page.html HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /page.html HTTP/1.1\r\nHost: x\r\n\r\n";
    size_t at = 0, used;

    (void)state;
    start("site");
    client_open(&it);
    while (at < strlen(requests)) {
        used = http_conn_receive(&it.conn, requests + at,
                                 sizeof(requests) - 1 - at);
        assert_true(used > 0);
        at += used;
        client_wait(&it);
    }
    for (unsigned i = 0; i < 4; i++) {
        answer = response_read(it.out + it.read, it.used - it.read, i == 2);
        assert_null(answer.error);
        it.read += answer.bytes;
        assert_int_equal(answer.status, i == 1 ? 404 : 200);
    }
    assert_body("page as it is");
    assert_int_equal(it.read, it.used);
    finish();
}

/* The request's body is read before the answer is given. */
static void a_body_is_skipped_meanwhile(void **state)
{
    (void)state;
    start("site");
    client_open(&it);
    client_say(&it, "GET /docs/ HTTP/1.1\r\nHost: x\r\n"
                    "Content-Length: 4\r\n\r\nab");
    fake_run_until(&loop, it.conn.status == 200, NS_PER_S);
    fake_run_until(&loop, !http_conn_is_waiting(&it.conn), NS_PER_S);
    assert_int_equal(it.used, 0);
    client_say(&it, "cd");
    client_wait(&it);
    answer = response_read(it.out, it.used, false);
    assert_body("docs");
    client_close(&it);
    client_open(&it);
    client_say(&it, "GET /docs/ HTTP/1.1\r\nHost: x\r\n"
                    "Content-Length: 4\r\n\r\nabcd");
    client_wait(&it);
    answer = response_read(it.out, it.used, false);
    assert_body("docs");
    finish();
}

/* ---- Ranges and conditions */

static void any_range_is_right(void **state)
{
    (void)state;
    start("lz4hc");
    for (unsigned i = 0; i < 200; i++) {
        unsigned first = fake_random_below(NUMBERS_BYTES),
                 last = first + fake_random_below(100000);
        char range[100], want[100];

        if (last >= NUMBERS_BYTES)
            last = NUMBERS_BYTES - 1;
        snprintf(range, sizeof(range), "Range: bytes=%u-%u\r\n", first, last);
        snprintf(want, sizeof(want), "bytes %u-%u/%u", first, last,
                 NUMBERS_BYTES);
        assert_int_equal(get_with("/numbers", range), 206);
        assert_field("Content-Range", want);
        assert_int_equal(answer.body_bytes, last - first + 1);
        check_numbers(answer.body, answer.body_bytes, first);
    }
    assert_int_equal(get_with("/numbers", "Range: bytes=-3\r\n"), 206);
    assert_body("end");
    assert_int_equal(get_with("/numbers", "Range: bytes=1000003-\r\n"), 416);
    assert_field("Content-Range", "bytes */1000003");
    finish();
}

static void conditions_are_kept(void **state)
{
    char fields[400];

    (void)state;
    start("site");
    get("/page.html");
    snprintf(fields, sizeof(fields), "If-None-Match: \"x\", %s\r\n",
             field_of("ETag"));
    assert_int_equal(get_with("/page.html", fields), 304);
    assert_field("Vary", "Accept-Encoding");
    assert_field("Last-Modified", CHANGED);
    assert_int_equal(get_with("/docs/", fields), 200);
    snprintf(fields, sizeof(fields), "Range: bytes=5-6\r\nIf-Range: %s\r\n",
             (get("/page.html"), field_of("ETag")));
    assert_int_equal(get_with("/page.html", fields), 206);
    assert_body("as");
    assert_int_equal(get_with("/docs/", fields), 200);
    assert_int_equal(
        get_with("/page.html", "If-Modified-Since: " CHANGED "\r\n"), 304);
    assert_int_equal(get_with("/page.html", "If-Match: \"x\"\r\n"), 412);
    assert_int_equal(get_with("/page.html",
                              "If-Unmodified-Since: "
                              "Mon, 13 Nov 2023 22:13:20 GMT\r\n"),
                     412);
    assert_int_equal(get_with("/none", "If-Match: \"x\"\r\n"), 404);
    finish();
}

/* ---- Another image in the place of the one before */

#define UUID_AT (1024 + 48) /* in the superblock */

static void change_page(void)
{
    char *page = image, *end = image + image_bytes - 13;

    while (page < end && memcmp(page, "page as it is", 13) != 0)
        page++;
    assert_true(page < end);
    memcpy(page, "PAGE AS IT IS", 13);
}

static void renew(void)
{
    image[UUID_AT + 3]++;
    change_page();
}

static void forget(void)
{
    memset(image + UUID_AT, 0, 16);
}

/* Same size, same time, same place: the image is what makes the difference. */
static void another_image_has_other_tags(void **state)
{
    char tag[200], fields[400];

    (void)state;
    start("site");
    get("/page.html");
    strcpy(tag, field_of("ETag"));
    assert_true(tag[0] == '"');
    finish();
    start("site"); /* the same one again, after a restart */
    snprintf(fields, sizeof(fields), "If-None-Match: %s\r\n", tag);
    assert_int_equal(get_with("/page.html", fields), 304);
    finish();
    edit = renew;
    start("site");
    edit = NULL;
    assert_int_equal(get_with("/page.html", fields), 200);
    assert_body("PAGE AS IT IS");
    snprintf(fields, sizeof(fields), "If-Match: %s\r\n", tag);
    assert_int_equal(get_with("/page.html", fields), 412);
    snprintf(fields, sizeof(fields), "Range: bytes=5-6\r\nIf-Range: %s\r\n",
             tag);
    assert_int_equal(get_with("/page.html", fields), 200);
    assert_body("PAGE AS IT IS");
    /* Its date is the same, and no proof of anything. */
    assert_int_equal(get_with("/page.html", "Range: bytes=5-6\r\n"
                                            "If-Range: " CHANGED "\r\n"),
                     200);
    assert_int_equal(get_with("/page.html", "Range: bytes=5-6\r\n"), 206);
    finish();
}

/* An image that does not say which one it is: nothing is put together from
 * parts, but what has the same size and time may be taken for the same. */
static void images_without_a_name_have_weak_tags(void **state)
{
    char tag[200], fields[400];

    (void)state;
    edit = forget;
    start("site");
    edit = NULL;
    get("/page.html");
    strcpy(tag, field_of("ETag"));
    assert_memory_equal(tag, "W/\"", 3);
    snprintf(fields, sizeof(fields), "If-None-Match: %s\r\n", tag);
    assert_int_equal(get_with("/page.html", fields), 304);
    snprintf(fields, sizeof(fields), "Range: bytes=5-6\r\nIf-Range: %s\r\n",
             tag);
    assert_int_equal(get_with("/page.html", fields), 200);
    snprintf(fields, sizeof(fields), "Range: bytes=5-6\r\nIf-Range: %s\r\n",
             tag + 2);
    assert_int_equal(get_with("/page.html", fields), 200);
    assert_int_equal(get_with("/page.html", "Range: bytes=5-6\r\n"), 206);
    finish();
}

/* Fields that would have to be kept and are too long are refused. */
static void long_conditions_are_refused(void **state)
{
    char fields[WEB_FIELDS_MAX + 100];

    (void)state;
    start("site");
    snprintf(fields, sizeof(fields), "If-None-Match: %0*d\r\n", WEB_FIELDS_MAX,
             1);
    assert_int_equal(get_with("/page.html", fields), 200);
    snprintf(fields, sizeof(fields), "If-None-Match: %0*d\r\n",
             WEB_FIELDS_MAX + 1, 1);
    assert_int_equal(get_with("/page.html", fields), 431);
    finish();
}

/* ---- Compressed variants */

static void variants_are_sent_to_who_accepts_them(void **state)
{
    static const struct {
        const char *path, *accept, *coding, *body;
    } cases[] = {
        {"/page.html", "gzip, deflate, br, zstd", "br", "page in br"},
        {"/page.html", "gzip, zstd", "zstd", "page in zstd"},
        {"/page.html", "gzip", "gzip", "page in gzip"},
        {"/page.html", "br;q=0.1, gzip;q=0.2", "gzip", "page in gzip"},
        {"/page.html", "br;q=0, *", "zstd", "page in zstd"},
        {"/page.html", "deflate", NULL, "page as it is"},
        {"/page.html", "identity, gzip;q=0.5", NULL, "page as it is"},
        {"/link", "gzip", NULL, "page as it is"},
        {"/style.css", "br, gzip", "gzip", "body in gzip"},
        {"/style.css", "br", NULL, "body{}"},
        {"/script.js", "gzip", NULL, "1"},
        {"/picture.png", "gzip", NULL, "PNG"},
        {"/page.html.gz", "gzip", NULL, "page in gzip"},
    };
    char fields[100], etag[100];

    (void)state;
    start("site");
    for (unsigned i = 0; i < array_size(cases); i++) {
        snprintf(fields, sizeof(fields), "Accept-Encoding: %s\r\n",
                 cases[i].accept);
        assert_int_equal(get_with(cases[i].path, fields), 200);
        assert_body(cases[i].body);
        assert_field("Content-Encoding", cases[i].coding);
    }
    assert_field("Content-Type", "application/gzip");
    get_with("/page.html", "Accept-Encoding: gzip\r\n");
    assert_field("Content-Type", HTML);
    assert_field("Vary", "Accept-Encoding");
    snprintf(etag, sizeof(etag), "%s", field_of("ETag"));
    get("/page.html");
    assert_string_not_equal(etag, field_of("ETag"));
    get_with("/page.html", "Accept-Encoding: gzip\r\nRange: bytes=5-6\r\n");
    assert_body("in");
    finish();
}

/* ---- Folders without an index */

/* The chunked body's contents, in place. */
static char *unchunk(void)
{
    const char *at = answer.body;
    char *all = malloc(answer.body_bytes + 1), *to = all;
    size_t chunk;

    assert_true(answer.is_chunked);
    while ((chunk = strtoul(at, NULL, 16))) {
        at = strchr(at, '\n') + 1;
        memcpy(to, at, chunk);
        to += chunk;
        at += chunk + 2;
    }
    *to = '\0';
    return all;
}

static void folders_are_listed(void **state)
{
    char *page;

    (void)state;
    start("site");
    assert_int_equal(get("/names/"), 200);
    assert_field("Cache-Control", "no-store");
    assert_field("Content-Type", HTML);
    page = unchunk();
    assert_non_null(strstr(page, "<title>/names/</title>"));
    assert_non_null(strstr(page, "<a href=\"../\">../</a>"));
    assert_non_null(strstr(page, "<a href=\"a%20b\">a b</a>"));
    assert_non_null(strstr(page, "<a href=\"%3Ci%3E%26%22%27\">"
                                 "&lt;i&gt;&amp;&quot;&#39;</a>"));
    assert_non_null(strstr(page, "<a href=\"x%3Ay\">x:y</a>"));
    assert_non_null(strstr(page, "<a href=\"%C3%A4\">\xc3\xa4</a>"));
    assert_non_null(strstr(page, "<a href=\"folder/\">folder/</a>"));
    assert_null(strstr(page, "hidden"));
    assert_non_null(strstr(page, "</html>\n"));
    free(page);
    assert_int_equal(get("/odd/"), 200);  /* its index.html is a folder */
    assert_int_equal(get("/dots/"), 200); /* all are hidden */
    assert_false(is_in_body("hidden"));
    tree.lists = false;
    assert_int_equal(get("/names/"), 404);
    assert_int_equal(get("/odd/"), 404);
    assert_int_equal(get("/docs/"), 200);
    finish();
}

static void large_folders_are_listed_whole(void **state)
{
    char *page, *at, want[60];

    (void)state;
    start("lz4");
    assert_int_equal(get("/many/"), 200);
    at = page = unchunk();
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(want, sizeof(want),
                 "<li><a href=\"entry-%04u\">entry-%04u</a>\n", i, i);
        at = strstr(at, want);
        assert_non_null(at);
        at += strlen(want);
    }
    assert_string_equal(at, "</ul>\n</html>\n");
    free(page);
    finish();
}

/* A slow client's list lies in memory of its own, within the budget. */
static void lists_wait_for_slow_clients(void **state)
{
    (void)state;
    start("lz4");
    client_open(&it);
    it.room = 0;
    client_say(&it, "GET /many/ HTTP/1.1\r\nHost: x\r\n\r\n");
    while (!is_resting(&it)) {
        it.room += fake_random_below(1000);
        take(&it);
        fake_run_until(&loop, !http_conn_is_waiting(&it.conn), NS_PER_S);
        for (unsigned i = 0; i < WEB_BUFFERS; i++)
            assert_false(tree.buffers[i].is_used);
    }
    answer = response_read(it.out, it.used, false);
    assert_null(answer.error);
    assert_true(is_in_body("entry-0999"));
    finish();
}

static void a_list_in_http_1_0_ends_with_the_connection(void **state)
{
    (void)state;
    start("lz4");
    client_open(&it);
    client_say(&it, "GET /many/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_wait(&it);
    assert_int_equal(it.conn.state, HTTP_DONE);
    assert_non_null(strstr(it.out, "Connection: close\r\n"));
    assert_null(strstr(it.out, "Transfer-Encoding"));
    assert_null(strstr(it.out, "Content-Length"));
    assert_non_null(strstr(it.out, "\r\n\r\n<!doctype html>"));
    assert_string_equal(it.out + it.used - strlen("</ul>\n</html>\n"),
                        "</ul>\n</html>\n");
    finish();
}

/* ---- Bad days */

static void without_its_disk_it_says_503(void **state)
{
    (void)state;
    boot("site", "");
    assert_int_equal(get("/"), 503);
    assert_field("Retry-After", "1");
    assert_int_equal(get("/status"), 200);
    fake_run_until(&loop, is_ready, NS_PER_S);
    assert_int_equal(get("/"), 200);
    finish();
}

static void without_memory_it_says_503(void **state)
{
    (void)state;
    start("site");
    site.buffers_max = 100;
    assert_int_equal(get("/"), 503);
    site.buffers_max = 1 << 20;
    assert_int_equal(get("/"), 200);
    finish();
}

static struct {
    struct timer timer;
    struct volume_request *read;
    unsigned nr, fail_at; /* the read that fails, from 1; 0: none */
    uint64_t delay_ns;
} disk;

static void answer_read(struct timer *timer)
{
    struct volume_request *read = disk.read;

    (void)timer;
    disk.read = NULL;
    read->done(read);
}

static void slow_read(struct volume *volume, struct volume_request *read)
{
    const char *from = container_of(volume, struct ramdisk, volume)->contents;
    size_t bytes = (size_t)read->nr * VOLUME_SECTOR_BYTES;

    disk.read = read;
    disk.nr++;
    read->status = disk.nr == disk.fail_at ? -XEN_EIO : 0;
    if (read->status)
        memset(read->to, 0xee, bytes);
    else
        memcpy(read->to, from + read->sector * VOLUME_SECTOR_BYTES, bytes);
    timer_start(&loop, &disk.timer, loop_now(&loop) + disk.delay_ns,
                answer_read);
}

static void start_slow(const char *name, uint64_t delay_ns)
{
    start(name);
    memset(&disk, 0, sizeof(disk));
    disk.delay_ns = delay_ns;
    fs.disks.ramdisk.volume.start = slow_read;
}

/* The nth read of the disk fails: the answer is a 500, or right but cut short,
 * and then the connection is over. Returns whether there was an nth. */
static bool try_failing_at(unsigned nth, const char *path)
{
    char text[100];

    disk.nr = 0;
    disk.fail_at = nth;
    client_open(&it);
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    client_say(&it, text);
    client_wait(&it);
    answer = response_read(it.out, it.used, false);
    if (disk.nr < nth) {
        assert_null(answer.error);
        assert_int_equal(answer.status, 200);
    } else {
        if (answer.status == 200) {
            assert_non_null(answer.error);
            assert_int_equal(it.conn.state, HTTP_DONE);
            if (!strcmp(path, "/numbers"))
                check_numbers(strstr(it.out, "\r\n\r\n") + 4,
                              (size_t)(it.out + it.used -
                                       (strstr(it.out, "\r\n\r\n") + 4)),
                              0);
        } else {
            assert_int_equal(answer.status, 500);
            assert_null(answer.error);
        }
    }
    client_close(&it);
    it.out = NULL;
    return disk.nr >= nth;
}

static void a_failing_disk_is_told(void **state)
{
    static const char *const paths[] = {"/numbers", "/many/"};
    uint64_t nth;

    (void)state;
    start_slow("lz4", 0);
    for (unsigned i = 0; i < array_size(paths); i++) {
        tree.stats.failed = 0;
        for (nth = 1; try_failing_at((unsigned)nth, paths[i]); nth++)
            ;
        assert_true(nth > 5);
        assert_int_equal(tree.stats.failed, nth - 1);
    }
    assert_true(site.stats.replies[http_status_index(500)] > 2);
    finish();
}

/* A client that is gone at any moment leaves nothing behind. */
static void clients_may_leave_at_any_time(void **state)
{
    static const char *const paths[] = {"/numbers", "/many/", "/sub", "/none",
                                        "/hello.txt"};
    struct client clients[8];

    (void)state;
    start_slow("lz4", NS_PER_MS);
    for (unsigned i = 0; i < 300; i++) {
        for (unsigned k = 0; k < array_size(clients); k++) {
            char text[100];

            client_open(&clients[k]);
            clients[k].room = fake_random_below(60000);
            snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
                     paths[fake_random_below(array_size(paths))]);
            client_say(&clients[k], text);
        }
        for (unsigned k = 0; k < array_size(clients); k++) {
            uint64_t end = fake_now() + fake_random_below(5) * NS_PER_MS;

            fake_run_until(&loop, fake_now() >= end || !tree.stats.open,
                           NS_PER_S);
            client_close(&clients[k]);
        }
    }
    fake_run_until(&loop, tree.stats.open == 0, 10 * NS_PER_S);
    disk.delay_ns = 0;
    assert_int_equal(get("/hello.txt"), 200);
    finish();
}

static void a_disk_that_hangs_is_told(void **state)
{
    (void)state;
    start_slow("lz4", 100 * NS_PER_S);
    client_open(&it);
    client_say(&it, "GET /numbers HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_false(http_conn_has_output(&it.conn));
    assert_true(http_conn_is_waiting(&it.conn));
    assert_true(http_conn_timeout(&it.conn));
    take(&it);
    answer = response_read(it.out, it.used, false);
    assert_int_equal(answer.status, 503);
    assert_int_equal(it.conn.state, HTTP_DONE);
    fake_run_until(&loop, tree.stats.open == 0, 1000 * NS_PER_S);
    finish();
}

/* ---- Many at once */

/* Between a small file's request and its answer each of the large ones gets no
 * more than a piece for each time that the small one waits in line. */
static void large_files_do_not_hold_up_small_ones(void **state)
{
    struct client large[10];
    uint64_t before;

    (void)state;
    start_slow("plain", NS_PER_MS);
    for (unsigned i = 0; i < array_size(large); i++) {
        client_open(&large[i]);
        client_say(&large[i], "GET /numbers HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for (unsigned i = 0; i < 5; i++) {
        fake_run_until(&loop, tree.stats.pieces >= 10 * (i + 1),
                       100 * NS_PER_S);
        before = tree.stats.pieces;
        assert_int_equal(get("/hello.txt"), 200);
        /* Those before it in line for a buffer, the two that are being read
         * and two more that are begun while it looks for its file. */
        assert_in_range(tree.stats.pieces - before, 1,
                        array_size(large) + 3 * WEB_BUFFERS + 1);
    }
    for (unsigned i = 0; i < array_size(large); i++)
        client_wait(&large[i]);
    for (unsigned i = 0; i < array_size(large); i++) {
        answer = response_read(large[i].out, large[i].used, false);
        assert_null(answer.error);
        check_numbers(answer.body, answer.body_bytes, 0);
        client_close(&large[i]);
    }
    finish();
}

/* Those who take nothing hold no buffer, and little memory. */
static void clients_that_take_nothing_hold_no_buffer(void **state)
{
    struct client lazy[50];

    (void)state;
    start("plain");
    for (unsigned i = 0; i < array_size(lazy); i++) {
        client_open(&lazy[i]);
        lazy[i].room = 5000;
        client_say(&lazy[i], "GET /numbers HTTP/1.1\r\nHost: x\r\n\r\n");
        fake_run_until(&loop, !http_conn_is_waiting(&lazy[i].conn), NS_PER_S);
    }
    assert_true(site.buffers < array_size(lazy) * 1500);
    assert_int_equal(get("/numbers"), 200);
    check_numbers(answer.body, answer.body_bytes, 0);
    for (unsigned i = 0; i < array_size(lazy); i++)
        client_close(&lazy[i]);
    finish();
}

/* ---- Files that are written, and huge ones: a file system of the test's */

#define HUGE_BYTES UINT64_C(5000000003)

static struct fs_stat made; /* of the only file */
static unsigned reads_until_change;

static int made_mount(struct fs_mount *mount)
{
    (void)mount;
    return 0;
}

static void made_unmount(struct fs_mount *mount)
{
    (void)mount;
}

static int made_lookup(struct fs_mount *mount, const char *path,
                       struct fs_stat *stat)
{
    (void)mount;
    *stat = made;
    return strcmp(path, "/made") == 0 ? 0 : -XEN_ENOENT;
}

static int made_open(struct fs_file *file, const char *path)
{
    return made_lookup(file->mount, path, &file->stat);
}

static int made_fstat(struct fs_file *file)
{
    file->stat = made;
    return 0;
}

static int made_pread(struct fs_file *file, void *to, size_t bytes,
                      uint64_t offset)
{
    (void)file;
    if (reads_until_change && --reads_until_change == 0)
        made.changed_s++;
    if (offset >= made.bytes)
        return 0;
    if (bytes > made.bytes - offset)
        bytes = made.bytes - offset;
    for (size_t i = 0; i < bytes; i++)
        ((char *)to)[i] = (char)((offset + i) / 7 % 251);
    return (int)bytes;
}

static const struct fs_type made_type = {
    .name = "made",
    .stack_pages = 4,
    .mount = made_mount,
    .unmount = made_unmount,
    .lookup = made_lookup,
    .open = made_open,
    .fstat = made_fstat,
    .pread = made_pread,
};

static void start_made(uint64_t bytes, bool is_read_only)
{
    made = (struct fs_stat){
        .kind = FS_FILE, .id = 7, .bytes = bytes, .changed_s = NOW_S - 1000};
    reads_until_change = 0;
    boot("site", "");
    fs.mounts[0].type = &made_type;
    fake_run_until(&loop, is_ready, NS_PER_S);
    fs.mounts[0].read_only = is_read_only;
}

static void files_beyond_4_gib_are_exact(void **state)
{
    (void)state;
    start_made(HUGE_BYTES, true);
    ask_as("HEAD", "/made", "");
    assert_field("Content-Length", "5000000003");
    get_with("/made", "Range: bytes=4294967290-4294997299\r\n");
    assert_int_equal(answer.status, 206);
    assert_field("Content-Range", "bytes 4294967290-4294997299/5000000003");
    assert_int_equal(answer.body_bytes, 30010);
    for (size_t i = 0; i < 30010; i++)
        assert_int_equal(answer.body[i],
                         (char)((UINT64_C(4294967290) + i) / 7 % 251));
    get_with("/made", "Range: bytes=-3\r\n");
    assert_field("Content-Range", "bytes 5000000000-5000000002/5000000003");
    finish();
}

/* Of a file that changes while it is sent nothing is sent that is not of the
 * version in the head. */
static void a_file_that_changes_is_cut_short(void **state)
{
    (void)state;
    start_made(3 * HTTP_PIECE_BYTES, false);
    assert_int_equal(get("/made"), 200);
    for (unsigned nth = 1; nth <= 3; nth++) {
        reads_until_change = nth;
        client_close(&it);
        client_open(&it);
        client_say(&it, "GET /made HTTP/1.1\r\nHost: x\r\n\r\n");
        client_wait(&it);
        assert_int_equal(it.conn.state, HTTP_DONE);
        assert_int_equal(tree.stats.changed, nth);
        answer = response_read(it.out, it.used, false);
        if (nth == 1) {
            assert_int_equal(answer.status, 500);
            continue;
        }
        assert_string_equal(answer.error, "a cut body");
        assert_int_equal(it.used - (size_t)(answer.body - it.out),
                         (nth - 1) * HTTP_PIECE_BYTES);
    }
    finish();
}

static void a_file_that_shrinks_is_cut_short(void **state)
{
    (void)state;
    start_made(3 * HTTP_PIECE_BYTES, false);
    client_open(&it);
    it.room = 1000;
    client_say(&it, "GET /made HTTP/1.1\r\nHost: x\r\n\r\n");
    fake_run_until(&loop, !http_conn_is_waiting(&it.conn), NS_PER_S);
    made.bytes = HTTP_PIECE_BYTES / 2;
    it.room = SIZE_MAX;
    take(&it);
    client_wait(&it);
    assert_int_equal(it.conn.state, HTTP_DONE);
    assert_int_equal(tree.stats.changed, 1);
    assert_true(it.used <= 1000);
    finish();
}

static void tags_are_weak_while_a_file_may_change(void **state)
{
    (void)state;
    start_made(100, false);
    get("/made");
    assert_field("ETag", "\"7-64-6b0121db\"");
    assert_int_equal(get_with("/made",
                              "Range: bytes=0-1\r\n"
                              "If-Range: Sat, 21 Nov 2026 04:45:15 GMT\r\n"),
                     206);
    made.changed_s = NOW_S;
    get("/made");
    assert_field("ETag", "W/\"7-64-6b0125c3\"");
    assert_int_equal(get_with("/made",
                              "Range: bytes=0-1\r\n"
                              "If-Range: Sat, 21 Nov 2026 05:01:55 GMT\r\n"),
                     200);
    assert_field("Last-Modified", "Sat, 21 Nov 2026 05:01:55 GMT");
    made.changed_s = NOW_S + 100; /* a clock that was wrong */
    get("/made");
    assert_field("Last-Modified", "Sat, 21 Nov 2026 05:01:55 GMT");
    made.changed_s = 0;
    get("/made");
    assert_field("ETag", "W/\"7-64-0\"");
    assert_field("Last-Modified", NULL);
    made.changed_s = UINT64_MAX;
    get("/made");
    assert_field("Last-Modified", NULL);
    finish();
}

/* ---- Names */

/* Embedded files and those of a disk have the same types. */
static void types_are_those_of_embed(void **state)
{
    FILE *file = fopen("tools/embed", "r");
    char line[200], extension[30], type[100], path[50];
    unsigned nr = 0;
    bool ignored;

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, " \".%29[a-z0-9]\": \"%99[^\"]\",", extension, type) !=
            2)
            continue;
        snprintf(path, sizeof(path), "/a.b/c.%s", extension);
        assert_string_equal(web_path_type(path, &ignored), type);
        nr++;
    }
    fclose(file);
    assert_true(nr > 20);
    assert_string_equal(web_path_type("/a.html/b", &ignored),
                        "application/octet-stream");
    assert_string_equal(web_path_type("/B.HTML", &ignored), HTML);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_served),
        cmocka_unit_test(a_root_is_where_the_site_begins),
        cmocka_unit_test(head_says_what_get_would),
        cmocka_unit_test(what_is_lost_has_a_page),
        cmocka_unit_test(folders_are_redirected),
        cmocka_unit_test(large_files_are_whole),
        cmocka_unit_test(slow_clients_get_all),
        cmocka_unit_test(pipelines_are_answered_in_order),
        cmocka_unit_test(a_body_is_skipped_meanwhile),
        cmocka_unit_test(any_range_is_right),
        cmocka_unit_test(conditions_are_kept),
        cmocka_unit_test(another_image_has_other_tags),
        cmocka_unit_test(images_without_a_name_have_weak_tags),
        cmocka_unit_test(long_conditions_are_refused),
        cmocka_unit_test(variants_are_sent_to_who_accepts_them),
        cmocka_unit_test(folders_are_listed),
        cmocka_unit_test(large_folders_are_listed_whole),
        cmocka_unit_test(lists_wait_for_slow_clients),
        cmocka_unit_test(a_list_in_http_1_0_ends_with_the_connection),
        cmocka_unit_test(without_its_disk_it_says_503),
        cmocka_unit_test(without_memory_it_says_503),
        cmocka_unit_test(a_failing_disk_is_told),
        cmocka_unit_test(clients_may_leave_at_any_time),
        cmocka_unit_test(a_disk_that_hangs_is_told),
        cmocka_unit_test(large_files_do_not_hold_up_small_ones),
        cmocka_unit_test(clients_that_take_nothing_hold_no_buffer),
        cmocka_unit_test(files_beyond_4_gib_are_exact),
        cmocka_unit_test(a_file_that_changes_is_cut_short),
        cmocka_unit_test(a_file_that_shrinks_is_cut_short),
        cmocka_unit_test(tags_are_weak_while_a_file_may_change),
        cmocka_unit_test(types_are_those_of_embed),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(image);
    return failed;
}
