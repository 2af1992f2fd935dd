/* SPDX-License-Identifier: MIT */
/*
 * Between kernel/fiber.c and kernel/fiber_switch.c (linker option --wrap): ASan
 * is told which stack is in use. Link it with every test that has fibers.
 */
#include "kernel/fiber.h"

#include <sanitizer/common_interface_defs.h>

void __real_fiber_context_init(struct fiber_context *context,
                               void (*entry)(void));
void __real_fiber_switch(struct fiber_context *from, struct fiber_context *to);
void __wrap_fiber_context_init(struct fiber_context *context,
                               void (*entry)(void));
void __wrap_fiber_switch(struct fiber_context *from, struct fiber_context *to);

/* There is one entry: kernel/fiber.c's. */
static void (*real_entry)(void);
/* The process' own stack, as ASan tells when it is left. */
static const void *first_stack;
static size_t first_bytes;

static void entry(void)
{
    __sanitizer_finish_switch_fiber(NULL, &first_stack, &first_bytes);
    real_entry();
}

void __wrap_fiber_context_init(struct fiber_context *context,
                               void (*real)(void))
{
    real_entry = real;
    __real_fiber_context_init(context, entry);
}

/* A stack that is left for the last time: ASan forgets it. */
static bool is_over(const struct fiber_context *context)
{
    return context->stack &&
           container_of(context, struct fiber, context)->ended;
}

void __wrap_fiber_switch(struct fiber_context *from, struct fiber_context *to)
{
    void *fake_stack = NULL;

    __sanitizer_start_switch_fiber(is_over(from) ? NULL : &fake_stack,
                                   to->stack ? to->stack : first_stack,
                                   to->stack ? to->stack_bytes : first_bytes);
    __real_fiber_switch(from, to);
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
}
