/* SPDX-License-Identifier: MIT */
/* Beginning and end of what the parts share. */
#include "apps/kv/kv_db.h"

#include <stdlib.h>

int kv_db_init(struct kv *kv)
{
    kv->outputs.store = &kv->store;
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
