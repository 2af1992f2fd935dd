/* SPDX-License-Identifier: MIT */
/*
 * Signals, between the files of this folder.
 */
#ifndef LIBC_SIGNAL_H
#define LIBC_SIGNAL_H

/* One has come, and the program waits (wait.h): its handler, or its end. */
void signal_arrive(int sig);

#endif
