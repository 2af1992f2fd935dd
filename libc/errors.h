/* SPDX-License-Identifier: MIT */
/*
 * Error numbers. Below libc/ they are Xen's, which are Linux's (XEN_E*); a
 * program sees the C library's (errno.h). They are the same up to ERANGE only.
 *
 * Inside libc/ calls return 0 or more, or a negative number of errno.h; what
 * carries a POSIX name turns that into -1 and errno at the very end: errno is
 * one for all fibers (kernel/fiber.h).
 */
#ifndef LIBC_ERRORS_H
#define LIBC_ERRORS_H

/* Negative numbers of errno.h for negative XEN_E*; 0 and more stay as they
 * are. What has no name there is -EIO. */
int error_of_xen(int result);

/* -1 and errno for what is negative. */
long error_result(long result);

/* A call that is not provided: -ENOSYS, and a log line the first time (*said
 * is the caller's). */
int error_missing(const char *call, _Bool *said);

#endif
