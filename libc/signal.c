/* SPDX-License-Identifier: MIT */
/*
 * Signals: signal() and raise() are newlib's, which keeps the handlers; what a
 * signal without a handler does is said here. Nobody else can send one, and
 * SIGPIPE is never sent: writing to a connection that is closed is EPIPE.
 */
#include "libc/signal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel/log.h"
#include "libc/errors.h"

/* newlib's: calls the handler, if there is one. */
int __sigtramp(int sig);
#define SIGTRAMP_DEFAULT 1

/* As a shell reports a program that a signal has ended. */
#define EXIT_SIGNAL 128

/* A wish of the toolstack's that is granted is no failure. */
void signal_arrive(int sig)
{
    if (__sigtramp(sig) == SIGTRAMP_DEFAULT)
        exit(sig == SIGTERM ? EXIT_SUCCESS : EXIT_SIGNAL + sig);
}

int kill(pid_t pid, int sig)
{
    if (pid != getpid() && pid != 0)
        return (int)error_result(-ESRCH);
    if (sig < 0 || sig >= NSIG)
        return (int)error_result(-EINVAL);
    if (sig != 0 && __sigtramp(sig) == SIGTRAMP_DEFAULT) {
        log_error("libc", "ended by its own signal %d", sig);
        _exit(EXIT_SIGNAL + sig);
    }
    return 0;
}
