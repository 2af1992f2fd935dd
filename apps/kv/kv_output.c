/* SPDX-License-Identifier: MIT */
/*
 * Outputs. A chunk has either bytes of its own or an entry that it holds. When
 * memory runs out, that output and all after it is missing: the output has
 * failed, and its connection must end.
 */
#include "apps/kv/kv_output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_MAX 512 /* the longest error line: unknown commands' */

struct kv_chunk {
    struct kv_chunk *next;
    struct kv_entry *entry; /* NULL: bytes of its own */
    uint32_t used, taken;
    char bytes[];
};

void kv_output_init(struct kv_output *out, struct kv_outputs *all)
{
    *out = (struct kv_output){.all = all};
}

/* ---- Chunks */

static size_t size_of(const struct kv_chunk *chunk)
{
    return sizeof(*chunk) + (chunk->entry ? 0 : KV_CHUNK_BYTES);
}

static struct kv_chunk *make_chunk(struct kv_outputs *all, size_t room)
{
    struct kv_chunk *chunk = room ? all->kept : NULL;

    if (chunk) {
        all->kept = chunk->next;
        all->nr_kept--;
        return chunk;
    }
    return malloc(sizeof(*chunk) + room);
}

/* Append a chunk; NULL: the output has failed. */
static struct kv_chunk *append(struct kv_output *out, struct kv_entry *entry)
{
    struct kv_outputs *all = out->all;
    struct kv_chunk *chunk = NULL;

    if (!out->has_failed && all->bytes < all->bytes_max)
        chunk = make_chunk(all, entry ? 0 : KV_CHUNK_BYTES);
    if (!chunk) {
        out->has_failed = true;
        return NULL;
    }
    *chunk = (struct kv_chunk){.entry = entry};
    all->bytes += size_of(chunk);
    if (out->last)
        out->last->next = chunk;
    else
        out->first = chunk;
    out->last = chunk;
    return chunk;
}

static void drop_first(struct kv_output *out)
{
    struct kv_outputs *all = out->all;
    struct kv_chunk *chunk = out->first;

    out->first = chunk->next;
    if (!out->first)
        out->last = NULL;
    all->bytes -= size_of(chunk);
    if (chunk->entry)
        kv_store_release(all->store, chunk->entry);
    if (chunk->entry || all->nr_kept == KV_CHUNKS_KEPT) {
        free(chunk);
        return;
    }
    chunk->next = all->kept;
    all->kept = chunk;
    all->nr_kept++;
}

void kv_output_free(struct kv_output *out)
{
    while (out->first)
        drop_first(out);
}

void kv_outputs_free(struct kv_outputs *all)
{
    while (all->kept) {
        struct kv_chunk *next = all->kept->next;

        free(all->kept);
        all->kept = next;
    }
    all->nr_kept = 0;
}

/* ---- Adding */

void kv_output_add(struct kv_output *out, const char *bytes, size_t len)
{
    while (len && !out->has_failed) {
        struct kv_chunk *chunk = out->last;
        size_t n;

        if (!chunk || chunk->entry || chunk->used == KV_CHUNK_BYTES)
            chunk = append(out, NULL);
        if (!chunk)
            return;
        n = KV_CHUNK_BYTES - chunk->used;
        n = len < n ? len : n;
        memcpy(chunk->bytes + chunk->used, bytes, n);
        chunk->used += (uint32_t)n;
        out->added += n;
        bytes += n;
        len -= n;
    }
}

void kv_output_move(struct kv_output *to, struct kv_output *from)
{
    to->has_failed |= from->has_failed;
    if (!from->first)
        return;
    if (to->last)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    to->added += kv_output_bytes(from);
    from->first = from->last = NULL;
}

static void add_text(struct kv_output *out, const char *text)
{
    kv_output_add(out, text, strlen(text));
}

static void add_line(struct kv_output *out, char sign, int64_t number)
{
    char line[1 + KV_NUMBER_MAX + 2];
    size_t len;

    line[0] = sign;
    len = 1 + kv_text_from_number(line + 1, number);
    line[len++] = '\r';
    line[len++] = '\n';
    kv_output_add(out, line, len);
}

void kv_output_status(struct kv_output *out, const char *text)
{
    add_text(out, "+");
    add_text(out, text);
    add_text(out, "\r\n");
}

void kv_output_ok(struct kv_output *out)
{
    kv_output_add(out, "+OK\r\n", 5);
}

void kv_output_number(struct kv_output *out, int64_t number)
{
    add_line(out, ':', number);
}

void kv_output_array(struct kv_output *out, uint64_t nr)
{
    add_line(out, '*', (int64_t)nr);
}

void kv_output_nil(struct kv_output *out)
{
    kv_output_add(out, "$-1\r\n", 5);
}

void kv_output_nil_array(struct kv_output *out)
{
    kv_output_add(out, "*-1\r\n", 5);
}

void kv_output_bulk_head(struct kv_output *out, uint64_t bytes)
{
    add_line(out, '$', (int64_t)bytes);
}

void kv_output_bulk(struct kv_output *out, struct kv_text text)
{
    kv_output_bulk_head(out, text.len);
    kv_output_add(out, text.at, text.len);
    kv_output_add(out, "\r\n", 2);
}

void kv_output_string(struct kv_output *out, const char *text)
{
    kv_output_bulk(out, (struct kv_text){text, strlen(text)});
}

void kv_output_entry(struct kv_output *out, struct kv_entry *entry)
{
    struct kv_text value = kv_entry_value(entry);
    struct kv_chunk *chunk;

    if (value.len <= KV_COPY_MAX) {
        kv_output_bulk(out, value);
        return;
    }
    add_line(out, '$', (int64_t)value.len);
    chunk = append(out, entry);
    if (!chunk)
        return;
    kv_store_hold(entry);
    chunk->used = (uint32_t)value.len;
    out->added += value.len;
    kv_output_add(out, "\r\n", 2);
}

void kv_output_error(struct kv_output *out, const char *format, ...)
{
    char line[ERROR_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    for (char *c = line; *c; c++)
        if (*c == '\r' || *c == '\n')
            *c = ' ';
    out->all->nr_errors++;
    add_text(out, "-");
    add_text(out, line);
    add_text(out, "\r\n");
}

/* ---- Taking */

bool kv_output_next(const struct kv_output *out, struct kv_text *piece)
{
    const struct kv_chunk *chunk = out->first;
    const char *bytes;

    if (!chunk)
        return false;
    bytes = chunk->entry ? kv_entry_value(chunk->entry).at : chunk->bytes;
    *piece = (struct kv_text){bytes + chunk->taken, chunk->used - chunk->taken};
    return true;
}

void kv_output_take(struct kv_output *out, size_t len)
{
    struct kv_chunk *chunk = out->first;

    chunk->taken += (uint32_t)len;
    out->taken += len;
    if (chunk->taken == chunk->used)
        drop_first(out);
}
