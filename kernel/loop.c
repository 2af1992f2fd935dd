/* SPDX-License-Identifier: MIT */
/*
 * The event loop.
 *
 * Events are an array, parallel to the array of ports that hv_poll takes. A
 * pass over them goes from at_event to end_event, the end as it was when the
 * pass began; stopping an event closes the gap and moves both, so each event
 * that stays is visited once, and none that was started meanwhile.
 *
 * Timers are a pairing heap, alarms another: starting is one comparison,
 * stopping and expiring take O(log n) amortised, and nothing is allocated.
 * Tasks are a list. Those due when their phase of the turn begins are moved to
 * a separate list before the first callback of that phase; what a callback
 * starts goes to the heap or list proper and waits there. `link` points to the
 * pointer that leads to the source, so stopping works the same way whichever
 * list it is in.
 */
#include "kernel/loop.h"
#include "xen/evtchn.h"
#include "xen/hv.h"

#include <assert.h>
#include <string.h>

_Static_assert(LOOP_EVENTS_MAX == HV_POLL_PORTS_MAX,
               "a sleep waits for every event");

void loop_init(struct loop *loop)
{
    *loop = (struct loop){0};
    loop->tasks_tail = &loop->tasks;
    loop->now_ns = hv_now_ns();
}

uint64_t loop_now(const struct loop *loop)
{
    return loop->now_ns;
}

/* ---- Events */

void event_start(struct loop *loop, struct event *event, evtchn_port_t port,
                 void (*fn)(struct event *event))
{
    unsigned nr = loop->nr_events;

    assert(!event->active && nr < LOOP_EVENTS_MAX);
    for (unsigned i = 0; i < nr; i++)
        assert(loop->ports[i] != port);
    event->fn = fn;
    event->port = port;
    event->active = true;
    loop->events[nr] = event;
    loop->ports[nr] = port;
    loop->nr_events++;
}

void event_stop(struct loop *loop, struct event *event)
{
    unsigned i = 0, after;

    if (!event->active)
        return;
    while (loop->events[i] != event)
        i++;
    after = --loop->nr_events - i;
    memmove(&loop->events[i], &loop->events[i + 1],
            after * sizeof(loop->events[0]));
    memmove(&loop->ports[i], &loop->ports[i + 1],
            after * sizeof(loop->ports[0]));
    loop->at_event -= i < loop->at_event;
    loop->end_event -= i < loop->end_event;
    event->active = false;
}

static void run_events(struct loop *loop)
{
    loop->at_event = 0;
    loop->end_event = loop->nr_events;
    while (loop->at_event < loop->end_event) {
        struct event *event = loop->events[loop->at_event++];

        if (!evtchn_take(event->port))
            continue;
        loop->port_calls++;
        event->fn(event);
    }
}

/* ---- Timers */

/* Merge two heaps, either of which may be empty. */
static struct timer *meld(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->due_ns < a->due_ns) {
        struct timer *later = a;

        a = b;
        b = later;
    }
    b->next = a->child;
    if (b->next)
        b->next->link = &b->next;
    b->link = &a->child;
    a->child = b;
    return a;
}

/* Merge a list of siblings into one heap: in pairs from the left, then these
 * from the right, which makes expiring cheap in the long run. */
static struct timer *meld_siblings(struct timer *list)
{
    struct timer *pairs = NULL, *heap = NULL;

    while (list) {
        struct timer *first = list, *second = list->next;

        list = second ? second->next : NULL;
        first = meld(first, second);
        first->next = pairs;
        pairs = first;
    }
    while (pairs) {
        struct timer *next = pairs->next;

        heap = meld(heap, pairs);
        pairs = next;
    }
    return heap;
}

/* Not inlined: each copy would add a tenth to the loop's code. */
static __attribute__((noinline)) void heap_add(struct timer **at,
                                               struct timer *heap)
{
    struct timer *root = meld(*at, heap);

    *at = root;
    if (!root)
        return;
    root->next = NULL;
    root->link = at;
}

static void start(struct loop *loop, struct timer **at, struct timer *timer,
                  uint64_t due_ns, void (*fn)(struct timer *timer))
{
    timer_stop(loop, timer);
    timer->fn = fn;
    timer->due_ns = due_ns;
    timer->active = true;
    timer->child = NULL;
    heap_add(at, timer);
}

