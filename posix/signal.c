/* SPDX-License-Identifier: MIT */
/*
 * Signals. wait.c keeps which have come and which are blocked, and calls
 * signal_arrive for one at a time; here is what that one does. A handler runs
 * with its own signal and those of its mask blocked, so it does not nest.
 *
 * Nobody else can send a signal but the toolstack (SIGTERM) and the console
 * (SIGINT), and SIGPIPE is never sent: writing to a connection that is closed
 * is EPIPE.
 */
#include "posix/signal.h"

#include <stdlib.h>
#include <unistd.h>

#include "kernel/log.h"
#include "posix/wait.h"

/* As a shell reports a program that a signal has ended. */
#define EXIT_SIGNAL 128

#define BIT(sig)    (UINT64_C(1) << (sig))
#define UNSTOPPABLE (BIT(SIGKILL) | BIT(SIGSTOP))
/* Those that do nothing unless somebody wants to know of them. */
#define UNIMPORTANT (BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT))
#define KNOWN_FLAGS \
    (SA_NOCLDSTOP | SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESETHAND)
#define STACK_ALIGN 16 /* the ABI's */

static struct {
    struct signal_action actions[SIGNAL_NUMBERS];
    uint64_t own; /* of those that wait: the program has sent them */
    stack_t stack;
} signals = {.stack = {.ss_flags = SS_DISABLE}};

void signal_init(void)
{
    for (int sig = 0; sig < SIGNAL_NUMBERS; sig++)
        signals.actions[sig] = (struct signal_action){.handler = SIG_DFL};
    signals.own = 0;
    signals.stack = (stack_t){.ss_flags = SS_DISABLE};
}

/* ---- What a signal does */

static bool is_signal(int sig)
{
    return sig > 0 && sig < SIGNAL_NUMBERS;
}

int signal_action(int sig, const struct signal_action *action,
                  struct signal_action *old)
{
    if (!is_signal(sig) ||
        (action && (BIT(sig) & UNSTOPPABLE || action->flags & ~KNOWN_FLAGS)))
        return -XEN_EINVAL;
    if (old)
        *old = signals.actions[sig];
    if (action)
        signals.actions[sig] = *action;
    return 0;
}

/* ---- The stack of SA_ONSTACK */

static bool on_stack(void)
{
    uintptr_t at = (uintptr_t)__builtin_frame_address(0);
    uintptr_t first = (uintptr_t)signals.stack.ss_sp;

    return !(signals.stack.ss_flags & SS_DISABLE) && at >= first &&
           at < first + signals.stack.ss_size;
}

int signal_stack(const stack_t *stack, stack_t *old)
{
    if (old) {
        *old = signals.stack;
        old->ss_flags |= on_stack() ? SS_ONSTACK : 0;
    }
    if (!stack)
        return 0;
    if (on_stack())
        return -XEN_EPERM;
    if (stack->ss_flags & ~SS_DISABLE)
        return -XEN_EINVAL;
    if (!stack->ss_flags && stack->ss_size < MINSIGSTKSZ)
        return -XEN_ENOMEM;
    signals.stack = *stack;
    return 0;
}

static void call(int sig, const struct signal_action *action)
{
    siginfo_t info = {
        .si_signo = sig,
        .si_code = SI_USER,
        .si_pid = getpid(),
    };

    if (action->flags & SA_SIGINFO)
        action->handler_info(sig, &info, NULL);
    else
        action->handler(sig);
}

/* As call(), with the stack pointer elsewhere meanwhile: callee-saved rbx keeps
 * what it was. All that a call may change is named. */
static void call_on_stack(int sig, const struct signal_action *action)
{
    uintptr_t top = (uintptr_t)signals.stack.ss_sp + signals.stack.ss_size;
    void (*fn)(int, const struct signal_action *) = call;

    top -= top % STACK_ALIGN;
    __asm__ volatile("mov %%rsp, %%rbx\n"
                     "mov %[top], %%rsp\n"
                     "call *%[fn]\n"
                     "mov %%rbx, %%rsp\n"
                     : "+D"(sig), "+S"(action), [top] "+r"(top), [fn] "+r"(fn)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11",
                       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
                       "xmm13", "xmm14", "xmm15", "cc", "memory");
}

/* ---- Arrival */

/* A wish of the toolstack's that is granted is no failure. */
static void end(int sig, bool own)
{
    if (!own)
        exit(sig == SIGTERM ? EXIT_SUCCESS : EXIT_SIGNAL + sig);
    log_error("libc", "ended by its own signal %d", sig);
    _exit(EXIT_SIGNAL + sig);
}

static void handle(int sig, const struct signal_action *action)
{
    uint64_t mask = action->mask, before;

    if (!(action->flags & SA_NODEFER))
        mask |= BIT(sig);
    if (action->flags & SA_RESETHAND)
        signals.actions[sig] = (struct signal_action){.handler = SIG_DFL};
    before = wait_block((wait_blocked() | mask) & ~UNSTOPPABLE);
    if (action->flags & SA_ONSTACK && !on_stack() &&
        !(signals.stack.ss_flags & SS_DISABLE))
        call_on_stack(sig, action);
    else
        call(sig, action);
    (void)wait_block(before);
}

void signal_arrive(int sig)
{
    struct signal_action action = signals.actions[sig];
    bool own = signals.own & BIT(sig);

    signals.own &= ~BIT(sig);
    if (action.handler == SIG_IGN)
        return;
    if (action.handler != SIG_DFL)
        handle(sig, &action);
    else if (!(BIT(sig) & UNIMPORTANT))
        end(sig, own);
}

int signal_send(int pid, int sig)
{
    if (pid != getpid() && pid != 0)
        return -XEN_ESRCH;
    if (sig && !is_signal(sig))
        return -XEN_EINVAL;
    if (!sig)
        return 0;
    signals.own |= BIT(sig);
    wait_signal(sig);
    (void)wait_handle_signals();
    return 0;
}

/* ---- Blocking */

static int mask_of(int how, uint64_t set, uint64_t *mask)
{
    switch (how) {
    case SIG_BLOCK:
        *mask = wait_blocked() | set;
        return 0;
    case SIG_UNBLOCK:
        *mask = wait_blocked() & ~set;
        return 0;
    case SIG_SETMASK:
        *mask = set;
        return 0;
    default:
        return -XEN_EINVAL;
    }
}

int signal_mask(int how, const uint64_t *set, uint64_t *old)
{
    uint64_t before = wait_blocked(), mask;
    int err = set ? mask_of(how, *set, &mask) : 0;

    if (err)
        return err;
    if (set)
        (void)wait_block(mask & ~UNSTOPPABLE);
    if (old)
        *old = before;
    (void)wait_handle_signals();
    return 0;
}

int signal_suspend(uint64_t mask)
{
    uint64_t before = wait_block(mask & ~UNSTOPPABLE);
    int err;

    do
        err = wait_until(WAIT_FOR_EVER);
    while (!err);
    (void)wait_block(before);
    return err;
}
