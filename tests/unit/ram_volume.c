/* SPDX-License-Identifier: MIT */
#include "tests/unit/ram_volume.h"
#include "tests/fake/fake.h"

#include <stdlib.h>
#include <string.h>

size_t ram_volume_bytes(const struct ram_volume *r)
{
    return r->volume.nr_sectors * VOLUME_SECTOR_BYTES;
}

/* ---- Serving */

static void finish(struct task *task)
{
    struct volume_request *request =
        container_of(task, struct volume_request, task);

    request->done(request);
}

static void remember(struct ram_volume *r, const struct volume_request *request)
{
    struct ram_op *op;

    if (r->nr_ops == r->room) {
        r->room = 2 * r->room + 64;
        r->ops = realloc(r->ops, r->room * sizeof(*r->ops));
    }
    op = &r->ops[r->nr_ops++];
    *op = (struct ram_op){
        .op = request->op,
        .at = request->sector * VOLUME_SECTOR_BYTES,
        .bytes = (size_t)request->nr * VOLUME_SECTOR_BYTES,
    };
    if (op->op == VOLUME_WRITE) {
        op->data = malloc(op->bytes);
        memcpy(op->data, request->from, op->bytes);
    }
}

static bool fails(struct ram_volume *r)
{
    if (!r->fail_every || --r->until_failure)
        return false;
    r->until_failure = r->fail_every;
    r->failures++;
    return true;
}

static void serve(struct ram_volume *r, struct volume_request *request)
{
    char *at = r->bytes + request->sector * VOLUME_SECTOR_BYTES;
    size_t bytes = (size_t)request->nr * VOLUME_SECTOR_BYTES;

    if (request->op == VOLUME_READ)
        memcpy(request->to, at, bytes);
    if (request->op == VOLUME_WRITE)
        memcpy(at, request->from, bytes);
    r->reads += request->op == VOLUME_READ;
    r->writes += request->op == VOLUME_WRITE;
    r->flushes += request->op == VOLUME_FLUSH;
    if (r->recording && request->op != VOLUME_READ)
        remember(r, request);
}

static void start(struct volume *volume, struct volume_request *request)
{
    struct ram_volume *r = container_of(volume, struct ram_volume, volume);

    request->status = fails(r) ? -XEN_EIO : 0;
    if (!request->status)
        serve(r, request);
    task_start(r->loop, &request->task, finish);
}

void ram_volume_init(struct ram_volume *r, struct loop *loop, size_t bytes,
                     unsigned block_sectors)
{
    *r = (struct ram_volume){
        .volume =
            {
                .name = "xvda",
                .nr_sectors = bytes / VOLUME_SECTOR_BYTES,
                .block_sectors = block_sectors,
                .start = start,
            },
        .loop = loop,
        .bytes = calloc(1, bytes),
    };
}

void ram_volume_free(struct ram_volume *r)
{
    for (unsigned i = 0; i < r->nr_ops; i++)
        free(r->ops[i].data);
    free(r->ops);
    free(r->stable);
    free(r->bytes);
}

void ram_volume_fail(struct ram_volume *r, unsigned every)
{
    r->fail_every = r->until_failure = every;
}

/* ---- Cutting the power */

void ram_volume_record(struct ram_volume *r)
{
    r->recording = true;
    r->stable = malloc(ram_volume_bytes(r));
    memcpy(r->stable, r->bytes, ram_volume_bytes(r));
}

static void apply(char *medium, const struct ram_op *op)
{
    if (op->op == VOLUME_WRITE)
        memcpy(medium + op->at, op->data, op->bytes);
}

/* Some sectors of it; of some of these only the first bytes. */
static void apply_some(char *medium, const struct ram_op *op, unsigned percent)
{
    if (op->op != VOLUME_WRITE)
        return;
    for (size_t i = 0; i < op->bytes; i += VOLUME_SECTOR_BYTES) {
        size_t n = VOLUME_SECTOR_BYTES;

        if (!fake_chance(percent))
            continue;
        if (fake_chance(10))
            n = fake_random_below(VOLUME_SECTOR_BYTES);
        memcpy(medium + op->at + i, op->data + i, n);
    }
}

void ram_volume_cut(struct ram_volume *r, unsigned nr_ops, char *medium)
{
    static const unsigned percents[] = {0, 10, 50, 90, 100};
    unsigned flushed = r->stable_ops, percent = percents[fake_random_below(5)];

    for (unsigned i = r->stable_ops; i < nr_ops; i++)
        if (r->ops[i].op == VOLUME_FLUSH)
            flushed = i + 1;
    for (unsigned i = r->stable_ops; i < flushed; i++)
        apply(r->stable, &r->ops[i]);
    r->stable_ops = flushed;
    memcpy(medium, r->stable, ram_volume_bytes(r));
    for (unsigned i = flushed; i < nr_ops; i++)
        apply_some(medium, &r->ops[i], percent);
}
