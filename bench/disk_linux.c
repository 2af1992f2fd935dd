/* SPDX-License-Identifier: MIT */
/*
 * The jobs of bench/images/diskbench/jobs.h on Linux: /init of a guest that
 * bench/disk starts. It asks in the cheapest way there is: io_uring with memory
 * and file registered, O_DIRECT, no I/O scheduler. (Native AIO took 11 % more
 * CPU for 4 KiB, 34 % with 32 of them at once, and 55 % for 1 MiB.)
 *
 * On the kernel's command line: blkfront_segments=N, blkfront_order=N are the
 * driver's parameters max_indirect_segments and max_ring_page_order.
 */
#include "bench/images/diskbench/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DISK         "/dev/xvda"
#define DISK_SECONDS 20 /* to wait for it */
#define NS_PER_S     1000000000ull

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "disk_linux: %s: %s\n", what, strerror(errno));
    reboot(LINUX_REBOOT_CMD_POWER_OFF);
    for (;;)
        pause();
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* ---- io_uring, as far as it is needed (linux: include/uapi/linux/io_uring.h)
 *
 * One thread: the kernel takes and gives only inside io_uring_enter, so the
 * indices need no barriers but the compiler's. */

static struct ring {
    int fd;
    unsigned *sq_tail, *cq_head, *cq_tail, sq_mask, cq_mask;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    unsigned to_submit;
} ring;

static void *ring_map(size_t bytes, uint64_t what)
{
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_POPULATE, ring.fd, (off_t)what);

    must(map != MAP_FAILED, "io_uring: mmap");
    return map;
}

static unsigned *ring_field(char *map, uint32_t offset)
{
    return (unsigned *)(void *)(map + offset);
}

/* Slot i of the submission queue is always entry i: their indirection is set up
 * once. */
static void ring_open(void)
{
    struct io_uring_params p = {0};
    char *sq, *cq;

    ring.fd = (int)syscall(SYS_io_uring_setup, JOBS_DEPTH_MAX, &p);
    must(ring.fd >= 0, "io_uring_setup");
    sq = ring_map(p.sq_off.array + p.sq_entries * sizeof(unsigned),
                  IORING_OFF_SQ_RING);
    cq = ring_map(p.cq_off.cqes + p.cq_entries * sizeof(*ring.cqes),
                  IORING_OFF_CQ_RING);
    ring.sqes = ring_map(p.sq_entries * sizeof(*ring.sqes), IORING_OFF_SQES);
    ring.sq_tail = ring_field(sq, p.sq_off.tail);
    ring.sq_mask = *ring_field(sq, p.sq_off.ring_mask);
    ring.cq_head = ring_field(cq, p.cq_off.head);
    ring.cq_tail = ring_field(cq, p.cq_off.tail);
    ring.cq_mask = *ring_field(cq, p.cq_off.ring_mask);
    ring.cqes = (void *)(cq + p.cq_off.cqes);
    for (unsigned i = 0; i < p.sq_entries; i++)
        ring_field(sq, p.sq_off.array)[i] = i;
}

static void ring_register(unsigned what, const void *list, unsigned nr)
{
    must(!syscall(SYS_io_uring_register, ring.fd, what, list, nr),
         "io_uring_register");
}

/* Hand over what was put, and wait for one answer at least. */
static void ring_enter(void)
{
    long done = syscall(SYS_io_uring_enter, ring.fd, ring.to_submit, 1,
                        IORING_ENTER_GETEVENTS, NULL, 0);

    must(done == (long)ring.to_submit, "io_uring_enter");
    ring.to_submit = 0;
}

/* ---- A job */

static char *memory; /* JOBS_DEPTH_MAX pieces of JOBS_REQUEST_MAX */

struct run {
    const struct job *job;
    unsigned sent, nr;
};

