/* SPDX-License-Identifier: MIT */
/*
 * Partition tables: those of sfdisk (tests/unit/images), and others that are
 * put together here, good ones and such as nobody should believe.
 */
// sources: disk/partition.c disk/volume.c
// sources: kernel/fiber.c kernel/fiber_switch.c kernel/loop.c kernel/page.c
// sources: kernel/log.c xen/evtchn.c tests/fake/fiber.c tests/fake/hv.c
#include "tests/unit/test.h"

#include "disk/partition.h"
#include "kernel/fiber.h"
#include "kernel/log.h"
#include "tests/fake/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK_BYTES  (12288 * 512)
#define STACK_PAGES 8

static struct loop loop;
static struct pages pages;
static uint8_t disk[DISK_BYTES];
static struct volume volume, part;
static unsigned block, nr_reads, fail_at;
static char logged[4096];

/* ---- The disk */

static void finish(struct task *task)
{
    struct volume_request *request =
        container_of(task, struct volume_request, task);

    request->done(request);
}

static void start(struct volume *v, struct volume_request *request)
{
    uint8_t *at = disk + request->at * VOLUME_SECTOR_BYTES;
    size_t bytes = (size_t)request->nr * VOLUME_SECTOR_BYTES;

    assert_ptr_equal(v, &volume);
    request->status = ++nr_reads == fail_at ? -XEN_EIO : 0;
    if (!request->status && request->op == VOLUME_READ)
        memcpy(request->to, at, bytes);
    else if (!request->status)
        memcpy(at, request->from, bytes);
    task_start(&loop, &request->task, finish);
}

static void keep_line(void *arg, const char *line, size_t len)
{
    size_t used = strlen(logged);

    (void)arg;
    if (len < sizeof(logged) - used)
        memcpy(logged + used, line, len);
}

static void begin(unsigned block_bytes)
{
    fake_start(NULL);
    loop_init(&loop);
    pages_init(&pages);
    log_set_sink(keep_line, NULL);
    memset(logged, 0, sizeof(logged));
    memset(disk, 0, sizeof(disk));
    block = block_bytes;
    fail_at = 0;
    volume = (struct volume){
        .name = "disk",
        .nr_sectors = DISK_BYTES / VOLUME_SECTOR_BYTES,
        .block_sectors = block / VOLUME_SECTOR_BYTES,
        .start = start,
    };
}

static void end(void)
{
    fake_check_clean();
    fake_stop();
}

/* ---- In a fiber */

static struct {
    struct fiber fiber;
    int (*fn)(void);
    int result;
    unsigned number;
    bool over;
} work;

static void work_run(struct fiber *fiber)
{
    (void)fiber;
    work.result = work.fn();
}

static void work_over(struct fiber *fiber)
{
    (void)fiber;
    work.over = true;
}

static int run(int (*fn)(void))
{
    memset(&work.fiber, 0, sizeof(work.fiber));
    work.fiber.finished = work_over;
    work.fn = fn;
    work.over = false;
    assert_int_equal(
        fiber_start(&work.fiber, &loop, &pages, STACK_PAGES, work_run), 0);
    fake_run_until(&loop, work.over, NS_PER_S);
    return work.result;
}

static int open_part(void)
{
    return partition_open(&part, &volume, work.number);
}

static int open_number(unsigned number)
{
    memset(&part, 0, sizeof(part));
    memset(logged, 0, sizeof(logged));
    work.number = number;
    nr_reads = 0;
    return run(open_part);
}

/* In blocks. */
static void is_at(unsigned number, uint64_t first, uint64_t nr)
{
    unsigned sectors = block / VOLUME_SECTOR_BYTES;

    assert_int_equal(open_number(number), 0);
    assert_int_equal(part.first, first * sectors);
    assert_int_equal(part.nr_sectors, nr * sectors);
    assert_int_equal(part.block_sectors, sectors);
}

static void is_not(unsigned number)
{
    assert_int_equal(open_number(number), -XEN_ENOENT);
    assert_non_null(strstr(logged, "has no such partition"));
}

