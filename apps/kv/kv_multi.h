/* SPDX-License-Identifier: MIT */
/*
 * Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH, as in Redis.
 *
 * What is queued, and what is watched, is in the budget of incomplete requests.
 * EXEC is a kv_work: while it goes on for several turns nobody else is served
 * (kv.exclusive), time stands still, and the journal is not written. A client
 * that goes meanwhile leaves its transaction done.
 */
#ifndef APPS_KV_MULTI_H
#define APPS_KV_MULTI_H

#include "apps/kv/kv_command.h"

struct kv_request;
struct kv_watch;

/* A client's. */
struct kv_multi {
    struct kv_request *first, *last; /* what is queued */
    unsigned nr;
    unsigned flags;      /* of all of them: the bits of kv_command.flags */
    uint64_t word_bytes; /* of theirs */
    uint64_t note_bytes; /* that the journal may need */
    size_t bytes;        /* memory of the queue and the watches */
    struct kv_watch *watches;
    bool is_open;     /* MULTI was said */
    bool is_spoilt;   /* something could not be queued */
    bool has_changed; /* a key that is watched */
};

/* Into the transaction that is open. */
void kv_multi_queue(struct kv_call *call, const struct kv_command *command);
/* It is discarded for this reason. */
void kv_multi_abort(struct kv_call *call, const char *reason);
/* The client goes. */
void kv_multi_end(struct kv_conn *conn);

#endif
