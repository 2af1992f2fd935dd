/* SPDX-License-Identifier: MIT */
/*
 * A program's waiting. There is one program and it waits for one thing at a
 * time, so all it takes is a flag and a timer; wait_wake may be called for
 * nothing, and then costs a look at the condition.
 */
#include "posix/wait.h"

#include <assert.h>
#include <errno.h>

#include "kernel/log.h"

static struct {
    struct loop *loop;
    struct fiber *fiber;
    void (*signal)(int sig);
    struct timer timer;
    bool parked, woken, late;
    /* A bit for each signal: has it come; is it to wait. */
    unsigned signals, blocked;
    bool no_signals;
} waiting;

void wait_init(struct loop *loop, struct fiber *fiber, void (*signal)(int sig))
{
    waiting.loop = loop;
    waiting.fiber = fiber;
    waiting.signal = signal;
    waiting.signals = waiting.blocked = 0;
    waiting.no_signals = false;
}

bool wait_may(void)
{
    return waiting.fiber && fiber_current() == waiting.fiber;
}

int wait_needed(const char *what)
{
    static bool said;

    if (wait_may())
        return 0;
    if (!said)
        log_warn("libc", "%s are for programs with a main: ENOSYS", what);
    said = true;
    return -ENOSYS;
}

static void wake(void)
{
    if (waiting.parked)
        fiber_wake(waiting.fiber);
}

void wait_wake(void)
{
    waiting.woken = true;
    wake();
}

static void timer_due(struct timer *timer)
{
    (void)timer;
    waiting.late = true;
    wake();
}

void wait_signal(int sig)
{
    if (waiting.no_signals)
        return;
    waiting.signals |= 1u << sig;
    wake();
}

void wait_no_signals(void)
{
    waiting.no_signals = true;
    waiting.signals = 0;
}

unsigned wait_block(unsigned signals)
{
    unsigned blocked = waiting.blocked;

    waiting.blocked = signals;
    return blocked;
}

static unsigned arrived(void)
{
    return waiting.signals & ~waiting.blocked;
}

static void park(void)
{
    waiting.parked = true;
    fiber_park();
    waiting.parked = false;
}

static bool handle_signals(void)
{
    unsigned signals = arrived();

    waiting.signals &= ~signals;
    for (int sig = 1; signals >> sig; sig++)
        if (signals & 1u << sig)
            waiting.signal(sig);
    return signals != 0;
}

int wait_until(uint64_t due_ns)
{
    bool late;

    if (!wait_may())
        return -EAGAIN;
    waiting.woken = waiting.late = false;
    if (due_ns != WAIT_FOR_EVER)
        timer_start(waiting.loop, &waiting.timer, due_ns, timer_due);
    while (!waiting.woken && !waiting.late && !arrived())
        park();
    timer_stop(waiting.loop, &waiting.timer);
    late = waiting.late && !waiting.woken;
    if (handle_signals())
        return -EINTR;
    return late ? -ETIMEDOUT : 0;
}

void wait_turn(void)
{
    if (!wait_may())
        return;
    fiber_wake(waiting.fiber);
    park();
}

void wait_done(const bool *done)
{
    assert(wait_may());
    while (!*done)
        park();
    (void)handle_signals();
}
