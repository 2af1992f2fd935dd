/* SPDX-License-Identifier: MIT */
/*
 * The state that the server's parts share: the store, the journal, limits and
 * counters. It knows no network, no disk and no clock: kv_server sets the time,
 * kv_tcp moves the bytes, kv_aof takes the journal.
 */
#ifndef APPS_KV_DB_H
#define APPS_KV_DB_H

#include "apps/kv/kv_journal.h"
#include "apps/kv/kv_output.h"
#include "apps/kv/kv_resp.h"
#include "apps/kv/kv_store.h"

/* Every client may keep this much in any case: clients with small requests do
 * not suffer when others fill the shared memory. */
#define KV_HELD_FREE 2016

struct kv;
struct kv_conn;

/* An address with its port, as text: the longest of IPv6. */
#define KV_ADDRESS_MAX 56

struct kv_stats {
    uint64_t commands, connections;
    uint64_t hits, misses; /* lookups of keys */
    uint64_t in_bytes, out_bytes;
    uint64_t dropped;   /* clients whose requests found no memory */
    uint64_t strangers; /* wrong passwords */
};

/* The file's state, for INFO; set by kv_aof. */
struct kv_disk {
    bool is_on;
    const char *policy; /* "always", "everysec", "no" */
    bool is_rewriting, rewrite_failed;
    uint64_t base_bytes, written_bytes; /* the base; all files */
    uint64_t fsyncs, rewrites, failures;
    uint64_t loaded_bytes, to_load_bytes;
};

/* What kv_server measures for INFO. */
struct kv_measures {
    uint64_t uptime_ns, cpu_ns;
    uint64_t heap_bytes; /* taken by malloc */
    uint64_t memory_bytes;
    uint64_t refused;   /* clients beyond the limit */
    uint64_t evicted;   /* clients closed to make room */
    uint64_t timed_out; /* clients without progress */
    uint64_t dropped;   /* clients whose answers or input found no memory */
};

struct kv {
    /* Set by the owner: */
    struct kv_store store; /* the owner's fields; now_ms at all times */
    size_t memory_max;     /* "maxmemory" */
    size_t held_max;       /* incomplete requests of all clients, bytes */
    uint32_t word_max;     /* "proto-max-bulk-len" */
    unsigned clients_max;
    uint16_t port;
    uint64_t now_us; /* the wall clock, for TIME */
    void (*measure)(struct kv *kv, struct kv_measures *measures);
    /* begins: requests are about to be run: set the times. ends: they were run:
     * do the store's deferred work. */
    void (*begins)(struct kv *kv);
    void (*ends)(struct kv *kv);
    /* Start a rewrite of the file: 0, or -XEN_EBUSY: one is under way, or
     * -XEN_ENODEV: there is no file. */
    int (*rewrite)(struct kv *kv);
    char run_id[41];      /* 40 hexadecimal digits */
    const char *password; /* for all clients; NULL: none is needed */
    /* A client's address and port, and ours, for CLIENT LIST; or NULL. */
    void (*addresses)(const struct kv_conn *conn, char from[KV_ADDRESS_MAX],
                      char to[KV_ADDRESS_MAX]);
    /* Private to the parts: */
    struct kv_outputs outputs; /* bytes_max is the owner's */
    struct kv_journal journal;
    struct kv_disk disk;
    struct kv_words words;
    struct kv_stats stats;
    size_t held_bytes;
    int64_t steps_left; /* of this turn: kv_work.h */
    unsigned nr_clients;
    struct kv_conn *conns, **last_conn; /* by their ids */
    struct kv_conn *exclusive; /* its EXEC runs: nobody else is served */
    struct kv_store watched;   /* kv_watch.c */
    uint64_t last_id;          /* of clients */
    uint64_t nr_chances;       /* RANDOMKEY's */
    bool is_loading;           /* the file is being read: no client is served */
    bool is_stopping;          /* no more commands are run */
    size_t used_max;
};

/* 0 or -XEN_ENOMEM. */
must_check int kv_db_init(struct kv *kv);
void kv_db_free(struct kv *kv);

/* Clients' incomplete requests share a budget, held_max; the first KV_HELD_FREE
 * bytes of each are free. Change one's size from `before` to `now` bytes.
 * False: there is no room, and nothing changed. */
bool kv_db_hold(struct kv *kv, size_t before, size_t now);

#endif
