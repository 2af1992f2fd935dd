/* SPDX-License-Identifier: MIT */
/*
 * Signals, between the files of this folder.
 */
#ifndef POSIX_SIGNAL_H
#define POSIX_SIGNAL_H

/* One has come, and the program waits (wait.h): its handler, or its end. */
void signal_arrive(int sig);

#endif
