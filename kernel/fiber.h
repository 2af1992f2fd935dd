/* SPDX-License-Identifier: MIT */
/*
 * Fibers: functions on stacks of their own, in the one thread.
 *
 * For code that is written to wait, a file system's for example, on a loop that
 * never does. A fiber runs until it parks or ends; meanwhile nothing else runs.
 * What it waits for wakes it from a callback:
 *
 *     static void read_done(struct request *request)     (on the loop)
 *     {
 *         request->done = true;
 *         fiber_wake(request->fiber);
 *     }
 *
 *     request->fiber = fiber_current();                  (in the fiber)
 *     start(request, read_done);
 *     while (!request->done)
 *         fiber_park();
 *
 * A fiber cannot be ended from outside: it must be told to return. Below each
 * stack lies a page that nobody may touch: who overflows it ends the guest, as
 * on the first stack. Each fiber has an errno of its own, and so has the loop;
 * what else the C library keeps (strtok, rand) is one for all.
 */
#ifndef KERNEL_FIBER_H
#define KERNEL_FIBER_H

#include "kernel/loop.h"
#include "kernel/page.h"

/* A stack that is not running: see fiber_switch.c. */
struct fiber_context {
    void *sp;
    char *stack; /* its lowest byte; NULL: the guest's first stack */
    size_t stack_bytes;
};

struct fiber {
    /* The owner's, set before fiber_start; may be NULL. Called on the loop
     * when fn has returned and the stack is given back; the fiber's memory may
     * go away in it, and the fiber may be started again. */
    void (*finished)(struct fiber *fiber);
    /* the fiber's: */
    void (*fn)(struct fiber *fiber);
    struct loop *loop;
    struct pages *pages;
    struct task task;
    struct fiber_context context;
    bool started, ended;
    int other_errno; /* the fiber's, or the loop's while the fiber runs */
};

/* Run fn on the next turn, on a stack of that many pages (and one more as its
 * guard). The fiber must be zeroed before its first use. -XEN_ENOMEM. */
must_check int fiber_start(struct fiber *fiber, struct loop *loop,
                           struct pages *pages, unsigned stack_pages,
                           void (*fn)(struct fiber *fiber));

/* Only in a fiber: give control back to the loop until woken. May return
 * without a reason: wait for a condition in a loop, as above. */
void fiber_park(void);

/* Let the fiber go on, on the next turn. From anywhere; also before it parks,
 * which then returns on the next turn. Not after its end. */
void fiber_wake(struct fiber *fiber);

/* The fiber that runs, or NULL: this is the guest's first stack. */
struct fiber *fiber_current(void);

/* The most bytes of its stack that a started fiber has used so far. */
size_t fiber_stack_used(const struct fiber *fiber);

/* ---- Between fiber.c and fiber_switch.c; tests/fake/fiber.c stands between
 * them on the host and tells ASan. */

/* The context of a call to entry, which must not return, on that stack. */
void fiber_context_init(struct fiber_context *context, void (*entry)(void));
/* Leave this stack, which becomes `from`, for `to`. Returns when another call
 * switches back. */
void fiber_switch(struct fiber_context *from, struct fiber_context *to);

#endif
