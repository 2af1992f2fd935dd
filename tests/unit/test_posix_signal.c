/* SPDX-License-Identifier: MIT */
/* Signals: what they do, what blocks them, the stack of their handlers. */
// sources: posix/signal.c posix/wait.c
// sources: console/console.c kernel/fiber.c kernel/fiber_switch.c
// sources: kernel/log.c kernel/loop.c kernel/page.c xen/evtchn.c
// sources: tests/fake/fiber.c tests/fake/hv.c
#include "tests/unit/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "posix/signal.h"
#include "posix/wait.h"

#define STACK_PAGES 64
#define BIT(sig)    (UINT64_C(1) << (sig))

static struct loop loop;
static struct pages pages;
static struct fiber fiber;
static void (*program)(void);
static bool ended;

static void run(struct fiber *it)
{
    (void)it;
    program();
    ended = true;
}

/* Run fn where main would. */
static void run_program(void (*fn)(void))
{
    program = fn;
    ended = false;
    fiber = (struct fiber){.fn = NULL};
    wait_init(&loop, &fiber, signal_arrive);
    signal_init();
    assert_int_equal(fiber_start(&fiber, &loop, &pages, STACK_PAGES, run), 0);
    fake_run_until(&loop, ended, 100 * NS_PER_S);
}

static int setup(void **state)
{
    int error = fake_setup(state);

    loop_init(&loop);
    pages_init(&pages);
    return error;
}

/* ---- Handlers */

static int depth, deepest, calls, last;
static uint64_t blocked_inside;

static void begin_handler(int sig)
{
    last = sig;
    calls++;
    if (++depth > deepest)
        deepest = depth;
    blocked_inside = wait_blocked();
}

static void raise_again(int sig)
{
    begin_handler(sig);
    if (calls < 3)
        assert_int_equal(signal_send(0, sig), 0);
    depth--;
}

static void set(int sig, void (*handler)(int sig), uint64_t mask, int flags)
{
    struct signal_action action = {
        .handler = handler,
        .mask = mask,
        .flags = flags,
    };

    depth = deepest = calls = last = 0;
    assert_int_equal(signal_action(sig, &action, NULL), 0);
}

static void nest(void)
{
    set(SIGUSR1, raise_again, BIT(SIGUSR2), 0);
    assert_int_equal(signal_send(0, SIGUSR1), 0);
    assert_int_equal(calls, 3);
    assert_int_equal(deepest, 1);
    assert_int_equal(blocked_inside, BIT(SIGUSR1) | BIT(SIGUSR2));
    assert_int_equal(wait_blocked(), 0);
    set(SIGUSR1, raise_again, 0, SA_NODEFER);
    assert_int_equal(signal_send(0, SIGUSR1), 0);
    assert_int_equal(deepest, 3);
    assert_int_equal(blocked_inside, 0);
}

static void a_signal_does_not_nest_in_its_handler(void **state)
{
    (void)state;
    run_program(nest);
}

static void on_other(int sig)
{
    begin_handler(sig);
    depth--;
}

static void raise_other(int sig)
{
    begin_handler(sig);
    assert_int_equal(signal_send(0, SIGUSR2), 0);
    depth--;
}

static void mask(void)
{
    set(SIGUSR2, on_other, 0, 0);
    set(SIGUSR1, raise_other, BIT(SIGUSR2), 0);
    assert_int_equal(signal_send(0, SIGUSR1), 0);
    assert_int_equal(calls, 2);
    assert_int_equal(deepest, 1);
    assert_int_equal(last, SIGUSR2);
    set(SIGUSR1, raise_other, 0, 0);
    assert_int_equal(signal_send(0, SIGUSR1), 0);
    assert_int_equal(calls, 2);
    assert_int_equal(deepest, 2);
}

static void a_handlers_mask_holds_while_it_runs(void **state)
{
    (void)state;
    run_program(mask);
}

