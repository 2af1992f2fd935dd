/* SPDX-License-Identifier: MIT */
/*
 * A test of a disk on the machine that will use it. It overwrites the disk.
 *
 * Every block of 4 KiB carries its number and a generation; the rest of it
 * follows from these two. So a block by itself shows whether it is whole, in
 * its place, and old or new. A step keeps `depth` requests in flight until it
 * has no more; several steps are a run. The result is TAP.
 *
 *   disktest.disk=51712   the vbd's number (xvda)
 *   disktest.mib=64       how much of it is used
 *   disktest.skip=0       MiB before that
 *   disktest.mode=all     every step, the default
 *                verify   only read: each block is whole, of generation
 *                         disktest.least or more
 *                count    write and flush one generation after another, for
 *                         ever, and print each: for pulling the plug
 *                steady   random reads and writes for disktest.seconds, or
 *                         until `xl sysrq DOMAIN e`, come what may
 *   disktest.least=0, disktest.seconds=10, disktest.seed=1
 */
#include "kernel/app.h"
#include "blkfront/blkfront.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK     4096u
#define DEPTH_MAX 32u
#define PIECES    4u /* segments of a request's memory, if cut */
#define REQUEST_MAX \
    (1u << 20)            /* bytes; what sequential steps ask for at once */
#define COUNT_BLOCKS 256u /* that mode=count writes */

struct step;

struct slot {
    struct blkfront_request r;
    struct blkfront_piece pieces[PIECES];
    char *data;
    uint64_t block, nr_blocks;
    bool out;
};

/* One step: `next` fills a request, or says that there are no more. */
struct step {
    const char *name;
    bool (*next)(struct slot *slot);
    unsigned depth;
    uint32_t request_bytes;
    enum { ALWAYS, WRITES, DISCARDS } needs;
};

static struct disktest {
    struct app *app;
    struct blkfront *bf;
    const struct step *steps;
    unsigned nr_steps, at; /* the current step */
    bool running, enough;
    struct task task;
    struct slot slots[DEPTH_MAX];
    unsigned nr_out;
    char *buffer; /* shared with the backend: steps in place */
    bool in_place;
    uint64_t first, nr_blocks, position, requests, bytes, start_ns,
        start_cpu_ns;
    uint32_t *generations; /* of each block, as it should be; BUSY: being
                            * written */
    uint32_t generation, least;
    uint64_t seed, seconds;
    unsigned failed, errors;
} disktest;

#define BUSY (UINT32_C(1) << 31)

/* ---- Blocks */

static uint64_t word_of(uint64_t number, uint32_t generation, unsigned i)
{
    uint64_t x = (number + 1) * UINT64_C(0x9e3779b97f4a7c15) +
                 generation * UINT64_C(0xd6e8feb86659fd93) + i;

    return x ^ x >> 29;
}

static void block_fill(void *to, uint64_t number, uint32_t generation)
{
    uint64_t *words = to;

    words[0] = number;
    words[1] = generation;
    for (unsigned i = 2; i < BLOCK / sizeof(*words); i++)
        words[i] = generation ? word_of(number, generation, i) : 0;
    if (!generation)
        words[0] = 0;
}

/* Is the block whole, and of which generation? Zeros are generation 0. */
static bool block_check(const void *from, uint64_t number, uint32_t *generation)
{
    const uint64_t *words = from;
    static uint64_t expected[BLOCK / sizeof(uint64_t)];

    *generation = (uint32_t)words[1];
    block_fill(expected, number, *generation);
    return !memcmp(expected, from, BLOCK);
}

static uint64_t chance(uint64_t below)
{
    disktest.seed = disktest.seed * UINT64_C(6364136223846793005) + 1;
    return (disktest.seed >> 33) % below;
}

/* ---- Completed requests */

