/* SPDX-License-Identifier: MIT */
/* newlib's, which knows no signal mask to save, and the names for not saving
 * one. */
#include_next <setjmp.h>

#ifndef sigsetjmp
#define sigjmp_buf             jmp_buf
#define sigsetjmp(env, mask)   ((void)(mask), setjmp(env))
#define siglongjmp(env, value) longjmp(env, value)
#endif

#ifndef _setjmp
#define _setjmp(env)         setjmp(env)
#define _longjmp(env, value) longjmp(env, value)
#endif
