/* SPDX-License-Identifier: MIT */
/*
 * A shell on the guest's console: a prompt, lines that can be corrected
 * (Backspace, Ctrl-U), Ctrl-C to end what runs.
 */
#ifndef APPS_SQLITE_SHELL_CONSOLE_H
#define APPS_SQLITE_SHELL_CONSOLE_H

#include "apps/sqlite/shell_server.h"
#include "console/console.h"

#define SHELL_CONSOLE_LINE_MAX 1024 /* a longer line arrives in parts */

struct shell_console {
    struct console *console;
    struct shell_server *server;
    struct shell_client *client; /* NULL: not started, or stopped */
    char line[SHELL_CONSOLE_LINE_MAX];
    unsigned len, given; /* bytes typed; bytes that the shell has */
    bool is_complete;    /* it is the shell's turn */
    bool is_prompted;
};

/* There is only one. -XEN_ENOMEM, -XEN_EBUSY */
must_check int shell_console_start(struct shell_console *console);
void shell_console_stop(struct shell_console *console);

#endif