static void complain(const char *what, const struct slot *slot, uint64_t block,
                     uint32_t generation)
{
    if (disktest.errors++ < 10)
        printf("# %s: block %" PRIu64 ", generation %" PRIu32 ", error %d\n",
               what, block, generation, slot->r.error);
}

static void check_read(const struct slot *slot)
{
    for (uint64_t i = 0; i < slot->nr_blocks; i++) {
        uint64_t block = slot->block + i;
        uint32_t generation, expected = disktest.generations[block];

        if (!block_check(slot->data + i * BLOCK, block, &generation))
            complain("torn or misplaced", slot, block, generation);
        else if (generation < disktest.least)
            complain("too old", slot, block, generation);
        else if (!(expected & BUSY) && expected != generation &&
                 disktest.least == 0)
            complain("of another generation", slot, block, generation);
    }
}

static void settle_write(const struct slot *slot)
{
    for (uint64_t i = 0; i < slot->nr_blocks; i++)
        disktest.generations[slot->block + i] &= ~BUSY;
}

static void pump(struct task *task);

static void slot_done(struct blkfront_request *r)
{
    struct slot *slot = container_of(r, struct slot, r);

    slot->out = false;
    disktest.nr_out--;
    disktest.bytes += slot->r.error ? 0 : r->bytes;
    if (r->error)
        complain("failed", slot, slot->block, 0);
    else if (r->op == BLKFRONT_READ)
        check_read(slot);
    if (r->op == BLKFRONT_WRITE || r->op == BLKFRONT_DISCARD)
        settle_write(slot);
    task_start(disktest.app->loop, &disktest.task, pump);
}

/* ---- Kinds of requests */

static void ask(struct slot *slot, enum blkfront_op op, uint64_t block,
                uint64_t nr)
{
    slot->block = block;
    slot->nr_blocks = nr;
    slot->r.op = op;
    slot->r.flags = 0;
    slot->r.offset = (disktest.first + block) * BLOCK;
    slot->r.bytes = nr * BLOCK;
    slot->pieces[0] = (struct blkfront_piece){slot->data, nr * BLOCK};
    slot->r.pieces = slot->pieces;
    slot->r.nr_pieces = op == BLKFRONT_READ || op == BLKFRONT_WRITE;
    slot->r.done = slot_done;
}

/* Cut a request's memory into segments anywhere, across sectors and pages. */
static void cut(struct slot *slot)
{
    char *data = slot->data;
    size_t left = slot->nr_blocks * BLOCK;

    for (unsigned i = 0; i < PIECES; i++) {
        size_t bytes = i == PIECES - 1 ? left : chance(left + 1);

        slot->pieces[i] = (struct blkfront_piece){data, bytes};
        data += bytes;
        left -= bytes;
    }
    slot->r.nr_pieces = PIECES;
}

static void ask_write(struct slot *slot, uint64_t block, uint64_t nr)
{
    ask(slot, BLKFRONT_WRITE, block, nr);
    disktest.generation++;
    for (uint64_t i = 0; i < nr; i++) {
        disktest.generations[block + i] = disktest.generation | BUSY;
        block_fill(slot->data + i * BLOCK, block + i, disktest.generation);
    }
}

/* The next blocks in order; returns how many. 0: no more. */
static uint64_t next_in_order(uint64_t *block)
{
    uint64_t nr = disktest.steps[disktest.at].request_bytes / BLOCK;

    *block = disktest.position;
    if (nr > disktest.nr_blocks - *block)
        nr = disktest.nr_blocks - *block;
    disktest.position += nr;
    return nr;
}

static bool write_in_order(struct slot *slot)
{
    uint64_t block, nr = next_in_order(&block);

    if (nr)
        ask_write(slot, block, nr);
    return nr;
}

static bool read_in_order(struct slot *slot)
{
    uint64_t block, nr = next_in_order(&block);

    ask(slot, BLKFRONT_READ, block, nr);
    return nr;
}

