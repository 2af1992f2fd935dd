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
 *   - What happened comes before what did not. A timer says that something has
 *     not happened in time; the guest may have been paused meanwhile, and what
 *     did happen lie in a ring. So all ports are looked at first, and the tasks
 *     that they start. If these leave work for the next turn, timers wait for
 *     that too, at most LOOP_PATIENCE turns.
 *   - What ends by the clock alone (a lease) is an alarm: nothing else runs
 *     between its end and its callback, whatever lies in a ring.
 *   - Each of the four takes what is due when it begins. What a callback starts
 *     of its own kind, or of an earlier one, waits for the next turn: no
 *     callback chain can starve the ports.
 *   - A port's pending bit is cleared before its callback runs: an event that
 *     arrives while it runs is seen in the next turn, never lost.
 *   - loop_now() is constant while callbacks run.
 * A source must be zeroed before its first use, and stopped before the memory
 * it lives in goes away. Stopping one that is not active does nothing.
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

/* Turns that timers wait for tasks. A full receive ring takes a queue four
 * turns (netfront.c, RX_BUDGET), what its frames start some more. Somebody who
 * always has work delays timers by so much. */
#define LOOP_PATIENCE 8

struct loop {
    uint64_t now_ns;
    struct event *events[LOOP_EVENTS_MAX]; /* active, in order of starting */
    evtchn_port_t ports[LOOP_EVENTS_MAX];  /* theirs, as hv_poll wants them */
    unsigned nr_events;
    unsigned at_event, end_event; /* where the pass over the ports is */
    struct timer *timers;         /* heap root */
    struct timer *alarms;         /* the same */
    struct task *tasks, **tasks_tail;
    unsigned turns_held; /* how long timers have been waiting for tasks */
    bool turning, stopped;
    /* What it did so far; the status page shows them. */
    uint64_t turns, sleeps, port_calls, timer_calls, task_calls;
    uint64_t spurious_wakeups; /* turns in which nothing was due */
};

void loop_init(struct loop *loop);

/* Listen on a port that no other event listens on. `event` must not be active.
 * At most LOOP_EVENTS_MAX events are active at once: more is our own error
 * (assert). An event that is pending already fires on the next turn. */
void event_start(struct loop *loop, struct event *event, evtchn_port_t port,
                 void (*fn)(struct event *event));
void event_stop(struct loop *loop, struct event *event);

/* Call fn once when loop_now() >= due_ns. Starting an active timer moves it.
 * Timers are called in order of due_ns; those of equal due_ns in any order. */
void timer_start(struct loop *loop, struct timer *timer, uint64_t due_ns,
                 void (*fn)(struct timer *timer));
/* The same, but before ports and tasks. Timer or alarm, it is one at a time. */
void alarm_start(struct loop *loop, struct timer *timer, uint64_t due_ns,
                 void (*fn)(struct timer *timer));
/* Either. */
void timer_stop(struct loop *loop, struct timer *timer);

/* Call fn once, soon: on this turn if called by an event's callback, or else on
 * the next. Starting an active task changes nothing.
 * Tasks are called in order of starting. */
void task_start(struct loop *loop, struct task *task,
                void (*fn)(struct task *task));
void task_stop(struct loop *loop, struct task *task);

/* The time at which this turn's callbacks began, on hv_now_ns()'s clock. */
uint64_t loop_now(const struct loop *loop);

/* One turn. Sleeps only when nothing is due. Not from a callback. */
void loop_turn(struct loop *loop);

/* Turns until loop_stop(), which takes effect at the end of the turn. A stop
 * that comes before loop_run makes it return without a turn; each loop_stop()
 * ends one loop_run(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Durations. */
#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

#endif
