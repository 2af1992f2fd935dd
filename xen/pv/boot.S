/* SPDX-License-Identifier: MIT */
/*
 * Entry: ELF notes for the domain builder, a stack, the call to C.
 *
 * Xen enters a PV guest in 64-bit ring 3 with paging on, event delivery masked
 * and %rsi pointing at start_info (arch-x86/xen.h, "Guest entry"). There are no
 * interrupts and never will be, so nothing else has to be set up here.
 *
 * Addresses: page number 0 of the domain is mapped at VIRT_BASE, which
 * tools/link chooses so that the builder's 4 MiB rounding costs nothing
 * (ARCHITECTURE.md, "Where the image lies").
 */
#define __ASSEMBLY__
#include <xen/elfnote.h>
#include "xen/pv/layout.h"

.macro elfnote type, kind, desc:vararg
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long 4, 2f - 1f, \type
    .asciz "Xen"
1:  \kind \desc
2:  .balign 4
    .popsection
.endm

    elfnote XEN_ELFNOTE_GUEST_OS,       .asciz, "Xenolith"
    elfnote XEN_ELFNOTE_GUEST_VERSION,  .asciz, XENOLITH_VERSION
    elfnote XEN_ELFNOTE_XEN_VERSION,    .asciz, "xen-3.0"
    elfnote XEN_ELFNOTE_LOADER,         .asciz, "generic"
    elfnote XEN_ELFNOTE_VIRT_BASE,      .quad, layout_virt_base
    elfnote XEN_ELFNOTE_PADDR_OFFSET,   .quad, layout_virt_base
    elfnote XEN_ELFNOTE_ENTRY,          .quad, boot_entry
    elfnote XEN_ELFNOTE_HYPERCALL_PAGE, .quad, hypercall_page
    elfnote XEN_ELFNOTE_INIT_P2M,       .quad, LAYOUT_P2M
    elfnote XEN_ELFNOTE_PAE_MODE,       .asciz, "yes"
    /* A page table entry names a frame when its present bit is set. */
    elfnote XEN_ELFNOTE_L1_MFN_VALID,   .quad, 1, 1
    elfnote XEN_ELFNOTE_FEATURES, .asciz, "pae_pgdir_above_4gb"

    .section .text.boot, "ax"
    .globl boot_entry
    .type boot_entry, @function
boot_entry:
    cld
    lea layout_stack_top(%rip), %rsp
    xor %ebp, %ebp
    mov %rsi, %rdi
    call hv_entry
    ud2
    .size boot_entry, . - boot_entry

/* Faults. Xen pushes an ordinary frame, below it %r11 and %rcx
 * (create_bounce_frame in Xen), and leaves the rest as it was. Each vector has
 * an 8-byte stub that names it; trap_common then completes struct trap_regs
 * (xen/pv/traps.c) and never returns. */
    .section .text.traps, "ax"
    .globl trap_stubs
    .balign 8
trap_stubs:
    vector = 0
    .rept LAYOUT_TRAPS
    .balign 8
    pushq $vector
    jmp trap_common
    vector = vector + 1
    .endr

trap_common:
    push %rax
    push %rbx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, %rdi
    cld
    and $-16, %rsp
    call trap_report
    ud2

    .section .note.GNU-stack, "", @progbits
