/* SPDX-License-Identifier: MIT */
/*
 * Fibers: functions that run on stacks of their own, in the one thread.
 *
 * For code that blocks (a file system's, for example), on a loop that never
 * does. A fiber runs until it parks or ends; meanwhile nothing else runs. A
 * callback wakes it when what it waits for is done:
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
 * stack lies a guard page: an overflow ends the guest, as on the first stack.
 * Each fiber has an errno of its own, and so has the loop; all other state of
 * the C library (strtok, rand) is shared.
 */
#ifndef KERNEL_FIBER_H
#define KERNEL_FIBER_H

#include "kernel/loop.h"
#include "kernel/page.h"

/* The saved state of a stack that is not running: see fiber_switch.c. */
struct fiber_context {
    void *sp;
    char *stack; /* its lowest byte; NULL: the guest's first stack */
    size_t stack_bytes;
};

struct fiber {
    /* The owner's, set before fiber_start; may be NULL. Called on the loop
     * when fn has returned and the stack is freed. It may free the fiber's
     * memory, or start the fiber again. */
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

/* Run fn on the next turn, on a stack of that many pages (plus a guard page).
 * The fiber must be zeroed before its first use. Error: -XEN_ENOMEM. */
must_check int fiber_start(struct fiber *fiber, struct loop *loop,
                           struct pages *pages, unsigned stack_pages,
                           void (*fn)(struct fiber *fiber));

/* Only in a fiber: return control to the loop until woken. Wake-ups may be
 * spurious: wait for a condition in a loop, as above. */
void fiber_park(void);

/* Let the fiber continue on the next turn. May be called from anywhere, and
 * before fiber_park, which then returns on the next turn; not after its end. */
void fiber_wake(struct fiber *fiber);

/* The running fiber, or NULL on the guest's first stack. */
struct fiber *fiber_current(void);

/* The most bytes of its stack that a started fiber has used so far. */
size_t fiber_stack_used(const struct fiber *fiber);

/* ---- Between fiber.c and fiber_switch.c. On the host, tests/fake/fiber.c
 * comes between them and tells ASan of each switch. */

/* Prepare a context that calls entry, which must not return, on that stack. */
void fiber_context_init(struct fiber_context *context, void (*entry)(void));
/* Save this stack as `from` and switch to `to`. Returns when another call
 * switches back. */
void fiber_switch(struct fiber_context *from, struct fiber_context *to);

#endif
