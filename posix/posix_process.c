/* SPDX-License-Identifier: MIT */
/*
 * POSIX calls that concern other threads and processes. There are none: streams
 * need no locks, and commands cannot run.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "libc/errors.h"

int system(const char *command)
{
    static bool said;

    if (!command)
        return 0; /* is there a shell? */
    return (int)error_result(error_missing("system", &said));
}

FILE *popen(const char *command, const char *mode)
{
    static bool said;

    (void)command, (void)mode;
    (void)error_result(error_missing("popen", &said));
    return NULL;
}

/* popen cannot have made the stream. */
int pclose(FILE *stream)
{
    (void)stream;
    return (int)error_result(-XEN_ECHILD);
}

void flockfile(FILE *stream)
{
    (void)stream;
}

int ftrylockfile(FILE *stream)
{
    (void)stream;
    return 0;
}

void funlockfile(FILE *stream)
{
    (void)stream;
}
