/* SPDX-License-Identifier: MIT */
/* newlib's, and what libc/ has of which newlib's generic target knows nothing.
 */
#include_next <sys/stat.h>

#ifndef _LIBC_SYS_STAT_H
#define _LIBC_SYS_STAT_H

int lstat(const char *path, struct stat *stat);

#endif
