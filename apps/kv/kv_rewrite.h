/* SPDX-License-Identifier: MIT */
/*
 * The base of the append-only file, written anew while everything goes on.
 */
#ifndef APPS_KV_REWRITE_H
#define APPS_KV_REWRITE_H

#include "apps/kv/kv_aof.h"

/* What is put together before it is written; a longer value by itself. */
#define KV_REWRITE_CHUNK 65536
/* Buckets that one step looks at, most of them empty: tenths of a millisecond.
 */
#define KV_REWRITE_STEP  2048

/* Start it. 0; -XEN_EBUSY: it is under way; -XEN_ENODEV: there is no file (or
 * it is being read); -XEN_ENOMEM. */
must_check int kv_rewrite_start(struct kv_aof *aof);

/* Start it if much has come since the last one. */
void kv_rewrite_if_due(struct kv_aof *aof);

/* At an end at which nothing of it is under way but a job of kv_aof's that will
 * not be done any more: forget it. Its memory goes on the loop's next turn. */
void kv_rewrite_forget(struct kv_aof *aof);

#endif
