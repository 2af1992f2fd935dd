/* SPDX-License-Identifier: MIT */
/*
 * Any partition table. The first byte says how large blocks are, and whether
 * the sums of GPTs are put right, so that more than their refusal is seen; the
 * rest is the disk. Each partition that is found must be on the disk and
 * apart from the others, and how much is read has a bound.
 */
// sources: disk/partition.c disk/volume.c
// sources: kernel/fiber.c kernel/fiber_switch.c kernel/loop.c kernel/page.c
// sources: kernel/log.c xen/evtchn.c tests/fake/fiber.c tests/fake/hv.c

#include <stdlib.h>
#include <string.h>

#include "disk/partition.h"
#include "kernel/fiber.h"
#include "kernel/log.h"
#include "tests/fake/fake.h"

#define STACK_PAGES 8
#define DISK_BYTES  (UINT64_C(1) << 20) /* of which most is zeros */
#define NUMBERS     6                   /* that are looked for */
/* MBR: a block for each of the chain; GPT: two tables. */
#define READS_MAX   (2 * (1 + 4096 * 1024 / 4096) + 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t disk[DISK_BYTES];
static struct loop loop;
static struct pages pages;
static struct volume volume, parts[NUMBERS];
static int found[NUMBERS];
static unsigned nr_reads;
static bool is_over;

static void drop(void *arg, const char *line, size_t len)
{
    (void)arg, (void)line, (void)len;
}

static void finish(struct task *task)
{
    struct volume_request *request =
        container_of(task, struct volume_request, task);

    request->done(request);
}

static void start(struct volume *v, struct volume_request *request)
{
    (void)v;
    if (++nr_reads > READS_MAX)
        fake_fail("a table is read without end");
    memcpy(request->to, disk + request->at * VOLUME_SECTOR_BYTES,
           (size_t)request->nr * VOLUME_SECTOR_BYTES);
    request->status = 0;
    task_start(&loop, &request->task, finish);
}

static uint32_t crc32(const uint8_t *bytes, size_t len)
{
    uint32_t crc = ~0u;

    while (len--) {
        crc ^= *bytes++;
        for (unsigned i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* The header's sums, if what they are of is there. */
static void seal(uint8_t *header, size_t block)
{
    uint64_t at;
    uint32_t fields[3], bytes, crc;

    memcpy(&bytes, header + 12, sizeof(bytes));
    memcpy(&at, header + 72, sizeof(at));
    memcpy(fields, header + 80, sizeof(fields));
    if (at < DISK_BYTES / block &&
        (uint64_t)fields[0] * fields[1] <= DISK_BYTES - at * block) {
        crc = crc32(disk + at * block, (size_t)fields[0] * fields[1]);
        memcpy(header + 88, &crc, sizeof(crc));
    }
    memset(header + 16, 0, 4);
    if (bytes <= block) {
        crc = crc32(header, bytes);
        memcpy(header + 16, &crc, sizeof(crc));
    }
}

static void open_all(struct fiber *fiber)
{
    (void)fiber;
    for (unsigned i = 0; i < NUMBERS; i++) {
        nr_reads = 0;
        found[i] = partition_open(&parts[i], &volume, i + 1);
    }
}

static void note_over(struct fiber *fiber)
{
    (void)fiber;
    is_over = true;
}

static void check(void)
{
    for (unsigned i = 0; i < NUMBERS; i++) {
        if (found[i])
            continue;
        if (!parts[i].nr_sectors || parts[i].nr_sectors > volume.nr_sectors ||
            parts[i].first > volume.nr_sectors - parts[i].nr_sectors)
            fake_fail("partition %u is not on the disk", i + 1);
        for (unsigned j = 0; j < i; j++)
            if (!found[j] && volume_overlaps(&parts[i], &parts[j]))
                fake_fail("partitions %u and %u overlap", i + 1, j + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fiber fiber = {.finished = note_over};
    size_t block;

    if (size < 1 || size > DISK_BYTES)
        return 0;
    block = data[0] & 1 ? 4096 : 512;
    memset(disk, 0, sizeof(disk));
    memcpy(disk, data + 1, size - 1);
    if (data[0] & 2) {
        seal(disk + block, block);
        seal(disk + DISK_BYTES - block, block);
    }
    log_set_sink(drop, NULL);
    fake_start(NULL);
    loop_init(&loop);
    pages_init(&pages);
    memset(parts, 0, sizeof(parts));
    volume = (struct volume){
        .name = "disk",
        .nr_sectors = DISK_BYTES / VOLUME_SECTOR_BYTES,
        .block_sectors = (uint32_t)(block / VOLUME_SECTOR_BYTES),
        .start = start,
    };
    is_over = false;
    if (fiber_start(&fiber, &loop, &pages, STACK_PAGES, open_all))
        fake_fail("no fiber");
    fake_run_until(&loop, is_over, 100 * NS_PER_S);
    check();
    fake_stop();
    return 0;
}
