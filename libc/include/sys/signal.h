/* SPDX-License-Identifier: MIT */
/* newlib's, but for what its generic target lacks: signals up to 63, handlers
 * that are told more, flags of sigaction() (POSIX, signal.h). */
#ifndef XENOLITH_SYS_SIGNAL_H
#define XENOLITH_SYS_SIGNAL_H

#define sigaction    newlib_sigaction
#define siginfo_t    newlib_siginfo_t
#define sigwaitinfo  newlib_sigwaitinfo
#define sigtimedwait newlib_sigtimedwait
#include_next <sys/signal.h>
#undef sigaction
#undef siginfo_t
#undef sigwaitinfo
#undef sigtimedwait

#undef NSIG
#define NSIG     64
#define SIGRTMIN 32
#define SIGRTMAX 63

#undef SI_USER
#define SI_USER 1

#undef SA_NOCLDSTOP
#define SA_NOCLDSTOP 0x01
#define SA_SIGINFO   0x02
#define SA_ONSTACK   0x04
#define SA_NODEFER   0x08
#define SA_RESETHAND 0x10

typedef struct {
    int si_signo, si_code, si_errno, si_status;
    pid_t si_pid;
    uid_t si_uid;
    void *si_addr;
} siginfo_t;

struct sigaction {
    __extension__ union {
        void (*sa_handler)(int sig);
        void (*sa_sigaction)(int sig, siginfo_t *info, void *context);
    };
    sigset_t sa_mask;
    int sa_flags;
};

/* newlib's are macros for 32 signals. */
#undef sigaddset
#undef sigdelset
#undef sigemptyset
#undef sigfillset
#undef sigismember

#if __POSIX_VISIBLE
int sigaction(int sig, const struct sigaction *action, struct sigaction *old);
#endif

#endif
