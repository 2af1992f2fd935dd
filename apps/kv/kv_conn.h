/* SPDX-License-Identifier: MIT */
/*
 * One client, without a network: bytes in, bytes out.
 *
 *     kv_conn_receive   give it what arrived; it takes what it can use now
 *     kv_conn_output    what is to be sent next...
 *     kv_conn_taken     ...and how much of it was
 *
 * While much output waits to be taken, or for the disk, receive takes nothing
 * of the next request. An idle connection is this struct and nothing else;
 * incomplete requests are kept in a shared budget of memory.
 */
#ifndef APPS_KV_CONN_H
#define APPS_KV_CONN_H

#include "apps/kv/kv_multi.h"

/* With this much output to be taken, the next request waits. */
#define KV_OUTPUT_FULL    65536
/* Limits before the password was sent, as in Redis: words in a request, bytes
 * in a word. */
#define KV_STRANGER_WORDS 10
#define KV_STRANGER_BYTES 16384
/* A client's name, bytes. */
#define KV_NAME_MAX       64

struct kv_conn {
    struct kv *kv;
    struct kv_conn *next, **link; /* of all */
    struct kv_output out;
    struct kv_resp resp; /* the request at `held`, or the next one */
    char *held;          /* an incomplete request, or NULL */
    size_t held_bytes, held_room;
    struct kv_work *work; /* a command of several turns, or NULL */
    struct kv_multi multi;
    char *name; /* or NULL */
    uint64_t id;
    uint64_t since_us, last_us; /* when it connected, and last sent something */
    const char *last_name;      /* of its last command, or NULL */
    /* Positions in the output, counted as out.added is: how far it may be
     * taken; how far once the batch being written is done. */
    uint64_t free_to, batch_to;
    bool is_known;   /* sent the password, or there is none */
    bool is_closing; /* no more requests are run: further input is discarded */
};

void kv_conn_init(struct kv_conn *conn, struct kv *kv);
void kv_conn_end(struct kv_conn *conn);

/* Returns how many of the bytes were taken; they are written to. Less than len:
 * it must wait. */
size_t kv_conn_receive(struct kv_conn *conn, char *bytes, size_t len);

/* The next bytes to send; false: nothing now. */
bool kv_conn_output(const struct kv_conn *conn, struct kv_text *piece);
void kv_conn_taken(struct kv_conn *conn, size_t len);

/* There is nothing to send, now or when the disk is done. */
bool kv_conn_is_idle(const struct kv_conn *conn);
/* A request is partly received. */
bool kv_conn_has_part(const struct kv_conn *conn);
/* Some answers wait for the disk. */
bool kv_conn_is_withheld(const struct kv_conn *conn);
/* The connection cannot continue: some of its output is missing. */
bool kv_conn_has_failed(const struct kv_conn *conn);

/* A command that takes long is under way: kv_conn_continue does as much of it
 * as the turn has left (kv_work_turn), and there is output when it returns
 * false.
 */
bool kv_conn_is_working(const struct kv_conn *conn);
bool kv_conn_continue(struct kv_conn *conn);
/* Shutdown: complete the transaction that is under way. */
void kv_conn_end_exclusive(struct kv *kv);

/* The journal so far is being written; the batch is on the disk. */
void kv_conn_batch_begins(struct kv_conn *conn);
void kv_conn_batch_ends(struct kv_conn *conn);

/* Too many connections: send the error, and nothing more. */
void kv_conn_refuse(struct kv_conn *conn);
/* The client sent its FIN: what is under way is still answered. */
void kv_conn_finish(struct kv_conn *conn);

#endif
