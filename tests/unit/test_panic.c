/* SPDX-License-Identifier: MIT */
/*
 * panic() ends everything, so each case runs in a process of its own; what it
 * logged comes back through a pipe, the reason of the shutdown as exit status.
 */
// sources: kernel/panic.c kernel/log.c tests/fake/hv.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "tests/fake/fake.h"

static char said[4096];

static void sink(void *arg, const char *line, size_t len)
{
    if (write((int)(intptr_t)arg, line, len) != (ssize_t)len)
        abort();
}

static void broken_sink(void *arg, const char *line, size_t len)
{
    sink(arg, line, len);
    panic("in the log");
}

static _Noreturn void be_a_guest(int fd, log_sink_fn *log_sink,
                                 void (*fn)(void))
{
    fake_start(NULL);
    log_set_sink(log_sink, (void *)(intptr_t)fd);
    log_set_epoch(fake_now());
    _exit(fake_shutdown_of(fn()));
}

/* Runs fn as a guest of its own; the reason of its shutdown. */
static int end_of(log_sink_fn *log_sink, void (*fn)(void))
{
    int fds[2], status;
    size_t used = 0;
    ssize_t len;

    assert_int_equal(pipe(fds), 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        be_a_guest(fds[1], log_sink, fn);
    close(fds[1]);
    while ((len = read(fds[0], said + used, sizeof(said) - 1 - used)) > 0)
        used += (size_t)len;
    said[used] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void just_panic(void)
{
    panic("no %s: %d", "shared_info", -22);
}

static void panic_says_why_and_crashes(void **state)
{
    (void)state;
    assert_int_equal(end_of(sink, just_panic), SHUTDOWN_crash);
    assert_string_equal(said,
                        "[    0.000000] error: panic: no shared_info: -22\n");
}

static void say_goodbye(void)
{
    log_info("main", "goodbye");
}

static void panic_with_last_words(void)
{
    panic_set_last_words(say_goodbye);
    panic("over");
}

static void last_words_come_after_the_sentence(void **state)
{
    (void)state;
    assert_int_equal(end_of(sink, panic_with_last_words), SHUTDOWN_crash);
    assert_string_equal(said, "[    0.000000] error: panic: over\n"
                              "[    0.000000] main: goodbye\n");
}

static void panic_again(void)
{
    panic("in the last words");
}

static void panic_in_last_words(void)
{
    panic_set_last_words(panic_again);
    panic("over");
}

static void a_panic_in_the_last_words_ends_it(void **state)
{
    (void)state;
    assert_int_equal(end_of(sink, panic_in_last_words), SHUTDOWN_crash);
    assert_string_equal(said, "[    0.000000] error: panic: over\n"
                              "[    0.000000] error: panic: "
                              "in the last words\n");
}

static void a_panic_in_the_log_ends_it(void **state)
{
    (void)state;
    assert_int_equal(end_of(broken_sink, just_panic), SHUTDOWN_crash);
    assert_string_equal(said, "[    0.000000] error: panic: "
                              "no shared_info: -22\n"
                              "[    0.000000] error: panic: in the log\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(panic_says_why_and_crashes),
        cmocka_unit_test(last_words_come_after_the_sentence),
        cmocka_unit_test(a_panic_in_the_last_words_ends_it),
        cmocka_unit_test(a_panic_in_the_log_ends_it),
    };

    return cmocka_run_group_tests_name("panic", tests, NULL, NULL);
}
