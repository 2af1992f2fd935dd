/* SPDX-License-Identifier: MIT */
/*
 * A program's waiting. Each fiber that may wait has a record with a flag and a
 * timer; the records are a list, short enough to be searched. Who wakes does
 * not know who waits for what: wait_wake wakes all that are parked, and each
 * looks at its own condition.
 */
#include "posix/wait.h"

#include <assert.h>

#include "kernel/log.h"

static struct {
    struct loop *loop;
    struct waiter main; /* the last of the list */
    struct waiter *first;
    void (*signal)(int sig);
    /* A bit for each signal: has it come; is it to wait. */
    uint64_t signals, blocked;
    bool no_signals;
} waiting;

/* ---- Records */

void wait_init(struct loop *loop, struct fiber *fiber, void (*signal)(int sig))
{
    waiting.loop = loop;
    waiting.main.fiber = fiber;
    waiting.first = &waiting.main;
    waiting.signal = signal;
    waiting.signals = waiting.blocked = 0;
    waiting.no_signals = false;
}

void wait_add(struct waiter *waiter, struct fiber *fiber)
{
    *waiter = (struct waiter){.fiber = fiber, .next = waiting.first};
    waiting.first = waiter;
}

void wait_remove(struct waiter *waiter)
{
    struct waiter **at = &waiting.first;

    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
}

/* NULL: this fiber has none. */
static struct waiter *current(void)
{
    const struct fiber *fiber = fiber_current();
    struct waiter *waiter = fiber ? waiting.first : NULL;

    while (waiter && waiter->fiber != fiber)
        waiter = waiter->next;
    return waiter;
}

bool wait_may(void)
{
    return current() != NULL;
}

int wait_needed(const char *what)
{
    static bool said;

    if (wait_may())
        return 0;
    if (!said)
        log_warn("libc", "%s are for programs with a main: ENOSYS", what);
    said = true;
    return -XEN_ENOSYS;
}

/* ---- Waking */

static void wake(const struct waiter *waiter)
{
    if (waiter->parked)
        fiber_wake(waiter->fiber);
}

void wait_wake(void)
{
    for (struct waiter *waiter = waiting.first; waiter; waiter = waiter->next) {
        waiter->woken = true;
        wake(waiter);
    }
}

static void timer_due(struct timer *timer)
{
    struct waiter *waiter = container_of(timer, struct waiter, timer);

    waiter->late = true;
    wake(waiter);
}

/* ---- Signals */

void wait_signal(int sig)
{
    if (waiting.no_signals)
        return;
    waiting.signals |= UINT64_C(1) << sig;
    wake(&waiting.main);
}

void wait_no_signals(void)
{
    waiting.no_signals = true;
    waiting.signals = 0;
}

uint64_t wait_block(uint64_t signals)
{
    uint64_t blocked = waiting.blocked;

    waiting.blocked = signals;
    return blocked;
}

uint64_t wait_blocked(void)
{
    return waiting.blocked;
}

uint64_t wait_pending(void)
{
    return waiting.signals;
}

static bool arrived(const struct waiter *waiter)
{
    return waiter == &waiting.main && waiting.signals & ~waiting.blocked;
}

/* One at a time: a handler may block those that follow. */
bool wait_handle_signals(void)
{
    bool any = false;

    while (current() == &waiting.main && arrived(&waiting.main)) {
        int sig = __builtin_ctzll(waiting.signals & ~waiting.blocked);

        waiting.signals &= ~(UINT64_C(1) << sig);
        waiting.signal(sig);
        any = true;
    }
    return any;
}

/* ---- Waiting */

static void park(struct waiter *waiter)
{
    waiter->parked = true;
    fiber_park();
    waiter->parked = false;
}

int wait_until(uint64_t due_ns)
{
    struct waiter *waiter = current();
    bool late;

    if (!waiter)
        return -XEN_EAGAIN;
    waiter->woken = waiter->late = false;
    if (due_ns != WAIT_FOR_EVER)
        timer_start(waiting.loop, &waiter->timer, due_ns, timer_due);
    while (!waiter->woken && !waiter->late && !arrived(waiter))
        park(waiter);
    timer_stop(waiting.loop, &waiter->timer);
    late = waiter->late && !waiter->woken;
    if (wait_handle_signals())
        return -XEN_EINTR;
    return late ? -XEN_ETIMEDOUT : 0;
}

void wait_turn(void)
{
    struct waiter *waiter = current();

    if (!waiter)
        return;
    fiber_wake(waiter->fiber);
    park(waiter);
}

void wait_done(const bool *done)
{
    struct waiter *waiter = current();

    assert(waiter);
    while (!*done)
        park(waiter);
    (void)wait_handle_signals();
}
