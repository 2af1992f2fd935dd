/* SPDX-License-Identifier: MIT */
/*
 * Error numbers. In this tree they are Linux's (XEN_E*, xen/error.h); a program
 * sees the C library's (errno.h). They are the same up to ERANGE only.
 *
 * Calls return 0 or more, or a negative XEN_E*. What carries a POSIX name turns
 * that into -1 and errno at the very end. Only this file, newlib's system layer
 * and posix/posix_*.c name numbers of errno.h: tools/lint looks for others.
 */
#ifndef LIBC_ERRORS_H
#define LIBC_ERRORS_H

#include "xen/error.h"

/* Negative numbers of errno.h for negative XEN_E*; 0 and more stay as they
 * are. What has no name there is -EIO. */
int error_of_xen(int result);

/* -1 and the C library's errno for a negative XEN_E*. */
long error_result(long result);

/* A call that is not provided: -XEN_ENOSYS, and a log line the first time
 * (*said is the caller's). */
int error_missing(const char *call, _Bool *said);

#endif