static bool is_busy(uint64_t block, uint64_t nr)
{
    for (uint64_t i = 0; i < nr; i++)
        if (disktest.generations[block + i] & BUSY)
            return true;
    return false;
}

/* A random position at which nothing is being written. */
static uint64_t anywhere(uint64_t nr)
{
    uint64_t block;

    do
        block = chance(disktest.nr_blocks - nr + 1);
    while (is_busy(block, nr));
    return block;
}

static bool is_over(uint64_t requests)
{
    if (disktest.seconds)
        return disktest.enough ||
               app_uptime_ns(disktest.app) >= disktest.seconds * NS_PER_S;
    return disktest.requests >= requests;
}

static void on_sysrq(struct app *app, char key)
{
    (void)app;
    disktest.enough |= key == 'e';
}

static bool read_anywhere(struct slot *slot)
{
    ask(slot, BLKFRONT_READ, anywhere(1), 1);
    return !is_over(disktest.nr_blocks / 4);
}

static bool read_and_write_anywhere(struct slot *slot)
{
    uint64_t kind = chance(100), nr = 1 + chance(24);

    if (is_over(disktest.nr_blocks / 8))
        return false;
    if (kind < 2) {
        ask(slot, BLKFRONT_FLUSH, 0, 0);
        slot->r.nr_pieces = 0;
        return true;
    }
    if (kind < 50)
        ask(slot, BLKFRONT_READ, anywhere(nr), nr);
    else
        ask_write(slot, anywhere(nr), nr);
    cut(slot);
    if (kind >= 97)
        slot->r.flags = BLKFRONT_THROUGH;
    return true;
}

/* Discard a quarter; afterwards the blocks may be unchanged, or zeros. */
static bool discard_some(struct slot *slot)
{
    if (disktest.requests >= 4)
        return false;
    ask(slot, BLKFRONT_DISCARD, disktest.requests * (disktest.nr_blocks / 4),
        disktest.nr_blocks / 16);
    for (uint64_t i = 0; i < slot->nr_blocks; i++)
        disktest.generations[slot->block + i] |= BUSY;
    return true;
}

static bool flush_once(struct slot *slot)
{
    ask(slot, BLKFRONT_FLUSH, 0, 0);
    return !disktest.requests;
}

/* ---- Steps */

static const struct step all_steps[] = {
    {"write in order", write_in_order, 2, REQUEST_MAX, WRITES},
    {"flush", flush_once, 1, 0, ALWAYS},
    {"read in order", read_in_order, 2, REQUEST_MAX, ALWAYS},
    {"read in order, 64 KiB", read_in_order, 8, 65536, ALWAYS},
    {"write in order, 4 KiB", write_in_order, 32, BLOCK, WRITES},
    {"read in order, 4 KiB", read_in_order, 32, BLOCK, ALWAYS},
    {"read anywhere, 4 KiB, one at once", read_anywhere, 1, BLOCK, ALWAYS},
    {"read anywhere, 4 KiB, 32 at once", read_anywhere, 32, BLOCK, ALWAYS},
    {"read, write, flush anywhere", read_and_write_anywhere, 16, 0, WRITES},
    {"read what is there now", read_in_order, 4, 262144, ALWAYS},
    {"discard", discard_some, 2, 0, DISCARDS},
    {"write again", write_in_order, 4, 262144, WRITES},
    {"read again", read_in_order, 4, 262144, ALWAYS},
};

static const struct step verify_steps[] = {
    {"verify", read_in_order, 2, REQUEST_MAX, ALWAYS},
};

static const struct step count_steps[] = {
    {"count", write_in_order, 4, 65536, WRITES},
    {"count: flush", flush_once, 1, 0, WRITES},
};

static const struct step steady_steps[] = {
    {"write in order", write_in_order, 2, REQUEST_MAX, WRITES},
    {"steady", read_and_write_anywhere, 16, 0, WRITES},
    {"read what is there now", read_in_order, 4, 262144, ALWAYS},
};

