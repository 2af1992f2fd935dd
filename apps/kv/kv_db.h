/* SPDX-License-Identifier: MIT */
/*
 * The server as its parts see it: the store, the journal, limits and counters.
 * It knows no network, no disk and no clock: kv_server sets the time, kv_tcp
 * moves the bytes, kv_aof takes the journal.
 */
#ifndef APPS_KV_DB_H
#define APPS_KV_DB_H

#include "apps/kv/kv_journal.h"
#include "apps/kv/kv_output.h"
#include "apps/kv/kv_resp.h"
#include "apps/kv/kv_store.h"

/* What is kept for a client has this length in any case: whoever sends small
 * requests is not hurt by those who fill the common memory. */
#define KV_HELD_FREE 2016

struct kv;
struct kv_conn;

/* An address with its port, as text: the longest of IPv6. */
#define KV_ADDRESS_MAX 56

struct kv_stats {
    uint64_t commands, connections;
    uint64_t hits, misses; /* keys that were asked for */
    uint64_t in_bytes, out_bytes;
    uint64_t dropped;   /* clients whose requests had no memory */
    uint64_t strangers; /* passwords that were none */
};

/* How the file is, for INFO; kv_aof's. */
struct kv_disk {
    bool is_on;
    const char *policy; /* "always", "everysec", "no" */
    bool is_rewriting, rewrite_failed;
    uint64_t base_bytes, written_bytes; /* base; that and what came since */
    uint64_t fsyncs, rewrites, failures;
    uint64_t loaded_bytes, to_load_bytes;
};

/* What kv_server measures for INFO. */
struct kv_measures {
    uint64_t uptime_ns, cpu_ns;
    uint64_t heap_bytes; /* taken by malloc */
    uint64_t memory_bytes;
    uint64_t refused;   /* clients that had no place */
    uint64_t evicted;   /* clients that made room for others */
    uint64_t timed_out; /* clients without progress */
    uint64_t dropped;   /* clients whose answers or input had no memory */
};

struct kv {
    /* Set by the owner: */
    struct kv_store store; /* its owner's fields, and now_ms all the time */
    size_t memory_max;     /* "maxmemory" */
    size_t held_max;       /* incomplete requests of all clients, bytes */
    uint32_t word_max;     /* "proto-max-bulk-len" */
    unsigned clients_max;
    uint16_t port;
    uint64_t now_us; /* the wall clock, for TIME */
    void (*measure)(struct kv *kv, struct kv_measures *measures);
    /* Some requests are about to be done: set the times. They were done: see to
     * what they left over in the store. */
    void (*begins)(struct kv *kv);
    void (*ends)(struct kv *kv);
    /* Start a rewrite of the file: 0, or a negative error: -XEN_EBUSY it is
     * under way, -XEN_ENODEV there is no file. */
    int (*rewrite)(struct kv *kv);
    char run_id[41];      /* 40 hexadecimal digits */
    const char *password; /* of everybody; NULL: none is asked for */
    /* A client's address and port, and ours, for CLIENT LIST; or NULL. */
    void (*addresses)(const struct kv_conn *conn, char from[KV_ADDRESS_MAX],
                      char to[KV_ADDRESS_MAX]);
    /* The parts': */
    struct kv_outputs outputs; /* bytes_max is the owner's */
    struct kv_journal journal;
    struct kv_disk disk;
    struct kv_words words;
    struct kv_stats stats;
    size_t held_bytes;
    int64_t steps_left; /* of this turn: kv_work.h */
    unsigned nr_clients;
    struct kv_conn *conns, **last_conn; /* by their ids */
    struct kv_conn *exclusive; /* its EXEC goes on: nobody else is served */
    struct kv_store watched;   /* kv_watch.c */
    uint64_t last_id;          /* of clients */
    uint64_t nr_chances;       /* RANDOMKEY's */
    bool is_loading;  /* the file is being read: nobody else is served */
    bool is_stopping; /* nothing more is done */
    size_t used_max;
};

/* 0 or -XEN_ENOMEM. */
must_check int kv_db_init(struct kv *kv);
void kv_db_free(struct kv *kv);

/* What a client began and did not end is kept in memory that all share,
 * held_max, but for the first bytes of each such thing. One has `now` bytes
 * instead of `before`: false: there is no room for it, and nothing changed. */
bool kv_db_hold(struct kv *kv, size_t before, size_t now);

#endif
