/* SPDX-License-Identifier: MIT */
/*
 * The POSIX names of pipes.
 */
#define _GNU_SOURCE /* pipe2 */
#include <unistd.h>

#include "libc/errors.h"
#include "posix/pipe.h"

int pipe(int ends[2])
{
    return (int)error_result(pipe_open(ends, 0));
}

int pipe2(int ends[2], int flags)
{
    return (int)error_result(pipe_open(ends, flags));
}
