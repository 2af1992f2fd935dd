/* SPDX-License-Identifier: MIT */
/* newlib's, which comes from 4.4BSD: POSIX' name for one of its errors. */
#include_next <glob.h>

#ifndef GLOB_ABORTED
#define GLOB_ABORTED GLOB_ABEND
#endif
