/* SPDX-License-Identifier: MIT */
/* Memory by the page (POSIX, sys/mman.h): private and anonymous, to be read and
 * written. There is nothing else: files cannot be mapped, and pages of a
 * program are never protected from it. */
#ifndef _SYS_MMAN_H
#define _SYS_MMAN_H

#include <sys/types.h>

#define PROT_NONE  0
#define PROT_READ  1
#define PROT_WRITE 2
#define PROT_EXEC  4

#define MAP_SHARED    1
#define MAP_PRIVATE   2
#define MAP_FIXED     16
#define MAP_ANONYMOUS 32
#define MAP_ANON      MAP_ANONYMOUS

#define MAP_FAILED ((void *)-1)

/* ENOTSUP: any other kind than the above. */
void *mmap(void *where, size_t bytes, int protection, int flags, int fd,
           off_t offset);
/* All of a mapping or whole pages of it. */
int munmap(void *at, size_t bytes);

#define MS_ASYNC      1
#define MS_INVALIDATE 2
#define MS_SYNC       4

/* There is no file behind a mapping: nothing is to be done. EINVAL: `at` is no
 * page, or flags that exclude each other. */
int msync(void *at, size_t bytes, int flags);

#endif
