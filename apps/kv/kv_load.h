/* SPDX-License-Identifier: MIT */
/*
 * The append-only file, read when the guest starts. Until it is done clients
 * are answered -LOADING.
 *
 * What a power cut left at the end of the last file is cut off; anything else
 * that is wrong is a refusal, unless aof->goes_on.
 */
#ifndef APPS_KV_LOAD_H
#define APPS_KV_LOAD_H

#include "apps/kv/kv_aof.h"

/* One read, and how much is replayed between two looks at the network. */
#define KV_LOAD_PIECE 65536

/* The files are made if there are none. done(aof, 0): the store is as they say,
 * and they are open for kv_aof_begin; else a negative error, which is logged.
 * -XEN_ENOMEM at once: done is not called. */
must_check int kv_load_start(struct kv_aof *aof, kv_aof_done *done);

#endif
