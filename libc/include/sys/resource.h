/* SPDX-License-Identifier: MIT */
/* newlib's, and the limits of a program (POSIX, sys/resource.h), with Linux's
 * numbers. They are what the guest has, and cannot be changed: to set a lower
 * one is granted and ignored, a higher one is EPERM. */
#include_next <sys/resource.h>

#ifndef _LIBC_SYS_RESOURCE_H
#define _LIBC_SYS_RESOURCE_H

#include <sys/types.h>

typedef unsigned long rlim_t;

#define RLIM_INFINITY  (~0ul)
#define RLIM_SAVED_CUR RLIM_INFINITY
#define RLIM_SAVED_MAX RLIM_INFINITY

#define RLIMIT_CPU    0
#define RLIMIT_FSIZE  1
#define RLIMIT_DATA   2
#define RLIMIT_STACK  3
#define RLIMIT_CORE   4 /* 0: crashes are seen from outside */
#define RLIMIT_NOFILE 7
#define RLIMIT_AS     9

struct rlimit {
    rlim_t rlim_cur, rlim_max;
};

int getrlimit(int what, struct rlimit *limit);
int setrlimit(int what, const struct rlimit *limit);

#endif
