/* SPDX-License-Identifier: MIT */
/* Clocks, and sleeping by them. */
// sources: posix/time.c posix/wait.c
// sources: console/console.c kernel/fiber.c kernel/fiber_switch.c
// sources: kernel/log.c kernel/loop.c kernel/page.c xen/evtchn.c
// sources: tests/fake/fiber.c tests/fake/hv.c tests/unit/posix_world.c
#include "tests/unit/posix_world.h"

#include <signal.h>

#include "posix/time.h"

static struct loop loop;
static struct pages pages;

static int setup(void **state)
{
    int error = fake_setup(state);

    loop_init(&loop);
    pages_init(&pages);
    program_init(&loop, &pages);
    return error;
}

static void clocks_are_read(void **state)
{
    uint64_t real_ns, ns;

    (void)state;
    assert_int_equal(time_read(CLOCK_MONOTONIC, &ns), 0);
    assert_int_equal(ns, hv_now_ns());
    assert_int_equal(time_read(CLOCK_REALTIME, &real_ns), 0);
    assert_int_equal(real_ns, hv_wall_base_ns() + ns);
    assert_int_equal(time_read((clockid_t)77, &ns), -XEN_EINVAL);
}

static void no_clock_can_be_set(void **state)
{
    (void)state;
    assert_int_equal(time_set(CLOCK_REALTIME), -XEN_EPERM);
    assert_int_equal(time_set(CLOCK_MONOTONIC), -XEN_EINVAL);
    assert_int_equal(time_set((clockid_t)77), -XEN_EINVAL);
}

static void what_is_no_time_is_refused(void **state)
{
    uint64_t ns;

    (void)state;
    assert_int_equal(time_ns(&(struct timespec){-1, 0}, &ns), -XEN_EINVAL);
    assert_int_equal(time_ns(&(struct timespec){0, -1}, &ns), -XEN_EINVAL);
    assert_int_equal(time_ns(&(struct timespec){0, 1000000000}, &ns),
                     -XEN_EINVAL);
    assert_int_equal(time_ns(&(struct timespec){2, 3}, &ns), 0);
    assert_int_equal(ns, 2 * NS_PER_S + 3);
    assert_int_equal(time_ns(&(struct timespec){INT64_MAX, 0}, &ns), 0);
    assert_true(ns == WAIT_FOR_EVER);
}

static int result;
static uint64_t left_ns, took_ns;

static void sleep_for(uint64_t ns)
{
    uint64_t from_ns = hv_now_ns();

    result = time_sleep(ns, &left_ns);
    took_ns = hv_now_ns() - from_ns;
}

static void sleep_two(void)
{
    sleep_for(2 * NS_PER_S);
}

static void sleep_for_ever(void)
{
    sleep_for(UINT64_MAX - 1);
}

static void sleep_by_the_wall(void)
{
    uint64_t from_ns = hv_now_ns();

    result = time_sleep_until(CLOCK_REALTIME,
                              hv_wall_base_ns() + from_ns + 5 * NS_PER_S);
    took_ns = hv_now_ns() - from_ns;
    assert_int_equal(time_sleep_until(CLOCK_MONOTONIC, from_ns), 0);
    assert_int_equal(hv_now_ns() - from_ns, took_ns); /* it was past */
    assert_int_equal(time_sleep_until((clockid_t)77, 0), -XEN_EINVAL);
    assert_int_equal(time_sleep_until(CLOCK_PROCESS_CPUTIME_ID, UINT64_MAX),
                     -XEN_EOPNOTSUPP);
}

static void a_sleep_has_its_length(void **state)
{
    (void)state;
    program_run(sleep_two);
    assert_int_equal(result, 0);
    assert_int_equal(left_ns, 0);
    assert_int_equal(took_ns, 2 * NS_PER_S);
    program_run(sleep_by_the_wall);
    assert_int_equal(result, 0);
    assert_int_equal(took_ns, 5 * NS_PER_S);
}

static void a_signal_ends_a_sleep(void **state)
{
    (void)state;
    program_begin(sleep_two);
    fake_run_for(&loop, NS_PER_S / 2);
    wait_signal(SIGTERM);
    fake_run_until(&loop, program_ended, NS_PER_S);
    assert_int_equal(result, -XEN_EINTR);
    assert_int_equal(left_ns, 2 * NS_PER_S - took_ns);
    program_begin(sleep_for_ever);
    fake_run_for(&loop, 100 * NS_PER_S);
    assert_false(program_ended);
    wait_signal(SIGTERM);
    fake_run_until(&loop, program_ended, NS_PER_S);
    assert_int_equal(result, -XEN_EINTR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(clocks_are_read),
        TEST(no_clock_can_be_set),
        TEST(what_is_no_time_is_refused),
        TEST(a_sleep_has_its_length),
        TEST(a_signal_ends_a_sleep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
