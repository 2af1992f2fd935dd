/* SPDX-License-Identifier: MIT */
/*
 * A tree of files from a file system, for http_conn (http_stream.h).
 *
 * Path and root make a file's name; symbolic links are followed within their
 * mount, also out of the root. A folder is its index.html, or else a list of
 * what is in it. NAME.br, NAME.zst and NAME.gz beside NAME are sent to who
 * accepts that. /404.html is shown when nothing is found. Names that begin
 * with a dot are not found.
 */
#ifndef APPS_WEB_TREE_H
#define APPS_WEB_TREE_H

#include "http/http_site.h"
#include "fs/fs.h"
#include "kernel/list.h"

/* Pieces that are read at the same time. Requests to a mount are served one
 * after the other: two, so that the next one is there when one is done. */
#define WEB_BUFFERS    2
/* What If-Match, If-None-Match and If-Range may have together, which are kept
 * until the file is found: twenty tags. More is answered 431. */
#define WEB_FIELDS_MAX 1024

struct web_stats {
    uint64_t opened;     /* files and folders, by answers */
    uint64_t pieces;     /* read of files */
    uint64_t read_bytes; /* in them */
    uint64_t packed;     /* answers with a compressed file */
    uint64_t listed;     /* folders */
    uint64_t failed;     /* opening, reading or listing: the disk's fault */
    uint64_t changed;    /* files that changed while they were read */
    unsigned open;       /* answers under way */
};

struct web_stream;

struct web_buffer {
    char *bytes; /* HTTP_PIECE_BYTES */
    bool is_used;
};

struct web_tree {
    struct http_tree tree;
    /* Set by the owner: */
    struct fs *fs;
    struct http_site *site;
    struct loop *loop;
    const char *root; /* without a slash at its end: "", "/www" */
    bool lists;       /* folders that have no index.html */
    int status;       /* of the mounts; not 0: answers are 503 */
    /* The tree's: */
    struct web_buffer buffers[WEB_BUFFERS];
    struct list waiting; /* streams: for a buffer */
    struct web_stats stats;
    uint64_t warned_ns;
};

/* -XEN_ENOMEM. The tree must be zeroed but for the owner's part. */
must_check int web_tree_init(struct web_tree *tree, struct pages *pages);
/* No stream may be open. */
void web_tree_end(struct web_tree *tree, struct pages *pages);

#endif
