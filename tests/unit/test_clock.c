/* SPDX-License-Identifier: MIT */
/* The PV clock: scaling, records that Xen rewrites while they are read, and the
 * wall clock past 2038. */
// sources: xen/pv/clock.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "xen/abi.h"
#include "xen/pv/clock.h"

static vcpu_time_info_t record;
static uint64_t tsc_now;
static unsigned tsc_reads, rewrites;

/* Xen rewrites the record `rewrites` times between the two reads of its
 * version, each time leaving it whole and one second later. */
static uint64_t tsc(void)
{
    tsc_reads++;
    if (rewrites) {
        rewrites--;
        record.version += 2;
        record.system_time += 1000000000;
    }
    return tsc_now;
}

static uint64_t read_at(uint64_t at)
{
    tsc_now = at;
    return clock_system_ns(&record, tsc);
}

static void start(int8_t shift, uint32_t mul)
{
    record = (vcpu_time_info_t){.version = 2,
                                .tsc_timestamp = 1000,
                                .system_time = 5000,
                                .tsc_shift = shift,
                                .tsc_to_system_mul = mul};
    tsc_reads = rewrites = 0;
}

static void test_scale(void **state)
{
    static const struct {
        int8_t shift;
        uint32_t mul;
        uint64_t delta, ns;
    } rows[] = {
        {0, 0x80000000u, 0, 0},
        {0, 0x80000000u, 10, 5},
        {1, 0x80000000u, 10, 10},
        {-1, 0x80000000u, 10, 2},
        {-1, 0xffffffffu, 3, 0},
        {3, 0x20000000u, 1u << 20, 1u << 20},
        {-31, 0x80000000u, UINT64_C(1) << 40, 256},
        /* Ten years at 4 GHz: the product needs more than 64 bits. */
        {-1, 0x80000000u, UINT64_C(1261440000000000000),
         UINT64_C(315360000000000000)},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(rows); i++) {
        start(rows[i].shift, rows[i].mul);
        assert_int_equal(read_at(1000 + rows[i].delta), 5000 + rows[i].ns);
    }
}

static void test_a_record_that_changes_is_read_again(void **state)
{
    (void)state;
    start(0, 0x80000000u);
    rewrites = 3;
    assert_int_equal(read_at(1000), 5000 + UINT64_C(3000000000));
    assert_int_equal(tsc_reads, 4);
}

/* Odd: Xen is writing. It is done when the version is even and the same. */
static uint64_t tsc_ends_the_write(void)
{
    if (++tsc_reads == 5)
        record.version = 4;
    return 1000;
}

static void test_a_record_that_is_being_written_is_waited_for(void **state)
{
    (void)state;
    start(0, 0x80000000u);
    record.version = 3;
    assert_int_equal(clock_system_ns(&record, tsc_ends_the_write), 5000);
    assert_int_equal(tsc_reads, 6);
}

static void test_wall_clock(void **state)
{
    static shared_info_t shared;

    (void)state;
    shared.wc_version = 2;
    shared.wc_sec = 1767225600; /* 2026-01-01 */
    shared.wc_nsec = 7;
    assert_int_equal(clock_wall_base_ns(&shared),
                     UINT64_C(1767225600000000007));
    shared.wc_sec_hi = 1; /* past 2106 */
    shared.wc_sec = 5;
    assert_int_equal(clock_wall_base_ns(&shared),
                     ((UINT64_C(1) << 32) + 5) * 1000000000 + 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_a_record_that_changes_is_read_again),
        cmocka_unit_test(test_a_record_that_is_being_written_is_waited_for),
        cmocka_unit_test(test_wall_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
