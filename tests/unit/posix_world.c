/* SPDX-License-Identifier: MIT */
#include "tests/unit/posix_world.h"

#define STACK_PAGES 64 /* ASan's frames are large */
#define LIMIT_NS    (1000 * NS_PER_S)

unsigned program_signals;
bool program_ended;

static struct {
    struct loop *loop;
    struct pages *pages;
    struct fiber fiber;
    void (*fn)(void);
} program;

static void on_signal(int sig)
{
    program_signals |= 1u << sig;
}

void program_init(struct loop *loop, struct pages *pages)
{
    program_signals = 0;
    program.loop = loop;
    program.pages = pages;
    program.fiber = (struct fiber){.fn = NULL};
    wait_init(loop, &program.fiber, on_signal);
}

static void run(struct fiber *fiber)
{
    (void)fiber;
    program.fn();
    program_ended = true;
}

void program_begin(void (*fn)(void))
{
    program.fn = fn;
    program_ended = false;
    assert_int_equal(fiber_start(&program.fiber, program.loop, program.pages,
                                 STACK_PAGES, run),
                     0);
}

void program_run(void (*fn)(void))
{
    program_begin(fn);
    fake_run_until(program.loop, program_ended, LIMIT_NS);
}
