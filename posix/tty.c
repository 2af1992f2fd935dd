/* SPDX-License-Identifier: MIT */
/*
 * The console as a terminal; there is one. The line is filled by the loop, as
 * bytes are typed, until it is complete; from then on they stay in the
 * console's ring until the program has read the line, so that a paste of any
 * length arrives. Output waits here and not in fd.c: it must not fail because
 * nobody reads the console.
 */
#include "posix/tty.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "posix/fd.h"
#include "posix/wait.h"

#define CTRL(letter) ((letter)&0x1f)
#define DEL          0x7f
#define ERASE        "\b \b"

static struct {
    struct fd fd;
    struct console *console;
    char line[TTY_LINE_MAX];
    unsigned len, at; /* bytes typed; of which read */
    bool ended;       /* Ctrl-D: the line is complete as it is */
    bool listening;
    bool stuck; /* nobody reads the console */
} tty;

/* ---- Input */

static bool line_complete(void)
{
    return tty.ended || tty.len == TTY_LINE_MAX ||
           (tty.len && tty.line[tty.len - 1] == '\n');
}

static void echo(const char *text)
{
    console_write(tty.console, text, strlen(text));
}

/* Erase a character: in UTF-8 a first byte and its continuation bytes. */
static void erase(void)
{
    if (!tty.len)
        return;
    while (--tty.len && (tty.line[tty.len] & 0xc0) == 0x80)
        ;
    echo(ERASE);
}

static void put(char byte)
{
    tty.line[tty.len++] = byte;
    console_write(tty.console, &byte, 1);
}

static void interrupt(void)
{
    tty.len = 0;
    echo("^C\n");
    wait_signal(SIGINT);
}

static void take(char byte)
{
    switch (byte) {
    case CTRL('C'):
        interrupt();
        break;
    case CTRL('D'):
        tty.ended = true;
        break;
    case CTRL('U'):
        while (tty.len)
            erase();
        break;
    case '\b':
    case DEL:
        erase();
        break;
    case '\r':
        put('\n');
        break;
    default:
        put(byte);
    }
}

static void on_input(struct console *console)
{
    char byte;

    while (!line_complete() && console_read(console, &byte, 1))
        take(byte);
    if (line_complete())
        wait_wake();
}

static void listen_once(void)
{
    if (!tty.listening)
        console_listen(tty.console, on_input);
    tty.listening = true;
}

static ssize_t tty_read(struct fd *fd, void *to, size_t bytes)
{
    (void)fd;
    listen_once();
    if (!line_complete())
        return -XEN_EAGAIN;
    if (bytes > tty.len - tty.at)
        bytes = tty.len - tty.at;
    memcpy(to, tty.line + tty.at, bytes);
    tty.at += (unsigned)bytes;
    if (tty.at == tty.len) {
        tty.at = tty.len = 0;
        tty.ended = false;
        console_listen(tty.console, on_input);
    }
    return (ssize_t)bytes;
}

static int tty_waiting(struct fd *fd, int *bytes)
{
    (void)fd;
    listen_once();
    *bytes = line_complete() ? (int)(tty.len - tty.at) : 0;
    return 0;
}

/* ---- Output */

static void on_drained(struct console *console)
{
    (void)console;
    tty.stuck = false;
    wait_wake();
}

static void await_room(void)
{
    uint64_t due_ns = fd_due(TTY_STUCK_NS);

    while (!tty.stuck && !console_room(tty.console)) {
        int err = wait_until(due_ns);

        tty.stuck = err && err != -XEN_EINTR;
    }
}

static ssize_t tty_write(struct fd *fd, const void *from, size_t bytes)
{
    size_t room;

    if (!(fd->flags & O_NONBLOCK))
        await_room();
    room = tty.stuck ? SIZE_MAX : console_room(tty.console);
    if (!room)
        return -XEN_EAGAIN;
    if (bytes > room)
        bytes = room;
    console_write(tty.console, from, bytes);
    return (ssize_t)bytes;
}

/* ---- What it is */

static int tty_stat(struct fd *fd, struct stat *stat)
{
    (void)fd;
    stat->st_mode = S_IFCHR | S_IRUSR | S_IWUSR;
    stat->st_blksize = TTY_LINE_MAX;
    return 0;
}

static short tty_poll(struct fd *fd)
{
    short ready = 0;

    (void)fd;
    listen_once();
    if (line_complete())
        ready |= POLLIN | POLLRDNORM;
    if (tty.stuck || console_room(tty.console))
        ready |= POLLOUT | POLLWRNORM;
    return ready;
}

static int tty_close(struct fd *fd)
{
    (void)fd;
    if (tty.listening)
        console_listen(tty.console, NULL);
    tty.console->drained = NULL;
    return 0;
}

static const struct fd_ops ops = {
    .read = tty_read,
    .write = tty_write,
    .stat = tty_stat,
    .waiting = tty_waiting,
    .poll = tty_poll,
    .close = tty_close,
};

void tty_init(struct console *console)
{
    memset(&tty, 0, sizeof(tty));
    tty.fd = (struct fd){.ops = &ops, .flags = O_RDWR};
    tty.console = console;
    console->drained = on_drained;
    for (int nr = 0; nr <= 2; nr++)
        (void)fd_add(&tty.fd, nr);
}
