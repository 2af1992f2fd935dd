/* SPDX-License-Identifier: MIT */
/*
 * Keys that clients watch. A separate store (kv.watched) has, for each such
 * key, the list of its watches; while there are any, kv_store reports each
 * change of a key. A client whose key has changed stops watching: the result is
 * known (kv_multi.has_changed).
 */
#ifndef APPS_KV_WATCH_H
#define APPS_KV_WATCH_H

#include "apps/kv/kv_db.h"

struct kv_conn;

/* 0 or -XEN_ENOMEM. Watching a key twice has no further effect. */
must_check int kv_watch_add(struct kv_conn *conn, struct kv_text key);
void kv_watch_drop_all(struct kv_conn *conn);
/* The client's watched keys that have expired by now have changed. */
void kv_watch_expire(struct kv_conn *conn);
/* All keys are about to be removed: those that exist change. */
void kv_watch_flush(struct kv *kv);

#endif
