/* SPDX-License-Identifier: MIT */
/*
 * A failed assert() calls this (newlib's assert.h): it logs one line that says
 * where, then traps; the report (xen/pv/traps.c) shows registers and stack and
 * ends the domain. Newlib's own version would link stdio and abort().
 */
#include <assert.h>

#include "kernel/log.h"

_Noreturn void __assert_func(const char *file, int line, const char *function,
                             const char *condition)
{
    (void)function; /* file and line say it already */
    log_error("assert", "%s:%d: %s", file, line, condition);
    __builtin_trap();
}
