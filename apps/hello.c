/* SPDX-License-Identifier: MIT */
/*
 * The smallest app: it says hello, then repeats what is typed on its console
 * (`xl console hello`) until the line "exit", or until `xl shutdown`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel/app.h"
#include "console/console.h"

#define LINE_MAX 256 /* what fits on three rows of a terminal */

static struct {
    struct app *app;
    char line[LINE_MAX];
    size_t used;
} hello;

static void take_line(void)
{
    hello.line[hello.used] = '\0';
    hello.used = 0;
    if (!strcmp(hello.line, "exit"))
        app_stop(hello.app);
    else
        printf("%s\n", hello.line);
}

/* Terminals end a line with CR, pasted text with LF or both. A long line comes
 * back in parts. */
static void take_char(char c)
{
    bool is_end = c == '\r' || c == '\n';

    if (!is_end)
        hello.line[hello.used++] = c;
    if (hello.used && (is_end || hello.used == LINE_MAX - 1))
        take_line();
}

static void on_input(struct console *console)
{
    char bytes[64];
    size_t n;

    while ((n = console_read(console, bytes, sizeof(bytes))))
        for (size_t i = 0; i < n; i++)
            take_char(bytes[i]);
}

int app_main(struct app *app)
{
    hello.app = app;
    printf("Hello from Xenolith, after %" PRIu64 " us of CPU time.\n",
           app_cpu_ns(app) / NS_PER_US);
    console_listen(app->console, on_input);
    return app_run(app);
}
