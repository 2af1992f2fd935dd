/* SPDX-License-Identifier: MIT */
/* newlib's, with room for every descriptor that there can be (posix/fd.h). */
#ifndef FD_SETSIZE
#define FD_SETSIZE 1024
#endif

#include_next <sys/select.h>
