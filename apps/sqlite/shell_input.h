/* SPDX-License-Identifier: MIT */
/*
 * A client's input, split into commands: statements of SQL, which end in `;`
 * wherever that is, and lines that begin with a dot. One at a time: while there
 * is a command, nothing of the next one is taken.
 */
#ifndef APPS_SQLITE_SHELL_INPUT_H
#define APPS_SQLITE_SHELL_INPUT_H

#include <stddef.h>

#include "apps/sqlite/shell_scan.h"

enum shell_command {
    SHELL_NONE, /* the command is incomplete */
    SHELL_SQL,
    SHELL_DOT,
    SHELL_WRONG /* not to be run: `wrong` says why */
};

struct shell_input {
    size_t bytes_max; /* of a command; set by the owner, the rest is zero */
    char *text;       /* the command so far, and a NUL */
    size_t bytes, room;
    enum shell_command command;
    const char *wrong; /* input is discarded up to the command's end */
    struct shell_scan scan;
    bool is_dot, is_mid_line;
};

/* Returns how many of the bytes were taken: up to a command's end. */
size_t shell_input_take(struct shell_input *input, const char *bytes,
                        size_t len);

/* No more input comes. A partial command is an error, or blank. */
void shell_input_finish(struct shell_input *input);

/* Is there an incomplete command? */
bool shell_input_is_open(const struct shell_input *input);

/* The command was run; the next one may come. Also frees it at the end. */
void shell_input_next(struct shell_input *input);

#endif
