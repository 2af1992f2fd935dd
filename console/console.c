/* SPDX-License-Identifier: MIT */
/*
 * One shared page (xen/io/console.h) holds two byte rings, out to xenconsoled
 * and in from it, and one event channel serves both.
 *
 * Out: console_write puts bytes into the backlog, pump() moves them on to the
 * ring as far as it has room. xenconsoled notifies whenever it has read some,
 * and then pump() runs again. When the backlog is full, lines are dropped
 * until it is empty: a slow reader sees one gap and one line that tells its
 * size, not a gap and a report for every second line.
 *
 * In: bytes stay in the ring until somebody reads them. Reading notifies,
 * because xenconsoled does not read its terminal while the ring is full.
 *
 * The indices of both sides run freely and are reduced when used. Ours live in
 * struct console. The other side's are loaded once for each use and may be at
 * most a ring's size away from ours; if they are not, the console is given up:
 * `ring` is then NULL, which always means "no console" below.
 */
#include "console/console.h"

#include <stdio.h>
#include <string.h>

#include "xen/abi.h"
#include "xen/evtchn.h"
#include "xen/hv.h"

/* A longer line is kept or dropped in pieces of this size, so that an endless
 * line does not need an endless backlog. */
#define PIECE_MAX 256

#define REPORT_MAX 64 /* "[console: 18446744073709551615 bytes dropped]" */

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void give_up(struct console *console)
{
    console->ring = NULL;
    console->broken = true;
    console->dropped_bytes += console->backlog_used;
    console->backlog_used = 0;
    if (console->loop) {
        event_stop(console->loop, &console->event);
        task_stop(console->loop, &console->flush);
    }
}

/* Bytes of output that xenconsoled has not read yet. */
static uint32_t out_unread(struct console *console)
{
    if (!console->ring)
        return 0;
    /* Acquire: xenconsoled has read the bytes before out_cons, so they may be
     * overwritten; pairs with its barrier before it moves out_cons. */
    uint32_t cons = __atomic_load_n(&console->ring->out_cons, __ATOMIC_ACQUIRE);
    uint32_t unread = console->out_prod - cons;
    if (unread > sizeof(console->ring->out)) {
        give_up(console);
        return 0;
    }
    return unread;
}

/* Bytes of input that we have not read yet. */
static uint32_t in_waiting(struct console *console)
{
    if (!console->ring)
        return 0;
    /* Acquire: the bytes before in_prod are there; pairs with xenconsoled's
     * barrier before it moves in_prod. */
    uint32_t prod = __atomic_load_n(&console->ring->in_prod, __ATOMIC_ACQUIRE);
    uint32_t waiting = prod - console->in_cons;
    if (waiting > sizeof(console->ring->in)) {
        give_up(console);
        return 0;
    }
    return waiting;
}

static void notify(struct task *task)
{
    struct console *console = container_of(task, struct console, flush);

    hv_evtchn_notify(console->port);
}

/* Without a loop, send no notification yet: console_start or console_drain will
 * send one for all lines so far, instead of one hypercall for each. */
static void notify_soon(struct console *console)
{
    if (console->loop)
        task_start(console->loop, &console->flush, notify);
}

/* ---- The backlog */

static void put_byte(struct console *console, char byte)
{
    uint32_t end = console->backlog_at + console->backlog_used++;

    console->backlog[end % CONSOLE_BACKLOG_BYTES] = byte;
}

static char take_byte(struct console *console)
{
    char byte = console->backlog[console->backlog_at];

    console->backlog_at = (console->backlog_at + 1) % CONSOLE_BACKLOG_BYTES;
    console->backlog_used--;
    return byte;
}

/* The caller knows that there is room: see fits(). */
static void put(struct console *console, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n')
            put_byte(console, '\r');
        put_byte(console, bytes[i]);
    }
    console->mid_line = bytes[len - 1] != '\n';
}

/* A piece has at most one '\n', which becomes two bytes. */
static bool fits(const struct console *console, size_t len)
{
    return len + 1 <= CONSOLE_BACKLOG_BYTES - console->backlog_used;
}

static bool is_dropping(const struct console *console)
{
    return console->dropped_bytes != console->dropped_reported;
}

/* Ends the dropping. The backlog is empty, so the report finds room. */
static void report_dropped(struct console *console)
{
    char line[REPORT_MAX];
    unsigned long bytes = console->dropped_bytes - console->dropped_reported;

    if (console->mid_line)
        put(console, "\n", 1);
    int len =
        snprintf(line, sizeof(line), "[console: %lu bytes dropped]\n", bytes);
    put(console, line, (size_t)len);
    console->dropped_reported = console->dropped_bytes;
}