static void reset(void)
{
    struct signal_action now;

    set(SIGCHLD, on_other, 0, SA_RESETHAND);
    assert_int_equal(signal_send(0, SIGCHLD), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(signal_action(SIGCHLD, NULL, &now), 0);
    assert_ptr_equal(now.handler, SIG_DFL);
    assert_int_equal(signal_send(0, SIGCHLD), 0); /* ignored by default */
    assert_int_equal(signal_send(0, SIGURG), 0);
    assert_int_equal(signal_send(0, SIGWINCH), 0);
    assert_int_equal(signal_send(0, SIGCONT), 0);
    assert_int_equal(calls, 1);
}

static void what_nobody_asked_for_is_ignored(void **state)
{
    (void)state;
    run_program(reset);
}

static void refuse(void)
{
    struct signal_action action = {.handler = on_other}, old;

    assert_int_equal(signal_action(SIGKILL, &action, NULL), -XEN_EINVAL);
    assert_int_equal(signal_action(SIGSTOP, &action, NULL), -XEN_EINVAL);
    assert_int_equal(signal_action(SIGKILL, NULL, &old), 0);
    assert_int_equal(signal_action(0, NULL, &old), -XEN_EINVAL);
    assert_int_equal(signal_action(64, NULL, &old), -XEN_EINVAL);
    action.flags = 1 << 20;
    assert_int_equal(signal_action(SIGUSR1, &action, NULL), -XEN_EINVAL);
    assert_int_equal(signal_send(getpid() + 1, SIGUSR1), -XEN_ESRCH);
    assert_int_equal(signal_send(0, 64), -XEN_EINVAL);
    assert_int_equal(signal_send(0, -1), -XEN_EINVAL);
    assert_int_equal(signal_send(getpid(), 0), 0);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    run_program(refuse);
}

static siginfo_t seen;

static void on_info(int sig, siginfo_t *info, void *context)
{
    begin_handler(sig);
    assert_null(context);
    seen = *info;
    depth--;
}

static void tell_more(void)
{
    struct signal_action action = {
        .handler_info = on_info,
        .flags = SA_SIGINFO,
    };

    assert_int_equal(signal_action(63, &action, NULL), 0);
    assert_int_equal(signal_send(0, 63), 0);
    assert_int_equal(seen.si_signo, 63);
    assert_int_equal(seen.si_code, SI_USER);
    assert_int_equal(seen.si_pid, getpid());
}

static void a_handler_is_told_more(void **state)
{
    (void)state;
    run_program(tell_more);
}

/* ---- Blocking */

static void block(void)
{
    uint64_t set_one = BIT(SIGUSR1) | BIT(SIGKILL), old;

    set(SIGUSR1, on_other, 0, 0);
    assert_int_equal(signal_mask(SIG_BLOCK, &set_one, &old), 0);
    assert_int_equal(old, 0);
    assert_int_equal(wait_blocked(), BIT(SIGUSR1)); /* SIGKILL never is */
    assert_int_equal(signal_send(0, SIGUSR1), 0);
    assert_int_equal(signal_send(0, SIGUSR1), 0);
    assert_int_equal(calls, 0);
    assert_int_equal(wait_pending(), BIT(SIGUSR1));
    assert_int_equal(wait_until(hv_now_ns() + 1000), -XEN_ETIMEDOUT);
    assert_int_equal(signal_mask(SIG_UNBLOCK, &set_one, &old), 0);
    assert_int_equal(calls, 1); /* before it returned */
    assert_int_equal(old, BIT(SIGUSR1));
    assert_int_equal(signal_mask(99, &set_one, NULL), -XEN_EINVAL);
    assert_int_equal(signal_mask(99, NULL, &old), 0);
}

static void a_blocked_signal_is_pending(void **state)
{
    (void)state;
    run_program(block);
}

static void suspend(void)
{
    uint64_t set_one = BIT(SIGUSR1);

    set(SIGUSR1, on_other, 0, 0);
    assert_int_equal(signal_mask(SIG_SETMASK, &set_one, NULL), 0);
    assert_int_equal(signal_send(0, SIGUSR1), 0);
    assert_int_equal(signal_suspend(0), -XEN_EINTR);
    assert_int_equal(calls, 1);
    assert_int_equal(wait_blocked(), set_one);
}

static void suspend_waits_with_another_mask(void **state)
{
    (void)state;
    run_program(suspend);
}

/* ---- The stack */

static char stack[64 * 1024];
static uintptr_t ran_at;
static int change_inside;

static void on_stack(int sig)
{
    stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)}, now;

    begin_handler(sig);
    ran_at = (uintptr_t)__builtin_frame_address(0);
    change_inside = signal_stack(&other, &now);
    assert_int_equal(now.ss_flags, ran_at - (uintptr_t)stack < sizeof(stack)
                                       ? SS_ONSTACK
                                       : 0);
    if (calls == 1)
        assert_int_equal(signal_send(0, SIGUSR2), 0);
    depth--;
}

static void use_stack(void)
{
    stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack) - 3}, old;

    assert_int_equal(signal_stack(NULL, &old), 0);
    assert_int_equal(old.ss_flags, SS_DISABLE);
    own.ss_size = 100;
    assert_int_equal(signal_stack(&own, NULL), -XEN_ENOMEM);
    own.ss_size = sizeof(stack) - 3;
    assert_int_equal(signal_stack(&own, NULL), 0);
    set(SIGUSR2, on_stack, 0, SA_ONSTACK); /* nests, on the same stack */
    set(SIGUSR1, on_stack, 0, SA_ONSTACK);
    assert_int_equal(signal_send(0, SIGUSR1), 0);
    assert_int_equal(calls, 2);
    assert_in_range(ran_at, (uintptr_t)stack, (uintptr_t)stack + sizeof(stack));
    assert_int_equal(change_inside, -XEN_EPERM);
    set(SIGUSR1, on_stack, 0, 0);
    calls = 1;
    assert_int_equal(signal_send(0, SIGUSR1), 0);
    assert_false(ran_at - (uintptr_t)stack < sizeof(stack));
    assert_int_equal(change_inside, 0);
    own.ss_flags = 77;
    assert_int_equal(signal_stack(&own, NULL), -XEN_EINVAL);
}

static void a_handler_may_have_its_own_stack(void **state)
{
    (void)state;
    run_program(use_stack);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_signal_does_not_nest_in_its_handler),
        TEST(a_handlers_mask_holds_while_it_runs),
        TEST(what_nobody_asked_for_is_ignored),
        TEST(what_cannot_be_is_refused),
        TEST(a_handler_is_told_more),
        TEST(a_blocked_signal_is_pending),
        TEST(suspend_waits_with_another_mask),
        TEST(a_handler_may_have_its_own_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
