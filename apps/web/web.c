/* SPDX-License-Identifier: MIT */
/*
 * The web server of apps/http with files from a disk or a ramdisk; without a
 * mount it serves the embedded files. The options are those of http, and
 *
 *     mount=...           what is mounted where; a ramdisk is at / by default
 *     http.root=PLACE     the folder that is served; default: the first mount
 *     http.list=no        list no folders that have no index.html
 *
 *     web.c           this
 *     web_tree        files to streams, for http_conn
 *     web_list        folders as pages
 *     web_path        names: which are hidden, and media types
 */
// serves: tcp 80
#include <string.h>

#include "kernel/app.h"
#include "http/http_server.h"
#include "apps/web/web_tree.h"

static struct web {
    struct http_server server;
    struct web_tree tree;
    struct fs fs;
    char root[FS_PATH_MAX];
} web;

static void put_numbers(http_number_fn *fn, void *fn_arg)
{
    const struct web_stats *stats = &web.tree.stats;
    const struct {
        const char *title, *name;
        enum http_unit unit;
        uint64_t value;
    } counters[] = {
        {"Files and folders opened", "opened", HTTP_COUNT, stats->opened},
        {"Pieces of files read", "pieces", HTTP_COUNT, stats->pieces},
        {"Bytes read", "read_bytes", HTTP_BYTES, stats->read_bytes},
        {"Compressed files sent", "packed", HTTP_COUNT, stats->packed},
        {"Folders listed", "listed", HTTP_COUNT, stats->listed},
        {"Files that could not be read", "failed", HTTP_COUNT, stats->failed},
        {"Files that changed meanwhile", "changed", HTTP_COUNT, stats->changed},
    };

    fn(fn_arg, &(struct http_number){.section = "Files",
                                     .title = "Answers with a file under way",
                                     .group = "files",
                                     .name = "open",
                                     .value = stats->open});
    for (unsigned i = 0; i < array_size(counters); i++)
        fn(fn_arg, &(struct http_number){.section = "Files",
                                         .title = counters[i].title,
                                         .group = "files",
                                         .name = counters[i].name,
                                         .unit = counters[i].unit,
                                         .is_counter = true,
                                         .value = counters[i].value});
}

static void on_ready(struct fs *fs, int status)
{
    (void)fs;
    web.tree.status = status;
    if (status)
        log_error("web", "no files: every answer is 503 (error %d)", status);
    else
        log_info("web", "serving the files of %s/", web.root);
}

static void on_completed(struct fs *fs)
{
    on_ready(fs, 0);
}

/* "/www/" and "/www" are the same, and "/" becomes an empty prefix. */
static int set_root(struct options *options)
{
    const char *root = NULL;
    size_t bytes;

    if (options_text(options, "http.root", &root) < 0)
        return -XEN_EINVAL;
    if (!web.fs.nr_mounts) {
        if (root)
            log_error("web", "http.root=%s, but nothing is mounted", root);
        return root ? -XEN_EINVAL : 0;
    }
    if (!root)
        root = web.fs.mounts[0].place;
    bytes = strlen(root);
    while (bytes && root[bytes - 1] == '/')
        bytes--;
    if (bytes >= FS_PATH_MAX || (bytes && root[0] != '/')) {
        log_error("web", "http.root=%s is no path that begins with a slash",
                  root);
        return -XEN_EINVAL;
    }
    memcpy(web.root, root, bytes);
    return 0;
}

/* Serve the mounted files, if there is a mount. */
static int set_tree(struct app *app)
{
    web.tree = (struct web_tree){
        .fs = &web.fs,
        .site = &web.server.site,
        .loop = app->loop,
        .root = web.root,
        .lists = true,
        .status = -XEN_EAGAIN,
    };
    if (set_root(app->options) ||
        options_bool(app->options, "http.list", &web.tree.lists) < 0)
        return -XEN_EINVAL;
    if (!web.fs.nr_mounts)
        return 0;
    web.server.tree = &web.tree.tree;
    web.server.numbers = put_numbers;
    return web_tree_init(&web.tree, app->pages);
}

int app_main(struct app *app)
{
    if (fs_start(&web.fs, app, on_ready) || set_tree(app))
        return 1;
    web.fs.completed = on_completed;
    return http_server_run(&web.server, app);
}
