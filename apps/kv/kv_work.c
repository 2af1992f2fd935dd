/* SPDX-License-Identifier: MIT */
/*
 * Works count in the budget of incomplete requests, which they are.
 */
#include "apps/kv/kv_work.h"

#include <stdlib.h>

struct kv_work *kv_work_make(struct kv_call *call, size_t bytes,
                             bool (*step)(struct kv_work *work),
                             void (*end)(struct kv_work *work))
{
    struct kv_work *work = NULL;

    if (kv_db_hold(call->kv, 0, bytes)) {
        work = calloc(1, bytes);
        if (!work)
            kv_db_hold(call->kv, bytes, 0);
    }
    if (!work) {
        kv_command_no_memory(call);
        return NULL;
    }
    work->step = step;
    work->end = end;
    work->kv = call->kv;
    work->out = call->out;
    work->bytes = bytes;
    kv_output_init(&work->found, call->out->all);
    *call->work = work;
    return work;
}

void kv_work_end(struct kv_work **at)
{
    struct kv_work *work = *at;

    if (!work)
        return;
    if (work->end)
        work->end(work);
    kv_output_free(&work->found);
    kv_db_hold(work->kv, work->bytes, 0);
    free(work);
    *at = NULL;
}

bool kv_work_continue(struct kv_work **at)
{
    while (*at && (*at)->kv->steps_left > 0)
        if (!(*at)->step(*at))
            kv_work_end(at);
    return *at;
}
