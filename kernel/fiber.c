/* SPDX-License-Identifier: MIT */
/*
 * Fibers. Either the loop's stack or a fiber's is in use: a fiber is entered
 * only from its task, and switches only to the loop, never to another fiber. So
 * at most one fiber is entered at a time: `entered`. It switches back to
 * `loop_context`. Both are state of the one CPU, so they may be at file
 * scope.
 *
 * Waking a fiber starts its task. After a wake-up that comes before the fiber
 * parks, the task is already active when it parks, so nothing is lost.
 *
 * A stack is a run of pages, the lowest of which is the guard. Unused stack
 * holds a pattern, which shows the deepest use so far.
 */
#include "kernel/fiber.h"
#include "xen/hv.h"

#include <assert.h>
#include <errno.h>

/* Not an address or a small number, so unlikely to be on a stack by chance. */
#define UNUSED UINT64_C(0x5ad0f1be5ad0f1be)

static struct fiber *entered;
static struct fiber_context loop_context;

struct fiber *fiber_current(void)
{
    return entered;
}

/* ---- Stacks */

static void *guard_of(const struct fiber *fiber)
{
    return fiber->context.stack - XEN_PAGE_SIZE;
}

static unsigned long nr_pages(const struct fiber *fiber)
{
    return 1 + fiber->context.stack_bytes / XEN_PAGE_SIZE;
}

static int stack_take(struct fiber *fiber, unsigned stack_pages)
{
    char *run = page_alloc(fiber->pages, 1ul + stack_pages);
    uint64_t *word;

    if (!run)
        return -XEN_ENOMEM;
    if (hv_guard_page(run)) {
        page_free(fiber->pages, run, 1ul + stack_pages);
        return -XEN_ENOMEM;
    }
    fiber->context.stack = run + XEN_PAGE_SIZE;
    fiber->context.stack_bytes = (size_t)stack_pages * XEN_PAGE_SIZE;
    word = (uint64_t *)fiber->context.stack;
    for (size_t i = 0; i < fiber->context.stack_bytes / sizeof(*word); i++)
        word[i] = UNUSED;
    return 0;
}

static void stack_give(struct fiber *fiber)
{
    hv_unguard_page(guard_of(fiber));
    page_free(fiber->pages, guard_of(fiber), nr_pages(fiber));
    fiber->context = (struct fiber_context){.sp = NULL};
}

/* Reads the frames of other functions, which ASan would report. */
__attribute__((no_sanitize_address)) size_t
fiber_stack_used(const struct fiber *fiber)
{
    const uint64_t *word = (const uint64_t *)fiber->context.stack;
    size_t bytes = 0;

    while (bytes < fiber->context.stack_bytes && *word++ == UNUSED)
        bytes += sizeof(*word);
    return fiber->context.stack_bytes - bytes;
}

/* ---- Running */

static void enter(void)
{
    struct fiber *fiber = entered;

    fiber->fn(fiber);
    fiber->ended = true;
    fiber_park();
    assert(!"an ended fiber was entered");
}

/* While a fiber does not run, its errno is kept here; while it runs, the
 * loop's. */
static void swap_errno(struct fiber *fiber)
{
    int other = fiber->other_errno;

    fiber->other_errno = errno;
    errno = other;
}

static void run(struct task *task)
{
    struct fiber *fiber = container_of(task, struct fiber, task);

    assert(!entered);
    entered = fiber;
    swap_errno(fiber);
    fiber_switch(&loop_context, &fiber->context);
    swap_errno(fiber);
    entered = NULL;
    if (!fiber->ended)
        return;
    task_stop(fiber->loop, &fiber->task);
    stack_give(fiber);
    fiber->started = false;
    if (fiber->finished)
        fiber->finished(fiber);
}

int fiber_start(struct fiber *fiber, struct loop *loop, struct pages *pages,
                unsigned stack_pages, void (*fn)(struct fiber *fiber))
{
    int err;

    assert(!fiber->started && stack_pages > 0);
    fiber->fn = fn;
    fiber->loop = loop;
    fiber->pages = pages;
    fiber->ended = false;
    fiber->other_errno = 0;
    err = stack_take(fiber, stack_pages);
    if (err)
        return err;
    fiber_context_init(&fiber->context, enter);
    fiber->started = true;
    task_start(loop, &fiber->task, run);
    return 0;
}

void fiber_park(void)
{
    assert(entered);
    fiber_switch(&entered->context, &loop_context);
}

void fiber_wake(struct fiber *fiber)
{
    assert(fiber->started);
    task_start(fiber->loop, &fiber->task, run);
}