static void refused(const char *why)
{
    assert_int_equal(open_number(1), -XEN_EINVAL);
    if (!strstr(logged, why))
        fail_msg("expected \"%s\": %s", why, logged);
}

/* ---- MBR by hand */

static void put(uint64_t at, uint64_t number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        disk[at + i] = (uint8_t)(number >> i * 8);
}

static uint64_t entry_at(uint64_t where, unsigned i)
{
    return where * block + 446 + i * 16;
}

static void put_entry(uint64_t where, unsigned i, uint8_t type, uint32_t first,
                      uint32_t nr)
{
    disk[entry_at(where, i) + 4] = type;
    put(entry_at(where, i) + 8, first, 4);
    put(entry_at(where, i) + 12, nr, 4);
    put(where * block + 510, 0xaa55, 2);
}

/* Two primary ones, an extended one from 400 to 1000 with two logical. */
static void mbr(unsigned block_bytes)
{
    begin(block_bytes);
    put_entry(0, 0, 0x83, 10, 90);
    disk[entry_at(0, 0)] = 0x80;
    put_entry(0, 2, 0x0c, 100, 300);
    put_entry(0, 3, 0x0f, 400, 600);
    put_entry(400, 0, 0x83, 8, 92);
    put_entry(400, 1, 0x05, 200, 100);
    put_entry(600, 0, 0x83, 1, 99);
}

static void an_mbr_is_read(void **state)
{
    static const unsigned blocks[] = {512, 1024, 4096};

    (void)state;
    for (unsigned i = 0; i < array_size(blocks); i++) {
        mbr(blocks[i]);
        is_at(1, 10, 90);
        is_not(2);
        is_at(3, 100, 300);
        is_not(4);
        is_at(5, 408, 92);
        is_at(6, 601, 99);
        is_not(7);
        is_not(0);
        end();
    }
}

static void a_chain_may_have_a_gap(void **state)
{
    (void)state;
    mbr(512);
    put_entry(400, 0, 0, 0, 0);
    is_not(5);
    is_at(6, 601, 99);
    end();
}

static void what_has_no_table_is_refused(void **state)
{
    (void)state;
    begin(512);
    refused("it has no partition table");
    put(510, 0xaa55, 2);
    is_not(1);
    disk[446] = 0x12; /* a boot sector's code or text */
    refused("it has no partition table");
    mbr(512);
    volume.nr_sectors = 0;
    refused("it goes on past the end of the disk");
    end();
}

static void hostile_mbrs_are_refused(void **state)
{
    static const struct {
        unsigned where, i;
        uint8_t type;
        uint32_t first, nr;
        const char *why;
    } entries[] = {
        {0, 1, 0x83, 50, 10, "two partitions overlap"},
        {0, 1, 0x83, 99, 1, "two partitions overlap"},
        {0, 1, 0x83, 2000, 20000, "ends past the end"},
        {0, 1, 0x83, 12288, 1, "ends past the end"},
        {0, 1, 0x83, 0xffffffff, 0xffffffff, "ends past the end"},
        {0, 1, 0x83, 0, 5, "ends past the end"},
        {0, 1, 0x05, 2000, 5, "two extended partitions"},
        {0, 1, 0x83, 450, 10, "two partitions overlap"},
        {0, 3, 0x05, 400, 20000, "ends past the disk's end"},
        {0, 3, 0x05, 0xffffffff, 0xffffffff, "ends past the disk's end"},
        {0, 3, 0x05, 401, 600, "an extended partition has no table"},
        {400, 0, 0x83, 8, 593, "a logical partition is not inside"},
        {400, 0, 0x83, 8, 0, "a logical partition is not inside"},
        {400, 0, 0x83, 0xffffffff, 2, "a logical partition is not inside"},
        {400, 0, 0x83, 8, 200, "two partitions overlap"},
        {400, 1, 0x85, 600, 1, "leads out of itself"},
        {400, 1, 0x85, 0xffffffff, 1, "leads out of itself"},
        {400, 1, 0x05, 300, 100, "an extended partition has no table"},
        {400, 1, 0x05, 0, 100, "two partitions overlap"},
        {600, 1, 0x05, 200, 100, "two partitions overlap"},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(entries); i++) {
        mbr(512);
        put_entry(entries[i].where, entries[i].i, entries[i].type,
                  entries[i].first, entries[i].nr);
        refused(entries[i].why);
        end();
    }
}

