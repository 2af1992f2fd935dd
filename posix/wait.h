/* SPDX-License-Identifier: MIT */
/*
 * How a program waits: its fiber parks, and the loop turns.
 *
 * One fiber runs a program's main, and only in it may a call wait. Whatever
 * waits looks at its own condition, and calls wait_until as long as that does
 * not hold; whoever may have changed any such condition calls wait_wake.
 *
 * Signals arrive here as well: the only two that come by themselves are
 * SIGTERM (the toolstack wants the guest to end) and SIGINT (Ctrl-C), and they
 * wait until the program waits.
 */
#ifndef POSIX_WAIT_H
#define POSIX_WAIT_H

#include "kernel/fiber.h"

#define WAIT_FOR_EVER UINT64_MAX

/* The program's fiber, before it runs. `signal` is called in it for a signal
 * that has come; it may not return. */
void wait_init(struct loop *loop, struct fiber *fiber, void (*signal)(int sig));

/* Until wait_wake or that time on hv_now_ns()'s clock.
 * 0, or spuriously; -ETIMEDOUT; -EINTR: a signal has been handled;
 * -EAGAIN: this is not the program's fiber, which alone may wait. */
must_check int wait_until(uint64_t due_ns);

/* Let the loop turn once, that what has happened can be seen. For calls that
 * do not wait, or a program that asks again and again would never get an
 * answer. Elsewhere than in the program's fiber it does nothing. */
void wait_turn(void);

/* Until *done, which is set before wait_wake. No signal ends it: for requests
 * that lie on the caller's stack; one that has come is handled then. Only in
 * the program's fiber. */
void wait_done(const bool *done);

/* True: this is the program's fiber. */
bool wait_may(void);

/* For what only a program with a main can have, `what`: 0; or elsewhere
 * -ENOSYS, and a log line the first time. */
must_check int wait_needed(const char *what);

void wait_wake(void);

/* A signal for the program. */
void wait_signal(int sig);

/* The program is about to end: from now on signals are dropped. */
void wait_no_signals(void);

/* From now on these (1 << sig) wait until they are no longer among them, and
 * end no wait. Returns those of until now. */
unsigned wait_block(unsigned signals);

#endif
