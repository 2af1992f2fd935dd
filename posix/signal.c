/* SPDX-License-Identifier: MIT */
/*
 * Signals: signal() and raise() are newlib's, which keeps the handlers, and
 * forgets each when it is called. What a signal without a handler does is said
 * here, and sigaction() is, whose handlers stay: newlib's handler is then
 * act(). Nobody else can send a signal, and SIGPIPE is never sent: writing to
 * a connection that is closed is XEN_EPIPE.
 */
#include "posix/signal.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel/log.h"
#include "libc/errors.h"
#include "posix/wait.h"

/* newlib's: calls the handler, if there is one. */
int __sigtramp(int sig);
#define SIGTRAMP_DEFAULT 1

/* As a shell reports a program that a signal has ended. */
#define EXIT_SIGNAL 128

/* Those that sigaction() has set. */
static struct sigaction actions[NSIG];

static void act(int sig)
{
    struct sigaction action = actions[sig];
    unsigned blocked = wait_block(0);

    (void)signal(sig, act);
    (void)wait_block(blocked | (unsigned)action.sa_mask | 1u << sig);
    action.sa_handler(sig);
    (void)wait_block(blocked);
}

static void set_action(int sig, const struct sigaction *action)
{
    bool is_function =
        action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;

    actions[sig] = *action;
    (void)signal(sig, is_function ? act : action->sa_handler);
}

int sigaction(int sig, const struct sigaction *action, struct sigaction *old)
{
    struct sigaction now;

    if (sig <= 0 || sig >= NSIG || sig == SIGKILL || sig == SIGSTOP ||
        (action && action->sa_flags & ~SA_NOCLDSTOP))
        return (int)error_result(-XEN_EINVAL);
    now = (struct sigaction){.sa_handler = signal(sig, SIG_DFL)};
    (void)signal(sig, now.sa_handler); /* there is no other way to ask */
    if (now.sa_handler == act)
        now = actions[sig];
    if (action)
        set_action(sig, action);
    if (old)
        *old = now;
    return 0;
}

/* A wish of the toolstack's that is granted is no failure. */
void signal_arrive(int sig)
{
    if (__sigtramp(sig) == SIGTRAMP_DEFAULT)
        exit(sig == SIGTERM ? EXIT_SUCCESS : EXIT_SIGNAL + sig);
}

int kill(pid_t pid, int sig)
{
    if (pid != getpid() && pid != 0)
        return (int)error_result(-XEN_ESRCH);
    if (sig < 0 || sig >= NSIG)
        return (int)error_result(-XEN_EINVAL);
    if (sig != 0 && __sigtramp(sig) == SIGTRAMP_DEFAULT) {
        log_error("libc", "ended by its own signal %d", sig);
        _exit(EXIT_SIGNAL + sig);
    }
    return 0;
}