static void a_chain_in_circles_is_refused(void **state)
{
    (void)state;
    mbr(512);
    put_entry(400, 0, 0, 0, 0);
    put_entry(600, 0, 0, 0, 0);
    put_entry(600, 1, 0x05, 0, 100);
    refused("its extended partition does not end");
    assert_in_range(nr_reads, 1, 1000);
    end();
}

static void too_many_partitions_are_refused(void **state)
{
    (void)state;
    begin(512);
    put_entry(0, 0, 0x05, 100, 10000);
    for (unsigned i = 0; i < 140; i++) {
        put_entry(100 + 10 * i, 0, 0x83, 1, 5);
        put_entry(100 + 10 * i, 1, i < 139 ? 0x05 : 0, 10 * (i + 1), 10);
    }
    refused("does not end");
    put_entry(100 + 10 * 100, 1, 0, 0, 0);
    is_at(105, 1101, 5);
    end();
}

/* ---- GPT by hand */

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

static uint64_t nr_blocks(void)
{
    return DISK_BYTES / block;
}

/* Right again after a change of header or entries, as far as that goes. */
static void gpt_seal(uint64_t where)
{
    uint8_t *header = disk + where * block;
    uint64_t at = *(uint64_t *)(header + 72) * block;
    uint64_t bytes =
        (uint64_t) * (uint32_t *)(header + 80) * *(uint32_t *)(header + 84);
    uint32_t header_bytes = *(uint32_t *)(header + 12);

    if (at < DISK_BYTES && bytes <= DISK_BYTES - at)
        put(where * block + 88, crc32(disk + at, bytes), 4);
    put(where * block + 16, 0, 4);
    if (header_bytes <= block)
        put(where * block + 16, crc32(header, header_bytes), 4);
}

static void gpt_header(uint64_t where, uint64_t other, uint64_t entries,
                       unsigned entry_bytes)
{
    uint64_t at = where * block;

    memcpy(disk + at, "EFI PART", 8);
    put(at + 8, 0x10000, 4);
    put(at + 12, 92, 4);
    put(at + 24, where, 8);
    put(at + 32, other, 8);
    put(at + 40, 40, 8);
    put(at + 48, nr_blocks() - 41, 8);
    put(at + 72, entries, 8);
    put(at + 80, 128, 4);
    put(at + 84, entry_bytes, 4);
}

static void gpt_entry(unsigned i, uint64_t first, uint64_t last)
{
    const uint64_t headers[] = {1, nr_blocks() - 1};

    for (unsigned h = 0; h < 2; h++) {
        uint8_t *header = disk + headers[h] * block;
        uint64_t at = *(uint64_t *)(header + 72) * block +
                      (uint64_t)i * *(uint32_t *)(header + 84);

        memset(disk + at, 0x11, 32);
        put(at + 32, first, 8);
        put(at + 40, last, 8);
        gpt_seal(headers[h]);
    }
}

/* Numbers 1 and 3 are in use. */
static void gpt(unsigned block_bytes, unsigned entry_bytes)
{
    begin(block_bytes);
    put_entry(0, 0, 0xee, 1, 0xffffffff);
    gpt_header(1, nr_blocks() - 1, 2, entry_bytes);
    gpt_header(nr_blocks() - 1, 1, nr_blocks() - 1 - 128 * entry_bytes / block,
               entry_bytes);
    gpt_entry(0, 300, 399);
    gpt_entry(2, 400, 400);
}

static void a_gpt_is_read(void **state)
{
    static const unsigned sizes[][2] = {
        {512, 128}, {512, 256}, {4096, 128}, {4096, 1024}, {512, 4096},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(sizes); i++) {
        gpt(sizes[i][0], sizes[i][1]);
        if (sizes[i][1] == 4096) { /* 1024 blocks of entries */
            put(512 + 40, 1100, 8);
            put((nr_blocks() - 1) * 512 + 40, 1100, 8);
            gpt_entry(0, 1300, 1399);
            gpt_entry(2, 1400, 1400);
            is_at(1, 1300, 100);
        } else {
            is_at(1, 300, 100);
            is_not(2);
            is_at(3, 400, 1);
        }
        assert_null(strstr(logged, "damaged"));
        is_not(129);
        end();
    }
}

