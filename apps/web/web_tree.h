/* SPDX-License-Identifier: MIT */
/*
 * A tree of files from a file system, for http_conn (http_stream.h).
 *
 * Path and root make a file's name; symbolic links are followed within their
 * mount, even out of the root. A folder is served as its index.html, or else as
 * a list of its contents. NAME.br, NAME.zst and NAME.gz beside NAME are sent to
 * clients that accept them. /404.html is shown when nothing is found. Names
 * that begin with a dot are never found.
 */
#ifndef APPS_WEB_TREE_H
#define APPS_WEB_TREE_H

#include "http/http_site.h"
#include "fs/fs.h"
#include "kernel/list.h"

/* Pieces that are read at the same time. A mount serves its requests one after
 * the other: two, so that the next one is waiting when one is done. */
#define WEB_BUFFERS    2
/* The most bytes of If-Match, If-None-Match and If-Range together, which are
 * kept until the file is found: twenty tags. More is answered 431. */
#define WEB_FIELDS_MAX 1024

struct web_stats {
    uint64_t opened;     /* files and folders that were answered */
    uint64_t pieces;     /* read of files */
    uint64_t read_bytes; /* in them */
    uint64_t packed;     /* answers with a compressed file */
    uint64_t listed;     /* folders */
    uint64_t failed;     /* disk errors in opening, reading or listing */
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
    int status;       /* of the mounts; not 0: all answers are 503 */
    /* The tree's: */
    struct web_buffer buffers[WEB_BUFFERS];
    struct list waiting; /* streams that wait for a buffer */
    struct web_stats stats;
    uint64_t warned_ns;
};

/* -XEN_ENOMEM. The tree must be zeroed except for the owner's part. */
must_check int web_tree_init(struct web_tree *tree, struct pages *pages);
/* No stream may be open. */
void web_tree_end(struct web_tree *tree, struct pages *pages);

#endif
