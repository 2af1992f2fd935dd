/* SPDX-License-Identifier: MIT */
/*
 * What musl's sources expect of their own headers, on newlib's. The compiler
 * includes it before each of them.
 *
 * musl's internal headers are used where they serve. Of those that would bring
 * the rest of musl along, the guard is defined here, and what is needed of
 * them.
 */
#ifndef LIBC_MUSL_PORT_H
#define LIBC_MUSL_PORT_H

/* src/include/features.h. Nobody needs second names for functions. */
#define hidden               __attribute__((__visibility__("hidden")))
#define weak                 __attribute__((__weak__))
#define weak_alias(old, new) struct musl_alias

/* include/endian.h */
#define __LITTLE_ENDIAN 1234
#define __BIG_ENDIAN    4321
#define __BYTE_ORDER    __LITTLE_ENDIAN

/* src/internal/atomic.h */
#define _ATOMIC_H
#define a_clz_64(x) __builtin_clzll(x)

/* src/internal/libm.h declares this as a variable; newlib has a function. What
 * is compiled of musl uses neither. */
#include <math.h>
#define __signgam musl_signgam

/* src/internal/lock.h: there is one thread. */
#define LOCK_H
#define LOCK(lock)   ((void)(lock))
#define UNLOCK(lock) ((void)(lock))

/* src/internal/locale_impl.h: messages are as they stand. */
#define _LOCALE_IMPL_H
#define LCTRANS_CUR(text)  (text)
#define CHARCLASS_NAME_MAX 14

#endif