static void sfdisks_tables_are_read(void **state)
{
    static const char *const paths[] = {
        "build/host/images/mbr.disk",
        "build/host/images/gpt.disk",
    };
    FILE *file;

    (void)state;
    for (unsigned i = 0; i < array_size(paths); i++) {
        begin(512);
        file = fopen(paths[i], "rb");
        if (!file)
            fail_msg("%s is not there: make unit makes it", paths[i]);
        assert_int_equal(fread(disk, 1, sizeof(disk), file), sizeof(disk));
        fclose(file);
        is_at(1, 2048, 100);
        if (i == 0) {
            is_at(2, 2148, 5000);
            is_not(3);
            is_at(5, 7300, 1000);
            is_at(6, 8400, 3888);
        } else {
            is_at(2, 4096, 8000);
            is_not(3);
        }
        end();
    }
}

/* Every byte that matters, of header and entries. */
static void a_damaged_gpt_has_a_copy(void **state)
{
    static const unsigned bytes[] = {
        0,  9,  16, 24, 40,  48,       56,
        72, 80, 84, 88, 512, 512 + 32, 512 + 127 * 128,
    };

    (void)state;
    for (unsigned i = 0; i < array_size(bytes); i++) {
        gpt(512, 128);
        disk[512 + bytes[i]] ^= 4;
        is_at(3, 400, 1);
        assert_non_null(strstr(logged, "using the copy at its end"));
        disk[(nr_blocks() - 1) * 512 + 20] ^= 1; /* reserved, but summed */
        assert_int_equal(open_number(3), -XEN_EINVAL);
        end();
    }
}

static void an_unreadable_gpt_has_a_copy(void **state)
{
    unsigned nth = 1;

    (void)state;
    gpt(512, 128);
    for (;; nth++) {
        int err;

        fail_at = nth;
        err = open_number(3);
        if (nr_reads < nth)
            break;
        assert_int_equal(err, nth == 1 ? -XEN_EIO : 0);
        if (err)
            assert_non_null(strstr(logged, "cannot be read"));
    }
    assert_true(nth > 5);
    end();
}

static void change_headers(unsigned at, uint64_t value, unsigned bytes)
{
    put(512 + at, value, bytes);
    put((nr_blocks() - 1) * 512 + at, value, bytes);
    gpt_seal(1);
    gpt_seal(nr_blocks() - 1);
}

static void hostile_gpts_are_refused(void **state)
{
    static const struct {
        unsigned at;
        uint64_t value;
        unsigned bytes;
        const char *why;
    } fields[] = {
        {12, 91, 4, "wrong size"},
        {12, 513, 4, "wrong size"},
        {12, 0xffffffff, 4, "wrong size"},
        {24, 2, 8, "is damaged"},
        {72, 12288, 8, "past the disk's end"},
        {72, UINT64_MAX, 8, "past the disk's end"},
        {72, UINT64_MAX / 512 + 2, 8, "past the disk's end"},
        {80, 1025, 4, "wrong number or size"},
        {80, 0xffffffff, 4, "wrong number or size"},
        {84, 64, 4, "wrong number or size"},
        {84, 0, 4, "wrong number or size"},
        {84, 129, 4, "wrong number or size"},
        {84, 192, 4, "wrong number or size"},
        {84, 8192, 4, "wrong number or size"},
        {40, 301, 8, "where none may be"},
        {48, 399, 8, "where none may be"},
    };
    static const struct {
        uint64_t first, last;
        const char *why;
    } entries[] = {
        {350, 450, "two partitions overlap"},
        {399, 399, "two partitions overlap"},
        {400, 5000, "two partitions overlap"},
        {500, 499, "where none may be"},
        {500, UINT64_MAX, "where none may be"},
        {0, 5, "where none may be"},
        {12280, 12287, "where none may be"},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(fields); i++) {
        gpt(512, 128);
        change_headers(fields[i].at, fields[i].value, fields[i].bytes);
        refused(fields[i].why);
        end();
    }
    for (unsigned i = 0; i < array_size(entries); i++) {
        gpt(512, 128);
        gpt_entry(7, entries[i].first, entries[i].last);
        refused(entries[i].why);
        end();
    }
}

