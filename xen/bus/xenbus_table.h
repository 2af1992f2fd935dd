/* SPDX-License-Identifier: MIT */
/*
 * What a frontend does: for each phase of ours and each thing that the backend
 * may do, one action, and the phase after it. For xenbus.c, which walks it, and
 * its unit test, which sees to it that the code does what stands here.
 *
 * An action that cannot be done yet (the keys are not read, it is too early to
 * begin again) leaves the phase as it is, and decide() comes back to it.
 */
#ifndef XEN_BUS_XENBUS_TABLE_H
#define XEN_BUS_XENBUS_TABLE_H

#include "xen/bus/xenbus.h"

/* What the backend does: its state as read, and what else counts. */
enum xenbus_event {
    XENBUS_IS_MISSING, /* there is no such node */
    XENBUS_IS_INITIALISING,
    XENBUS_IS_WAITING, /* InitWait: for us to open */
    XENBUS_IS_BUSY,    /* Initialised, Reconfiguring, Reconfigured */
    XENBUS_IS_CONNECTED,
    XENBUS_IS_CLOSING,  /* and waits for our answer */
    XENBUS_IS_ANSWERED, /* Closing, and we answered */
    XENBUS_IS_CLOSED,   /* `online` is 1: it waits for us to begin again */
    XENBUS_IS_REMOVED,  /* Closed, and not online */
    XENBUS_EVENTS
};

enum xenbus_action {
    XENBUS_UNNAMED, /* a pair that the table forgot: the test fails */
    XENBUS_NEVER,   /* cannot happen, see there; if it does: CLOSE */
    XENBUS_STAY,
    XENBUS_BEGIN, /* say Initialising, at most every XENBUS_RETRY_NS */
    XENBUS_LEARN_AND_OPEN,
    XENBUS_LEARN_AND_CONNECT,
    XENBUS_LOOK_AGAIN, /* it wrote Connected again: changed() */
    XENBUS_CLOSE,      /* close() if it is open, say Closed */
    XENBUS_START_OVER, /* CLOSE, and do not begin again at once */
};

struct xenbus_row {
    uint8_t action : 4; /* enum xenbus_action */
    uint8_t next : 4;   /* enum xenbus_phase */
};

