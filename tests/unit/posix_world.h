/* SPDX-License-Identifier: MIT */
/*
 * A program's fiber, for the tests of posix/: what runs in it may wait.
 */
#ifndef TESTS_UNIT_POSIX_WORLD_H
#define TESTS_UNIT_POSIX_WORLD_H

#include "tests/unit/test.h"

#include "posix/wait.h"

/* Signals that have arrived, a bit each; cleared by program_init. */
extern unsigned program_signals;

/* The loop and the pages are the test's. */
void program_init(struct loop *loop, struct pages *pages);

/* Run fn in the fiber until it returns, at most for 1000 s. */
void program_run(void (*fn)(void));
/* The same in two parts; program_ended says that it has returned. */
void program_begin(void (*fn)(void));
extern bool program_ended;

#endif
