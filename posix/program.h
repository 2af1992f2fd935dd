/* SPDX-License-Identifier: MIT */
/*
 * A plain C program as an image: apps/NAME.c with
 *
 *     int main(int argc, char **argv)
 *
 * and no app_main. program.c is then linked, and gives it arguments (`args=` on
 * the command line), an environment (`env.NAME=`), descriptors 0 to 2 and,
 * if it uses them, files and sockets. main runs on a fiber, so that its calls
 * may wait while the loop turns; what it returns is the guest's exit status.
 *
 * The optional parts of posix/ that have to be started and stopped are named
 * here: program.c refers to them by weak symbols, which are defined when the
 * program links them.
 */
#ifndef POSIX_PROGRAM_H
#define POSIX_PROGRAM_H

#include <stdbool.h>

struct app;
struct console;

/* The stack of main, KiB: more than any program here has used; `stack=` on the
 * command line, or a definition of this in the program, overrides it. */
extern const unsigned program_stack_kib;
#define PROGRAM_STACK_KIB     256
#define PROGRAM_STACK_KIB_MAX (64 * 1024)

/* The app that app_main got. */
struct app *program_app(void);

/* The size of main's stack, in bytes. */
unsigned long program_stack_bytes(void);

/* posix_malloc.c: a malloc that notices overflows. */
extern const bool posix_malloc_guards;

/* posix_signal.c is linked. */
extern const bool posix_signal_names;

/* posix_fd.c: descriptors 0 to 2. */
void posix_fd_init(struct console *console);

/* files.c. Before the fiber runs: read options, begin to mount. Negative: an
 * unusable configuration, logged. */
__attribute__((weak)) int files_start(struct app *app);
/* In the fiber: wait until all is mounted. Negative: a mount failed, logged. */
__attribute__((weak)) int files_ready(void);
/* In the fiber, when all files are closed. */
__attribute__((weak)) void files_stop(void);

/* sockets.c, likewise. */
__attribute__((weak)) int sockets_start(struct app *app);
/* In the fiber, when all sockets are closed: wait until what was sent has
 * arrived. */
__attribute__((weak)) void sockets_stop(void);

/* The program's own, if it needs more of the guest than POSIX has: before the
 * fiber runs. Negative: an unusable configuration, logged. */
__attribute__((weak)) int program_start(struct app *app);

#endif
