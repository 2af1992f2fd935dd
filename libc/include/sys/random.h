/* SPDX-License-Identifier: MIT */
/* Unpredictable bytes (Linux' getrandom, POSIX' getentropy). */
#ifndef _SYS_RANDOM_H
#define _SYS_RANDOM_H

#include <sys/types.h>

#define GRND_NONBLOCK 1
#define GRND_RANDOM   2

/* All of them, at once; -1, EAGAIN: this machine has nothing that nobody could
 * guess (GRND_NONBLOCK or not: it will not have it later either). */
ssize_t getrandom(void *to, size_t bytes, unsigned flags);
/* At most 256. */
int getentropy(void *to, size_t bytes);

#endif
