/* SPDX-License-Identifier: MIT */
/*
 * Switching stacks: the callee-saved registers (System V ABI for x86-64, 3.2.1)
 * are pushed on the old stack and popped from the new one, and the return
 * address above them is returned to. The compiler expects every other register
 * to be lost in any call.
 *
 * A context that is not running holds, from the stack pointer upwards:
 *   MXCSR and the x87 control word, 4 bytes each; r15 r14 r13 r12 rbx rbp;
 *   the return address.
 */
#include "kernel/fiber.h"

/* As at the start of a process (ABI, 3.4.1): exceptions masked, rounding to
 * nearest, x87 precision extended. */
#define MXCSR_START 0x1f80
#define X87_START   0x037f

struct frame {
    uint32_t mxcsr, x87;
    uint64_t saved[6];
    void (*entry)(void);
    uint64_t end; /* in place of the entry's return address: no caller */
};

__asm__(".pushsection .text.fiber_switch, \"ax\"\n"
        ".globl fiber_switch\n"
        ".type fiber_switch, @function\n"
        "fiber_switch:\n"
        "    push %rbp\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    sub $8, %rsp\n"
        "    stmxcsr (%rsp)\n"
        "    fnstcw 4(%rsp)\n"
        "    mov %rsp, (%rdi)\n"
        "    mov (%rsi), %rsp\n"
        "    ldmxcsr (%rsp)\n"
        "    fldcw 4(%rsp)\n"
        "    add $8, %rsp\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    pop %rbp\n"
        "    ret\n"
        ".size fiber_switch, . - fiber_switch\n"
        ".popsection\n");

_Static_assert(offsetof(struct fiber_context, sp) == 0, "fiber_switch");

/* The stack's end is aligned to a page, so at its entry the function's stack is
 * aligned as after any call: 8 bytes below a multiple of 16. */
void fiber_context_init(struct fiber_context *context, void (*entry)(void))
{
    struct frame *frame =
        (struct frame *)(context->stack + context->stack_bytes) - 1;

    *frame = (struct frame){
        .mxcsr = MXCSR_START,
        .x87 = X87_START,
        .entry = entry,
    };
    context->sp = frame;
}