static void usable_blocks_are_on_the_disk(void **state)
{
    (void)state;
    gpt(512, 128);
    change_headers(48, UINT64_MAX, 8);
    gpt_entry(7, 5000, 20000);
    refused("where none may be");
    gpt_entry(7, 5000, UINT64_MAX);
    refused("where none may be");
    end();
}

static void more_than_can_be_kept_is_refused(void **state)
{
    (void)state;
    gpt(512, 128);
    change_headers(80, 200, 4); /* the copy's end past the disk */
    change_headers(40, 60, 8);
    for (unsigned i = 0; i < 129; i++)
        gpt_entry(i, 1000 + i, 1000 + i);
    refused("too many partitions");
    end();
}

/* ---- Through a partition */

static int try_edges(void)
{
    static uint8_t bytes[1024];
    size_t last = 92 * 512;
    int err = volume_pread(&part, bytes, 512, 0);

    if (err || bytes[0] != 0x77 || bytes[511] != 0x77)
        return -1;
    if (volume_pread(&part, bytes, 513, last - 512) != -XEN_EIO ||
        volume_pread(&part, bytes, 1, last) != -XEN_EIO ||
        volume_pread(&part, bytes, 512, UINT64_MAX - 511) != -XEN_EIO)
        return -2;
    memset(bytes, 0x99, sizeof(bytes));
    if (volume_pwrite(&part, bytes, 1024, last - 512) != -XEN_EIO ||
        volume_pwrite(&part, bytes, 512, last - 512))
        return -3;
    return 0;
}

static void a_partition_is_all_that_is_seen(void **state)
{
    (void)state;
    mbr(512);
    memset(disk + 408 * 512, 0x77, 512);
    memset(disk + 500 * 512, 0x55, 512);
    is_at(5, 408, 92);
    assert_int_equal(run(try_edges), 0);
    assert_int_equal(disk[499 * 512], 0x99);
    assert_int_equal(disk[500 * 512 - 1], 0x99);
    assert_int_equal(disk[500 * 512], 0x55);
    assert_int_equal(disk[498 * 512 + 511], 0);
    end();
}

static void parts_of_one_disk_overlap_where_they_do(void **state)
{
    struct volume one, other;

    (void)state;
    mbr(512);
    is_at(5, 408, 92);
    one = part;
    is_at(6, 601, 99);
    other = part;
    assert_false(volume_overlaps(&one, &other));
    assert_true(volume_overlaps(&one, &one));
    assert_true(volume_overlaps(&one, &volume));
    assert_true(volume_overlaps(&volume, &other));
    other.first = 499;
    assert_true(volume_overlaps(&one, &other));
    assert_true(volume_overlaps(&other, &one));
    other.first = 500;
    assert_false(volume_overlaps(&one, &other));
    other.whole = &one;
    other.first = 408;
    assert_false(volume_overlaps(&one, &other));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_mbr_is_read),
        cmocka_unit_test(a_chain_may_have_a_gap),
        cmocka_unit_test(what_has_no_table_is_refused),
        cmocka_unit_test(hostile_mbrs_are_refused),
        cmocka_unit_test(a_chain_in_circles_is_refused),
        cmocka_unit_test(too_many_partitions_are_refused),
        cmocka_unit_test(a_gpt_is_read),
        cmocka_unit_test(sfdisks_tables_are_read),
        cmocka_unit_test(a_damaged_gpt_has_a_copy),
        cmocka_unit_test(an_unreadable_gpt_has_a_copy),
        cmocka_unit_test(hostile_gpts_are_refused),
        cmocka_unit_test(usable_blocks_are_on_the_disk),
        cmocka_unit_test(more_than_can_be_kept_is_refused),
        cmocka_unit_test(a_partition_is_all_that_is_seen),
        cmocka_unit_test(parts_of_one_disk_overlap_where_they_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