/* ---- From the backlog to the ring */

static void move(struct console *console)
{
    struct xencons_interface *ring = console->ring;
    uint32_t room = sizeof(ring->out) - out_unread(console);
    uint32_t len = min_u32(room, console->backlog_used);

    if (len == 0) /* also when out_unread() has given up the console */
        return;
    for (uint32_t i = 0; i < len; i++) {
        uint32_t at = MASK_XENCONS_IDX(console->out_prod++, ring->out);
        ring->out[at] = take_byte(console);
    }
    /* Release: the bytes above are there before the index that shows them;
     * pairs with xenconsoled's barrier after it has read out_prod. */
    __atomic_store_n(&ring->out_prod, console->out_prod, __ATOMIC_RELEASE);
    notify_soon(console);
}

static void pump(struct console *console)
{
    if (!console->ring)
        return;
    move(console);
    if (console->ring && console->backlog_used == 0 && is_dropping(console)) {
        report_dropped(console);
        move(console);
    }
}

/* Up to and including the first '\n'. */
static size_t piece_length(const char *bytes, size_t len)
{
    if (len > PIECE_MAX)
        len = PIECE_MAX;
    const char *newline = memchr(bytes, '\n', len);
    return newline ? (size_t)(newline - bytes) + 1 : len;
}

static void write_piece(struct console *console, const char *bytes, size_t len)
{
    if (!fits(console, len))
        pump(console);
    if (!console->ring || is_dropping(console) || !fits(console, len))
        console->dropped_bytes += len;
    else
        put(console, bytes, len);
}

void console_write(struct console *console, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t piece = piece_length(bytes, len);

        write_piece(console, bytes, piece);
        bytes += piece;
        len -= piece;
    }
    pump(console);
}

size_t console_room(const struct console *console)
{
    if (!console->ring)
        return SIZE_MAX;
    if (is_dropping(console))
        return 0;
    return (CONSOLE_BACKLOG_BYTES - console->backlog_used) / 2;
}

/* ---- Input, and the loop */

static void deliver(struct task *task)
{
    struct console *console = container_of(task, struct console, input);

    uint32_t before = console->in_cons;

    if (!console->readable || in_waiting(console) == 0)
        return;
    console->readable(console);
    /* A listener that read some gets the rest in the next turns; one that read
     * nothing does not keep the guest awake. */
    if (console->in_cons != before)
        task_start(console->loop, &console->input, deliver);
}

static void deliver_soon(struct console *console)
{
    if (console->ring && console->readable)
        task_start(console->loop, &console->input, deliver);
}

/* xenconsoled has read output or sent input: the event does not say which. */
static void on_event(struct event *event)
{
    struct console *console = container_of(event, struct console, event);

    pump(console);
    if (console->drained)
        console->drained(console);
    deliver_soon(console);
}

void console_listen(struct console *console,
                    void (*fn)(struct console *console))
{
    console->readable = fn;
    deliver_soon(console);
}

size_t console_read(struct console *console, char *bytes, size_t len)
{
    uint32_t waiting = in_waiting(console);
    struct xencons_interface *ring = console->ring;

    if (len > waiting)
        len = waiting;
    if (len == 0)
        return 0;
    for (size_t i = 0; i < len; i++)
        bytes[i] = ring->in[MASK_XENCONS_IDX(console->in_cons++, ring->in)];
    /* Release: the bytes were read before the index that frees their space;
     * pairs with xenconsoled's barrier after it has read in_cons. */
    __atomic_store_n(&ring->in_cons, console->in_cons, __ATOMIC_RELEASE);
    notify_soon(console);
    return len;
}

/* ---- The beginning and the end */

void console_init(struct console *console)
{
    struct xencons_interface *ring = hv_info()->console_page;

    memset(console, 0, sizeof(*console));
    if (!ring)
        return;
    console->ring = ring;
    console->port = hv_info()->console_port;
    /* The shared copies are read only here: a boot loader that ran in this
     * domain before us may have used the ring. */
    console->out_prod = ring->out_prod;
    console->in_cons = ring->in_cons;
}

void console_start(struct console *console, struct loop *loop)
{
    if (!console->ring)
        return;
    console->loop = loop;
    event_start(loop, &console->event, console->port, on_event);
    notify_soon(console);
}

void console_drain(struct console *console, uint64_t until_ns)
{
    while (console->ring) {
        /* Clear the event before checking: a later one then ends the sleep. */
        evtchn_take(console->port);
        pump(console);
        if (out_unread(console) == 0)
            return;
        hv_evtchn_notify(console->port);
        if (hv_now_ns() >= until_ns)
            return;
        hv_poll(&console->port, 1, until_ns);
    }
}
