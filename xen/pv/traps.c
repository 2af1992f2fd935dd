/* SPDX-License-Identifier: MIT */
/*
 * Every fault of the guest is a bug or an attack: there is nothing to resume.
 * The stubs in boot.S complete the frame that Xen pushed (arch-x86/xen.h,
 * "trap_info"), trap_report prints it, panic crashes the domain so that
 * on_crash= acts.
 *
 *     trap: page fault (vector 14, error 0x2) at 0x40361234, address 0x0
 *     trap: rax 0000000000000000 rbx ...
 *     trap: stack 0000000040365fd8: 0000000040361777 ...
 *
 * tools/symbolize turns the addresses into functions and lines. A stack that
 * ran into its guard page cannot take the frame; then Xen itself crashes the
 * domain and says so in `xl dmesg`.
 */
#include "xen/pv/traps.h"
#include "kernel/log.h"
#include "xen/hv.h"
#include "xen/pv/hypercall.h"
#include "xen/pv/layout.h"

#define STUB_BYTES  8  /* in boot.S */
#define STACK_WORDS 24 /* six rows: about five calls deep */
#define ROW_WORDS   4  /* 16-digit words that fit an 80-column line */

/* Vectors at which the CPU pushes an error code (AMD64 vol. 2, 8.4). */
#define WITH_ERROR_CODE 0x27d00u /* 8, 10 to 14, 17 */

/* On the stack, from low to high: what boot.S pushed, then what Xen pushed. */
struct trap_regs {
    uint64_t r15, r14, r13, r12, r10, r9, r8, rbp, rdi, rsi, rdx, rbx, rax;
    uint64_t vector;
    uint64_t rcx, r11;
    uint64_t tail[]; /* [error code,] rip, cs, rflags, rsp, ss */
};

enum { TAIL_RIP, TAIL_CS, TAIL_RFLAGS, TAIL_RSP, TAIL_SS };

extern char trap_stubs[];

static const char *const names[LAYOUT_TRAPS] = {
    [0] = "divide error",     [1] = "debug",
    [3] = "breakpoint",       [4] = "overflow",
    [5] = "bound range",      [6] = "invalid opcode",
    [7] = "no FPU",           [8] = "double fault",
    [10] = "invalid TSS",     [11] = "segment not present",
    [12] = "stack fault",     [13] = "general protection fault",
    [14] = "page fault",      [16] = "x87 error",
    [17] = "alignment check", [18] = "machine check",
    [19] = "SIMD error",
};

void traps_init(void)
{
    trap_info_t table[LAYOUT_TRAPS + 1] = {0};
    unsigned nr = 0;

    for (unsigned vector = 0; vector < LAYOUT_TRAPS; vector++) {
        if (!names[vector])
            continue;
        table[nr].vector = (uint8_t)vector;
        table[nr].flags = vector == 3 || vector == 4 ? 3 : 0;
        table[nr].cs = FLAT_KERNEL_CS;
        table[nr].address = (unsigned long)trap_stubs + vector * STUB_BYTES;
        nr++;
    }
    if (hypercall_set_trap_table(table)) /* the table ends at address 0 */
        panic("traps: Xen refuses the trap table");
}

static const uint64_t *tail_of(const struct trap_regs *regs)
{
    return regs->tail + (WITH_ERROR_CODE >> regs->vector & 1);
}

static void report_what(const struct trap_regs *regs, const uint64_t *tail)
{
    const char *name = regs->vector < LAYOUT_TRAPS && names[regs->vector]
                           ? names[regs->vector]
                           : "unknown trap";
    uint64_t error = tail == regs->tail ? 0 : regs->tail[0];

    if (regs->vector == 14)
        log_error("trap",
                  "%s (vector 14, error 0x%lx) at %016lx, address %016lx", name,
                  error, tail[TAIL_RIP],
                  hv_info()->shared->vcpu_info[0].arch.cr2);
    else
        log_error("trap", "%s (vector %lu, error 0x%lx) at %016lx", name,
                  regs->vector, error, tail[TAIL_RIP]);
}

static void report_registers(const struct trap_regs *regs, const uint64_t *tail)
{
    log_error("trap", "rax %016lx rbx %016lx rcx %016lx", regs->rax, regs->rbx,
              regs->rcx);
    log_error("trap", "rdx %016lx rsi %016lx rdi %016lx", regs->rdx, regs->rsi,
              regs->rdi);
    log_error("trap", "rbp %016lx r8  %016lx r9  %016lx", regs->rbp, regs->r8,
              regs->r9);
    log_error("trap", "r10 %016lx r11 %016lx r12 %016lx", regs->r10, regs->r11,
              regs->r12);
    log_error("trap", "r13 %016lx r14 %016lx r15 %016lx", regs->r13, regs->r14,
              regs->r15);
    log_error("trap", "rsp %016lx cs:ss %lx:%lx rflags %lx", tail[TAIL_RSP],
              tail[TAIL_CS] & 0xffff, tail[TAIL_SS], tail[TAIL_RFLAGS]);
}

/* Print only what is certainly mapped: the boot stack. */
static void report_stack(uint64_t rsp)
{
    const uint64_t *word = (const uint64_t *)(rsp & ~UINT64_C(7));
    const uint64_t *top = (const uint64_t *)layout_stack_top;

    if (rsp < (uint64_t)layout_stack)
        return;
    for (unsigned i = 0; i < STACK_WORDS && word + ROW_WORDS <= top;
         i += ROW_WORDS, word += ROW_WORDS)
        log_error("trap", "stack %016lx: %016lx %016lx %016lx %016lx",
                  (uint64_t)word, word[0], word[1], word[2], word[3]);
}

_Noreturn void trap_report(const struct trap_regs *regs);

/* From boot.S. A fault in here ends the domain all the same: Xen pushes the
 * next frame below this one, and panic() knows that it was entered twice. */
_Noreturn void trap_report(const struct trap_regs *regs)
{
    const uint64_t *tail = tail_of(regs);

    report_what(regs, tail);
    report_registers(regs, tail);
    report_stack(tail[TAIL_RSP]);
    panic("the guest faulted; tools/symbolize names the addresses above");
}
