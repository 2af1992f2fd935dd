/* SPDX-License-Identifier: MIT */
/*
 * Commands that may take more than one turn of the loop.
 *
 * Such a command is a kv_work that its connection keeps: a cursor, and the
 * result so far. It runs in steps, as many as the turn has left; all clients
 * together have KV_TURN_STEPS. So whatever they ask for, the loop keeps
 * turning.
 *
 * Steps are counted, not timed: one costs about as much as looking at a bucket
 * of the store.
 */
#ifndef APPS_KV_WORK_H
#define APPS_KV_WORK_H

#include "apps/kv/kv_command.h"

/* Some tenths of a millisecond. */
#define KV_TURN_STEPS 2048

struct kv_work {
    /* Do a little, and kv_work_spend it. False: the work is done and answered.
     */
    bool (*step)(struct kv_work *work);
    /* Free what the work owns, done or not; NULL: it owns nothing. */
    void (*end)(struct kv_work *work);
    struct kv *kv;
    struct kv_output *out;  /* for the answer */
    struct kv_output found; /* parts of it */
    size_t bytes;           /* of the work itself */
};

/* Make a work of `bytes` bytes for the called command, zeroed after this head;
 * the caller fills it in. NULL: no memory, and the error was sent.
 */
struct kv_work *kv_work_make(struct kv_call *call, size_t bytes,
                             bool (*step)(struct kv_work *work),
                             void (*end)(struct kv_work *work));

static inline void kv_work_spend(struct kv_work *work, unsigned steps)
{
    work->kv->steps_left -= (int64_t)steps;
}

/* ---- For kv_conn, and for works that contain works */

/* A new turn begins. */
static inline void kv_work_turn(struct kv *kv)
{
    kv->steps_left = KV_TURN_STEPS;
}

/* Continue as far as this turn allows. False: the work is done and freed. */
bool kv_work_continue(struct kv_work **work);
void kv_work_end(struct kv_work **work);

#endif
