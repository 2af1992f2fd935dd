/* SPDX-License-Identifier: MIT */
/* Pipes: two ends, in one fiber and between two. */
// sources: posix/fd.c posix/pipe.c posix/wait.c
// sources: console/console.c kernel/fiber.c kernel/fiber_switch.c
// sources: kernel/log.c kernel/loop.c kernel/page.c xen/evtchn.c
// sources: tests/fake/fiber.c tests/fake/hv.c tests/unit/posix_world.c
#include "tests/unit/posix_world.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "posix/fd.h"
#include "posix/pipe.h"

static struct loop loop;
static struct pages pages;
static int ends[2];
static char bytes[4 * PIPE_BYTES];

static int setup(void **state)
{
    int error = fake_setup(state);

    loop_init(&loop);
    pages_init(&pages);
    program_init(&loop, &pages);
    return error;
}

static int teardown(void **state)
{
    fd_close_all();
    return fake_teardown(state);
}

static short state_of(int nr)
{
    return fd_get(nr)->ops->poll(fd_get(nr));
}

static void use_one(void)
{
    int waiting;

    assert_int_equal(pipe_open(ends, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(fd_fcntl(ends[0], F_GETFD, 0), FD_CLOEXEC);
    assert_int_equal(fd_read(ends[0], bytes, 1), -XEN_EAGAIN);
    assert_int_equal(state_of(ends[0]), 0);
    assert_int_equal(fd_write(ends[0], "x", 1), -XEN_EBADF);
    assert_int_equal(fd_read(ends[1], bytes, 1), -XEN_EBADF);
    assert_int_equal(fd_write(ends[1], "hello", 5), 5);
    assert_int_equal(state_of(ends[0]), POLLIN | POLLRDNORM);
    assert_int_equal(fd_get(ends[0])->ops->waiting(fd_get(ends[0]), &waiting),
                     0);
    assert_int_equal(waiting, 5);
    assert_int_equal(fd_read(ends[0], bytes, 9), 5);
    assert_memory_equal(bytes, "hello", 5);
    assert_int_equal(pipe_open(ends, O_APPEND), -XEN_EINVAL);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    program_run(use_one);
}

static void fill(void)
{
    assert_int_equal(pipe_open(ends, O_NONBLOCK), 0);
    assert_int_equal(fd_write(ends[1], bytes, sizeof(bytes)), PIPE_BYTES);
    assert_int_equal(state_of(ends[1]), 0);
    assert_int_equal(fd_read(ends[0], bytes, 100), 100);
    /* a small piece is whole or not at all; a large one is what fits */
    assert_int_equal(fd_write(ends[1], bytes, 101), -XEN_EAGAIN);
    assert_int_equal(fd_write(ends[1], bytes, PIPE_ATOMIC + 1), 100);
}

static void a_pipe_holds_so_much(void **state)
{
    (void)state;
    program_run(fill);
}

static void close_ends(void)
{
    assert_int_equal(pipe_open(ends, 0), 0);
    assert_int_equal(fd_write(ends[1], "x", 1), 1);
    assert_int_equal(fd_close(ends[1]), 0);
    assert_int_equal(fd_read(ends[0], bytes, 9), 1);
    assert_int_equal(fd_read(ends[0], bytes, 9), 0);
    assert_int_equal(state_of(ends[0]), POLLHUP);
    assert_int_equal(fd_close(ends[0]), 0);
    assert_int_equal(pipe_open(ends, 0), 0);
    assert_int_equal(fd_close(ends[0]), 0);
    assert_int_equal(state_of(ends[1]), POLLERR);
    assert_int_equal(fd_write(ends[1], "x", 1), -XEN_EPIPE);
}

static void an_end_is_told_that_the_other_is_gone(void **state)
{
    (void)state;
    program_run(close_ends);
}

/* ---- Two fibers */

static struct fiber fiber;
static struct waiter waiter;

static void write_all(struct fiber *it)
{
    (void)it;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i % 251);
    assert_int_equal(fd_write(ends[1], bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(fd_close(ends[1]), 0);
    wait_remove(&waiter);
}

static void read_all(void)
{
    static char piece[5000];
    size_t at = 0;
    ssize_t n;

    assert_int_equal(pipe_open(ends, 0), 0);
    wait_add(&waiter, &fiber);
    assert_int_equal(fiber_start(&fiber, &loop, &pages, 64, write_all), 0);
    while ((n = fd_read(ends[0], piece, sizeof(piece))) > 0)
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(piece[i], (char)(at++ % 251));
    assert_int_equal(n, 0);
    assert_int_equal(at, sizeof(bytes));
}

static void two_fibers_talk_through_one(void **state)
{
    (void)state;
    program_run(read_all);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(a_pipe_holds_so_much),
        TEST(an_end_is_told_that_the_other_is_gone),
        TEST(two_fibers_talk_through_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
