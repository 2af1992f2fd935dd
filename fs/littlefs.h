/* SPDX-License-Identifier: MIT */
/*
 * What the two halves of the littlefs type share: littlefs.c (paths, open files
 * and directories) and littlefs_disk.c (the disk below). For them only.
 */
#ifndef FS_LITTLEFS_H
#define FS_LITTLEFS_H

#include "fs/type.h"

#include "lfs2.h"

/* "None", as littlefs has it inside. */
#define LITTLEFS_NO_BLOCK ((lfs2_block_t)-1)

struct littlefs {
    struct lfs2 lfs;
    struct lfs2_config config;
    struct volume *volume;
    struct cache *cache; /* of it */
    bool unflushed;      /* something was written since the last flush */
    bool stale;          /* a change failed half-way: see littlefs_recover */
    bool complained;     /* about a corrupt disk */
    char *scratch;       /* cache_size bytes, for within one call */
    struct littlefs_node *nodes;
    struct littlefs_directory *directories;
};

/* ---- littlefs_disk.c. Errors are littlefs'. */

/* Find the file system on the volume and mount it; `fs` is zeroed but for its
 * volume and cache. LFS2_ERR_INVAL: there is none. */
must_check int littlefs_attach(struct littlefs *fs);
void littlefs_detach(struct littlefs *fs);
/* Make a new file system of the whole volume, which must be empty: if its
 * beginning is not zeros it is LFS2_ERR_EXIST. */
must_check int littlefs_make(struct littlefs *fs);
/* Make use of all of the volume. */
must_check int littlefs_grow(struct littlefs *fs);
/* What littlefs holds of a block is forgotten, after an error. */
void littlefs_drop_caches(struct littlefs *fs);

#endif
