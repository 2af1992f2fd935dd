/* SPDX-License-Identifier: MIT */
/*
 * Processes: there is only this one, number 1, without a parent. Calls that
 * would make another fail with ENOSYS and a line in the log, so that a program
 * which can do without (in the foreground, without CGI) links and runs.
 */
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libc/errors.h"

#define SELF 1 /* as getpid() of newlib says */

pid_t fork(void)
{
    static bool said;

    return (pid_t)error_result(error_missing("fork", &said));
}

pid_t vfork(void)
{
    static bool said;

    return (pid_t)error_result(error_missing("vfork", &said));
}

int execve(const char *path, char *const argv[], char *const env[])
{
    static bool said;

    (void)path, (void)argv, (void)env;
    return (int)error_result(error_missing("execve", &said));
}

int execv(const char *path, char *const argv[])
{
    return execve(path, argv, NULL);
}

int execvp(const char *path, char *const argv[])
{
    return execve(path, argv, NULL);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    (void)pid, (void)status, (void)options;
    return (pid_t)error_result(-XEN_ECHILD);
}

pid_t wait(int *status)
{
    return waitpid(-1, status, 0);
}

/* To detach from a parent: there is none. */
int daemon(int stay, int keep)
{
    static bool said;

    (void)stay, (void)keep;
    return (int)error_result(error_missing("daemon", &said));
}

pid_t getppid(void)
{
    return 0;
}

pid_t setsid(void)
{
    return SELF;
}

int setpgid(pid_t pid, pid_t group)
{
    (void)pid, (void)group;
    return 0;
}

pid_t getpgrp(void)
{
    return SELF;
}

int chroot(const char *path)
{
    static bool said;

    (void)path;
    return (int)error_result(error_missing("chroot", &said));
}
