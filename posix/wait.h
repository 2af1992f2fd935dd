/* SPDX-License-Identifier: MIT */
/*
 * How a program waits: its fiber parks, and the loop turns.
 *
 * A fiber in which calls may wait has a record here: one runs a program's main,
 * and there may be others. Whatever waits looks at its own condition, and calls
 * wait_until as long as that does not hold; whoever may have changed any such
 * condition calls wait_wake, after which all that wait look again.
 *
 * Signals are the program's, not a fiber's: they are handled in main's fiber.
 * The only two that come by themselves are SIGTERM (the toolstack wants the
 * guest to end) and SIGINT (Ctrl-C), and they wait until main waits.
 */
#ifndef POSIX_WAIT_H
#define POSIX_WAIT_H

#include "kernel/fiber.h"

#define WAIT_FOR_EVER UINT64_MAX

/* A fiber that may wait. The owner's memory, zeroed; the rest is wait.c's. */
struct waiter {
    struct fiber *fiber;
    struct waiter *next;
    struct timer timer;
    bool parked, woken, late;
};

/* The program's main fiber, before it runs; other records are forgotten.
 * `signal` is called in it for a signal that has come; it may not return. */
void wait_init(struct loop *loop, struct fiber *fiber, void (*signal)(int sig));

/* From now on calls in this fiber, too, may wait; until wait_remove, which it
 * or its owner calls when it waits for nothing. */
void wait_add(struct waiter *waiter, struct fiber *fiber);
void wait_remove(struct waiter *waiter);

/* Until wait_wake or that time on hv_now_ns()'s clock.
 * 0, or spuriously; -XEN_ETIMEDOUT; -XEN_EINTR: a signal has been handled;
 * -XEN_EAGAIN: this is a fiber without a record, or none, and cannot wait. */
must_check int wait_until(uint64_t due_ns);

/* Let the loop turn once, that what has happened can be seen. For calls that
 * do not wait, or a program that asks again and again would never get an
 * answer. In a fiber without a record it does nothing. */
void wait_turn(void);

/* Until *done, which is set before wait_wake. No signal ends it: for requests
 * that lie on the caller's stack; one that has come is handled then. Only in
 * a fiber that may wait. */
void wait_done(const bool *done);

/* True: calls in this fiber may wait. */
bool wait_may(void);

/* For what only a program with a main can have, `what`: 0; or elsewhere
 * -XEN_ENOSYS, and a log line the first time. */
must_check int wait_needed(const char *what);

void wait_wake(void);

/* A signal for the program. */
void wait_signal(int sig);

/* The program is about to end: from now on signals are dropped. */
void wait_no_signals(void);

/* From now on these (1 << sig) wait until they are no longer among them, and
 * end no wait. Returns those of until now. */
uint64_t wait_block(uint64_t signals);

/* Those that are blocked, and those that have come and wait. */
uint64_t wait_blocked(void);
uint64_t wait_pending(void);

/* In main's fiber: handle what has come and is not blocked. False: nothing. */
bool wait_handle_signals(void);

#endif