static bool is_counting(void)
{
    return disktest.steps == count_steps;
}

static void say_rate(const struct step *step)
{
    uint64_t ns = app_now_ns() - disktest.start_ns;
    uint64_t cpu_ns = app_cpu_ns(disktest.app) - disktest.start_cpu_ns;

    printf("# %s: %" PRIu64 " requests, %" PRIu64 " KiB in %" PRIu64
           " us, %" PRIu64 " us of CPU time\n",
           step->name, disktest.requests, disktest.bytes / 1024, ns / NS_PER_US,
           cpu_ns / NS_PER_US);
}

static void say_end(void)
{
    struct blkfront_stats s;

    blkfront_stats(disktest.bf, &s);
    printf("# %" PRIu64 " parts, %" PRIu64 " segments, %" PRIu64
           " KiB in place, %" PRIu64 " events, %" PRIu64 " notifications, "
           "%" PRIu64 " reconnects, %" PRIu64 " sent again, %" PRIu64
           " errors\n",
           s.parts, s.segments, s.in_place_bytes / 1024, s.events, s.notifies,
           s.reconnects, s.again, s.errors);
    printf("1..%u\n", disktest.nr_steps);
    app_stop(disktest.app);
}

static bool is_possible(const struct step *step)
{
    const struct blkfront_info *info = blkfront_info(disktest.bf);

    return step->needs == ALWAYS ||
           (!info->read_only && (step->needs == WRITES || info->discard));
}

static void step_begin(void)
{
    disktest.position = disktest.requests = disktest.bytes = 0;
    disktest.errors = 0;
    disktest.start_ns = app_now_ns();
    disktest.start_cpu_ns = app_cpu_ns(disktest.app);
    disktest.running = true;
}

static void step_end(const struct step *step)
{
    disktest.failed += disktest.errors != 0;
    if (is_counting()) {
        if (step->next == flush_once)
            printf("flushed %" PRIu32 "\n", disktest.generations[0]);
    } else if (is_possible(step)) {
        printf("%sok %u - %s\n", disktest.errors ? "not " : "", disktest.at + 1,
               step->name);
        say_rate(step);
    } else {
        printf("ok %u - %s # SKIP the disk has not what it takes\n",
               disktest.at + 1, step->name);
    }
    disktest.at++;
    if (is_counting())
        disktest.at %= disktest.nr_steps;
    disktest.running = false;
}

/* Keep as many requests in flight as the step asks for. False: no more. */
static bool step_fill(const struct step *step)
{
    for (unsigned i = 0; i < step->depth; i++) {
        struct slot *slot = &disktest.slots[i];
        int error;

        if (slot->out)
            continue;
        if (!step->next(slot))
            return false;
        error = blkfront_submit(disktest.bf, &slot->r);
        if (error) {
            printf("# refused: error %d\n", error);
            disktest.errors++;
            return false;
        }
        slot->out = true;
        disktest.nr_out++;
        disktest.requests++;
    }
    return true;
}

/* Undo slots_init(); no request is in flight. */
static void slots_end(void)
{
    for (unsigned i = 0; i < DEPTH_MAX; i++)
        if (i % 2)
            free(disktest.slots[i].data - i);
        else
            blkfront_buffer_free(disktest.bf, disktest.slots[i].data);
}

/* Continue as long as there is something to do. */
static void pump(struct task *task)
{
    (void)task;
    while (disktest.at < disktest.nr_steps) {
        const struct step *step = &disktest.steps[disktest.at];

        if (!disktest.running)
            step_begin();
        if (is_possible(step) && step_fill(step))
            return;
        if (disktest.nr_out)
            return;
        step_end(step);
    }
    slots_end();
    say_end();
}

/* ---- The disk */

static void *must_have(void *memory)
{
    if (!memory)
        panic("disktest: no memory: it takes some MiB");
    return memory;
}

/* Even slots use shared pages, odd slots copy, so both are tested; the latter
 * are at unaligned addresses. */
