/* SPDX-License-Identifier: MIT */
/*
 * The event loop: the one thread of control in the guest.
 *
 * Three kinds of source, each embedded in the object it serves, so starting
 * one allocates nothing and cannot fail:
 *   struct event   an event-channel port became pending
 *   struct timer   a point in time was reached
 *   struct task    work to do once, soon
 *
 * A turn: sleep until something is due (hv_poll, the only place where the
 * guest sleeps), then alarms, ports, tasks, timers. Rules:
 *   - A callback never runs inside a call to this header, and never nests.
 *   - A stopped source's callback is not called again, not even in this turn.
 *   - Events come before timeouts. A timer usually means that something did not
 *     happen in time; but the guest may have been paused, and the event may
 *     already be in a ring. So all ports are handled first, and then the tasks
 *     that they start. If these leave work for the next turn, timers wait for
 *     that too, at most LOOP_PATIENCE turns.
 *   - What ends by the clock alone (a lease) is an alarm: no other callback
 *     runs between its end and its own, whatever is in a ring.
 *   - Each of the four phases handles what is due when it begins. What a
 *     callback starts of its own kind, or of an earlier one, waits for the next
 *     turn: no chain of callbacks can starve the ports.
 *   - A port's pending bit is cleared before its callback runs: an event that
 *     arrives while it runs is seen in the next turn, never lost.
 *   - loop_now() is constant while callbacks run.
 * A source must be zeroed before its first use, and stopped before its memory
 * is freed. Stopping one that is not active does nothing.
 */
#ifndef KERNEL_LOOP_H
#define KERNEL_LOOP_H

#include "xen/base.h"

struct loop;

struct event {
    void (*fn)(struct event *event);
    evtchn_port_t port;
    /* the loop's: */
    bool active;
};

struct timer {
    void (*fn)(struct timer *timer);
    /* the loop's: */
    uint64_t due_ns;
    struct timer *child, *next, **link; /* pairing heap; *link is this one */
    bool active, is_alarm;
};

struct task {
    void (*fn)(struct task *task);
    /* the loop's: */
    struct task *next, **link; /* *link is this one */
    bool active;
};

/* Ports that one sleep can wait for (HV_POLL_PORTS_MAX in xen/hv.h). */
#define LOOP_EVENTS_MAX 128

/* Most turns that timers wait for tasks. A full receive ring takes four turns
 * (netfront.c, RX_BUDGET), and what its frames start takes some more. A task
 * that is always busy delays timers by this much. */
#define LOOP_PATIENCE 8

struct loop {
    uint64_t now_ns;
    struct event *events[LOOP_EVENTS_MAX]; /* active, in order of starting */
    evtchn_port_t ports[LOOP_EVENTS_MAX];  /* their ports, for hv_poll */
    unsigned nr_events;
    unsigned at_event, end_event; /* position of the pass over the ports */
    struct timer *timers;         /* heap root */
    struct timer *alarms;         /* the same */
    struct task *tasks, **tasks_tail;
    unsigned turns_held; /* turns that timers have waited for tasks */
    bool turning, stopped;
    /* Counters, shown on the status page. */
    uint64_t turns, sleeps, port_calls, timer_calls, task_calls;
    uint64_t spurious_wakeups; /* turns in which nothing was due */
};

void loop_init(struct loop *loop);

/* Listen on a port that no other event listens on. `event` must not be active.
 * At most LOOP_EVENTS_MAX events may be active at once (assert). A port that is
 * pending already fires on the next turn. */
void event_start(struct loop *loop, struct event *event, evtchn_port_t port,
                 void (*fn)(struct event *event));
void event_stop(struct loop *loop, struct event *event);

/* Call fn once when loop_now() >= due_ns. Starting an active timer moves it.
 * Timers are called in order of due_ns; those of equal due_ns in any order. */
void timer_start(struct loop *loop, struct timer *timer, uint64_t due_ns,
                 void (*fn)(struct timer *timer));
/* The same, but called before ports and tasks. A timer is one or the other. */
void alarm_start(struct loop *loop, struct timer *timer, uint64_t due_ns,
                 void (*fn)(struct timer *timer));
/* Stop a timer or an alarm. */
void timer_stop(struct loop *loop, struct timer *timer);

/* Call fn once, soon: on this turn if started from an event's callback, else on
 * the next one. Starting an active task changes nothing.
 * Tasks are called in order of starting. */
void task_start(struct loop *loop, struct task *task,
                void (*fn)(struct task *task));
void task_stop(struct loop *loop, struct task *task);

/* The time at which this turn's callbacks began, on hv_now_ns()'s clock. */
uint64_t loop_now(const struct loop *loop);

/* One turn. Sleeps only when nothing is due. Not from a callback. */
void loop_turn(struct loop *loop);

/* Run turns until loop_stop(), which takes effect at the end of the turn. A
 * loop_stop() before loop_run() makes it return without a turn; each
 * loop_stop() ends one loop_run(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Durations. */
#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

#endif
