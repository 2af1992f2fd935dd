/* SPDX-License-Identifier: MIT */
/*
 * The POSIX names of signals, in the place of newlib's own.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "libc/errors.h"
#include "posix/program.h"
#include "posix/signal.h"
#include "posix/wait.h"

/* program.c asks for it: kill() is then this file's. */
const bool posix_signal_names = true;

static struct sigaction to_program(const struct signal_action *action)
{
    return (struct sigaction){
        .sa_handler = action->handler,
        .sa_mask = action->mask,
        .sa_flags = action->flags,
    };
}

int sigaction(int sig, const struct sigaction *action, struct sigaction *old)
{
    struct signal_action inner, inner_old = {.flags = 0};
    int err;

    if (action)
        inner = (struct signal_action){
            .handler = action->sa_handler,
            .mask = action->sa_mask,
            .flags = action->sa_flags,
        };
    err = signal_action(sig, action ? &inner : NULL, &inner_old);
    if (!err && old)
        *old = to_program(&inner_old);
    return (int)error_result(err);
}

/* The handler stays, as in BSD and Linux. */
_sig_func_ptr signal(int sig, _sig_func_ptr handler)
{
    struct signal_action action = {.handler = handler}, old;
    int err = signal_action(sig, &action, &old);

    return error_result(err) ? SIG_ERR : old.handler;
}

int raise(int sig)
{
    return (int)error_result(signal_send(getpid(), sig));
}

int kill(pid_t pid, int sig)
{
    return (int)error_result(signal_send(pid, sig));
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    uint64_t inner = set ? *set : 0, inner_old = 0;
    int err = signal_mask(how, set ? &inner : NULL, &inner_old);

    if (!err && old)
        *old = inner_old;
    return (int)error_result(err);
}

int sigpending(sigset_t *set)
{
    *set = wait_pending() & wait_blocked();
    return 0;
}

int sigsuspend(const sigset_t *mask)
{
    return (int)error_result(signal_suspend(*mask));
}

int pause(void)
{
    return (int)error_result(signal_suspend(wait_blocked()));
}

int sigaltstack(const stack_t *stack, stack_t *old)
{
    return (int)error_result(signal_stack(stack, old));
}

/* ---- Sets */

static int in_range(int sig)
{
    return sig > 0 && sig < SIGNAL_NUMBERS ? 0 : -XEN_EINVAL;
}

int sigemptyset(sigset_t *set)
{
    *set = 0;
    return 0;
}

int sigfillset(sigset_t *set)
{
    *set = ~(sigset_t)0;
    return 0;
}

int sigaddset(sigset_t *set, int sig)
{
    int err = in_range(sig);

    if (!err)
        *set |= (sigset_t)1 << sig;
    return (int)error_result(err);
}

int sigdelset(sigset_t *set, int sig)
{
    int err = in_range(sig);

    if (!err)
        *set &= ~((sigset_t)1 << sig);
    return (int)error_result(err);
}

int sigismember(const sigset_t *set, int sig)
{
    int err = in_range(sig);

    return err ? (int)error_result(err) : (int)(*set >> sig & 1);
}
