/* SPDX-License-Identifier: MIT */
/*
 * Commands that may take more than one turn of the loop.
 *
 * Such a command is a kv_work that its connection keeps: a cursor, and what was
 * found so far. It is done in steps, as many as the turn has left; all clients
 * together have KV_TURN_STEPS. So whatever they ask for, the loop goes on.
 *
 * Steps are counted, not timed: what costs about as much as looking at a bucket
 * of the store is one.
 */
#ifndef APPS_KV_WORK_H
#define APPS_KV_WORK_H

#include "apps/kv/kv_command.h"

/* Some tenths of a millisecond. */
#define KV_TURN_STEPS 2048

struct kv_work {
    /* Do a little, and kv_work_spend it. False: it is done, and answered. */
    bool (*step)(struct kv_work *work);
    /* Done or not, it goes; NULL: it has nothing but itself. */
    void (*end)(struct kv_work *work);
    struct kv *kv;
    struct kv_output *out;  /* for the answer */
    struct kv_output found; /* parts of it */
    size_t bytes;           /* of itself */
};

/* For the command that is called: of so many bytes, zeroed behind this head,
 * and begun by whoever called. NULL: it was answered that there is no memory.
 */
struct kv_work *kv_work_make(struct kv_call *call, size_t bytes,
                             bool (*step)(struct kv_work *work),
                             void (*end)(struct kv_work *work));

static inline void kv_work_spend(struct kv_work *work, unsigned steps)
{
    work->kv->steps_left -= (int64_t)steps;
}

/* ---- For kv_conn, and what has works of its own */

/* Another turn. */
static inline void kv_work_turn(struct kv *kv)
{
    kv->steps_left = KV_TURN_STEPS;
}

/* As far as this turn goes. False: it is done, and gone. */
bool kv_work_continue(struct kv_work **work);
void kv_work_end(struct kv_work **work);

#endif
