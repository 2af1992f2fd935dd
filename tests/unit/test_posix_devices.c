/* SPDX-License-Identifier: MIT */
/* /dev/null and its like. */
// sources: libc/errors.c posix/devices.c posix/fd.c posix/wait.c
// sources: kernel/fiber.c kernel/fiber_switch.c kernel/random.c
// sources: kernel/log.c kernel/loop.c kernel/page.c xen/evtchn.c
// sources: tests/fake/fiber.c tests/fake/hv.c tests/unit/posix_world.c
#include "tests/unit/posix_world.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/app.h"
#include "posix/devices.h"
#include "posix/fd.h"
#include "posix/program.h"

static struct random chance;
static struct app app = {.random = &chance};

struct app *program_app(void)
{
    return &app;
}

static int setup(void **state)
{
    int error = fake_setup(state);

    random_init(&chance);
    return error;
}

static int teardown(void **state)
{
    fd_close_all();
    return fake_teardown(state);
}

static void null_takes_all_and_has_nothing(void **state)
{
    int fd = device_open("/dev/null", O_RDWR);
    char bytes[8] = "before";

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(fd_write(fd, bytes, 8), 8);
    assert_int_equal(fd_read(fd, bytes, 8), 0);
    assert_string_equal(bytes, "before");
    assert_int_equal(fd_close(fd), 0);
}

static void zero_has_zeros(void **state)
{
    int fd = device_open("/dev/zero", O_RDONLY);
    char bytes[8] = "before", zeros[8] = "";

    (void)state;
    assert_int_equal(fd_read(fd, bytes, 8), 8);
    assert_memory_equal(bytes, zeros, 8);
    assert_int_equal(fd_write(fd, bytes, 8), -EBADF);
}

static void random_differs_each_time(void **state)
{
    int fd = device_open("/dev/urandom", O_RDONLY);
    char one[32] = "", other[32] = "";

    (void)state;
    chance.seeded = true;
    assert_int_equal(fd_read(fd, one, 32), 32);
    assert_int_equal(fd_read(fd, other, 32), 32);
    assert_memory_not_equal(one, other, 32);
}

/* A program that asks for chance is not given what could be guessed. */
static void random_without_a_seed_is_an_error(void **state)
{
    int fd = device_open("/dev/random", O_RDONLY);
    char bytes[8];

    (void)state;
    chance.seeded = false;
    assert_int_equal(fd_read(fd, bytes, 8), -EIO);
}

static void only_these_are_there(void **state)
{
    struct stat found;

    (void)state;
    assert_int_equal(device_open("/dev/nul", O_RDONLY), -ENOENT);
    assert_int_equal(device_open("/dev", O_RDONLY), -ENOENT);
    assert_int_equal(device_stat("/dev/sda", &found), -ENOENT);
    assert_int_equal(device_stat("/dev/null", &found), 0);
    assert_true(S_ISCHR(found.st_mode));
}

static void a_full_table_keeps_nothing(void **state)
{
    int last = 0, fd;

    (void)state;
    while ((fd = device_open("/dev/null", O_RDONLY)) >= 0)
        last = fd;
    assert_int_equal(fd, -EMFILE); /* and ASan finds what was not freed */
    assert_int_equal(last, FD_MAX - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(null_takes_all_and_has_nothing),
        TEST(zero_has_zeros),
        TEST(random_differs_each_time),
        TEST(random_without_a_seed_is_an_error),
        TEST(only_these_are_there),
        TEST(a_full_table_keeps_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
