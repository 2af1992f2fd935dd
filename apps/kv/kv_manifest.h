/* SPDX-License-Identifier: MIT */
/*
 * The list of files that make up the append-only file, as in Redis 7: a base,
 * with the state at the time it was written, and one or more with the changes
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

/* One is usual; two during a rewrite, or after a failed one. Redis may have
 * left more. */
#define KV_MANIFEST_INCR_MAX 16
/* Our longest lines have 100 bytes. */
#define KV_MANIFEST_BYTES    4096
#define KV_MANIFEST_NAME_MAX 64

struct kv_manifest {
    uint64_t base; /* its number; 0: there is none */
    uint64_t incr[KV_MANIFEST_INCR_MAX];
    unsigned nr_incr;
};

/* NULL, or what is wrong with the text, for the log. `text` is terminated. */
const char *kv_manifest_read(struct kv_manifest *manifest, const char *text);
/* Returns the length. */
size_t kv_manifest_write(const struct kv_manifest *manifest,
                         char text[KV_MANIFEST_BYTES]);

/* A file's name. */
void kv_manifest_name(char name[KV_MANIFEST_NAME_MAX], uint64_t number,
                      bool is_base);
/* Is this the name of a listed file, or of the manifest itself? */
bool kv_manifest_has(const struct kv_manifest *manifest, const char *name);
/* Higher than all of its numbers. */
uint64_t kv_manifest_next(const struct kv_manifest *manifest);

#endif
