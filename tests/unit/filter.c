/* SPDX-License-Identifier: MIT */
/* Part of every unit test: `make unit ONLY=ring TEST=name` runs those of its
 * functions whose name has that in it. cmocka 1 does not ask the environment by
 * itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

__attribute__((constructor)) static void filter(void)
{
    const char *pattern = getenv("CMOCKA_TEST_FILTER");

    if (pattern && *pattern)
        cmocka_set_test_filter(pattern);
}
