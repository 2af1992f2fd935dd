/* SPDX-License-Identifier: MIT */
/*
 * Which files make up the append-only file, as Redis 7 keeps it: a base, which
 * is what there was when it was written, and then one or more with what came
 * since, in order. The manifest names them:
 *
 *     file appendonly.aof.3.base.aof seq 3 type b
 *     file appendonly.aof.4.incr.aof seq 4 type i
 */
#ifndef APPS_KV_MANIFEST_H
#define APPS_KV_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KV_MANIFEST_FOLDER "appendonlydir"
#define KV_MANIFEST_NAME   "appendonly.aof.manifest"

/* One is usual; two while a rewrite is under way, or after one that failed.
 * What Redis left may be more. */
#define KV_MANIFEST_INCR_MAX 16
/* Lines of 100 bytes are the longest that we write. */
#define KV_MANIFEST_BYTES    4096
#define KV_MANIFEST_NAME_MAX 64

struct kv_manifest {
    uint64_t base; /* its number; 0: there is none */
    uint64_t incr[KV_MANIFEST_INCR_MAX];
    unsigned nr_incr;
};

/* NULL, or what is wrong with it, for the log. `text` is terminated. */
const char *kv_manifest_read(struct kv_manifest *manifest, const char *text);
/* Returns the length. */
size_t kv_manifest_write(const struct kv_manifest *manifest,
                         char text[KV_MANIFEST_BYTES]);

/* A file's name. */
void kv_manifest_name(char name[KV_MANIFEST_NAME_MAX], uint64_t number,
                      bool is_base);
/* Is this name one of its files, or the manifest itself? */
bool kv_manifest_has(const struct kv_manifest *manifest, const char *name);
/* Higher than all of its numbers. */
uint64_t kv_manifest_next(const struct kv_manifest *manifest);

#endif
