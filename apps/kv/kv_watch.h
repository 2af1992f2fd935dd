/* SPDX-License-Identifier: MIT */
/*
 * Keys that clients watch. A store of its own (kv.watched) has, for each such
 * key, the list of who watches it; kv_store tells of each change of a key while
 * there are any. A client whose key has changed watches nothing any more: that
 * is known then (kv_multi.has_changed).
 */
#ifndef APPS_KV_WATCH_H
#define APPS_KV_WATCH_H

#include "apps/kv/kv_db.h"

struct kv_conn;

/* 0 or -XEN_ENOMEM. A key that is watched already is so once. */
must_check int kv_watch_add(struct kv_conn *conn, struct kv_text key);
void kv_watch_drop_all(struct kv_conn *conn);
/* Those of its keys whose time has come by now have changed. */
void kv_watch_expire(struct kv_conn *conn);
/* All keys are about to go: those that are there change. */
void kv_watch_flush(struct kv *kv);

#endif
