/* SPDX-License-Identifier: MIT */
/*
 * What a failed assert() calls (newlib's assert.h). Newlib's own version would
 * link stdio and abort(); this one says where, and ends the domain.
 */
#include <assert.h>

#include "kernel/log.h"

_Noreturn void __assert_func(const char *file, int line, const char *function,
                             const char *condition)
{
    (void)function; /* file and line say it already */
    panic("%s:%d: %s", file, line, condition);
}