static void slots_init(void)
{
    for (unsigned i = 0; i < DEPTH_MAX; i++) {
        size_t bytes = i < 2 ? REQUEST_MAX : i < 8 ? 262144 : 98304;

        disktest.slots[i].data =
            i % 2
                ? (char *)must_have(malloc(bytes + DEPTH_MAX)) + i
                : must_have(blkfront_buffer_alloc(disktest.bf, bytes / BLOCK));
    }
}

static void begin(void)
{
    const struct blkfront_info *info = blkfront_info(disktest.bf);
    uint64_t nr = info->bytes / BLOCK;

    nr = nr > disktest.first ? nr - disktest.first : 0;
    if (nr > disktest.nr_blocks)
        nr = disktest.nr_blocks;
    disktest.nr_blocks = nr;
    if (nr < 64)
        panic("disktest: less than 256 KiB of the disk can be used");
    disktest.generations = must_have(calloc(nr, sizeof(uint32_t)));
    if (disktest.steps == verify_steps || info->read_only)
        disktest.least = disktest.least ? disktest.least : 1;
    slots_init();
    task_start(disktest.app->loop, &disktest.task, pump);
}

static void on_link(void *arg, bool up)
{
    (void)arg;
    if (up && !disktest.generations)
        begin();
}

static void on_resized(void *arg)
{
    (void)arg;
    printf("# resized: %" PRIu64 " KiB\n",
           blkfront_info(disktest.bf)->bytes / 1024);
}

static void on_room(void *arg)
{
    (void)arg;
}

/* ---- The command line */

static int choose_steps(struct options *options)
{
    static const struct {
        const char *mode;
        const struct step *steps;
        unsigned nr;
    } modes[] = {
        {"all", all_steps, array_size(all_steps)},
        {"verify", verify_steps, array_size(verify_steps)},
        {"count", count_steps, array_size(count_steps)},
        {"steady", steady_steps, array_size(steady_steps)},
    };
    const char *mode = "all";

    options_text(options, "disktest.mode", &mode);
    for (unsigned i = 0; i < array_size(modes); i++) {
        if (strcmp(mode, modes[i].mode))
            continue;
        disktest.steps = modes[i].steps;
        disktest.nr_steps = modes[i].nr;
        return 0;
    }
    log_error("disktest",
              "disktest.mode=%s is not one of all, verify, count, steady",
              mode);
    return -XEN_EINVAL;
}

int app_main(struct app *app)
{
    const struct blkfront_owner owner = {
        .link = on_link,
        .resized = on_resized,
        .room = on_room,
    };
    uint64_t disk = 51712, mib = 64, skip = 0, least = 0, seconds = 10;

    disktest.app = app;
    app->sysrq = on_sysrq;
    disktest.seed = 1;
    options_number(app->options, "disktest.disk", 0, UINT32_MAX, &disk);
    options_number(app->options, "disktest.mib", 1, 1 << 20, &mib);
    options_number(app->options, "disktest.skip", 0, 1 << 30, &skip);
    options_number(app->options, "disktest.least", 0, UINT32_MAX / 2, &least);
    options_number(app->options, "disktest.seconds", 1, UINT32_MAX, &seconds);
    options_number(app->options, "disktest.seed", 0, UINT64_MAX,
                   &disktest.seed);
    if (choose_steps(app->options))
        return 1;
    if (disktest.steps == steady_steps)
        disktest.seconds = seconds;
    disktest.nr_blocks = is_counting() ? COUNT_BLOCKS : mib * (1 << 20) / BLOCK;
    disktest.first = skip * (1 << 20) / BLOCK;
    disktest.least = (uint32_t)least;
    disktest.bf = blkfront_create((unsigned)disk, app->loop, app->pages,
                                  app->gnttab, app->xs, &owner);
    if (!disktest.bf)
        return 1;
    app_run(app);
    return disktest.failed != 0;
}
