/* SPDX-License-Identifier: MIT */
/* newlib's, and what it lacks of POSIX 2008. */
#include_next <search.h>

#ifndef _LIBC_SEARCH_H
#define _LIBC_SEARCH_H

void *lfind(const void *key, const void *base, size_t *count, size_t width,
            int (*compare)(const void *, const void *));
void *lsearch(const void *key, void *base, size_t *count, size_t width,
              int (*compare)(const void *, const void *));

/* The first two members of an element are pointers: the next, the one before.
 */
void insque(void *element, void *after);
void remque(void *element);

#endif
