/* SPDX-License-Identifier: MIT */
/*
 * The PV console (xen/io/console.h), which `xl console` connects to.
 *
 * Output never blocks: what the ring cannot take waits in a bounded backlog,
 * and what the backlog cannot take is dropped, counted, and reported with one
 * line when there is room again. Input stays in the ring until it is read, so
 * xenconsoled holds back a paste that nobody has read yet: nothing is lost.
 */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include "kernel/loop.h"
#include "xen/base.h"

/* Room for what a guest writes while it starts, before xenconsoled first reads
 * the ring: 50 lines of 80 bytes, and the ring's 2 KiB besides. */
#define CONSOLE_BACKLOG_BYTES 4096

struct console {
    struct loop *loop;              /* NULL until console_start */
    struct xencons_interface *ring; /* shared; NULL: no console, all dropped */
    evtchn_port_t port;
    struct event event;
    struct task flush; /* one notification per turn, for output and input */
    struct task input; /* input may be waiting, and somebody listens */
    void (*readable)(struct console *console);
    /* The owner's, may be NULL: called on the loop when the other side may have
     * read some, so that console_room may have grown. */
    void (*drained)(struct console *console);
    char backlog[CONSOLE_BACKLOG_BYTES]; /* circular */
    uint32_t backlog_at, backlog_used;
    uint64_t dropped_bytes, dropped_reported; /* equal: nothing to report */
    uint32_t out_prod, in_cons; /* ours; the shared copies are only written,
                                 * never read back */
    bool mid_line;              /* the last byte taken was not a '\n' */
    bool broken; /* the other side wrote impossible indices: console given up,
                  * as if none */
};

/* Early use: only console_write and console_drain, before any loop. */
void console_init(struct console *console);
/* From now on the loop moves backlog and input. */
void console_start(struct console *console, struct loop *loop);

/* Takes everything. '\n' is sent as "\r\n". */
void console_write(struct console *console, const char *bytes, size_t len);

/* How many bytes can be written without any being dropped, even if all of them
 * are '\n'. SIZE_MAX: there is no console to read them. */
size_t console_room(const struct console *console);

/* After console_start: call fn (on the loop) when there is input; again in the
 * next turn if it read some of it but not all, and when more arrives. NULL:
 * leave input in the ring. */
void console_listen(struct console *console,
                    void (*fn)(struct console *console));
/* At most len bytes of waiting input; returns how many. */
size_t console_read(struct console *console, char *bytes, size_t len);

/* Push out what was written and wait until the other side has read all of it,
 * at most until hv_now_ns() >= until_ns. For use just before the guest ends:
 * the event for input that arrives meanwhile may be lost. */
void console_drain(struct console *console, uint64_t until_ns);

#endif
