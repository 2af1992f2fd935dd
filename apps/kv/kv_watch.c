/* SPDX-License-Identifier: MIT */
/*
 * The value of a key in kv.watched is a pointer to the first watch of this key.
 * A key's watches are doubly linked, so that a client is removed from all its
 * keys without a search.
 */
#include "apps/kv/kv_watch.h"
#include "apps/kv/kv_conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct kv_watch {
    struct kv_watch *next;           /* of this client */
    struct kv_watch *before, *after; /* of this key */
    struct kv_conn *conn;
    size_t bytes; /* bytes counted for it */
    uint16_t key_bytes;
    char key[];
};

/* The most that a watch takes in kv.watched besides the key. */
#define ENTRY_BYTES 96

static struct kv_text key_of(const struct kv_watch *watch)
{
    return (struct kv_text){watch->key, watch->key_bytes};
}

static struct kv_watch *first_of(struct kv *kv, struct kv_text key)
{
    struct kv_entry *entry = kv_store_find(&kv->watched, key);
    struct kv_watch *first = NULL;

    if (entry)
        memcpy(&first, kv_entry_value(entry).at, sizeof(first));
    return first;
}

/* For a key that is in the store this cannot fail: the entry is reused. */
static bool set_first(struct kv *kv, struct kv_text key, struct kv_watch *first)
{
    struct kv_text value = {(const char *)&first, sizeof(first)};

    return kv_store_set(&kv->watched, key, value, 0);
}

/* ---- Removing */

static void unlink_watch(struct kv *kv, struct kv_watch *watch)
{
    bool done = true;

    if (watch->after)
        watch->after->before = watch->before;
    if (watch->before)
        watch->before->after = watch->after;
    else if (watch->after)
        done = set_first(kv, key_of(watch), watch->after);
    else
        done = kv_store_remove(&kv->watched, key_of(watch));
    assert(done);
}

static void drop(struct kv_watch *watch)
{
    struct kv_conn *conn = watch->conn;
    size_t bytes = conn->multi.bytes;

    unlink_watch(conn->kv, watch);
    kv_db_hold(conn->kv, bytes, bytes - watch->bytes);
    conn->multi.bytes -= watch->bytes;
    free(watch);
}

void kv_watch_drop_all(struct kv_conn *conn)
{
    struct kv *kv = conn->kv;
    struct kv_watch *watch;

    while ((watch = conn->multi.watches)) {
        conn->multi.watches = watch->next;
        drop(watch);
    }
    if (kv->watched.table.nr_keys || !kv->store.changed)
        return;
    kv->store.changed = NULL;
    kv_store_free(&kv->watched);
}

/* ---- Changes */

static void on_changed(struct kv_store *store, struct kv_text key)
{
    struct kv *kv = container_of(store, struct kv, store);
    struct kv_watch *watch;

    while (store->changed && (watch = first_of(kv, key))) {
        watch->conn->multi.has_changed = true;
        kv_watch_drop_all(watch->conn);
    }
}

/* Look up each of its keys, until one has changed. */
static void look(struct kv_conn *conn, bool is_flush)
{
    struct kv_watch *watch = conn->multi.watches, *next;

    for (; !conn->multi.has_changed && watch; watch = next) {
        next = watch->next;
        if (kv_store_find(&conn->kv->store, key_of(watch)) && is_flush)
            conn->multi.has_changed = true;
    }
    if (conn->multi.has_changed)
        kv_watch_drop_all(conn);
}

void kv_watch_expire(struct kv_conn *conn)
{
    look(conn, false);
}

void kv_watch_flush(struct kv *kv)
{
    for (struct kv_conn *conn = kv->conns; conn; conn = conn->next)
        look(conn, true);
}

/* ---- Adding */

static bool has(const struct kv_conn *conn, struct kv_text key)
{
    const struct kv_watch *watch = first_of(conn->kv, key);

    while (watch && watch->conn != conn)
        watch = watch->after;
    return watch;
}

static int begin(struct kv *kv)
{
    if (kv->store.changed)
        return 0;
    kv->watched = (struct kv_store){.memory = kv->store.memory,
                                    .hash_key = kv->store.hash_key};
    if (kv_store_init(&kv->watched))
        return -XEN_ENOMEM;
    kv->store.changed = on_changed;
    return 0;
}

static struct kv_watch *make(struct kv_conn *conn, struct kv_text key)
{
    size_t bytes = sizeof(struct kv_watch) + 2 * key.len + ENTRY_BYTES;
    struct kv_multi *multi = &conn->multi;
    struct kv_watch *watch;

    if (!kv_db_hold(conn->kv, multi->bytes, multi->bytes + bytes))
        return NULL;
    watch = malloc(sizeof(*watch) + key.len);
    if (!watch) {
        kv_db_hold(conn->kv, multi->bytes + bytes, multi->bytes);
        return NULL;
    }
    *watch = (struct kv_watch){
        .conn = conn, .bytes = bytes, .key_bytes = (uint16_t)key.len};
    memcpy(watch->key, key.at, key.len);
    multi->bytes += bytes;
    return watch;
}

int kv_watch_add(struct kv_conn *conn, struct kv_text key)
{
    struct kv *kv = conn->kv;
    struct kv_watch *watch;

    if (begin(kv))
        return -XEN_ENOMEM;
    /* An expired key does not exist: its removal is not a change. */
    kv_store_find(&kv->store, key);
    if (has(conn, key))
        return 0;
    watch = make(conn, key);
    if (!watch)
        return -XEN_ENOMEM;
    watch->after = first_of(kv, key);
    if (!set_first(kv, key, watch)) {
        kv_db_hold(kv, conn->multi.bytes, conn->multi.bytes - watch->bytes);
        conn->multi.bytes -= watch->bytes;
        free(watch);
        return -XEN_ENOMEM;
    }
    if (watch->after)
        watch->after->before = watch;
    watch->next = conn->multi.watches;
    conn->multi.watches = watch;
    return 0;
}
