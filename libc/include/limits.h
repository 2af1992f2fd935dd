/* SPDX-License-Identifier: MIT */
/* The compiler's and newlib's, and what they lack. */
#include_next <limits.h>

#ifndef _LIBC_LIMITS_H
#define _LIBC_LIMITS_H

#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX
#endif

/* What printf and scanf take. */
#undef NL_ARGMAX
#define NL_ARGMAX 9

#endif
