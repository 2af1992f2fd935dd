/* SPDX-License-Identifier: MIT */
/*
 * The jobs of bench/disk: the same for this app and for the Linux program that
 * it is compared with (bench/disk_linux.c), in the same order.
 */
#ifndef BENCH_IMAGES_DISKBENCH_JOBS_H
#define BENCH_IMAGES_DISKBENCH_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOBS_DISK_BYTES  (UINT64_C(64) << 20) /* disk space used */
#define JOBS_DEPTH_MAX   32u
#define JOBS_REQUEST_MAX (1u << 20)

/* Before a job an eighth of its requests is done, so that one-time costs are
 * not measured: pages that the backend maps, the kernel's caches. */
#define JOBS_WARM_UP 8u

/* Before and after a job, so that dom0 can look at the guest's CPU time: ten
 * times what starting a program for that takes. */
#define JOBS_PAUSE_MS 100

struct job {
    const char *name;
    bool write, anywhere;
    uint32_t bytes;             /* of each request */
    unsigned at_once, requests; /* in flight; in all */
};

static const struct job jobs[] = {
    {"4 KiB read anywhere, 1 at once", false, true, 4096, 1, 2048},
    {"4 KiB read anywhere, 32 at once", false, true, 4096, 32, 8192},
    {"4 KiB write anywhere, 32 at once", true, true, 4096, 32, 8192},
    {"4 KiB read in order, 32 at once", false, false, 4096, 32, 8192},
    {"4 KiB write in order, 32 at once", true, false, 4096, 32, 8192},
    {"1 MiB read in order, 1 at once", false, false, 1 << 20, 1, 64},
    {"1 MiB read in order, 2 at once", false, false, 1 << 20, 2, 128},
    {"1 MiB write in order, 1 at once", true, false, 1 << 20, 1, 64},
    {"1 MiB write in order, 2 at once", true, false, 1 << 20, 2, 128},
};

#define JOBS_NR (sizeof(jobs) / sizeof(jobs[0]))

/* The offset of a job's nth request: the same on both sides. */
static inline uint64_t job_offset(const struct job *job, unsigned n)
{
    uint64_t places = JOBS_DISK_BYTES / job->bytes, at = n;

    if (job->anywhere)
        at = (n + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    return at % places * job->bytes;
}

#endif