#define XENBUS_ROW(event, does, then) \
    [XENBUS_IS_##event] = {.action = XENBUS_##does, .next = XENBUS_##then}

/* Whatever it does, what is given up says Closed. */
#define XENBUS_ROWS_GIVEN_UP(does)                           \
    {                                                        \
        XENBUS_ROW(MISSING, does, CLOSED_GIVEN_UP),          \
            XENBUS_ROW(INITIALISING, does, CLOSED_GIVEN_UP), \
            XENBUS_ROW(WAITING, CLOSE, CLOSED_GIVEN_UP),     \
            XENBUS_ROW(BUSY, does, CLOSED_GIVEN_UP),         \
            XENBUS_ROW(CONNECTED, does, CLOSED_GIVEN_UP),    \
            XENBUS_ROW(CLOSING, does, CLOSED_GIVEN_UP),      \
            XENBUS_ROW(ANSWERED, NEVER, CLOSED_GIVEN_UP),    \
            XENBUS_ROW(CLOSED, does, CLOSED_GIVEN_UP),       \
            XENBUS_ROW(REMOVED, does, CLOSED_GIVEN_UP),      \
    }

/* NEVER, with ANSWERED: the answer is Closed, and what leads out of CLOSED is
 * a state that is read, which ends ANSWERED. */
static const struct xenbus_row xenbus_table[XENBUS_PHASES][XENBUS_EVENTS] = {
    [XENBUS_NEW] =
        {
            XENBUS_ROW(MISSING, STAY, NEW),
            XENBUS_ROW(INITIALISING, STAY, NEW),
            XENBUS_ROW(WAITING, LEARN_AND_OPEN, OPEN),
            XENBUS_ROW(BUSY, STAY, NEW),
            XENBUS_ROW(CONNECTED, CLOSE, CLOSED), /* with somebody before us */
            XENBUS_ROW(CLOSING, CLOSE, CLOSED),
            XENBUS_ROW(ANSWERED, NEVER, CLOSED),
            XENBUS_ROW(CLOSED, BEGIN, BEGUN),
            XENBUS_ROW(REMOVED, STAY, NEW),
        },
    [XENBUS_BEGUN] =
        {
            XENBUS_ROW(MISSING, STAY, BEGUN),
            XENBUS_ROW(INITIALISING, STAY, BEGUN),
            XENBUS_ROW(WAITING, LEARN_AND_OPEN, OPEN),
            XENBUS_ROW(BUSY, STAY, BEGUN),
            XENBUS_ROW(CONNECTED, CLOSE, CLOSED),
            XENBUS_ROW(CLOSING, CLOSE, CLOSED),
            XENBUS_ROW(ANSWERED, NEVER, CLOSED),
            XENBUS_ROW(CLOSED, STAY, BEGUN),
            XENBUS_ROW(REMOVED, STAY, BEGUN),
        },
    [XENBUS_OPEN] =
        {
            XENBUS_ROW(MISSING, CLOSE, CLOSED),
            XENBUS_ROW(INITIALISING, CLOSE, CLOSED),
            XENBUS_ROW(WAITING, STAY, OPEN), /* it has not seen us yet */
            XENBUS_ROW(BUSY, STAY, OPEN),
            XENBUS_ROW(CONNECTED, LEARN_AND_CONNECT, CONNECTED),
            XENBUS_ROW(CLOSING, CLOSE, CLOSED),
            XENBUS_ROW(ANSWERED, NEVER, CLOSED),
            XENBUS_ROW(CLOSED, CLOSE, CLOSED),
            XENBUS_ROW(REMOVED, CLOSE, CLOSED),
        },
    [XENBUS_CONNECTED] =
        {
            XENBUS_ROW(MISSING, CLOSE, CLOSED),
            XENBUS_ROW(INITIALISING, CLOSE, CLOSED),
            XENBUS_ROW(WAITING, START_OVER, CLOSED),
            XENBUS_ROW(BUSY, STAY, CONNECTED),
            XENBUS_ROW(CONNECTED, LOOK_AGAIN, CONNECTED),
            XENBUS_ROW(CLOSING, CLOSE, CLOSED),
            XENBUS_ROW(ANSWERED, NEVER, CLOSED),
            XENBUS_ROW(CLOSED, CLOSE, CLOSED),
            XENBUS_ROW(REMOVED, CLOSE, CLOSED),
        },
    /* Closing is answered each time, though we said Closed long before: the
     * toolstack that detaches a device waits for what the backend makes of it.
     */
    [XENBUS_CLOSED] =
        {
            XENBUS_ROW(MISSING, STAY, CLOSED),
            XENBUS_ROW(INITIALISING, BEGIN, BEGUN),
            XENBUS_ROW(WAITING, BEGIN, BEGUN),
            XENBUS_ROW(BUSY, STAY, CLOSED),
            XENBUS_ROW(CONNECTED, STAY, CLOSED),
            XENBUS_ROW(CLOSING, CLOSE, CLOSED),
            XENBUS_ROW(ANSWERED, STAY, CLOSED),
            XENBUS_ROW(CLOSED, BEGIN, BEGUN),
            XENBUS_ROW(REMOVED, STAY, CLOSED),
        },
    [XENBUS_NEW_GIVEN_UP] = XENBUS_ROWS_GIVEN_UP(CLOSE),
    /* NEVER: it is open() that failed, for one that waits; decide() follows. */
    [XENBUS_BEGUN_GIVEN_UP] = XENBUS_ROWS_GIVEN_UP(NEVER),
    [XENBUS_OPEN_GIVEN_UP] = XENBUS_ROWS_GIVEN_UP(CLOSE),
    [XENBUS_CONNECTED_GIVEN_UP] = XENBUS_ROWS_GIVEN_UP(CLOSE),
    [XENBUS_CLOSED_GIVEN_UP] =
        {
            XENBUS_ROW(MISSING, STAY, CLOSED_GIVEN_UP),
            XENBUS_ROW(INITIALISING, STAY, CLOSED_GIVEN_UP),
            XENBUS_ROW(WAITING, STAY, CLOSED_GIVEN_UP),
            XENBUS_ROW(BUSY, STAY, CLOSED_GIVEN_UP),
            XENBUS_ROW(CONNECTED, STAY, CLOSED_GIVEN_UP),
            XENBUS_ROW(CLOSING, CLOSE, CLOSED_GIVEN_UP),
            XENBUS_ROW(ANSWERED, STAY, CLOSED_GIVEN_UP),
            XENBUS_ROW(CLOSED, STAY, CLOSED_GIVEN_UP),
            XENBUS_ROW(REMOVED, STAY, CLOSED_GIVEN_UP),
        },
};

static inline enum xenbus_event xenbus_event_of(const struct xenbus_device *dev)
{
    static const uint8_t events[] = {
        [XenbusStateUnknown] = XENBUS_IS_MISSING,
        [XenbusStateInitialising] = XENBUS_IS_INITIALISING,
        [XenbusStateInitWait] = XENBUS_IS_WAITING,
        [XenbusStateInitialised] = XENBUS_IS_BUSY,
        [XenbusStateConnected] = XENBUS_IS_CONNECTED,
        [XenbusStateClosing] = XENBUS_IS_ANSWERED,
        [XenbusStateClosed] = XENBUS_IS_REMOVED,
        [XenbusStateReconfiguring] = XENBUS_IS_BUSY,
        [XenbusStateReconfigured] = XENBUS_IS_BUSY,
    };

    if (dev->wanted & XENBUS_ANSWER)
        return XENBUS_IS_CLOSING;
    if (dev->backend_state == XenbusStateClosed && dev->online)
        return XENBUS_IS_CLOSED;
    return events[dev->backend_state];
}

#endif
