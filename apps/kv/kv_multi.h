/* SPDX-License-Identifier: MIT */
/*
 * Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH, as in Redis.
 *
 * Queued commands and watches count in the budget of incomplete requests. EXEC
 * is a kv_work: while it runs for several turns no other client is served
 * (kv.exclusive), the clock stands still, and the journal is not written. If
 * its client disconnects meanwhile, the transaction is still completed.
 */
#ifndef APPS_KV_MULTI_H
#define APPS_KV_MULTI_H

#include "apps/kv/kv_command.h"

struct kv_request;
struct kv_watch;

/* A client's transaction. */
struct kv_multi {
    struct kv_request *first, *last; /* what is queued */
    unsigned nr;
    unsigned flags;      /* of all queued commands: kv_command.flags */
    uint64_t word_bytes; /* bytes of their words */
    uint64_t note_bytes; /* bytes that the journal may need */
    size_t bytes;        /* memory of the queue and the watches */
    struct kv_watch *watches;
    bool is_open;     /* MULTI was received */
    bool is_spoilt;   /* something could not be queued */
    bool has_changed; /* a watched key has changed */
};

/* Queue a command in the open transaction. */
void kv_multi_queue(struct kv_call *call, const struct kv_command *command);
/* Discard the transaction for this reason. */
void kv_multi_abort(struct kv_call *call, const char *reason);
/* The client disconnects. */
void kv_multi_end(struct kv_conn *conn);

#endif
