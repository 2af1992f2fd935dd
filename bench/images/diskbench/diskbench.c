/* SPDX-License-Identifier: MIT */
/*
 * How fast a disk is, and what it costs: the jobs of jobs.h on blkfront, for
 * bench/disk. It overwrites the disk (disktest is the app that checks one).
 *
 * All jobs are done twice: with the program's own memory, which is copied to
 * and from pages shared with the backend, and with pages of
 * blkfront_buffer_alloc(), without a copy. A completed request is reused from
 * its callback, as in a server.
 *
 *   diskbench.disk=51712   the vbd's number (xvda)
 */
#include "kernel/app.h"
#include "bench/images/diskbench/jobs.h"
#include "blkfront/blkfront.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The phases of a job. In the pauses bench/disk, after the line that is printed
 * before each, reads the guest's CPU time. */
enum phase { WARM_UP, PAUSE, MEASURE, LAST_PAUSE, NR_PHASES };

struct slot {
    struct blkfront_request r;
    struct blkfront_piece piece;
};

static struct diskbench {
    struct app *app;
    struct blkfront *bf;
    char *copied, *shared; /* MEMORY_BYTES each */
    unsigned at;           /* the current job, of twice JOBS_NR */
    enum phase phase;
    unsigned nr, sent, nr_out; /* requests of this phase */
    uint64_t start_ns;
    struct timer pause;
    struct slot slots[JOBS_DEPTH_MAX];
} bench;

/* Enough for every job's requests at once. */
#define MEMORY_BYTES (2 * JOBS_REQUEST_MAX)

static const struct job *job_now(void)
{
    return &jobs[bench.at % JOBS_NR];
}

static bool is_in_place(void)
{
    return bench.at >= JOBS_NR;
}

/* ---- Requests */

static void phase_end(void);

static void send(struct slot *slot)
{
    int error;

    slot->r.offset = job_offset(job_now(), bench.sent++);
    error = blkfront_submit(bench.bf, &slot->r);
    if (error)
        panic("diskbench: refused: error %d", error);
    bench.nr_out++;
}

static void slot_done(struct blkfront_request *r)
{
    bench.nr_out--;
    if (r->error)
        panic("diskbench: %s: error %d", job_now()->name, r->error);
    if (bench.sent < bench.nr)
        send(container_of(r, struct slot, r));
    else if (!bench.nr_out)
        phase_end();
}

static void send_first(unsigned nr)
{
    const struct job *job = job_now();
    char *memory = is_in_place() ? bench.shared : bench.copied;

    bench.nr = nr;
    bench.sent = 0;
    bench.start_ns = app_now_ns();
    for (unsigned i = 0; i < job->at_once; i++) {
        struct slot *slot = &bench.slots[i];

        slot->piece = (struct blkfront_piece){memory + i * (size_t)job->bytes,
                                              job->bytes};
        slot->r.op = job->write ? BLKFRONT_WRITE : BLKFRONT_READ;
        slot->r.pieces = &slot->piece;
        slot->r.nr_pieces = 1;
        slot->r.done = slot_done;
        send(slot);
    }
}

/* ---- Jobs */

static void pause_over(struct timer *timer)
{
    (void)timer;
    phase_end();
}

static void phase_begin(void)
{
    const struct job *job = job_now();
    struct loop *loop = bench.app->loop;
    uint64_t ns = app_now_ns() - bench.start_ns;

    if (bench.phase == WARM_UP || bench.phase == MEASURE) {
        send_first(bench.phase == MEASURE ? job->requests
                                          : job->requests / JOBS_WARM_UP);
        return;
    }
    if (bench.phase == PAUSE)
        printf("begin %s%s\n", job->name, is_in_place() ? ", in place" : "");
    else
        printf("done %u %" PRIu64 "\n", bench.nr, ns);
    timer_start(loop, &bench.pause, loop_now(loop) + JOBS_PAUSE_MS * NS_PER_MS,
                pause_over);
}

static void phase_end(void)
{
    if (++bench.phase == NR_PHASES) {
        bench.phase = WARM_UP;
        bench.at++;
    }
    if (bench.at < 2 * JOBS_NR) {
        phase_begin();
        return;
    }
    printf("end\n");
    app_stop(bench.app);
}

static void begin(void)
{
    if (blkfront_info(bench.bf)->bytes < JOBS_DISK_BYTES)
        panic("diskbench: the disk is smaller than %" PRIu64 " bytes",
              JOBS_DISK_BYTES);
    bench.copied = malloc(MEMORY_BYTES);
    bench.shared =
        blkfront_buffer_alloc(bench.bf, MEMORY_BYTES / XEN_PAGE_SIZE);
    if (!bench.copied || !bench.shared)
        panic("diskbench: no memory: it takes 16 MB");
    memset(bench.copied, 1, MEMORY_BYTES);
    memset(bench.shared, 1, MEMORY_BYTES);
    phase_begin();
}

/* ---- The disk */

static void on_link(void *arg, bool up)
{
    (void)arg;
    if (up && !bench.copied)
        begin();
}

static void on_room(void *arg)
{
    (void)arg;
}

int app_main(struct app *app)
{
    const struct blkfront_owner owner = {.link = on_link, .room = on_room};
    uint64_t disk = 51712;

    bench.app = app;
    options_number(app->options, "diskbench.disk", 0, UINT32_MAX, &disk);
    bench.bf = blkfront_create((unsigned)disk, app->loop, app->pages,
                               app->gnttab, app->xs, &owner);
    if (!bench.bf)
        return 1;
    return app_run(app);
}