void timer_start(struct loop *loop, struct timer *timer, uint64_t due_ns,
                 void (*fn)(struct timer *timer))
{
    start(loop, &loop->timers, timer, due_ns, fn);
    timer->is_alarm = false;
}

void alarm_start(struct loop *loop, struct timer *timer, uint64_t due_ns,
                 void (*fn)(struct timer *timer))
{
    start(loop, &loop->alarms, timer, due_ns, fn);
    timer->is_alarm = true;
}

void timer_stop(struct loop *loop, struct timer *timer)
{
    if (!timer->active)
        return;
    timer->active = false;
    *timer->link = timer->next;
    if (timer->next)
        timer->next->link = timer->link;
    heap_add(timer->is_alarm ? &loop->alarms : &loop->timers,
             meld_siblings(timer->child));
}

/* Move the timers that are due from their heap to a list, in order. */
static void take_timers(const struct loop *loop, struct timer **at,
                        struct timer **tail)
{
    struct timer *timer;

    while ((timer = *at) && timer->due_ns <= loop->now_ns) {
        *at = NULL;
        heap_add(at, meld_siblings(timer->child));
        timer->child = NULL;
        timer->link = tail;
        *tail = timer;
        tail = &timer->next;
    }
    *tail = NULL;
}

static void run_timers(struct loop *loop, struct timer **at)
{
    struct timer *due, *timer;

    take_timers(loop, at, &due);
    while ((timer = due)) {
        timer_stop(loop, timer);
        loop->timer_calls++;
        timer->fn(timer);
    }
}

/* ---- Tasks */

void task_start(struct loop *loop, struct task *task,
                void (*fn)(struct task *task))
{
    if (task->active)
        return;
    task->fn = fn;
    task->active = true;
    task->next = NULL;
    task->link = loop->tasks_tail;
    *loop->tasks_tail = task;
    loop->tasks_tail = &task->next;
}

void task_stop(struct loop *loop, struct task *task)
{
    if (!task->active)
        return;
    task->active = false;
    *task->link = task->next;
    if (task->next)
        task->next->link = task->link;
    if (loop->tasks_tail == &task->next)
        loop->tasks_tail = task->link;
}

static void take_tasks(struct loop *loop, struct task **head)
{
    *head = loop->tasks;
    if (*head)
        (*head)->link = head;
    loop->tasks = NULL;
    loop->tasks_tail = &loop->tasks;
}

static void run_tasks(struct loop *loop)
{
    struct task *due, *task;

    take_tasks(loop, &due);
    while ((task = due)) {
        task_stop(loop, task);
        loop->task_calls++;
        task->fn(task);
    }
}

/* ---- Turns */

static uint64_t next_due(const struct loop *loop)
{
    uint64_t timer_ns = loop->timers ? loop->timers->due_ns : UINT64_MAX;
    uint64_t alarm_ns = loop->alarms ? loop->alarms->due_ns : UINT64_MAX;

    return timer_ns < alarm_ns ? timer_ns : alarm_ns;
}

static bool is_idle(const struct loop *loop)
{
    if (loop->tasks)
        return false;
    for (unsigned i = 0; i < loop->nr_events; i++)
        if (evtchn_is_pending(loop->ports[i]))
            return false;
    return next_due(loop) > hv_now_ns();
}

static void nap(struct loop *loop)
{
    loop->sleeps++;
    hv_poll(loop->ports, loop->nr_events, next_due(loop));
}

/* Remaining tasks may be input that arrived before a timer was due. */
static void run_timers_at_last(struct loop *loop)
{
    if (loop->tasks && loop->turns_held < LOOP_PATIENCE) {
        loop->turns_held++;
        return;
    }
    loop->turns_held = 0;
    run_timers(loop, &loop->timers);
}

static uint64_t calls(const struct loop *loop)
{
    return loop->port_calls + loop->timer_calls + loop->task_calls;
}

void loop_turn(struct loop *loop)
{
    uint64_t calls_before = calls(loop);

    assert(!loop->turning);
    loop->turning = true;
    loop->turns++;
    if (is_idle(loop))
        nap(loop);
    loop->now_ns = hv_now_ns();
    run_timers(loop, &loop->alarms);
    run_events(loop);
    run_tasks(loop);
    run_timers_at_last(loop);
    loop->spurious_wakeups += calls(loop) == calls_before;
    loop->turning = false;
}

void loop_run(struct loop *loop)
{
    while (!loop->stopped)
        loop_turn(loop);
    loop->stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
