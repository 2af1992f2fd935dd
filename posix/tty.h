/* SPDX-License-Identifier: MIT */
/*
 * The console as a program's stdin, stdout and stderr.
 *
 * Input comes a line at a time, as on any terminal: what is typed is echoed;
 * Backspace erases a character and Ctrl-U the line; Ctrl-D ends the line as it
 * is, and on an empty line is the end of the file; Ctrl-C is SIGINT. Typed
 * lines wait in the console's ring until the program reads: before its first
 * read nothing is echoed and Ctrl-C does nothing.
 *
 * Output waits until xenconsoled has read enough. When it reads nothing for
 * TTY_STUCK_NS, output no longer waits for it, until it reads again; the
 * console counts and reports what it drops.
 */
#ifndef POSIX_TTY_H
#define POSIX_TTY_H

#include "console/console.h"

#define TTY_LINE_MAX 1024 /* a longer line is split */
/* A console that is not read for this long is taken to have no reader. */
#define TTY_STUCK_NS NS_PER_S

/* Make it descriptors 0, 1 and 2; none may exist yet. */
void tty_init(struct console *console);

#endif
