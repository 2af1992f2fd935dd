/* SPDX-License-Identifier: MIT */
/* newlib's, which knows no signal mask to save, and the names for not saving
 * one. */
#include_next <setjmp.h>

#ifndef _setjmp
#define _setjmp(env)         setjmp(env)
#define _longjmp(env, value) longjmp(env, value)
#endif
