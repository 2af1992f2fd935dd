/* SPDX-License-Identifier: MIT */
/* newlib's, and what libc/ has of which it knows nothing. */
#include_next <stdlib.h>

#ifndef _LIBC_STDLIB_H
#define _LIBC_STDLIB_H

#if __MISC_VISIBLE
int clearenv(void);
#endif

#endif