/* The next request, in the memory of the one that is back. */
static void put(struct run *run, unsigned slot)
{
    const struct job *job = run->job;
    unsigned tail = *ring.sq_tail;

    if (run->sent == run->nr)
        return;
    ring.sqes[tail & ring.sq_mask] = (struct io_uring_sqe){
        .opcode = job->write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED,
        .flags = IOSQE_FIXED_FILE,
        .off = job_offset(job, run->sent++),
        .addr = (uintptr_t)memory + slot * (uint64_t)JOBS_REQUEST_MAX,
        .len = job->bytes,
        .user_data = slot,
    };
    __atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
    ring.to_submit++;
}

/* Each that is back is sent on its next way; all of them in one call. */
static unsigned collect(struct run *run)
{
    unsigned head = *ring.cq_head, first = head;
    unsigned tail = __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE);

    for (; head != tail; head++) {
        struct io_uring_cqe *cqe = &ring.cqes[head & ring.cq_mask];

        errno = -cqe->res;
        must(cqe->res == (int)run->job->bytes, run->job->name);
        put(run, (unsigned)cqe->user_data);
    }
    __atomic_store_n(ring.cq_head, head, __ATOMIC_RELEASE);
    return head - first;
}

static void run_job(const struct job *job, unsigned nr)
{
    struct run run = {.job = job, .nr = nr};

    for (unsigned i = 0; i < job->at_once; i++)
        put(&run, i);
    for (unsigned done = 0; done < nr; done += collect(&run))
        ring_enter();
}

/* bench/disk reads the guest's CPU time at each of its lines. */
static void measure(const struct job *job)
{
    uint64_t start;

    run_job(job, job->requests / JOBS_WARM_UP);
    printf("begin %s\n", job->name);
    usleep(JOBS_PAUSE_MS * 1000);
    start = now_ns();
    run_job(job, job->requests);
    printf("done %u %llu\n", job->requests,
           (unsigned long long)(now_ns() - start));
    usleep(JOBS_PAUSE_MS * 1000);
}

/* ---- The guest */

/* What the kernel does not know on its command line is in our environment. */
static const char *option(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value ? value : otherwise;
}

static void load_blkfront(void)
{
    int file = open("/xen_blkfront.ko", O_RDONLY);
    char parameters[100];

    must(file >= 0, "xen_blkfront.ko");
    snprintf(parameters, sizeof(parameters),
             "max_indirect_segments=%s max_ring_page_order=%s",
             option("blkfront_segments", "32"), option("blkfront_order", "0"));
    must(!syscall(SYS_finit_module, file, parameters, 0), "xen_blkfront");
    close(file);
}

static void choose_scheduler(void)
{
    FILE *file = fopen("/sys/block/xvda/queue/scheduler", "w");

    must(file && fputs("none", file) >= 0 && !fclose(file), "scheduler");
}

static int open_disk(void)
{
    int disk = -1;

    for (unsigned i = 0; i < DISK_SECONDS * 100 && disk < 0; i++) {
        disk = open(DISK, O_RDWR | O_DIRECT);
        if (disk < 0)
            usleep(10000);
    }
    must(disk >= 0, DISK);
    return disk;
}

/* Memory and file are made known to the kernel once, so that it need not look
 * them up for every request. */
static void prepare(void)
{
    struct iovec all = {NULL, JOBS_DEPTH_MAX * (size_t)JOBS_REQUEST_MAX};
    int disk = open_disk();

    memory = mmap(NULL, all.iov_len, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    must(memory != MAP_FAILED, "memory");
    memset(memory, 1, all.iov_len);
    all.iov_base = memory;
    ring_open();
    ring_register(IORING_REGISTER_FILES, &disk, 1);
    ring_register(IORING_REGISTER_BUFFERS, &all, 1);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    mkdir("/dev", 0755);
    mkdir("/sys", 0755);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    mount("sys", "/sys", "sysfs", 0, NULL);
    load_blkfront();
    prepare();
    choose_scheduler();
    for (unsigned i = 0; i < JOBS_NR; i++)
        measure(&jobs[i]);
    printf("end\n");
    reboot(LINUX_REBOOT_CMD_POWER_OFF);
    return 0;
}
