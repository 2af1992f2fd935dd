/* SPDX-License-Identifier: MIT */
/*
 * Tests of libc/ by a program that uses it. `args=` names what to do, each
 * result is a line of TAP, and the exit status says whether all passed.
 */
#ifndef POSIXTEST_H
#define POSIXTEST_H

#include <stdbool.h>

/* One check. A failed one shows errno. */
void check(bool ok, const char *what);

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the test's name */
};

/* 0, or the program's exit status. */
int run_basics(int argc, char **argv);
int run_arguments(int argc, char **argv);
int run_lines(int argc, char **argv);
int run_exit(int argc, char **argv);
int run_abort(int argc, char **argv);
int run_signals(int argc, char **argv);
int run_read_tree(int argc, char **argv);
int run_world(int argc, char **argv);
int run_system(int argc, char **argv);
int run_err(int argc, char **argv);
int run_overflow(int argc, char **argv);
int run_write_tree(int argc, char **argv);
int run_fill(int argc, char **argv);
int run_journal(int argc, char **argv);
int run_recover(int argc, char **argv);
int run_echo(int argc, char **argv);
int run_get(int argc, char **argv);
int run_socket_errors(int argc, char **argv);
int run_interfaces(int argc, char **argv);

#endif
