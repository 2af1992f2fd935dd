/* SPDX-License-Identifier: MIT */
/*
 * A terminal in raw mode is on the other side, so what is typed is echoed here.
 * A complete line goes to the shell; until the shell has taken and answered it,
 * further input waits in the console's ring. Output is written as the console
 * has room, so no part of an answer is dropped.
 *
 * .quit and Ctrl-C end the shell and roll back its open transaction; a new
 * shell begins at once.
 */
#include "apps/sqlite/shell_console.h"

#include <stdlib.h>
#include <string.h>

#define CTRL(letter) ((letter)&0x1f)
#define DEL          0x7f
#define ERASE        "\b \b"

struct console_client {
    struct shell_client client;
    struct shell_console *owner;
};

static struct shell_console *the_console; /* callbacks have no argument */

static void write_text(struct shell_console *c, const char *text)
{
    console_write(c->console, text, strlen(text));
}

static void on_changed(struct shell_client *client);

/* ---- The shell */

static int begin_shell(struct shell_console *c)
{
    struct console_client *client = calloc(1, sizeof(*client));

    if (!client)
        return -XEN_ENOMEM;
    client->owner = c;
    client->client.changed = on_changed;
    if (shell_server_join(c->server, &client->client)) {
        free(client);
        return -XEN_EBUSY;
    }
    c->client = &client->client;
    return 0;
}

static void end_shell(struct shell_console *c)
{
    if (c->client)
        shell_server_leave(c->client);
    c->client = NULL;
    c->len = c->given = 0;
    c->is_complete = false;
}

/* Begin a new shell; the old one may still be ending. */
static void renew(struct shell_console *c)
{
    end_shell(c);
    if (begin_shell(c))
        write_text(c, "-- error: too many clients: type something to try "
                      "again\n");
}

/* ---- Output */

/* True: all is written. */
static bool drain(struct shell_console *c)
{
    const char *bytes;
    size_t len;

    while (shell_output(&c->client->shell, &bytes, &len)) {
        size_t room = console_room(c->console);

        len = len < room ? len : room;
        if (!len)
            return false;
        console_write(c->console, bytes, len);
        shell_taken(&c->client->shell, len);
    }
    return true;
}

static void prompt(struct shell_console *c)
{
    const struct shell_input *input = &c->client->shell.input;

    if (c->is_prompted || c->is_complete || input->command != SHELL_NONE)
        return;
    c->is_prompted = true;
    write_text(c, shell_input_is_open(input) ? "   ...> " : "sqlite> ");
}

/* ---- Continue as far as possible */

static void on_input(struct console *console);

static void feed(struct shell_console *c)
{
    if (!c->is_complete)
        return;
    c->given += (unsigned)shell_receive(&c->client->shell, c->line + c->given,
                                        c->len - c->given);
    if (c->given < c->len)
        return;
    c->len = c->given = 0;
    c->is_complete = false;
    console_listen(c->console, on_input); /* more may have been typed */
}

static void pump(struct shell_console *c)
{
    if (!c->client || !drain(c))
        return;
    feed(c);
    if (c->client->shell.is_over)
        renew(c);
    if (!c->client)
        return;
    prompt(c);
    shell_server_wake(c->client);
}

static void on_changed(struct shell_client *client)
{
    pump(container_of(client, struct console_client, client)->owner);
}

static void on_drained(struct console *console)
{
    (void)console;
    pump(the_console);
}

/* ---- Typing */

/* Erase a character: in UTF-8 a first byte and its continuation bytes. */
static void erase(struct shell_console *c)
{
    if (!c->len)
        return;
    while (--c->len && (c->line[c->len] & 0xc0) == 0x80)
        ;
    write_text(c, ERASE);
}

static void put(struct shell_console *c, char byte)
{
    c->line[c->len++] = byte;
    console_write(c->console, &byte, 1);
    c->is_complete = byte == '\n' || c->len == SHELL_CONSOLE_LINE_MAX;
    if (c->is_complete)
        c->is_prompted = false;
}

static void take(struct shell_console *c, char byte)
{
    switch (byte) {
    case CTRL('C'):
        write_text(c, "^C\n");
        c->is_prompted = false;
        renew(c);
        break;
    case CTRL('U'):
        while (c->len)
            erase(c);
        break;
    case '\b':
    case DEL:
        erase(c);
        break;
    case '\r':
        put(c, '\n');
        break;
    default:
        put(c, byte);
    }
}

static void on_input(struct console *console)
{
    struct shell_console *c = the_console;
    char byte;

    if (!c->client)
        renew(c);
    while (c->client && !c->is_complete && console_read(console, &byte, 1))
        take(c, byte);
    pump(c);
}

/* ---- Start and end */

int shell_console_start(struct shell_console *c)
{
    int err = begin_shell(c);

    if (err)
        return err;
    the_console = c;
    c->console->drained = on_drained;
    console_listen(c->console, on_input);
    pump(c);
    return 0;
}

void shell_console_stop(struct shell_console *c)
{
    if (!the_console)
        return;
    console_listen(c->console, NULL);
    c->console->drained = NULL;
    end_shell(c);
    the_console = NULL;
}
