/* SPDX-License-Identifier: MIT */
/*
 * Signals: what each does, which are blocked, and the stack that handlers may
 * run on. The POSIX names are in posix_signal.c. Numbers of signals and flags
 * are signal.h's; a set is a bit for each number.
 *
 * A handler runs in main's fiber, in a call that waits or that changes what is
 * blocked: never between two other instructions of the program's.
 */
#ifndef POSIX_SIGNAL_H
#define POSIX_SIGNAL_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers are 1 to 63. */
#define SIGNAL_NUMBERS 64

struct signal_action {
    union {
        void (*handler)(int sig); /* SIG_DFL, SIG_IGN or a function */
        void (*handler_info)(int sig, siginfo_t *info, void *context);
    };
    uint64_t mask; /* blocked, besides, while the handler runs */
    int flags;     /* SA_* */
};

/* Forget what the last program has set. */
void signal_init(void);

/* Either may be NULL. -XEN_EINVAL: no such signal; nothing can be set for
 * SIGKILL and SIGSTOP; an unknown flag. */
int signal_action(int sig, const struct signal_action *action,
                  struct signal_action *old);

/* SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK. What has waited and is no longer
 * blocked is handled before it returns. -XEN_EINVAL. */
int signal_mask(int how, const uint64_t *set, uint64_t *old);

/* Wait for a signal while `mask` is blocked: -XEN_EINTR. */
int signal_suspend(uint64_t mask);

/* The stack of SA_ONSTACK. Either may be NULL. -XEN_EPERM: a handler is running
 * on it; -XEN_ENOMEM: less than MINSIGSTKSZ; -XEN_EINVAL. */
int signal_stack(const stack_t *stack, stack_t *old);

/* To oneself. -XEN_ESRCH, -XEN_EINVAL. */
int signal_send(int pid, int sig);

/* One has come, and the program waits (wait.h): its handler, or its end. */
void signal_arrive(int sig);

#endif
