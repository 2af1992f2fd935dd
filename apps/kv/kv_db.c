/* SPDX-License-Identifier: MIT */
/* Setting up and freeing the state that the parts share. */
#include "apps/kv/kv_work.h"

#include <stdlib.h>

int kv_db_init(struct kv *kv)
{
    kv->outputs.store = &kv->store;
    kv->last_conn = &kv->conns;
    kv_work_turn(kv);
    return kv_store_init(&kv->store);
}

void kv_db_free(struct kv *kv)
{
    kv_outputs_free(&kv->outputs);
    kv_words_free(&kv->words);
    free(kv->journal.bytes);
    kv->journal.bytes = NULL;
    kv->journal.used = kv->journal.room = 0;
    kv_store_free(&kv->store);
}

static size_t counted(size_t bytes)
{
    return bytes > KV_HELD_FREE ? bytes - KV_HELD_FREE : 0;
}

bool kv_db_hold(struct kv *kv, size_t before, size_t now)
{
    size_t others = kv->held_bytes - counted(before);

    if (now > before && counted(now) &&
        (others > kv->held_max || counted(now) > kv->held_max - others))
        return false;
    kv->held_bytes = others + counted(now);
    return true;
}
