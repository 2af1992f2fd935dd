/* SPDX-License-Identifier: MIT */
/*
 * Pipes: two descriptors of the program's own; what is written to one is read
 * from the other. The POSIX names are in posix_pipe.c.
 */
#ifndef POSIX_PIPE_H
#define POSIX_PIPE_H

/* What a pipe holds: as on Linux. */
#define PIPE_BYTES  (64 * 1024)
/* So much is written whole, or not yet: PIPE_BUF of Linux. */
#define PIPE_ATOMIC 4096

/* ends[0] is read, ends[1] written. `flags`: O_NONBLOCK, O_CLOEXEC. 0, or
 * -XEN_EINVAL, -XEN_ENOMEM, -XEN_EMFILE. */
int pipe_open(int ends[2], int flags);

#endif
