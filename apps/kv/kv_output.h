/* SPDX-License-Identifier: MIT */
/*
 * Answers on their way to a client: bytes, in chunks. Long values are not
 * copied: the store's entry is held until it was taken.
 */
#ifndef APPS_KV_OUTPUT_H
#define APPS_KV_OUTPUT_H

#include "apps/kv/kv_store.h"

/* A chunk with its head fits into one of libc/heap.c's blocks of 2016. */
#define KV_CHUNK_BYTES 1976
/* Longer values are held. */
#define KV_COPY_MAX    512
/* Empty chunks that are kept for reuse. */
#define KV_CHUNKS_KEPT 64

/* What all outputs share. */
struct kv_outputs {
    struct kv_store *store;
    size_t bytes_max; /* memory of all outputs; set by the owner */
    size_t bytes;
    struct kv_chunk *kept;
    unsigned nr_kept;
    uint64_t nr_errors; /* answers that ran out of memory */
};

struct kv_output {
    struct kv_outputs *all;
    struct kv_chunk *first, *last;
    uint64_t added, taken; /* total bytes so far */
    bool has_failed;       /* incomplete: no memory */
};

void kv_output_init(struct kv_output *out, struct kv_outputs *all);
/* Drops the contents. */
void kv_output_free(struct kv_output *out);
void kv_outputs_free(struct kv_outputs *all);

static inline uint64_t kv_output_bytes(const struct kv_output *out)
{
    return out->added - out->taken;
}

/* ---- Adding */

void kv_output_add(struct kv_output *out, const char *bytes, size_t len);
/* Append all of `from` to `to`. */
void kv_output_move(struct kv_output *to, struct kv_output *from);

void kv_output_status(struct kv_output *out, const char *text); /* +text */
void kv_output_ok(struct kv_output *out);
void kv_output_number(struct kv_output *out, int64_t number); /* :number */
void kv_output_array(struct kv_output *out, uint64_t nr);     /* *nr */
void kv_output_nil(struct kv_output *out);                    /* $-1 */
void kv_output_nil_array(struct kv_output *out);              /* *-1 */
/* The head of a bulk of this many bytes; "\r\n" must follow them. */
void kv_output_bulk_head(struct kv_output *out, uint64_t bytes);
void kv_output_bulk(struct kv_output *out, struct kv_text text);
void kv_output_string(struct kv_output *out, const char *text); /* as bulk */
/* The value, as bulk. */
void kv_output_entry(struct kv_output *out, struct kv_entry *entry);
/* -text; bytes that would end the line become blanks. */
__attribute__((format(printf, 2, 3))) void
kv_output_error(struct kv_output *out, const char *format, ...);

/* ---- Taking */

/* The next bytes; false: there are none. */
bool kv_output_next(const struct kv_output *out, struct kv_text *piece);
void kv_output_take(struct kv_output *out, size_t len);

#endif
